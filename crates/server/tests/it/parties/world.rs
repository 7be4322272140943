//! An issuer with clients and APIs, and tokens of every kind that an API may be shown.
//!
//! All of them are made by `admit serve` and the command line; only the changed ones are bent here. The one that is expired
//! was issued two hours ago, by the same server at that time.

use std::collections::BTreeMap;
use std::fs;

use admit_core::jose::sign::{SigningKey, generate};
use admit_core::jose::{algorithm::Algorithm, decode, encode};
use serde_json::{Value, json};

use crate::fault::clock;
use crate::program::Program;
use crate::story::Desk;

/// The API that the tokens are shown to.
pub const AUDIENCE: &str = "https://api.shop.test";
const OTHER: &str = "https://api.other.test";

/// Everything that a party is told.
pub struct World {
    pub issuer: String,
    /// `id` and `secret`
    pub client: Value,
    /// `id`, and a private key as `key`
    pub signer: Value,
    pub tokens: Vec<(&'static str, String)>,
    _server: Program,
    _desk: Desk,
}

impl World {
    pub fn new() -> Self {
        let desk = Desk::new();
        let issuer = format!("http://{}", desk.address);
        let maker = Maker { desk: &desk, issuer: &issuer };
        let yesterday = serve(&desk, Some("-2h"));
        desk.works(&format!("admit api create {AUDIENCE} --scope orders:read --scope orders:write --host shop.test"));
        desk.works(&format!("admit api create {OTHER} --scope orders:read --host other.test"));
        let client = maker.client("shop", &format!("--api {AUDIENCE} --scope orders:read --scope orders:write"));
        let stranger = maker.client("other", &format!("--api {OTHER} --scope orders:read"));
        let (key, signer) = maker.signer();
        let expired = maker.token(&client, "orders:read");
        drop(yesterday);

        let server = serve(&desk, None);
        desk.works("admit signing-key rotate --now");
        let revoked = maker.token(&client, "orders:read");
        desk.works(&format!("admit signing-key revoke {}", maker.signing_key(&revoked)));
        let good = maker.token(&client, "orders:read");
        let narrow = maker.token(&client, "orders:write");
        let other_type = maker.with_setting("--token-typ", ["JWT", "at+jwt"], &client);
        let other_algorithm = maker.with_setting("--token-alg", ["RS256", "ES256"], &client);
        let tokens = vec![
            ("other_audience", maker.token(&stranger, "orders:read")),
            ("changed", changed(&good)),
            ("changed_claims", with_claims(&good, |claims| claims["scope"] = "orders:read orders:write".into())),
            ("unsigned", unsigned(&good)),
            ("good", good),
            ("narrow", narrow),
            ("expired", expired),
            ("revoked_key", revoked),
            ("other_type", other_type),
            ("other_algorithm", other_algorithm),
        ];
        maker.must_be_published(&tokens);
        let signer = json!({"id": signer["id"], "key": key});
        Self { issuer: issuer.clone(), client, signer, tokens, _server: server, _desk: desk }
    }

    pub fn token(&self, name: &str) -> &str {
        &self.tokens.iter().find(|(known, _)| *known == name).unwrap().1
    }

    /// As the parties read it.
    pub fn as_json(&self) -> Value {
        let tokens: BTreeMap<_, _> = self.tokens.iter().map(|(name, token)| (*name, token)).collect();
        json!({"issuer": self.issuer, "audience": AUDIENCE, "client": self.client, "signer": self.signer, "tokens": tokens})
    }
}

/// `admit serve`, now or at another time.
fn serve(desk: &Desk, at: Option<&str>) -> Program {
    let mut command = desk.sh(&format!("exec admit serve --listen {}", desk.address));
    if let Some(at) = at {
        command.env("LD_PRELOAD", clock::library()).env("FAKETIME", at).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    }
    let mut server = Program::start(&mut command, &desk.path().join("serve.log"));
    server.wait_until("ready", |server| server.printed().contains("ready\n"));
    server
}

/// What makes things at the server.
struct Maker<'a> {
    desk: &'a Desk,
    issuer: &'a str,
}

