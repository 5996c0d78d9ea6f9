//! See `flowkeep_fuzz::v1_open`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| flowkeep_fuzz::v1_open::run(input));
