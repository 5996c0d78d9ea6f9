//! See `flowkeep_fuzz::npz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| flowkeep_fuzz::npz::run(input));