impl Maker<'_> {
    fn json(&self, line: &str) -> Value {
        let said = self.desk.works(line);
        serde_json::from_str(&said).unwrap_or_else(|_| panic!("{line}: {said}"))
    }

    fn client(&self, name: &str, more: &str) -> Value {
        let made = self.json(&format!("admit client create --name {name} --type service {more} --json 2> said"));
        json!({"id": made["id"], "secret": made["secret"]})
    }

    /// A private key, and the client that shows by it who it is.
    fn signer(&self) -> (Value, Value) {
        let pkcs8 = generate(Algorithm::Es256).unwrap();
        let key = SigningKey::parse(Algorithm::Es256, &pkcs8).unwrap();
        let keys = json!({"keys": [key.public_jwk()]});
        fs::write(self.desk.path().join("keys.json"), keys.to_string()).unwrap();
        let more = format!("--jwks-file keys.json --api {AUDIENCE} --scope orders:read");
        let mut private = key.public_jwk().clone();
        private["d"] = encode(private_number(&pkcs8)).into();
        (private, self.client("signer", &more))
    }

    fn token(&self, client: &Value, scope: &str) -> String {
        let [id, secret] = ["id", "secret"].map(|name| client[name].as_str().unwrap());
        let form = format!("--data grant_type=client_credentials --data-urlencode scope={scope}");
        let made = self.json(&format!("curl --silent --user {id}:{secret} {form} {}/oauth/token", self.issuer));
        made["access_token"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
    }

    /// A token of the API while it has this setting.
    fn with_setting(&self, flag: &str, [other, usual]: [&str; 2], client: &Value) -> String {
        self.desk.works(&format!("admit api update {AUDIENCE} {flag} {other}"));
        let token = self.token(client, "orders:read");
        self.desk.works(&format!("admit api update {AUDIENCE} {flag} {usual}"));
        token
    }

    /// The id of the key that signed a token.
    fn signing_key(&self, token: &str) -> String {
        let listed = self.json("admit signing-key list --json");
        let keys = listed["items"].as_array().unwrap();
        let found = keys.iter().find(|key| key["kid"] == header(token)["kid"]);
        found.unwrap_or_else(|| panic!("{listed}"))["id"].as_str().unwrap().to_owned()
    }

    /// Else they would be refused for another reason than the one that they are here for.
    fn must_be_published(&self, tokens: &[(&str, String)]) {
        let set = self.json(&format!("curl --silent {}/.well-known/jwks.json", self.issuer));
        for (name, token) in tokens.iter().filter(|(name, _)| *name != "unsigned") {
            let kid = &header(token)["kid"];
            let is_published = set["keys"].as_array().unwrap().iter().any(|key| key["kid"] == *kid);
            assert_eq!(is_published, *name != "revoked_key", "{name}: {kid} of {set}");
        }
    }
}

/// The private number within a PKCS#8 document of a P-256 key (RFC 5915 §3): the first octet string of 32.
fn private_number(pkcs8: &[u8]) -> &[u8] {
    let at = pkcs8.windows(2).position(|two| two == [4, 32]).unwrap() + 2;
    &pkcs8[at..at + 32]
}

fn parts(token: &str) -> [&str; 3] {
    token.split('.').collect::<Vec<_>>().try_into().unwrap()
}

fn part(text: &str) -> Value {
    serde_json::from_slice(&decode(text).unwrap()).unwrap()
}

fn header(token: &str) -> Value {
    part(parts(token)[0])
}

/// Another first letter of the signature.
fn changed(token: &str) -> String {
    let [header, claims, signature] = parts(token);
    let other = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{header}.{claims}.{other}{}", &signature[1..])
}

fn with_claims(token: &str, change: impl Fn(&mut Value)) -> String {
    let [header, claims, signature] = parts(token);
    let mut claims = part(claims);
    change(&mut claims);
    format!("{header}.{}.{signature}", encode(claims.to_string().as_bytes()))
}

fn unsigned(token: &str) -> String {
    let header = encode(br#"{"alg":"none","typ":"at+jwt"}"#);
    format!("{header}.{}.", parts(token)[1])
}
