//! The fuzz target `graph_import` as an ordinary test: inputs that were found, and plain mutations.

use std::fs;
use std::path::{Path, PathBuf};

#[expect(unreachable_pub, reason = "public for the fuzz crate, whose file it is")]
#[path = "../../../fuzz/src/graph_import.rs"]
mod graph_import;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

#[test]
fn inputs_found_by_fuzzing_do_no_harm() {
    let mut n_replayed = 0;
    for file in fs::read_dir(fixtures().join("hostile/graph_import")).unwrap() {
        graph_import::run(&fs::read(file.unwrap().path()).unwrap());
        n_replayed += 1;
    }
    assert!(n_replayed > 0, "the found inputs are there");
}

#[test]
fn mutated_graphs_do_no_harm() {
    let mut state = 5u64;
    let mut random = |n: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % n
    };
    for name in ["dense", "elementwise", "functions", "loop", "values"] {
        let message = fs::read(fixtures().join(format!("graph_views/{name}.pb"))).unwrap();
        for mode in 0..3 {
            let input = [&[mode, 1][..], &message].concat();
            graph_import::run(&input);
            for _ in 0..40 {
                let mut mutated = input.clone();
                for _ in 0..=random(4) {
                    let at = 2 + random(mutated.len() - 2);
                    match random(5) {
                        0 => mutated[at] ^= 1 << random(8),
                        1 => mutated[at] = [0, 1, 0x7f, 0x80, 0xff][random(5)],
                        2 => _ = mutated.remove(at),
                        3 => mutated[1] = random(256) as u8,
                        _ => mutated.insert(at, random(256) as u8),
                    }
                }
                graph_import::run(&mutated);
            }
        }
    }
}
