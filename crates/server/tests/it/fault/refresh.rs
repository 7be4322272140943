//! `kill -9` in the middle of a refresh: the old token or the new one is usable, never neither (ST-01).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use super::program::Program;
use crate::planted::{Planted, store_of};
use crate::store;

const ROUNDS: usize = 60;

/// An application that renews its tokens as fast as it is answered, until it is not answered any more.
async fn renew(planted: Arc<Planted>, http: reqwest::Client, url: String, token: Arc<Mutex<String>>) -> usize {
    for done in 0.. {
        let current = token.lock().unwrap().clone();
        let Some((status, told)) = planted.refresh(&http, &url, &current).await else { return done };
        assert_eq!(status, 200, "{told}");
        *token.lock().unwrap() = told["refresh_token"].as_str().unwrap().to_owned();
    }
    0
}

#[expect(clippy::print_stdout, reason = "how much was done is half of the point")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn st_01_a_kill_in_the_middle_of_a_refresh_leaves_the_old_token_or_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::start(folder.path()).await;
    program.shop().await;
    let planted = Arc::new(Planted::new(&program).await);
    program.kill();
    let url = store::url_of(folder.path());
    let master_keys = std::fs::read_to_string(folder.path().join("master.key")).unwrap();
    let opened = store_of(folder.path(), url.as_deref());
    let token = Arc::new(Mutex::new(planted.authorization(&opened, &master_keys)));
    opened.close();

    let mut program = Program::start(folder.path()).await;
    let (mut renewed, mut lost) = (0, 0);
    for round in 0..ROUNDS {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
        let before = token.lock().unwrap().clone();
        let client = tokio::spawn(renew(planted.clone(), http.clone(), program.url.clone(), token.clone()));
        // The first of a program takes long, and how long is another thing on every machine.
        while *token.lock().unwrap() == before && !client.is_finished() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_micros((round as u64 * 7_919) % 40_000)).await;
        program.kill();
        renewed += client.await.unwrap();
        program = Program::start(folder.path()).await;
        let last = token.lock().unwrap().clone();
        let (status, told) = planted.refresh(&http, &program.url, &last).await.unwrap();
        assert_eq!(status, 200, "round {round}: neither is usable: {told}");
        let next = told["refresh_token"].as_str().unwrap().to_owned();
        // Told again, it is the same: an answer that was durable and lost is no second lineage.
        let (status, again) = planted.refresh(&http, &program.url, &last).await.unwrap();
        assert_eq!((status, &again["refresh_token"]), (200, &told["refresh_token"]), "round {round}");
        assert_eq!(program.ask("GET", "/orders/1", told["access_token"].as_str().unwrap()).await.status, 200);
        lost += usize::from(next != last);
        *token.lock().unwrap() = next;
    }
    println!("{ROUNDS} kills, {renewed} renewals, {lost} went on");
    assert!(renewed > ROUNDS, "too little was done to prove anything: {renewed}");
    let grants = format!("/v1/realms/default/grants?subject={}", planted.user);
    let grants = program.manage("GET", &grants, Value::Null).await.expect(200);
    let states: Vec<_> = grants["items"].as_array().unwrap().iter().map(|grant| grant["state"].clone()).collect();
    assert_eq!(states, ["active"], "one, and nothing was taken for a theft");
}
