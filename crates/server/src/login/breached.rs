//! A list of passwords that were stolen somewhere: is this one in it?
//!
//! The file is a text of lines `<SHA-1 in 40 hexadecimal digits>` with whatever stands behind a colon, sorted by digest:
//! what haveibeenpwned.com hands out as "ordered by hash". It is tens of gigabytes long, so nothing of it is kept: a look-up
//! reads some thirty lines.

use std::cmp::Ordering;
use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::FileExt;
use std::path::Path;

use admit_core::login::password::Password;
use aws_lc_rs::digest;
use data_encoding::HEXUPPER;

const DIGITS: usize = 40;
/// The longest line, its end included.
const LINE_MAX: usize = 80;

/// Whether the file is of the form.
pub fn check(file: &Path) -> Result<()> {
    let file = File::open(file)?;
    if file.metadata()?.len() == 0 {
        return Err(malformed());
    }
    line_at(&file, 0).map(drop)
}

/// Whether the list has this password.
pub fn has(file: &Path, password: &Password) -> Result<bool> {
    let sought = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, password.expose().as_bytes());
    find(&File::open(file)?, HEXUPPER.encode(sought.as_ref()).as_bytes())
}

/// Of the lines that begin within `low..high`, `low` is always the beginning of one.
fn find(file: &File, sought: &[u8]) -> Result<bool> {
    let (mut low, mut high) = (0, file.metadata()?.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let begin = if middle == low { low } else { begin_from(file, middle)? };
        if begin >= high {
            high = middle;
            continue;
        }
        let (digits, end) = line_at(file, begin)?;
        match sought.cmp(&digits) {
            Ordering::Equal => return Ok(true),
            Ordering::Less => high = middle,
            Ordering::Greater => low = end,
        }
    }
    Ok(false)
}

/// Where the first line begins that does not begin before `place`.
fn begin_from(file: &File, place: u64) -> Result<u64> {
    let mut octets = [0; LINE_MAX];
    let count = read_up_to(file, &mut octets, place - 1)?;
    let end = octets[..count].iter().position(|octet| *octet == b'\n');
    match end {
        Some(end) => Ok(place + end as u64),
        None if count < LINE_MAX => Ok(place - 1 + count as u64),
        None => Err(malformed()),
    }
}

/// The digits of the line that begins here, and where it ends.
fn line_at(file: &File, begin: u64) -> Result<([u8; DIGITS], u64)> {
    let mut octets = [0; LINE_MAX];
    let count = read_up_to(file, &mut octets, begin)?;
    let line = &octets[..count];
    let length = line.iter().position(|octet| *octet == b'\n').map(|end| end + 1);
    let length = length.or((count < LINE_MAX).then_some(count)).ok_or_else(malformed)?;
    let (digits, rest) = line[..length].split_first_chunk::<DIGITS>().ok_or_else(malformed)?;
    let is_well = digits.iter().all(u8::is_ascii_hexdigit) && matches!(rest.first(), None | Some(b':' | b'\r' | b'\n'));
    if is_well {
        Ok((digits.to_ascii_uppercase().try_into().map_err(|_| malformed())?, begin + length as u64))
    } else {
        Err(malformed())
    }
}

fn read_up_to(file: &File, octets: &mut [u8], place: u64) -> Result<usize> {
    let mut count = 0;
    while count < octets.len() {
        match file.read_at(&mut octets[count..], place + count as u64) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

fn malformed() -> Error {
    Error::new(
        ErrorKind::InvalidData,
        "must be lines of a SHA-1 in 40 hexadecimal digits, sorted, such as 5BAA…:3730471",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sha1(text: &str) -> String {
        HEXUPPER.encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()).as_ref())
    }

    fn list(lines: &[String], between: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), lines.join(between)).unwrap();
        file
    }

    fn has_text(file: &tempfile::NamedTempFile, text: &str) -> bool {
        has(file.path(), &Password::parse(text).unwrap()).unwrap()
    }

    #[test]
    fn every_line_is_found_and_nothing_else() {
        let mut lines: Vec<_> =
            (0..500).map(|number| format!("{}:{number}", sha1(&format!("password{number}")))).collect();
        lines.sort();
        for between in ["\n", "\r\n"] {
            let file = list(&lines, between);
            assert!(check(file.path()).is_ok());
            for number in 0..500 {
                assert!(has_text(&file, &format!("password{number}")), "{number}");
                assert!(!has_text(&file, &format!("Password{number}")), "{number}");
            }
        }
        let bare = list(&[sha1("one").to_lowercase()], "\n");
        assert!(has_text(&bare, "one") && !has_text(&bare, "two"));
    }

    #[test]
    fn what_is_no_list_says_so() {
        let long = format!("{}:{}", sha1("a"), "1".repeat(LINE_MAX));
        for text in ["", "password\n", "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8x\n", &long] {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), text).unwrap();
            let why = check(file.path()).unwrap_err();
            assert!(why.to_string().starts_with("must be lines of a SHA-1"), "{text}: {why}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_sorted_list_of_any_length_is_searched(names in prop::collection::btree_set("[a-z]{1,6}", 1..40), other in "[A-Z]{3}") {
            let mut lines: Vec<_> = names.iter().map(|name| format!("{}:{}", sha1(name), name.len() * 1000)).collect();
            lines.sort();
            let file = list(&lines, "\n");
            for name in &names {
                prop_assert!(has_text(&file, name));
            }
            prop_assert!(!has_text(&file, &other));
        }
    }
}
