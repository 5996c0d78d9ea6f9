//! See `flowkeep_fuzz::safetensors`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| flowkeep_fuzz::safetensors::run(input));
