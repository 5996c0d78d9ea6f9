//! See `flowkeep_fuzz::bundle_recover`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| flowkeep_fuzz::bundle_recover::run(input));
