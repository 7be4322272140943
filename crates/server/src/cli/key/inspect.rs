//! `admit key inspect`: what a secret's text says of itself. Asks nobody, so says nothing of whether it is known.

use admit_core::secret::{self, NotOpaque, SecretKind};
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::{Context, input, noun};

/// Reads a secret from stdin; exit 1 where it is none.
pub fn run(context: &Context) -> Result<(), Failure> {
    let Some(text) = input::credential(context)? else {
        return Err(Failure::usage("nothing on stdin. Pipe the key in: admit key inspect < ci.key"));
    };
    match secret::read(&text) {
        Ok(found) => {
            let kind = kind_word(found.kind);
            noun::print(
                context,
                &json!({"prefix": found.prefix, "kind": kind, "checksum": "ok", "hint": secret::hint(&text)}),
            );
            Ok(())
        }
        Err(NotOpaque::Checksum) => {
            let prefix = text.rsplit_once('_').map(|(prefix, _)| prefix);
            noun::print(context, &json!({"prefix": prefix, "checksum": "wrong"}));
            Err(Failure::failed("the checksum is wrong: a letter was lost or changed. Copy the key again"))
        }
        Err(NotOpaque::Form) => {
            Err(Failure::failed("this is no Admit secret: its form is <prefix>_<36 letters and digits>"))
        }
    }
}

/// The word for a kind of secret.
pub const fn kind_word(kind: SecretKind) -> &'static str {
    match kind {
        SecretKind::ApiKey => "api_key",
        SecretKind::AccessToken => "access_token",
        SecretKind::RefreshToken => "refresh_token",
        SecretKind::Session => "session",
        SecretKind::Code => "authorization_code",
        SecretKind::DeviceCode => "device_code",
        SecretKind::UserCode => "user_code",
        SecretKind::RegistrationToken => "registration_token",
        SecretKind::ClientSecret => "client_secret",
        SecretKind::OperatorKey => "operator_key",
        SecretKind::Device => "device",
        SecretKind::HandOff => "hand_off",
        SecretKind::Link => "link",
        SecretKind::PushedRequest => "pushed_request",
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::test_console::Console;
    use admit_core::secret::write;

    #[tokio::test]
    async fn ak_02_a_changed_letter_is_told_offline() {
        let good = write("acme_live", &[5; 32]).expose().to_owned();
        let ran = Console::new([]).await.with_input(&format!("{good}\n")).run("key inspect").await;
        let lines: Vec<_> = ran.out.lines().collect();
        assert_eq!(ran.exit, 0);
        assert_eq!(lines[..2], [format!("hint      {}", super::secret::hint(&good)), "checksum  ok".to_owned()]);
        assert!(!ran.out.contains(&good));

        let last = if good.ends_with('a') { "b" } else { "a" };
        let bad = format!("{}{last}", &good[..good.len() - 1]);
        let ran = Console::new([]).await.with_input(&bad).run("key inspect").await;
        assert_eq!(ran.exit, 1);
        assert!(ran.err.contains("the checksum is wrong") && !ran.err.contains(&bad), "{}", ran.err);
    }

    #[tokio::test]
    async fn ak_04_a_key_as_an_argument_is_refused_and_not_repeated() {
        let ran = Console::new([]).await.run("key inspect sk_of_somebody_else").await;
        assert_eq!((ran.exit, ran.err.as_str()), (2, "error: secrets go through stdin: admit key inspect < ci.key\n"));
    }

    #[tokio::test]
    async fn what_is_no_key_is_exit_1_and_nothing_is_usage() {
        let ran = Console::new([]).await.with_input("hello").run("key inspect").await;
        assert_eq!((ran.exit, ran.err.contains("no Admit secret")), (1, true));
        assert_eq!(Console::new([]).await.run("key inspect").await.exit, 2);
    }
}
