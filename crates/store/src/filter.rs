//! What lists of things with metadata are narrowed by.
//!
//! JSON is looked into with no engine's own functions: a statement keeps the rows whose text has in it what the wanted
//! member looks like, which is more than is sought (it may stand deeper inside), and [`fill`] leaves out the rest.

use admit_core::metadata::MetadataFilter;
use serde_json::Value;

use crate::Page;
use crate::error::Result;
use crate::value::json;

/// Which of the things that carry an id of another system and metadata.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those that are called so elsewhere.
    pub external_id: Option<String>,
    /// Those that have all of these.
    pub metadata: MetadataFilter,
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
