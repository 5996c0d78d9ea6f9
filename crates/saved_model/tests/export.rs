//! Exports as those of Estimators: directories with numbers, parsed examples, signatures of heads.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use flowkeep_graph::Element;
use flowkeep_graph::builder::{Scope, VariableOptions};
use flowkeep_runtime::{Session, SessionOptions};
use flowkeep_saved_model::export::{
    ExportOptions, ExportOutput, ExportedModel, FeatureSpec, Mode, ModeGraph, ServingInputReceiver,
    Supervised, build_all_signature_defs, build_parsing_serving_input_receiver,
    build_raw_serving_input_receiver, export_all_saved_models, export_saved_model,
};
use flowkeep_saved_model::{Error, LoadOptions, SavedModel, SavedModelBundle, SignatureTensor};
use flowkeep_tensor::{Code, DType, PartialShape, Tensor};

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn features() -> BTreeMap<String, FeatureSpec> {
    let default = Some(Tensor::from_elements(vec![1.0f32, 2.0]));
    let with_default = FeatureSpec::FixedLen { shape: [2].into(), dtype: DType::F32, default };
    [
        ("x", FeatureSpec::fixed_len([2], DType::F32)),
        ("id", FeatureSpec::fixed_len([], DType::I64)),
        ("d e", with_default),
        ("words", FeatureSpec::VarLen { dtype: DType::String }),
    ]
    .map(|(name, spec)| (name.to_owned(), spec))
    .into()
}

/// A regression on the feature `x`.
fn export(
    base: &Path,
    outputs: &[&str],
    options: ExportOptions<'_>,
) -> Result<ExportedModel, Error> {
    let mut scope = Scope::new();
    let spec = [("x".to_owned(), FeatureSpec::fixed_len([2], DType::F32))].into();
    let receiver = build_parsing_serving_input_receiver(&mut scope, &spec, None).unwrap();
    let SignatureTensor::Dense(x) = receiver.features["x"] else { panic!("x is dense") };
    let column = Tensor::from_vec([2, 1], vec![1.0f32, 10.0]).unwrap();
    let w = scope.get_variable("w", VariableOptions::new().initializer(column)).unwrap();
    let y = scope.matmul(x, &w).unwrap();
    let output = |key: &&str| {
        let output = match *key {
            "predict" => ExportOutput::Predict([("y", y)].into()),
            "train" => ExportOutput::Train(Supervised::default()),
            "classification" => ExportOutput::Classification { classes: None, scores: Some(y) },
            _ => ExportOutput::Regression(y),
        };
        ((*key).to_owned(), output)
    };
    let outputs = outputs.iter().map(output).collect();
    scope.with_op_name("first").global_variables_initializer().unwrap();
    let session = Session::new(Arc::new(scope.graph().clone()), SessionOptions::default());
    session.run(&[], &[], &["first"]).unwrap();
    export_saved_model(base, &mut scope, &session, &receiver, outputs, options)
}

/// A serialized example with the feature `x`.
fn example(x: [f32; 2]) -> Vec<u8> {
    let packed: Vec<u8> = x.iter().flat_map(|x| x.to_le_bytes()).collect();
    let field = |number: u8, bytes: &[u8]| {
        let mut out = vec![number << 3 | 2, u8::try_from(bytes.len()).unwrap()];
        out.extend(bytes);
        out
    };
    let feature = field(2, &field(1, &packed));
    field(1, &field(1, &[field(1, b"x"), field(2, &feature)].concat()))
}

