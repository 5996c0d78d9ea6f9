//! What the builder writes: files, messages, bytes, and the order in which it may be called.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use flowkeep_graph::builder::{Scope, Variable, VariableOptions};
use flowkeep_graph::{Element, NodeId, Output};
use flowkeep_proto::pb;
use flowkeep_runtime::{Session, SessionOptions};
use flowkeep_saved_model::{
    AssetForm, Error, LoadOptions, MetaGraphOptions, SavedModel, SavedModelBuilder,
    SavedModelBundle, main_op, predict_signature_def, simple_save,
};
use flowkeep_tensor::{Code, DType, Tensor};

/// `y = a x + b`, with `a = 0.5`, `b = 2`, and a node that adds 1 to `a`.
struct Line {
    scope: Scope,
    x: Output,
    y: Output,
    a: Variable,
    session: Session,
}

impl Line {
    fn new(use_resource: bool) -> Line {
        let mut scope = Scope::new();
        let x = scope.with_op_name("x").placeholder(DType::F32, [None]).unwrap();
        let of = |value: f32| VariableOptions::new().initializer(value).use_resource(use_resource);
        let a = scope.with_op_name("a").variable(of(0.5)).unwrap();
        let b = scope.with_op_name("b").variable(of(2.0)).unwrap();
        let ax = scope.mul(&a, x).unwrap();
        let y = scope.with_op_name("y").add(ax, &b).unwrap();
        scope.global_variables_initializer().unwrap();
        let session = session_of(&scope);
        session.run(&[], &[], &["init"]).unwrap();
        Line { scope, x, y, a, session }
    }

    fn options(&self) -> MetaGraphOptions<'static> {
        let signature = predict_signature_def(&self.scope, [("x", self.x)], [("y", self.y)]);
        MetaGraphOptions::default().signature("serving_default", signature.unwrap())
    }

    fn save(&mut self, dir: &Path, options: MetaGraphOptions<'_>) {
        let mut builder = SavedModelBuilder::new(dir).unwrap();
        builder
            .add_meta_graph_and_variables(&mut self.scope, &self.session, &["serve"], options)
            .unwrap();
        builder.save(false).unwrap();
    }
}

fn session_of(scope: &Scope) -> Session {
    Session::new(Arc::new(scope.graph().clone()), SessionOptions::default())
}

fn y_of(dir: &Path, tags: &[&str]) -> Vec<f32> {
    let bundle = SavedModelBundle::load(dir, tags, LoadOptions::default()).unwrap();
    let x = Tensor::from_vec([2], vec![1.0f32, 4.0]).unwrap();
    let outputs = bundle.call("serving_default", &[("x", x)]).unwrap();
    outputs[0].1.as_slice::<f32>().unwrap().to_vec()
}

