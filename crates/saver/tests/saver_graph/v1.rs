//! Savers that write V1 checkpoints.

use super::*;

const META_GRAPH: &str = "v1_sharded.meta";

/// Each of these restores what any other saved, as in TensorFlow, and saves what it always saves.
#[test]
fn every_saver_restores_both_formats_and_saves_its_own_in_tensorflows_bytes() {
    let checkpoints = ["sharded", "whole", "v1_sharded-?????-of-00003", "v1_whole"];
    let savers = [
        ("sharded.meta", 0, "sharded", ""),
        ("sharded.meta", 1, "whole", ""),
        (META_GRAPH, 0, "v1_sharded", "-?????-of-00003"),
        (META_GRAPH, 1, "v1_whole", ""),
    ];
    for from in checkpoints {
        for (meta_graph, saver, golden, pattern) in savers {
            let dir = tempfile::tempdir().unwrap();
            let (session, savers) = open_with_both(meta_graph);
            restore(&session, &savers[saver], &fixture(from));
            let prefix = dir.path().join("model");
            let path = fetch_saved(&session, &savers[saver], &prefix).unwrap();
            assert_eq!(path, dir.path().join(format!("model{pattern}")));
            assert_eq!(files(&prefix), files(&fixture(golden)), "{from} to {golden}");
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), files(&prefix).len());
            // What was saved can be restored under the path that came of it.
            restore(&open_with_both(meta_graph).0, &savers[saver], &path);
        }
    }
}

#[test]
fn saving_again_replaces_each_file() {
    let dir = tempfile::tempdir().unwrap();
    let prefix = dir.path().join("model");
    let (session, savers) = open_with_both(META_GRAPH);
    restore(&session, &savers[1], &fixture("v1_whole"));
    for (saver, n_files) in [(&savers[0], 3), (&savers[0], 3), (&savers[1], 4), (&savers[1], 4)] {
        fetch_saved(&session, saver, &prefix).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), n_files);
    }
    assert_eq!(fs::read(&prefix).unwrap(), fs::read(fixture("v1_whole")).unwrap());
}

/// As in TensorFlow, which makes it only for V2 checkpoints.
#[test]
fn no_directory_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let (session, savers) = open_with_both(META_GRAPH);
    restore(&session, &savers[0], &fixture("v1_whole"));
    for saver in &savers {
        let error = fetch_saved(&session, saver, &dir.path().join("new/model")).unwrap_err();
        assert_eq!(error.code(), Code::NotFound, "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}

#[test]
fn nothing_appears_when_a_variable_has_no_value() {
    let dir = tempfile::tempdir().unwrap();
    let (session, [sharded, whole]) = open_with_both(META_GRAPH);
    for saver in [&whole, &sharded] {
        let error = fetch_saved(&session, saver, &dir.path().join("model")).unwrap_err();
        assert_eq!(error.code(), Code::FailedPrecondition, "{error}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_missing_file_is_told_by_the_tensors_that_are_missing() {
    let dir = tempfile::tempdir().unwrap();
    for number in [0, 2] {
        let name = format!("v1_sharded-{number:05}-of-00003");
        fs::copy(fixture(&name), dir.path().join(name)).unwrap();
    }
    let pattern = dir.path().join("v1_sharded-?????-of-00003");
    let (session, [sharded, whole]) = open_with_both(META_GRAPH);
    for saver in [sharded, whole] {
        let feeds = [(&*saver.filename, feed(&pattern))];
        let error = session.run(&feeds, &[], &[&saver.restore]).unwrap_err();
        assert_eq!(error.code(), Code::NotFound);
        let message = error.to_string();
        let wanted =
            format!("Tensor name \"flags\" not found in checkpoint files {}", pattern.display());
        assert!(message.contains(&wanted), "{message}");
    }
}
