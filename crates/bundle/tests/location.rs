//! Which checkpoint a path means, in directories made of checkpoints that TensorFlow wrote.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use flowkeep_bundle::location::{FileKind, Reached};
use flowkeep_bundle::{
    BundleReader, CheckpointFormat, CheckpointState, Location, list_checkpoints,
};
use flowkeep_tensor::Code;

use CheckpointFormat::{V1, V2};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

/// A directory that is filled with checkpoints.
struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Dir {
        Dir(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn copy(&self, from: &str, name: &str) {
        let to = self.path(name);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(fixtures().join(from), to).unwrap();
    }

    /// A V2 checkpoint with a meta graph.
    fn v2(&self, prefix: &str) {
        for suffix in ["index", "data-00000-of-00001"] {
            self.copy(&format!("bundles/one.{suffix}"), &format!("{prefix}.{suffix}"));
        }
        self.write(&format!("{prefix}.meta"), "");
    }

    /// A V1 checkpoint, or one of several files of one.
    fn v1(&self, path: &str) {
        self.copy("saved_models/bad_half_plus_two/00000123/export", path);
    }

    fn write(&self, name: &str, contents: &str) {
        fs::write(self.path(name), contents).unwrap();
    }

    fn state(&self, name: &str, paths: &[&str]) {
        let state = CheckpointState {
            model_checkpoint_path: paths.last().unwrap().into(),
            all_model_checkpoint_paths: paths.iter().map(PathBuf::from).collect(),
            ..CheckpointState::default()
        };
        self.write(name, &state.to_text().unwrap());
    }

    /// What a path below the directory means, in words, with `DIR` for the directory.
    fn find(&self, name: &str) -> String {
        let dir = self.0.path().display().to_string();
        match Location::find(&self.path(name)) {
            Ok(location) => {
                if location.format == V2 {
                    BundleReader::open(&location.prefix).unwrap();
                }
                assert!(!location.files.is_empty() && location.files.iter().all(|f| f.is_file()));
                location.to_string().replace(&dir, "DIR")
            }
            Err(error) => format!("{:?} {}", error.code(), error.to_string().replace(&dir, "DIR")),
        }
    }
}

#[track_caller]
fn check(dir: &Dir, name: &str, expected: &str) {
    assert_eq!(dir.find(name), expected, "{name}");
}

#[test]
fn every_file_of_a_checkpoint_leads_to_it() {
    let dir = Dir::new();
    dir.v2("m-1");
    dir.v1("n-2");
    dir.write("n-2.meta", "");
    for number in [0, 2] {
        dir.v1(&format!("s-3-0000{number}-of-00003"));
    }
    dir.write("s-3.meta", "");
    for (name, expected) in [
        ("m-1", "DIR/m-1 (V2)"),
        ("m-1.index", "DIR/m-1 (V2), by its index"),
        ("m-1.data-00000-of-00001", "DIR/m-1 (V2), by its data file"),
        ("m-1.meta", "DIR/m-1 (V2), by its meta graph"),
        ("n-2", "DIR/n-2 (V1)"),
        ("n-2.meta", "DIR/n-2 (V1), by its meta graph"),
        ("s-3-?????-of-00003", "DIR/s-3-?????-of-00003 (V1, 2 of 3 files)"),
        ("s-3-00002-of-00003", "DIR/s-3-?????-of-00003 (V1, 2 of 3 files), by its shard"),
        ("s-3.meta", "DIR/s-3-?????-of-00003 (V1, 2 of 3 files), by its meta graph"),
        ("s-3", "DIR/s-3-?????-of-00003 (V1, 2 of 3 files)"),
    ] {
        check(&dir, name, expected);
    }
    let location = Location::find(&dir.path("m-1.meta")).unwrap();
    assert_eq!(location.prefix, dir.path("m-1"));
    assert_eq!((location.format, location.reached), (V2, Reached::File(FileKind::MetaGraph)));
    assert_eq!(location.files, [dir.path("m-1.index"), dir.path("m-1.data-00000-of-00001")]);
    let location = Location::find(&dir.path("s-3")).unwrap();
    assert_eq!(location.files, ["s-3-00000-of-00003", "s-3-00002-of-00003"].map(|n| dir.path(n)));
}

#[test]
fn a_v2_checkpoint_comes_before_a_v1_checkpoint() {
    let dir = Dir::new();
    dir.v1("m");
    check(&dir, "m", "DIR/m (V1)");
    dir.v2("m");
    check(&dir, "m", "DIR/m (V2)");
    check(&dir, "", &format!("m (V2), the only checkpoint in {}", "DIR/"));
}

#[test]
fn directories_lead_to_the_latest() {
    let dir = Dir::new();
    for step in [1, 2, 3] {
        dir.v2(&format!("train/model.ckpt-{step}"));
    }
    let paths = ["model.ckpt-1", "model.ckpt-2", "model.ckpt-3"];
    dir.state("train/checkpoint", &paths);
    let latest = "model.ckpt-3 (V2), the latest of 3 in DIR/train/checkpoint";
    check(&dir, "train", latest);
    check(&dir, "train/checkpoint", latest);
    dir.state("train/other", &paths[..1]);
    check(&dir, "train/other", "model.ckpt-1 (V2), the latest in DIR/train/other");
    let absolute = dir.path("train/model.ckpt-2");
    fs::create_dir(dir.path("states")).unwrap();
    dir.state("states/checkpoint", &[absolute.to_str().unwrap()]);
    check(&dir, "states", "DIR/train/model.ckpt-2 (V2), the latest in DIR/states/checkpoint");
}

#[test]
fn a_latest_that_is_gone_is_not_replaced_by_another() {
    let dir = Dir::new();
    dir.v2("m-1");
    dir.v1("m-2");
    dir.state("checkpoint", &["m-1", "m-2", "m-3"]);
    let expected = "NotFound Couldn't find 'checkpoint' file or checkpoints in given directory DIR: \
                    DIR/checkpoint names DIR/m-3, which is not there; the directory has m-1, m-2";
    check(&dir, "checkpoint", expected);
    let error = Location::find(dir.0.path()).unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    assert!(error.to_string().contains("names"), "{error}");
}

#[test]
fn stale_absolute_paths_are_looked_up_beside_the_state_file() {
    let model = fixtures().join("saved_models/bad_half_plus_two/00000123");
    let location = Location::find(&model).unwrap();
    assert_eq!((&location.prefix, location.format), (&model.join("export"), V1));
    assert_eq!(
        location.to_string(),
        format!(
            "export (V1), the latest in {0}/checkpoint; it is beside that file and not at \
             /tmp/bad_half_plus_two/00000123/export",
            model.display()
        )
    );
    let moved_from = Some(PathBuf::from("/tmp/bad_half_plus_two/00000123/export"));
    let path = model.join("checkpoint");
    assert_eq!(location.reached, Reached::StateFile { path, n_listed: 1, moved_from });
    let listed = list_checkpoints(&model).unwrap();
    assert!(listed.len() == 1 && listed[0].is_latest && listed[0].is_listed);

    let sharded = fixtures().join("saved_models/session_bundle_half_plus_two/00000123");
    let location = Location::find(&sharded).unwrap();
    assert_eq!(location.prefix, sharded.join("export-?????-of-00001"));
    let line =
        format!("export-?????-of-00001 (V1, 1 file), the only checkpoint in {}", sharded.display());
    assert_eq!(location.to_string(), line);
    assert_eq!(Location::find(&sharded.join("export.meta")).unwrap().prefix, location.prefix);
}

#[test]
fn saved_models_lead_to_their_variables() {
    for model in ["half_plus_two_tf2", "half_plus_two_pbtxt"] {
        let dir = fixtures().join("saved_models").join(model);
        let location = Location::find(&dir).unwrap();
        assert_eq!(location.prefix, dir.join("variables/variables"));
        let line = format!("variables/variables (V2) of the SavedModel {}", dir.display());
        assert_eq!(location.to_string(), line);
    }
    let dir = Dir::new();
    dir.write("saved_model.pb", "");
    dir.v2("other");
    let error = Location::find(dir.0.path()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "Couldn't find 'checkpoint' file or checkpoints in given directory {}: the SavedModel has no \
             variables/variables.index; the directory has other",
            dir.0.path().display()
        )
    );
}

