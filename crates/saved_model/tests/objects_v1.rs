//! Models of TensorFlow 1 as objects: what is refused, in the words of `tf.saved_model.load`, and what a
//! model may touch. What they compute is recorded in `fixtures/object_models/v1_*` (see `objects.rs`).

use std::fs;
use std::path::{Path, PathBuf};

use flowkeep_proto::pb;
use flowkeep_proto::prost::Message;
use flowkeep_runtime::SessionOptions;
use flowkeep_runtime::kernel::FileAccess;
use flowkeep_saved_model::{LoadedObjects, ObjectKind, ObjectLoadOptions, SavedModel};
use flowkeep_tensor::{Code, Tensor};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name)
}

fn options() -> ObjectLoadOptions {
    let session = SessionOptions { threads: 1, ..SessionOptions::default() };
    ObjectLoadOptions { session, ..ObjectLoadOptions::default() }
}

fn load(name: &str, tags: &[&str]) -> Result<LoadedObjects, flowkeep_saved_model::Error> {
    let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    LoadedObjects::load(fixture(name), ObjectLoadOptions { tags, ..options() })
}

/// A model of `fixtures/object_models` with another MetaGraph.
fn changed(name: &str, change: impl FnOnce(&mut pb::MetaGraphDef)) -> SavedModel {
    let dir = fixture("object_models").join(name);
    let mut def = SavedModel::open(&dir).unwrap().into_def();
    change(&mut def.meta_graphs[0]);
    SavedModel::from_pb(dir, def.encode_to_vec().into()).unwrap()
}

#[test]
fn tags_choose_among_meta_graphs() {
    for tags in [&["serve"][..], &["gpu", "serve"]] {
        let model = load("saved_models/multi_tag", tags).unwrap();
        assert_eq!(
            model.objects().signatures().into_keys().collect::<Vec<_>>(),
            ["serving_default"]
        );
        let names: Vec<&str> = model.variables().map(|variable| variable.name()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert_eq!(model.value("variables.2").unwrap().to_scalar::<f32>().unwrap(), 3.0);
    }
    let error = load("saved_models/multi_tag", &[]).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    let text = "Importing a SavedModel with `tf.saved_model.load` requires a `tags=` argument if there is more than one \
                MetaGraph. Got `tags=None`, but there are 2 MetaGraphs in the SavedModel with tag sets: [['serve'], \
                ['serve', 'gpu']]. Pass a `tags=` argument to load this SavedModel.";
    assert_eq!(error.to_string(), text);
    let error = load("object_models/v1_resource", &["gpu"]).unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    let text = "MetaGraphDef associated with tags 'gpu' could not be found in SavedModel, with available tags \
                '[{'serve'}]'.";
    assert!(error.to_string().starts_with(text), "{error}");
}

#[test]
fn every_signature_feeds_the_placeholders_that_it_needs() {
    let model = changed("v1_resource", |def| {
        def.signature_def.get_mut("serving_default").unwrap().inputs.clear();
    });
    let error = LoadedObjects::from_saved_model(model, options()).unwrap_err();
    let text = "A SavedModel signature needs an input for each placeholder the signature's outputs use. An output for \
                signature 'serving_default' depends on a placeholder which is not an input (i.e. the placeholder is not \
                fed a value).\n\nUnable to lift tensor <tf.Tensor 'y:0' shape=(None,) dtype=float32> because it depends \
                transitively on placeholder <tf.Operation 'x' type=Placeholder> via at least one path, e.g.: y (Identity) \
                <- add_1 (AddV2) <- add (AddV2) <- mul (Mul) <- x (Placeholder)";
    assert_eq!(error.to_string(), text);
}

#[test]
fn what_cannot_be_pruned_says_so() {
    let model = load("object_models/v1_resource", &[]).unwrap();
    let cases: [(&[&str], &[&str], &str); 5] = [
        (
            &[],
            &["y:0"],
            "via at least one path, e.g.: y (Identity) <- add_1 (AddV2) <- add (AddV2) <- mul (Mul) <- x",
        ),
        (&["x"], &["y:0"], "All members of argument `feeds` must be tensors. Got name: \"x\""),
        (
            &["x:0"],
            &["nope:0"],
            "The name 'nope:0' refers to a Tensor which does not exist. The operation, 'nope', does not exist in the graph.",
        ),
        (&["x:0"], &["nope"], "The name 'nope' refers to an Operation not in the graph."),
        (&["x:0"], &["x:3"], "The operation, 'x', exists but only has 1 outputs."),
    ];
    for (feeds, fetches, text) in cases {
        let error = model.prune(feeds, fetches).unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
    }
    let error = load("object_models/nested", &[]).unwrap().prune(&[], &[]).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument, "{error}");
}

