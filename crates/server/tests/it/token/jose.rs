//! 2.A of the catalogue: JWTs that are no good.

use std::net::TcpListener;

use admit_core::check::code::Reason;
use admit_core::jose::algorithm::Algorithm;
use admit_core::jose::sign::{SigningKey, generate};
use admit_core::jose::{decode, encode};
use admit_core::signing_key::Purpose;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};

use super::{API, Desk, grant_of};

/// A token in three parts, with another header.
fn with_header(token: &str, header: &Value) -> String {
    let rest = token.split_once('.').unwrap().1;
    format!("{}.{rest}", encode(header.to_string().as_bytes()))
}

fn header_of(token: &str) -> Value {
    serde_json::from_slice(&decode(token.split('.').next().unwrap()).unwrap()).unwrap()
}

fn parts(token: &str) -> (String, Vec<u8>) {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    (signed.to_owned(), decode(signature).unwrap())
}

#[tokio::test]
async fn jwt_01_none_is_no_algorithm() {
    let desk = Desk::new().await;
    let token = desk.token().await;
    assert_eq!(desk.read(&token).await.status, 200);
    for alg in ["none", "None", "NONE", "nOnE"] {
        let mut header = header_of(&token);
        header["alg"] = json!(alg);
        let unsigned = with_header(&token, &header);
        let bare = format!("{}.", unsigned.rsplit_once('.').unwrap().0);
        for token in [unsigned, bare] {
            assert_eq!(desk.refused(&token).await, "token_algorithm", "{alg}");
        }
    }
}

#[tokio::test]
async fn jwt_02_a_public_key_is_no_secret() {
    let desk = Desk::new().await;
    let (key, token) = (desk.key(Purpose::Issuer).await, desk.token().await);
    let jwk = key.public_jwk();
    let number = |name: &str| decode(jwk[name].as_str().unwrap()).unwrap();
    // SubjectPublicKeyInfo of P-256.
    let mut der = data_encoding::HEXLOWER.decode(b"3059301306072a8648ce3d020106082a8648ce3d030107034200").unwrap();
    der.push(4);
    der.extend([number("x"), number("y")].concat());
    let base64 = data_encoding::BASE64.encode(&der);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n{}\n-----END PUBLIC KEY-----\n", &base64[..64], &base64[64..]);
    let secrets = [
        pem.clone().into_bytes(),
        format!("\n{pem}").into_bytes(),
        format!(" {pem}").into_bytes(),
        der,
        jwk.to_string().into(),
    ];
    for secret in secrets {
        let header = json!({"alg": "HS256", "kid": key.kid(), "typ": "at+jwt"});
        let (signed, _) = parts(&with_header(&token, &header));
        let hmac = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &secret);
        let forged = format!("{signed}.{}", encode(aws_lc_rs::hmac::sign(&hmac, signed.as_bytes()).as_ref()));
        assert_eq!(desk.refused(&forged).await, "token_algorithm");
    }
}

#[tokio::test]
async fn jwt_04_no_address_in_a_header_is_ever_asked() {
    let desk = Desk::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
    let thief = SigningKey::parse(Algorithm::Es256, &generate(Algorithm::Es256).unwrap()).unwrap();
    let forged = thief.sign("at+jwt", &desk.claims()).unwrap();
    for kid in [thief.kid(), desk.key(Purpose::Issuer).await.kid()] {
        for (name, value) in [("jku", json!(url)), ("x5u", json!(url)), ("jwk", thief.public_jwk().clone())] {
            let header = json!({"alg": "ES256", "kid": kid, "typ": "at+jwt", name: value});
            let expected = if kid == thief.kid() { "unknown_signing_key" } else { "token_signature" };
            assert_eq!(desk.refused(&with_header(&forged, &header)).await, expected, "{name}");
        }
    }
    assert!(listener.accept().is_err(), "somebody was asked");
}

