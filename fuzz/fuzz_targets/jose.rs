//! `cargo fuzz run jose --features libfuzzer`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| admit_fuzz::jose(data));
