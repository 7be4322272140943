//! What people read: which language they want (RFC 9110 §12.5.4), and a catalogue of texts under keys.
//!
//! A catalogue is lines of `key = text`, where `{name}` in the text is a place to fill. Knows neither a text nor where
//! catalogues are kept; whoever fills a text into a page escapes it there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A language that pages and mails are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Language {
    /// What everybody gets who asks for none that there is.
    #[default]
    English,
    /// Deutsch.
    German,
}

/// How many ranges of an `Accept-Language` are read; browsers send a handful.
const RANGES_MAX: usize = 20;

impl Language {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::English, Self::German];

    /// As `lang` of a page has it.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// The one with this tag.
    pub fn of_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.tag() == tag)
    }

    /// The first that a list of tags with spaces between names (`ui_locales`, OpenID Connect Core §3.1.2.1).
    pub fn first_of(tags: &str) -> Option<Self> {
        let primary = |tag: &str| tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
        tags.split(' ').take(RANGES_MAX).find_map(|tag| Self::of_tag(&primary(tag)))
    }

    /// The one that `Accept-Language` wants most; what cannot be read wants nothing.
    pub fn choose(accept_language: &str) -> Self {
        let ranges: Vec<_> = accept_language.split(',').take(RANGES_MAX).filter_map(range).collect();
        let mut best = (Self::default(), 0, usize::MAX);
        for language in Self::ALL {
            let Some((weight, place)) = wanted(&ranges, language) else { continue };
            if weight > best.1 || (weight == best.1 && weight > 0 && place < best.2) {
                best = (language, weight, place);
            }
        }
        best.0
    }
}

/// How much a language is wanted, and by which range. One that names it counts before `*`.
fn wanted(ranges: &[(&str, u16)], language: Language) -> Option<(u16, usize)> {
    let names = |range: &str| {
        let primary = range.split('-').next().unwrap_or_default();
        primary.eq_ignore_ascii_case(language.tag())
    };
    let place_of = |is_it: &dyn Fn(&str) -> bool| {
        let matching = ranges.iter().enumerate().filter(|(_, (range, _))| is_it(range));
        matching
            .map(|(place, (_, weight))| (*weight, place))
            .max_by_key(|(weight, place)| (*weight, usize::MAX - place))
    };
    place_of(&names).or_else(|| place_of(&|range| range == "*"))
}

/// `de-CH;q=0.8` as `("de-CH", 800)`.
fn range(text: &str) -> Option<(&str, u16)> {
    let mut parts = text.split(';').map(str::trim);
    let range = parts.next().filter(|range| !range.is_empty())?;
    let weight = parts.next().map_or(Some(1000), |parameter| thousandths(said(parameter)?))?;
    Some((range, weight))
}

/// How much a range of an `Accept` or the like is wanted, in thousandths (RFC 9110 §12.4.2): wholly where it does not say.
/// None where that cannot be read.
pub fn weight(range: &str) -> Option<u16> {
    range.split(';').skip(1).find_map(said).map_or(Some(1000), thousandths)
}

/// `q=0.8` as `0.8`; nothing of another parameter.
fn said(parameter: &str) -> Option<&str> {
    let (name, value) = parameter.trim().split_once('=')?;
    name.eq_ignore_ascii_case("q").then_some(value)
}

/// `0.8` as 800.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let is_good = matches!(whole, "0" | "1") && rest.len() <= 3 && rest.bytes().all(|digit| digit.is_ascii_digit());
    let thousandths: u16 = format!("{rest:0<3}").parse().ok().filter(|_| is_good)?;
    match whole {
        "1" => (thousandths == 0).then_some(1000),
        _ => Some(thousandths),
    }
}

/// Texts of one language by their keys.
#[derive(Debug, PartialEq, Eq)]
pub struct Catalogue(BTreeMap<&'static str, &'static str>);

