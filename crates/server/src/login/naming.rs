//! Gives those their sign-in names who were made before there were any, once for a store, after the start.
//!
//! Of two whose names have one form the first keeps it. Who cannot be named is logged with the command that mends it, and
//! goes on as before in everything but signing in.

use admit_core::id::{SubjectId, UserId};
use admit_core::user::User;
use admit_store::{End, Result};

use crate::app::App;

/// Where the store keeps that it was done.
const DONE: &str = "sign_in_names_made";
/// A long unit of work holds up all writers.
const BATCH: u32 = 100;

/// Does it, unless it was done.
pub async fn complete(app: &App) {
    if let Err(error) = give(app).await {
        tracing::warn!(error = %error, "sign-in names cannot be completed; the next start goes on");
    }
}

async fn give(app: &App) -> Result<()> {
    if app.store.read(|tx| tx.find_meta(DONE)).await?.is_some() {
        return Ok(());
    }
    let mut after = UserId::from_bytes([0; 16]);
    loop {
        let users = app.store.read(move |tx| tx.list_nameless_users(after, BATCH)).await?;
        let Some(last) = users.last() else { break };
        after = last.id;
        let lacking = app.store.write(move |tx| {
            let mut lacking = Vec::new();
            for user in &users {
                // As it is now, and stays until this is done: somebody may have changed it since the list was made.
                tx.lock_subject(user.realm, SubjectId::User(user.id))?;
                let Some(user) = tx.find_user(user.realm, user.id)? else { continue };
                let fields = tx.keep_sign_in_names(&user)?;
                lacking.extend(fields.into_iter().map(|field| (user.clone(), field)));
            }
            Ok(End::Commit(lacking))
        });
        lacking.await?.iter().for_each(|(user, field)| tell(user, field));
    }
    app.store.write(|tx| tx.insert_meta(DONE, b"1").map(End::Commit)).await?;
    Ok(())
}

fn tell(user: &User, field: &str) {
    let next = format!("admit user update {} --{field} <another>", user.id);
    tracing::warn!(
        { user.id = %user.id, field, next },
        "nobody can sign in by this: it has no form that can be told from others', or another person has it"
    );
}
