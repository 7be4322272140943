//! Seals of the audit, and events as they are sealed: letter for letter.
//!
//! Makes no seal and judges none: see `admit_core::audit`. What a stranger's hand did to a row must not keep it from being
//! read here; a column that is not of its form makes an [`Entry`] without columns.

use admit_core::audit::seal::{Anchor, Columns, Entry, Seal};
use admit_core::id::EventId;
use admit_core::time::Span;

use crate::credential::OfMasterKey;
use crate::engine::Tx;
use crate::error::Result;
use crate::value::{FromRow, Row};

/// How much later than its seal an event may say to be: clocks differ.
const SKEW: Span = Span::hours(1);

/// Events as they are sealed.
macro_rules! entries {
    ($rest:literal) => {
        concat!(
            "SELECT number, seal_number, id, realm_id, at, kind, actor, target, reason, request_id, detail FROM event ",
            $rest
        )
    };
}

macro_rules! seals {
    ($rest:literal) => {
        concat!(
            "SELECT number, first_event, last_event, event_count, key_number, tags, previous_mac, mac, sealed_at FROM event_seal ",
            $rest
        )
    };
}

statements! {
    UNSEALED = entries!("WHERE seal_number IS NULL ORDER BY seal_number, number LIMIT $limit");
    COUNT_UNSEALED = "SELECT COUNT(number) FROM event WHERE seal_number IS NULL";
    OF_SEALS = entries!("WHERE seal_number >= $first AND seal_number <= $last ORDER BY seal_number, number LIMIT $limit");
    /// Behind the last seal, or said to be in one that was swept and yet younger than that one.
    STRAYS = entries!("WHERE seal_number > $last OR (seal_number <= $swept AND at > $swept_at)
        ORDER BY seal_number, number LIMIT $limit");
    FIND_ENTRY = entries!("WHERE number = $number");
    LIST = seals!("WHERE number > $after ORDER BY number LIMIT $limit");
    LAST = seals!("ORDER BY number DESC LIMIT 1");
    FIND = seals!("WHERE number = $number");
    LAST_OF_KEY = seals!("WHERE key_number = $key ORDER BY number DESC LIMIT 1");
    COUNT_OF_KEYS = "SELECT key_number, COUNT(number) FROM event_seal WHERE number > $after GROUP BY key_number ORDER BY key_number";
    /// Of several nodes that seal the same, one does.
    INSERT = "INSERT INTO event_seal (number, first_event, last_event, event_count, key_number, tags, previous_mac, mac, sealed_at)
        VALUES ($number, $first_event, $last_event, $event_count, $key_number, $tags, $previous_mac, $mac, $sealed_at)
        ON CONFLICT (number) DO NOTHING";
    SWEEP = "DELETE FROM event_seal WHERE number IN (SELECT number FROM event_seal WHERE number <= $last ORDER BY number
        LIMIT 100)";
    SWEEP_EVENTS = "DELETE FROM event WHERE number IN (SELECT number FROM event WHERE seal_number <= $swept
        AND at <= $swept_at ORDER BY seal_number, number LIMIT 100)";
    MARK = "UPDATE event SET seal_number = $seal WHERE number = $event AND seal_number IS NULL";
}

