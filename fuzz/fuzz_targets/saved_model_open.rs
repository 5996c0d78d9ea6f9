//! See `flowkeep_fuzz::saved_model_open`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| flowkeep_fuzz::saved_model_open::run(input));
