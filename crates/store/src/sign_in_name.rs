//! By what people sign in: each text that names somebody, in its one form, so that no text names two.
//!
//! Kept in the unit of work that makes or changes a user: see `user.rs`. A form that is another's stays his; whoever makes
//! or changes a user asks before ([`Tx::find_namesake`]) and tells.

use admit_core::id::{RealmId, UserId};
use admit_core::login::identifier::Identifier;
use admit_core::user::User;

use crate::engine::Tx;
use crate::error::Result;
use crate::user::user_columns;

statements! {
    FIND_USER = concat!("SELECT ", user_columns!(), " FROM sign_in_name AS n
        JOIN user_account AS u ON u.id = n.user_id AND u.realm_id = n.realm_id
        WHERE n.realm_id = $realm AND n.folded = $folded");
    FIND = "SELECT user_id FROM sign_in_name WHERE realm_id = $realm AND folded = $folded";
    LIST_NAMELESS = concat!("SELECT ", user_columns!(), " FROM user_account AS u WHERE u.id > $after AND u.erased_at IS NULL
        AND NOT EXISTS (SELECT n.user_id FROM sign_in_name AS n WHERE n.user_id = u.id) ORDER BY u.id LIMIT $limit");
    INSERT = "INSERT INTO sign_in_name (realm_id, folded, user_id) VALUES ($realm, $folded, $user)
        ON CONFLICT (realm_id, folded) DO NOTHING";
    DELETE = "DELETE FROM sign_in_name WHERE realm_id = $realm AND user_id = $user";
}

impl Tx<'_> {
    /// Whom a text names. The roles are not filled in.
    pub fn find_user_signing_in(&mut self, realm: RealmId, name: &Identifier) -> Result<Option<User>> {
        self.find(FIND_USER, named! { realm, folded: name.as_str() })
    }

    /// The id of whom a text names.
    pub fn find_namesake(&mut self, realm: RealmId, name: &Identifier) -> Result<Option<UserId>> {
        self.find(FIND, named! { realm, folded: name.as_str() })
    }

    /// Users of all realms by id who can be named by nothing: made before there were forms, or of names that have none.
    pub fn list_nameless_users(&mut self, after: UserId, limit: u32) -> Result<Vec<User>> {
        self.list(LIST_NAMELESS, named! { after, limit })
    }

    /// Keeps by what a user signs in. Answers the fields (`name`, `email`) of which he cannot: they have no form, or it is
    /// another's.
    pub fn keep_sign_in_names(&mut self, user: &User) -> Result<Vec<&'static str>> {
        let (realm, id) = (user.realm, user.id);
        self.forget_sign_in_names(realm, id)?;
        let (mut kept, mut without): (Vec<Identifier>, _) = (Vec::new(), Vec::new());
        for naming in user.spec.namings() {
            let Ok(form) = naming.form else {
                without.push(naming.field);
                continue;
            };
            if kept.contains(&form) {
                continue;
            }
            if self.execute(INSERT, named! { realm, folded: form.as_str(), user: id })? == 1 {
                kept.push(form);
            } else {
                without.push(naming.field);
            }
        }
        Ok(without)
    }

    /// Nothing names this user any more.
    pub(crate) fn forget_sign_in_names(&mut self, realm: RealmId, user: UserId) -> Result<()> {
        self.execute(DELETE, named! { realm, user }).map(drop)
    }
}
