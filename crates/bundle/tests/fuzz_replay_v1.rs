//! The fuzz target `v1_open` as an ordinary test: inputs that were found, and plain mutations.

use std::fs;
use std::path::{Path, PathBuf};

#[expect(unreachable_pub, dead_code, reason = "the fuzz crate's file, used in part")]
#[path = "../../../fuzz/src/bundle_open.rs"]
mod bundle_open;
#[expect(unreachable_pub, reason = "public for the fuzz crate, whose file it is")]
#[path = "../../../fuzz/src/v1_open.rs"]
mod v1_open;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

#[test]
fn inputs_found_by_fuzzing_do_no_harm() {
    let files = fs::read_dir(fixtures().join("hostile/v1_open")).unwrap();
    let n_replayed =
        files.map(|file| v1_open::run(&fs::read(file.unwrap().path()).unwrap())).count();
    assert!(n_replayed >= 5, "{n_replayed} inputs");
}

/// The contents of the only data block of a golden file.
fn data_block(table: &[u8]) -> &[u8] {
    let metaindex = [0, 0, 0, 0, 1, 0, 0, 0, 0, 0xc0, 0xf2, 0xa1, 0xb0];
    let end = table.windows(metaindex.len()).position(|window| window == metaindex).unwrap();
    &table[..end - 5]
}

#[test]
fn mutated_checkpoints_do_no_harm() {
    let mut state = 11u64;
    let mut random = |n: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % n
    };
    for name in ["example", "saver", "by_hand", "dtypes", "sharded-00001-of-00003"] {
        let file = fs::read(fixtures().join("v1").join(name)).unwrap();
        let block = data_block(&file);
        v1_open::run(&bundle_open::join(0, &file, &[]).unwrap());
        v1_open::run(&bundle_open::join(1, block, &[]).unwrap());
        for _ in 0..1500 {
            let mut mutated = block.to_vec();
            for _ in 0..=random(3) {
                let at = random(mutated.len());
                match random(4) {
                    0 => mutated[at] ^= 1 << random(8),
                    1 => mutated[at] = [0, 1, 0x7f, 0x80, 0xff][random(5)],
                    2 => _ = mutated.remove(at),
                    _ => mutated.insert(at, random(256) as u8),
                }
            }
            v1_open::run(&bundle_open::join(1, &mutated, &[]).unwrap());
        }
    }
}
