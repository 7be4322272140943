//! Lists in pages: `?limit=&cursor=` in, `{"items": […], "next": cursor}` out.
//!
//! A cursor is the place of the last item, authenticated together with the path of its list (HT-09): nobody can make one
//! up, and that of another list or realm is refused. It says nothing that the list did not show.

use admit_store::Page;
use aws_lc_rs::{digest, hmac};
use axum::extract::{FromRequestParts, Query};
use data_encoding::BASE64URL_NOPAD;
use http::Uri;
use http::request::Parts;
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::app::App;
use crate::http::problem::Problem;

/// How many items a page has unless asked.
pub const LIMIT: u32 = 50;
/// The most items of a page.
pub const LIMIT_MAX: u32 = 200;

const MAC_BYTES: usize = 16;

/// Which part of a list is asked for; `N` is the size of a place in it, 16 where it is an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paging<const N: usize = 16> {
    limit: u32,
    after: Option<[u8; N]>,
    list: ListTag,
}

/// Which list: the digest of its path.
type ListTag = [u8; 32];

/// One page of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct List<T> {
    /// The items.
    pub items: Vec<T>,
    /// What to send as `cursor` for the next page; null at the end. A page of a search may have fewer items than asked for,
    /// or none, and go on all the same.
    pub next: Option<String>,
}

/// Query parameters, read strictly, with errors as problems.
#[derive(Debug)]
pub struct Parameters<T>(pub T);

/// What every list takes beside its own filters; a filter struct that refuses unknown parameters flattens nothing and
/// lists these two.
pub type Ignored = Option<IgnoredAny>;

impl<const N: usize> Paging<N> {
    /// How many rows to ask the store for: one more than the page has, so that the end of the list is known.
    pub fn rows(&self) -> u32 {
        self.limit + 1
    }

    /// The place after which the page begins.
    pub fn after(&self) -> Option<[u8; N]> {
        self.after
    }

    /// The page of rows as it was asked for with [`Self::rows`]; `place` says where an item stands.
    pub fn list<R>(&self, rows: Vec<R>, place: impl Fn(&R) -> [u8; N], app: &App) -> List<R> {
        self.list_until(rows, None, place, app)
    }

    /// The same of a search that stopped before the end: the next page goes on there.
    pub fn list_until<R>(
        &self,
        mut rows: Vec<R>,
        until: Option<[u8; N]>,
        place: impl Fn(&R) -> [u8; N],
        app: &App,
    ) -> List<R> {
        let limit = self.limit as usize;
        let is_more = rows.len() > limit;
        rows.truncate(limit);
        let last = if is_more { rows.last().map(place) } else { until };
        let master = app.master.keys();
        List { next: last.map(|place| write(&master.active().cursor, &self.list, &place)), items: rows }
    }

    /// A cursor may have been written before the last rotation of the master key.
    fn read(uri: &Uri, keys: &[&hmac::Key]) -> Result<Self, Problem> {
        let (mut limit, mut after, list) = (LIMIT, None, tag(uri));
        for (name, value) in pairs(uri)? {
            match name.as_str() {
                "limit" => limit = read_limit(&value).ok_or_else(bad_limit)?,
                "cursor" => {
                    let read = keys.iter().find_map(|key| read_place(key, &list, &value));
                    after = Some(read.ok_or_else(bad_cursor)?);
                }
                _ => {}
            }
        }
        Ok(Self { limit, after, list })
    }
}

impl Paging {
    /// The same in the words of the store.
    pub fn page(&self) -> Page {
        Page { limit: self.rows(), after: self.after }
    }
}

impl<T> List<T> {
    /// The same list of something else.
    pub fn map<U>(self, view: impl FnMut(T) -> U) -> List<U> {
        List { items: self.items.into_iter().map(view).collect(), next: self.next }
    }
}

impl<const N: usize> FromRequestParts<App> for Paging<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let master = app.master.keys();
        Self::read(&parts.uri, &master.usable().iter().map(|key| &key.cursor).collect::<Vec<_>>())
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::read(&parts.uri)
    }
}

impl<T: DeserializeOwned> Parameters<T> {
    /// Reads the query of a request.
    pub fn read(uri: &Uri) -> Result<Self, Problem> {
        let read = Query::try_from_uri(uri).map(|Query(parameters)| Self(parameters));
        read.map_err(|error| {
            Problem::new(400, "invalid_request", format!("The query is not as it should be: {error}."))
        })
    }
}

fn pairs(uri: &Uri) -> Result<Vec<(String, String)>, Problem> {
    let read = Query::try_from_uri(uri).map(|Query(pairs)| pairs);
    read.map_err(|_| Problem::new(400, "invalid_request", "The query cannot be read."))
}

