//! The fuzz targets of bundles as ordinary tests: inputs that were found, and plain mutations.

use std::fs;
use std::path::{Path, PathBuf};

#[expect(unreachable_pub, reason = "public for the fuzz crate, whose file it is")]
#[path = "../../../fuzz/src/bundle_open.rs"]
mod bundle_open;

#[expect(unreachable_pub, reason = "public for the fuzz crate, whose file it is")]
#[path = "../../../fuzz/src/bundle_recover.rs"]
mod bundle_recover;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

#[test]
fn inputs_found_by_fuzzing_do_no_harm() {
    for file in fs::read_dir(fixtures().join("hostile/bundle_open")).unwrap() {
        bundle_open::run(&fs::read(file.unwrap().path()).unwrap());
    }
    for file in fs::read_dir(fixtures().join("hostile/bundle_recover")).into_iter().flatten() {
        bundle_recover::run(&fs::read(file.unwrap().path()).unwrap());
    }
}

/// The contents of the only data block of a golden index.
fn data_block(index: &[u8]) -> &[u8] {
    let metaindex = [0, 0, 0, 0, 1, 0, 0, 0, 0, 0xc0, 0xf2, 0xa1, 0xb0];
    let end = index.windows(metaindex.len()).position(|window| window == metaindex).unwrap();
    &index[..end - 5]
}

#[test]
fn mutated_bundles_do_no_harm() {
    let mut state = 7u64;
    let mut random = |n: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % n
    };
    for name in ["one", "strings", "partitioned", "grid", "big_endian"] {
        let prefix = fixtures().join("bundles").join(name);
        let index = fs::read(prefix.with_extension("index")).unwrap();
        let data = fs::read(prefix.with_extension("data-00000-of-00001")).unwrap();
        let block = data_block(&index);
        bundle_open::run(&bundle_open::join(0, &index, &data).unwrap());
        bundle_open::run(&bundle_open::join(1, block, &data).unwrap());
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
            bundle_open::run(&bundle_open::join(1, &mutated, &data).unwrap());
        }
        for _ in 0..500 {
            let mut mutated = index.clone();
            for _ in 0..=random(3) {
                let at = random(mutated.len());
                mutated[at] ^= 1 << random(8);
            }
            bundle_recover::run(&bundle_recover::join(&mutated, &data).unwrap());
        }
    }
}
