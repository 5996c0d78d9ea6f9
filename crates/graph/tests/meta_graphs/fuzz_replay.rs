//! The fuzz target `meta_graph_import` as an ordinary test: inputs that were found, and plain mutations.

use std::fs;
use std::path::Path;

use super::{decode, golden};

#[expect(unreachable_pub, reason = "public for the fuzz crate, whose file it is")]
#[path = "../../../../fuzz/src/meta_graph_import.rs"]
mod meta_graph_import;

#[test]
fn inputs_found_by_fuzzing_do_no_harm() {
    let dir =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/hostile/meta_graph_import");
    let mut n_replayed = 0;
    for file in fs::read_dir(dir).unwrap() {
        meta_graph_import::run(&fs::read(file.unwrap().path()).unwrap());
        n_replayed += 1;
    }
    assert!(n_replayed > 0, "the found inputs are there");
}

#[test]
fn mutated_metagraphs_do_no_harm() {
    let mut state = 23u64;
    let mut random = |n: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % n
    };
    let golden = golden();
    for source in golden["sources"].as_object().unwrap().values() {
        let mut input = vec![0];
        input.extend(decode(source));
        for mode in 0..64 {
            input[0] = mode;
            let mut mutated = input.clone();
            // Sound at first.
            for _ in 0..mode % 4 {
                let at = random(input.len());
                mutated[at] = random(256) as u8;
            }
            meta_graph_import::run(&mutated);
        }
    }
}
