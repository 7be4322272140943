//! What is kept of a password: a slow hash of it, as a PHC string.
//!
//! Ours is Argon2id (RFC 9106). Hashes that come along from elsewhere (Argon2, bcrypt, PBKDF2, scrypt) are verified and
//! said to want renewal. What a stored hash may cost is bounded, for whoever imports one chooses its cost.

use std::fmt;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::{constant_time, pbkdf2};
use data_encoding::{BASE64, BASE64_NOPAD};

use super::password::Password;

/// The longest stored hash, in bytes.
pub const STORED_MAX: usize = 512;
const SALT: usize = 16;
const OUTPUT: usize = 32;
/// Most of what an imported hash may cost: a second or two, and 128 MiB.
const MEMORY_KIB_MAX: u32 = 131_072;
const PASSES_MAX: u32 = 10;
const LANES_MAX: u32 = 8;
const BCRYPT_OCTETS: usize = 72;
const BCRYPT_COST_MAX: u32 = 14;
const PBKDF2_ROUNDS_MAX: u32 = 2_000_000;
const SCRYPT_LOG_N_MAX: u8 = 17;

/// What one hash costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// How often the memory is passed over.
    pub passes: u32,
    /// How many parts of it can be worked on at once.
    pub lanes: u32,
}

impl Default for Cost {
    /// The first choice of the OWASP password storage cheat sheet.
    fn default() -> Self {
        Self { memory_kib: 19_456, passes: 2, lanes: 1 }
    }
}

/// The least memory, and the least of memory times passes: what the cheapest recommended choice has (OWASP).
const CHOSEN_KIB_MIN: u32 = 7 << 10;
const CHOSEN_WORK_KIB_MIN: u32 = 35 << 10;

impl Cost {
    /// Whether new hashes may cost this, or which of `memory` and `passes` is wrong and how.
    pub fn judge(self) -> Result<(), (&'static str, &'static str)> {
        if !(CHOSEN_KIB_MIN..=MEMORY_KIB_MAX).contains(&self.memory_kib) {
            return Err(("memory", "must be between 7MiB and 128MiB, such as 19MiB (19456 KiB)"));
        }
        if !(1..=PASSES_MAX).contains(&self.passes) {
            return Err(("passes", "must be 1 to 10"));
        }
        if self.memory_kib.saturating_mul(self.passes) < CHOSEN_WORK_KIB_MIN {
            let message =
                "is too few for so little memory: both multiplied must be 35MiB or more (19MiB twice, 46MiB once)";
            return Err(("passes", message));
        }
        Ok(())
    }
}

/// Memory to hash in, kept by who hashes often: to ask the system for it each time costs half as much again.
#[derive(Default)]
pub struct Memory(Vec<Block>);

impl Memory {
    fn take(&mut self, params: &Params) -> &mut [Block] {
        let count = params.block_count();
        if self.0.len() < count {
            self.0.resize(count, Block::default());
        }
        &mut self.0[..count]
    }

    /// Asks the system for what an everyday hash needs, before anybody waits for it.
    pub fn prepare(&mut self, cost: Cost) {
        let everyday = cost.memory_kib as usize;
        if self.0.len() < everyday {
            self.0.resize(everyday, Block::default());
        }
    }

    /// Gives back what is above the cost of everyday hashes.
    pub fn shrink(&mut self, cost: Cost) {
        let everyday = cost.memory_kib as usize;
        if self.0.len() > everyday {
            self.0.truncate(everyday);
            self.0.shrink_to_fit();
        }
    }
}

/// A hash that cannot be used, with why. Completes "the hash …".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadHash(pub &'static str);

impl fmt::Display for BadHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

const UNREADABLE: BadHash = BadHash("is none of Argon2, bcrypt, PBKDF2 and scrypt in their usual forms");
const COSTLY: BadHash = BadHash("costs more to verify than is allowed here");