/// All files below a directory with their contents, sorted.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(next) = todo.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
                found.push((name, fs::read(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn names(dir: &Path) -> Vec<String> {
    files(dir).into_iter().map(|(name, _)| name).collect()
}

fn refused(result: Result<impl std::fmt::Debug, Error>, code: Code, text: &str) {
    let error = result.unwrap_err();
    assert_eq!((error.code(), &*error.to_string()), (code, text));
}

#[test]
fn values_of_variables_are_those_that_the_session_has() {
    for use_resource in [false, true] {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("m");
        let mut line = Line::new(use_resource);
        // The session does not know this node, nor the ops of savers.
        let a = line.a.clone();
        let assign = line.scope.assign(&a, 3.0f32).unwrap();
        let name = line.scope.graph().node(assign).name().to_owned();
        let registry = line.session.registry().clone();
        let graph = Arc::new(line.scope.graph().clone());
        line.session.extended(graph, registry).unwrap().run(&[], &[], &[&name]).unwrap();
        let options = line.options();
        line.save(&dir, options);
        assert_eq!(y_of(&dir, &["serve"]), [5.0, 14.0]);
        let expected = [
            "fingerprint.pb",
            "saved_model.pb",
            "variables/variables.data-00000-of-00001",
            "variables/variables.index",
        ];
        assert_eq!(names(&dir), expected);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
    }
}

#[test]
fn the_same_model_gives_the_same_bytes() {
    let parent = tempfile::tempdir().unwrap();
    let [first, second] = ["a", "b"].map(|name| {
        let dir = parent.path().join(name);
        let mut line = Line::new(true);
        let options = line.options();
        line.save(&dir, options);
        files(&dir)
    });
    assert!(first == second);
}

#[test]
fn methods_are_to_be_called_in_order() {
    let parent = tempfile::tempdir().unwrap();
    let mut line = Line::new(false);
    let mut builder = SavedModelBuilder::new(parent.path().join("m")).unwrap();
    refused(
        builder.add_meta_graph(&mut line.scope, &["serve"], MetaGraphOptions::default()),
        Code::FailedPrecondition,
        "Graph state including variables and assets has not been saved yet. Please invoke \
         `add_meta_graph_and_variables()` first.",
    );
    let Line { scope, session, .. } = &mut line;
    let mut add = |tags: &[&str]| {
        builder.add_meta_graph_and_variables(scope, session, tags, MetaGraphOptions::default())
    };
    add(&["serve"]).unwrap();
    refused(
        add(&["train"]),
        Code::FailedPrecondition,
        "Graph state including variables and assets has already been saved. Please invoke `add_meta_graph()` instead.",
    );
}

#[test]
fn a_directory_that_is_not_empty_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    fs::write(parent.path().join("file"), b"x").unwrap();
    refused(
        SavedModelBuilder::new(parent.path()),
        Code::AlreadyExists,
        &format!(
            "Export directory {} already exists, and isn't empty. Please choose a different export directory, or delete \
             all the contents of the specified directory.",
            parent.path().display()
        ),
    );
}

#[test]
fn variables_without_values_are_not_saved() {
    for (use_resource, text) in [(false, "Attempting to use uninitialized value"), (true, "a")] {
        let parent = tempfile::tempdir().unwrap();
        let mut line = Line::new(use_resource);
        let session = session_of(&line.scope);
        let mut builder = SavedModelBuilder::new(parent.path().join("m")).unwrap();
        let options = line.options();
        let added = builder.add_meta_graph_and_variables(&mut line.scope, &session, &[], options);
        let error = added.unwrap_err();
        assert_eq!(error.code(), Code::FailedPrecondition, "{error}");
        assert!(error.to_string().contains(text), "{error}");
        drop(builder);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_session_of_another_graph_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    let mut line = Line::new(true);
    let mut other = Scope::new();
    other.no_op().unwrap();
    let mut builder = SavedModelBuilder::new(parent.path().join("m")).unwrap();
    let options = line.options();
    let added =
        builder.add_meta_graph_and_variables(&mut line.scope, &session_of(&other), &[], options);
    refused(
        added,
        Code::InvalidArgument,
        "the session is not of this graph, nor of one that grew into it",
    );
}

#[test]
fn a_second_meta_graph_shares_the_variables() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("m");
    let mut line = Line::new(true);
    let mut builder = SavedModelBuilder::new(&dir).unwrap();
    let options = line.options();
    builder
        .add_meta_graph_and_variables(&mut line.scope, &line.session, &["train"], options)
        .unwrap();
    let mut other = Line::new(true);
    let options = other.options();
    builder.add_meta_graph(&mut other.scope, &["serve", "gpu"], options).unwrap();
    builder.save(false).unwrap();
    for tags in [&["train"][..], &["gpu", "serve"]] {
        assert_eq!(y_of(&dir, tags), [2.5, 4.0]);
    }
    let model = SavedModel::open(&dir).unwrap();
    assert_eq!(model.tag_sets(), [&["train"][..], &["serve", "gpu"]]);
    assert_eq!(model.def().saved_model_schema_version, 1);
}

#[test]
fn text_is_read_where_there_is_no_binary_message() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("m");
    let mut line = Line::new(true);
    let mut builder = SavedModelBuilder::new(&dir).unwrap();
    let options = line.options();
    builder
        .add_meta_graph_and_variables(&mut line.scope, &line.session, &["serve"], options)
        .unwrap();
    assert_eq!(builder.save(true).unwrap(), dir.join("saved_model.pbtxt"));
    assert_eq!(y_of(&dir, &["serve"]), [2.5, 4.0]);
    let text = SavedModel::open(&dir).unwrap();
    assert_eq!(builder.save(false).unwrap(), dir.join("saved_model.pb"));
    assert!(SavedModel::open(&dir).unwrap().def() == text.def());
}

#[test]
fn a_model_without_variables_has_no_saver() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("m");
    let mut scope = Scope::new();
    let x = scope.with_op_name("x").placeholder(DType::F32, [None]).unwrap();
    let y = scope.with_op_name("y").mul(x, 2.0f32).unwrap();
    let session = session_of(&scope);
    simple_save(&mut scope, &session, &dir, [("x", x)], [("y", y)], None).unwrap();
    assert_eq!(y_of(&dir, &["serve"]), [2.0, 8.0]);
    assert!(dir.join("variables").is_dir());
    assert_eq!(names(&dir), ["fingerprint.pb", "saved_model.pb"]);
    assert!(SavedModel::open(&dir).unwrap().def().meta_graphs[0].saver_def.is_none());
}