#[tokio::test]
async fn jwt_05_a_kid_is_a_name_and_nothing_else() {
    let desk = Desk::new().await;
    let token = desk.token().await;
    let reason = async |kid: Value| {
        let header = json!({"alg": "ES256", "kid": kid, "typ": "at+jwt"});
        desk.refused(&with_header(&token, &header)).await
    };
    for kid in ["../../etc/passwd", "' OR 1=1--", "\0", "", "é"] {
        assert_eq!(reason(json!(kid)).await, "unknown_signing_key", "{kid:?}");
    }
    for kid in [json!([1]), json!(7), json!(null), json!({})] {
        assert_eq!(reason(kid.clone()).await, "token_form", "{kid}");
    }
    assert_eq!(reason(json!("x".repeat(257))).await, "token_form");
    let without = json!({"alg": "ES256", "typ": "at+jwt"});
    assert_eq!(desk.refused(&with_header(&token, &without)).await, "unknown_signing_key");
    let long = desk.read(&with_header(&token, &json!({"alg": "ES256", "kid": "x".repeat(10_000)}))).await;
    assert_eq!((long.status, desk.app.last_reason()), (401, Some(Reason::CredentialForm)), "not even looked at");
}

#[tokio::test]
async fn jwt_06_nothing_critical_is_known() {
    let desk = Desk::new().await;
    let token = desk.token().await;
    for crit in [json!(["exp"]), json!([]), json!(["b64"]), json!(["x"]), json!(null)] {
        let mut header = header_of(&token);
        header["crit"] = crit.clone();
        assert_eq!(desk.refused(&with_header(&token, &header)).await, "token_form", "{crit}");
    }
    let twice = format!("{{\"crit\":[\"x\"],\"crit\":[\"x\"],{}", &header_of(&token).to_string()[1..]);
    let rest = token.split_once('.').unwrap().1;
    assert_eq!(desk.refused(&format!("{}.{rest}", encode(twice.as_bytes()))).await, "token_form");
}

/// Claims in which one stands there twice.
struct Twice<'c>(&'c Value, &'c str, Value);

impl Serialize for Twice<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.0.as_object().unwrap() {
            map.serialize_entry(name, value)?;
        }
        map.serialize_entry(self.1, &self.2)?;
        map.end()
    }
}

#[tokio::test]
async fn jwt_08_a_member_that_stands_there_twice_is_none() {
    let desk = Desk::new().await;
    let claims = desk.claims();
    for (name, value) in [("sub", claims["sub"].clone()), ("exp", json!(desk.seconds() + 60)), ("extra", json!(1))] {
        let mut claims = claims.clone();
        claims["extra"] = json!(1);
        let token = desk.sign("at+jwt", &Twice(&claims, name, value)).await;
        assert_eq!(desk.refused(&token).await, "token_form", "{name}");
    }
    let token = desk.token().await;
    let header = format!("{{\"alg\":\"ES256\",{}", &header_of(&token).to_string()[1..]);
    let rest = token.split_once('.').unwrap().1;
    assert_eq!(desk.refused(&format!("{}.{rest}", encode(header.as_bytes()))).await, "token_form");
}

#[tokio::test]
async fn jwt_09_a_token_has_one_spelling() {
    let desk = Desk::new().await;
    let token = desk.token().await;
    assert_eq!(desk.read(&token).await.status, 200);
    let last = token.chars().last().unwrap();
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let next = letters.chars().nth((letters.find(last).unwrap() + 1) % 64).unwrap();
    let spare_bits = format!("{}{next}", &token[..token.len() - 1]);
    for other in [format!("{token}="), token.replacen('.', "=.", 1), format!("{token}/"), spare_bits] {
        assert_eq!(desk.refused(&other).await, "token_form", "{other}");
    }
    let (head, tail) = token.split_at(20);
    assert_eq!(desk.refused(&format!("{head} {tail}")).await, "credential_form");
}

/// n of P-256.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// n − s.
fn opposite(s: &[u8]) -> Vec<u8> {
    let (mut difference, mut borrow) = (vec![0; 32], 0_i16);
    for place in (0..32).rev() {
        let digit = i16::from(ORDER[place]) - i16::from(s[place]) - borrow;
        borrow = i16::from(digit < 0);
        difference[place] = digit.rem_euclid(256) as u8;
    }
    difference
}

