//! The audit. An event is written in the transaction that it describes and never changed, but for a detail that has to be
//! forgotten; sealing is a job of its own.

use admit_core::audit::Event;
use admit_core::id::RealmId;

use crate::engine::Tx;
use crate::error::{Error, Result};
use crate::value::{FromRow, Row, optional_json};

/// The events of a realm that a filter lets through.
macro_rules! events {
    ($order:literal) => {
        concat!(
            "SELECT v.number, v.id, v.realm_id, v.at, v.kind, v.actor, v.target, v.reason, v.request_id, v.detail, v.seal_number
            FROM event AS v
            WHERE v.realm_id = $realm AND (v.kind = $kind OR $kind IS NULL)
            AND (SUBSTR(v.kind, 1, $prefix_length) = $prefix OR $prefix IS NULL)
            AND (v.actor = $actor OR $actor IS NULL) AND (v.target = $target OR $target IS NULL) AND ",
            $order,
            " LIMIT $limit"
        )
    };
}

statements! {
    INSERT = "INSERT INTO event (id, realm_id, at, kind, actor, target, reason, request_id, detail)
        VALUES ($id, $realm, $at, $kind, $actor, $target, $reason, $request_id, $detail) RETURNING number";
    INSERT_MANY = "INSERT INTO event (id, realm_id, at, kind, actor, target, reason, request_id, detail)
        VALUES ($id, $realm, $at, $kind, $actor, $target, $reason, $request_id, $detail)";
    LIST = events!("v.seal_number >= $seal AND (v.seal_number > $seal OR v.number > $after) ORDER BY v.seal_number, v.number");
    /// The seal of an event or, where that is gone, of the next one that has a seal.
    PLACE = "SELECT seal_number FROM event WHERE number >= $after AND (seal_number IS NOT NULL OR number = $after)
        ORDER BY number LIMIT 1";
    /// Only what was looked at is replaced.
    UPDATE_DETAIL = "UPDATE event SET detail = $new WHERE number = $number AND detail = $old";
    LIST_LATEST = events!("v.number < $before ORDER BY v.number DESC");
}

/// Which events to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Those of this kind; with a dot at its end (`key.`) all kinds that begin so.
    pub kind: Option<String>,
    /// Those that this one did.
    pub actor: Option<String>,
    /// Those that were done to this one.
    pub target: Option<String>,
}

impl EventFilter {
    /// The kind as a whole or, where it ends in a dot, as a beginning.
    fn kinds(&self) -> (Option<&str>, Option<&str>) {
        match self.kind.as_deref() {
            Some(prefix) if prefix.ends_with('.') => (None, Some(prefix)),
            kind => (kind, None),
        }
    }
}

impl Tx<'_> {
    /// Writes an event and says its number.
    pub fn insert_event(&mut self, event: &Event) -> Result<i64> {
        let Event { id, realm, at, kind, actor, target, reason, request_id, .. } = event;
        let detail = optional_json(&event.detail)?;
        let number = self.find(INSERT, named! { id, realm, at, kind, actor, target, reason, request_id, detail })?;
        number.ok_or_else(|| Error::unavailable("an event got no number"))
    }

    /// Writes many events at once.
    pub fn insert_events(&mut self, events: &[Event]) -> Result<()> {
        let details: Vec<_> = events.iter().map(|event| optional_json(&event.detail)).collect::<Result<_>>()?;
        let sets = events.iter().enumerate().map(|(place, event)| {
            *named! {
                id: event.id, realm: event.realm, at: event.at, kind: event.kind, actor: event.actor, target: event.target,
                reason: event.reason, request_id: event.request_id, detail: details[place]
            }
        });
        self.each(INSERT_MANY, &sets.collect::<Vec<_>>()).map(drop)
    }

    /// Puts something else in the place of a detail: for what must be forgotten. False: it is another by now.
    pub fn update_event_detail(&mut self, number: i64, old: &str, new: &str) -> Result<bool> {
        Ok(self.execute(UPDATE_DETAIL, named! { number, old: *old, new: *new })? == 1)
    }

    /// What came after the event of this number, to follow: in the order of the seals, so that what is committed late is not
    /// missed. What has no seal yet comes when it has one, and so does what came after it.
    pub fn list_events(&mut self, realm: RealmId, filter: &EventFilter, after: i64, limit: u32) -> Result<Vec<Event>> {
        let Some(seal) = self.find::<Option<i64>>(PLACE, named! { after })?.flatten() else { return Ok(Vec::new()) };
        let EventFilter { actor, target, .. } = filter;
        let (kind, prefix) = filter.kinds();
        let prefix_length = prefix_length(prefix);
        self.list(LIST, named! { realm, kind, prefix, prefix_length, actor, target, seal, after, limit })
    }

    /// What came before a number or, without one, last; newest first.
    pub fn list_latest_events(
        &mut self,
        realm: RealmId,
        filter: &EventFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Event>> {
        let EventFilter { actor, target, .. } = filter;
        let (kind, prefix) = filter.kinds();
        let (prefix_length, before) = (prefix_length(prefix), before.unwrap_or(i64::MAX));
        self.list(LIST_LATEST, named! { realm, kind, prefix, prefix_length, actor, target, before, limit })
    }
}

/// In letters, as `SUBSTR` counts.
fn prefix_length(prefix: Option<&str>) -> i64 {
    prefix.map_or(0, |prefix| prefix.chars().count() as i64)
}

impl FromRow for Event {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        Ok(Self {
            number: row.int(0)?,
            id: row.id(1)?,
            realm: row.optional_id(2)?,
            at: row.time(3)?,
            kind: row.string(4)?,
            actor: row.string(5)?,
            target: row.string(6)?,
            reason: row.optional(7, Row::string)?,
            request_id: row.optional(8, Row::string)?,
            detail: row.free_json(9)?,
            seal: row.optional(10, Row::int)?,
        })
    }
}
