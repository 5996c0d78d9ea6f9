use std::fs;
use std::path::{Path, PathBuf};

use flowkeep_bundle::{ReaderOptions, VerifyOptions};
use flowkeep_ckpt::{Format, Output, convert, salvage, verify};
use flowkeep_tensor::Tensor;

use crate::common::{fixture, names, open, save, save_sliced, v2};

fn data(prefix: &Path) -> PathBuf {
    format!("{}.data-00000-of-00001", prefix.display()).into()
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x20;
    fs::write(path, bytes).unwrap();
}

#[test]
fn what_is_intact_is_saved_and_what_is_not_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let prefix = dir.path().join("p");
    let tensors = [
        ("a", Tensor::scalar(1.5f32)),
        ("b", Tensor::scalar(2.5f32)),
        ("c", Tensor::scalar(3.5f32)),
    ];
    save(&prefix, &tensors);
    flip(&data(&prefix), 5);
    let output = v2(&dir.path().join("saved"));
    let salvaged = salvage(&prefix, ReaderOptions::default(), &output, |_| |_| ()).unwrap();
    assert_eq!(salvaged.kept.iter().map(ToString::to_string).collect::<Vec<_>>(), ["a", "c"]);
    let [(lost, error)] = &salvaged.lost[..] else { panic!("{:?}", salvaged.lost) };
    assert_eq!((lost.to_string().as_str(), error.code().name()), ("b", "DATA_LOSS"));
    assert!(salvaged.index_damage.is_empty() && salvaged.uncertain.is_empty());
    assert_eq!(names(&open(&output.path)), ["a", "c"]);
    let verified = verify(&open(&prefix), VerifyOptions::default());
    assert!(!verified.is_sound());
    assert!(verify(&open(&output.path), VerifyOptions::default()).is_sound());

    // The index, too.
    flip(&prefix.with_extension("index"), 3);
    assert!(flowkeep_ckpt::Checkpoint::open(&prefix).is_err());
    let output = Output { overwrite: true, ..output };
    let salvaged = salvage(&prefix, ReaderOptions::default(), &output, |_| |_| ()).unwrap();
    assert_eq!(salvaged.kept.len(), 2);
    assert_eq!(salvaged.uncertain, salvaged.kept);
    assert!(!salvaged.index_damage.is_empty());
    assert_eq!(open(&output.path).tensor("c").unwrap().to_scalar::<f32>().unwrap(), 3.5);

    fs::write(data(&prefix), "").unwrap();
    let error = salvage(&prefix, ReaderOptions::default(), &output, |_| |_| ()).unwrap_err();
    assert_eq!(error.code().name(), "DATA_LOSS");
    assert!(error.to_string().contains("is intact"), "{error}");
    // Nothing was overwritten.
    assert_eq!(names(&open(&output.path)), ["a", "c"]);
    let missing =
        salvage(&dir.path().join("nowhere"), ReaderOptions::default(), &output, |_| |_| ());
    assert_eq!(missing.unwrap_err().code().name(), "NOT_FOUND");
}

#[test]
fn a_tensor_with_a_damaged_slice_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let prefix = dir.path().join("p");
    save_sliced(&prefix, 0);
    flip(&data(&prefix), 9);
    let output = v2(&dir.path().join("saved"));
    let salvaged = salvage(&prefix, ReaderOptions::default(), &output, |_| |_| ()).unwrap();
    assert_eq!(salvaged.lost.len(), 1);
    assert_eq!(names(&open(&output.path)), ["only0"]);
}

#[test]
fn other_formats_are_checked_and_salvaged_tensor_by_tensor() {
    let dir = tempfile::tempdir().unwrap();
    let big = Tensor::from_elements(vec![1i32; 600_000]);
    let source = save(&dir.path().join("p"), &[("a", big.clone()), ("b", big.clone()), ("c", big)]);
    for name in ["v1", "npz"] {
        let path = dir.path().join(format!("p.{name}"));
        let format = Format::from_name(name).unwrap();
        convert(&source, &Default::default(), &Output::new(&path, format), None).unwrap();
        let verified = verify(&open(&path), VerifyOptions::default());
        assert!(verified.is_sound());
        assert_eq!((verified.n_tensors, verified.n_bytes), (3, 7_200_000), "{name}");
        let middle = fs::metadata(&path).unwrap().len() / 2;
        flip(&path, middle as usize);
        let verified = verify(&open(&path), VerifyOptions { threads: 2, progress: None });
        assert_eq!(verified.damaged.len(), 1, "{name}");
        let output = Output::new(dir.path().join(format!("saved.{name}")), format);
        let salvaged = salvage(&path, ReaderOptions::default(), &output, |_| |_| ()).unwrap();
        assert_eq!((salvaged.kept.len(), salvaged.lost.len()), (2, 1), "{name}");
        assert_eq!(open(&output.path).tensors().len(), 2);
    }
    let sound = verify(&fixture("object_graphs/state"), VerifyOptions::default());
    assert!(sound.is_sound(), "{:?}", sound.damaged);
}
