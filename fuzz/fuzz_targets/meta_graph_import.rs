//! See `flowkeep_fuzz::meta_graph_import`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| flowkeep_fuzz::meta_graph_import::run(input));
