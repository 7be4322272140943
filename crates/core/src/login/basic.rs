//! A person's name and password with each request (RFC 7617): who that is, and for how long it is believed unasked.
//!
//! Nothing is begun and nothing kept that could be revoked: what may be done are the person's rights now, and what ends
//! them ends it. Knows neither headers ([`crate::credential`]) nor hashes ([`super::hash`]), and never says whether a password
//! is the one.

use std::sync::Arc;

use crate::api::Api;
use crate::check::code::Reason;
use crate::grant::{Lineage, Subject};
use crate::principal::{CredentialKind, Principal, Profile};
use crate::time::{Span, Time};

use super::session::{Factor, Factors, LastUse, SignIn, profile, standings};

/// How long a password that was the right one is believed without being hashed again.
pub const BELIEVED_FOR: Span = Span::minutes(5);

/// A person, or a client, with everything that his rights depend on, as one snapshot of the store saw him.
#[derive(Debug, Clone)]
pub struct Person {
    /// What he lends: see [`Lineage::of_subject`].
    pub lineage: Lineage,
    /// The APIs on which he may have rights.
    pub apis: Vec<Api>,
}

/// What somebody resolves to whose password was the right one at `at`.
pub fn principal(person: &Person, at: Time) -> Principal {
    let shown = Factors::of(&[Factor::Password]);
    // Where a person must show another factor he is halted here, as a session is while it is pending: a password is all
    // that a request can show.
    let is_person = matches!(person.lineage.subject, Some(Subject::User(_)));
    Principal { profile: profile(person.lineage.subject.as_ref()), ..by_right(person, is_person, shown, at) }
}

/// What a client resolves to that showed a secret of its own, which ends when it says. It has no factors: nobody signed in.
pub fn client(client: &Person, expires_at: Option<Time>, at: Time) -> Principal {
    let Some(Subject::Client(row)) = &client.lineage.subject else {
        return by_right(client, false, Factors::default(), at);
    };
    let profile = Profile {
        external_id: row.spec.external_id.as_ref().map(ToString::to_string),
        org: row.org,
        metadata: row.spec.metadata.clone(),
        ..Profile::default()
    };
    let profile = (profile != Profile::default()).then(|| Arc::new(profile));
    Principal { expires_at, profile, ..by_right(client, true, Factors::default(), at) }
}

/// Somebody with all that he may do now, on each API.
fn by_right(somebody: &Person, is_right_kind: bool, factors: Factors, at: Time) -> Principal {
    let Person { lineage, apis } = somebody;
    let (base, standings) = standings(lineage, apis);
    Principal {
        subject: lineage.grant.subject,
        client: None,
        grant: None,
        key: None,
        secret_number: 1,
        credential: CredentialKind::Basic,
        name: lineage.subject.as_ref().map_or("", Subject::name).into(),
        standing: Arc::new(base),
        expires_at: None,
        rolled: false,
        halted: lineage.halted().or((!is_right_kind).then_some(Reason::OwnerGone)),
        profile: None,
        sign_in: Some(Box::new(SignIn {
            root: None,
            host: None,
            at,
            factors,
            idle: None,
            last_use: LastUse::new(at),
            read_at: at,
            standings,
        })),
        token: None,
    }
}

/// Whether what was the right password then is to be believed now.
pub fn is_believed(principal: &Principal, now: Time) -> bool {
    principal.sign_in.as_ref().is_some_and(|sign_in| now < sign_in.at + BELIEVED_FOR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::UserId;
    use crate::key::tests::{api, lineage};
    use crate::role::{Role, RoleSpec};
    use crate::user::{User, UserSpec};

    const NOW: Time = Time::from_unix_ms(1_796_083_200_000);

    /// Alice, who reads orders as a buyer.
    fn alice() -> Person {
        let (realm, api) = (lineage().realm, api());
        let spec: UserSpec = serde_json::from_str(r#"{"name": "alice", "email": "alice@example.com"}"#).unwrap();
        let user = User {
            id: UserId::from_bytes([5; 16]),
            realm: realm.id,
            org: None,
            spec,
            disabled_at: None,
            valid_after: Some(NOW),
            created_at: NOW,
            updated_at: NOW,
            version: 1,
            email_verified_at: None,
            erased_at: None,
        };
        let scope = api.spec.scopes.keys().next().unwrap().clone();
        let rights = [(api.spec.uri.clone(), [scope].into())].into();
        let spec = RoleSpec { name: "buyer".parse().unwrap(), description: String::new(), rights };
        let id = crate::id::RoleId::from_bytes([9; 16]);
        let role = Role { id, realm: realm.id, spec, created_at: NOW, updated_at: NOW, version: 1 };
        Person { lineage: Lineage::of_subject(realm, Subject::User(user), vec![role], NOW), apis: vec![api] }
    }

    #[test]
    fn a_person_has_all_her_rights_and_one_factor() {
        let person = alice();
        let principal = principal(&person, NOW);
        assert_eq!(principal.usable(None, NOW), Ok(()), "what was issued before is ended, and she issues nothing");
        assert_eq!((principal.credential, principal.grant, principal.key), (CredentialKind::Basic, None, None));
        let sign_in = principal.sign_in.as_ref().unwrap();
        assert_eq!((sign_in.factors.acr(), sign_in.root), (Some("urn:admit:aal1"), None));
        let standing = sign_in.standing_on(&person.apis[0].spec.uri).unwrap();
        assert_eq!((standing.scopes.len(), standing.roles.len()), (1, 1));
        assert!(!sign_in.is_due(NOW + Span::days(9)), "there is nothing that could be written");
    }

    #[test]
    fn who_is_switched_off_is_halted() {
        let mut person = alice();
        let Some(Subject::User(user)) = &mut person.lineage.subject else { unreachable!() };
        user.disabled_at = Some(NOW);
        assert_eq!(principal(&person, NOW).usable(None, NOW), Err(Reason::OwnerDisabled));
        person.lineage.subject = None;
        assert_eq!(principal(&person, NOW).usable(None, NOW), Err(Reason::OwnerGone));
    }

    #[test]
    fn a_password_is_believed_up_to_its_end() {
        let principal = principal(&alice(), NOW);
        assert!(is_believed(&principal, NOW + Span::ms(BELIEVED_FOR.as_ms() - 1)));
        assert!(!is_believed(&principal, NOW + BELIEVED_FOR));
    }
}
