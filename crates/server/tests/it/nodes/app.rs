//! What ends an application's access on one node ends it on the other.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{master_key, node, status};
use crate::planted::{Planted, store_of};
use crate::store;

const ROUNDS: usize = 10;
const CLIENTS: &str = "/v1/realms/default/clients";

#[expect(clippy::print_stdout, reason = "the figures are half of the point")]
#[tokio::test(flavor = "multi_thread")]
async fn o5_what_a_person_let_an_application_do_ends_on_every_node() {
    let (url, master_key) = (store::new_database(), master_key());
    let (one, other) = tokio::join!(node(&url, &master_key), node(&url, &master_key));
    one.program.shop().await;
    let planted = Planted::new(&one.program).await;
    let opened = store_of(std::path::Path::new("."), Some(&url));
    let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
    let mut delays = Vec::new();
    for how in ["the grant is revoked", "a refresh token is used twice", "it is given back", "the client is disabled"] {
        for round in 0..ROUNDS {
            let first = planted.authorization(&opened, &master_key);
            let renew = async |token: &str| planted.refresh(&http, &one.program.url, token).await.unwrap();
            let (code, told) = renew(&first).await;
            assert_eq!(code, 200, "{told}");
            let text = |name: &str| told[name].as_str().unwrap().to_owned();
            let (access, second) = (text("access_token"), text("refresh_token"));
            // The second node takes the refresh token too, and the same answer comes from there.
            let (code, again) = planted.refresh(&http, &other.program.url, &first).await.unwrap();
            assert_eq!(
                (code, &again["refresh_token"]),
                (200, &told["refresh_token"]),
                "tk_07: one successor on every node"
            );
            while status(&other, &access).await != 200 {
                // The key that signed it was made a moment ago.
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            let manage = async |method: &str, path: &str, body: Value| {
                let reply = one.program.manage(method, path, body).await;
                assert!(reply.status < 300, "{how}: {}", reply.text);
                reply.json()
            };
            match how {
                "the grant is revoked" => {
                    let asked = manage("POST", "/v1/realms/default/check", json!({"credential": access})).await;
                    let grant = asked["principal"]["grant"].as_str().unwrap();
                    manage("DELETE", &format!("/v1/realms/default/grants/{grant}"), Value::Null).await;
                }
                "a refresh token is used twice" => {
                    assert_eq!(renew(&second).await.0, 200);
                    assert_eq!(renew(&first).await.0, 400, "tk_06");
                }
                "it is given back" => {
                    let form = format!("token={second}&client_id={}", planted.client);
                    let request = http.post(format!("{}/oauth/revoke", one.program.url));
                    let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
                    assert_eq!(request.send().await.unwrap().status(), 200);
                }
                _ => drop(manage("PATCH", &format!("{CLIENTS}/{}", planted.client), json!({"disabled": true})).await),
            }
            let ended = Instant::now();
            let delay = loop {
                let asked = ended.elapsed();
                if status(&other, &access).await == 401 {
                    break asked;
                }
                assert!(
                    asked < Duration::from_secs(1),
                    "{how}, round {round}: admitted {asked:?} after the acknowledgement"
                );
            };
            assert_eq!(status(&one, &access).await, 401, "{how}: refused at once where it was ended");
            let (code, _) = planted.refresh(&http, &other.program.url, &second).await.unwrap();
            assert!(code == 400 || code == 401, "{how}");
            if how == "the client is disabled" {
                manage("PATCH", &format!("{CLIENTS}/{}", planted.client), json!({"disabled": false})).await;
            }
            delays.push(delay);
        }
    }
    delays.sort_unstable();
    let (median, most) = (delays[delays.len() / 2], delays[delays.len() - 1]);
    println!("an application's access: refused by the other node after p50 {median:?}, at most {most:?}");
}
