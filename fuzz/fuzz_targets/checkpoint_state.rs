//! See `flowkeep_fuzz::checkpoint_state`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| flowkeep_fuzz::checkpoint_state::run(input));