#[tokio::test]
async fn jwt_10_two_signatures_of_one_token_are_one_token() {
    let desk = Desk::new().await;
    let claims = desk.claims();
    let token = desk.sign("at+jwt", &claims).await;
    let (signed, signature) = parts(&token);
    let with = |signature: &[u8]| format!("{signed}.{}", encode(signature));
    let (r, s) = signature.split_at(32);
    let other = with(&[r, &opposite(s)].concat());
    let bad: [Vec<u8>; 5] = [
        vec![0; 64],
        [r, &[0; 32]].concat(),
        signature[..63].to_vec(),
        [&signature[..], &[0]].concat(),
        [&[0x30, 0x44, 0x02, 0x20], r, &[0x02, 0x20], s].concat(),
    ];
    for bad in bad {
        assert_eq!(desk.refused(&with(&bad)).await, "token_signature");
    }
    for token in [&token, &other] {
        assert_eq!(desk.read(token).await.status, 200, "the other half of the curve is as good");
    }
    desk.revoke(claims["jti"].as_str().unwrap().parse().unwrap()).await;
    for token in [&token, &other] {
        assert_eq!(desk.refused(token).await, "revoked", "by its jti, whatever its octets");
    }
}

#[tokio::test]
async fn jwt_11_a_date_is_a_number() {
    let desk = Desk::new().await;
    let exps = [json!("9999999999"), json!({}), json!(-1), json!(9_223_372_036_854_775_808_u64), Value::Null];
    for exp in exps {
        assert_eq!(desk.refused(&desk.token_with("exp", exp.clone()).await).await, "token_claims", "{exp}");
    }
    for (name, value) in [("nbf", json!("x")), ("iat", json!({}))] {
        assert_eq!(desk.refused(&desk.token_with(name, value).await).await, "token_claims", "{name}");
    }
    let fraction = desk.token_with("exp", json!(desk.seconds() as f64 + 60.5)).await;
    assert_eq!(desk.read(&fraction).await.status, 200);
}

#[tokio::test]
async fn jwt_12_clocks_may_differ_by_ten_seconds() {
    let desk = Desk::new().await;
    let at = |from: i64, until: i64| {
        let (mut claims, now) = (desk.claims(), desk.seconds());
        (claims["iat"], claims["nbf"], claims["exp"]) = (json!(now + from), json!(now + from), json!(now + until));
        claims
    };
    for (from, until, reason) in
        [(-100, -8, None), (-100, -11, Some("expired")), (8, 60, None), (13, 60, Some("not_yet"))]
    {
        let token = desk.sign("at+jwt", &at(from, until)).await;
        match reason {
            None => assert_eq!(desk.read(&token).await.status, 200, "{from} {until}"),
            Some(reason) => assert_eq!(desk.refused(&token).await, reason, "{from} {until}"),
        }
    }
    let day = 24 * 3600;
    assert_eq!(
        desk.refused(&desk.sign("at+jwt", &at(0, day + 1)).await).await,
        "token_claims",
        "no token lives so long"
    );
}

#[tokio::test]
async fn jwt_13_a_token_of_another_kind_is_no_access_token() {
    let desk = Desk::new().await;
    let kinds = [
        "JWT",
        "logout+jwt",
        "dpop+jwt",
        "oauth-authz-req+jwt",
        "client-authentication+jwt",
        "token-introspection+jwt",
        "rt+jwt",
        "admit+jwt",
        "",
    ];
    for typ in kinds {
        assert_eq!(desk.refused(&desk.sign(typ, &desk.claims()).await).await, "token_type", "{typ}");
    }
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt"] {
        assert_eq!(desk.read(&desk.sign(typ, &desk.claims()).await).await.status, 200, "{typ}");
    }
    // An API that asked for `JWT` takes it, and an ID token still says something else.
    let update = json!({"token_typ": "JWT"});
    let apis = desk.app.manage("GET", "/v1/realms/default/apis", Value::Null).await.expect(200);
    let api = apis["items"].as_array().unwrap().iter().find(|api| api["uri"] == API).unwrap();
    let path = format!("/v1/realms/default/apis/{}", api["id"].as_str().unwrap());
    desk.app.manage("PATCH", &path, update).await.expect(200);
    assert_eq!(desk.read(&desk.sign("JWT", &desk.claims()).await).await.status, 200);
    let now = desk.seconds();
    let id_token = json!({"iss": desk.claims()["iss"], "sub": desk.client, "aud": desk.client, "iat": now, "exp": now + 60,
        "nonce": "n", "at_hash": "x", "sid": "s"});
    assert_eq!(desk.refused(&desk.sign("JWT", &id_token).await).await, "other_audience");
}

