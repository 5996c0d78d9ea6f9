//! What TensorFlow's results cannot show: it aborts, or its files would have no names in a fixture.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use flowkeep_bundle::{BundleReader, BundleWriter, Variant, WriterOptions};
use flowkeep_graph::{Graph, ImportOptions};
use flowkeep_proto::{pb, text};
use flowkeep_runtime::{Error, Registry, Session, SessionOptions};
use flowkeep_saver::{Durability, Overwrite, SaverOptions, Verify};
use flowkeep_tensor::{Code, Shape, Tensor};

/// A graph in which `save` saves the tensor `x` of type float, and `restore` restores it.
const GRAPH: &str = "
    node { name: 'prefix' op: 'Placeholder' attr { key: 'dtype' value { type: DT_STRING } } }
    node { name: 'names' op: 'Placeholder' attr { key: 'dtype' value { type: DT_STRING } } }
    node { name: 'specs' op: 'Placeholder' attr { key: 'dtype' value { type: DT_STRING } } }
    node { name: 'x' op: 'Placeholder' attr { key: 'dtype' value { type: DT_FLOAT } } }
    node { name: 'save' op: 'SaveV2' input: ['prefix', 'names', 'specs', 'x']
           attr { key: 'dtypes' value { list { type: DT_FLOAT } } } }
    node { name: 'restore' op: 'RestoreV2' input: ['prefix', 'names', 'specs']
           attr { key: 'dtypes' value { list { type: DT_FLOAT } } } }
    node { name: 'copy_prefix' op: 'Placeholder' attr { key: 'dtype' value { type: DT_STRING } } }
    node { name: 'save_restored' op: 'SaveV2' input: ['copy_prefix', 'names', 'specs', 'restore']
           attr { key: 'dtypes' value { list { type: DT_FLOAT } } } }
    node { name: 'variant' op: 'RestoreV2' input: ['prefix', 'names', 'specs']
           attr { key: 'dtypes' value { list { type: DT_VARIANT } } } }
    node { name: 'handle' op: 'VarHandleOp' attr { key: 'dtype' value { type: DT_FLOAT } }
           attr { key: 'shape' value { shape {} } } }
    node { name: 'save_handle' op: 'SaveV2' input: ['prefix', 'names', 'specs', 'handle']
           attr { key: 'dtypes' value { list { type: DT_RESOURCE } } } }";

fn session_with(options: SaverOptions) -> Session {
    let def: pb::GraphDef = text::parse_message(GRAPH).unwrap();
    let graph = Graph::import(def, &ImportOptions::default()).unwrap();
    let mut registry = Registry::standard();
    flowkeep_saver::register_with(&mut registry, options);
    Session::new(Arc::new(graph), SessionOptions { registry, ..SessionOptions::default() })
}

fn session() -> Session {
    session_with(SaverOptions::default())
}

fn bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_encoded_bytes().to_vec()
}

fn run(
    session: &Session,
    prefix: Vec<u8>,
    (name, spec): (&[u8], &str),
    fetches: &[&str],
    targets: &[&str],
) -> Result<Vec<Tensor>, Error> {
    let vector = |value: Vec<u8>| Tensor::from_strings([1], vec![value.into()]).unwrap();
    let feeds = [
        ("prefix", Tensor::scalar_string(prefix)),
        ("names", vector(name.to_vec())),
        ("specs", vector(spec.into())),
        ("x", Tensor::from_elements(vec![1.5f32, -2.0])),
    ];
    session.run(&feeds, fetches, targets)
}

#[test]
fn what_tensorflow_aborts_for_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (session, prefix) = (session(), bytes(&dir.path().join("model")));
    let cases: [(&[u8], &str, &str, Code, &str); 7] = [
        (b"", "", "save", Code::InvalidArgument, "a tensor cannot be stored under the empty key"),
        (
            b"v",
            "",
            "save_handle",
            Code::InvalidArgument,
            "tensor v has data type resource, which cannot be saved",
        ),
        (
            b"v",
            "-2 0,2",
            "save",
            Code::InvalidArgument,
            "Non numerical dimension in shape_and_slice: -2 0,2",
        ),
        (
            b"v",
            "4611686018427387904 4 0,1:0,2",
            "save",
            Code::InvalidArgument,
            "does not match the shape of the tensor to  save",
        ),
        (
            b"v",
            "4611686018427387904 0,2",
            "save",
            Code::InvalidArgument,
            "tensor v of shape [4611686018427387904] is too large",
        ),
        (
            b"v",
            "2 9223372036854775806,5",
            "save",
            Code::InvalidArgument,
            "Expected non-negative start and positive length but got start = 9223372036854775806",
        ),
        (b"", "", "restore", Code::NotFound, "Failed to find any matching files for "),
    ];
    for (name, spec, target, code, words) in cases {
        let error = run(&session, prefix.clone(), (name, spec), &[], &[target]).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}