#[test]
fn a_model_of_tensorflow_1_has_a_graph_and_no_filters() {
    let model = load("object_models/v1_ref", &[]).unwrap();
    assert!(model.graph().unwrap().node_by_name("y").is_some());
    assert!(load("object_models/nested", &[]).unwrap().graph().is_none());
    assert_eq!(model.tags(), ["serve"]);
    assert!(model.tensorflow_version().starts_with("2.21"));
    assert!(model.tensorflow_git_version().starts_with("v2.21"));
    let node_filters = vec!["root.variables".to_owned()];
    let options = ObjectLoadOptions { node_filters, ..options() };
    let error = LoadedObjects::load(fixture("object_models/v1_ref"), options).unwrap_err();
    assert!(error.to_string().ends_with("cannot be loaded with node filters."), "{error}");
}

/// TensorFlow lists resource variables only.
#[test]
fn reference_variables_are_listed_and_assigned_too() {
    let model = load("object_models/v1_ref", &[]).unwrap();
    let names: Vec<&str> = model.variables().map(|variable| variable.name()).collect();
    assert_eq!(names, ["v", "steps", "part/part_0", "part/part_1"]);
    model.assign("variables.0", Tensor::from_vec([2], vec![10.0f32, 20.0]).unwrap()).unwrap();
    let x = Tensor::from_vec([1], vec![1.0f32]).unwrap();
    let y = model.call_signature("serving_default", &[("x", x)]).unwrap();
    assert_eq!(y["y"].as_slice::<f32>().unwrap(), [30.5]);
    let id = model.objects().find("root.variables.1").unwrap();
    let ObjectKind::Variable(spec) = &model.objects().object(id).unwrap().kind else { panic!() };
    assert!(!spec.trainable);
}

#[test]
fn state_may_be_left_alone() {
    let skip = ObjectLoadOptions { skip_checkpoint: true, ..options() };
    let model = LoadedObjects::load(fixture("object_models/v1_resource"), skip).unwrap();
    assert_eq!(model.value("variables.0").unwrap_err().code(), Code::FailedPrecondition);
    let error = model.restore("no/such").unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    let text =
        "Unsuccessful TensorSliceReader constructor: Failed to find any matching files for no/such";
    assert!(error.to_string().contains(text), "{error}");
    // The caller's checkpoint may be anywhere.
    let folder = tempfile::tempdir().unwrap();
    copy(&fixture("object_models/v1_resource/variables"), folder.path());
    model.restore(folder.path().join("variables")).unwrap();
    assert_eq!(model.value("variables.0").unwrap().as_slice::<f32>().unwrap(), [2.0, 3.0]);
    // Without its tables and local variables, a model loads and cannot be called.
    let skip = ObjectLoadOptions { skip_initialization: true, ..options() };
    let model = LoadedObjects::load(fixture("object_models/v1_tables"), skip).unwrap();
    let keys = Tensor::from_strings([1], vec!["the".into()]).unwrap();
    let error = model.call_signature("serving_default", &[("keys", keys)]).unwrap_err();
    assert_eq!(error.code(), Code::FailedPrecondition, "{error}");
}

/// Whatever TensorFlow wrote it: an asset that leads out of the directory is not read, unless that is allowed.
#[test]
fn loaded_objects_read_no_files_but_their_own() {
    for (name, asset) in [("v1_tables", "words.txt"), ("tables", "words.txt")] {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("model");
        copy(&fixture("object_models").join(name), &dir);
        assert!(LoadedObjects::load(&dir, options()).is_ok(), "{name}");
        let outside = folder.path().join("outside.txt");
        fs::rename(dir.join("assets").join(asset), &outside).unwrap();
        std::os::unix::fs::symlink(&outside, dir.join("assets").join(asset)).unwrap();
        let error = LoadedObjects::load(&dir, options()).unwrap_err();
        assert_eq!(error.code(), Code::PermissionDenied, "{name}: {error}");
        let mut allowed = options();
        allowed.session.registry.set(FileAccess::none().with_read(&outside));
        assert!(LoadedObjects::load(&dir, allowed).is_ok(), "{name}");
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &target),
            false => _ = fs::copy(&path, &target).unwrap(),
        }
    }
}