fn read_limit(text: &str) -> Option<u32> {
    text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit))
}

fn bad_limit() -> Problem {
    Problem::new(400, "invalid_request", format!("limit must be 1 to {LIMIT_MAX}."))
}

fn bad_cursor() -> Problem {
    Problem::new(400, "invalid_cursor", "The cursor is not one that this list gave. Begin again without one.")
}

fn tag(uri: &Uri) -> ListTag {
    let mut tag = [0; 32];
    tag.copy_from_slice(digest::digest(&digest::SHA256, uri.path().as_bytes()).as_ref());
    tag
}

fn write<const N: usize>(key: &hmac::Key, list: &ListTag, place: &[u8; N]) -> String {
    let mut bytes = place.to_vec();
    bytes.extend_from_slice(&mac(key, list, place));
    BASE64URL_NOPAD.encode(&bytes)
}

fn read_place<const N: usize>(key: &hmac::Key, list: &ListTag, text: &str) -> Option<[u8; N]> {
    if text.len() > (N + MAC_BYTES).div_ceil(3) * 4 {
        return None;
    }
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
    let (place, shown) = bytes.split_first_chunk::<N>()?;
    aws_lc_rs::constant_time::verify_slices_are_equal(shown, &mac(key, list, place)).ok()?;
    Some(*place)
}

/// Bound to the list, and to the size of the place in it.
fn mac<const N: usize>(key: &hmac::Key, list: &ListTag, place: &[u8; N]) -> [u8; MAC_BYTES] {
    let mut context = hmac::Context::with_key(key);
    context.update(list);
    context.update(&(N as u64).to_be_bytes());
    context.update(place);
    let mut mac = [0; MAC_BYTES];
    mac.copy_from_slice(&context.sign().as_ref()[..MAC_BYTES]);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &[7; 32])
    }

    fn here() -> ListTag {
        tag(&Uri::from_static("/v1/realms/default/keys"))
    }

    fn read(query: &str) -> Result<Paging, Problem> {
        let other = hmac::Key::new(hmac::HMAC_SHA256, &[9; 32]);
        Paging::read(&format!("/v1/realms/default/keys?{query}").parse().unwrap(), &[&other, &key()])
    }

    #[test]
    fn a_page_has_1_to_200_items() {
        assert_eq!(read("").unwrap(), Paging { limit: 50, after: None, list: here() });
        assert_eq!(read("limit=1").unwrap().rows(), 2);
        assert_eq!(read("limit=200&owner=x").unwrap().rows(), 201);
        for bad in ["limit=0", "limit=201", "limit=-1", "limit=", "limit=1e2", "limit=4294967297"] {
            assert!(read(bad).unwrap_err().detail().contains("1 to 200"), "{bad}");
        }
    }

    #[test]
    fn ht_09_a_cursor_that_we_did_not_write_is_refused() {
        let good = write(&key(), &here(), &[3; 16]);
        assert_eq!(read(&format!("cursor={good}")).unwrap().after(), Some([3; 16]));
        let forged = write(&hmac::Key::new(hmac::HMAC_SHA256, &[8; 32]), &here(), &[3; 16]);
        let of_other_list = write(&key(), &tag(&Uri::from_static("/v1/realms/acme/keys")), &[3; 16]);
        let of_other_size = write(&key(), &here(), &[3; 8]);
        let longer = format!("{good}AAAA");
        let bare = BASE64URL_NOPAD.encode(&[3; 16]);
        for bad in [&forged, &of_other_list, &of_other_size, &longer, &bare, "", "'%20OR%201=1--", "%00"] {
            assert_eq!(read(&format!("cursor={bad}")).unwrap_err().code(), "invalid_cursor", "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_query_is_read_or_refused(query in "[ -~&&[^#<> \"`{}|^\\\\]]{0,80}") {
            if let Ok(uri) = format!("/?{query}").parse::<Uri>() {
                let _ = Paging::<16>::read(&uri, &[&key()]);
            }
        }

        #[test]
        fn a_changed_cursor_is_refused(place: [u8; 16], at in 0_usize..43, letter in "[A-Za-z0-9_-]") {
            let good = write(&key(), &here(), &place);
            let mut bad = good.clone();
            bad.replace_range(at..at + 1, &letter);
            prop_assert_eq!(read_place::<16>(&key(), &here(), &good), Some(place));
            if bad != good {
                prop_assert_eq!(read_place::<16>(&key(), &here(), &bad), None);
            }
        }
    }
}
