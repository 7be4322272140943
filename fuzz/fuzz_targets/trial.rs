//! `cargo fuzz run trial --features libfuzzer`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| admit_fuzz::trial(data));
