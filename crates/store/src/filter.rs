//! What lists of things with metadata are narrowed by.
//!
//! JSON is looked into with no engine's own functions: a statement keeps the rows whose text has in it what the wanted
//! member looks like, which is more than is sought (it may stand deeper inside), and [`fill`] leaves out the rest.

use admit_core::id::RealmId;
use admit_core::metadata::MetadataFilter;
use admit_core::search::Search;
use serde_json::Value;

use crate::Page;
use crate::engine::Tx;
use crate::error::Result;
use crate::value::{FromRow, Row, json};

/// Which of the things that carry an id of another system and metadata.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those that are called so elsewhere.
    pub external_id: Option<String>,
    /// Those that have all of these.
    pub metadata: MetadataFilter,
    /// Those with this in a name or an address.
    pub sought: Option<Sought>,
}

/// A search that stops somewhere: whoever looks for what is not there looks through so many rows and no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sought {
    /// For what.
    pub search: Search,
    /// The last row that is looked at; none where all are.
    pub until: Option<[u8; 16]>,
}

/// What can be searched by statements: the large ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Searched {
    /// Clients.
    Clients,
    /// API keys.
    Keys,
    /// Users.
    Users,
}

/// How many rows one search looks through. A page of a million takes several, each well within a second.
pub const SEARCHED_MAX: u32 = 100_000;

statements! {
    /// By the index on realm and id alone, which has no other columns to read.
    CLIENTS_REACH = "SELECT c.id FROM client AS c WHERE c.realm_id = $realm AND c.id > $after ORDER BY c.id LIMIT 1 OFFSET $skipped";
    KEYS_REACH = "SELECT k.id FROM api_key AS k WHERE k.realm_id = $realm AND k.id > $after ORDER BY k.id LIMIT 1 OFFSET $skipped";
    USERS_REACH = "SELECT u.id FROM user_account AS u WHERE u.realm_id = $realm AND u.id > $after ORDER BY u.id LIMIT 1 OFFSET $skipped";
}

impl Tx<'_> {
    /// How far a search goes that begins where this page begins; none where it comes to the end.
    pub fn reach(&mut self, what: Searched, realm: RealmId, page: &Page, rows: u32) -> Result<Option<[u8; 16]>> {
        let sql = match what {
            Searched::Clients => CLIENTS_REACH,
            Searched::Keys => KEYS_REACH,
            Searched::Users => USERS_REACH,
        };
        let (after, skipped) = (page.floor(), rows.saturating_sub(1));
        let found: Option<Id16> = self.find(sql, named! { realm, after, skipped })?;
        Ok(found.map(|Id16(id)| id))
    }
}

struct Id16([u8; 16]);

impl FromRow for Id16 {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        row.bytes(0).map(Self)
    }
}

/// Rows with `$pattern` in one of these expressions, up to `$until`.
macro_rules! is_sought {
    ($id:literal, $($text:literal),+) => {
        concat!("(", $($text, " LIKE $pattern ESCAPE '!' OR ",)+ "$pattern IS NULL) AND (", $id, " <= $until OR $until IS NULL)")
    };
}
pub(crate) use is_sought;

/// The pattern and the end of a search, where there is one.
pub(crate) fn bounds(sought: Option<&Sought>) -> (Option<String>, Option<[u8; 16]>) {
    (sought.map(|sought| sought.search.pattern()), sought.and_then(|sought| sought.until))
}

/// Rows whose text column has in it what `$member` and `$value` say.
macro_rules! looks_like {
    ($column:literal) => {
        concat!(
            "(REPLACE(",
            $column,
            ", $member, '') <> ",
            $column,
            " OR $member IS NULL) AND (REPLACE(",
            $column,
            ", $value, '') <> ",
            $column,
            " OR $value IS NULL)"
        )
    };
}
pub(crate) use looks_like;

/// Texts that the JSON of everything that is sought has in it; none where nothing is sought.
#[derive(Default)]
pub(crate) struct Looks {
    pub(crate) member: Option<String>,
    pub(crate) value: Option<String>,
}

impl Looks {
    /// How the first member looks: `"plan":` and `pro`, with or without quotes around it.
    pub(crate) fn of(metadata: &MetadataFilter) -> Result<Self> {
        let Some((name, value)) = metadata.first() else { return Ok(Self::default()) };
        let quoted = json(&value)?;
        let value = quoted[1..quoted.len() - 1].to_owned();
        Ok(Self { member: Some(format!("{}:", json(&name)?)), value: Some(value).filter(|value| !value.is_empty()) })
    }
}

/// Reads on until the page is full of what is really sought.
pub(crate) fn fill<T>(
    page: &Page,
    sought: &MetadataFilter,
    mut read: impl FnMut(&Page) -> Result<Vec<T>>,
    tell: impl Fn(&T) -> ([u8; 16], &Value),
) -> Result<Vec<T>> {
    let (mut found, mut next) = (Vec::new(), *page);
    let full = page.limit as usize;
    loop {
        let rows = read(&next)?;
        let is_end = rows.len() < full;
        next.after = rows.last().map(|row| tell(row).0).or(next.after);
        found.extend(rows.into_iter().filter(|row| sought.is_met_by(tell(row).1)));
        if is_end || found.len() >= full {
            found.truncate(full);
            return Ok(found);
        }
    }
}
