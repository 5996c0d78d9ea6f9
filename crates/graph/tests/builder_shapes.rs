//! Shapes are known, and contradictions told, as by TensorFlow's shape functions.
//!
//! `fixtures/graph_builder/shapes.json.gz` holds graphs of a node and its inputs, and for each what
//! TensorFlow says of the node's outputs, or its error.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::Arc;

use base64::Engine;
use flowkeep_graph::builder::{BuiltinShapes, InferenceContext, NodeBuilder, Scope, ShapeProvider};
use flowkeep_graph::{Attr, Error, Graph, NodeId, Output, op_def};
use flowkeep_proto::pb;
use flowkeep_tensor::{Code, DType, PartialShape};
use prost::Message;
use serde_json::Value;

fn cases() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/graph_builder/shapes.json.gz");
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let mut golden: Value = serde_json::from_str(&text).unwrap();
    match golden["cases"].take() {
        Value::Array(cases) => cases,
        _ => panic!("no cases"),
    }
}

fn decode(value: &Value) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD.decode(value.as_str().unwrap()).unwrap()
}

/// Adds a node of a message, whose inputs are there.
fn add(scope: &mut Scope, node: &pb::NodeDef) -> Result<NodeId, Error> {
    let mut inputs = node.input.iter().map(|input| scope.graph().output(input).unwrap());
    let n_of = |attr: &str| match node.attr[attr].value {
        Some(pb::attr_value::Value::I(n)) => n as usize,
        ref other => panic!("{other:?}"),
    };
    let def = op_def::lookup(&node.op).unwrap();
    let arguments: Vec<(bool, Vec<Output>)> = def
        .inputs
        .iter()
        .map(|arg| {
            let n = arg.number_attr.as_deref().map_or(1, n_of);
            (arg.is_list(), inputs.by_ref().take(n).collect())
        })
        .collect();
    drop(inputs);
    let mut builder: NodeBuilder<'_> = scope.op(&node.op).name(&node.name);
    for (is_list, tensors) in arguments {
        builder = if is_list { builder.input_list(tensors) } else { builder.input(tensors[0]) };
    }
    for (name, value) in &node.attr {
        builder = builder.attr(name, Attr::from_proto(value.clone()));
    }
    builder.build()
}

/// What is known of the outputs of the last node of a graph.
fn inferred(def: &pb::GraphDef) -> Result<Vec<PartialShape>, Error> {
    let mut scope = Scope::new();
    let (last, inputs) = def.node.split_last().unwrap();
    for node in inputs {
        add(&mut scope, node)?;
    }
    let id = add(&mut scope, last)?;
    let n_outputs = scope.graph().node(id).n_outputs().unwrap();
    Ok((0..n_outputs as u32).map(|index| scope.shape(id.output(index)).clone()).collect())
}

#[test]
fn shapes_and_contradictions_are_those_of_tensorflow() {
    let cases = cases();
    assert!(cases.len() > 3000);
    let mut wrong: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut ops = BTreeSet::new();
    for case in &cases {
        let def = pb::GraphDef::decode(&*decode(&case["graph_def"])).unwrap();
        let op = def.node.last().unwrap().op.clone();
        assert!(BuiltinShapes.knows(&op), "{op}");
        let got = inferred(&def).map_err(|error| error.to_string());
        let want = match case["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(case["shapes"]
                .as_array()
                .unwrap()
                .iter()
                .map(|shape| pb::TensorShapeProto::decode(&*decode(shape)).unwrap())
                .map(|shape| PartialShape::from_proto(&shape).unwrap())
                .collect::<Vec<_>>()),
        };
        if got != want {
            let inputs: Vec<String> =
                def.node.iter().map(|node| format!("{:?}", node.attr)).collect();
            let inputs =
                if got.is_ok() && want.is_ok() { inputs.join("\n    ") } else { String::new() };
            wrong
                .entry(op.clone())
                .or_default()
                .push(format!("{op}\n  got  {got:?}\n  want {want:?}\n {inputs}"));
        }
        ops.insert(op);
    }
    assert!(ops.len() > 50);
    let counts: Vec<String> =
        wrong.iter().map(|(op, wrong)| format!("{op}: {}", wrong.len())).collect();
    let samples: Vec<&str> =
        wrong.values().flat_map(|wrong| wrong.iter().take(2)).map(String::as_str).collect();
    assert!(wrong.is_empty(), "{}\n{}", samples.join("\n"), counts.join(", "));
}

#[test]
fn a_contradiction_is_an_error_with_the_node_and_its_inputs() {
    let mut scope = Scope::new();
    let a = scope.with_op_name("a").placeholder(DType::F32, [Some(2), Some(3)]).unwrap();
    let b = scope.with_op_name("b").placeholder(DType::F32, [Some(4), Some(5)]).unwrap();
    let error = scope.matmul(a, b).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    assert_eq!(
        error.to_string(),
        "Dimensions must be equal, but are 3 and 4 for '{{node MatMul}} = MatMul[T=DT_FLOAT, grad_a=false, \
         grad_b=false, transpose_a=false, transpose_b=false](a, b)' with input shapes: [2,3], [4,5]."
    );
    assert_eq!(scope.graph().len(), 2, "the node is not there");
    let c = scope.placeholder(DType::F32, [Some(3), Some(5)]).unwrap();
    let product = scope.matmul(a, c).unwrap();
    assert_eq!(scope.graph().tensor_name(product).to_string(), "MatMul_1:0", "its name is taken");
}

/// Says that everything is a vector of two.
#[derive(Debug)]
struct Pairs;

impl ShapeProvider for Pairs {
    fn infer(&self, cx: &mut InferenceContext<'_>) -> Result<(), String> {
        if cx.op() == "Neg" {
            return Err(format!("no pair of {}", cx.input(0)));
        }
        (0..cx.n_outputs())
            .for_each(|index| cx.set_output(index, PartialShape::new(vec![Some(2)])));
        Ok(())
    }
}

#[test]
fn shapes_come_from_whoever_is_asked() {
    let mut scope = Scope::with_shapes(Graph::new(), Arc::new(Pairs));
    let x = scope.placeholder_of(DType::F32, PartialShape::unknown()).unwrap();
    assert_eq!(scope.shape(x).to_string(), "[2]");
    assert_eq!(
        scope.neg(x).unwrap_err().to_string(),
        "no pair of [2] for '{{node Neg}} = Neg[T=DT_FLOAT](Placeholder)' with input shapes: [2]."
    );
}

#[test]
fn shapes_of_a_graph_that_is_there_are_known() {
    let mut scope = Scope::new();
    let x = scope.placeholder(DType::F32, [None, Some(3)]).unwrap();
    let y = scope.relu(x).unwrap();
    let mut scope = Scope::from_graph(scope.into_graph());
    assert_eq!(scope.shape(y).to_string(), "[?,3]");
    let z = scope.relu(y).unwrap();
    assert_eq!(scope.graph().tensor_name(z).to_string(), "Relu_1:0");
}
