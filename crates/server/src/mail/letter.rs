//! The text of a mail, twice: plain, and as simple HTML that says the same.

use admit_core::text::Language;
use askama::Template;

use super::Mail;
use crate::pages::text::Words;

/// What a mail says.
pub struct Letter {
    /// In which language.
    pub language: Language,
    /// The line in the list.
    pub subject: String,
    /// Plain.
    pub text: String,
    /// As HTML.
    pub html: String,
}

#[derive(Template)]
#[template(path = "mail/letter.txt", escape = "none")]
struct Plain<'l> {
    lead: &'l str,
    link: Option<(&'l str, &'l str)>,
    after: &'l str,
    place: &'l str,
}

#[derive(Template)]
#[template(path = "mail/letter.html")]
struct Html<'l> {
    tag: &'l str,
    subject: &'l str,
    lead: &'l str,
    link: Option<(&'l str, &'l str)>,
    after: &'l str,
    place: &'l str,
}

impl Letter {
    /// In the words of a language. `place` is the host that people know.
    pub fn write(mail: &Mail<'_>, language: Language, place: &str) -> Self {
        let words = Words::of(language);
        let span = mail.link().map_or_else(String::new, |link| words.span(link.good_for));
        let given = [("place", place), ("span", &span), ("name", mail.name())];
        let say = |part: &str| words.fill(&format!("mail.{}.{part}", mail.key()), &given);
        let (subject, lead, after) = (say("subject"), say("lead"), say("after"));
        let button = mail.link().map(|link| (say("button"), link.to));
        let link = button.as_ref().map(|(label, link)| (label.as_str(), *link));
        let (lead, after) = (lead.as_str(), after.as_str());
        let text = Plain { lead, link, after, place }.render().unwrap_or_default();
        let html = Html { tag: words.tag(), subject: &subject, lead, link, after, place }.render().unwrap_or_default();
        Self { language, subject, text, html }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Link;
    use admit_core::time::Span;

    const LINK: &str = "https://auth.test/password/reset?token=x&y=1";
    const TO: Link<'_> = Link { to: LINK, good_for: Span::minutes(15) };

    #[test]
    fn a_letter_says_the_same_plain_and_as_html() {
        let mail = Mail::PasswordReset(TO);
        let letter = Letter::write(&mail, Language::English, "auth.test");
        assert_eq!(letter.subject, "Set a new password");
        for said in
            ["auth.test. This link does it. It works once, within 15 minutes:", "do nothing: your password stays"]
        {
            assert!(letter.text.contains(said) && letter.html.contains(said), "{said}: {}", letter.text);
        }
        assert!(letter.text.lines().any(|line| line == LINK), "a line of its own, so that nothing sticks to it");
        assert!(letter.html.contains("href=\"https://auth.test/password/reset?token=x&#38;y=1\""), "{}", letter.html);
        assert!(letter.html.starts_with("<!doctype html>\n<html lang=\"en\">"));
        let german = Letter::write(&mail, Language::German, "auth.test");
        assert_eq!(german.subject, "Neues Passwort setzen");
        assert!(german.text.contains("innerhalb von 15 Minuten") && german.html.contains("lang=\"de\""));
    }

    #[test]
    fn se_12_what_a_person_chose_is_escaped_in_html_and_plain_in_text() {
        let mail = Mail::KeyCreated { name: "<b>{place}" };
        let letter = Letter::write(&mail, Language::English, "auth.test");
        assert!(letter.html.contains("“&#60;b&#62;{place}”"), "{}", letter.html);
        assert!(letter.text.contains("“<b>{place}”"), "{}", letter.text);
        assert!(!letter.text.contains("http"), "no link where there is nothing to follow");
    }

    #[test]
    fn every_mail_has_all_its_words() {
        let mails = [
            Mail::PasswordReset(TO),
            Mail::Invitation(TO),
            Mail::Registration(TO),
            Mail::AddressInUse(TO),
            Mail::AddressProof(TO),
            Mail::AddressChanged,
            Mail::PasswordChanged,
            Mail::KeyCreated { name: "ci" },
            Mail::KeyRolled { name: "ci" },
            Mail::AppEnded { name: "ci" },
        ];
        assert_eq!(mails.map(|mail| (mail.key(), mail.link().is_some())), Mail::KEYS);
        for (mail, language) in mails.iter().flat_map(|mail| Language::ALL.map(|language| (mail, language))) {
            let letter = Letter::write(mail, language, "auth.test");
            assert_eq!(letter.text.contains(LINK), mail.link().is_some(), "{mail:?}");
            assert!(!letter.text.contains(['{', '}']) && !letter.subject.is_empty(), "{mail:?}: {}", letter.text);
        }
    }
}