#[test]
fn a_graph_has_one_main_op() {
    let parent = tempfile::tempdir().unwrap();
    let mut line = Line::new(true);
    let main = main_op::main_op(&mut line.scope).unwrap();
    let mut builder = SavedModelBuilder::new(parent.path().join("m")).unwrap();
    let options = || MetaGraphOptions { legacy_init_op: Some(main), ..MetaGraphOptions::default() };
    builder
        .add_meta_graph_and_variables(&mut line.scope, &line.session, &["serve"], options())
        .unwrap();
    refused(
        builder.add_meta_graph(&mut line.scope, &["other"], options()),
        Code::FailedPrecondition,
        "Graph already contains one or more main ops under the collection saved_model_main_op.",
    );
    builder.save(false).unwrap();
    // The main op initializes the variables again.
    let dir = builder.export_dir();
    let meta_graph = SavedModel::open(dir).unwrap().meta_graph(&["serve"]).unwrap();
    assert_eq!(meta_graph.node_list("saved_model_main_op"), ["group_deps"]);
}

#[test]
fn ops_are_named_by_signatures_or_collections() {
    let parent = tempfile::tempdir().unwrap();
    let model_of = |name: &str, asset_form| {
        let dir = parent.path().join(name);
        let mut line = Line::new(true);
        let a = line.a.clone();
        let train = line.scope.with_op_name("train").assign(&a, 1.0f32).unwrap();
        let init = line.scope.with_op_name("start").no_op().unwrap();
        let options = MetaGraphOptions {
            init_op: Some(init),
            train_op: Some(Element::Node(train)),
            asset_form,
            ..line.options()
        };
        line.save(&dir, options);
        SavedModel::open(&dir).unwrap().meta_graph(&["serve"]).unwrap()
    };
    let old = model_of("old", AssetForm::Collection);
    assert_eq!(old.node_list("saved_model_train_op").len(), 1);
    let new = model_of("new", AssetForm::AssetFileDef);
    let keys: Vec<&str> = new.signatures.keys().map(String::as_str).collect();
    assert_eq!(keys, ["__saved_model_init_op", "__saved_model_train_op", "serving_default"]);
    let op = &new.signatures["__saved_model_init_op"].to_proto().outputs["__saved_model_init_op"];
    let expected = pb::TensorInfo {
        encoding: Some(pb::tensor_info::Encoding::Name("start".to_owned())),
        tensor_shape: Some(pb::TensorShapeProto { unknown_rank: true, ..Default::default() }),
        dtype: 0,
    };
    assert_eq!(*op, expected);
}

