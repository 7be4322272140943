//! What a form of a page or a request of an application sends: `application/x-www-form-urlencoded` (WHATWG URL §5.1), read
//! strictly.
//!
//! Two fields of one name mean one thing to us and another to the next program, so they are refused, as are escapes that
//! are none and what is not UTF-8. Every value counts as secret: one of them is a password.

use std::borrow::Cow;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::secret::Secret;

/// The longest form of a page, in bytes.
pub const FORM_MAX: usize = 16 << 10;
/// The most fields.
pub const FIELDS_MAX: usize = 256;
/// The longest body of a request to an endpoint of OAuth, in bytes.
pub const REQUEST_MAX: usize = 64 << 10;
/// The longest of its parameters, in bytes.
pub const PARAMETER_MAX: usize = 4 << 10;
/// The one parameter that may stand there several times (RFC 8707 §2).
pub const RESOURCE: &str = "resource";

/// The fields of a form.
#[derive(Debug, Default)]
pub struct Form {
    fields: BTreeMap<String, Secret>,
    resources: Vec<Secret>,
}

/// Why a body is no form. Repeats no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadForm {
    /// More than so many bytes.
    TooLong(usize),
    /// A value has more than [`PARAMETER_MAX`].
    ValueTooLong(String),
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
            Self::TooLong(limit) => write!(f, "the form has more than {limit} bytes"),
            Self::ValueTooLong(name) => write!(f, "the value of {name:?} has more than {PARAMETER_MAX} bytes"),
            Self::TooMany => write!(f, "the form has more than {FIELDS_MAX} fields"),
            Self::Encoding => f.write_str("the form is not percent-encoded UTF-8"),
            Self::Twice(name) => write!(f, "the field {name:?} stands there twice"),
        }
    }
}

impl Form {
    /// Reads what a page sends.
    pub fn parse(body: &[u8]) -> Result<Self, BadForm> {
        let mut fields = BTreeMap::new();
        for pair in pairs(body, FORM_MAX)? {
            let (name, value) = pair?;
            if fields.contains_key(&name) {
                return Err(BadForm::Twice(name));
            }
            fields.insert(name, value);
        }
        Ok(Self { fields, resources: Vec::new() })
    }

    /// Reads what an application sends to an endpoint of OAuth (RFC 6749 §3.2): a parameter without a value counts as
    /// absent, and `resource` may stand there several times.
    pub fn request(body: &[u8]) -> Result<Self, BadForm> {
        let (form, twice) = Self::parameters(body)?;
        match twice.into_iter().next() {
            Some(name) => Err(BadForm::Twice(name)),
            None => Ok(form),
        }
    }

    /// The same for who answers by way of what he reads: a parameter that stands there twice is named, and has no value.
    pub fn parameters(body: &[u8]) -> Result<(Self, BTreeSet<String>), BadForm> {
        let (mut fields, mut resources, mut twice) = (BTreeMap::new(), Vec::new(), BTreeSet::new());
        for pair in pairs(body, REQUEST_MAX)? {
            let (name, value) = pair?;
            if value.expose().len() > PARAMETER_MAX {
                return Err(BadForm::ValueTooLong(name));
            }
            if name == RESOURCE {
                resources.push(value);
                continue;
            }
            match fields.entry(name) {
                Entry::Occupied(there) => drop(twice.insert(there.key().clone())),
                Entry::Vacant(place) => drop(place.insert(value)),
            }
        }
        fields.retain(|name, value: &mut Secret| !value.expose().is_empty() && !twice.contains(name));
        resources.retain(|value: &Secret| !value.expose().is_empty());
        Ok((Self { fields, resources }, twice))
    }

    /// The value of a field; empty where it is absent.
    pub fn text(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", Secret::expose)
    }

    /// The value of a parameter, where it is there.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(Secret::expose)
    }

    /// Every `resource` that was asked for, in the order of asking; of a page's form none.
    pub fn resources(&self) -> impl Iterator<Item = &str> {
        self.resources.iter().map(Secret::expose)
    }

    /// Whether a field is there: what a ticked box is.
    pub fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    /// Takes the value of a field out; empty where it is absent.
    pub fn take(&mut self, name: &str) -> Secret {
        self.fields.remove(name).unwrap_or_else(|| Secret::new(""))
    }

    /// What follows `prefix` in the names of fields: the ticked ones of several boxes.
    pub fn ticked<'f>(&'f self, prefix: &'f str) -> impl Iterator<Item = &'f str> {
        self.fields.keys().filter_map(move |name| name.strip_prefix(prefix))
    }
}