/// Whether a password is the one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is not.
    Wrong,
    /// It is; `renew` where the hash should be made anew, in our way or at today's cost.
    Right {
        /// Make the hash anew.
        renew: bool,
    },
}

/// A stored hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored(Form);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    Argon2 { algorithm: Algorithm, version: Version, cost: Cost, salt: Vec<u8>, output: Vec<u8> },
    Bcrypt(String),
    Pbkdf2 { is_sha512: bool, rounds: u32, salt: Vec<u8>, output: Vec<u8> },
    Scrypt { log_n: u8, r: u32, p: u32, salt: Vec<u8>, output: Vec<u8> },
}

/// Hashes a password with a salt that was never used before.
pub fn hash(password: &Password, salt: &[u8; SALT], cost: Cost, memory: &mut Memory) -> Result<String, BadHash> {
    let mut output = [0; OUTPUT];
    argon2(password, Algorithm::Argon2id, Version::V0x13, cost, salt, &mut output, memory)?;
    let Cost { memory_kib, passes, lanes } = cost;
    let (salt, output) = (BASE64_NOPAD.encode(salt), BASE64_NOPAD.encode(&output));
    Ok(format!("$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${output}"))
}

impl Stored {
    /// Reads a stored hash and bounds what it costs.
    pub fn parse(text: &str) -> Result<Self, BadHash> {
        if text.len() > STORED_MAX {
            return Err(UNREADABLE);
        }
        let parts: Vec<&str> = text.split('$').collect();
        let form = match parts.as_slice() {
            ["", name @ ("argon2id" | "argon2i" | "argon2d"), rest @ ..] => parse_argon2(name, rest)?,
            ["", "2a" | "2b" | "2y", cost, _] => parse_bcrypt(text, cost)?,
            ["", name @ ("pbkdf2-sha256" | "pbkdf2-sha512"), settings, salt, output] => {
                let rounds = setting(settings, "i").ok_or(UNREADABLE)?;
                Form::Pbkdf2 { is_sha512: name.ends_with("512"), rounds, salt: decode(salt)?, output: decode(output)? }
            }
            // Django's: the salt is text, the output is padded.
            [name @ ("pbkdf2_sha256" | "pbkdf2_sha512"), rounds, salt, output] => Form::Pbkdf2 {
                is_sha512: name.ends_with("512"),
                rounds: number(rounds).ok_or(UNREADABLE)?,
                salt: salt.as_bytes().to_vec(),
                output: BASE64.decode(output.as_bytes()).map_err(|_| UNREADABLE)?,
            },
            ["", "scrypt", settings, salt, output] => {
                let of = |name| setting(settings, name).ok_or(UNREADABLE);
                let log_n = u8::try_from(of("ln")?).map_err(|_| COSTLY)?;
                Form::Scrypt { log_n, r: of("r")?, p: of("p")?, salt: decode(salt)?, output: decode(output)? }
            }
            _ => return Err(UNREADABLE),
        };
        form.check().map(|()| Self(form))
    }

    /// Compares a password with it, in time that depends on the hash alone.
    pub fn verify(&self, password: &Password, today: Cost, memory: &mut Memory) -> Verdict {
        let is_right = match &self.0 {
            Form::Argon2 { algorithm, version, cost, salt, output } => {
                let mut computed = vec![0; output.len()];
                let done = argon2(password, *algorithm, *version, *cost, salt, &mut computed, memory);
                done.is_ok() && constant_time::verify_slices_are_equal(&computed, output).is_ok()
            }
            // Beyond its 72 octets bcrypt is blind: what it cannot see is not accepted.
            Form::Bcrypt(text) => {
                password.expose().len() <= BCRYPT_OCTETS && bcrypt::verify(password.expose(), text).unwrap_or(false)
            }
            Form::Pbkdf2 { is_sha512, rounds, salt, output } => {
                let algorithm = if *is_sha512 { pbkdf2::PBKDF2_HMAC_SHA512 } else { pbkdf2::PBKDF2_HMAC_SHA256 };
                let rounds = std::num::NonZeroU32::new(*rounds).unwrap_or(std::num::NonZeroU32::MIN);
                pbkdf2::verify(algorithm, rounds, salt, password.expose().as_bytes(), output).is_ok()
            }
            Form::Scrypt { log_n, r, p, salt, output } => {
                let mut computed = vec![0; output.len()];
                let done = scrypt::Params::new(*log_n, *r, *p).is_ok_and(|params| {
                    scrypt::scrypt(password.expose().as_bytes(), salt, &params, &mut computed).is_ok()
                });
                done && constant_time::verify_slices_are_equal(&computed, output).is_ok()
            }
        };
        if is_right { Verdict::Right { renew: !self.is_of_today(today) } } else { Verdict::Wrong }
    }

