//! Every target on its corpus and on mutations of it: the same ones each time, so that a failure can be seen again.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, and says how far it came"
)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use admit_fuzz::{Run, TARGETS};

/// How many mutations of each seed are tried at most, and for how long per target.
const MUTATIONS: u64 = 10_000;
const TIME: Duration = Duration::from_secs(3);
/// The longest input.
const LENGTH: usize = 4096;

/// xorshift64*: the same sequence from the same seed, which is all that is wanted here.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// What parsers stumble over.
const TOKENS: [&[u8]; 28] = [
    b"%2e",
    b"%2F",
    b"%00",
    b"%25",
    b"..",
    b"//",
    b";",
    b"\\",
    b"\0",
    b"\r\n",
    b"\n",
    b":",
    b"@",
    b"[::1]",
    b"*",
    b"**",
    b"{x}",
    b"{",
    b"}",
    b"\xff",
    b"\xc0\xaf",
    b"\xef\xbb\xbf",
    "\u{202e}".as_bytes(),
    "ß".as_bytes(),
    b"18446744073709551616",
    b"-1",
    b"1e999",
    b"\"",
];

fn mutate(seed: &[u8], others: &[Vec<u8>], numbers: &mut Numbers) -> Vec<u8> {
    let mut data = seed.to_vec();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(data.len() + 1);
        match numbers.below(6) {
            0 if at < data.len() => data[at] = numbers.next() as u8,
            1 if at < data.len() => drop(data.remove(at)),
            2 => data.insert(at, numbers.next() as u8),
            3 => drop(data.splice(at..at, TOKENS[numbers.below(TOKENS.len())].iter().copied())),
            4 => data.truncate(at),
            _ => {
                let other = &others[numbers.below(others.len())];
                let from = numbers.below(other.len() + 1);
                data.splice(at.., other[from..].iter().copied());
            }
        }
    }
    data.truncate(LENGTH);
    data
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

fn smoke(name: &str, run: Run) -> u64 {
    let seeds = corpus(name);
    assert!(!seeds.is_empty(), "{name} has no corpus");
    seeds.iter().for_each(|seed| run(seed));
    let (begin, mut numbers, mut count) = (Instant::now(), Numbers(0x9E37_79B9_7F4A_7C15), 0);
    for _ in 0..MUTATIONS {
        for seed in &seeds {
            run(&mutate(seed, &seeds, &mut numbers));
            count += 1;
        }
        if begin.elapsed() > TIME {
            break;
        }
    }
    count
}

#[test]
fn every_parser_takes_whatever_comes() {
    for (name, run) in TARGETS {
        println!("{name}: {} inputs", smoke(name, run));
    }
}

#[test]
fn every_target_is_a_program_of_cargo_fuzz() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> =
        std::fs::read_dir(root.join("fuzz_targets")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    files.sort();
    let mut names: Vec<_> = TARGETS.iter().map(|(name, _)| format!("{name}.rs")).collect();
    names.sort();
    assert_eq!(files, names.iter().map(std::ffi::OsString::from).collect::<Vec<_>>());
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    for (name, _) in TARGETS {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not in Cargo.toml");
        let program = std::fs::read_to_string(root.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(program.contains(&format!("admit_fuzz::{name}(data)")), "{name}.rs runs another target");
    }
}
