//! Whom a name means: clients and people by id, name or e-mail address.

use admit_core::grant::Subject;
use admit_core::id::{ClientId, RealmId, SubjectId, UserId};
use admit_core::policy::rule::Problem as Wrong;
use admit_core::shell::flag;
use admit_core::user::User;
use admit_store::Tx;

use super::work::Stop;
use crate::http::problem::Problem;

/// The subject that `text` names, as the value of the parameter `path`. Nobody, or two of that name, are a problem that
/// says what to do.
pub fn find(tx: &mut Tx<'_>, realm: RealmId, text: &str, path: &str) -> Result<Subject, Stop> {
    if let Some(subject) = by_id(tx, realm, text)? {
        return Ok(subject);
    }
    let client = tx.find_client_named(realm, text)?;
    let user = find_user_called(tx, realm, text)?;
    match (client, user) {
        (Some(client), None) => Ok(Subject::Client(client)),
        (None, Some(user)) => Ok(Subject::User(user)),
        (Some(client), Some(user)) => {
            Err(ambiguous(text, &format!("A client ({}) and a user ({})", client.id, user.id)).into())
        }
        (None, None) => Err(unknown(text, path).into()),
    }
}

/// The user of this name or e-mail address. Nobody can be given another's address as a name; where two are called the
/// same all the same, neither is guessed.
pub fn find_user_called(tx: &mut Tx<'_>, realm: RealmId, text: &str) -> Result<Option<User>, Stop> {
    let named = tx.find_user_named(realm, text)?;
    let addressed = if text.contains('@') { tx.find_user_by_email(realm, text)? } else { None };
    match (named, addressed) {
        (Some(named), Some(addressed)) if named.id != addressed.id => {
            Err(ambiguous(text, &format!("Two users ({} and {})", named.id, addressed.id)).into())
        }
        (named, addressed) => Ok(named.or(addressed)),
    }
}

fn ambiguous(text: &str, who: &str) -> Problem {
    Problem::new(409, "ambiguous_name", format!("{who} are called \"{text}\". Say which by the id."))
}

fn by_id(tx: &mut Tx<'_>, realm: RealmId, text: &str) -> Result<Option<Subject>, Stop> {
    if !ClientId::looks_like(text) && !UserId::looks_like(text) {
        return Ok(None);
    }
    match text.parse::<SubjectId>() {
        Ok(id) => Ok(tx.find_subject(realm, id)?),
        Err(_) => Ok(None),
    }
}

fn unknown(text: &str, path: &str) -> Problem {
    let shown: String = text.chars().filter(|letter| !admit_core::name::is_unprintable(*letter)).take(200).collect();
    let next = if text.contains('@') {
        format!("admit user create{}{}", flag("name", &shown), flag("email", &shown))
    } else {
        format!("admit client create{} --type service", flag("name", &shown))
    };
    let message = format!("there is no client or user \"{shown}\" in this realm. Create it: {next}");
    Problem::invalid(vec![Wrong { path: path.to_owned(), message }])
}
