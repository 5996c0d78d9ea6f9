//! Graphs in the one of several equal forms in which they can be compared.

use std::collections::BTreeMap;

use flowkeep_graph::{InputRef, op_def};
use flowkeep_proto::pb;
use flowkeep_proto::pb::attr_value::Value;
use flowkeep_tensor::Tensor;

/// Fails, naming the first node that differs, unless two graphs are equal but for the order of
/// nodes and control inputs, `:0`, defaults, and the way in which constants are stored.
pub(crate) fn assert_same(what: &str, got: pb::GraphDef, want: pb::GraphDef) {
    let names = |def: &pb::GraphDef| {
        let mut names: Vec<String> = def.node.iter().map(|node| node.name.clone()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&got), names(&want), "{what}: nodes");
    assert_eq!(got.versions.unwrap_or_default(), want.versions.unwrap_or_default(), "{what}");
    same_nodes(what, got.node, want.node, graph_input);
    let (got, want) = (got.library.unwrap_or_default(), want.library.unwrap_or_default());
    assert_eq!(got.gradient, want.gradient, "{what}");
    let (mut got, want) = (functions(got), functions(want));
    assert_eq!(got.keys().collect::<Vec<_>>(), want.keys().collect::<Vec<_>>(), "{what}");
    for (name, mut want) in want {
        let mut got = got.remove(&name).unwrap();
        let what = format!("{what}: function {name}");
        let (got_nodes, want_nodes) =
            (std::mem::take(&mut got.node_def), std::mem::take(&mut want.node_def));
        same_nodes(&what, got_nodes, want_nodes, body_input);
        assert_eq!(got, want, "{what}");
    }
}

fn functions(library: pb::FunctionDefLibrary) -> BTreeMap<String, pb::FunctionDef> {
    let name = |function: &pb::FunctionDef| function.signature.as_ref().unwrap().name.clone();
    library.function.into_iter().map(|function| (name(&function), function)).collect()
}

fn same_nodes(
    what: &str,
    got: Vec<pb::NodeDef>,
    want: Vec<pb::NodeDef>,
    input: fn(&str) -> String,
) {
    let by_name = |nodes: Vec<pb::NodeDef>| -> BTreeMap<String, pb::NodeDef> {
        nodes.into_iter().map(|node| (node.name.clone(), normal(node, input))).collect()
    };
    let (mut got, want) = (by_name(got), by_name(want));
    for (name, want) in want {
        let got = got.remove(&name).unwrap_or_else(|| panic!("{what}: no node {name}"));
        assert_eq!(got, want, "{what}: node {name}");
    }
    assert!(got.is_empty(), "{what}: {:?}", got.keys());
}

/// The node without `:0`, control inputs sorted and once each, defaults filled in, constants stored
/// in one way, and not colocated with itself.
fn normal(mut node: pb::NodeDef, normal_input: fn(&str) -> String) -> pb::NodeDef {
    for input in &mut node.input {
        *input = normal_input(input);
    }
    let n_data = node.input.iter().take_while(|input| !input.starts_with('^')).count();
    node.input[n_data..].sort();
    node.input.dedup_by(|a, b| a == b && a.starts_with('^'));
    if let Some(def) = op_def::lookup(&node.op) {
        for attr in &def.attrs {
            if let Some(default) = &attr.default {
                node.attr.entry(attr.name.to_string()).or_insert_with(|| default.to_proto());
            }
        }
    }
    let own_class = format!("loc:@{}", node.name);
    if let Some(Value::List(list)) =
        node.attr.get_mut("_class").and_then(|class| class.value.as_mut())
    {
        list.s.retain(|class| *class != own_class.as_bytes());
        if list.s.is_empty() {
            node.attr.remove("_class");
        }
    }
    for value in node.attr.values_mut() {
        if let Some(Value::Tensor(proto)) = &mut value.value {
            **proto = pb::TensorProto::from(&Tensor::try_from(&**proto).unwrap());
        }
    }
    node
}

fn graph_input(input: &str) -> String {
    InputRef::parse(input).to_string()
}

/// `node:output` is `node:output:0`, for results that are no lists.
fn body_input(input: &str) -> String {
    match input.split(':').count() {
        2 if !input.starts_with('^') => format!("{input}:0"),
        _ => input.to_owned(),
    }
}
