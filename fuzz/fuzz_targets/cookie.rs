//! `cargo fuzz run cookie --features libfuzzer`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| admit_fuzz::cookie(data));
