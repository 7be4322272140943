//! The one conversation with a mail server, and the message that it is about.

use std::time::{Duration, SystemTime};

use admit_core::time::Time;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls as Secured, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use super::Letter;
use crate::config::mail::{Encryption, MailServer};

/// How long one answer of the mail server may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why a mail was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTaken {
    /// The server cannot be reached, or asks to try later.
    Later,
    /// The server does not want it, or what is configured does not fit.
    Never,
}

/// Hands a message over.
pub async fn send(server: &MailServer, host: &str, message: Message) -> Result<(), NotTaken> {
    let transport = transport(server, host).map_err(|error| {
        tracing::error!(error = %error, "[mail] cannot be used");
        NotTaken::Later
    })?;
    match transport.send(message).await {
        Ok(_) => Ok(()),
        Err(error) => {
            // What the server says may repeat the address.
            let status = error.status().map(|status| status.to_string());
            let cause = if status.is_some() { None } else { Some(error.to_string()) };
            tracing::warn!(smtp.status = status, error = cause, "the mail server did not take a mail");
            Err(if error.is_permanent() || error.is_client() { NotTaken::Never } else { NotTaken::Later })
        }
    }
}

/// A connection of its own for each mail: they are few, and none of them suffers from how the last one ended.
fn transport(
    server: &MailServer,
    host: &str,
) -> Result<AsyncSmtpTransport<Tokio1Executor>, lettre::transport::smtp::Error> {
    let secured = match server.encryption {
        Encryption::None => Secured::None,
        Encryption::Upgrade => Secured::Required(parameters(server)?),
        Encryption::Whole => Secured::Wrapper(parameters(server)?),
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(server.host.clone())
        .port(server.port)
        .tls(secured)
        .hello_name(ClientId::Domain(host.to_owned()))
        .timeout(Some(PATIENCE));
    if let Some((user, password)) = &server.credentials {
        builder = builder.credentials(Credentials::new(user.clone(), password.expose().to_owned()));
    }
    Ok(builder.build())
}

fn parameters(server: &MailServer) -> Result<TlsParameters, lettre::transport::smtp::Error> {
    let mut parameters = TlsParameters::builder(server.host.clone());
    if let Some(pem) = &server.authority {
        parameters = parameters.add_root_certificate(Certificate::from_pem(pem)?);
    }
    parameters.build()
}

/// The message. `id` is unique, `host` the one that people know.
pub fn message(
    from: &Mailbox,
    to: &Address,
    letter: &Letter,
    id: &str,
    host: &str,
    now: Time,
) -> Result<Message, lettre::error::Error> {
    let ms = u64::try_from(now.unix_ms()).unwrap_or_default();
    // A machine wrote it: nobody's absence is to be told to us (RFC 3834).
    let automatic = HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
    Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to.clone()))
        .subject(&letter.subject)
        .date(SystemTime::UNIX_EPOCH + Duration::from_millis(ms))
        .message_id(Some(format!("<{id}@{host}>")))
        .raw_header(automatic)
        .multipart(MultiPart::alternative_plain_html(letter.text.clone(), letter.html.clone()))
}