#[test]
fn a_directory_without_state_file_must_have_one_checkpoint() {
    let dir = Dir::new();
    fs::create_dir(dir.path("d")).unwrap();
    let nothing =
        "NotFound Couldn't find 'checkpoint' file or checkpoints in given directory DIR/d";
    check(&dir, "d", nothing);
    fs::create_dir(dir.path("d/empty")).unwrap();
    check(&dir, "d", nothing);
    dir.v2("d/below/m-1");
    fs::create_dir(dir.path("d/model")).unwrap();
    dir.write("d/model/saved_model.pb", "");
    check(&dir, "d", &format!("{nothing}: there are some in below, model"));
    fs::remove_dir_all(dir.path("d/below")).unwrap();
    fs::remove_dir_all(dir.path("d/model")).unwrap();
    dir.write("d/notes.txt", "no checkpoint");
    dir.write("d/other.index", "an index of something else");
    dir.copy("bundles/one.index", "d/m-2.index.tempstate123");
    dir.v1("d/m-2.tempstate7");
    dir.copy("bundles/one.data-00000-of-00001", "d/m-9.data-00000-of-00001");
    check(&dir, "d", nothing);
    dir.v2("d/m-2");
    check(&dir, "d", "m-2 (V2), the only checkpoint in DIR/d");
    dir.v1("d/m-10");
    dir.v1("d/s-00000-of-00001");
    check(
        &dir,
        "d",
        "InvalidArgument DIR/d may mean any of 3 checkpoints: m-2, m-10, s-?????-of-00001",
    );
    dir.v1("d/s-00000-of-00002");
    check(
        &dir,
        "d/s",
        "InvalidArgument DIR/d/s may mean any of 2 checkpoints: s-?????-of-00001, s-?????-of-00002",
    );
    dir.write("d/checkpoint", "junk");
    check(
        &dir,
        "d",
        "NotFound Couldn't find 'checkpoint' file or checkpoints in given directory DIR/d: \
         DIR/d/checkpoint: Checkpoint ignored: 1:1 : Message type \"tensorflow.CheckpointState\" has no field named \
         \"junk\".; the directory has m-2, m-10, s-?????-of-00001, s-?????-of-00002",
    );
}

