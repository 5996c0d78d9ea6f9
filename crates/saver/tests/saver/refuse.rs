//! What Savers refuse, and in which words.

use std::fs;

use flowkeep_graph::builder::{GLOBAL_VARIABLES, Initializer, Partitioner, Scope, VariableOptions};
use flowkeep_proto::pb;
use flowkeep_runtime::Session;
use flowkeep_saver::{
    Error, RestoreFailure, RestoreOptions, RestoreProblem, SaveOptions, Saver, SaverConfig,
    VarList, get_saver_or_default,
};
use flowkeep_tensor::{Code, DType, Shape};
use serde_json::Value;

use crate::{fixtures, session, text, values, variable};

/// A session of variables as a fixture describes them, and their Saver.
fn launched(specs: &Value) -> (Session, Saver) {
    let mut scope = Scope::new();
    for spec in specs.as_array().unwrap() {
        let number = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap();
        let sizes: Vec<usize> = spec["shape"].as_array().unwrap().iter().map(number).collect();
        let dtype = [DType::F32, DType::F64, DType::I32, DType::Bool, DType::String]
            .into_iter()
            .find(|dtype| dtype.python_name() == spec["dtype"])
            .unwrap();
        let mut options = VariableOptions::new()
            .shape(Shape::from(sizes))
            .dtype(dtype)
            .initializer(Initializer::Zeros)
            .use_resource(spec["resource"].as_bool().unwrap());
        if let Some(parts) = spec["parts"].as_array() {
            let partitioner = Partitioner::fixed_size(number(&parts[0]), number(&parts[1]));
            options = options.partitioner(partitioner);
        }
        scope.get_variable_or_parts(&text(&spec["name"]), options).unwrap();
    }
    let saver = Saver::new(&mut scope, SaverConfig::default()).unwrap();
    (session(scope.into_graph()), saver)
}

fn failure(error: Error) -> RestoreFailure {
    match error {
        Error::Restore(failure) => *failure,
        other => panic!("{other}"),
    }
}

#[test]
fn checkpoints_that_do_not_fit_are_refused_in_tensorflows_words() {
    let cases = fs::read_to_string(fixtures().join("saver_graphs/refuse.json")).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&cases).unwrap();
    assert!(cases.len() >= 9);
    for case in cases {
        let (session, saver) = launched(&case["variables"]);
        let path = format!("../../fixtures/{}", text(&case["checkpoint"]));
        let error = saver.restore(&session, &path).unwrap_err();
        assert!(
            error.to_string().starts_with(&text(&case["error"])),
            "{}: {error}\n{}",
            case["name"],
            text(&case["error"])
        );
    }
}

