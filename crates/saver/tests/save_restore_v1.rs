//! V1 checkpoints: what TensorFlow's results cannot show, since it aborts, does otherwise, or its
//! files would have no names in a fixture.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use flowkeep_bundle::V1Reader;
use flowkeep_graph::{Graph, ImportOptions};
use flowkeep_proto::{pb, text};
use flowkeep_runtime::{Error, Registry, Session, SessionOptions};
use flowkeep_saver::{Durability, SaverOptions};
use flowkeep_tensor::{Code, DType, Tensor};

/// A graph in which nodes save two tensors of type float, or one of type int8, and restore a float.
const GRAPH: &str = "
    node { name: 'path' op: 'Placeholder' attr { key: 'dtype' value { type: DT_STRING } } }
    node { name: 'names' op: 'Placeholder' attr { key: 'dtype' value { type: DT_STRING } } }
    node { name: 'specs' op: 'Placeholder' attr { key: 'dtype' value { type: DT_STRING } } }
    node { name: 'x' op: 'Placeholder' attr { key: 'dtype' value { type: DT_FLOAT } } }
    node { name: 'y' op: 'Placeholder' attr { key: 'dtype' value { type: DT_FLOAT } } }
    node { name: 'bytes' op: 'Placeholder' attr { key: 'dtype' value { type: DT_INT8 } } }
    node { name: 'save' op: 'Save' input: ['path', 'names', 'x', 'y']
           attr { key: 'T' value { list { type: [DT_FLOAT, DT_FLOAT] } } } }
    node { name: 'save_slices' op: 'SaveSlices' input: ['path', 'names', 'specs', 'x', 'y']
           attr { key: 'T' value { list { type: [DT_FLOAT, DT_FLOAT] } } } }
    node { name: 'save_bytes' op: 'Save' input: ['path', 'names', 'bytes']
           attr { key: 'T' value { list { type: DT_INT8 } } } }
    node { name: 'restore' op: 'Restore' input: ['path', 'names']
           attr { key: 'dt' value { type: DT_FLOAT } } }
    node { name: 'restore_slice' op: 'RestoreSlice' input: ['path', 'names', 'specs']
           attr { key: 'dt' value { type: DT_FLOAT } } }
    node { name: 'restore_v2' op: 'RestoreV2' input: ['path', 'names', 'specs']
           attr { key: 'dtypes' value { list { type: DT_FLOAT } } } }";

const RESTORING: [&str; 3] = ["restore", "restore_slice", "restore_v2"];

struct Ops(Session);

impl Ops {
    fn with(options: SaverOptions) -> Ops {
        let def: pb::GraphDef = text::parse_message(GRAPH).unwrap();
        let graph = Graph::import(def, &ImportOptions::default()).unwrap();
        let mut registry = Registry::standard();
        flowkeep_saver::register_with(&mut registry, options);
        let options = SessionOptions { registry, ..SessionOptions::default() };
        Ops(Session::new(Arc::new(graph), options))
    }

    fn new() -> Ops {
        Ops::with(SaverOptions::default())
    }

    fn run(
        &self,
        path: &Path,
        [names, specs]: [&[&[u8]]; 2],
        fetches: &[&str],
        targets: &[&str],
    ) -> Result<Vec<Tensor>, Error> {
        let strings = |values: &[&[u8]]| {
            let values: Vec<_> = values.iter().map(|value| value.to_vec().into()).collect();
            Tensor::from_strings([values.len()], values).unwrap()
        };
        let feeds = [
            ("path", Tensor::scalar_string(path.as_os_str().as_encoded_bytes().to_vec())),
            ("names", strings(names)),
            ("specs", strings(specs)),
            ("x", Tensor::from_elements(vec![1.0f32, 2.0])),
            ("y", Tensor::from_elements(vec![3.0f32, 4.0])),
            ("bytes", Tensor::zeros(DType::I8, [(1 << 28) - 20]).unwrap()),
        ];
        self.0.run(&feeds, fetches, targets)
    }

    /// Saves x and y under these names.
    fn save(&self, path: &Path, names: [&[u8]; 2]) -> Result<(), Error> {
        self.run(path, [&names, &[]], &[], &["save"]).map(drop)
    }

    /// Restores a tensor by the node `by`.
    fn restore(&self, by: &str, path: &Path, name: &[u8]) -> Result<Vec<f32>, Error> {
        let restored = self.run(path, [&[name], &[b""]], &[by], &[])?;
        Ok(restored[0].as_slice().unwrap().to_vec())
    }
}

