//! LO-01: text from outside stays text: one line of JSON each, without escapes that a terminal obeys.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::fault::program::{Program, serve};

/// Keys of a configuration file are the text from outside that a log repeats most literally.
const EVIL: &str = "\"a\\r\\n{\\\"level\\\":\\\"INFO\\\",\\\"fake\\\":1}\\u001b[31m\\u202e\" = 1\n";

async fn wait_for(program: &Program, word: &str) -> Vec<String> {
    let until = Instant::now() + Duration::from_secs(10);
    while Instant::now() < until {
        let said = program.said();
        if said.iter().any(|line| line.contains(word)) {
            return said;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{word:?} was never said: {}", program.said().join("\n"));
}

/// A program whose configuration turned evil while it ran.
async fn reloaded(format: &str, folder: &std::path::Path) -> (Program, Vec<String>) {
    let file = folder.join("admit.toml");
    std::fs::write(&file, "").unwrap();
    let data = folder.join("data");
    let mut command = serve(&data);
    command.arg("--config").arg(&file).env("ADMIT_LOG", "trace").env("ADMIT__LOG__FORMAT", format);
    let program = Program::run(command, &data).await;
    let before = wait_for(&program, "key create").await.len();
    std::fs::write(&file, EVIL).unwrap();
    assert!(Command::new("kill").args(["-HUP", &program.pid().to_string()]).status().unwrap().success());
    let said = wait_for(&program, "the old configuration stays").await;
    (program, said[before..].to_vec())
}

#[tokio::test]
async fn lo_01_each_line_of_the_log_is_one_json_object() {
    let folder = tempfile::tempdir().unwrap();
    let (program, _) = reloaded("json", folder.path()).await;
    let strange = ["\u{1b}[2J\u{7}", "\u{202e}drowssap", "x\r\ny", "\",\"level\":\"FATAL", "\u{0}"];
    for text in strange {
        for path in ["keys", "clients", "users", "roles", "rules", "apis"] {
            let reply = program
                .manage(
                    "POST",
                    &format!("/v1/realms/default/{path}"),
                    json!({"name": text, "uri": text, "type": "service"}),
                )
                .await;
            assert!(reply.status < 500, "{path} {text:?}: {}", reply.text);
        }
        let encoded = percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
        program.manage("GET", &format!("/v1/realms/default/keys/{encoded}"), Value::Null).await;
        program.ask("GET", &format!("/orders/{encoded}"), "x").await;
    }
    let said = program.said();
    let ready = said.iter().position(|line| line.contains("key create")).unwrap();
    assert!(said.len() > ready + 1, "nothing was logged");
    for line in &said[ready + 1..] {
        let object: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        assert!(object["level"].is_string() && object["fake"].is_null(), "{line}");
        assert!(!line.chars().any(|letter| letter.is_control()), "{line:?}");
    }
}

#[tokio::test]
async fn lo_01_lines_for_people_hold_no_escapes_either() {
    let folder = tempfile::tempdir().unwrap();
    let (_program, lines) = reloaded("human", folder.path()).await;
    let lines: Vec<_> = lines.into_iter().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.iter().filter(|line| line.contains("the old configuration stays")).count(), 1, "{lines:?}");
    for line in &lines {
        assert!(!line.contains('\u{1b}') && !line.contains('\r') && !line.starts_with('{'), "{line:?}");
    }
}

#[tokio::test]
async fn lo_01_what_clients_say_of_themselves_is_cut() {
    let app = crate::app::TestApp::new().await;
    app.shop().await;
    let key = app.shop_key("ci", &["orders:read"]).await;
    let bearer = format!("Bearer {key}");
    let long = format!("agent \u{202e}\u{1f600} {}", "a".repeat(20_000));
    let path = format!("/nowhere/{}", "p".repeat(3000));
    for target in ["/orders/1", path.as_str()] {
        let headers = [
            ("x-original-method", "GET"),
            ("x-original-uri", target),
            ("x-forwarded-host", "shop.test"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-for", "203.0.113.9"),
            ("authorization", bearer.as_str()),
            ("user-agent", long.as_str()),
        ];
        app.send("GET", "/check/nginx", &headers, None).await;
    }
    let shown = app.manage("GET", "/v1/realms/default/keys/ci", Value::Null).await.expect(200);
    let agent = shown["secrets"][0]["last_user_agent"].as_str().unwrap();
    assert!(agent.chars().count() <= 120 && !agent.contains('\u{202e}'), "{agent}");
    let decisions = app.manage("GET", "/v1/realms/default/decisions", Value::Null).await.expect(200);
    let kept = decisions["items"][0]["path"].as_str().unwrap();
    assert!(kept.len() <= 260, "{}", kept.len());
}
