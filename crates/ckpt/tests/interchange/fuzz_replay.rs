//! The fuzz targets `npz` and `safetensors` as ordinary tests: inputs that were found, and plain
//! mutations of sound files.

use std::fs;

use crate::common::{cases, decode, fixtures};

#[expect(unreachable_pub, reason = "public for the fuzz crate, whose file it is")]
#[path = "../../../../fuzz/src/npz.rs"]
mod npz;
#[expect(unreachable_pub, reason = "public for the fuzz crate, whose file it is")]
#[path = "../../../../fuzz/src/safetensors.rs"]
mod safetensors;

type Target = (&'static str, fn(&[u8]));
const TARGETS: &[Target] = &[("npz", npz::run), ("safetensors", safetensors::run)];

#[test]
fn inputs_found_by_fuzzing_do_no_harm() {
    for (name, run) in TARGETS {
        let mut n_replayed = 0;
        for file in fs::read_dir(fixtures().join("hostile").join(name)).unwrap() {
            run(&fs::read(file.unwrap().path()).unwrap());
            n_replayed += 1;
        }
        assert!(n_replayed > 10, "{name}");
    }
}

#[test]
fn mutated_files_do_no_harm() {
    let mut state = 7u64;
    let mut random = |n: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % n
    };
    for case in cases() {
        let content = decode(&case["file"]);
        if content.is_empty() {
            continue;
        }
        let (modes, run): (&[u8], fn(&[u8])) = match case["format"].as_str() {
            Some("npy") => (&[2, 3], npz::run),
            Some("npz") => (&[0, 1], npz::run),
            _ => (&[0], safetensors::run),
        };
        for mode in modes {
            let input = [&[*mode][..], &content].concat();
            run(&input);
            for _ in 0..60 {
                let mut mutated = input.clone();
                for _ in 0..=random(3) {
                    let at = 1 + random(mutated.len() - 1);
                    match random(4) {
                        0 => mutated[at] ^= 1 << random(8),
                        1 => mutated[at] = [0, 1, 0x7f, 0x80, 0xff][random(5)],
                        2 if mutated.len() > 2 => _ = mutated.remove(at),
                        _ => mutated.insert(at, random(256) as u8),
                    }
                }
                run(&mutated);
            }
        }
    }
}
