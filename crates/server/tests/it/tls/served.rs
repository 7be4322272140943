//! The real program with HTTPS on its only listener: what it says, and how the command line reaches it.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::authority::make;
use crate::fault::program::{Program, bare, serve};

#[tokio::test]
async fn with_a_certificate_the_listener_speaks_https_and_the_command_line_still_works() {
    let folder = tempfile::tempdir().unwrap();
    let made = make(90);
    let (data, file) = (folder.path().join("data"), folder.path().join("admit.toml"));
    let text = format!("public_url = 'https://auth.example.com'\n{}", made.write(folder.path()));
    std::fs::write(&file, text).unwrap();
    let mut command = serve(&data);
    command.arg("--config").arg(&file);
    let mut program = Program::run(command, &data).await;
    let said = wait_for(&program, "ready").await;
    let address = said.split("listening on ").nth(1).and_then(|rest| rest.split(')').next()).unwrap().to_owned();
    assert!(said.contains("https://auth.example.com") && said.contains("(for the command line)"), "{said}");
    assert!(program.url.starts_with("http://127.0.0.1:") && !program.url.contains(&address), "{}", program.url);

    let plain = reqwest::Client::new().get(format!("http://{address}/healthz")).send().await;
    assert!(plain.is_err(), "nothing is answered in the clear: {plain:?}");
    let certificate = reqwest::Certificate::from_pem(made.cert.as_bytes()).unwrap();
    let https = reqwest::Client::builder().tls_certs_only([certificate]).timeout(Duration::from_secs(10));
    let healthy = https.build().unwrap().get(format!("https://{address}/healthz")).send().await.unwrap();
    assert_eq!((healthy.status().as_u16(), healthy.version()), (200, http::Version::HTTP_11));

    // server.json leads there; the operator key counts; the host is this machine's.
    program.manage("GET", "/v1/realms", Value::Null).await.expect(200);
    let mut doctor = Command::new(env!("CARGO_BIN_EXE_admit"));
    doctor.args(["realm", "list", "--data"]).arg(&data);
    bare(&mut doctor, folder.path());
    let output = doctor.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let renewed = make(30);
    renewed.write(folder.path());
    assert!(Command::new("kill").args(["-HUP", &program.pid().to_string()]).status().unwrap().success());
    let certificate = reqwest::Certificate::from_pem(renewed.cert.as_bytes()).unwrap();
    let https = reqwest::Client::builder().tls_certs_only([certificate]).build().unwrap();
    let mut is_renewed = false;
    for _ in 0..200 {
        is_renewed = https.get(format!("https://{address}/healthz")).send().await.is_ok();
        if is_renewed {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(is_renewed, "SIGHUP reads the pair again: {:?}", program.said());
    assert!(program.stop().await);
}

/// What was said on stderr, once a word is in it.
pub async fn wait_for(program: &Program, word: &str) -> String {
    for _ in 0..500 {
        let said = program.said().join("\n");
        if said.contains(word) {
            return said;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never said {word:?}: {:?}", program.said());
}