#[test]
fn nodes_that_are_not_there_are_refused() {
    let parent = tempfile::tempdir().unwrap();
    let mut line = Line::new(true);
    let nowhere = NodeId(1_000_000);
    let mut builder = SavedModelBuilder::new(parent.path().join("m")).unwrap();
    let options = [
        MetaGraphOptions { main_op: Some(nowhere), ..MetaGraphOptions::default() },
        MetaGraphOptions { init_op: Some(nowhere), ..MetaGraphOptions::default() },
        MetaGraphOptions { assets: vec![nowhere.output(0).into()], ..MetaGraphOptions::default() },
    ];
    for options in options {
        let added =
            builder.add_meta_graph_and_variables(&mut line.scope, &line.session, &[], options);
        refused(added, Code::InvalidArgument, "the graph has no node #1000000");
    }
}

#[test]
fn defaults_and_devices_are_left_out_when_that_is_asked_for() {
    let parent = tempfile::tempdir().unwrap();
    let nodes_of = |name: &str, clear_devices, strip_default_attrs| {
        let dir = parent.path().join(name);
        let mut line = Line::new(true);
        let x = line.x;
        line.scope.device("/cpu:0").unwrap().with_op_name("z").mul(x, x).unwrap();
        let options = MetaGraphOptions { clear_devices, strip_default_attrs, ..line.options() };
        line.save(&dir, options);
        let def = SavedModel::open(&dir).unwrap().def().meta_graphs[0].clone();
        let info = def.meta_info_def.unwrap();
        assert_eq!(info.stripped_default_attrs, strip_default_attrs);
        def.graph_def.unwrap().node
    };
    let with = nodes_of("with", false, false);
    let without = nodes_of("without", true, true);
    let device =
        |nodes: &[pb::NodeDef]| nodes.iter().find(|node| node.name == "z").unwrap().device.clone();
    assert_eq!([device(&with), device(&without)], ["/device:CPU:0", ""]);
    let n_attrs = |nodes: &[pb::NodeDef]| nodes.iter().map(|node| node.attr.len()).sum::<usize>();
    assert!(n_attrs(&without) < n_attrs(&with));
}

#[test]
fn a_checkpoint_gives_the_files_that_a_session_gives() {
    for use_resource in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("first"), folder.path().join("second"));
        let mut line = Line::new(use_resource);
        let options = line.options();
        line.save(&first, options);
        let prefix = first.join("variables/variables");

        // The graph again, which no session has run.
        let mut line = Line::new(use_resource);
        let options = line.options();
        let mut builder = SavedModelBuilder::new(&second).unwrap();
        builder
            .add_meta_graph_and_checkpoint(&mut line.scope, &prefix, &["serve"], options)
            .unwrap();
        let options = line.options();
        let again = builder.add_meta_graph_and_checkpoint(&mut line.scope, &prefix, &[], options);
        assert_eq!(again.unwrap_err().code(), Code::FailedPrecondition);
        builder.save(false).unwrap();
        assert_eq!(files(&second), files(&first));
        assert_eq!(y_of(&second, &["serve"]), [2.5, 4.0]);
    }
}

#[test]
fn a_checkpoint_has_to_fit_the_graph() {
    let folder = tempfile::tempdir().unwrap();
    let mut line = Line::new(true);
    let options = line.options();
    line.save(&folder.path().join("model"), options);
    let prefix = folder.path().join("model/variables/variables");
    let build = |line: &mut Line, prefix: &Path| {
        let options = line.options();
        let mut builder = SavedModelBuilder::new(folder.path().join("other")).unwrap();
        builder.add_meta_graph_and_checkpoint(&mut line.scope, prefix, &["serve"], options)
    };
    let error = build(&mut Line::new(true), &folder.path().join("none")).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument, "{error}");
    let mut line = Line::new(true);
    let more = VariableOptions::new().initializer(1.0f32);
    line.scope.with_op_name("more").variable(more).unwrap();
    let error = build(&mut line, &prefix).unwrap_err();
    assert_eq!(error.code(), Code::NotFound, "{error}");
    assert!(error.to_string().contains("Key more not found in checkpoint"), "{error}");
    let data = prefix.with_file_name("variables.data-00000-of-00001");
    let mut bytes = fs::read(&data).unwrap();
    bytes[0] ^= 1;
    fs::write(&data, bytes).unwrap();
    let error = build(&mut Line::new(true), &prefix).unwrap_err();
    assert_eq!(error.code(), Code::DataLoss, "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left of what failed");
}