/// The decoded fields of a body of at most so many bytes.
fn pairs(body: &[u8], limit: usize) -> Result<impl Iterator<Item = Result<(String, Secret), BadForm>>, BadForm> {
    if body.len() > limit {
        return Err(BadForm::TooLong(limit));
    }
    let text = std::str::from_utf8(body).map_err(|_| BadForm::Encoding)?;
    let pairs = text.split('&').filter(|pair| !pair.is_empty()).enumerate();
    Ok(pairs.map(|(count, pair)| {
        if count >= FIELDS_MAX {
            return Err(BadForm::TooMany);
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok((decode(name)?, Secret::new(decode(value)?)))
    }))
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
        assert_eq!((long(FORM_MAX), long(FORM_MAX + 1)), (Ok(()), Err(BadForm::TooLong(FORM_MAX))));
        let many = |count: usize| {
            let fields: Vec<_> = (0..count).map(|number| format!("f{number}=")).collect();
            Form::parse(fields.join("&").as_bytes()).map(drop)
        };
        assert_eq!((many(FIELDS_MAX), many(FIELDS_MAX + 1)), (Ok(()), Err(BadForm::TooMany)));
    }

    #[test]
    fn rfc_6749_3_2_a_parameter_without_a_value_is_absent_and_none_stands_there_twice() {
        let form = Form::request(b"grant_type=client_credentials&scope=&x=1").unwrap();
        assert_eq!((form.value("grant_type"), form.value("scope")), (Some("client_credentials"), None));
        for twice in ["a=1&a=1", "a=&a=1", "a&%61=2"] {
            assert_eq!(Form::request(twice.as_bytes()).unwrap_err(), BadForm::Twice("a".to_owned()), "{twice}");
        }
        let form = Form::request(b"resource=https%3A%2F%2Fa&resource=&resource=https://b").unwrap();
        assert_eq!(form.resources().collect::<Vec<_>>(), ["https://a", "https://b"], "RFC 8707 §2");
        assert!(!form.has(RESOURCE));
    }

    #[test]
    fn az_07_what_stands_there_twice_has_no_value_for_who_is_told_so() {
        let (form, twice) = Form::parameters(b"state=a&scope=x&st%61te=b&scope=&nonce=n").unwrap();
        assert_eq!(twice.iter().collect::<Vec<_>>(), ["scope", "state"]);
        assert_eq!((form.value("state"), form.value("scope"), form.value("nonce")), (None, None, Some("n")));
    }

    #[test]
    fn tk_21_a_request_is_bounded_and_so_is_each_of_its_parameters() {
        let value = |length: usize| Form::request(format!("scope={}", "x".repeat(length)).as_bytes()).map(drop);
        assert_eq!(value(PARAMETER_MAX), Ok(()));
        assert_eq!(value(PARAMETER_MAX + 1), Err(BadForm::ValueTooLong("scope".to_owned())));
        assert_eq!(value(1 << 20), Err(BadForm::TooLong(REQUEST_MAX)));
        let spaced = format!("resource={}", "%20".repeat(PARAMETER_MAX));
        assert!(Form::request(spaced.as_bytes()).is_ok(), "what counts is what it says, not how it is written");
        let body = |length: usize| {
            let fields: Vec<_> = (0..16).map(|name| format!("f{name:02}={}", "x".repeat(PARAMETER_MAX - 5))).collect();
            let mut body = fields.join("&");
            body.push_str(&"&".repeat(length - body.len()));
            Form::request(body.as_bytes()).map(drop)
        };
        assert_eq!((body(REQUEST_MAX), body(REQUEST_MAX + 1)), (Ok(()), Err(BadForm::TooLong(REQUEST_MAX))));
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
            let _ = (Form::parse(&body), Form::request(&body));
        }
    }
}
