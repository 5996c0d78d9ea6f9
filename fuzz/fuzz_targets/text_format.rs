//! See `flowkeep_fuzz::text_format`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| flowkeep_fuzz::text_format::run(input));
