//! The audit: what is done to it is found, and what comes into it is bounded.

mod refusal;
mod retention;
mod tamper;

use admit::jobs;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::hand::Hand;
use crate::store;

/// The hand that reaches into this server's store.
pub fn hand(app: &TestApp) -> Hand {
    Hand::on(app.folder.path(), store::url_of(app.folder.path()).as_deref())
}

/// Makes so many clients, each an event, and seals what there is.
pub async fn make(app: &TestApp, name: &str, count: usize) {
    for number in 0..count {
        let client = json!({"name": format!("{name}{number}"), "type": "service"});
        app.manage("POST", "/v1/realms/default/clients", client).await.expect(201);
    }
    seal(app).await;
}

/// Seals everything there is, or waits for the job that does.
pub async fn seal(app: &TestApp) {
    for _ in 0..200 {
        jobs::seal::run(&app.app).await;
        if verify(app, "").await["unsealed"] == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the audit is not sealed");
}

/// What the server finds.
pub async fn verify(app: &TestApp, query: &str) -> Value {
    app.manage("GET", &format!("/v1/audit/verify{query}"), Value::Null).await.expect(200)
}

/// The sentences of all findings.
pub async fn findings(app: &TestApp) -> Vec<String> {
    let found = verify(app, "?limit=1000").await;
    found["findings"].as_array().unwrap().iter().map(|finding| finding["says"].as_str().unwrap().to_owned()).collect()
}
