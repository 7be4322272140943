//! `?q=`: what lists are searched for: an id, or a part of a name or an address.
//!
//! Large kinds are searched by the store, so many rows at a time; small ones are read through here. Either way a page may
//! have few items and go on all the same.

use admit_core::search::Search;
use admit_store::{Page, SEARCHED_MAX, Searched, Sought, Tx};

use super::page::Paging;
use super::work::Stop;
use crate::http::problem::Problem;

/// How many rows are read at once, and how often, where it is done here.
const BATCH: u32 = 200;
const BATCHES_MAX: u32 = 500;

/// What is looked for; nothing where nothing was said.
pub fn parse(q: Option<&str>) -> Result<Option<Search>, Problem> {
    Search::parse(q.unwrap_or_default()).map_err(|why| Problem::new(400, "invalid_request", format!("q {why}.")))
}

/// How far the store looks for it from this page on.
pub fn reach(
    tx: &mut Tx<'_>,
    what: Searched,
    realm: admit_core::id::RealmId,
    search: Option<Search>,
    page: &Page,
) -> Result<Option<Sought>, Stop> {
    let Some(search) = search else { return Ok(None) };
    Ok(Some(Sought { search, until: tx.reach(what, realm, page, SEARCHED_MAX)? }))
}

/// Rows of a page, and where the search stopped before the end.
pub struct Found<T, const N: usize> {
    /// The rows.
    pub rows: Vec<T>,
    /// Where to go on.
    pub until: Option<[u8; N]>,
}

/// Reads a page of a small list: all of it in its order, or what is sought.
pub fn read<T, const N: usize>(
    paging: &Paging<N>,
    search: Option<&Search>,
    mut read: impl FnMut(Option<[u8; N]>, u32) -> admit_store::Result<Vec<T>>,
    place: impl Fn(&T) -> [u8; N],
    is_sought: impl Fn(&Search, &T) -> bool,
) -> Result<Found<T, N>, Stop> {
    let Some(search) = search else { return Ok(Found { rows: read(paging.after(), paging.rows())?, until: None }) };
    let (mut rows, mut after) = (Vec::new(), paging.after());
    for _ in 0..BATCHES_MAX {
        let batch = read(after, BATCH)?;
        let is_end = batch.len() < BATCH as usize;
        after = batch.last().map(&place).or(after);
        rows.extend(batch.into_iter().filter(|row| is_sought(search, row)));
        let is_full = rows.len() >= paging.rows() as usize;
        if is_full || is_end {
            rows.truncate(paging.rows() as usize);
            return Ok(Found { rows, until: None });
        }
    }
    Ok(Found { rows, until: after })
}
