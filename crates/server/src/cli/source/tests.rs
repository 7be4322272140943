//! The one-source rule, each branch by its message.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn nothing(_: &str) -> Option<String> {
    None
}

/// A data folder with a server at `url`.
fn make_folder(at: &Path, url: &str) {
    fs::create_dir_all(at).unwrap();
    fs::write(at.join("server.json"), format!(r#"{{"url":"{url}","pid":1}}"#)).unwrap();
    write_key(&at.join("operator.key"), 0o600);
}

fn write_key(file: &Path, mode: u32) {
    fs::write(file, "admit_op_x\n").unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_half_given_source_is_an_error() {
    let here = tempfile::tempdir().unwrap();
    let server = Given { server: Some("https://a.test".into()), ..Given::default() };
    assert!(settle(&server, &nothing, here.path()).unwrap_err().message.contains("--operator-key-file FILE"));
    let file = Given { operator_key_file: Some("k".into()), ..Given::default() };
    let failure = settle(&file, &nothing, here.path()).unwrap_err();
    assert_eq!((failure.exit, failure.message.contains("without --server URL")), (2, true));
    let half_env = |name: &str| (name == "ADMIT_SERVER").then(|| "https://a.test".to_owned());
    let failure = settle(&Given::default(), &half_env, here.path()).unwrap_err();
    assert!(failure.message.starts_with("ADMIT_SERVER is given without ADMIT_OPERATOR_KEY"));
}

#[test]
fn flags_outrank_the_environment_which_outranks_the_folder() {
    let here = tempfile::tempdir().unwrap();
    let key = here.path().join("k");
    write_key(&key, 0o600);
    make_folder(&here.path().join(DATA), "http://127.0.0.1:1");
    let env = |name: &str| match name {
        "ADMIT_SERVER" => Some("https://env.test".to_owned()),
        "ADMIT_OPERATOR_KEY" => Some("from-env".to_owned()),
        _ => None,
    };
    let flags = Given { server: Some("https://flag.test".into()), operator_key_file: Some(key), data: None };
    assert_eq!(settle(&flags, &env, here.path()).unwrap().url.as_str(), "https://flag.test/");
    let target = settle(&Given::default(), &env, here.path()).unwrap();
    assert_eq!((target.url.as_str(), target.key.expose()), ("https://env.test/", "from-env"));
    let data = Given { data: Some(here.path().join(DATA)), ..Given::default() };
    assert_eq!(settle(&data, &env, here.path()).unwrap().url.as_str(), "http://127.0.0.1:1/");
    assert_eq!(settle(&Given::default(), &nothing, here.path()).unwrap().key.expose(), "admit_op_x");
    let mixed = Given { data: Some("x".into()), ..flags };
    assert_eq!(settle(&mixed, &nothing, here.path()).unwrap_err().exit, 2);
}

#[test]
fn the_dev_folder_is_meant_where_only_it_exists_or_lives() {
    let here = tempfile::tempdir().unwrap();
    let (plain, dev) = (here.path().join(DATA), here.path().join(DEV_DATA));
    assert_eq!(folder(&Given::default(), &nothing, here.path()), plain);
    let alive = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    make_folder(&dev, &format!("http://{}", alive.local_addr().unwrap()));
    assert_eq!(folder(&Given::default(), &nothing, here.path()), dev, "only it exists");
    make_folder(&plain, "http://127.0.0.1:1");
    assert_eq!(folder(&Given::default(), &nothing, here.path()), dev, "only its server is alive");
    make_folder(&plain, &format!("http://{}", alive.local_addr().unwrap()));
    assert_eq!(folder(&Given::default(), &nothing, here.path()), plain, "both live");
    let env = |name: &str| (name == "ADMIT_DATA").then(|| "elsewhere".to_owned());
    assert_eq!(folder(&Given::default(), &env, here.path()), PathBuf::from("elsewhere"));
}

#[test]
fn a_key_file_that_others_can_read_is_refused() {
    let here = tempfile::tempdir().unwrap();
    let file = here.path().join("k");
    for mode in [0o640, 0o604, 0o660] {
        write_key(&file, mode);
        assert!(read_key_file(&file).unwrap_err().message.contains("Close it: chmod 600 "), "{mode:o}");
    }
    write_key(&file, 0o400);
    assert_eq!(read_key_file(&file).unwrap().expose(), "admit_op_x");
}

#[test]
fn a_key_file_has_a_limit() {
    let here = tempfile::tempdir().unwrap();
    let file = here.path().join("k");
    write_key(&file, 0o600);
    fs::write(&file, "k".repeat(4096)).unwrap();
    assert!(read_key_file(&file).is_ok());
    fs::write(&file, "k".repeat(4097)).unwrap();
    assert!(read_key_file(&file).unwrap_err().message.contains("longer than 4096 bytes"));
    fs::write(&file, "a b").unwrap();
    assert!(read_key_file(&file).unwrap_err().message.ends_with("holds no key"));
}

#[test]
fn the_operator_key_never_travels_in_clear() {
    let key = || Secret::new("k");
    for good in ["https://auth.example.com", "http://127.0.0.1:8420", "http://[::1]:8420", "http://localhost:8420/x"] {
        assert!(target(good, key(), None).is_ok(), "{good}");
    }
    for clear in ["http://auth.example.com", "http://10.0.0.1", "http://localhost.evil.test"] {
        assert!(target(clear, key(), None).unwrap_err().message.contains("travel in clear"), "{clear}");
    }
    for odd in ["auth.example.com", "ftp://a.test", "https://u:p@a.test", "https://a.test/?x"] {
        assert_eq!(target(odd, key(), None).unwrap_err().exit, 2, "{odd}");
    }
}

#[test]
fn a_folder_without_a_server_names_the_next_command() {
    let here = tempfile::tempdir().unwrap();
    let none = settle(&Given::default(), &nothing, here.path()).unwrap_err();
    assert!(none.message.ends_with("Start one: admit serve"), "{none}");
    fs::create_dir(here.path().join(DATA)).unwrap();
    let never = settle(&Given::default(), &nothing, here.path()).unwrap_err();
    assert!(never.message.starts_with("no server runs in "), "{never}");
}

#[test]
fn a_folder_of_another_user_is_refused() {
    let here = tempfile::tempdir().unwrap();
    make_folder(here.path(), "http://127.0.0.1:1");
    let given_away = std::os::unix::fs::chown(here.path(), Some(54_321), None).is_ok();
    let folder = if given_away { here.path() } else { Path::new("/proc/1") };
    assert!(from_folder(folder).unwrap_err().message.contains("belongs to another user"));
}

#[test]
fn what_others_can_read_is_listed_with_its_remedy() {
    let here = tempfile::tempdir().unwrap();
    make_folder(here.path(), "http://127.0.0.1:1");
    fs::set_permissions(here.path(), fs::Permissions::from_mode(0o750)).unwrap();
    fs::set_permissions(here.path().join("server.json"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(exposure(here.path()), [format!("chmod 700 {}", here.path().display())]);
}

#[test]
fn a_configuration_in_the_folder_says_where_its_server_keeps_its_data() {
    let here = tempfile::tempdir().unwrap();
    fs::write(here.path().join("admit.toml"), "[store]\nurl = \"sqlite:other/x.db\"\n").unwrap();
    let none = |_: &str| None;
    assert_eq!(folder(&Given::default(), &none, here.path()), here.path().join("admit-data"), "nothing is there yet");
    fs::create_dir(here.path().join("other")).unwrap();
    assert_eq!(folder(&Given::default(), &none, here.path()), here.path().join("other"));
    let data = Given { data: Some("said".into()), ..Given::default() };
    assert_eq!(folder(&data, &none, here.path()), Path::new("said"), "a flag goes first");
}
