//! The id by which a request is followed across services (W3C Trace Context): read, logged, never trusted with more.

use http::HeaderMap;

/// What a `traceparent` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent<'h> {
    /// 32 lower-case hexadecimal digits, not all zero.
    pub trace: &'h str,
    /// The span that asked: 16 of them.
    pub span: &'h str,
    /// Whether that span is kept.
    pub is_sampled: bool,
}

/// The trace id of a `traceparent`.
pub fn trace_id(headers: &HeaderMap) -> Option<&str> {
    parent(headers).map(|parent| parent.trace)
}

/// The `traceparent` (version 00 or later) of a request. Anything else is as good as absent.
pub fn parent(headers: &HeaderMap) -> Option<Parent<'_>> {
    let mut values = headers.get_all("traceparent").iter();
    let (value, None) = (values.next()?.to_str().ok()?, values.next()) else { return None };
    let mut parts = value.splitn(4, '-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, digits: usize| {
        text.len() == digits && text.bytes().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit))
    };
    let is_zero = |text: &str| text.bytes().all(|digit| digit == b'0');
    let fits = is_hex(version, 2) && version != "ff" && is_hex(trace, 32) && is_hex(span, 16);
    let ends_well =
        if version == "00" { is_hex(flags, 2) } else { flags.get(..2).is_some_and(|flags| is_hex(flags, 2)) };
    let is_sampled =
        flags.get(..2).and_then(|flags| u8::from_str_radix(flags, 16).ok()).is_some_and(|flags| flags & 1 == 1);
    (fits && ends_well && !is_zero(trace) && !is_zero(span)).then_some(Parent { trace, span, is_sampled })
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
        for (flags, is_sampled) in [("00", false), ("01", true), ("ff", true), ("02", false)] {
            let mut headers = HeaderMap::new();
            let value = format!("{}-{flags}", &good[..52]);
            headers.insert("traceparent", HeaderValue::from_str(&value).unwrap());
            let read = parent(&headers).unwrap();
            assert_eq!((read.span, read.is_sampled), ("00f067aa0ba902b7", is_sampled), "{value}");
        }
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
