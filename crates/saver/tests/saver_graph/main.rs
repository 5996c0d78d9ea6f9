//! The graph that TensorFlow's own `tf.train.Saver` builds, run from end to end: it restores
//! TensorFlow's checkpoint and saves the same files again (`fixtures/savers`).
//!
//! `v1` has the Savers that write V1 checkpoints, `exports` what TensorFlow wrote long ago.

mod exports;
mod v1;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use flowkeep_bundle::BundleReader;
use flowkeep_graph::{ImportOptions, MetaGraph};
use flowkeep_proto::pb;
use flowkeep_runtime::{Error, Registry, Session, SessionOptions};
use flowkeep_tensor::{Code, Tensor};
use prost::Message;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

fn fixture(name: &str) -> PathBuf {
    fixtures().join("savers").join(name)
}

/// The tensors and the op that a Saver uses.
struct Names {
    filename: String,
    save: String,
    restore: String,
}

/// A meta graph in a new session, and the names of its Saver.
fn open(meta_graph: &Path) -> (Session, Names) {
    let def = fs::read(meta_graph).unwrap();
    let def = pb::MetaGraphDef::decode(&def[..]).unwrap();
    let meta_graph = MetaGraph::import(def, &ImportOptions::default()).unwrap();
    let mut registry = Registry::standard();
    flowkeep_saver::register(&mut registry);
    let options = SessionOptions { registry, threads: 3, ..SessionOptions::default() };
    let saver = meta_graph.saver_def.unwrap();
    let names = Names {
        filename: saver.filename_tensor_name,
        save: saver.save_tensor_name,
        restore: saver.restore_op_name,
    };
    (Session::new(meta_graph.graph, options), names)
}

/// A graph in a new session, and the names of its two Savers: the sharded one, which the meta graph
/// tells, and the other.
fn open_with_both(meta_graph: &str) -> (Session, [Names; 2]) {
    let (session, sharded) = open(&fixture(meta_graph));
    let whole = Names {
        filename: "save_1/Const:0".into(),
        save: "save_1/control_dependency:0".into(),
        restore: "save_1/restore_all".into(),
    };
    (session, [sharded, whole])
}

fn session() -> (Session, [Names; 2]) {
    open_with_both("sharded.meta")
}

fn feed(prefix: &Path) -> Tensor {
    Tensor::scalar_string(prefix.to_str().unwrap().to_owned())
}

/// What comes of saving: the path under which the checkpoint is restored.
fn fetch_saved(session: &Session, names: &Names, prefix: &Path) -> Result<PathBuf, Error> {
    let saved = session.run(&[(&names.filename, feed(prefix))], &[&names.save], &[])?;
    let path = saved[0].as_strings().unwrap()[0].to_vec();
    Ok(String::from_utf8(path).unwrap().into())
}

fn save(session: &Session, names: &Names, prefix: &Path) {
    assert_eq!(fetch_saved(session, names, prefix).unwrap(), prefix);
}

fn restore(session: &Session, names: &Names, prefix: &Path) {
    session.run(&[(&names.filename, feed(prefix))], &[], &[&names.restore]).unwrap();
}

/// All files of a checkpoint, by what follows the prefix in their names.
fn files(prefix: &Path) -> BTreeMap<String, Vec<u8>> {
    let name = prefix.file_name().unwrap().to_str().unwrap();
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(prefix.parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        let suffix = path.file_name().unwrap().to_str().unwrap().strip_prefix(name);
        if let Some(suffix) = suffix.filter(|suffix| *suffix != ".meta") {
            files.insert(suffix.to_owned(), fs::read(&path).unwrap());
        }
    }
    files
}

#[test]
fn what_was_restored_is_saved_in_tensorflows_bytes() {
    let golden = [fixture("sharded"), fixture("whole")];
    for (from, golden_from) in golden.iter().enumerate() {
        for (to, golden_to) in golden.iter().enumerate() {
            let dir = tempfile::tempdir().unwrap();
            let (session, savers) = session();
            restore(&session, &savers[from], golden_from);
            let prefix = dir.path().join("model");
            save(&session, &savers[to], &prefix);
            assert_eq!(files(&prefix), files(golden_to), "{from} to {to}");
            let names: Vec<_> = fs::read_dir(prefix.parent().unwrap()).unwrap().collect();
            assert_eq!(names.len(), files(&prefix).len(), "{names:?}");
        }
    }
}

#[test]
fn either_saver_restores_what_the_other_saved() {
    let dir = tempfile::tempdir().unwrap();
    let (first, savers) = session();
    restore(&first, &savers[0], &fixture("sharded"));
    for (from, to) in [(0, 1), (1, 0)] {
        let prefix = dir.path().join(format!("model-{from}"));
        save(&first, &savers[from], &prefix);
        let (second, _) = session();
        restore(&second, &savers[to], &prefix);
        let fetches = ["z/kernel:0", "words:0", "cells/part_1/Read/ReadVariableOp:0"];
        let values = second.run(&[], &fetches, &[]).unwrap();
        assert_eq!(values, first.run(&[], &fetches, &[]).unwrap());
        assert_eq!(values[2].as_slice::<i16>().unwrap(), &[4, 5, 6, 7]);
    }
}

#[test]
fn saving_again_replaces_the_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let (prefix, other) = (dir.path().join("model"), dir.path().join("other"));
    let (session, savers) = session();
    restore(&session, &savers[0], &fixture("sharded"));
    let assigned = Tensor::scalar(7i64);
    for saver in [&savers[0], &savers[1], &savers[1], &savers[0], &savers[0]] {
        save(&session, saver, &prefix);
        let reader = BundleReader::open(&prefix).unwrap();
        assert_eq!(reader.tensor("global_step").unwrap(), Tensor::scalar(1i64 << 40));
        // One index, and only the data files that belong to it.
        let n_files = 1 + usize::try_from(reader.header().n_shards).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), n_files);
    }
    // A value that is fed in place of the variable's is saved as well.
    let feeds =
        [(&*savers[1].filename, feed(&prefix)), ("global_step/Read/ReadVariableOp:0", assigned)];
    session.run(&feeds, &[&savers[1].save], &[]).unwrap();
    restore(&session, &savers[0], &prefix);
    save(&session, &savers[0], &other);
    let step = BundleReader::open(&other).unwrap().tensor("global_step").unwrap();
    assert_eq!(step, Tensor::scalar(7i64));
}

/// As in TensorFlow: the first data goes into a directory beside the prefix, and a missing directory
/// above that is one too many.
#[test]
fn only_the_saver_that_is_not_sharded_makes_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let (session, [sharded, whole]) = session();
    restore(&session, &whole, &fixture("whole"));
    let prefix = dir.path().join("new/model");
    let error = fetch_saved(&session, &sharded, &prefix).unwrap_err();
    assert_eq!(error.code(), Code::NotFound, "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    save(&session, &whole, &prefix);
    assert_eq!(files(&prefix), files(&fixture("whole")));
}

#[test]
fn nothing_appears_when_a_variable_has_no_value() {
    let dir = tempfile::tempdir().unwrap();
    let (session, savers) = session();
    for saver in &savers {
        let prefix = dir.path().join("model");
        let error = fetch_saved(&session, saver, &prefix).unwrap_err();
        assert_eq!(error.code(), Code::FailedPrecondition, "{error}");
        assert!(files(&prefix).is_empty(), "{:?}", files(&prefix).keys());
    }
}