/// What is wrong with a catalogue, and in which line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flaw {
    /// From 1.
    pub line: usize,
    /// What.
    pub what: &'static str,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl Catalogue {
    /// One without any text.
    pub const fn empty() -> Self {
        Self(BTreeMap::new())
    }

    /// Reads lines of `key = text`. Empty lines and those that begin with `#` say nothing.
    pub fn parse(source: &'static str) -> Result<Self, Flaw> {
        let mut texts = BTreeMap::new();
        for (line, row) in (1..).zip(source.lines()).filter(|(_, row)| !row.is_empty() && !row.starts_with('#')) {
            let flaw = |what| Flaw { line, what };
            let (key, text) = row.split_once(" = ").ok_or(flaw("is not `key = text`"))?;
            let is_key =
                |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || b"-._".contains(&letter);
            if key.is_empty() || !key.bytes().all(is_key) {
                return Err(flaw("a key is small letters, digits, `-`, `_` and `.`"));
            }
            if text.trim() != text || text.is_empty() {
                return Err(flaw("a text neither is empty nor begins or ends with space"));
            }
            if pieces(text).is_none() {
                return Err(flaw("a place to fill is `{name}`"));
            }
            if texts.insert(key, text).is_some() {
                return Err(flaw("the key stands there twice"));
            }
        }
        Ok(Self(texts))
    }

    /// The text of a key.
    pub fn find(&self, key: &str) -> Option<&'static str> {
        self.0.get(key).copied()
    }

    /// The text of a key with its places filled; one that is not given stays as it is.
    pub fn fill(&self, key: &str, given: &[(&str, &str)]) -> Option<String> {
        let mut filled = String::new();
        for piece in pieces(self.find(key)?)? {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Place(name) => match given.iter().find(|(known, _)| *known == name) {
                    Some((_, text)) => filled.push_str(text),
                    None => filled.extend(["{", name, "}"]),
                },
            }
        }
        Some(filled)
    }

    /// Every key.
    pub fn keys(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.0.keys().copied()
    }

    /// The places to fill in the text of a key.
    pub fn places(&self, key: &str) -> BTreeSet<&'static str> {
        let pieces = self.find(key).and_then(pieces).unwrap_or_default();
        pieces.into_iter().filter_map(|piece| if let Piece::Place(name) = piece { Some(name) } else { None }).collect()
    }
}

enum Piece<'t> {
    Text(&'t str),
    Place(&'t str),
}

/// A text cut at its places; none where a brace is no part of one.
fn pieces(text: &str) -> Option<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        let is_name = !name.is_empty() && name.bytes().all(|letter| letter.is_ascii_lowercase() || letter == b'_');
        if !is_name || before.contains('}') {
            return None;
        }
        pieces.extend([Piece::Text(before), Piece::Place(name)]);
        rest = after;
    }
    pieces.push(Piece::Text(rest));
    (!rest.contains('}')).then_some(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_language_is_what_is_wanted_most() {
        for (header, language) in [
            ("", Language::English),
            ("de", Language::German),
            ("DE-ch", Language::German),
            ("de-CH, de;q=0.9, en;q=0.8", Language::German),
            ("en, de", Language::English),
            ("de, en", Language::German),
            ("en;q=0.5, de;q=0.6", Language::German),
            ("en;q=0.51,de;q=0.5", Language::English),
            ("fr, de;q=0.1", Language::German),
            ("fr, *;q=0.5", Language::English),
            ("en;q=0, *", Language::German),
            ("de;q=0", Language::English),
            ("*", Language::English),
            ("deu", Language::English),
            ("de;q=2", Language::English),
            ("de ;Q=0, en;q=0.1", Language::English),
            ("en;Q=0.5, de ; Q=0.6", Language::German),
            ("de;level=1", Language::English),
        ] {
            assert_eq!(Language::choose(header), language, "{header}");
        }
    }

    #[test]
    fn no_more_ranges_are_read_than_a_browser_sends() {
        let far = |count| format!("{}de", "fr,".repeat(count));
        assert_eq!(Language::choose(&far(RANGES_MAX - 1)), Language::German);
        assert_eq!(Language::choose(&far(RANGES_MAX)), Language::English);
    }

    #[test]
    fn a_catalogue_tells_what_is_wrong_with_it() {
        let wrong = |source| Catalogue::parse(source).map_err(|flaw| flaw.to_string()).unwrap_err();
        assert_eq!(wrong("# a\n\nb"), "line 3: is not `key = text`");
        assert_eq!(wrong("B = x"), "line 1: a key is small letters, digits, `-`, `_` and `.`");
        assert_eq!(wrong("b =  x"), "line 1: a text neither is empty nor begins or ends with space");
        for bad in ["b = {", "b = }", "b = {}", "b = {A}", "b = } {a}"] {
            assert_eq!(wrong(bad), "line 1: a place to fill is `{name}`", "{bad}");
        }
        assert_eq!(wrong("b = x\nb = y"), "line 2: the key stands there twice");
    }

    #[test]
    fn places_are_filled_once() {
        let catalogue = Catalogue::parse("a = {who} is {what}, {who}.").unwrap();
        let filled = catalogue.fill("a", &[("who", "{what}"), ("what", "x")]);
        assert_eq!(filled.as_deref(), Some("{what} is x, {what}."), "what is filled in is not filled again");
        assert_eq!(catalogue.fill("a", &[]).as_deref(), Some("{who} is {what}, {who}."));
        assert_eq!(catalogue.places("a"), BTreeSet::from(["who", "what"]));
        assert_eq!(catalogue.fill("b", &[]), None);
    }

    proptest! {
        #[test]
        fn any_header_chooses(header in ".{0,200}") {
            let _ = Language::choose(&header);
        }
    }
}
