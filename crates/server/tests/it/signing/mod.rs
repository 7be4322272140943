//! The keys that sign: made, published, followed by others, taken back.

mod life;
mod load;
mod master;

use std::sync::Arc;

use admit::check::policies::RealmPolicy;
use admit::signing;
use admit_core::jose::algorithm::Algorithm;
use admit_core::jose::jws::Compact;
use admit_core::jose::sign::SigningKey;
use admit_core::signing_key::Purpose;
use serde_json::{Value, json};

use crate::app::TestApp;

const KEYS: &str = "/v1/realms/default/signing-keys";

impl TestApp {
    fn policy(&self) -> Arc<RealmPolicy> {
        self.app.policies.named(&self.app, None).unwrap().unwrap()
    }

    /// The key that signs now.
    async fn signing(&self, algorithm: Algorithm) -> Arc<SigningKey> {
        signing::key(&self.app, &self.policy(), Purpose::Issuer, algorithm, self.app.now()).await.unwrap()
    }

    /// Something that the realm signed now.
    async fn signed(&self) -> String {
        self.signing(Algorithm::Es256).await.sign("at+jwt", &json!({"sub": "alice"})).unwrap()
    }

    /// Whether the realm takes something for its own now.
    fn is_own(&self, text: &str) -> bool {
        let compact = Compact::parse(text).unwrap();
        let kid = compact.header().kid.clone().unwrap();
        let found = signing::verifying(&self.app, &self.policy(), Purpose::Issuer, &kid, self.app.now()).unwrap();
        found.is_some_and(|key| compact.verify(&key).is_ok())
    }

    /// The keys that the management API lists, with their states.
    async fn signing_keys(&self) -> Vec<(String, String)> {
        let listed = self.manage("GET", KEYS, Value::Null).await.expect(200);
        let text = |key: &Value, name: &str| key[name].as_str().unwrap().to_owned();
        listed["items"].as_array().unwrap().iter().map(|key| (text(key, "id"), text(key, "state"))).collect()
    }

    async fn states(&self) -> Vec<String> {
        self.signing_keys().await.into_iter().map(|(_, state)| state).collect()
    }

    /// The names of the keys that are published.
    async fn published(&self) -> Vec<String> {
        let set = self.send("GET", "/.well-known/jwks.json", &[], None).await.expect(200);
        set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    }
}
