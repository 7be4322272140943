//! The keys that are asked for: the same ones in each run, in the standard form.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use admit_core::secret;
use data_encoding::HEXLOWER;

use crate::Result;

/// What imported keys look like to Admit.
pub const PATTERN: &str = "bench_*";
const PREFIX: &str = "bench";
/// What the secrets of sessions look like.
const SESSION_PREFIX: &str = "admit_ss";
/// What those of clients look like, and opaque access tokens.
const CLIENT_PREFIX: &str = "admit_cs";
const TOKEN_PREFIX: &str = "admit_at";

/// All keys one after the other, each of the same length.
pub struct Population {
    text: String,
    key_len: usize,
}

impl Population {
    /// Makes `count` keys; two runs make the same.
    pub fn new(count: usize) -> Self {
        Self::prefixed(PREFIX, count)
    }

    /// The same of secrets of sessions.
    pub fn sessions(count: usize) -> Self {
        Self::prefixed(SESSION_PREFIX, count)
    }

    /// The same of secrets of clients.
    pub fn client_secrets(count: usize) -> Self {
        Self::prefixed(CLIENT_PREFIX, count)
    }

    /// The same of opaque access tokens.
    pub fn access_tokens(count: usize) -> Self {
        Self::prefixed(TOKEN_PREFIX, count)
    }

    fn prefixed(prefix: &str, count: usize) -> Self {
        let mut text = String::new();
        let mut numbers = Numbers::new(0x0AD0_0017);
        for _ in 0..count {
            text.push_str(secret::write(prefix, &numbers.bytes()).expose());
        }
        Self { key_len: text.len() / count.max(1), text }
    }

    /// What is the same for everybody: there is nothing to show.
    pub fn nothing() -> Self {
        Self { text: String::new(), key_len: 0 }
    }

    /// All but the first so many.
    pub fn after(&self, count: usize) -> Self {
        let text = self.text.get(count * self.key_len..).unwrap_or_default().to_owned();
        Self { text, key_len: self.key_len }
    }

    /// So many parts of it, one after the other, of this size each.
    pub fn parts(&self, size: usize) -> Vec<Self> {
        let parts = self.text.as_bytes().chunks_exact((size * self.key_len).max(1));
        let texts = parts.map(|part| String::from_utf8_lossy(part).into_owned());
        texts.map(|text| Self { text, key_len: self.key_len }).collect()
    }

    /// Keys that another server made. They must be of one length.
    pub fn of(keys: &[String]) -> Result<Self> {
        let key_len = keys.first().map_or(0, String::len);
        if key_len == 0 || keys.iter().any(|key| key.len() != key_len) {
            return Err(format!("{} keys that are not of one length", keys.len()));
        }
        Ok(Self { text: keys.concat(), key_len })
    }

    /// So many of them, evenly spread.
    pub fn some(&self, count: usize) -> Self {
        let step = self.len().div_ceil(count.max(1)).max(1);
        let text = (0..self.len()).step_by(step).map(|number| self.key(number)).collect();
        Self { text, key_len: self.key_len }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.text.len() / self.key_len.max(1)
    }

    /// How long each is.
    pub fn key_len(&self) -> usize {
        self.key_len
    }

    /// One of them.
    pub fn key(&self, number: usize) -> &str {
        &self.text[number * self.key_len..][..self.key_len]
    }

    /// Writes what `admit key import` reads, of the first `count`: a line of JSON with the SHA-256 of each key.
    pub fn write_hashes(&self, count: usize, file: &Path) -> Result<()> {
        let shown = file.display();
        let write = || {
            let mut lines = BufWriter::new(File::create(file)?);
            for number in 0..count.min(self.len()) {
                let hash = HEXLOWER.encode(&secret::digest(self.key(number)));
                writeln!(lines, r#"{{"sha256":"{hash}","name":"k{number}"}}"#)?;
            }
            lines.flush()
        };
        write().map_err(|error: std::io::Error| format!("cannot write {shown}: {error}"))
    }
}

/// Credentials that nobody has, made while they are sent, none of them twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stranger {
    /// Of the form of an imported key: nothing but a look-up tells that it is unknown.
    Key,
    /// Of the form of a JWT.
    Token,
}

impl Stranger {
    /// How long it is.
    pub const fn len(self) -> usize {
        match self {
            Self::Key => 42,
            Self::Token => 160,
        }
    }

    /// Writes one into room of that length.
    pub fn write(self, room: &mut [u8], numbers: &mut Numbers) {
        // `{"alg":"ES256"}`
        const HEAD: &[u8] = b"eyJhbGciOiJFUzI1NiJ9.";
        const BODY_LEN: usize = 51;
        let head: &[u8] = if self == Self::Key { b"bench_" } else { HEAD };
        let (start, rest) = room.split_at_mut(head.len());
        start.copy_from_slice(head);
        for part in rest.chunks_mut(12) {
            let mut number = numbers.next();
            for letter in part {
                *letter = LETTERS[(number & 31) as usize];
                number >>= 5;
            }
        }
        if self == Self::Token {
            rest[BODY_LEN] = b'.';
        }
    }
}

const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A small generator (splitmix64): even enough to pick keys, and the same each time.
pub struct Numbers(u64);

impl Numbers {
    /// One sequence per seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next one.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    /// One below `end`; the bias of the remainder does not matter here.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for part in bytes.chunks_exact_mut(8) {
            part.copy_from_slice(&self.next().to_le_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_same_each_time_and_well_formed() {
        let (one, other) = (Population::new(100), Population::new(100));
        assert_eq!(one.text, other.text);
        assert_eq!(one.len(), 100);
        assert!((0..100).all(|number| secret::read(one.key(number)).is_ok()));
        assert_ne!(one.key(0), one.key(99));
        assert_eq!(one.key_len(), Stranger::Key.len(), "a stranger looks like a key");
    }

    #[test]
    fn some_are_spread_over_all() {
        let keys = Population::new(10);
        let some = keys.some(4);
        assert_eq!((some.len(), some.key(3)), (4, keys.key(9)));
        assert_eq!(keys.some(10).text, keys.text);
        let parts = keys.parts(3);
        assert_eq!((parts.len(), parts[2].len(), parts[2].key(0)), (3, 3, keys.key(6)));
        assert_eq!((keys.after(1).len(), keys.after(1).key(0)), (9, keys.key(1)));
        assert_eq!(Population::nothing().len(), 0);
    }

    #[test]
    fn keys_of_several_lengths_are_refused() {
        assert!(Population::of(&["ab".to_owned(), "c".to_owned()]).is_err());
        assert!(Population::of(&["ab".to_owned(), "cd".to_owned()]).is_ok_and(|keys| keys.key(1) == "cd"));
    }

    #[test]
    fn strangers_have_their_form_and_differ() {
        let mut numbers = Numbers::new(1);
        let mut next = |stranger: Stranger| {
            let mut room = vec![0; stranger.len()];
            stranger.write(&mut room, &mut numbers);
            String::from_utf8(room).unwrap()
        };
        let (key, other) = (next(Stranger::Key), next(Stranger::Key));
        assert!(key.starts_with("bench_") && key != other);
        assert_eq!(next(Stranger::Token).split('.').map(str::len).collect::<Vec<_>>(), [20, 51, 87]);
    }

    #[test]
    fn every_number_is_below_its_end() {
        let mut numbers = Numbers::new(1);
        assert!((0..1_000).all(|_| numbers.below(7) < 7));
        assert_eq!(numbers.below(0), 0);
    }
}
