//! What a form of a page sends: `application/x-www-form-urlencoded` (WHATWG URL §5.1), read strictly.
//!
//! Two fields of one name mean one thing to us and another to the next program, so they are refused, as are escapes that
//! are none and what is not UTF-8. Every value counts as secret: one of them is a password.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use crate::secret::Secret;

/// The longest form, in bytes.
pub const FORM_MAX: usize = 16 << 10;
/// The most fields.
pub const FIELDS_MAX: usize = 256;

/// The fields of a form.
#[derive(Debug)]
pub struct Form(BTreeMap<String, Secret>);

/// Why a body is no form. Repeats no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadForm {
    /// More than [`FORM_MAX`].
    TooLong,
    /// More than [`FIELDS_MAX`].
    TooMany,
    /// An escape that is none, or not UTF-8.
    Encoding,
    /// A field stands there twice.
    Twice(String),
}

impl fmt::Display for BadForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "the form has more than {FORM_MAX} bytes"),
            Self::TooMany => write!(f, "the form has more than {FIELDS_MAX} fields"),
            Self::Encoding => f.write_str("the form is not percent-encoded UTF-8"),
            Self::Twice(name) => write!(f, "the field {name:?} stands there twice"),
        }
    }
}

impl Form {
    /// Reads a body.
    pub fn parse(body: &[u8]) -> Result<Self, BadForm> {
        if body.len() > FORM_MAX {
            return Err(BadForm::TooLong);
        }
        let text = std::str::from_utf8(body).map_err(|_| BadForm::Encoding)?;
        let mut fields = BTreeMap::new();
        for (count, pair) in text.split('&').filter(|pair| !pair.is_empty()).enumerate() {
            if count == FIELDS_MAX {
                return Err(BadForm::TooMany);
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?, Secret::new(decode(value)?));
            if fields.contains_key(&name) {
                return Err(BadForm::Twice(name));
            }
            fields.insert(name, value);
        }
        Ok(Self(fields))
    }

    /// The value of a field; empty where it is absent.
    pub fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", Secret::expose)
    }

    /// Whether a field is there: what a ticked box is.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Takes the value of a field out; empty where it is absent.
    pub fn take(&mut self, name: &str) -> Secret {
        self.0.remove(name).unwrap_or_else(|| Secret::new(""))
    }

    /// What follows `prefix` in the names of fields: the ticked ones of several boxes.
    pub fn ticked<'f>(&'f self, prefix: &'f str) -> impl Iterator<Item = &'f str> {
        self.0.keys().filter_map(move |name| name.strip_prefix(prefix))
    }
}

/// `+` is a space, `%41` an `A`.
pub(crate) fn decode(text: &str) -> Result<String, BadForm> {
    let spaced: Cow<'_, str> = if text.contains('+') { text.replace('+', " ").into() } else { text.into() };
    if !spaced.contains('%') {
        return Ok(spaced.into_owned());
    }
    let mut octets = Vec::with_capacity(spaced.len());
    let mut rest = spaced.as_bytes();
    while let Some((octet, after)) = rest.split_first() {
        rest = after;
        if *octet != b'%' {
            octets.push(*octet);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2).ok_or(BadForm::Encoding)?;
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let (high, low) = digit(digits[0]).zip(digit(digits[1])).ok_or(BadForm::Encoding)?;
        octets.push(high << 4 | low);
        rest = after;
    }
    String::from_utf8(octets).map_err(|_| BadForm::Encoding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_are_decoded_once() {
        let mut form = Form::parse(b"identifier=a%2Bb%40x.test&password=p+%25%32%35&box:a&box:b=on").unwrap();
        assert_eq!(form.text("identifier"), "a+b@x.test");
        assert_eq!(form.take("password").expose(), "p %25");
        assert!(!form.has("password") && form.take("password").expose().is_empty());
        assert_eq!(form.ticked("box:").collect::<Vec<_>>(), ["a", "b"]);
        assert!(!format!("{form:?}").contains("x.test"), "lo_02");
    }

    #[test]
    fn ht_05_a_form_that_could_be_read_in_two_ways_is_refused() {
        let refused = |body: &str| Form::parse(body.as_bytes()).unwrap_err();
        assert_eq!(refused("a=1&b=2&%61=3"), BadForm::Twice("a".to_owned()));
        for bad in ["a=%", "a=%4", "a=%zz", "a=%ff", "%c3=x", "a=%+1"] {
            assert_eq!(refused(bad), BadForm::Encoding, "{bad}");
        }
        assert_eq!(Form::parse(b"a=\xff").unwrap_err(), BadForm::Encoding);
    }

    #[test]
    fn a_form_is_bounded() {
        let long = |length: usize| Form::parse(format!("a={}", "x".repeat(length - 2)).as_bytes()).map(drop);
        assert_eq!((long(FORM_MAX), long(FORM_MAX + 1)), (Ok(()), Err(BadForm::TooLong)));
        let many = |count: usize| {
            let fields: Vec<_> = (0..count).map(|number| format!("f{number}=")).collect();
            Form::parse(fields.join("&").as_bytes()).map(drop)
        };
        assert_eq!((many(FIELDS_MAX), many(FIELDS_MAX + 1)), (Ok(()), Err(BadForm::TooMany)));
    }

    proptest! {
        #[test]
        fn what_is_encoded_comes_back(name in "[a-z]{1,8}", value: String) {
            let encoded: String = value.bytes().map(|octet| format!("%{octet:02x}")).collect();
            let form = Form::parse(format!("{name}={encoded}").as_bytes()).unwrap();
            prop_assert_eq!(form.text(&name), value);
        }

        #[test]
        fn any_body_is_read_or_refused(body: Vec<u8>) {
            let _ = Form::parse(&body);
        }
    }
}
