//! Damaged files: each is refused with the right code, none makes a reader panic.

use flowkeep_ckpt::Error;
use flowkeep_ckpt::interchange::{Format, Reader};
use flowkeep_tensor::Tensor;

use crate::common::{cases, decode, fixtures, open, written};

/// Everything in a file.
fn read_all(reader: &Reader) -> Result<Vec<(String, Tensor)>, Error> {
    let members = reader.members().iter();
    members.map(|member| Ok((member.name.clone(), reader.tensor(&member.name)?))).collect()
}

fn sound_files() -> Vec<(Format, Vec<u8>)> {
    let tensors = [
        ("a/kernel", Tensor::from_elements(vec![1.0f32, 2.0, 3.0])),
        ("words", Tensor::from_strings([2], vec!["the".into(), "one".into()]).unwrap()),
        ("b", Tensor::from_vec([1, 2], vec![7i64, 8]).unwrap()),
    ];
    let plain = [tensors[0].clone(), tensors[2].clone()];
    let fixture = |name: &str| std::fs::read(fixtures().join("npy").join(name)).unwrap();
    vec![
        (Format::Npz, written(Format::Npz, &tensors).unwrap()),
        (Format::Npz, fixture("two.npz")),
        (Format::Npz, fixture("one.npz")),
        (Format::Npy, fixture("column.npy")),
        (Format::Npy, fixture("texts.npy")),
        (Format::Safetensors, written(Format::Safetensors, &plain).unwrap()),
    ]
}

#[test]
fn truncated_files_are_data_loss() {
    for (format, content) in sound_files() {
        assert!(read_all(&open(format, content.clone()).unwrap()).is_ok());
        for len in 0..content.len() {
            let result = open(format, content[..len].to_vec()).and_then(|reader| read_all(&reader));
            let error = result.unwrap_err();
            assert_eq!(error.code().name(), "DATA_LOSS", "{format} {len}: {error}");
        }
    }
}

#[test]
fn a_flipped_bit_of_an_archive_gives_an_error_or_the_same_contents() {
    for (format, content) in sound_files() {
        if format != Format::Npz {
            continue;
        }
        let sound = read_all(&open(format, content.clone()).unwrap()).unwrap();
        let mut n_refused = 0;
        for bit in 0..content.len() * 8 {
            let mut damaged = content.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            match open(format, damaged).and_then(|reader| read_all(&reader)) {
                Ok(all) => assert_eq!(all, sound, "bit {bit}"),
                Err(error) => {
                    let code = error.code().name();
                    assert!(["DATA_LOSS", "UNIMPLEMENTED"].contains(&code), "bit {bit}: {error}");
                    n_refused += 1;
                }
            }
        }
        // What may change unseen: dates, versions, permissions, lengths in front of members.
        assert!(n_refused * 10 > content.len() * 8 * 6, "{n_refused} of {}", content.len() * 8);
    }
}

#[test]
fn flipped_bits_of_arrays_do_no_harm() {
    for case in cases().iter().filter(|case| case["format"] == "npy") {
        let content = decode(&case["file"]);
        for bit in 0..content.len() * 8 {
            let mut damaged = content.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let Ok(reader) = open(Format::Npy, damaged) else { continue };
            if let Ok(all) = read_all(&reader) {
                let member = &reader.members()[0];
                assert_eq!(
                    (all[0].1.shape(), Some(all[0].1.dtype())),
                    (&member.shape, member.dtype)
                );
            }
        }
    }
}

#[test]
fn random_changes_do_no_harm() {
    let mut state = 11u64;
    let mut random = |n: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % n
    };
    for (format, content) in sound_files() {
        for _ in 0..3000 {
            let mut damaged = content.clone();
            for _ in 0..=random(4) {
                let at = random(damaged.len());
                match random(5) {
                    0 => damaged[at] ^= 1 << random(8),
                    1 => damaged[at] = [0, 1, 0x7f, 0x80, 0xff][random(5)],
                    2 => _ = damaged.remove(at),
                    3 => damaged.insert(at, random(256) as u8),
                    _ => {
                        let end = (at + random(9)).min(damaged.len());
                        damaged[at..end].fill(0xff);
                    }
                }
            }
            if let Ok(reader) = open(format, damaged) {
                let _ = read_all(&reader);
            }
        }
    }
}
