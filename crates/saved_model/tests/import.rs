//! SavedModels in graphs that are built: several in one graph, each with its own variables and assets.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowkeep_graph::ImportMetaGraphOptions;
use flowkeep_graph::builder::Scope;
use flowkeep_runtime::{Session, SessionOptions};
use flowkeep_saved_model::{ImportedSavedModel, SavedModel, contains_saved_model};
use flowkeep_tensor::{Code, Tensor};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/saved_models").join(name)
}

fn import(scope: &mut Scope, name: &str, import_scope: &str) -> ImportedSavedModel {
    let model = SavedModel::open(fixture(name)).expect("a good model");
    let options = ImportMetaGraphOptions::under(import_scope);
    model.import_into(scope, &["serve"], &options).expect("it imports")
}

fn session(scope: &Scope) -> Session {
    let mut options = SessionOptions { threads: 1, ..SessionOptions::default() };
    flowkeep_saver::register(&mut options.registry);
    Session::new(Arc::new(scope.graph().clone()), options)
}

fn call(session: &Session, model: &ImportedSavedModel, x: f32) -> f32 {
    let signature = model.signature("serving_default").expect("the signature");
    let (feed, fetch) =
        (signature.inputs["x"].name().unwrap(), signature.outputs["y"].name().unwrap());
    let x = Tensor::from_vec([1, 1], vec![x]).unwrap();
    session.run(&[(feed, x)], &[fetch], &[]).expect("it runs")[0].as_slice::<f32>().unwrap()[0]
}

#[test]
fn models_in_one_graph_are_restored_each_for_itself() {
    let mut scope = Scope::new();
    let models = [
        import(&mut scope, "half_plus_two_ref", "tower"),
        import(&mut scope, "half_plus_two_ref", "tower"),
        import(&mut scope, "half_plus_two_resource", "other"),
    ];
    let scopes: Vec<&str> = models.iter().map(|model| model.imported.scope.as_str()).collect();
    assert_eq!(scopes, ["tower/", "tower_1/", "other/"]);
    let session = session(&scope);
    for model in &models {
        model.initialize(&session).expect("it initializes");
    }
    assert_eq!(models.iter().map(|model| call(&session, model, 3.0)).collect::<Vec<_>>(), [3.5; 3]);
    assert!(models[0].meta_graph_def.graph_def.is_none());
}

#[test]
fn tags_that_are_not_there_are_answered_as_by_the_session_loader() {
    let model = SavedModel::open(fixture("multi_tag")).expect("a good model");
    let error = model
        .import_into(&mut Scope::new(), &["zz"], &ImportMetaGraphOptions::default())
        .unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    let text = "MetaGraphDef associated with tags 'zz' could not be found in SavedModel, with available tags '[{";
    assert!(error.to_string().starts_with(text), "{error}");
    assert!(error.to_string().contains("{'gpu', 'serve'}"), "{error}");
}

#[test]
fn a_checkpoint_that_is_not_there_is_named() {
    let mut scope = Scope::new();
    let model = import(&mut scope, "half_plus_two_ref", "");
    let error = model.restore_from(&session(&scope), Path::new("/no/such")).unwrap_err();
    let text = "The passed save_path is not a valid checkpoint: /no/such";
    assert_eq!((error.code(), error.to_string().as_str()), (Code::InvalidArgument, text));
}

#[test]
fn an_init_op_that_is_not_there_is_named() {
    let mut scope = Scope::new();
    let mut model = import(&mut scope, "half_plus_two_tf2", "");
    let key = "__saved_model_init_op";
    let signature = model.meta_graph_def.signature_def.get_mut(key).expect("an init op");
    let info = signature.outputs.get_mut(key).expect("its output");
    info.encoding = Some(flowkeep_proto::pb::tensor_info::Encoding::Name("gone".into()));
    let error = model.initialize(&session(&scope)).unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    assert!(
        error.to_string().starts_with(&format!("The key \"{key}\" could not be found")),
        "{error}"
    );
}

#[test]
fn exports_from_before_saved_models_are_restored() {
    let dir = fixture("session_bundle_half_plus_two").join("00000123");
    let mut scope = Scope::new();
    let options = ImportMetaGraphOptions::default();
    let (saver, _) =
        flowkeep_saver::import_meta_graph_file(&mut scope, dir.join("export.meta"), &options)
            .expect("it imports");
    let session = session(&scope);
    let saver = saver.expect("it has a saver");
    saver.restore(&session, dir.join("export-?????-of-00001")).expect("it is restored");
    let read = session.run(&[], &["a/read:0", "b/read:0"], &[]).expect("it runs");
    let read: Vec<f32> = read.iter().map(|value| value.to_scalar().unwrap()).collect();
    assert_eq!(read, [0.5, 2.0]);
}

#[test]
fn extra_files_are_given_and_never_needed() {
    let folder = tempfile::tempdir().expect("a folder");
    let from = fixture("half_plus_two_pbtxt").join("saved_model.pbtxt");
    std::fs::copy(from, folder.path().join("saved_model.pbtxt")).expect("a copy");
    assert!(contains_saved_model(folder.path()));
    assert!(!contains_saved_model(folder.path().join("none")));
    let model = SavedModel::open(folder.path()).expect("a model");
    assert_eq!(model.extra_assets().unwrap(), Vec::<PathBuf>::new());
    assert!(model.fingerprint_def().unwrap().is_none() && model.debug_info().unwrap().is_none());
    std::fs::create_dir_all(folder.path().join("assets.extra/a")).unwrap();
    std::fs::write(folder.path().join("assets.extra/a/b"), "text").unwrap();
    std::fs::write(folder.path().join("fingerprint.pb"), [0xff]).unwrap();
    assert_eq!(model.extra_assets().unwrap(), [PathBuf::from("a/b")]);
    assert_eq!(model.extra_asset("a/b").unwrap().as_deref(), Some(&b"text"[..]));
    assert_eq!(
        model.extra_asset("../saved_model.pbtxt").unwrap_err().code(),
        Code::InvalidArgument
    );
    assert_eq!(model.fingerprint_def().unwrap_err().code(), Code::DataLoss);
    let keras = SavedModel::open(fixture("keras2_cnn")).expect("a model of Keras 2");
    assert!(keras.keras_metadata().unwrap().is_none_or(|metadata| !metadata.nodes.is_empty()));
}