/// It does so without an error, but cannot read the files, and ours replace one that can be read.
#[test]
fn what_tensorflow_writes_and_cannot_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (ops, path) = (Ops::new(), dir.path().join("m"));
    ops.save(&path, [b"old", b"older"]).unwrap();
    let old = fs::read(&path).unwrap();
    type Case<'a> = (&'a str, [&'a [u8]; 2], [&'a str; 2], &'a str);
    let cases: [Case<'_>; 4] = [
        ("save", [b"v", b"v"], ["", ""], "Adding duplicate key: v"),
        ("save_slices", [b"v", b"v"], ["3 0,2", "3 0,2"], "Adding duplicate key: v"),
        (
            "save_slices",
            [b"v", b"v"],
            ["3 0,2", "3 1,2"],
            "Overlapping slices of tensor v: 0,2 and 1,2",
        ),
        (
            "save",
            [b"v", b"w\xff"],
            ["", ""],
            "tensor name w\u{fffd} is not UTF-8, as V1 checkpoints want it",
        ),
    ];
    for (save, names, specs, words) in cases {
        let specs = specs.map(str::as_bytes);
        let error = ops.run(&path, [&names, &specs], &[], &[save]).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(fs::read(&path).unwrap(), old);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}

/// TensorFlow's estimate for this tensor; it allows ten bytes for each integer.
#[test]
fn tensors_that_may_not_fit_a_record_are_refused_in_tensorflows_words() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    let error = Ops::new().run(&path, [&[b"w"], &[]], &[], &["save_bytes"]).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    let words = "Tensor slice is too large to serialize (conservative estimate: 2684355391 bytes)";
    assert!(error.to_string().contains(words), "{error}");
    assert!(!path.exists());
}

/// TensorFlow says the same, but as `INVALID_ARGUMENT`.
#[test]
fn damaged_records_are_data_loss_in_tensorflows_words() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/hostile/v1.json");
    let cases: serde_json::Value = serde_json::from_slice(&fs::read(fixture).unwrap()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (ops, path) = (Ops::new(), dir.path().join("m"));
    for case in ["too few values", "too many values", "no values", "no record", "record cut off"] {
        let hex = cases[case]["files"][0].as_str().unwrap();
        let digits = |idx: usize| u8::from_str_radix(&hex[idx..idx + 2], 16).unwrap();
        fs::write(&path, (0..hex.len()).step_by(2).map(digits).collect::<Vec<_>>()).unwrap();
        for by in RESTORING {
            let error = ops.restore(by, &path, b"v").unwrap_err();
            assert_eq!(error.code(), Code::DataLoss, "{case}: {error}");
            assert!(error.to_string().starts_with("Error copying slice data: "), "{case}: {error}");
        }
    }
}

#[test]
fn the_index_of_a_bundle_is_told_from_v1_checkpoints() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/bundles/one.index");
    for by in RESTORING {
        let error = Ops::new().restore(by, &path, b"v").unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(error.to_string().contains("is the index of a checkpoint whose prefix is"));
    }
}

/// TensorFlow takes it for a pattern, and reads `a1`.
#[test]
fn a_name_comes_before_a_pattern() {
    let dir = tempfile::tempdir().unwrap();
    let (ops, pattern, other) = (Ops::new(), dir.path().join("a[1]"), dir.path().join("a1"));
    ops.save(&other, [b"v", b"w"]).unwrap();
    for by in RESTORING {
        assert_eq!(ops.restore(by, &pattern, b"w").unwrap(), [3.0, 4.0]);
    }
    ops.save(&pattern, [b"w", b"v"]).unwrap();
    for by in RESTORING {
        assert_eq!(ops.restore(by, &pattern, b"w").unwrap(), [1.0, 2.0]);
    }
}

/// TensorFlow reads beyond the end of the inputs.
#[test]
fn a_slice_needs_a_specification() {
    let dir = tempfile::tempdir().unwrap();
    let (ops, path) = (Ops::new(), dir.path().join("m"));
    ops.save(&path, [b"v", b"w"]).unwrap();
    let error = ops.run(&path, [&[b"v"], &[]], &["restore_slice"], &[]).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    assert!(error.to_string().contains("shape_and_slice must have at least one element"));
}

#[cfg(unix)]
#[test]
fn paths_need_not_be_utf8() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(std::ffi::OsStr::from_bytes(b"\xfem"));
    let ops = Ops::new();
    ops.save(&path, [b"v", b"w"]).unwrap();
    for by in RESTORING {
        assert_eq!(ops.restore(by, &path, b"v").unwrap(), [1.0, 2.0]);
    }
    let names = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.collect::<Vec<_>>(), [path.file_name().unwrap()]);
}

#[test]
fn options_change_nothing_of_what_is_written_and_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    let mut files = Vec::new();
    for (mmap, durability) in [(false, Durability::Synced), (true, Durability::Unsynced)] {
        let ops = Ops::with(SaverOptions { mmap, durability, ..SaverOptions::default() });
        for _ in 0..2 {
            ops.save(&path, [b"v", b"w"]).unwrap();
            files.push(fs::read(&path).unwrap());
        }
        for by in RESTORING {
            assert_eq!(ops.restore(by, &path, b"w").unwrap(), [3.0, 4.0]);
        }
    }
    assert!(files.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(V1Reader::open(&path).unwrap().keys().count(), 2);
}