    fn is_of_today(&self, today: Cost) -> bool {
        matches!(&self.0, Form::Argon2 { algorithm: Algorithm::Argon2id, version: Version::V0x13, cost, salt, output }
            if *cost == today && salt.len() >= SALT && output.len() >= OUTPUT)
    }
}

impl Form {
    /// Bounds cost and lengths.
    fn check(&self) -> Result<(), BadHash> {
        let (salt, output, is_cheap) = match self {
            Self::Bcrypt(_) => return Ok(()),
            Self::Argon2 { cost, salt, output, .. } => {
                let Cost { memory_kib, passes, lanes } = *cost;
                let is_cheap = memory_kib <= MEMORY_KIB_MAX && passes <= PASSES_MAX && lanes <= LANES_MAX;
                Params::new(memory_kib, passes, lanes, Some(output.len())).map_err(|_| UNREADABLE)?;
                (salt, output, is_cheap)
            }
            Self::Pbkdf2 { rounds, salt, output, .. } => (salt, output, (1..=PBKDF2_ROUNDS_MAX).contains(rounds)),
            Self::Scrypt { log_n, r, p, salt, output } => {
                scrypt::Params::new(*log_n, *r, *p).map_err(|_| UNREADABLE)?;
                (salt, output, *log_n <= SCRYPT_LOG_N_MAX && *r <= 8 && *p <= 4)
            }
        };
        if !(8..=64).contains(&salt.len()) && !matches!(self, Self::Pbkdf2 { .. }) || salt.is_empty() || salt.len() > 64
        {
            return Err(UNREADABLE);
        }
        if !(16..=64).contains(&output.len()) {
            return Err(UNREADABLE);
        }
        if is_cheap { Ok(()) } else { Err(COSTLY) }
    }
}

fn parse_argon2(name: &str, rest: &[&str]) -> Result<Form, BadHash> {
    let (version, settings, salt, output) = match rest {
        ["v=19", settings, salt, output] => (Version::V0x13, settings, salt, output),
        ["v=16", settings, salt, output] | [settings, salt, output] => (Version::V0x10, settings, salt, output),
        _ => return Err(UNREADABLE),
    };
    let of = |name| setting(settings, name).ok_or(UNREADABLE);
    let cost = Cost { memory_kib: of("m")?, passes: of("t")?, lanes: of("p")? };
    let algorithm = match name {
        "argon2id" => Algorithm::Argon2id,
        "argon2i" => Algorithm::Argon2i,
        _ => Algorithm::Argon2d,
    };
    Ok(Form::Argon2 { algorithm, version, cost, salt: decode(salt)?, output: decode(output)? })
}

fn parse_bcrypt(text: &str, cost: &str) -> Result<Form, BadHash> {
    let cost = Some(cost).filter(|cost| cost.len() == 2).and_then(number).ok_or(UNREADABLE)?;
    let is_letter = |letter: u8| letter.is_ascii_alphanumeric() || b"./$".contains(&letter);
    if text.len() != 60 || !text.bytes().all(is_letter) || cost < 4 {
        return Err(UNREADABLE);
    }
    if cost > BCRYPT_COST_MAX { Err(COSTLY) } else { Ok(Form::Bcrypt(text.to_owned())) }
}

