//! AD-07: a configuration that is not safe does not start, and says which key is wrong.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use crate::fault::program::{Program, bare, serve};

fn check(folder: &Path, text: &str) -> Output {
    let file = folder.join("admit.toml");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_admit"));
    command.args(["config", "check", "--config"]).arg(&file);
    bare(&mut command, folder);
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn ad_07_each_bad_thing_is_refused_with_its_key_path() {
    let folder = tempfile::tempdir().unwrap();
    let good = check(folder.path(), "public_url = 'https://auth.example.com'");
    assert_eq!(good.status.code(), Some(0), "{}", said(&good));
    for (text, path) in [
        ("surprise = 1", "surprise"),
        ("[store]\nsurprise = 1", "store.surprise"),
        ("[surprise]\nx = 1", "surprise"),
        ("trusted_proxies = ['0.0.0.0/0']", "trusted_proxies"),
        ("trusted_proxies = ['::/0']", "trusted_proxies"),
        ("trusted_proxies = ['*']", "trusted_proxies"),
        ("public_url = 'http://auth.example.com'", "public_url"),
        ("public_url = 'https://auth.example.com/path'", "public_url"),
        ("public_url = 'auth.example.com'", "public_url"),
        ("listen = '0.0.0.0:8420'\npublic_url = 'https://a.example'", "listen"),
        ("listen = 'nowhere'", "listen"),
        ("[store]\nurl = 'mysql:x'", "store.url"),
        ("[cache]\nmax_bytes = '1KiB'", "cache.max_bytes"),
        ("[cache]\nmax_staleness = '1h'", "cache.max_staleness"),
        ("[master_key]\nfile = 'a'\nenv = 'B'", "master_key.file"),
        ("[limits.default]\nper = 'planet'\nrate = '1/1m'", "limits.default.per"),
        ("[log]\nformat = 'xml'", "log.format"),
        ("[ops]\nlisten = 7", "ops.listen"),
    ] {
        let output = check(folder.path(), text);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{text}: {said}");
        assert!(said.contains(&format!("\n  {path}: ")), "{text}: names {path}: {said}");

        let mut start = serve(&folder.path().join("data"));
        start.arg("--config").arg(folder.path().join("admit.toml"));
        let started = if path == "listen" { continue } else { start.output().unwrap() };
        assert_eq!(started.status.code(), Some(1), "serve starts with {text}");
        assert!(!folder.path().join("data").exists(), "nothing is made before the configuration is good");
    }
    let broken = check(folder.path(), "public_url = ");
    assert_eq!(broken.status.code(), Some(1), "{}", said(&broken));
}

#[test]
fn ad_07_a_master_key_that_others_can_read_is_refused() {
    for (mode, starts) in [(0o644, false), (0o640, false), (0o604, false), (0o660, false)] {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("master.key");
        std::fs::write(&key, "cd".repeat(32)).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
        let output = serve(folder.path()).output().unwrap();
        assert_eq!(output.status.success(), starts, "{mode:o}");
        assert!(said(&output).contains("can be read by others. Next: chmod 600"), "{}", said(&output));
        assert!(!folder.path().join("admit.db").exists());
    }
}

#[tokio::test]
async fn ad_07_the_wrong_or_a_lost_master_key_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    Program::start(folder.path()).await.stop().await;
    let key = folder.path().join("master.key");
    let right = std::fs::read_to_string(&key).unwrap();
    for (wrong, words) in [
        ("ab".repeat(32), "is not the one that the store was made with"),
        ("ab".repeat(31), "64 hexadecimal digits"),
        (String::new(), "64 hexadecimal digits"),
    ] {
        std::fs::write(&key, wrong).unwrap();
        let output = serve(folder.path()).output().unwrap();
        assert!(!output.status.success() && said(&output).contains(words), "{}", said(&output));
    }
    std::fs::remove_file(&key).unwrap();
    let output = serve(folder.path()).output().unwrap();
    assert!(!output.status.success() && said(&output).contains("cannot be read"), "{}", said(&output));
    assert!(!key.exists(), "no other key is made for a store that has one");
    std::fs::write(&key, right).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    Program::start(folder.path()).await;
}

#[tokio::test]
async fn what_the_first_start_makes_is_for_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let _program = Program::start(&data).await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    for file in std::fs::read_dir(&data).unwrap() {
        let file = file.unwrap().path();
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn development_and_production_stores_are_kept_apart() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, dev) = (folder.path().join("plain"), folder.path().join("dev"));
    Program::start(&plain).await.stop().await;
    let mut on_plain = serve(&plain);
    let refused = on_plain.arg("--dev").output().unwrap();
    assert!(!refused.status.success() && said(&refused).contains("is no development store"), "{}", said(&refused));

    let mut command = serve(&dev);
    command.arg("--dev");
    Program::run(command, &dev).await.stop().await;
    let refused = serve(&dev).output().unwrap();
    assert!(!refused.status.success() && said(&refused).contains("is a development store"), "{}", said(&refused));
    let mut public = serve(&dev);
    let refused = public.args(["--dev", "--listen", "0.0.0.0:0"]).output().unwrap();
    assert!(!refused.status.success(), "{}", said(&refused));
}
