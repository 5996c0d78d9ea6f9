//! Functions, variables and tables of models do what they do in TensorFlow, whose results are
//! recorded in `fixtures/object_models`.

use std::fs;
use std::path::{Path, PathBuf};

use flowkeep_runtime::SessionOptions;
use flowkeep_saved_model::{LoadedObjects, ObjectKind, ObjectLoadOptions};
use flowkeep_tensor::{Code, DType};
use serde_json::{Value, json};

mod object_script;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/object_models")
}

fn options() -> ObjectLoadOptions {
    ObjectLoadOptions {
        session: SessionOptions { threads: 1, ..SessionOptions::default() },
        ..ObjectLoadOptions::default()
    }
}

fn load(name: &str) -> LoadedObjects {
    LoadedObjects::load(folder().join(name), options()).expect("the model loads")
}

/// Runs the recorded steps of a model and compares.
fn check(name: &str, model: &LoadedObjects) {
    let record = fs::read_to_string(folder().join(format!("{name}.steps.json"))).expect("a record");
    let record: Value = serde_json::from_str(&record).expect("JSON");
    let expected = record["results"].as_array().expect("results");
    let got = object_script::run(model, &folder().join(name), &record["steps"]);
    assert_eq!(got.len(), expected.len());
    for ((step, got), expected) in
        record["steps"].as_array().unwrap().iter().zip(&got).zip(expected)
    {
        assert!(same(got, expected), "{name}: {step}\n got {got}\nwant {expected}");
    }
}

/// Whether two results are equal: floats but for rounding, errors but for what Python prints of values
/// and for the order of dicts.
fn same(got: &Value, expected: &Value) -> bool {
    if let (Some(got), Some(expected)) = (got["error"].as_str(), expected["error"].as_str()) {
        return facts(got) == facts(expected);
    }
    match (got, expected) {
        (Value::Object(a), Value::Object(b)) if a.get("dtype") == Some(&json!("float32")) => {
            a.get("dtype") == b.get("dtype")
                && a.get("shape") == b.get("shape")
                && floats(&a["hex"])
                    .iter()
                    .zip(floats(&b["hex"]))
                    .all(|(a, b)| (a - b).abs() <= 1e-6 * b.abs().max(1e-6))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (got, expected) => got == expected,
    }
}

/// What of an error does not depend on how Python prints nested values.
fn facts(error: &str) -> String {
    if let Some((what, _)) = error.split_once("`. Received args") {
        return what.to_owned();
    }
    // Python breaks long lines within a value.
    let error = error.replace(",\n ", ", ");
    let (call, options) = error.split_once("\n\n Expected").unwrap_or((&error, ""));
    let is_flat = |line: &&str| !line.contains("Keyword arguments") && !line.contains(['{', '[']);
    let lines = call.lines().chain(options.lines()).filter(is_flat);
    lines.collect::<Vec<_>>().join("\n")
}

fn floats(hex: &Value) -> Vec<f32> {
    let hex = hex.as_str().expect("hex");
    let bytes: Vec<u8> = (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect();
    bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
}

#[test]
fn functions_of_every_model_give_what_tensorflow_gives() {
    let mut n_models = 0;
    for file in fs::read_dir(folder()).expect("the fixtures are there") {
        let name = file.unwrap().file_name().into_string().unwrap();
        if let Some(name) = name.strip_suffix(".steps.json") {
            check(name, &load(name));
            n_models += 1;
        }
    }
    assert!(n_models >= 9);
}

#[test]
fn loaded_models_share_nothing_with_one_another() {
    let first = load("nested");
    let second = load("nested");
    check("nested", &first);
    // Only the first has counted.
    let count = |model: &LoadedObjects| model.value("counter").unwrap().to_scalar::<i64>().unwrap();
    assert_eq!((count(&first), count(&second)), (3, 0));
    check("nested", &second);
}

#[test]
fn fifty_models_at_once_do_what_one_does() {
    std::thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| check("nested", &load("nested")));
        }
    });
}