#[test]
fn an_export_is_called_by_heads_and_parses_examples() {
    let base = tempfile::tempdir().unwrap();
    let options = ExportOptions { timestamp: Some(100), ..ExportOptions::default() };
    let keys = ["serving_default", "predict", "classification", "train"];
    let exported = export(base.path(), &keys, options).unwrap();
    assert_eq!(exported.dir, base.path().join("100"));
    let excluded: Vec<&String> = exported.excluded.keys().collect();
    assert_eq!(excluded, ["train"], "{:?}", exported.excluded);
    assert_eq!(names(base.path()), ["100"]);
    assert_eq!(names(&exported.dir), ["fingerprint.pb", "saved_model.pb", "variables"]);

    let bundle = SavedModelBundle::load(&exported.dir, &["serve"], LoadOptions::default()).unwrap();
    let examples = || {
        let examples = vec![example([1.0, 2.0]).into(), example([3.0, -1.0]).into()];
        Tensor::from_strings([2], examples).unwrap()
    };
    for (key, input, output) in [
        ("serving_default", "inputs", "outputs"),
        ("classification", "inputs", "scores"),
        ("predict", "examples", "y"),
    ] {
        let outputs = bundle.call(key, &[(input, examples())]).unwrap();
        assert_eq!(outputs[0].0, output);
        assert_eq!(outputs[0].1.as_slice::<f32>().unwrap(), [21.0, -7.0], "{key}");
    }
    let meta_graph = bundle.meta_graph();
    assert_eq!(meta_graph.node_list("saved_model_main_op"), ["group_deps"]);
    assert!(meta_graph.meta_info_def.as_ref().unwrap().stripped_default_attrs);
    let input = &meta_graph.signatures["predict"].inputs["examples"];
    assert_eq!(input.name(), Some("input_example_tensor:0"));
}

#[test]
fn the_only_output_is_the_default_one() {
    let base = tempfile::tempdir().unwrap();
    let exported = export(base.path(), &["regression"], ExportOptions::default()).unwrap();
    let meta_graph = SavedModel::open(exported.dir).unwrap().meta_graph(&["serve"]).unwrap();
    let keys: Vec<&String> = meta_graph.signatures.keys().collect();
    assert_eq!(keys, ["regression", "serving_default"]);
    let error = export(base.path(), &["regression", "predict"], ExportOptions::default());
    let error = error.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    assert!(error.to_string().starts_with("Multiple export_outputs were provided, but none"));
}

#[test]
fn a_number_that_is_taken_is_counted_on() {
    let base = tempfile::tempdir().unwrap();
    let at = || ExportOptions { timestamp: Some(7), as_text: true, ..ExportOptions::default() };
    for _ in 0..2 {
        export(base.path(), &["predict"], at()).unwrap();
    }
    assert_eq!(names(base.path()), ["7", "8"]);
    assert_eq!(names(&base.path().join("8")), ["saved_model.pbtxt", "variables"]);
}

#[test]
fn extra_files_are_copied_below_their_directory() {
    let base = tempfile::tempdir().unwrap();
    let file = base.path().join("notes");
    fs::write(&file, "text").unwrap();
    let export_to = |to: &str, from: &Path| {
        let assets_extra = [(to.to_owned(), from.to_owned())].into();
        let options =
            ExportOptions { assets_extra, timestamp: Some(1), ..ExportOptions::default() };
        export(&base.path().join("models"), &["predict"], options)
    };
    for to in ["../up", "/tmp/x", ""] {
        let error = export_to(to, &file).unwrap_err();
        assert_eq!(error.to_string(), format!("'{to}' is no place below assets.extra"));
    }
    assert_eq!(export_to("a", &base.path().join("none")).unwrap_err().code(), Code::NotFound);
    assert!(names(&base.path().join("models")).is_empty());
    let dir = export_to("a/b.txt", &file).unwrap().dir;
    assert_eq!(fs::read_to_string(dir.join("assets.extra/a/b.txt")).unwrap(), "text");
}

// Names, types and shapes are those of TensorFlow 2.21's `tf.io.parse_example`.
#[test]
fn features_are_read_by_the_nodes_that_tensorflow_adds() {
    let mut scope = Scope::new();
    let receiver = build_parsing_serving_input_receiver(&mut scope, &features(), None).unwrap();
    let nodes: Vec<(&str, &str)> =
        scope.graph().nodes().iter().map(|node| (node.name(), node.op())).collect();
    let expected = [
        ("input_example_tensor", "Placeholder"),
        ("ParseExample/key_d_e", "Const"),
        ("ParseExample/Reshape/shape", "Const"),
        ("ParseExample/Reshape", "Reshape"),
        ("ParseExample/Const", "Const"),
        ("ParseExample/Const_1", "Const"),
        ("ParseExample/ParseExampleV2/names", "Const"),
        ("ParseExample/ParseExampleV2/sparse_keys", "Const"),
        ("ParseExample/ParseExampleV2/dense_keys", "Const"),
        ("ParseExample/ParseExampleV2/ragged_keys", "Const"),
        ("ParseExample/ParseExampleV2", "ParseExampleV2"),
    ];
    assert_eq!(nodes, expected);
    let shape_of = |name: &str| match receiver.features[name] {
        SignatureTensor::Dense(tensor) => scope.shape(tensor).to_string(),
        SignatureTensor::Sparse(sparse) => scope.shape(sparse.indices).to_string(),
        _ => panic!("{name}"),
    };
    let shapes = ["x", "id", "d e", "words"].map(shape_of);
    assert_eq!(shapes, ["[?,2]", "[?]", "[?,2]", "[?,2]"]);
}

