//! The path of a request in the one form in which rules judge it (RFC 3986 §3.3, §6.2.2).
//!
//! Every escape is decoded, except that an encoded `/` stays `%2F`: a letter, never a separator. What two servers could
//! read in two ways is refused, because the gateway sends the request on as it came, not as it is judged here.
//!
//! Knows neither queries nor rules: the caller cuts at `?`, and a rule says whether an encoded `/` may pass.

use std::borrow::Cow;

use super::code::Reason;

/// The longest raw path, in bytes.
pub const PATH_MAX: usize = 8 * 1024;

/// A path in normal form. Only [`Path::parse`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path<'a> {
    text: Cow<'a, str>,
    has_encoded_slash: bool,
}

impl<'a> Path<'a> {
    /// The path `/`.
    pub const ROOT: Path<'static> = Path { text: Cow::Borrowed("/"), has_encoded_slash: false };

    /// Brings a raw path (without query) into normal form. Allocates only where something is escaped.
    pub fn parse(raw: &'a str) -> Result<Self, Reason> {
        if raw.len() > PATH_MAX {
            return Err(Reason::PathTooLong);
        }
        if !raw.starts_with('/') {
            return Err(Reason::PathNotAbsolute);
        }
        let path = match refuse_raw(raw)? {
            Escapes::None => Self { text: Cow::Borrowed(raw), has_encoded_slash: false },
            Escapes::Some => decode(raw)?,
        };
        path.refuse_segments()?;
        Ok(path)
    }

    /// The normal form: begins with `/`, an encoded slash is spelled `%2F`, any other `%` is the letter.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether `%2F` stands in it.
    pub fn has_encoded_slash(&self) -> bool {
        self.has_encoded_slash
    }

    /// What stands between the slashes. A trailing slash shows as an empty last segment.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.text[1..].split('/')
    }

    /// Empty and dot segments. An encoded slash counts as a border for dots: whoever decodes it later must not climb.
    fn refuse_segments(&self) -> Result<(), Reason> {
        let mut segments = self.segments().peekable();
        while let Some(segment) = segments.next() {
            if segment.is_empty() && segments.peek().is_some() {
                return Err(Reason::PathEmptySegment);
            }
            let climbs = match self.has_encoded_slash {
                true => segment.split("%2F").any(is_dots),
                false => is_dots(segment),
            };
            if climbs {
                return Err(Reason::PathDotSegment);
            }
        }
        Ok(())
    }
}

fn is_dots(segment: &str) -> bool {
    matches!(segment, "." | "..")
}

enum Escapes {
    None,
    Some,
}

/// Refuses what may not stand there unescaped, and says whether there is anything to decode.
fn refuse_raw(raw: &str) -> Result<Escapes, Reason> {
    let mut escapes = Escapes::None;
    for octet in raw.bytes() {
        match octet {
            b'%' => escapes = Escapes::Some,
            b' ' | b'?' => return Err(Reason::PathBadEscape),
            0x80.. => return Err(Reason::PathNotUtf8),
            other => refuse_letter(other)?,
        }
    }
    Ok(escapes)
}

/// Letters that are refused both plain and encoded.
fn refuse_letter(octet: u8) -> Result<(), Reason> {
    match octet {
        b'\\' => Err(Reason::PathBackslash),
        b';' => Err(Reason::PathParameter),
        b'#' => Err(Reason::PathFragment),
        0..=0x1F | 0x7F => Err(Reason::PathControl),
        _ => Ok(()),
    }
}

/// Decodes every escape once. A decoded `%` before two hexadecimal digits, decoded or not, was encoded twice; so `%2F`
/// in the result can only be a slash.
fn decode(raw: &str) -> Result<Path<'static>, Reason> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut has_encoded_slash = false;
    let mut digits_after_percent = None;
    let mut octets = raw.bytes();
    while let Some(octet) = octets.next() {
        let is_escaped = octet == b'%';
        let octet = if is_escaped { escaped(&mut octets)? } else { octet };
        refuse_letter(octet)?;
        if is_escaped && octet == b'/' {
            decoded.extend(b"%2F");
            has_encoded_slash = true;
            digits_after_percent = None;
            continue;
        }
        digits_after_percent = match digits_after_percent {
            _ if octet == b'%' => Some(0),
            Some(0) if octet.is_ascii_hexdigit() => Some(1),
            Some(1) if octet.is_ascii_hexdigit() => return Err(Reason::PathDoubleEncoding),
            _ => None,
        };
        decoded.push(octet);
    }
    let text = String::from_utf8(decoded).map_err(|_| Reason::PathNotUtf8)?;
    // The controls beyond ASCII (U+0080 to U+009F) show only now.
    if text.chars().any(char::is_control) {
        return Err(Reason::PathControl);
    }
    Ok(Path { text: Cow::Owned(text), has_encoded_slash })
}

