//! When an X.509 certificate begins and ends (RFC 5280 §4.1.2.5).
//!
//! Reads the two dates and nothing else: who signed it and whom it names is judged by the TLS library.

use time::{Date, Month, PrimitiveDateTime};

use crate::der::{INTEGER, SEQUENCE, take};
use crate::time::Time;

const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0] EXPLICIT Version`; absent in version 1.
const VERSION: u8 = 0xA0;

/// From when until when a certificate counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub begins_at: Time,
    /// The last moment.
    pub ends_at: Time,
}

impl Validity {
    /// Reads it from a DER certificate; none where that is no certificate.
    pub fn of_der(certificate: &[u8]) -> Option<Self> {
        let (certificate, _) = take(certificate, SEQUENCE)?;
        let (mut rest, _) = take(certificate, SEQUENCE)?;
        if let Some((_, after)) = take(rest, VERSION) {
            rest = after;
        }
        // serialNumber, signature, issuer
        for tag in [INTEGER, SEQUENCE, SEQUENCE] {
            (_, rest) = take(rest, tag)?;
        }
        let (validity, _) = take(rest, SEQUENCE)?;
        let (begins_at, rest) = take_time(validity)?;
        let (ends_at, _) = take_time(rest)?;
        Some(Self { begins_at, ends_at })
    }
}

fn take_time(der: &[u8]) -> Option<(Time, &[u8])> {
    if let Some((text, rest)) = take(der, UTC_TIME) {
        let (year, text) = number(text, 2)?;
        // RFC 5280 §4.1.2.5.1
        return Some((moment(if year < 50 { 2000 + year } else { 1900 + year }, text)?, rest));
    }
    let (text, rest) = take(der, GENERALIZED_TIME)?;
    let (year, text) = number(text, 4)?;
    Some((moment(year, text)?, rest))
}

/// `MMDDHHMMSSZ`, the only form that certificates may have.
fn moment(year: u16, text: &[u8]) -> Option<Time> {
    let mut parts = [0; 5];
    let mut rest = text;
    for part in &mut parts {
        (*part, rest) = number(rest, 2)?;
    }
    let [month, day, hour, minute, second] = parts.map(|part| u8::try_from(part).unwrap_or(u8::MAX));
    if rest != b"Z" {
        return None;
    }
    let date = Date::from_calendar_date(i32::from(year), Month::try_from(month).ok()?, day).ok()?;
    let moment = PrimitiveDateTime::new(date, time::Time::from_hms(hour, minute, second).ok()?).assume_utc();
    Some(Time::from_unix_ms(moment.unix_timestamp().checked_mul(1000)?))
}

fn number(text: &[u8], digits: usize) -> Option<(u16, &[u8])> {
    let (number, rest) = text.split_at_checked(digits)?;
    let value = number
        .iter()
        .try_fold(0_u16, |value, digit| digit.is_ascii_digit().then(|| value * 10 + u16::from(digit - b'0')))?;
    Some((value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = match content.len() {
            short @ 0..=0x7F => vec![u8::try_from(short).unwrap()],
            long => [vec![0x82], u16::try_from(long).unwrap().to_be_bytes().to_vec()].concat(),
        };
        [vec![tag], length, content.to_vec()].concat()
    }

    fn certificate(version: &[u8], begins: &[u8], ends: &[u8]) -> Vec<u8> {
        let validity = element(SEQUENCE, &[begins, ends].concat());
        let issuer = element(SEQUENCE, &[0x55; 300]);
        let fields = [version, &element(INTEGER, &[1]), &element(SEQUENCE, &[]), &issuer, &validity].concat();
        element(SEQUENCE, &element(SEQUENCE, &fields))
    }

    fn read(begins: (u8, &str), ends: (u8, &str)) -> Option<(String, String)> {
        let [begins, ends] = [begins, ends].map(|(tag, text)| element(tag, text.as_bytes()));
        let version = element(VERSION, &element(INTEGER, &[2]));
        let read = Validity::of_der(&certificate(&version, &begins, &ends))?;
        assert_eq!(Validity::of_der(&certificate(&[], &begins, &ends)), Some(read), "version 1 has no version");
        Some((read.begins_at.to_string(), read.ends_at.to_string()))
    }

    proptest! {
        #[test]
        fn ht_13_anything_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Validity::of_der(&bytes);
            let _ = Validity::of_der(&element(SEQUENCE, &element(SEQUENCE, &bytes)));
        }
    }

    #[test]
    fn both_forms_of_dates_are_read() {
        let read = read((UTC_TIME, "491231235959Z"), (GENERALIZED_TIME, "20500101000000Z")).unwrap();
        assert_eq!(read, ("2049-12-31T23:59:59Z".to_owned(), "2050-01-01T00:00:00Z".to_owned()));
        let old = self::read((UTC_TIME, "500101000000Z"), (UTC_TIME, "990228000000Z")).unwrap();
        assert_eq!(old, ("1950-01-01T00:00:00Z".to_owned(), "1999-02-28T00:00:00Z".to_owned()));
    }

    #[test]
    fn what_is_no_date_is_no_certificate() {
        for bad in
            ["", "4912312359Z", "491231235959", "491231235959+0000", "491331235959Z", "490230000000Z", "4912312359xxZ"]
        {
            assert_eq!(read((UTC_TIME, bad), (UTC_TIME, "491231235959Z")), None, "{bad}");
        }
        assert_eq!(read((0x13, "491231235959Z"), (UTC_TIME, "491231235959Z")), None, "no date by its tag");
        let good = certificate(&[], &element(UTC_TIME, b"491231235959Z"), &element(UTC_TIME, b"491231235959Z"));
        for length in 0..good.len() {
            assert_eq!(Validity::of_der(&good[..length]), None, "cut at {length}");
        }
    }
}
