//! `[mail]`: the server that takes mails. Without it no mail is sent, and pages do not offer what needs one.

use std::net::IpAddr;

use admit_core::secret::Secret;
use lettre::message::Mailbox;
use percent_encoding::percent_decode_str;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::raw::Reader;

/// Where mails go.
#[derive(Debug, Clone, PartialEq)]
pub struct MailServer {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the conversation is kept from others.
    pub encryption: Encryption,
    /// User and password, where it asks for them.
    pub credentials: Option<(String, Secret)>,
    /// The authority that made its certificate, in PEM, beside those that the machine trusts.
    pub authority: Option<Vec<u8>>,
    /// From whom mails are.
    pub from: Mailbox,
}

/// How the conversation with a mail server is kept from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// Not at all: on this machine, or where the operator says so.
    None,
    /// It begins in the clear and must turn to TLS before anything is said (RFC 3207).
    Upgrade,
    /// TLS from the first octet (RFC 8314).
    Whole,
}

const FROM_EXAMPLE: &str = "such as from = \"Example <no-reply@example.com>\"";
const EXAMPLE: &str = "such as smtp = \"smtps://admit@mail.example.com\"";

/// Reads the section; none where it is absent.
pub fn read(root: &mut Reader<'_>) -> Option<MailServer> {
    let mut server = None;
    root.section("mail", |section| {
        let (smtp, from) = (section.text("smtp"), section.text("from"));
        let password = section.text("password").map(Secret::new);
        let authority = section
            .text("ca_file")
            .and_then(|file| read_authority(&file).map_err(|message| section.problem("ca_file", message)).ok());
        let from = from.map(|text| text.parse::<Mailbox>().map_err(drop));
        match &from {
            Some(Ok(_)) => {}
            Some(Err(())) => section.problem("from", format!("must be an e-mail address, {FROM_EXAMPLE}")),
            None => section.problem("from", format!("is needed, {FROM_EXAMPLE}")),
        }
        let Some(smtp) = smtp else { return section.problem("smtp", format!("is needed, {EXAMPLE}")) };
        let place = match place(&smtp) {
            Ok(place) => place,
            Err(message) => return section.problem("smtp", message),
        };
        let credentials = match (place.user, password) {
            (Some(user), Some(password)) => Some((user, password)),
            (None, None) => None,
            (Some(_), None) => {
                return section
                    .problem("password", "is needed for the user in smtp. Set ADMIT__MAIL__PASSWORD_FILE to its file");
            }
            (None, Some(_)) => return section.problem("smtp", format!("names no user for the password, {EXAMPLE}")),
        };
        if credentials.is_some() && place.encryption == Encryption::None && !is_here(&place.host) {
            return section.problem("smtp", "would send the password in the clear. Take away tls=none");
        }
        let Place { host, port, encryption, .. } = place;
        server =
            from.and_then(Result::ok).map(|from| MailServer { host, port, encryption, credentials, authority, from });
    });
    server
}

struct Place {
    host: String,
    port: u16,
    encryption: Encryption,
    user: Option<String>,
}

fn place(text: &str) -> Result<Place, String> {
    let bad = || format!("must be smtp:// or smtps:// with a host, {EXAMPLE}");
    let url = reqwest::Url::parse(text).map_err(|_| bad())?;
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(bad)?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    if url.password().is_some() {
        return Err("must not hold the password. Set ADMIT__MAIL__PASSWORD_FILE to a file that holds it".to_owned());
    }
    if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
        return Err(bad());
    }
    let (port, encryption) = match (url.scheme(), url.query()) {
        ("smtps", None) => (465, Encryption::Whole),
        ("smtp", Some("tls=none")) => (25, Encryption::None),
        ("smtp", Some("tls=required")) => (587, Encryption::Upgrade),
        ("smtp", None) if is_here(&host) => (25, Encryption::None),
        ("smtp", None) => (587, Encryption::Upgrade),
        ("smtp", Some(_)) => return Err("knows only ?tls=required and ?tls=none".to_owned()),
        _ => return Err(bad()),
    };
    let user = percent_decode_str(url.username()).decode_utf8().map_err(|_| bad())?.into_owned();
    let user = Some(user).filter(|user| !user.is_empty());
    Ok(Place { host, port: url.port().unwrap_or(port), encryption, user })
}

