//! The two files: what can be wrong with them, and how new ones take over.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use admit::config::{Config, Overrides};
use admit::http::certificate;
use admit::http::limits::Limits;
use admit_core::time::Span;
use rustls::ClientConfig;

use super::authority::{Made, files, make, make_for, now, pem};
use super::shake::{connect, trusting};
use crate::app::TestApp;
use crate::fault::program::{bare, serve};

fn config_check(folder: &Path, text: &str) -> (bool, String) {
    let file = folder.join("admit.toml");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_admit"));
    command.args(["config", "check", "--config"]).arg(&file);
    bare(&mut command, folder);
    let Output { status, stderr, .. } = command.output().unwrap();
    (status.success(), String::from_utf8_lossy(&stderr).into_owned())
}

#[test]
fn ad_07_each_thing_that_is_wrong_with_a_pair_is_said_with_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let good = make(90);
    let section = good.write(folder.path());
    let (is_good, said) = config_check(folder.path(), &section);
    assert!(is_good && said.contains("tls.crt ends at "), "{said}");
    assert!(said.contains("tls.key. Next: chmod 600 "), "0644 is the default here: {said}");

    let (past, ahead) = (now() - Span::days(2), now() + Span::days(2));
    let [expired, early] = [make_for(past, past + Span::days(1)), make_for(ahead, ahead + Span::days(1))];
    let cut = good.cert[..good.cert.len() / 2].to_owned();
    let no_certificate = pem("CERTIFICATE", b"this is no certificate");
    let locked = pem("ENCRYPTED PRIVATE KEY", &[0x30, 0]);
    let no_key = pem("PRIVATE KEY", &[0x30, 0]);
    for (cert, key, path, words) in [
        (None, Some(&good.key), "tls.cert_file", "cannot read "),
        (Some(&good.cert), None, "tls.key_file", "cannot read "),
        (Some(&"nothing".to_owned()), Some(&good.key), "tls.cert_file", "holds no certificate in PEM"),
        (Some(&cut), Some(&good.key), "tls.cert_file", "is no good PEM"),
        (Some(&no_certificate), Some(&good.key), "tls.cert_file", "the first certificate cannot be read"),
        (Some(&good.cert), Some(&"nothing".to_owned()), "tls.key_file", "holds no private key in PEM"),
        (Some(&good.cert), Some(&locked), "tls.key_file", "must be decrypted: openssl pkey"),
        (Some(&good.cert), Some(&no_key), "tls.key_file", "holds a key that cannot be used"),
        (Some(&good.cert), Some(&make(90).key), "tls.key_file", "is not the key of the first certificate in "),
        (Some(&expired.cert), Some(&expired.key), "tls.cert_file", "renew it"),
        (Some(&early.cert), Some(&early.key), "tls.cert_file", "is the clock of this machine right?"),
    ] {
        for (file, text) in files(folder.path()).iter().zip([cert, key]) {
            match text {
                Some(text) => std::fs::write(file, text).unwrap(),
                None => std::fs::remove_file(file).unwrap(),
            }
        }
        let (is_good, said) = config_check(folder.path(), &section);
        let name = if path == "tls.cert_file" { "tls.crt" } else { "tls.key" };
        assert!(!is_good && said.contains(&format!("\n  {path}: ")), "{words}: {said}");
        assert!(said.contains(words) && said.contains(name), "{words}: {said}");
        assert!(!said.contains(good.key.lines().nth(1).unwrap()), "lo_02: nothing of a key is shown: {said}");

        let data = folder.path().join("data");
        let mut start = serve(&data);
        let started = start.arg("--config").arg(folder.path().join("admit.toml")).output().unwrap();
        assert!(!started.status.success(), "serve starts: {words}");
        assert!(String::from_utf8_lossy(&started.stderr).contains(words), "{words}");
        assert!(!data.exists(), "nothing is made before the configuration is good");
    }
}

/// Whether a new connection shows this certificate.
async fn shows(app: &TestApp, client: &Arc<ClientConfig>) -> bool {
    connect(client, app.places.tls.unwrap(), "localhost").await.is_ok()
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..500 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never: {what}");
}

fn client(made: &Made) -> Arc<ClientConfig> {
    Arc::new(trusting(made, rustls::ALL_VERSIONS))
}

#[tokio::test]
async fn new_files_take_over_and_broken_ones_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (make(90), make(60));
    let section = first.write(folder.path());
    let limits = Limits { certificate: Duration::from_millis(20), ..Limits::default() };
    let configuration = format!("{section}listen = '127.0.0.1:0'");
    let app = TestApp::with_limits(&configuration, limits).await;
    let [of_first, of_second] = [client(&first), client(&second)];
    assert!(shows(&app, &of_first).await && !shows(&app, &of_second).await);

    let [cert, key] = files(folder.path());
    std::fs::write(&cert, &second.cert).unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(shows(&app, &of_first).await, "a certificate without its key yet: the old pair stays");
    std::fs::write(&key, "half a fi").unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(shows(&app, &of_first).await);
    std::fs::write(&key, &second.key).unwrap();
    until("the second is shown", async || shows(&app, &of_second).await).await;
    assert!(!shows(&app, &of_first).await);

    std::fs::remove_file(&cert).unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(shows(&app, &of_second).await, "files that are gone take nothing away");
    first.write(folder.path());
    until("the first is shown again", async || shows(&app, &of_first).await).await;
}

#[tokio::test]
async fn reading_the_configuration_again_reads_the_pair_again() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (make(90), make(60));
    let app = TestApp::with(&format!("{}listen = '127.0.0.1:0'", first.write(folder.path()))).await;
    second.write(folder.path());
    certificate::reload(&app.app).unwrap();
    assert!(shows(&app, &client(&second)).await);
    let (past, overrides) = (now() - Span::days(3), Overrides::default());
    let text = make_for(past, past + Span::days(1)).write(folder.path());
    app.app.config.store(Arc::new(Config::parse(&text, &overrides, []).unwrap()));
    let wrong = certificate::reload(&app.app).unwrap_err();
    assert!(wrong.key == "cert_file" && wrong.message.contains("ended at "), "{wrong:?}");
    assert!(shows(&app, &client(&second)).await, "a dead certificate replaces no living one");
}

#[tokio::test]
async fn doctor_and_metrics_tell_how_long_the_certificate_lasts() {
    let folder = tempfile::tempdir().unwrap();
    let made = make(20);
    let app = TestApp::with(&format!("{}listen = '127.0.0.1:0'", made.write(folder.path()))).await;
    let findings = async || app.manage("GET", "/v1/doctor", serde_json::Value::Null).await.text;
    assert!(!findings().await.contains("certificate"), "20 days are plenty");
    app.clock.advance(Span::days(10));
    let soon = findings().await;
    assert!(soon.contains("The TLS certificate ends in 9 days") && soon.contains("renew it"), "{soon}");
    app.clock.advance(Span::days(11));
    assert!(findings().await.contains("The TLS certificate ended at "), "it has ended");
    let page = app.app.metrics.page(&app.app);
    let end = app.app.certificate.get().unwrap().ends_at().unix_ms() / 1000;
    assert!(page.contains(&format!("admit_tls_certificate_end_timestamp_seconds {end}\n")), "{page}");
    assert!(shows(&app, &client(&made)).await, "it is served all the same: nothing better is there");
}