#[test]
fn what_is_no_checkpoint_is_named() {
    let dir = Dir::new();
    fs::create_dir(dir.path("d")).unwrap();
    dir.v2("m-1");
    let nothing = "NotFound Unsuccessful TensorSliceReader constructor: Failed to find any matching files for";
    check(&dir, "m-2", &format!("{nothing} DIR/m-2; DIR has m-1"));
    check(&dir, "m-*", &format!("{nothing} DIR/m-*; DIR has m-1"));
    check(&dir, "d/m", &format!("{nothing} DIR/d/m; DIR/d has no checkpoints"));
    check(&dir, "e/m", &format!("{nothing} DIR/e/m; there is no directory DIR/e"));
    check(
        &dir,
        "m-1.index/x",
        &format!("{nothing} DIR/m-1.index/x; there is no directory DIR/m-1.index"),
    );
    fs::remove_file(dir.path("m-1.index")).unwrap();
    check(
        &dir,
        "m-1.meta",
        &format!(
            "{nothing} DIR/m-1; DIR/m-1.meta is a meta graph whose checkpoint is not there; DIR has no checkpoints"
        ),
    );
    check(
        &dir,
        "m-1.data-00000-of-00001",
        &format!(
            "{nothing} DIR/m-1; DIR/m-1.data-00000-of-00001 is there, its index is not; DIR has no checkpoints"
        ),
    );
    let hint = "perhaps your file is in a different file format and you need to use a different restore operator?";
    dir.write("short", "model_checkpoint_path:");
    dir.write("long", &"no checkpoint\n".repeat(10));
    check(
        &dir,
        "short",
        &format!(
            "DataLoss Unable to open table file DIR/short: file is too short to be an sstable: {hint}"
        ),
    );
    check(
        &dir,
        "long",
        &format!(
            "DataLoss Unable to open table file DIR/long: not an sstable (bad magic number): {hint}"
        ),
    );
    dir.write("checkpoint", "");
    check(&dir, "checkpoint", "InvalidArgument Invalid checkpoint state loaded from DIR");
}

#[test]
fn a_prefix_beside_an_empty_directory_of_its_name_is_found() {
    let dir = Dir::new();
    dir.v2("m");
    fs::create_dir(dir.path("m")).unwrap();
    check(&dir, "m", "DIR/m (V2)");
    dir.v1("m/n");
    check(&dir, "m", "n (V1), the only checkpoint in DIR/m");
}

#[test]
fn wildcards_in_names_stand_for_themselves() {
    let dir = Dir::new();
    dir.v2("m-[1]");
    dir.v1("n-?????-of-00001");
    dir.v1("n-00000-of-00001");
    check(&dir, "m-[1]", "DIR/m-[1] (V2)");
    let location = Location::find(&dir.path("n-?????-of-00001")).unwrap();
    assert_eq!(location.files, [dir.path("n-?????-of-00001")], "the literal path comes first");
}

#[test]
fn checkpoints_are_listed_by_name_and_step() {
    let dir = Dir::new();
    dir.v2("ckpt-9");
    dir.v2("ckpt-10");
    dir.v2("ckpt-2");
    dir.v2("final");
    dir.v1("old-0");
    dir.v1("old-0-00001-of-00002");
    dir.v1("old-0-00000-of-00002");
    dir.v2("old-0");
    dir.v2("a-x");
    fs::create_dir(dir.path("ckpt-11.index")).unwrap();
    dir.write("damaged.index", "");
    dir.write("damaged.data-00000-of-00001", "");
    dir.state("checkpoint", &["ckpt-9", "/gone/ckpt-10"]);
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    let index = fs::File::options().write(true).open(dir.path("ckpt-9.index")).unwrap();
    index.set_modified(time).unwrap();
    let listed = list_checkpoints(dir.0.path()).unwrap();
    let parts: Vec<_> = listed
        .iter()
        .map(|one| {
            let name = one.prefix.file_name().unwrap().to_str().unwrap();
            (name, one.format, one.step, one.is_listed, one.is_latest)
        })
        .collect();
    assert_eq!(
        parts,
        [
            ("a-x", V2, None, false, false),
            ("ckpt-2", V2, Some(2), false, false),
            ("ckpt-9", V2, Some(9), true, false),
            ("ckpt-10", V2, Some(10), true, true),
            ("damaged", V2, None, false, false),
            ("final", V2, None, false, false),
            ("old-0", V2, Some(0), false, false),
            ("old-0-?????-of-00002", V1, Some(0), false, false),
        ]
    );
    assert_eq!(listed[2].mtime, time);
    assert!(listed.iter().all(|one| one.prefix.starts_with(dir.0.path())));
    assert_eq!(list_checkpoints(&dir.path("none")).unwrap_err().code(), Code::NotFound);
}