#[test]
fn all_that_is_wrong_is_said_at_once_and_nothing_is_restored() {
    let mut scope = Scope::new();
    let kernel = variable(&mut scope, "z/kernel", &[3, 2], false);
    variable(&mut scope, "a/count", &[2, 2], false);
    variable(&mut scope, "flags", &[3], true);
    variable(&mut scope, "zzz", &[3], true);
    let half = VariableOptions::new().initializer(Initializer::Zeros).dtype(DType::F16).shape([3]);
    scope.with_op_name("y/half").variable(half.use_resource(false)).unwrap();
    let saver = Saver::new(&mut scope, SaverConfig::default()).unwrap();
    scope.with_op_name("init").global_variables_initializer().unwrap();
    let session = session(scope.into_graph());
    session.run(&[], &[], &["init"]).unwrap();
    let error = saver.restore(&session, fixtures().join("savers/whole")).unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    let lines: Vec<String> = error.to_string().lines().map(str::to_owned).collect();
    assert_eq!(
        lines[2..6],
        [
            "Key a/count not found in checkpoint; nearest: a/counts",
            "Key zzz not found in checkpoint",
            "tensor_name = flags; expected dtype float does not equal original dtype bool",
            "Assign requires shapes of both tensors to match. lhs shape= [3] rhs shape= [2] (variable y/half, key y/half)",
        ]
    );
    assert!(lines[6].starts_with("(checkpoint ") && lines.len() == 7, "{lines:?}");
    assert_eq!(values(&session, &kernel), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
}

#[test]
fn a_resource_of_another_shape_is_refused_only_if_that_is_asked_for() {
    let (session, saver) = {
        let mut scope = Scope::new();
        variable(&mut scope, "z/kernel", &[2, 2], true);
        let saver = Saver::new(&mut scope, SaverConfig::default()).unwrap();
        (session(scope.into_graph()), saver)
    };
    let path = fixtures().join("savers/whole");
    let strict = RestoreOptions { strict_shapes: true };
    let error = failure(saver.restore_with(&session, &path, strict).unwrap_err());
    assert!(
        matches!(&error.problems[..], [RestoreProblem::Shape { variable, .. }] if variable == "z/kernel")
    );
    saver.restore(&session, &path).unwrap();
}

#[test]
fn objects_are_restored_by_the_names_of_their_variables_and_the_other_way_round() {
    let mut scope = Scope::new();
    let bias = variable(&mut scope, "layer/bias", &[2], true);
    let kernel = variable(&mut scope, "layer/kernel", &[3, 2], false);
    let names = Saver::new(&mut scope, SaverConfig::default()).unwrap();
    let bias_key = "model/layers/1/0/bias/.ATTRIBUTES/VARIABLE_VALUE";
    let objects = VarList::map([(bias_key, &bias), ("k/.ATTRIBUTES/VARIABLE_VALUE", &kernel)]);
    let mut objects = Saver::new(&mut scope, SaverConfig::of(objects)).unwrap();
    let path = fixtures().join("object_graphs/nested");
    let mut by_names = names;
    let session = session(scope.into_graph());

    let report = by_names.restore(&session, &path).unwrap();
    assert!(report.restored.iter().any(|one| one.key == "layer/bias" && one.from_key == bias_key));
    let stored = flowkeep_bundle::CheckpointReader::open(&path).unwrap().tensor(bias_key).unwrap();
    assert_eq!(values(&session, &bias), stored.as_slice::<f32>().unwrap());

    let dir = tempfile::tempdir().unwrap();
    let saved = by_names.save(&session, dir.path().join("names"), &SaveOptions::default());
    let report = objects.restore(&session, saved.unwrap().unwrap()).unwrap();
    assert!(report.restored.iter().any(|one| one.key == bias_key && one.from_key == "layer/bias"));
    objects.save(&session, dir.path().join("objects"), &SaveOptions::default()).unwrap();
    let error = failure(by_names.restore(&session, dir.path().join("objects")).unwrap_err());
    assert_eq!(error.problems.len(), 2);
}

#[test]
fn arguments_are_refused_in_tensorflows_words() {
    let dir = tempfile::tempdir().unwrap();
    let mut scope = Scope::new();
    variable(&mut scope, "v", &[1], true);
    let deferred = SaverConfig { defer_build: true, ..Default::default() };
    let mut unbuilt = Saver::new(&mut scope, deferred).unwrap();
    let mut saver = Saver::new(&mut scope, SaverConfig::default()).unwrap();
    scope.with_op_name("init").global_variables_initializer().unwrap();
    let session = session(scope.into_graph());
    let at = |name: &str| dir.path().join(name);
    let named =
        |name: &str| SaveOptions { latest_filename: Some(name.into()), ..Default::default() };

    let error = unbuilt.save(&session, at("m"), &SaveOptions::default()).unwrap_err();
    assert_eq!(error.to_string(), "`build()` should be called before save if defer_build==True");
    assert_eq!(error.code(), Code::FailedPrecondition);
    assert_eq!(unbuilt.restore(&session, at("m")).unwrap_err().code(), Code::FailedPrecondition);
    let error = saver.save(&session, at("m"), &named("a/b")).unwrap_err();
    assert_eq!(error.to_string(), "'latest_filename' must not contain path components");
    let error = saver.save(&session, at("m"), &named("m")).unwrap_err();
    assert!(
        error.to_string().starts_with("'latest_filename' collides with 'save_path': 'm' and '")
    );
    let error = saver.save(&session, at("m"), &SaveOptions::default()).unwrap_err();
    assert_eq!(error.code(), Code::FailedPrecondition, "{error}");
    session.run(&[], &[], &["init"]).unwrap();
    let error = saver.save(&session, at("no/such/m"), &SaveOptions::default()).unwrap_err();
    let words =
        format!("Parent directory of {} doesn't exist, can't save.", at("no/such/m").display());
    assert_eq!(error.to_string(), words);
    saver.save(&session, at("m"), &SaveOptions::default()).unwrap();
    let error = saver.restore(&session, at("m.index")).unwrap_err().to_string();
    assert!(error.starts_with("The passed save_path is not a valid checkpoint: "), "{error}");
    assert!(error.ends_with(&format!("whose prefix is {}", at("m").display())), "{error}");
    assert_eq!(saver.take_deletion_errors().len(), 0);
    let negative = SaverConfig { max_to_keep: Some(-1), ..Default::default() };
    assert!(Saver::new(&mut Scope::new(), negative).is_err());
}

#[test]
fn messages_without_names_are_no_savers() {
    let def = pb::SaverDef { save_tensor_name: "s:0".into(), ..Default::default() };
    let error = Saver::from_proto(def, None).unwrap_err().to_string();
    assert!(
        error.starts_with("saver_def must specify the restore_op_name: save_tensor_name: \"s:0\""),
        "{error}"
    );
    let error = Saver::from_proto(pb::SaverDef::default(), Some("x")).unwrap_err().to_string();
    assert!(error.starts_with("saver_def must specify the save_tensor_name: "), "{error}");
}

#[test]
fn the_default_saver_is_the_only_one_of_its_collection() {
    let mut scope = Scope::new();
    variable(&mut scope, "v", &[1], true);
    let made = get_saver_or_default(&mut scope).unwrap();
    assert!(made.as_saver_def().unwrap().sharded);
    let n_nodes = scope.graph().len();
    let found = get_saver_or_default(&mut scope).unwrap();
    assert_eq!(found.as_saver_def(), made.as_saver_def());
    assert_eq!(
        (scope.graph().len(), scope.collections().get(GLOBAL_VARIABLES).len()),
        (n_nodes, 1)
    );
    let another = scope.collections().get("savers")[0].clone();
    scope.add_to_collection("savers", another);
    let error = get_saver_or_default(&mut scope).unwrap_err();
    assert!(error.to_string().starts_with("More than one item in collection savers."), "{error}");
}
