//! Takes what is personal out of the events of somebody who was erased. A keyed digest stays in the place of each detail, so
//! that the seals of the audit still verify.
//!
//! Batch by batch: between two of them others write. What a stop leaves undone is done when the same person is erased
//! again, which the audit shows.

use admit_core::audit::seal::{self, Keys};
use admit_core::id::{RealmId, UserId};
use admit_store::{End, EventFilter, Result, Tx};

use crate::app::App;

const BATCH: u32 = 100;

/// Does it for one person.
pub async fn in_audit(app: &App, realm: RealmId, user: UserId) -> Result<()> {
    let mut before = None;
    loop {
        let filter = EventFilter { target: Some(user.to_string()), ..EventFilter::default() };
        let events = app.store.read(move |tx| tx.list_latest_events(realm, &filter, before, BATCH)).await?;
        let Some(last) = events.last() else { return Ok(()) };
        before = Some(last.number);
        let numbers: Vec<i64> =
            events.iter().filter(|event| !event.detail.is_null()).map(|event| event.number).collect();
        if numbers.is_empty() {
            continue;
        }
        let keys = app.master.keys();
        let (all, active) = (keys.audit(), keys.active().number);
        let write = move |tx: &mut Tx<'_>| {
            numbers.iter().try_for_each(|number| one(tx, *number, &all, active))?;
            Ok(End::Commit(()))
        };
        app.store.write(write).await?;
    }
}

/// An event that is in no seal yet is sealed as it stands then.
fn one(tx: &mut Tx<'_>, number: i64, all: &[Keys], active: i64) -> Result<()> {
    let Some(entry) = tx.find_sealed(number)? else { return Ok(()) };
    let Some((columns, detail)) = entry.columns.and_then(|columns| columns.detail.clone().map(|text| (columns, text)))
    else {
        return Ok(());
    };
    let made_with = match entry.seal {
        Some(seal) => tx.find_seal(seal)?.map_or(active, |seal| seal.key_number),
        None => active,
    };
    let Some(keys) = seal::find(all, made_with) else { return Ok(()) };
    if !Keys::is_erased(&detail) {
        tx.update_event_detail(number, &detail, &keys.erase(columns.id, &detail))?;
    }
    Ok(())
}