/// The octet of an escape whose `%` has been read.
fn escaped(octets: &mut impl Iterator<Item = u8>) -> Result<u8, Reason> {
    let mut digit = || octets.next().and_then(|octet| char::from(octet).to_digit(16)).ok_or(Reason::PathBadEscape);
    Ok((digit()? << 4 | digit()?) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

    /// Writes a normal form as a careful client would send it.
    fn encode(path: &Path<'_>) -> String {
        let parts: Vec<_> =
            path.as_str().split("%2F").map(|part| utf8_percent_encode(part, ENCODED).to_string()).collect();
        parts.join("%2f")
    }

    fn piece() -> impl Strategy<Value = String> {
        const KNOWN: &[&str] = &[
            "/", "/", ".", "%2e", "%2E", "%2f", "%2F", "%5c", "%25", "%", "2", "F", "%32", "%46", "a", "%41", "%C3%A9",
            "%c0%ae", "%00", "%7f", "%C2%85", ";", "%3B", "#", "\\", "~", "%20", " ", "é", "?",
        ];
        prop_oneof![9 => prop::sample::select(KNOWN).prop_map(str::to_owned), 1 => ".{0,3}"]
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,60}") {
            let _ = Path::parse(&text);
        }

        #[test]
        fn fa_04_the_normal_form_is_a_fixpoint(pieces in prop::collection::vec(piece(), 0..12)) {
            let raw = format!("/{}", pieces.concat());
            if let Ok(path) = Path::parse(&raw) {
                let encoded = encode(&path);
                let again = Path::parse(&encoded);
                prop_assert_eq!(again.as_ref(), Ok(&path), "{} by {}", raw, encoded);
            }
        }

        #[test]
        fn fa_04_what_is_read_is_unambiguous(pieces in prop::collection::vec(piece(), 0..12)) {
            let raw = format!("/{}", pieces.concat());
            let Ok(path) = Path::parse(&raw) else { return Ok(()) };
            prop_assert!(path.as_str().starts_with('/'));
            prop_assert!(!path.as_str().contains("//"));
            prop_assert!(!path.as_str().chars().any(|letter| letter.is_control() || "\\;#".contains(letter)));
            prop_assert!(!path.as_str().split('/').flat_map(|part| part.split("%2F")).any(|part| part == "." || part == ".."));
            prop_assert_eq!(path.has_encoded_slash(), path.as_str().contains("%2F"));
            prop_assert_eq!(path.segments().count(), raw.matches('/').count());
        }
    }

    #[test]
    fn fa_04_what_means_the_same_is_read_the_same() {
        for (raw, normal) in [
            ("/", "/"),
            ("/admin", "/admin"),
            ("/admin/", "/admin/"),
            ("/%61dmin", "/admin"),
            ("/%61%64%6D%69%6e", "/admin"),
            ("/ADMIN", "/ADMIN"),
            ("/admin.", "/admin."),
            ("/.../a..b/.c", "/.../a..b/.c"),
            ("/caf%C3%A9", "/café"),
            ("/a%20b", "/a b"),
            ("/a%3Fb", "/a?b"),
            ("/a%7Cb|c", "/a|b|c"),
            ("/100%25", "/100%"),
            ("/100%25/a", "/100%/a"),
            ("/%25%25a", "/%%a"),
        ] {
            let path = Path::parse(raw).unwrap();
            assert_eq!((path.as_str(), path.has_encoded_slash()), (normal, false), "{raw}");
        }
    }

    #[test]
    fn fa_04_an_encoded_slash_is_a_letter() {
        for (raw, normal) in [
            ("/admin%2f", "/admin%2F"),
            ("/a%2Fb/c", "/a%2Fb/c"),
            ("/%25%2F", "/%%2F"),
            ("/https:%2f%2fx", "/https:%2F%2Fx"),
        ] {
            let path = Path::parse(raw).unwrap();
            assert_eq!((path.as_str(), path.has_encoded_slash()), (normal, true), "{raw}");
        }
        assert_eq!(Path::parse("/a%2Fb/c").unwrap().segments().collect::<Vec<_>>(), ["a%2Fb", "c"]);
    }

    #[test]
    fn fa_04_what_two_servers_could_read_in_two_ways_is_refused() {
        for (raw, reason) in [
            ("", Reason::PathNotAbsolute),
            ("admin", Reason::PathNotAbsolute),
            ("*", Reason::PathNotAbsolute),
            ("%2Fadmin", Reason::PathNotAbsolute),
            ("/admin/../public", Reason::PathDotSegment),
            ("/admin/..", Reason::PathDotSegment),
            ("/./admin", Reason::PathDotSegment),
            ("/%2e%2e/", Reason::PathDotSegment),
            ("/a/%2E./b", Reason::PathDotSegment),
            ("/a%2F..%2Fb", Reason::PathDotSegment),
            ("/a%2f%2e", Reason::PathDotSegment),
            ("//admin", Reason::PathEmptySegment),
            ("/admin//", Reason::PathEmptySegment),
            ("//", Reason::PathEmptySegment),
            ("/admin\\", Reason::PathBackslash),
            ("/admin%5c", Reason::PathBackslash),
            ("/..%5C..", Reason::PathBackslash),
            ("/admin%00", Reason::PathControl),
            ("/admin\0", Reason::PathControl),
            ("/a\r\nb", Reason::PathControl),
            ("/a%0d%0ab", Reason::PathControl),
            ("/a%7F", Reason::PathControl),
            ("/a%C2%85", Reason::PathControl),
            ("/public/..;/admin", Reason::PathParameter),
            ("/admin;x=1", Reason::PathParameter),
            ("/admin%3bx=1", Reason::PathParameter),
            ("/public#/admin", Reason::PathFragment),
            ("/public%23/admin", Reason::PathFragment),
            ("/%252e%252e/", Reason::PathDoubleEncoding),
            ("/admin%252f", Reason::PathDoubleEncoding),
            ("/admin%25%32%46", Reason::PathDoubleEncoding),
            ("/admin%252%46", Reason::PathDoubleEncoding),
            ("/%25252f", Reason::PathDoubleEncoding),
            ("/a%", Reason::PathBadEscape),
            ("/a%2", Reason::PathBadEscape),
            ("/a%zz", Reason::PathBadEscape),
            ("/a%u002f", Reason::PathBadEscape),
            ("/a%+1", Reason::PathBadEscape),
            ("/admin. ", Reason::PathBadEscape),
            ("/public?x=/admin", Reason::PathBadEscape),
            ("/%c0%ae%c0%ae/", Reason::PathNotUtf8),
            ("/%e0%80%af", Reason::PathNotUtf8),
            ("/%ed%a0%80", Reason::PathNotUtf8),
            ("/caf%e9", Reason::PathNotUtf8),
            ("/café", Reason::PathNotUtf8),
        ] {
            assert_eq!(Path::parse(raw), Err(reason), "{raw:?}");
        }
    }

    #[test]
    fn the_limit_holds_at_its_edge() {
        let path = |length: usize| format!("/{}", "a".repeat(length - 1));
        assert!(Path::parse(&path(PATH_MAX)).is_ok());
        assert_eq!(Path::parse(&path(PATH_MAX + 1)), Err(Reason::PathTooLong));
    }

    #[test]
    fn an_ordinary_path_is_borrowed() {
        assert!(matches!(Path::parse("/orders/42/").unwrap().text, Cow::Borrowed(_)));
        assert_eq!(Path::parse("/orders/42/").unwrap().segments().collect::<Vec<_>>(), ["orders", "42", ""]);
        assert_eq!(Path::parse("/").unwrap(), Path::ROOT);
    }
}
