//! What it costs to present something that nobody knows, where the client only says which one it is.
//!
//! Anybody can say that. So each look-up takes a unit of the budget of unknown credentials of the network that asks, and
//! what is known gives it back; a client that proved who it is answers for itself.

use admit_core::check::address;
use admit_core::check::code::Reason;
use admit_core::client::AuthMethod;
use admit_core::oauth::Error;
use admit_store::Tx;

use super::answer;
use super::call::Call;
use super::client::Caller;
use crate::app::App;

/// Looks something up for a client.
pub fn look_up<T>(
    app: &App,
    call: &Call,
    caller: &Caller,
    find: impl FnOnce(&mut Tx<'_>) -> admit_store::Result<Option<T>>,
) -> Result<Option<T>, Error> {
    let pays = caller.method == AuthMethod::None;
    let (budget, realm) = (app.config.load().unknown, call.realm.realm.id);
    let source = call.ip.map(address::network);
    let now_us = app.clock.monotonic_us();
    if pays && !app.limiter.take_unknown(&budget, realm, source, now_us) {
        let wait_s = app.limiter.wait_unknown(&budget, realm, source, now_us);
        return Err(Error { retry_after_s: Some(wait_s), ..answer::cannot(Reason::UnknownBudget) });
    }
    let found = app.store.point(find);
    // A store that does not answer says nothing about it.
    if pays && !matches!(found, Ok(None)) {
        app.limiter.give_back_unknown(&budget, realm, source);
    }
    found.map_err(|error| answer::unread(&error))
}