#[test]
fn many_threads_call_one_model() {
    let model = load("nested");
    let step = json!([{ "call": "__call__", "args": [[[1.0, 2.0]]] }]);
    let alone = object_script::run(&model, &folder(), &step);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|_| {
                scope.spawn(|| {
                    (0..10).all(|_| object_script::run(&model, &folder(), &step) == alone)
                })
            })
            .collect();
        assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
    });
    let count = model.value("counter").unwrap().to_scalar::<i64>().unwrap();
    assert_eq!(count, 161);
}

#[test]
fn filters_load_a_part_of_a_model() {
    let only = |path: &str| {
        let node_filters = vec![path.to_owned()];
        LoadedObjects::load(
            folder().join("nested"),
            ObjectLoadOptions { node_filters, ..options() },
        )
    };
    let part = only("root.layers.1").expect("a part");
    let full = load("nested");
    let step = json!([{ "call": "layers.1.__call__", "args": [[[1.0, 2.0, 3.0]]] }]);
    assert_eq!(
        object_script::run(&part, &folder(), &step),
        object_script::run(&full, &folder(), &step)
    );
    let error = part.value("layers.0.kernel").unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    assert!(error.to_string().contains("was not loaded"), "{error}");
    for (path, code, text) in [
        ("layers", Code::InvalidArgument, "the first name must be root. Received layers."),
        ("root.none", Code::NotFound, "Unable to find node root.none."),
        (
            "root.__call__",
            Code::InvalidArgument,
            "Unable to partially load SavedModel since the specified filter does not include all required objects",
        ),
    ] {
        let error = only(path).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(text), "{error}");
    }
}

#[test]
fn what_is_no_variable_or_function_says_so() {
    let model = load("nested");
    let error = model.variable("layers").unwrap_err();
    assert_eq!(error.to_string(), "'layers' is no variable but a user_object");
    let error = model.call("counter", &[], &[]).unwrap_err();
    assert_eq!(error.to_string(), "'counter' is no function but a variable");
    let error = model.call_signature("serving", &[]).unwrap_err();
    assert!(error.to_string().contains("Please choose from: head, serving_default"), "{error}");
    let error = model.call_signature("head", &[]).unwrap_err();
    assert!(error.to_string().contains("missing required arguments: x"), "{error}");
    let wrong = flowkeep_tensor::Tensor::scalar(1i32);
    let error = model.call_signature("head", &[("x", wrong.clone())]).unwrap_err();
    let text = "as input #0(zero-based) was expected to be a float tensor but is a int32 tensor";
    assert!(error.to_string().contains(text), "{error}");
    assert!(model.assign("counter", wrong).is_err());
}

#[test]
fn objects_tell_what_they_are() {
    let model = load("nested");
    let objects = model.objects();
    let bias = objects.find("heads.b.bias").unwrap();
    assert_eq!(objects.find("root.layers.1.bias").unwrap(), bias, "the variable is shared");
    let ObjectKind::Variable(spec) = &objects.object(bias).unwrap().kind else {
        panic!("no variable")
    };
    assert_eq!((&*spec.name, spec.dtype, spec.trainable), ("bias", DType::F32, true));
    let path = objects.path(bias).unwrap();
    assert_eq!(objects.find(&path).unwrap(), bias, "{path}");
    assert_eq!(objects.signatures().into_keys().collect::<Vec<_>>(), ["head", "serving_default"]);
    assert!(model.tensorflow_version().starts_with("2."));
    assert_eq!(model.tags(), ["serve"]);
}

#[test]
fn traces_are_called_by_their_names() {
    let model = load("nested");
    let function = model.objects().find("layers.1.__call__").unwrap();
    let kind = &model.objects().object(function).unwrap().kind;
    let ObjectKind::Function { concrete_functions, spec } = kind else { panic!("no function") };
    assert_eq!(spec.args, ["x"]);
    let x = json!([[1.0, 2.0, 3.0]]);
    let steps = json!([
        { "concrete": concrete_functions[0], "args": [x] },
        { "call": "layers.1", "args": [x] },
        { "concrete": "no_such", "args": [x] }
    ]);
    let results = object_script::run(&model, &folder(), &steps);
    assert_eq!(results[0], results[1]);
    assert!(results[0].get("ok").is_some(), "{}", results[0]);
    assert_eq!(results[2], json!({ "error": "the model has no function 'no_such'" }));
}
