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

/// All keys one after the other, each of the same length.
pub struct Population {
    text: String,
    key_len: usize,
}

impl Population {
    /// Makes `count` keys; two runs make the same.
    pub fn new(count: usize) -> Self {
        let mut text = String::new();
        let mut numbers = Numbers::new(0x0AD0_0017);
        for _ in 0..count {
            text.push_str(secret::write(PREFIX, &numbers.bytes()).expose());
        }
        Self { key_len: text.len() / count.max(1), text }
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

    /// Writes what `admit key import` reads: a line of JSON with the SHA-256 of each key.
    pub fn write_hashes(&self, file: &Path) -> Result<()> {
        let shown = file.display();
        let write = || {
            let mut lines = BufWriter::new(File::create(file)?);
            for number in 0..self.len() {
                let hash = HEXLOWER.encode(&secret::digest(self.key(number)));
                writeln!(lines, r#"{{"sha256":"{hash}","name":"k{number}"}}"#)?;
            }
            lines.flush()
        };
        write().map_err(|error: std::io::Error| format!("cannot write {shown}: {error}"))
    }
}

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
    }

    #[test]
    fn every_number_is_below_its_end() {
        let mut numbers = Numbers::new(1);
        assert!((0..1_000).all(|_| numbers.below(7) < 7));
        assert_eq!(numbers.below(0), 0);
    }
}
