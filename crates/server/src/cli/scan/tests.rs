//! Scanning: what is found, what is not, and that no output ever has the secret (AK-04).

use admit_core::secret::write;
use proptest::prelude::*;

use super::*;
use crate::cli::test_console::{Console, Reply};

fn key(prefix: &str, seed: u8) -> String {
    write(prefix, &[seed; 32]).expose().to_owned()
}

proptest! {
    #[test]
    fn any_bytes_are_scanned(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = find(&bytes);
    }

    #[test]
    fn a_secret_is_found_wherever_it_stands(random: [u8; 32], before in "[ -~é\n]{0,60}", after in "[^0-9A-Za-z]{0,20}") {
        let key = write("acme_live", &random).expose().to_owned();
        let text = format!("{before} {key}{after}");
        let found = find(text.as_bytes());
        prop_assert_eq!(found.len(), 1);
        prop_assert_eq!(found[0].text, key.as_str());
        let last_line = before.rsplit('\n').next().unwrap();
        prop_assert_eq!(found[0].line, 1 + before.matches('\n').count());
        prop_assert_eq!(found[0].column, last_line.chars().count() + 2);
    }
}

#[test]
fn the_form_alone_is_not_enough() {
    let good = key("admit", 1);
    let bad = format!("{}{}", &good[..good.len() - 1], if good.ends_with('0') { '1' } else { '0' });
    assert!(find(bad.as_bytes()).is_empty());
    assert!(find(&good.as_bytes()[..good.len() - 1]).is_empty());
    assert!(find(b"key_01hzzzzzzzzzzzzzzzzzzzzzzz ____ _").is_empty());
}

#[test]
fn letters_around_do_not_hide_it() {
    let key = key("admit", 2);
    for around in
        [format!("KEY={key};"), format!("\"{key}\""), format!("x{key}"), format!("my_{key}0"), format!("{key}{key}")]
    {
        assert_eq!(find(around.as_bytes())[0].text, key, "{around}");
    }
    assert_eq!(find(format!("{key}{key}").as_bytes()).len(), 2);
}

#[tokio::test]
async fn ak_04_the_secret_itself_is_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let (api, operator) = (key("acme_live", 3), key("admit_op", 4));
    fs::create_dir_all(folder.path().join("src")).unwrap();
    fs::write(folder.path().join("src/a.env"), format!("A=1\nKEY={api}\n")).unwrap();
    fs::write(folder.path().join("z.txt"), &operator).unwrap();
    let path = folder.path().to_str().unwrap();
    for words in [vec!["scan", path], vec!["scan", path, "--json"]] {
        let ran = Console::new([]).await.run_words(&words).await;
        assert_eq!(ran.exit, 1);
        for secret in [&api, &operator] {
            assert!(!ran.out.contains(secret.as_str()) && !ran.err.contains(secret.as_str()), "{ran:?}");
            assert!(!ran.out.contains(&secret[secret.len() - 36..]));
        }
        assert!(ran.out.contains(&secret::hint(&api)) && ran.out.contains("operator_key"));
    }
    let ran = Console::new([]).await.run_words(&["scan", path]).await;
    assert!(ran.out.starts_with(&format!("{path}/src/a.env:2:5 {} api_key\n", secret::hint(&api))), "{}", ran.out);
}

#[tokio::test]
async fn git_binaries_and_links_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let (root, key) = (folder.path(), key("admit", 5));
    fs::create_dir(root.join(".git")).unwrap();
    fs::write(root.join(".git/config"), &key).unwrap();
    fs::write(root.join("binary"), format!("\0{key}")).unwrap();
    fs::create_dir(root.join("in")).unwrap();
    std::os::unix::fs::symlink(root, root.join("in/loop")).unwrap();
    let ran = Console::new([]).await.run_words(&["scan", root.to_str().unwrap()]).await;
    assert_eq!((ran.exit, ran.out.as_str()), (0, ""));
    assert_eq!(ran.err, "1 binary or huge file(s) not looked into\nno secret found\n");
    let after_8_kib = [vec![b'a'; SNIFFED], vec![0, b'\n'], key.into_bytes()].concat();
    fs::write(root.join("late"), after_8_kib).unwrap();
    assert_eq!(Console::new([]).await.run_words(&["scan", root.to_str().unwrap()]).await.exit, 1);
}

#[test]
fn a_file_has_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sparse");
    fs::File::create(&file).unwrap().set_len(1).unwrap();
    assert!(read_text_file(&file, FILE_MAX + 1).unwrap().is_none(), "by what the folder says");
    fs::write(&file, "a").unwrap();
    assert_eq!(read_text_file(&file, FILE_MAX).unwrap(), Some(b"a".to_vec()));
}

#[tokio::test]
async fn stdin_is_scanned_and_keys_and_tokens_are_reported() {
    let (api, session, refresh) = (key("admit", 6), key("admit_ss", 7), key("admit_rt", 8));
    let replies = [Reply::json(202, json!({})), Reply::json(202, json!({}))];
    let console = Console::new(replies).await.with_input(&format!("{api}\n{session}\n{refresh}\n"));
    let ran = console.run("scan - --revoke").await;
    assert_eq!(ran.exit, 1);
    assert!(ran.out.starts_with(&format!("-:1:1 {} api_key\n-:2:1 ", secret::hint(&api))), "{}", ran.out);
    let requests = console.requests();
    assert!(requests.iter().all(|request| request.line == "POST /v1/leaked HTTP/1.1"));
    let sent: Vec<_> = requests.iter().map(|request| request.json()).collect();
    assert_eq!(sent, [json!({ "credential": api }), json!({ "credential": refresh })]);
}

#[tokio::test]
async fn a_path_that_is_not_there_is_usage() {
    let ran = Console::new([]).await.run("scan /nonexistent/x").await;
    assert_eq!((ran.exit, ran.err.as_str()), (2, "error: there is no /nonexistent/x\n"));
}
