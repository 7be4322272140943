//! Path patterns of rules: `/orders/{id}/**`.
//!
//! A pattern is compared segment by segment with a path in normal form (RFC 3986 §6.2.2: every escape decoded, an encoded
//! slash spelled `%2F` and a letter like any other). Its own escapes are decoded when it is read, so `/caf%C3%A9` is
//! `/café`. Knows nothing of hosts, methods, queries or of how a path comes into normal form.

use std::fmt;

use crate::name::is_unprintable;

/// The most segments of a pattern, `**` among them.
pub const MAX_SEGMENTS: usize = 32;
/// The longest pattern as written.
pub const MAX_BYTES: usize = 2048;

/// A pattern that was read whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern {
    text: Box<str>,
    segments: Vec<Segment>,
    open: bool,
}

/// One step of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    /// These letters, decoded; empty only as the last one, which is a trailing slash.
    Literal(Box<str>),
    /// Any one segment that is not empty.
    Capture(Box<str>),
}

/// Text that is no pattern, with what would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadPattern(String);

impl PathPattern {
    /// Reads a pattern as an operator writes it.
    pub fn parse(text: &str) -> Result<Self, BadPattern> {
        if text.len() > MAX_BYTES {
            return Err(bad(format!("has {} bytes: at most {MAX_BYTES} are allowed", text.len())));
        }
        let Some(rest) = text.strip_prefix('/') else {
            return Err(bad(format!("does not begin with a slash: write /{text}")));
        };
        let count = rest.split('/').count();
        if count > MAX_SEGMENTS {
            return Err(bad(format!("has {count} segments: at most {MAX_SEGMENTS} are allowed")));
        }
        let mut pattern = Self { text: text.into(), segments: Vec::with_capacity(count), open: false };
        for (place, raw) in rest.split('/').enumerate() {
            pattern.push(raw, place + 1 == count)?;
        }
        Ok(pattern)
    }

    /// The pattern of a rule that names no path: every path.
    pub fn any() -> Self {
        Self { text: "/**".into(), segments: Vec::new(), open: true }
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a path in normal form fits.
    pub fn matches(&self, path: &str) -> bool {
        let Some(rest) = path.strip_prefix('/') else { return false };
        let mut given = rest.split('/');
        let begins = self.segments.iter().all(|segment| given.next().is_some_and(|text| segment.takes(text)));
        begins && (self.open || given.next().is_none())
    }

    /// What stands in a matching path where the pattern has `{name}`.
    pub fn capture<'p>(&self, path: &'p str, name: &str) -> Option<&'p str> {
        let named = |segment: &Segment| matches!(segment, Segment::Capture(known) if **known == *name);
        let place = self.segments.iter().position(named)?;
        path.strip_prefix('/')?.split('/').nth(place).filter(|text| !text.is_empty())
    }

    /// The names of the captures, in order.
    pub fn captures(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Capture(name) => Some(&**name),
            Segment::Literal(_) => None,
        })
    }

    /// True where every path that fits `other` fits this one too.
    pub fn covers(&self, other: &Self) -> bool {
        let begins = other.segments.len() >= self.segments.len()
            && self.segments.iter().zip(&other.segments).all(|(mine, theirs)| mine.covers(theirs));
        begins && (self.open || (!other.open && other.segments.len() == self.segments.len()))
    }

    /// True where some path fits both.
    pub fn overlaps(&self, other: &Self) -> bool {
        let (mine, theirs) = (self.segments.len(), other.segments.len());
        let long_enough = (self.open || mine >= theirs) && (other.open || theirs >= mine);
        long_enough && self.segments.iter().zip(&other.segments).all(|(mine, theirs)| mine.overlaps(theirs))
    }

    /// How many segments fit from the left.
    pub(super) fn common_segments(&self, path: &str) -> usize {
        let given = path.strip_prefix('/').unwrap_or_default().split('/');
        self.segments.iter().zip(given).take_while(|(segment, text)| segment.takes(text)).count()
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// True where it ends in `**`.
    pub(super) const fn is_open(&self) -> bool {
        self.open
    }

    fn push(&mut self, raw: &str, last: bool) -> Result<(), BadPattern> {
        if raw == "**" {
            if !last {
                return Err(bad("has ** in the middle: ** stands only at the end, {name} takes one segment"));
            }
            self.open = true;
            return Ok(());
        }
        if raw.is_empty() && !last {
            return Err(bad("has an empty segment: write one slash instead of //"));
        }
        let segment = match raw.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) => self.read_capture(name)?,
            None => Segment::Literal(read_literal(raw)?.into()),
        };
        self.segments.push(segment);
        Ok(())
    }

    fn read_capture(&self, name: &str) -> Result<Segment, BadPattern> {
        let begins = name.starts_with(|letter: char| letter.is_ascii_lowercase() || letter == '_');
        let goes_on = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if !begins || !goes_on {
            return Err(bad(format!(
                "has {{{name}}}: name the segment by a-z, 0-9 and _, such as {{id}} or {{order_id}}"
            )));
        }
        if self.captures().any(|known| known == name) {
            return Err(bad(format!("has {{{name}}} twice: give each its own name")));
        }
        Ok(Segment::Capture(name.into()))
    }
}