/// Whether a host is this machine: nobody listens in between.
fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn read_authority(file: &str) -> Result<Vec<u8>, String> {
    let pem = std::fs::read(file).map_err(|error| format!("cannot read {file}: {error}"))?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates.iter().all(Result::is_ok) && !certificates.is_empty() {
        true => Ok(pem),
        false => Err(format!("{file} holds no certificate in PEM")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Overrides};

    fn load(smtp: &str, more: &str) -> Result<MailServer, Vec<String>> {
        let text = format!("[mail]\nsmtp = '{smtp}'\nfrom = 'Shop <no-reply@shop.test>'\n{more}");
        let said = |problem: admit_core::policy::rule::Problem| format!("{}: {}", problem.path, problem.message);
        let config = Config::parse(&text, &Overrides::default(), []);
        config.map(|config| config.mail.unwrap()).map_err(|problems| problems.into_iter().map(said).collect())
    }

    #[test]
    fn a_conversation_is_encrypted_unless_it_stays_on_this_machine() {
        for (smtp, port, encryption) in [
            ("smtps://mail.test", 465, Encryption::Whole),
            ("smtps://mail.test:2465", 2465, Encryption::Whole),
            ("smtp://mail.test", 587, Encryption::Upgrade),
            ("smtp://mail.test?tls=none", 25, Encryption::None),
            ("smtp://localhost", 25, Encryption::None),
            ("smtp://[::1]:2525", 2525, Encryption::None),
            ("smtp://127.0.0.1?tls=required", 587, Encryption::Upgrade),
        ] {
            let server = load(smtp, "").unwrap();
            assert_eq!((server.port, server.encryption), (port, encryption), "{smtp}");
        }
    }

    #[test]
    fn lo_02_a_password_is_never_shown_and_never_sent_in_the_clear() {
        let server = load("smtps://a%40b@mail.test", "password = 'canary'").unwrap();
        assert!(!format!("{server:?}").contains("canary"));
        assert_eq!(server.credentials.unwrap().0, "a@b");
        let told = |smtp, more| load(smtp, more).unwrap_err().join("\n");
        let inside = told("smtps://a:canary@mail.test", "");
        assert!(inside.starts_with("mail.smtp: must not hold the password") && !inside.contains("canary"), "{inside}");
        let clear = told("smtp://a@mail.test?tls=none", "password = 'canary'");
        assert!(clear.starts_with("mail.smtp: would send the password in the clear"), "{clear}");
        assert!(load("smtp://a@127.0.0.1", "password = 'canary'").is_ok());
        let missing = told("smtps://a@mail.test", "");
        assert!(missing.starts_with("mail.password: is needed") && missing.contains("ADMIT__MAIL__PASSWORD_FILE"));
        assert!(told("smtps://mail.test", "password = 'canary'").starts_with("mail.smtp: names no user"));
    }

    #[test]
    fn every_problem_names_its_key() {
        for bad in ["mail.test", "http://mail.test", "smtp://", "smtps://mail.test/x", "smtp://mail.test?tls=maybe"] {
            let problems = load(bad, "").unwrap_err();
            assert!(problems[0].starts_with("mail.smtp: "), "{bad}: {problems:?}");
        }
        let problems = load("smtps://mail.test", "ca_file = '/nowhere'").unwrap_err();
        assert!(problems[0].starts_with("mail.ca_file: cannot read /nowhere"), "{problems:?}");
        let said = |problem: admit_core::policy::rule::Problem| problem.path;
        let problems = Config::parse("[mail]\nfrom = 'nobody'", &Overrides::default(), []).unwrap_err();
        let paths: Vec<_> = problems.into_iter().map(said).collect();
        assert_eq!(paths, ["mail.from", "mail.smtp"]);
    }
}