impl Tx<'_> {
    /// Events that are in no seal yet, those that were inserted first at the beginning.
    pub fn list_unsealed(&mut self, limit: u32) -> Result<Vec<Entry>> {
        self.list(UNSEALED, named! { limit })
    }

    /// How many there are.
    pub fn count_unsealed(&mut self) -> Result<i64> {
        Ok(self.find(COUNT_UNSEALED, &[])?.unwrap_or_default())
    }

    /// Events that say to be in one of these seals, seal by seal.
    pub fn list_sealed(&mut self, first: i64, last: i64, limit: u32) -> Result<Vec<Entry>> {
        self.list(OF_SEALS, named! { first, last, limit })
    }

    /// The event of a number, whatever seal it says to be in.
    pub fn find_sealed(&mut self, number: i64) -> Result<Option<Entry>> {
        self.find(FIND_ENTRY, named! { number })
    }

    /// Events that say to be in a seal that never was. What is as old as the seals that were swept is not among them: it is
    /// about to be swept.
    pub fn list_strays(&mut self, last: i64, swept: Option<&Anchor>, limit: u32) -> Result<Vec<Entry>> {
        let (swept, swept_at) = swept.map_or((0, i64::MIN), |swept| (swept.number, (swept.sealed_at + SKEW).unix_ms()));
        self.list(STRAYS, named! { last, swept, swept_at, limit })
    }

    /// Keeps a seal with its events, or nothing of it: false where there is one of its number, or one of its events is
    /// sealed or gone meanwhile. To be undone then.
    pub fn insert_seal(&mut self, seal: &Seal) -> Result<bool> {
        let Seal { number, first_event, last_event, event_count, key_number, sealed_at, .. } = seal;
        let (tags, previous_mac, mac) = (&seal.tags[..], &seal.previous_mac[..], &seal.mac[..]);
        let inserted = self.execute(
            INSERT,
            named! { number, first_event, last_event, event_count, key_number, tags, previous_mac, mac, sealed_at },
        )?;
        if inserted == 0 {
            return Ok(false);
        }
        let events: Vec<_> = seal.rows().into_iter().flatten().map(|(event, _)| event).collect();
        let sets = (0..events.len()).map(|place| *named! { seal: seal.number, event: events[place] });
        Ok(self.each(MARK, &sets.collect::<Vec<_>>())? == events.len())
    }

    /// The newest seal.
    pub fn last_seal(&mut self) -> Result<Option<Seal>> {
        self.find(LAST, &[])
    }

    /// The seal of a number.
    pub fn find_seal(&mut self, number: i64) -> Result<Option<Seal>> {
        self.find(FIND, named! { number })
    }

    /// The newest seal that was made with a master key.
    pub fn last_seal_of(&mut self, key: i64) -> Result<Option<Seal>> {
        self.find(LAST_OF_KEY, named! { key })
    }

    /// How many seals behind a number were made with which master key.
    pub fn count_seals(&mut self, after: i64) -> Result<Vec<OfMasterKey>> {
        self.list(COUNT_OF_KEYS, named! { after })
    }

    /// The seals behind a number.
    pub fn list_seals(&mut self, after: i64, limit: u32) -> Result<Vec<Seal>> {
        self.list(LIST, named! { after, limit })
    }

    /// Deletes at most 100 seals up to this one; in the write that moves the anchor behind them.
    pub fn sweep_seals(&mut self, last: i64) -> Result<usize> {
        self.execute(SWEEP, named! { last })
    }

    /// Deletes at most 100 events of seals that were swept. What cannot have been in one, being younger, stays: a stray.
    pub fn sweep_events(&mut self, swept: &Anchor) -> Result<usize> {
        self.execute(SWEEP_EVENTS, named! { swept: swept.number, swept_at: (swept.sealed_at + SKEW).unix_ms() })
    }
}

impl FromRow for Entry {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        let seal = row.optional(1, Row::int)?;
        Ok(Self { number: row.int(0)?, seal, columns: columns(&row.from(2)).ok() })
    }
}

fn columns(row: &Row<'_, '_>) -> Result<Columns> {
    Ok(Columns {
        id: row.bytes(0).map(EventId::from_bytes)?,
        realm: row.optional_id(1)?,
        at: row.time(2)?,
        kind: row.string(3)?,
        actor: row.string(4)?,
        target: row.string(5)?,
        reason: row.optional(6, Row::string)?,
        request_id: row.optional(7, Row::string)?,
        detail: row.optional(8, Row::string)?,
    })
}

impl FromRow for Seal {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        Ok(Self {
            number: row.int(0)?,
            first_event: row.int(1)?,
            last_event: row.int(2)?,
            event_count: row.int(3)?,
            key_number: row.int(4)?,
            tags: row.blob(5)?,
            previous_mac: row.blob(6)?,
            mac: row.blob(7)?,
            sealed_at: row.time(8)?,
        })
    }
}
