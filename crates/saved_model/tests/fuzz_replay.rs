//! The fuzz target `saved_model_open` as an ordinary test: inputs that were found, and plain
//! mutations.

use std::fs;
use std::path::{Path, PathBuf};

#[expect(unreachable_pub, reason = "public for the fuzz crate, whose file it is")]
#[path = "../../../fuzz/src/saved_model_open.rs"]
mod saved_model_open;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

#[test]
fn inputs_found_by_fuzzing_do_no_harm() {
    let mut n_replayed = 0;
    for file in fs::read_dir(fixtures().join("hostile/saved_model_open")).unwrap() {
        saved_model_open::run(&fs::read(file.unwrap().path()).unwrap());
        n_replayed += 1;
    }
    assert!(n_replayed > 0, "the found inputs are there");
}

/// How often each model is mutated: `FLOWKEEP_MUTATIONS` for long runs.
fn n_mutations() -> u64 {
    std::env::var("FLOWKEEP_MUTATIONS").map_or(60, |n| n.parse().expect("a number"))
}

#[test]
fn mutated_models_do_no_harm() {
    let mut state = n_mutations() + 11;
    let mut random = |n: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % n
    };
    let mut inputs = Vec::new();
    for folder in ["saved_models", "object_models", "chunked"] {
        for entry in fs::read_dir(fixtures().join(folder)).unwrap() {
            let dir = entry.unwrap().path();
            let forms = [(0, "saved_model.pb"), (1, "saved_model.pbtxt"), (3, "saved_model.cpb")];
            for (mode, file) in forms {
                let message = fs::read(dir.join(file)).unwrap_or_default();
                // Large ones take their time, and have nothing else in them.
                let most = if mode == 0 { 40_000 } else { 120_000 };
                if !message.is_empty() && message.len() < most {
                    inputs.push([&[mode][..], &message].concat());
                }
            }
        }
    }
    assert!(inputs.len() > 16);
    for input in inputs {
        saved_model_open::run(&input);
        for _ in 0..n_mutations() {
            let mut mutated = input.clone();
            for _ in 0..=random(4) {
                // Something beside the mode is left.
                if mutated.len() < 2 {
                    break;
                }
                let at = 1 + random(mutated.len() - 1);
                match random(5) {
                    0 => mutated[at] ^= 1 << random(8),
                    1 => mutated[at] = [0, 1, 0x7f, 0x80, 0xff][random(5)],
                    2 => _ = mutated.remove(at),
                    3 => mutated.truncate(at + 1),
                    _ => mutated.insert(at, random(256) as u8),
                }
            }
            saved_model_open::run(&mutated);
        }
    }
}
