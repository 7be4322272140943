//! Tests of what counts as one credential, where which kind may stand, and what goes upstream.

use http::HeaderValue;
use proptest::prelude::*;

use super::*;

const NOTHING: Accept<'static> = Accept { query: None, authorization_upstream: false, basic: false };
const QUERY: Accept<'static> = Accept { query: Some("api_key"), authorization_upstream: false, basic: false };
const UPSTREAM: Accept<'static> = Accept { query: None, authorization_upstream: true, basic: false };

fn map(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

/// Place and text of what the lines present.
fn presented(lines: &[(&str, &str)]) -> Result<Option<(Place, String)>, Reason> {
    let headers = map(lines);
    Ok(present(&headers, None, &NOTHING)?.map(|it| (it.place, it.text.into_owned())))
}

fn in_query(query: &str) -> Result<Option<String>, Reason> {
    Ok(present(&HeaderMap::new(), Some(query), &QUERY)?.map(|it| it.text.into_owned()))
}

fn basic(pair: &str) -> Result<Option<(Place, String)>, Reason> {
    presented(&[("Authorization", &format!("Basic {}", BASE64.encode(pair.as_bytes())))])
}

fn key() -> String {
    secret::write("acme_live", &[5; 32]).expose().to_owned()
}

proptest! {
    #[test]
    fn any_authorization_is_read_or_refused(text in "(?i:(Bearer|ApiKey|Basic|Digest)?) {0,2}[ -~\t]{0,40}|[ -~é]{0,40}") {
        if let Ok(Some((_, text))) = presented(&[("Authorization", &text)]) {
            prop_assert!(!text.is_empty() && text.len() <= CREDENTIAL_MAX);
        }
    }

    #[test]
    fn ir_07_a_token_has_neither_spaces_nor_commas(text in "[!-~ \t]{0,20}") {
        if let Ok(Some((Place::Bearer, text))) = presented(&[("Authorization", &format!("Bearer {text}"))]) {
            prop_assert!(text.bytes().all(|octet| octet.is_ascii_graphic() && octet != b','));
        }
    }

    #[test]
    fn any_pair_in_basic_is_read_or_refused(pair in ".{0,40}", raw in prop::collection::vec(any::<u8>(), 0..40)) {
        let _ = basic(&pair);
        let _ = presented(&[("Authorization", &format!("Basic {}", BASE64.encode(&raw)))]);
    }

    #[test]
    fn any_query_is_read_or_refused(query in "(api_key|api%5Fkey|x)?[ -~]{0,40}") {
        let _ = in_query(&query);
    }

    #[test]
    fn lo_02_a_presented_text_is_not_printed(text in "[a-z0-9]{12,40}") {
        let presented = Presented { place: Place::Bearer, text: Cow::Borrowed(&text), person: None };
        let printed = format!("{presented:?}");
        prop_assert!(!printed.contains(&text));
    }

    #[test]
    fn fa_12_no_cookie_of_ours_goes_upstream(pairs in prop::collection::vec("(__Host-|__host-)?(admit|admit-site|Admit)?[.=a-z]{0,6}=secret|[a-z]{1,3}=[ -~]{0,8}", 0..6), split in 0_usize..6) {
        let (left, right) = pairs.split_at(split.min(pairs.len()));
        let headers = map(&[("Cookie", &left.join("; ")), ("Cookie", &right.join(";"))]);
        let upstream = strip_credentials(&headers, &NOTHING).unwrap();
        for pair in upstream.cookie.split(';') {
            let name = pair.trim().to_ascii_lowercase();
            let name = name.strip_prefix("__host-").unwrap_or(&name);
            prop_assert!(!name.starts_with("admit.") && !name.starts_with("admit-site."), "{}", upstream.cookie);
        }
    }
}

#[test]
fn each_place_is_read() {
    for (lines, place) in [
        (("Authorization", "Bearer abc"), Place::Bearer),
        (("Authorization", "bearer   abc"), Place::Bearer),
        (("authorization", " BEARER abc "), Place::Bearer),
        (("Authorization", "ApiKey abc"), Place::ApiKey),
        (("Authorization", "apikey abc"), Place::ApiKey),
        (("X-API-Key", "abc"), Place::XApiKey),
        (("Authorization", "Basic YWJjOg=="), Place::Basic),
    ] {
        assert_eq!(presented(&[lines]), Ok(Some((place, "abc".to_owned()))), "{lines:?}");
    }
    assert_eq!(presented(&[]), Ok(None));
    assert_eq!(presented(&[("Cookie", "a=b")]), Ok(None), "cookies are ambient");
}

#[test]
fn empty_values_count_as_absent() {
    assert_eq!(presented(&[("Authorization", ""), ("X-API-Key", " ")]), Ok(None));
    assert_eq!(presented(&[("Authorization", ""), ("X-API-Key", "abc")]), Ok(Some((Place::XApiKey, "abc".to_owned()))));
    assert_eq!(
        presented(&[("Authorization", ""), ("Authorization", "Bearer abc")]),
        Ok(Some((Place::Bearer, "abc".to_owned())))
    );
    assert_eq!(in_query("api_key=&x=1"), Ok(None));
}

#[test]
fn ir_07_one_credential_only() {
    let two = [("Authorization", "Bearer a"), ("X-API-Key", "b")];
    assert_eq!(presented(&two), Err(Reason::TwoCredentials));
    assert_eq!(
        presented(&[("Authorization", "Digest a"), two[1]]),
        Err(Reason::TwoCredentials),
        "an unknown scheme is one too"
    );
    for lines in [
        &[("Authorization", "Bearer a"), ("Authorization", "Bearer b")][..],
        &[("Authorization", "Bearer a"), ("Authorization", "Bearer a")],
        &[("Authorization", "Bearer a, Bearer b")],
        &[("Authorization", "Bearer a,Bearer b")],
        &[("Authorization", "Bearer a,")],
        &[("Authorization", "Basic YWJjOg==, Basic YWJjOg==")],
        &[("X-API-Key", "a"), ("X-API-Key", "b")],
        &[("X-API-Key", "a, b")],
        &[("X-API-Key", "a"), ("X-API-Key", "b"), ("Authorization", "Bearer c")],
    ] {
        assert_eq!(presented(lines), Err(Reason::DoubledCredential), "{lines:?}");
    }
    let headers = map(&[("X-API-Key", "a")]);
    assert_eq!(present(&headers, Some("api_key=b"), &QUERY), Err(Reason::TwoCredentials));
    assert_eq!(in_query("api_key=a&api_key=b"), Err(Reason::DoubledCredential));
    assert_eq!(in_query("api_key=a&api%5Fkey=a"), Err(Reason::DoubledCredential));
}

#[test]
fn ir_07_what_has_not_the_form_is_refused() {
    for (value, reason) in [
        ("Bearer", Reason::CredentialForm),
        ("Bearer a b", Reason::CredentialForm),
        ("Bearer Bearer abc", Reason::CredentialForm),
        ("Bearer a\tb", Reason::CredentialForm),
        ("Bearer ключ", Reason::CredentialForm),
        ("ApiKey", Reason::CredentialForm),
        ("Basic", Reason::CredentialForm),
        ("Bearer\tabc", Reason::UnknownScheme),
        ("Digest username=\"a\", realm=\"b\"", Reason::UnknownScheme),
        ("Bearerabc", Reason::UnknownScheme),
        ("abc", Reason::UnknownScheme),
        (", Bearer abc", Reason::UnknownScheme),
        ("Basic !!!!", Reason::BasicForm),
        ("Basic YWJjOg", Reason::BasicForm),
        ("Basic YWJjOh==", Reason::BasicForm),
        ("Basic YWJj", Reason::BasicForm),
        ("Basic YTr/", Reason::BasicForm),
        ("Basic YToK", Reason::BasicForm),
        ("Basic Og==", Reason::CredentialForm),
    ] {
        assert_eq!(presented(&[("Authorization", value)]), Err(reason), "{value}");
    }
    assert_eq!(presented(&[("X-API-Key", "a b")]), Err(Reason::CredentialForm));
}

#[test]
fn limits_hold_at_their_edge() {
    for (length, expected) in [
        (CREDENTIAL_MAX, None),
        (CREDENTIAL_MAX + 1, Some(Reason::CredentialForm)),
        (1 << 20, Some(Reason::CredentialForm)),
    ] {
        let token = "a".repeat(length);
        assert_eq!(presented(&[("Authorization", &format!("Bearer {token}"))]).err(), expected);
        assert_eq!(presented(&[("X-API-Key", &token)]).err(), expected);
        assert_eq!(in_query(&format!("api_key={token}")).err(), expected);
    }
    assert_eq!(
        presented(&[("Authorization", &format!("Basic {}", "A".repeat(CREDENTIAL_MAX)))]),
        Err(Reason::BasicForm)
    );
    assert_eq!(
        presented(&[("Authorization", &format!("Basic {}", "A".repeat(CREDENTIAL_MAX + 1)))]),
        Err(Reason::CredentialForm)
    );
    let cookie = |length: usize| map(&[("Cookie", &format!("a={}", "b".repeat(length - 2)))]);
    assert!(strip_credentials(&cookie(COOKIES_MAX), &NOTHING).is_ok());
    assert_eq!(strip_credentials(&cookie(COOKIES_MAX + 1), &NOTHING), Err(Reason::UnreadableHeader));
}

#[test]
fn a_key_may_stand_in_either_half_of_basic() {
    let key = key();
    let mut mistyped = key.clone();
    mistyped.replace_range(12..13, if &key[12..13] == "A" { "B" } else { "A" });
    for (pair, text) in [
        (format!("{key}:"), &key),
        (format!(":{key}"), &key),
        (format!("{key}:x"), &key),
        (format!("x:{key}"), &key),
        (format!("alice:{key}"), &key),
        (format!("{key}:alice"), &key),
        (format!("{mistyped}:alice"), &mistyped),
        (format!("alice:{mistyped}"), &mistyped),
        ("sk_live_4242:".to_owned(), &"sk_live_4242".to_owned()),
        ("sk_live_4242:x".to_owned(), &"sk_live_4242".to_owned()),
        ("alice:sk_live_4242".to_owned(), &"sk_live_4242".to_owned()),
        (":sk_live_4242".to_owned(), &"sk_live_4242".to_owned()),
        ("a:b:c".to_owned(), &"b:c".to_owned()),
    ] {
        assert_eq!(basic(&pair), Ok(Some((Place::Basic, text.clone()))), "{pair}");
    }
    assert_eq!(basic(&format!("{key}:{key}")), Err(Reason::DoubledCredential));
    assert_eq!(basic(&format!("{key}:{mistyped}")), Err(Reason::DoubledCredential));
}

#[test]
fn ak_04_the_query_is_not_looked_at_unasked() {
    let key = key();
    let query = format!("api_key={key}&api_key={key}&access_token={key}");
    assert_eq!(present(&HeaderMap::new(), Some(&query), &NOTHING), Ok(None));
    assert_eq!(in_query(&format!("x=1&api_key={key}")), Ok(Some(key.clone())));
    assert_eq!(in_query(&format!("access_token={key}")), Ok(None), "only the parameter that the rule names");
    assert_eq!(in_query("api_key=a%2Bb+c"), Ok(Some("a+b+c".to_owned())));
    assert_eq!(in_query("api_key=a%20b"), Err(Reason::CredentialForm));
    assert_eq!(in_query("api_key=a%2Cb"), Err(Reason::DoubledCredential));
    assert_eq!(in_query("api_key=%ff"), Err(Reason::CredentialForm));
}

#[test]
fn ak_02_each_kind_has_its_places() {
    use SecretKind::*;
    for place in [Place::Bearer, Place::ApiKey, Place::XApiKey, Place::Basic, Place::Query] {
        assert_eq!(judge_place(place, ApiKey), Ok(()));
        for kind in [RefreshToken, Session, Code, DeviceCode, ClientSecret] {
            assert_eq!(judge_place(place, kind), Err(Reason::SecretInWrongPlace), "{kind:?} in {place:?}");
        }
        for kind in [OperatorKey, AccessToken] {
            let expected = if place == Place::Bearer { Ok(()) } else { Err(Reason::SecretInWrongPlace) };
            assert_eq!(judge_place(place, kind), expected, "{kind:?} in {place:?}");
        }
    }
}

#[test]
fn fa_12_authorization_goes_upstream_only_where_the_rule_says_so() {
    let headers = map(&[("Authorization", "Bearer theirs"), ("X-API-Key", "abc")]);
    assert_eq!(strip_credentials(&headers, &NOTHING).unwrap().authorization, None);
    assert_eq!(strip_credentials(&headers, &UPSTREAM).unwrap().authorization, Some("Bearer theirs"));
    let ours = present(&headers, None, &UPSTREAM).unwrap().unwrap();
    assert_eq!((ours.place, &*ours.text), (Place::XApiKey, "abc"), "neither read nor counted");
    let doubled = map(&[("Authorization", "Negotiate a"), ("Authorization", "Bearer b")]);
    assert_eq!(present(&doubled, None, &UPSTREAM), Ok(None));
    assert_eq!(strip_credentials(&doubled, &UPSTREAM).unwrap().authorization, None);
}

#[test]
fn fa_12_cookies_go_upstream_without_ours() {
    for (lines, expected) in [
        (&[][..], ""),
        (&["a=b"], "a=b"),
        (&["a=b;c=\"d\" ;  e"], "a=b;c=\"d\" ;  e"),
        (&["a=b; __Host-admit.default=s; c=d"], "a=b; c=d"),
        (&["__host-admit-site.default=s"], ""),
        (&["admit.default=s; admit-site.x=s; admitted=yes; Admit.y=s"], "admitted=yes"),
        (&["a=b", "admit.default=s", "c=d;;e=f"], "a=b; c=d; e=f"),
        (&["a=b; c=café; d=e\tf; g=h"], "a=b; g=h"),
        (&["a=b=admit.default=s"], "a=b=admit.default=s"),
        (&["\t admit.default=s"], ""),
    ] {
        let headers = map(&lines.iter().map(|line| ("Cookie", *line)).collect::<Vec<_>>());
        assert_eq!(strip_credentials(&headers, &NOTHING).unwrap().cookie, expected, "{lines:?}");
    }
    let headers = map(&[("Cookie", "a=b; c=d")]);
    assert!(matches!(strip_credentials(&headers, &NOTHING).unwrap().cookie, Cow::Borrowed(_)));
}

/// What it may be where the rule takes people: the text of a key, and name and password.
fn person(pair: &str) -> Option<(String, Option<(String, String)>)> {
    let headers = map(&[("Authorization", &format!("Basic {}", BASE64.encode(pair.as_bytes())))]);
    let presented = present(&headers, None, &Accept { basic: true, ..NOTHING }).unwrap()?;
    let person = presented.person.map(|it| (it.name.expose().to_owned(), it.password.expose().to_owned()));
    Some((presented.text.into_owned(), person))
}

#[test]
fn rfc_7617_1_a_person_is_cut_at_the_first_colon() {
    let of = |name: &str, password: &str| Some((name.to_owned(), password.to_owned()));
    assert_eq!(person("alice:a:b").unwrap().1, of("alice", "a:b"));
    assert_eq!(person("ålice:pässword ok").unwrap().1, of("ålice", "pässword ok"));
    assert_eq!(person("alice:x").unwrap(), ("alice".to_owned(), of("alice", "x")), "a key from elsewhere, or a person");
    for half in ["alice:", ":secret"] {
        assert_eq!(person(half).unwrap().1, None, "{half}");
    }
    let key = key();
    for pair in [format!("{key}:"), format!("alice:{key}"), format!("{key}:x")] {
        assert_eq!(person(&pair).unwrap(), (key.clone(), None), "a key stays one");
    }
    assert_eq!(basic("alice:secret").unwrap(), Some((Place::Basic, "secret".to_owned())));
    let headers = map(&[("Authorization", "Basic YWxpY2U6c2VjcmV0")]);
    assert_eq!(present(&headers, None, &NOTHING).unwrap().unwrap().person, None, "not where the rule does not take it");
    let printed = format!("{:?}", present(&headers, None, &Accept { basic: true, ..NOTHING }));
    assert!(!printed.contains("secret") && !printed.contains("alice"), "rfc_7617_5: {printed}");
}

#[test]
fn rfc_7617_2_a_client_shows_its_secret_where_the_rule_takes_it() {
    let id = ClientId::from_bytes([3; 16]).to_string();
    let secret = secret::write("admit_cs", &[7; 32]).expose().to_owned();
    let shown = person(&format!("{id}:{secret}")).unwrap().1;
    assert_eq!(shown, Some((id.clone(), secret.clone())));
    let encoded = format!("{}:{}", id.replace('_', "%5F"), secret.replace('_', "%5f"));
    assert_eq!(person(&encoded).unwrap().1, Some((id.clone(), secret.clone())));
    let client =
        |name: &str, password: &str| NamePassword { name: Secret::new(name), password: Secret::new(password) }.client();
    assert_eq!(client(&id, &secret), Some(ClientId::from_bytes([3; 16])));
    let other = secret::write("admit_at", &[7; 32]).expose().to_owned();
    for (name, password) in [("alice", &secret), (&id, &other), (&id, &"hunter2".to_owned())] {
        assert_eq!(client(name, password), None, "{name}");
    }
    assert_eq!(person(&format!("alice:{secret}")).unwrap(), (secret, None), "leaked, and refused as that");
}
