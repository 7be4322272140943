//! `cargo fuzz run login --features libfuzzer`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| admit_fuzz::login(data));