#[test]
fn the_empty_name_is_no_tensor() {
    let dir = tempfile::tempdir().unwrap();
    let (session, prefix) = (session(), bytes(&dir.path().join("model")));
    run(&session, prefix.clone(), (b"v", ""), &[], &["save"]).unwrap();
    let error = run(&session, prefix, (b"", ""), &["restore"], &[]).unwrap_err();
    assert_eq!(error.code(), Code::NotFound, "{error}");
}

#[test]
fn variants_cannot_be_restored_yet() {
    let dir = tempfile::tempdir().unwrap();
    let prefix = dir.path().join("model");
    let mut writer = BundleWriter::create(&prefix, WriterOptions::default()).unwrap();
    let shard = writer.shortest().unwrap();
    shard.add_variants("list", &Shape::SCALAR, &[Variant::from_bytes(Default::default())]).unwrap();
    writer.finish().unwrap();
    let error = run(&session(), bytes(&prefix), (b"list", ""), &["variant"], &[]).unwrap_err();
    assert_eq!(error.code(), Code::Unimplemented, "{error}");
    assert!(error.to_string().contains("tensor list has data type variant"), "{error}");
}

/// TensorFlow takes a prefix that has a pattern's signs for a pattern, and does not find it.
#[test]
fn a_prefix_is_no_pattern() {
    let dir = tempfile::tempdir().unwrap();
    let (session, prefix) = (session(), bytes(&dir.path().join("a[1]")));
    run(&session, prefix.clone(), (b"v", ""), &[], &["save"]).unwrap();
    let restored = run(&session, prefix, (b"v", ""), &["restore"], &[]).unwrap();
    assert_eq!(restored[0].as_slice::<f32>().unwrap(), &[1.5, -2.0]);
}

#[cfg(unix)]
#[test]
fn names_and_paths_need_not_be_utf8() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    let prefix = dir.path().join(std::ffi::OsStr::from_bytes(b"\xff/\xfem"));
    let session = session();
    run(&session, bytes(&prefix), (b"v\xff", ""), &[], &["save"]).unwrap();
    let restored = run(&session, bytes(&prefix), (b"v\xff", "2 1,1"), &["restore"], &[]).unwrap();
    assert_eq!(restored[0].as_slice::<f32>().unwrap(), &[-2.0]);
    let mut names: Vec<_> = fs::read_dir(prefix.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().as_bytes().to_vec())
        .collect();
    names.sort();
    assert_eq!(names, [&b"\xfem.data-00000-of-00001"[..], b"\xfem.index"]);
}

#[test]
fn options_say_how_files_are_named_and_read() {
    for (overwrite, n_shards) in [(Overwrite::Atomic, 2), (Overwrite::SameNames, 1)] {
        for mmap in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let prefix = dir.path().join("model");
            let options = SaverOptions {
                mmap,
                durability: Durability::Unsynced,
                overwrite,
                verify: if mmap { Verify::AtFirstUse } else { Verify::AtLoad },
            };
            let session = session_with(options);
            for _ in 0..2 {
                run(&session, bytes(&prefix), (b"v", ""), &[], &["save"]).unwrap();
            }
            assert_eq!(BundleReader::open(&prefix).unwrap().header().n_shards, n_shards);
            let restored = run(&session, bytes(&prefix), (b"v", ""), &["restore"], &[]).unwrap();
            assert_eq!(restored[0].as_slice::<f32>().unwrap(), &[1.5, -2.0]);
        }
    }
}

#[test]
fn damage_is_found_at_load_or_by_who_first_uses_the_tensor() {
    let dir = tempfile::tempdir().unwrap();
    let (prefix, copy) = (dir.path().join("model"), dir.path().join("copy"));
    run(&session(), bytes(&prefix), (b"v", ""), &[], &["save"]).unwrap();
    let data = dir.path().join("model.data-00000-of-00001");
    let mut stored = fs::read(&data).unwrap();
    stored[5] ^= 0x40;
    fs::write(&data, stored).unwrap();
    for verify in [Verify::AtLoad, Verify::AtFirstUse] {
        let options = SaverOptions { mmap: true, verify, ..SaverOptions::default() };
        let session = session_with(options);
        let restored = run(&session, bytes(&prefix), (b"v", ""), &[], &["restore"]);
        assert_eq!(restored.is_ok(), verify == Verify::AtFirstUse);
        let fetched = run(&session, bytes(&prefix), (b"v", ""), &["restore"], &[]);
        let saved = session.run(
            &[
                ("prefix", Tensor::scalar_string(bytes(&prefix))),
                ("names", Tensor::from_strings([1], vec!["v".into()]).unwrap()),
                ("specs", Tensor::from_strings([1], vec!["".into()]).unwrap()),
                ("copy_prefix", Tensor::scalar_string(bytes(&copy))),
            ],
            &[],
            &["save_restored"],
        );
        for error in [fetched.unwrap_err(), saved.unwrap_err()] {
            assert_eq!(error.code(), Code::DataLoss, "{error}");
            assert!(error.to_string().contains("tensor v at byte 0 of"), "{error}");
        }
        assert!(!copy.with_extension("index").exists());
    }
}