impl Segment {
    fn takes(&self, text: &str) -> bool {
        match self {
            Self::Literal(literal) => **literal == *text,
            Self::Capture(_) => !text.is_empty(),
        }
    }

    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Capture(_), Self::Capture(_)) => true,
            (Self::Capture(_), Self::Literal(text)) => !text.is_empty(),
            (Self::Literal(mine), Self::Literal(theirs)) => mine == theirs,
            (Self::Literal(_), Self::Capture(_)) => false,
        }
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.covers(other) || other.covers(self)
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for BadPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadPattern {}

fn bad(what: impl Into<String>) -> BadPattern {
    BadPattern(what.into())
}

/// Decodes a literal segment into the letters that a path in normal form has.
fn read_literal(raw: &str) -> Result<String, BadPattern> {
    if let Some(letter) = raw.chars().find(|letter| "{}*?#".contains(*letter)) {
        return Err(bad(match letter {
            '{' | '}' => format!(
                "has {raw}: a capture is a whole segment such as {{id}}; the letters themselves are %7B and %7D"
            ),
            '*' => {
                format!("has {raw}: ** is the whole last segment, {{name}} takes one segment; the letter itself is %2A")
            }
            '?' => "has a query: a rule judges the path alone, leave out ? and what follows".to_owned(),
            _ => "has #: a fragment never reaches a server, leave it out".to_owned(),
        }));
    }
    let text = decode(raw)?;
    if text == "." || text == ".." {
        return Err(bad(format!("has {raw}: write the path that is meant, no request with dot segments is admitted")));
    }
    if let Some(letter) = text.chars().find(|letter| letter.is_control() || "\\;#".contains(*letter)) {
        return Err(bad(format!("has {letter:?} in {raw:?}: no request with that letter is admitted, leave it out")));
    }
    Ok(text)
}

fn decode(raw: &str) -> Result<String, BadPattern> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut percents = Vec::new();
    let mut rest = raw.as_bytes();
    while let [byte, tail @ ..] = rest {
        rest = tail;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let Some(value) = escaped(tail) else {
            return Err(bad(format!("has a % in {raw} without two hexadecimal digits: the letter itself is %25")));
        };
        rest = &tail[2..];
        match value {
            b'/' => bytes.extend(b"%2F"),
            b'%' => {
                bytes.push(value);
                percents.push(bytes.len());
            }
            value => bytes.push(value),
        }
    }
    if percents.iter().any(|after| escaped(&bytes[*after..]).is_some()) {
        return Err(bad(format!("has {raw}, which is encoded twice: encode it once")));
    }
    String::from_utf8(bytes).map_err(|_| bad(format!("has {raw}, which is not UTF-8 once decoded")))
}

