use std::path::{Path, PathBuf};

use flowkeep_bundle::{BundleWriter, WriterOptions};
use flowkeep_ckpt::{Checkpoint, Format, Output};
use flowkeep_tensor::{Shape, Tensor};

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

pub(crate) fn open(path: &Path) -> Checkpoint {
    Checkpoint::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn fixture(name: &str) -> Checkpoint {
    open(&fixtures().join(name))
}

pub(crate) fn v2(path: &Path) -> Output {
    Output::new(path, Format::V2)
}

/// The names of all tensors, sorted.
pub(crate) fn names(checkpoint: &Checkpoint) -> Vec<String> {
    let mut names: Vec<_> = checkpoint.tensors().iter().map(|info| info.name.to_string()).collect();
    names.sort();
    names
}

/// A checkpoint of these tensors.
pub(crate) fn save(path: &Path, tensors: &[(&str, Tensor)]) -> Checkpoint {
    let mut writer = BundleWriter::create(path, WriterOptions::default()).unwrap();
    for (name, tensor) in tensors {
        writer.add(name, tensor).unwrap();
    }
    writer.finish().unwrap();
    open(path)
}

/// A checkpoint of one tensor in two slices, and a whole one.
pub(crate) fn save_sliced(path: &Path, from: usize) -> Checkpoint {
    let mut writer = BundleWriter::create(path, WriterOptions::default()).unwrap();
    let shape = Shape::from([4, 2]);
    for row in from..from + 2 {
        let slice = format!("{row},1:-").parse().unwrap();
        let tensor = Tensor::from_vec([1, 2], vec![row as f32; 2]).unwrap();
        writer.add_slice("w", &shape, &slice, &tensor).unwrap();
    }
    writer.add(format!("only{from}"), &Tensor::scalar(from as i64)).unwrap();
    writer.finish().unwrap();
    open(path)
}

/// Whether two checkpoints hold the same tensors.
pub(crate) fn assert_same(a: &Checkpoint, b: &Checkpoint) {
    assert_eq!(names(a), names(b));
    for info in a.tensors() {
        match (a.tensor(&info.name), b.tensor(&info.name)) {
            (Ok(a), Ok(b)) => assert_eq!(a, b, "{}", info.name),
            (Err(a), Err(b)) => assert_eq!(a.code(), b.code(), "{}", info.name),
            (a, b) => panic!("{}: {a:?} {b:?}", info.name),
        }
    }
}
