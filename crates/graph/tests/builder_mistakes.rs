//! Nodes that cannot be are refused with TensorFlow's own words.
//!
//! `fixtures/graph_builder/mistakes.json` holds inputs and attributes that ops do not take.

use flowkeep_graph::builder::{Operand, Scope, Variable, VariableOptions};
use flowkeep_graph::{Attr, AttrList, Error, Output, op_def};
use flowkeep_tensor::{Code, DType, Shape, Tensor};
use serde_json::Value;

fn cases() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/graph_builder/mistakes.json");
    let mut golden: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    match golden["cases"].take() {
        Value::Array(cases) => cases,
        _ => panic!("no cases"),
    }
}

fn dtype(name: &str) -> DType {
    let all = (1..64).filter_map(|number| DType::from_number(number).ok());
    all.into_iter().find(|dtype| dtype.python_name() == name).expect(name)
}

/// A tensor of a type, or a reference for one that ends with `_ref`.
fn source(scope: &mut Scope, kind: &Value) -> Output {
    let kind = kind.as_str().unwrap();
    match kind.strip_suffix("_ref") {
        None => scope.placeholder(dtype(kind), []).unwrap(),
        Some(name) => {
            let shape = Attr::Shape((&Shape::from([2])).into());
            let op = scope.op("VariableV2").attr("shape", shape);
            op.attr("dtype", Attr::Type(dtype(name))).build_one().unwrap()
        }
    }
}

fn attr(op: &str, name: &str, value: &Value) -> Attr {
    let kind = op_def::lookup(op).unwrap().attr(name).unwrap().kind.name();
    match (kind, value) {
        ("type", value) => Attr::Type(dtype(value.as_str().unwrap())),
        (_, Value::String(value)) => Attr::Str(value.clone().into_bytes().into()),
        (_, Value::Number(value)) => Attr::Int(value.as_i64().unwrap()),
        (_, Value::Array(values)) => {
            Attr::List(AttrList::Int(values.iter().map(|value| value.as_i64().unwrap()).collect()))
        }
        other => panic!("{other:?}"),
    }
}

fn build(case: &Value) -> Result<(), Error> {
    let mut scope = Scope::new();
    let op = case["op"].as_str().unwrap();
    let inputs: Vec<Result<Output, Vec<Output>>> = case["inputs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|input| match input {
            Value::Array(list) => Err(list.iter().map(|kind| source(&mut scope, kind)).collect()),
            kind => Ok(source(&mut scope, kind)),
        })
        .collect();
    let mut builder = scope.op(op);
    for input in inputs {
        builder = match input {
            Ok(tensor) => builder.input(tensor),
            Err(list) => builder.input_list(list),
        };
    }
    for (name, value) in case["attrs"].as_object().unwrap() {
        builder = match (name.as_str(), value.as_str()) {
            ("name", Some(name)) => builder.name(name),
            _ => builder.attr(name, attr(op, name, value)),
        };
    }
    builder.build().map(drop)
}

#[test]
fn errors_are_tensorflows() {
    let cases = cases();
    assert!(cases.len() > 20);
    for case in cases {
        let error = build(&case).unwrap_err();
        assert_eq!(error.to_string(), case["error"].as_str().unwrap());
        assert_eq!(error.code(), Code::InvalidArgument);
    }
}

#[test]
fn an_op_that_nobody_knows_is_not_found() {
    let error = Scope::new().op("MatMull").build().unwrap_err();
    assert_eq!(error.to_string(), "Op type not registered 'MatMull'");
    assert_eq!(error.code(), Code::NotFound);
}

#[test]
fn arguments_are_counted() {
    let mut scope = Scope::new();
    let x = scope.placeholder(DType::F32, []).unwrap();
    let error = scope.op("AddV2").input(x).build().unwrap_err();
    assert_eq!(error.to_string(), "No argument for input y found in AddV2");
    let error = scope.op("Neg").input(x).input(x).build().unwrap_err();
    assert_eq!(error.to_string(), "Neg takes 1 arguments, but 2 are given");
    assert!(scope.op("Neg").input_list([x]).build().is_err(), "a list where there is none");
    assert!(scope.op("AddN").input(x).build().is_err(), "no list where there is one");
}

#[test]
fn an_attribute_may_be_given_that_inputs_determine() {
    let mut scope = Scope::new();
    let x = scope.placeholder(DType::F32, []).unwrap();
    scope.op("Neg").input(x).attr("T", Attr::Type(DType::F32)).build().unwrap();
    let error = scope.op("Neg").input(x).attr("T", Attr::Type(DType::I32)).build().unwrap_err();
    assert_eq!(
        error.to_string(),
        "Input 'x' of 'Neg' Op has type float32 that does not match type int32 of argument 'T'."
    );
}

#[test]
fn a_resource_is_not_made_from_a_reference_that_may_not_be_initialized() {
    let mut scope = Scope::new();
    let made = |scope: &mut Scope, value: Operand, is_resource| -> Result<Variable, Error> {
        scope.variable(VariableOptions::new().initializer(value).use_resource(is_resource))
    };
    let first = made(&mut scope, Tensor::scalar(1.0f32).into(), false).unwrap();
    let double = scope.mul(&first, 2.0f32).unwrap();
    made(&mut scope, double.into(), false).unwrap();
    let error = made(&mut scope, double.into(), true).unwrap_err();
    assert_eq!(error.code(), Code::Unimplemented);
    assert_eq!(
        error.to_string(),
        "the initial value of variable 'Variable_2' is made from variable 'Variable', which may not be initialized \
         before it"
    );
}

#[test]
fn a_variable_without_an_initial_value_is_none() {
    let error = Scope::new().variable(VariableOptions::new()).unwrap_err();
    assert_eq!(error.to_string(), "initial_value must be specified.");
}

#[test]
fn a_value_of_another_shape_is_not_assigned() {
    let mut scope = Scope::new();
    let options = || VariableOptions::new().initializer([1.0f32, 2.0]);
    let resource = scope.with_op_name("r").variable(options().use_resource(true)).unwrap();
    assert_eq!(
        scope.assign(&resource, [1.0f32]).unwrap_err().to_string(),
        "Cannot assign value to variable ' r:0': Shape mismatch.The variable shape (2,), and the assigned value \
         shape (1,) are incompatible."
    );
    let by_ref = scope.with_op_name("v").variable(options().use_resource(false)).unwrap();
    let error = scope.assign(&by_ref, [1.0f32]).unwrap_err().to_string();
    assert!(
        error.starts_with("Dimension 0 in both shapes must be equal, but are 2 and 1."),
        "{error}"
    );
}

#[test]
fn what_fails_leaves_the_scope_as_it_was() {
    let mut scope = Scope::new();
    let x = scope.placeholder(DType::F32, []).unwrap();
    let before = scope.graph().len();
    for broken in ["_x", "a b"] {
        assert!(scope.with_op_name(broken).neg(x).is_err());
    }
    assert!(scope.device("/foo:1").is_err());
    assert!(scope.name_scope("a b").is_err());
    assert_eq!(scope.graph().len(), before);
    let y = scope.neg(x).unwrap();
    let node = scope.graph().node(y.node);
    assert_eq!((node.name(), node.device(), node.control_inputs().len()), ("Neg", "", 0));
}