/// The text of a pattern that only this path, in normal form, fits.
pub fn of_path(path: &str) -> String {
    let mut pattern = String::with_capacity(path.len());
    for (at, letter) in path.char_indices() {
        let is_slash = path[at..].starts_with("%2F");
        if "{}*?#".contains(letter) || is_unprintable(letter) || (letter == '%' && !is_slash) {
            let mut bytes = [0; 4];
            letter.encode_utf8(&mut bytes).bytes().for_each(|byte| pattern.push_str(&format!("%{byte:02X}")));
        } else {
            pattern.push(letter);
        }
    }
    pattern
}

/// The octet that two hexadecimal digits stand for.
fn escaped(text: &[u8]) -> Option<u8> {
    let digit = |place: usize| text.get(place).and_then(|letter| char::from(*letter).to_digit(16));
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::path::Path;
    use proptest::prelude::*;

    fn pattern(text: &str) -> PathPattern {
        PathPattern::parse(text).unwrap()
    }

    proptest! {
        #[test]
        fn a_path_is_the_pattern_of_itself(raw in "/([a-z%{}*?\u{202e}é ']{1,4}|%2F|%7B|%25|%2a|/){0,6}") {
            let Ok(path) = Path::parse(&raw) else { return Ok(()) };
            let written = of_path(path.as_str());
            prop_assert!(!written.chars().any(is_unprintable));
            let pattern = PathPattern::parse(&written);
            prop_assert!(pattern.is_ok_and(|pattern| pattern.matches(path.as_str())), "{written}");
        }
    }

    fn a_segment() -> impl Strategy<Value = String> {
        prop::sample::select(vec!["a", "b", "c", ""]).prop_map(str::to_owned)
    }

    fn a_path() -> impl Strategy<Value = String> {
        prop::collection::vec(a_segment(), 1..5).prop_map(|segments| format!("/{}", segments.join("/")))
    }

    fn a_pattern() -> impl Strategy<Value = PathPattern> {
        let steps = prop::collection::vec(prop::sample::select(vec!["a", "b", "{}"]), 0..4);
        (steps, prop::sample::select(vec!["", "/", "/**"])).prop_filter_map("a path", |(steps, end)| {
            let named = steps.iter().enumerate().map(|(place, step)| match *step {
                "{}" => format!("/{{p{place}}}"),
                letter => format!("/{letter}"),
            });
            PathPattern::parse(&(named.collect::<String>() + end)).ok()
        })
    }

    #[test]
    fn patterns_match_by_segments() {
        let rows = [
            ("/orders", "/orders", true),
            ("/orders", "/orders/", false),
            ("/orders/", "/orders/", true),
            ("/orders/", "/orders", false),
            ("/orders", "/Orders", false),
            ("/orders/**", "/orders", true),
            ("/orders/**", "/orders/", true),
            ("/orders/**", "/orders/a/b/", true),
            ("/orders/**", "/ordersx", false),
            ("/orders/{id}", "/orders/7", true),
            ("/orders/{id}", "/orders/", false),
            ("/orders/{id}", "/orders/7/8", false),
            ("/orders/{id}/", "/orders/7/", true),
            ("/{a}/{b}/**", "/x/y", true),
            ("/{a}/{b}/**", "/x", false),
            ("/**", "/", true),
            ("/**", "/a/b", true),
            ("/", "/", true),
            ("/", "/a", false),
            ("/**", "*", false),
            ("/caf%C3%A9", "/café", true),
            ("/café", "/café", true),
            ("/a%20b", "/a b", true),
            ("/%61dmin", "/admin", true),
            ("/100%25", "/100%", true),
            ("/%7Bid%7D", "/{id}", true),
        ];
        for (text, path, fits) in rows {
            assert_eq!(pattern(text).matches(path), fits, "{text} {path}");
        }
        assert!(PathPattern::any().matches("/") && PathPattern::any() == pattern("/**"));
    }

    #[test]
    fn fa_04_an_encoded_slash_is_a_letter() {
        assert!(!pattern("/admin/{id}").matches("/admin%2F7"));
        assert!(!pattern("/admin/**").matches("/admin%2F7"));
        assert!(pattern("/{name}").matches("/admin%2F7"));
        assert!(pattern("/admin%2f7").matches("/admin%2F7"));
    }

    #[test]
    fn captures_are_read_by_name() {
        let pattern = pattern("/users/{id}/orders/{order}/**");
        let path = "/users/alice/orders/a%2Fb/c";
        assert_eq!(pattern.capture(path, "id"), Some("alice"));
        assert_eq!(pattern.capture(path, "order"), Some("a%2Fb"));
        assert_eq!(pattern.capture(path, "users"), None);
        assert_eq!(pattern.captures().collect::<Vec<_>>(), ["id", "order"]);
    }

    #[test]
    fn ht_08_what_could_match_in_two_ways_is_refused_with_what_would_be_right() {
        let rows = [
            ("", "write /"),
            ("orders", "write /orders"),
            ("/a//b", "one slash"),
            ("/a/**/b", "only at the end"),
            ("/a*", "%2A"),
            ("/*", "{name}"),
            ("/{id}.json", "%7B"),
            ("/{Id}", "{order_id}"),
            ("/{}", "{order_id}"),
            ("/{1a}", "{order_id}"),
            ("/{a}/{a}", "its own name"),
            ("/a?b=c", "leave out ?"),
            ("/a#b", "fragment"),
            ("/a/../b", "dot segments"),
            ("/a/%2E%2e/b", "dot segments"),
            ("/a;x=1", "';'"),
            ("/a%3Bx", "';'"),
            ("/a\\b", "leave it out"),
            ("/a%00", "leave it out"),
            ("/a%5c", "leave it out"),
            ("/a%23b", "leave it out"),
            ("/a%zz", "%25"),
            ("/a%2", "%25"),
            ("/a%252F", "encoded twice"),
            ("/a%25%32F", "encoded twice"),
            ("/a%25%32%46", "encoded twice"),
            ("/a%ff", "UTF-8"),
            ("/a%c0%af", "UTF-8"),
        ];
        for (text, said) in rows {
            let error = PathPattern::parse(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn limits_hold_at_their_edge() {
        assert!(PathPattern::parse(&"/a".repeat(MAX_SEGMENTS)).is_ok());
        assert!(PathPattern::parse(&"/a".repeat(MAX_SEGMENTS + 1)).unwrap_err().to_string().contains("33 segments"));
        assert!(PathPattern::parse(&format!("/{}", "a".repeat(MAX_BYTES - 1))).is_ok());
        assert!(
            PathPattern::parse(&format!("/{}", "a".repeat(MAX_BYTES))).unwrap_err().to_string().contains("2049 bytes")
        );
    }

    proptest! {
        #[test]
        fn fa_04_a_pattern_means_the_path_that_is_sent(raw in "(/([a-c~]|%(2[0-9A-Fa-f]|41|C3%A9|7B)){0,3}){1,4}") {
            let sent = Path::parse(&raw);
            match (&sent, PathPattern::parse(&raw)) {
                (Ok(path), Ok(pattern)) => prop_assert!(pattern.matches(path.as_str()), "{raw}"),
                (Ok(_), Err(error)) => prop_assert!(false, "{raw} {error}"),
                // Dots around an encoded slash are refused in requests only: such a pattern is merely of no use.
                (Err(_), _) => {}
            }
        }

        #[test]
        fn any_text_is_a_pattern_or_refused(text in "/[a-z{}*/%0-9.]{0,20}|.{0,40}", path in ".{0,40}") {
            if let Ok(pattern) = PathPattern::parse(&text) {
                let fits = pattern.matches(&path);
                prop_assert!(!fits || pattern.common_segments(&path) == pattern.segments.len());
                for name in pattern.captures() {
                    prop_assert!(!fits || pattern.capture(&path, name).is_some());
                }
                prop_assert!(pattern.covers(&pattern) && pattern.overlaps(&pattern));
            }
        }

        #[test]
        fn a_covered_pattern_matches_no_path_of_its_own(one in a_pattern(), other in a_pattern(), path in a_path()) {
            if one.covers(&other) {
                prop_assert!(!other.matches(&path) || one.matches(&path));
                prop_assert!(one.overlaps(&other));
            }
            if one.matches(&path) && other.matches(&path) {
                prop_assert!(one.overlaps(&other) && other.overlaps(&one));
            }
        }
    }
}