#[tokio::test]
async fn jwt_14_a_token_is_good_at_its_own_api() {
    let desk = Desk::new().await;
    let stock = json!({"uri": "https://stock.test", "hosts": ["stock.test"], "scopes": {"orders:read": ""}});
    desk.app.manage("POST", "/v1/realms/default/apis", stock).await.expect(201);
    let auds = [
        json!("https://api.shop.test.evil.test"),
        json!("https://API.shop.test"),
        json!("https://stock.test"),
        json!(["https://other.test", API]),
        json!([]),
    ];
    for aud in auds {
        assert_eq!(desk.refused(&desk.token_with("aud", aud.clone()).await).await, "other_audience", "{aud}");
    }
    let token = desk.token().await;
    desk.app
        .rule(json!({"name": "stock", "match": {"host": "stock.test"}, "require": {"scopes": ["orders:read"]}}))
        .await;
    let headers = [
        ("x-forwarded-method", "GET"),
        ("x-forwarded-uri", "/"),
        ("x-forwarded-host", "stock.test"),
        ("x-forwarded-proto", "https"),
        ("authorization", &format!("Bearer {token}")),
    ];
    let reply = desk.app.send("GET", "/check/forward", &headers, None).await;
    assert_eq!((reply.status, reply.code().as_str()), (401, "wrong_audience"));
    assert_eq!(desk.reason(&reply), "other_audience");
    assert_eq!(desk.read(&token).await.status, 200);
}

#[tokio::test]
async fn jwt_16_what_is_too_long_or_too_deep_is_refused_before_any_work() {
    let desk = Desk::new().await;
    let token = desk.token().await;
    let before = desk.app.app.metrics.cache_misses.get();
    assert_eq!(desk.read(&"a".repeat(40 << 10)).await.status, 431);
    for (long, reason) in [
        (format!("{token}{}", "A".repeat(4 << 10)), "credential_form"),
        (".".repeat(4 << 10), "unknown_shape"),
        (format!("{token}.a.b"), "unknown_shape"),
        (format!("{}.e30.AA", encode("{\"a\":".repeat(500).as_bytes())), "token_form"),
        ("..".to_owned(), "token_form"),
    ] {
        assert_eq!(desk.refused(&long).await, reason, "{}", &long[..10.min(long.len())]);
    }
    assert_eq!(desk.app.app.metrics.cache_misses.get(), before, "nothing was looked up");
}

#[tokio::test]
async fn jwt_19_only_the_compact_serialization_is_read() {
    let desk = Desk::new().await;
    let token = desk.token().await;
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let one = json!({"protected": header, "signature": signature});
    let general = json!({"payload": payload, "signatures": [one, {"protected": "e30", "signature": "AA"}]}).to_string();
    let flat = json!({"payload": payload, "protected": header, "signature": signature}).to_string();
    for text in [general, flat] {
        // A comma is where a proxy has joined two lines to one.
        let reply = desk.read(&text).await;
        assert_eq!(
            (reply.header("admit-status").as_str(), desk.app.last_reason()),
            ("400", Some(Reason::DoubledCredential))
        );
    }
}

#[tokio::test]
async fn jwt_21_each_text_is_judged_on_its_own_octets() {
    let desk = Desk::new().await;
    let claims = desk.claims();
    let good = desk.sign("at+jwt", &claims).await;
    let thief = SigningKey::parse(Algorithm::Es256, &generate(Algorithm::Es256).unwrap()).unwrap();
    let (signed, _) = parts(&good);
    let (_, foreign) = parts(&thief.sign("at+jwt", &claims).unwrap());
    let forged = format!("{signed}.{}", encode(&foreign));
    for _ in 0..2 {
        assert_eq!(desk.read(&good).await.status, 200);
        assert_eq!(desk.refused(&forged).await, "token_signature", "same header, same claims, same jti");
    }
    let misses = desk.app.app.metrics.cache_misses.get();
    for _ in 0..5 {
        assert_eq!(desk.read(&good).await.status, 200);
    }
    assert_eq!(desk.read(&desk.token().await).await.status, 200, "never seen, and its grant is known");
    assert_eq!(desk.app.app.metrics.cache_misses.get(), misses, "nothing was read");
    desk.app.clock.advance(super::OVER);
    assert_eq!(desk.refused(&good).await, "expired", "kept, and judged at each use");
}