#[test]
fn features_that_examples_do_not_have_are_refused() {
    let wrong_type = FeatureSpec::fixed_len([], DType::F64);
    let wrong_default = FeatureSpec::FixedLen {
        shape: [].into(),
        dtype: DType::F32,
        default: Some(Tensor::scalar(1i64)),
    };
    for (spec, text) in [
        (vec![], "Missing features specification."),
        (vec![wrong_type], "feature 'x' is of type double, which examples do not have"),
        (vec![wrong_default], "feature 'x' is of type float, its default of type int64"),
    ] {
        let spec = spec.into_iter().map(|spec| ("x".to_owned(), spec)).collect();
        let built = build_parsing_serving_input_receiver(&mut Scope::new(), &spec, None);
        assert_eq!(built.unwrap_err().to_string(), text);
    }
}

#[test]
fn outputs_that_need_more_than_is_fed_are_left_out() {
    let mut scope = Scope::new();
    let spec = ["a", "b"].map(|name| (name.to_owned(), (DType::F32, PartialShape::unknown())));
    let mut receiver = build_raw_serving_input_receiver(&mut scope, &spec.into()).unwrap();
    let tensor = |name: &str| scope.graph().output(name).unwrap();
    let (a, b) = (tensor("a:0"), tensor("b:0"));
    let sum = scope.add(a, b).unwrap();
    let twice = scope.mul(a, 2.0f32).unwrap();
    receiver.receiver_tensors_alternatives.insert("one".to_owned(), [("a", a)].into());
    let outputs = [("sum", sum), ("twice", twice)];
    let outputs =
        outputs.map(|(key, y)| (key.to_owned(), ExportOutput::Predict([("y", y)].into())));
    let defs = build_all_signature_defs(&mut scope, &receiver, &outputs.into(), true).unwrap();
    let keys: Vec<&String> = defs.signatures.keys().collect();
    assert_eq!(keys, ["one:twice", "sum", "twice"]);
    assert_eq!(
        defs.excluded["one:sum"],
        "The signature's input tensors ['a:0'] are insufficient to compute its output keys ['y'] because of the \
         dependency on `b` which is not given as a signature input"
    );
    assert_eq!(defs.signatures["sum"].inputs.keys().collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn what_training_gives_has_the_keys_of_estimators() {
    let mut scope = Scope::new();
    let x = scope.with_op_name("x").placeholder(DType::F32, []).unwrap();
    let node = scope.with_op_name("update").no_op().unwrap();
    let spec = [("f".to_owned(), (DType::F32, PartialShape::unknown()))].into();
    let mut receiver = build_raw_serving_input_receiver(&mut scope, &spec).unwrap();
    receiver.receiver_tensors.0.insert("x".to_owned(), x.into());
    let supervised = Supervised {
        loss: [("loss", x)].into(),
        predictions: [("logits", x)].into(),
        metrics: [("auc".to_owned(), (x, Element::Node(node)))].into(),
    };
    let outputs = [
        ("train".to_owned(), ExportOutput::Train(supervised.clone())),
        ("eval".to_owned(), ExportOutput::Eval(supervised)),
    ];
    let defs = build_all_signature_defs(&mut scope, &receiver, &outputs.into(), false).unwrap();
    let methods = ["train", "eval"].map(|key| &*defs.signatures[key].method_name);
    assert_eq!(methods, ["tensorflow/supervised/training", "tensorflow/supervised/eval"]);
    let keys: Vec<&String> = defs.signatures["train"].outputs.keys().collect();
    assert_eq!(keys, ["loss", "metrics/auc/update_op", "metrics/auc/value", "predictions/logits"]);
    assert!(scope.graph().node_by_name("metric_op_wrapper").is_some());
}

/// A regression on the feature `x`, for a mode; with what is exported.
fn graph_for(mode: Mode) -> (Scope, ServingInputReceiver, BTreeMap<String, ExportOutput>) {
    let mut scope = Scope::new();
    let spec = [("x".to_owned(), FeatureSpec::fixed_len([2], DType::F32))].into();
    let receiver = build_parsing_serving_input_receiver(&mut scope, &spec, None).unwrap();
    let SignatureTensor::Dense(x) = receiver.features["x"] else { panic!("x is dense") };
    let column = Tensor::from_vec([2, 1], vec![1.0f32, 10.0]).unwrap();
    let w = scope.get_variable("w", VariableOptions::new().initializer(column)).unwrap();
    let y = scope.matmul(x, &w).unwrap();
    let loss = scope.with_op_name("loss").mul(y, y).unwrap();
    let supervised = |metrics| Supervised {
        loss: [("loss", loss)].into(),
        predictions: [("predictions", y)].into(),
        metrics,
    };
    let outputs = match mode {
        Mode::Train => ("train", ExportOutput::Train(supervised(BTreeMap::new()))),
        Mode::Eval => {
            let metrics = [("average_loss".to_owned(), (loss, Element::Output(loss)))].into();
            ("eval", ExportOutput::Eval(supervised(metrics)))
        }
        Mode::Predict => ("predict", ExportOutput::Predict([("predictions", y)].into())),
    };
    (scope, receiver, [(outputs.0.to_owned(), outputs.1)].into())
}

// Tags, keys and methods are those of `estimator_wide_deep`, which TensorFlow 2.15 exported.
#[test]
fn all_modes_are_exported_as_by_estimators() {
    let base = tempfile::tempdir().unwrap();
    let modes = [Mode::Train, Mode::Eval, Mode::Predict];
    let mut made = modes.map(graph_for);
    let init = made[0].0.with_op_name("first").global_variables_initializer().unwrap();
    let session = Session::new(Arc::new(made[0].0.graph().clone()), SessionOptions::default());
    session.run(&[], &[], &[made[0].0.graph().node(init).name()]).unwrap();
    let graphs = modes.into_iter().zip(&mut made).map(|(mode, (scope, receiver, outputs))| {
        ModeGraph { mode, scope, receiver, export_outputs: outputs.clone() }
    });
    let options = ExportOptions { timestamp: Some(5), ..ExportOptions::default() };
    let exported =
        export_all_saved_models(base.path(), &session, graphs.collect(), options).unwrap();
    assert_eq!(exported.dir, base.path().join("5"));
    assert!(exported.excluded.is_empty(), "{:?}", exported.excluded);

    let fixture = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/saved_models/estimator_wide_deep");
    let facts = |dir: &Path, tag: &str| {
        let meta_graph = SavedModel::open(dir).unwrap().meta_graph(&[tag]).unwrap();
        let signatures = meta_graph.signatures.into_iter();
        let facts = signatures.filter(|(key, _)| key != "regression" && key != "serving_default");
        let facts = facts.map(|(key, signature)| {
            let is_told =
                |key: &String| !key.starts_with("metrics") || key.contains("average_loss");
            let keys = signature.inputs.into_keys().chain(signature.outputs.into_keys());
            (key, signature.method_name, keys.filter(is_told).collect::<Vec<_>>())
        });
        facts.collect::<Vec<_>>()
    };
    for tag in ["train", "eval", "serve"] {
        assert_eq!(facts(&exported.dir, tag), facts(&fixture, tag), "{tag}");
        let bundle = SavedModelBundle::load(&exported.dir, &[tag], LoadOptions::default()).unwrap();
        let key = if tag == "serve" { "serving_default" } else { tag };
        let examples = Tensor::from_strings([1], vec![example([1.0, 2.0]).into()]).unwrap();
        let outputs = bundle.call(key, &[("examples", examples)]).unwrap();
        let found = outputs.iter().find(|(key, _)| key == "predictions").unwrap();
        assert_eq!(found.1.as_slice::<f32>().unwrap(), [21.0], "{tag}");
    }
    let error = export_all_saved_models(base.path(), &session, vec![], ExportOptions::default());
    assert_eq!(error.unwrap_err().code(), Code::InvalidArgument);
}
