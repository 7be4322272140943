//! The id by which a request is followed across services (W3C Trace Context): read, logged, never trusted with more.

use http::HeaderMap;

/// The trace id of a `traceparent` (version 00 or later): 32 lower-case hexadecimal digits, not all zero. Anything else is
/// as good as absent.
pub fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all("traceparent").iter();
    let (value, None) = (values.next()?.to_str().ok()?, values.next()) else { return None };
    let mut parts = value.splitn(4, '-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, digits: usize| {
        text.len() == digits && text.bytes().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit))
    };
    let is_zero = |text: &str| text.bytes().all(|digit| digit == b'0');
    let fits = is_hex(version, 2) && version != "ff" && is_hex(trace, 32) && is_hex(parent, 16);
    let ends_well =
        if version == "00" { is_hex(flags, 2) } else { flags.get(..2).is_some_and(|flags| is_hex(flags, 2)) };
    (fits && ends_well && !is_zero(trace) && !is_zero(parent)).then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn read(value: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", HeaderValue::from_bytes(value.as_bytes()).ok()?);
        trace_id(&headers).map(str::to_owned)
    }

    proptest! {
        #[test]
        fn lo_01_what_is_logged_is_32_digits(value in "[ -~]{0,80}") {
            if let Some(id) = read(&value) {
                prop_assert!(id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit()));
            }
        }
    }

    #[test]
    fn only_whole_trace_parents_count() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(read(good).as_deref(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
        assert!(read("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-later").is_some());
        for bad in [
            "",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
