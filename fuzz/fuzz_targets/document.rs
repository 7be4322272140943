//! `cargo fuzz run document --features libfuzzer`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| admit_fuzz::document(data));