#[tokio::test]
async fn jwt_22_a_flood_of_unknown_keys_costs_no_look_up() {
    let desk = Desk::new().await;
    let (good, token) = (desk.token().await, desk.token().await);
    assert_eq!(desk.read(&good).await.status, 200);
    let misses = desk.app.app.metrics.cache_misses.get();
    for number in 0..1_000 {
        let header = json!({"alg": "ES256", "kid": format!("k{number}"), "typ": "at+jwt"});
        assert_eq!(desk.refused(&with_header(&token, &header)).await, "unknown_signing_key");
    }
    assert_eq!(desk.app.app.metrics.cache_misses.get(), misses);
    for token in [good, token] {
        assert_eq!(desk.read(&token).await.status, 200, "a neighbour's guessing throttles nobody");
    }
}

#[tokio::test]
async fn jwt_22_signatures_of_strangers_cost_the_budget_of_the_unknown_and_known_ones_nothing() {
    let desk = Desk::new().await;
    let good = desk.token().await;
    assert_eq!(desk.read(&good).await.status, 200);
    let (signed, _) = parts(&desk.token().await);
    let mut seen = std::collections::BTreeSet::new();
    for number in 0..2_000_u64 {
        let signature = [&number.to_be_bytes()[..], &[1; 56]].concat();
        let status = desk.read(&format!("{signed}.{}", encode(&signature))).await.status;
        let reason = desk.app.last_reason().unwrap().to_string();
        let is_over = reason == "unknown_budget";
        seen.insert((status, reason));
        if is_over {
            break;
        }
    }
    let seen: Vec<_> = seen.iter().map(|(status, reason)| (*status, reason.as_str())).collect();
    assert_eq!(seen, [(401, "token_signature"), (403, "unknown_budget")], "nginx is told 403 for 429");
    assert_eq!(desk.read(&good).await.status, 200);
}

#[tokio::test]
async fn jwt_24_a_token_of_another_realm_is_none_here() {
    let desk = Desk::new().await;
    let app = &desk.app;
    app.manage("POST", "/v1/realms", json!({"name": "acme"})).await.expect(201);
    let shop = json!({"uri": API, "hosts": ["shop.test"], "scopes": {"orders:read": ""}});
    app.manage("POST", "/v1/realms/acme/apis", shop).await.expect(201);
    let wanted = json!({"name": "till", "type": "service", "rights": {API: ["orders:read"]}});
    let made = app.manage("POST", "/v1/realms/acme/clients", wanted).await.expect(201);
    let client = made["id"].as_str().unwrap().parse().unwrap();
    let acme = app.app.policies.named(&app.app, Some("acme")).unwrap().unwrap();
    let grant = grant_of(app, acme.realm.id, client, API).await;
    let mut claims = desk.claims();
    (claims["sub"], claims["client_id"], claims["grant_id"]) = (json!(client), json!(client), json!(grant));
    claims["iss"] = json!(app.app.issuer(&acme.realm));
    let key = admit::signing::key(&app.app, &acme, Purpose::Issuer, Algorithm::Es256, app.app.now()).await.unwrap();
    let theirs = key.sign("at+jwt", &claims).unwrap();
    let reply = desk.read(&theirs).await;
    assert_eq!((reply.code().as_str(), desk.reason(&reply).as_str()), ("invalid_credential", "other_realm"));
    let told = app.manage("POST", "/v1/realms/acme/check", json!({"credential": theirs})).await.expect(200);
    assert_eq!(told["code"], "ok", "{told}");
    // Their key for our issuer, our key for theirs, and issuers that are nearly ours.
    claims["iss"] = desk.claims()["iss"].clone();
    assert_eq!(desk.refused(&key.sign("at+jwt", &claims).unwrap()).await, "unknown_signing_key");
    let ours = desk.claims()["iss"].as_str().unwrap().to_owned();
    for issuer in [format!("{ours}/"), ours.to_uppercase(), format!("{ours}.evil.test"), app.app.issuer(&acme.realm)] {
        assert_eq!(desk.refused(&desk.token_with("iss", json!(issuer)).await).await, "other_issuer", "{issuer}");
    }
    let stranger = with_header(
        &desk.token_with("iss", json!("https://evil.test")).await,
        &json!({"alg": "ES256", "kid": "k", "typ": "at+jwt"}),
    );
    assert_eq!(desk.refused(&stranger).await, "other_issuer");
}
