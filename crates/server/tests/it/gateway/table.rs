//! The table of cases, as clients of the real gateways see it.

use super::{Answer, Ask, Echo, Gateway, Kind};
use crate::check::table::{Case, Ready, World, cases};

fn request_of(ready: &Ready) -> Ask {
    let ask = Ask::new(&format!("{} {}", ready.method, ready.target)).host(&ready.host);
    ready.headers.iter().fold(ask, |ask, (name, value)| ask.with(name, value))
}

fn verdict(answer: &Answer) -> String {
    let code = if answer.status < 300 { "ok".to_owned() } else { answer.code() };
    format!("{} {code}", answer.status)
}

async fn run(kind: Kind) {
    let (world, echo) = (World::new().await, Echo::new().await);
    let gateway = Gateway::start(kind, echo.address, world.app.address);
    let mut wrong = Vec::new();
    for case in cases().into_iter().filter(|case| case.direct.is_none()) {
        let Case { name, expect, reason, .. } = &case;
        let (seen, before) = (echo.seen(), world.app.last_request());
        let answer = gateway.ask(&request_of(&world.ready(&case))).await;
        let got = verdict(&answer);
        let is_recorded = world.app.last_request() != before;
        let why = is_recorded.then(|| world.app.last_reason()).flatten().map(|reason| reason.as_str().to_owned());
        if got != *expect || why != *reason {
            wrong.push(format!("{name}: {got} {why:?} instead of {expect} {reason:?}"));
        }
        let reached = echo.seen() - seen;
        if reached != usize::from(answer.status == 200) {
            wrong.push(format!("{name}: {got}, and {reached} requests reached the application"));
        }
    }
    assert!(wrong.is_empty(), "{} rows differ:\n{}\n{}", wrong.len(), wrong.join("\n"), gateway.printed());
}

/// Rows that a gateway answers itself, or without what they are about, are refused there all the same.
async fn run_direct(kind: Kind) {
    let (world, echo) = (World::new().await, Echo::new().await);
    let gateway = Gateway::start(kind, echo.address, world.app.address);
    let is_refused = |case: &Case| !case.expect.starts_with("200");
    let is_elsewhere = |why: &String| !why.starts_with("the client is on loopback");
    let direct = cases().into_iter().filter(|case| is_refused(case) && case.direct.as_ref().is_some_and(is_elsewhere));
    for case in direct {
        let answer = gateway.ask(&request_of(&world.ready(&case))).await;
        assert!((400..500).contains(&answer.status), "{kind:?} {}: {}", case.name, answer.status);
    }
    assert_eq!(echo.seen(), 0, "{kind:?}");
}

#[tokio::test]
async fn what_nginx_does_not_pass_on_is_refused() {
    run_direct(Kind::Nginx).await;
}

#[tokio::test]
async fn what_caddy_does_not_pass_on_is_refused() {
    run_direct(Kind::Caddy).await;
}

#[tokio::test]
async fn through_nginx() {
    run(Kind::Nginx).await;
}

#[tokio::test]
async fn through_caddy() {
    run(Kind::Caddy).await;
}
