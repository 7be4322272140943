//! Import: by streams, by batches, and without a secret in any message.

use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::*;
use crate::cli::test_console::{Console, Reply};

/// Takes whatever comes.
fn taken(count: usize) -> Reply {
    Reply::json(200, json!({"imported": count, "known": 0, "problems": []}))
}

fn import(plain: bool) -> Import {
    Import {
        pattern: "sk_*".into(),
        api: None,
        scopes: Vec::new(),
        owner: None,
        expires: None,
        plain,
        file: "-".into(),
    }
}

proptest! {
    #[test]
    fn any_line_is_taken_or_refused_without_a_quote(line in "[\\PC\"{}:]{0,60}", is_plain: bool) {
        if let Err(why) = import(is_plain).key(line.as_bytes()) {
            prop_assert!(line.trim().len() < 12 || !why.contains(line.trim()));
        }
    }
}

#[tokio::test]
async fn batches_hold_a_thousand() {
    let hash = "ab".repeat(32);
    for (lines, batches) in [(999, vec![999]), (1000, vec![1000]), (1001, vec![1000, 1])] {
        let text: String =
            (0..lines).map(|number| format!("{{\"sha256\":\"{hash}\",\"name\":\"k{number}\"}}\n")).collect();
        let console = Console::answering(|request| taken(request.json()["keys"].as_array().unwrap().len())).await;
        let ran = console.with_input(&text);
        let ran_out =
            ran.run_words(&["key", "import", "--pattern", "sk_*", "--scope", "r", "--expires", "never"]).await;
        assert_eq!((ran_out.exit, ran_out.out), (0, format!("{lines} imported, 0 known already\n")));
        let sizes: Vec<_> =
            ran.requests().iter().map(|request| request.json()["keys"].as_array().unwrap().len()).collect();
        assert_eq!(sizes, batches);
        let first = ran.requests()[0].json();
        assert_eq!(
            (&first["pattern"], &first["scopes"], &first["never_expires"]),
            (&json!("sk_*"), &json!(["r"]), &json!(true))
        );
    }
}

/// The reader makes its lines as they are asked for: were they collected, the server would see none before the last.
#[tokio::test]
async fn lines_stream_and_are_never_collected() {
    struct Lines {
        left: usize,
        ahead: &'static AtomicUsize,
        line: Vec<u8>,
    }
    impl Read for Lines {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            if self.left == 0 {
                return Ok(0);
            }
            self.left -= 1;
            let ahead = self.ahead.fetch_add(1, Ordering::SeqCst);
            assert!(ahead <= BATCH + 1, "{ahead} lines read ahead of the server");
            into[..self.line.len()].copy_from_slice(&self.line);
            Ok(self.line.len())
        }
    }
    static AHEAD: AtomicUsize = AtomicUsize::new(0);
    let console = Console::answering(|request| {
        let count = request.json()["keys"].as_array().unwrap().len();
        AHEAD.fetch_sub(count, Ordering::SeqCst);
        taken(count)
    })
    .await;
    let lines = Lines { left: 20_000, ahead: &AHEAD, line: b"sk_0123456789\n".to_vec() };
    let reader = std::io::BufReader::with_capacity(16, lines);
    let ran = console.run_from(Box::new(reader), &["key", "import", "--pattern", "sk_*", "--plain"]).await;
    assert_eq!((ran.exit, ran.out.as_str()), (0, "20000 imported, 0 known already\n"), "{}", ran.err);
}

#[tokio::test]
async fn ak_04_plain_secrets_are_hashed_here_and_never_sent_or_shown() {
    let text = "sk_canary1\r\n\nother_canary2\nsk_canary3";
    let console = Console::new([taken(2)]).await.with_input(text);
    let ran = console.run_words(&["key", "import", "--pattern", "sk_*", "--plain", "-"]).await;
    assert_eq!(ran.exit, 1);
    assert_eq!(ran.err, "line 3 does not have the form sk_*\nerror: 1 line(s) were not taken\n");
    let body = console.requests()[0].json();
    assert_eq!(body["keys"][0]["sha256"], HEXLOWER.encode(&secret::digest("sk_canary1")));
    for seen in [&body.to_string(), &ran.out, &ran.err] {
        assert!(!seen.contains("canary"), "{seen}");
    }
}

#[tokio::test]
async fn problems_of_the_server_name_the_line() {
    let hash = "0".repeat(64);
    let answer =
        json!({"imported": 1, "known": 0, "problems": [{"path": "keys[1].name", "message": "must be one line"}]});
    let text = format!("\n{{\"sha256\":\"{hash}\"}}\n{{\"sha256\":\"{hash}\",\"name\":\"\"}}\n");
    let console = Console::new([Reply::json(200, answer)]).await.with_input(&text);
    let ran = console.run_words(&["key", "import", "--pattern", "sk_*"]).await;
    assert_eq!((ran.exit, ran.err.lines().next()), (1, Some("line 3: must be one line")));
}

#[test]
fn what_cannot_be_taken_says_why() {
    let why = |line: &str| import(false).key(line.as_bytes()).unwrap_err();
    assert!(why("sk_secret").ends_with("Lines of plain secrets: --plain"));
    assert!(why("\"sk_secret\"").starts_with("is no JSON object"));
    assert!(why("$2b$12$abcdefgh").starts_with("is a slow hash"));
    assert!(why(r#"{"sha256":"$argon2id$v=19$x"}"#).starts_with("has a slow hash"));
    assert_eq!(why(r#"{"name":"a"}"#), "has no sha256");
    assert_eq!(why(r#"{"sha256":"zz"}"#), "has a sha256 that is not 64 hex digits");
    let unknown = format!(r#"{{"sha256":"{}","key":"x"}}"#, "0".repeat(64));
    assert!(why(&unknown).starts_with("has a field that is none of"));
}

#[test]
fn a_line_has_a_limit() {
    let mut line = Vec::new();
    let fits = [vec![b'a'; LINE_MAX as usize - 1], vec![b'\n']].concat();
    assert_eq!(read_line(&mut &fits[..], &mut line), Ok(true));
    assert_eq!(line.len() as u64, LINE_MAX - 1);
    let too_long = vec![b'a'; LINE_MAX as usize + 1];
    assert!(
        read_line(&mut &too_long[..], &mut line).unwrap_err().message.contains("a line is longer than 16384 bytes")
    );
    assert_eq!(read_line(&mut &b""[..], &mut line), Ok(false));
}

#[test]
fn a_star_is_any_text() {
    assert!(matches("sk_*", "sk_") && matches("sk_*_x", "sk_1_x") && matches("abc", "abc"));
    assert!(!matches("sk_*", "pk_1") && !matches("a*a", "a") && !matches("abc", "abcd"));
}
