//! Who is to be told of a sign-out, and who tells it.

use admit_core::client::{Client, ClientSpec, ClientType};
use admit_core::grant::{Grant, GrantKind};
use admit_core::id::{ClientId, GrantId, SubjectId};
use admit_core::login::session::{Factor, Factors};
use admit_core::oauth::approved::ShownAt;
use admit_core::oauth::authorized::{Authorized, AuthorizedSpec};
use admit_core::time::Span;
use admit_core::user::User;
use admit_store::LogoutNotice;
use serde_json::Value;

use crate::fixture::{NOW, Population, TestStore, client, grant};

both!(
    a_session_that_ends_leaves_one_notice_for_each_application_that_listens,
    all_sessions_of_a_person_leave_theirs_and_what_had_ended_leaves_none,
    lg_03_of_two_nodes_one_takes_a_notice,
    what_a_session_reaches_is_listed_by_name
);

/// A session of Alice.
fn session(store: &TestStore, all: &Population) -> GrantId {
    let own = grant(all.realm.id, SubjectId::User(all.user.id));
    let own = Grant { kind: GrantKind::Session, ..own };
    let id = own.id;
    store.put(move |tx| tx.insert_grant(&own));
    id
}

/// An application that listens, or does not.
fn app(store: &TestStore, all: &Population, name: &str, listens: bool) -> ClientId {
    let plain = client(all.realm.id, name);
    let backchannel_logout_uri = listens.then(|| "https://app.test/out".to_owned());
    let made = Client { spec: ClientSpec { kind: ClientType::Web, backchannel_logout_uri, ..plain.spec }, ..plain };
    let id = made.id;
    store.put(move |tx| tx.insert_client(&made));
    id
}

/// Alice let it in through this session.
fn let_in(store: &TestStore, all: &Population, client: ClientId, session: GrantId, is_offline: bool) -> GrantId {
    let own = grant(all.realm.id, SubjectId::User(all.user.id));
    let parent = (!is_offline).then_some(session);
    let own =
        Grant { kind: GrantKind::Authorization, client: Some(client), parent, root: parent.unwrap_or(own.id), ..own };
    let sign_in = ShownAt { at: NOW, factors: Factors::of(&[Factor::Password]) };
    let authorized = Authorized {
        grant: own.id,
        realm: own.realm,
        user: all.user.id,
        client,
        session,
        spec: AuthorizedSpec { sign_in, claims: Value::Null },
        last_at: NOW,
        last_ip: None,
        last_agent: None,
    };
    let id = own.id;
    store.put(move |tx| tx.insert_authorization(&own, &authorized));
    id
}

fn due(store: &TestStore) -> Vec<LogoutNotice> {
    store.get(|tx| tx.list_due_logout_notices(100, NOW + Span::days(1)))
}

fn a_session_that_ends_leaves_one_notice_for_each_application_that_listens() {
    let store = &TestStore::new();
    let all = &Population::new(store, "acme");
    let (one, other) = (session(store, all), session(store, all));
    let (hears, deaf) = (app(store, all, "hears", true), app(store, all, "deaf", false));
    let authorization = let_in(store, all, hears, one, false);
    for (client, session, is_offline) in [(hears, one, true), (deaf, one, false), (hears, other, false)] {
        let_in(store, all, client, session, is_offline);
    }
    let realm = all.realm.id;
    store.put(move |tx| tx.revoke_grant(realm, authorization, NOW).map(drop));
    assert_eq!(due(store), [], "an authorization that ends is no sign-out");
    store.put(move |tx| tx.revoke_grant(realm, one, NOW).map(drop));
    let notices = due(store);
    let notice =
        LogoutNotice { session: one, client: hears, realm, user: all.user.id, created_at: NOW, next_at: NOW, tries: 0 };
    assert_eq!(notices, [notice]);
    store.put(move |tx| tx.revoke_grant(realm, one, NOW).map(drop));
    assert_eq!(due(store), notices, "it ends once");
    store.put(move |tx| tx.delete_logout_notice(&notice));
    assert_eq!(due(store), []);
}

fn all_sessions_of_a_person_leave_theirs_and_what_had_ended_leaves_none() {
    let store = &TestStore::new();
    let all = &Population::new(store, "acme");
    let hears = app(store, all, "hears", true);
    let sessions = [(); 3].map(|()| session(store, all));
    for session in sessions {
        let_in(store, all, hears, session, false);
    }
    let (realm, user) = (all.realm.id, all.user.id);
    store.put(move |tx| {
        tx.revoke_grant(realm, sessions[0], NOW)?;
        due_of(tx, sessions[0])
    });
    let count = store.put(move |tx| tx.insert_logout_notices_of(realm, user, NOW));
    assert_eq!((count, due(store).len()), (2, 2), "one was over");
    let person = all.user.clone();
    store.put(move |tx| {
        for notice in tx.list_due_logout_notices(9, NOW)? {
            tx.delete_logout_notice(&notice)?;
        }
        tx.update_user(realm, &User { valid_after: Some(NOW + Span::ms(1)), ..person.clone() }, NOW).map(drop)
    });
    store.put(move |tx| tx.revoke_grant(realm, sessions[1], NOW).map(drop));
    assert_eq!(due(store), [], "all that was hers had ended: that was told then");
}

/// Takes the notice of a session away.
fn due_of(tx: &mut admit_store::Tx<'_>, session: GrantId) -> admit_store::Result<()> {
    let notices = tx.list_due_logout_notices(9, NOW)?;
    let mut own = notices.iter().filter(|notice| notice.session == session);
    own.try_for_each(|notice| tx.delete_logout_notice(notice))
}

fn lg_03_of_two_nodes_one_takes_a_notice() {
    let store = &TestStore::new();
    let all = &Population::new(store, "acme");
    let one = session(store, all);
    let hears = app(store, all, "hears", true);
    let_in(store, all, hears, one, false);
    let realm = all.realm.id;
    store.put(move |tx| tx.revoke_grant(realm, one, NOW).map(drop));
    let notice = due(store)[0];
    let take = || store.put(move |tx| tx.put_off_logout_notice(&notice, NOW + Span::seconds(10), 1));
    assert!(take());
    assert!(!take(), "another node was faster");
    let now = store.get(|tx| tx.list_due_logout_notices(9, NOW + Span::seconds(9)));
    assert_eq!(now, [], "not due");
    assert_eq!((due(store)[0].tries, due(store)[0].next_at), (1, NOW + Span::seconds(10)));
}

fn what_a_session_reaches_is_listed_by_name() {
    let store = &TestStore::new();
    let all = &Population::new(store, "acme");
    let one = session(store, all);
    let (wiki, mails) = (app(store, all, "wiki", true), app(store, all, "mails", false));
    let_in(store, all, wiki, one, false);
    let_in(store, all, wiki, one, false);
    let_in(store, all, mails, one, true);
    let realm = all.realm.id;
    let apps = store.get(move |tx| tx.list_apps_of_session(realm, one, NOW));
    let apps: Vec<_> = apps.iter().map(|app| (app.name.as_str(), app.is_offline)).collect();
    assert_eq!(apps, [("mails", true), ("wiki", false)]);
    let later = store.get(move |tx| tx.list_apps_of_session(realm, one, NOW + Span::days(365)));
    assert_eq!(later, [], "what ended by itself");
}
