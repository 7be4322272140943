//! Refuses headers that another program could take for one that counts here.
//!
//! CGI, WSGI and PHP fold `-`, `_` and `.` into one: a client's `Admit_Subject` would reach the application as
//! `Admit-Subject`. And of two lines of one name, two programs may believe different ones.
//!
//! Does not read values.

use http::HeaderMap;

use super::code::Reason;

/// Read or set by Admit, beside all of `Admit-*`. A name without `-` has no alias and is not listed.
const NAMES: [&str; 12] = [
    "x-forwarded-method",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-uri",
    "x-forwarded-for",
    "x-original-method",
    "x-original-uri",
    "x-api-key",
    "sec-fetch-mode",
    "sec-fetch-site",
    "access-control-request-method",
    "access-control-request-headers",
];

/// Those with one value. Two `Authorization` or `X-API-Key` are [`crate::credential`]'s to refuse.
const SINGLE_VALUED: [&str; 9] = [
    "x-forwarded-method",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-uri",
    "x-original-method",
    "x-original-uri",
    "access-control-request-method",
    "origin",
    "host",
];

/// Aliases first, then doubles.
pub fn judge(headers: &HeaderMap) -> Result<(), Reason> {
    if headers.keys().any(|name| is_alias(name.as_str())) {
        return Err(Reason::AliasHeader);
    }
    // Ordinary requests double nothing, and the map knows that without a search.
    if headers.keys_len() == headers.len() {
        return Ok(());
    }
    match SINGLE_VALUED.iter().any(|name| headers.get_all(*name).iter().nth(1).is_some()) {
        true => Err(Reason::DoubledHeader),
        false => Ok(()),
    }
}

/// The map keeps names in lower case.
fn is_alias(name: &str) -> bool {
    // Without an early exit the compiler turns this into vector code.
    if !name.bytes().fold(false, |found, octet| found | (octet == b'_') | (octet == b'.')) {
        return false;
    }
    let folded = || name.bytes().map(|octet| if matches!(octet, b'_' | b'.') { b'-' } else { octet });
    folded().take(6).eq(*b"admit-") || NAMES.iter().any(|listed| folded().eq(listed.bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    fn judged(names: &[&str]) -> Result<(), Reason> {
        let mut headers = HeaderMap::new();
        for name in names {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_static("x"));
        }
        judge(&headers)
    }

    proptest! {
        #[test]
        fn fa_02_every_alias_of_every_name_is_refused(place in 0..NAMES.len(), swaps in prop::collection::vec("[-_.]", 3), shout: bool) {
            let mut swap = swaps.iter().cycle();
            let alias: String = NAMES[place].split('-').flat_map(|part| [swap.next().unwrap().as_str(), part]).skip(1).collect();
            let alias = if shout { alias.to_uppercase() } else { alias };
            let expected = if alias.contains(['_', '.']) { Err(Reason::AliasHeader) } else { Ok(()) };
            prop_assert_eq!(judged(&[&alias]), expected, "{}", alias);
        }
    }

    #[test]
    fn fa_02_aliases_of_what_counts_are_refused() {
        for name in [
            "X_Api_Key",
            "x.api.key",
            "X-Api_Key",
            "Admit_Subject",
            "admit.subject",
            "Admit_Upstream-Cookie",
            "Admit-Later_Name",
            "X_Forwarded_For",
            "X-Forwarded_Proto",
            "X.Original.URI",
            "x_original-method",
            "Sec_Fetch_Site",
        ] {
            assert_eq!(judged(&["accept", name]), Err(Reason::AliasHeader), "{name}");
        }
        for name in
            ["X-Api-Key", "Admit-Subject", "X_Trace", "my.header", "admitted_by", "x_api_key2", "X-Forwarded-For"]
        {
            assert_eq!(judged(&["accept", name]), Ok(()), "{name}");
        }
    }

    #[test]
    fn fa_02_doubles_of_what_has_one_value_are_refused() {
        for name in SINGLE_VALUED {
            assert_eq!(judged(&[name, "accept", name]), Err(Reason::DoubledHeader), "{name}");
        }
        for name in ["accept", "cookie", "x-forwarded-for", "authorization"] {
            assert_eq!(judged(&[name, name]), Ok(()), "{name}");
        }
        assert_eq!(judged(&["host", "host", "x_api_key"]), Err(Reason::AliasHeader), "aliases come first");
    }
}
