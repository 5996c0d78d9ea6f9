//! See `flowkeep_fuzz::object_graph`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| flowkeep_fuzz::object_graph::run(input));