/// `name=7` out of `m=1,t=2,name=7`.
fn setting(settings: &str, name: &str) -> Option<u32> {
    settings.split(',').find_map(|setting| setting.strip_prefix(name)?.strip_prefix('=')).and_then(number)
}

/// Digits only: no sign, no space.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|digit| digit.is_ascii_digit()).then(|| text.parse().ok())?
}

fn decode(text: &str) -> Result<Vec<u8>, BadHash> {
    BASE64_NOPAD.decode(text.trim_end_matches('=').as_bytes()).map_err(|_| UNREADABLE)
}

fn argon2(
    password: &Password,
    algorithm: Algorithm,
    version: Version,
    cost: Cost,
    salt: &[u8],
    output: &mut [u8],
    memory: &mut Memory,
) -> Result<(), BadHash> {
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(output.len())).map_err(|_| UNREADABLE)?;
    let blocks = memory.take(&params);
    let argon2 = Argon2::new(algorithm, version, params);
    argon2.hash_password_into_with_memory(password.expose().as_bytes(), salt, output, blocks).map_err(|_| UNREADABLE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SMALL: Cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };

    fn password(text: &str) -> Password {
        Password::parse(text).unwrap()
    }

    fn verify(stored: &str, text: &str) -> Verdict {
        Stored::parse(stored).unwrap().verify(&password(text), SMALL, &mut Memory::default())
    }

    /// Made by other programs: argon2-cffi, hashlib and bcrypt for Python.
    const FOREIGN: [&str; 8] = [
        "$argon2id$v=19$m=1024,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$n2a80kxtHUUOjKeMHB5vKUH7oCFGgKV0CjXtlh5a/+c",
        "$argon2i$v=19$m=1024,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$riRhPEoPiirf7fc+QnshNTk8NLngMZQrQzcHtFF5Q/k",
        "$argon2d$v=19$m=1024,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$tHGqi+CH77yxsR32lu2MQym4T3AkNjoEkQ2ziQyoerY",
        "$pbkdf2-sha256$i=1000,l=32$c2FsdHNhbHRzYWx0$mti9/5RSqxylYzgGlTfgWSC2R+gvienJC6iN0ReaZdg",
        "$pbkdf2-sha512$i=1000,l=64$c2FsdHNhbHRzYWx0$kDC2V1kf2lz8QEw8b9NEARDyEXZHxPDz+oklh+DuUd9SliAcGopPySBzAkQ+lNVTqRLOh1gdgRDxHnm92WHMjA",
        "pbkdf2_sha256$1000$seasalt$uPNvHm1x34bcytmbJkdxMve/igvH6JMvy7eVJDJdaUo=",
        "$scrypt$ln=10,r=8,p=1$c2FsdHNhbHRzYWx0$3aWUHHEyU18qOZ5nrWDgNc9daiRfiNBEhWhhTKr1o/Q",
        "$2b$04$abcdefghijklmnopqrstuuKAbCf0FrEMqP6uxscx2X5vbhwe2ssIi",
    ];

    #[test]
    fn hashes_from_elsewhere_are_verified_and_want_renewal() {
        for stored in FOREIGN {
            assert_eq!(verify(stored, "correct horse battery staple é"), Verdict::Right { renew: true }, "{stored}");
            assert_eq!(verify(stored, "correct horse battery staple e"), Verdict::Wrong, "{stored}");
        }
    }

    #[test]
    fn a_hash_of_ours_is_verified_and_renewed_when_the_cost_changes() {
        let stored = hash(&password("x"), &[7; 16], SMALL, &mut Memory::default()).unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=64,t=1,p=1$BwcHBwcHBwcHBwcHBwcHBw$"), "{stored}");
        let verify = |cost| Stored::parse(&stored).unwrap().verify(&password("x"), cost, &mut Memory::default());
        assert_eq!(verify(SMALL), Verdict::Right { renew: false });
        assert_eq!(verify(Cost { passes: 2, ..SMALL }), Verdict::Right { renew: true });
    }

    #[test]
    fn memory_that_was_used_before_changes_nothing() {
        let mut memory = Memory::default();
        let large = Cost { memory_kib: 256, ..SMALL };
        let first = hash(&password("x"), &[1; 16], SMALL, &mut memory).unwrap();
        hash(&password("y"), &[2; 16], large, &mut memory).unwrap();
        assert_eq!(hash(&password("x"), &[1; 16], SMALL, &mut memory).unwrap(), first);
        memory.shrink(SMALL);
        assert_eq!(memory.0.len(), 64);
    }

    #[test]
    fn pw_05_bcrypt_does_not_accept_what_it_cannot_see() {
        let known = "x".repeat(72);
        let stored = bcrypt::hash_with_salt(&known, 4, [3; 16]).unwrap().to_string();
        assert_eq!(verify(&stored, &known), Verdict::Right { renew: true });
        assert_eq!(verify(&stored, &format!("{known}y")), Verdict::Wrong);
    }

    #[test]
    fn a_hash_that_costs_too_much_is_refused() {
        for (stored, why) in [
            (
                "$argon2id$v=19$m=131073,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$n2a80kxtHUUOjKeMHB5vKUH7oCFGgKV0CjXtlh5a/+c",
                COSTLY,
            ),
            (
                "$argon2id$v=19$m=1024,t=11,p=1$MDEyMzQ1Njc4OWFiY2RlZg$n2a80kxtHUUOjKeMHB5vKUH7oCFGgKV0CjXtlh5a/+c",
                COSTLY,
            ),
            ("$2b$15$abcdefghijklmnopqrstuuKAbCf0FrEMqP6uxscx2X5vbhwe2ssIi", COSTLY),
            ("$2b$03$abcdefghijklmnopqrstuuKAbCf0FrEMqP6uxscx2X5vbhwe2ssIi", UNREADABLE),
            ("$2b$10$é", UNREADABLE),
            ("pbkdf2_sha256$2000001$seasalt$uPNvHm1x34bcytmbJkdxMve/igvH6JMvy7eVJDJdaUo=", COSTLY),
            ("pbkdf2_sha256$0$seasalt$uPNvHm1x34bcytmbJkdxMve/igvH6JMvy7eVJDJdaUo=", COSTLY),
            ("pbkdf2_sha256$1$seasalt$", UNREADABLE),
            ("$scrypt$ln=18,r=8,p=1$c2FsdHNhbHRzYWx0$3aWUHHEyU18qOZ5nrWDgNc9daiRfiNBEhWhhTKr1o/Q", COSTLY),
            ("$scrypt$ln=300,r=8,p=1$c2FsdHNhbHRzYWx0$3aWUHHEyU18qOZ5nrWDgNc9daiRfiNBEhWhhTKr1o/Q", COSTLY),
            ("5f4dcc3b5aa765d61d8327deb882cf99", UNREADABLE),
            ("", UNREADABLE),
        ] {
            assert_eq!(Stored::parse(stored), Err(why), "{stored}");
        }
        assert_eq!(Stored::parse(&format!("{}{}", FOREIGN[0], "A".repeat(STORED_MAX))), Err(UNREADABLE));
    }

    proptest! {
        #[test]
        fn any_text_is_a_hash_or_refused(text in ".{0,120}", name in "(argon2id|2b|scrypt|pbkdf2-sha256)", rest in "[$a-z0-9=,A-Z+/]{0,90}") {
            let _ = Stored::parse(&text);
            let _ = Stored::parse(&format!("${name}${rest}"));
        }
    }
}
