//! Functions of a library, compared by what they are: the numbers in their names are counted anew.

use std::collections::{BTreeMap, HashMap, HashSet};

use flowkeep_proto::pb;
use flowkeep_proto::pb::attr_value::Value;

use crate::nodes::difference;

/// What differs between two graphs in the functions that were not there before, told briefly.
pub(crate) fn differences(
    got: &mut pb::GraphDef,
    want: &mut pb::GraphDef,
    before: &pb::GraphDef,
) -> Vec<String> {
    let library = before.library.iter().flat_map(|library| &library.function);
    let known: HashSet<String> = library.map(|function| name(function).to_owned()).collect();
    let (got, want) = (numbered(got, &known), numbered(want, &known));
    let mut wrong = Vec::new();
    for name in got.keys().chain(want.keys().filter(|name| !got.contains_key(*name))) {
        match (got.get(name), want.get(name)) {
            (Some(got), Some(want)) => wrong.extend(
                of_function(got, want).into_iter().map(|what| format!("in {name}: {what}")),
            ),
            (Some(_), None) => wrong.push(format!("there is no function {name}")),
            _ => wrong.push(format!("function {name} lacks")),
        }
    }
    wrong
}

fn name(function: &pb::FunctionDef) -> &str {
    function.signature.as_ref().map_or("", |signature| &signature.name)
}

/// The functions by their names, which end in the place in which nodes speak of them, as they do then.
fn numbered(
    graph: &mut pb::GraphDef,
    known: &HashSet<String>,
) -> BTreeMap<String, pb::FunctionDef> {
    let mut library = graph.library.take().unwrap_or_default();
    let by_name: HashMap<String, usize> = library
        .function
        .iter()
        .enumerate()
        .map(|(idx, function)| (name(function).to_owned(), idx))
        .collect();
    let mut names: HashMap<String, String> = HashMap::new();
    let mut queue: Vec<String> = Vec::new();
    let mut meet = |nodes: &[pb::NodeDef], queue: &mut Vec<String>| {
        let mut nodes: Vec<&pb::NodeDef> = nodes.iter().collect();
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        for reference in nodes.into_iter().flat_map(|node| node.attr.values()).flat_map(functions) {
            if known.contains(reference) || names.contains_key(reference) {
                continue;
            }
            let place = names.len();
            names.insert(reference.to_owned(), format!("{}#{place}", without_number(reference)));
            queue.push(reference.to_owned());
        }
    };
    meet(&graph.node, &mut queue);
    let mut next = 0;
    while let Some(reference) = queue.get(next).cloned() {
        next += 1;
        if let Some(idx) = by_name.get(&reference) {
            meet(&library.function[*idx].node_def, &mut queue);
        }
    }
    let renamed = |attr: &mut pb::AttrValue| {
        let functions = match &mut attr.value {
            Some(Value::Func(function)) => std::slice::from_mut(function),
            Some(Value::List(list)) => &mut list.func[..],
            _ => return,
        };
        for function in functions {
            if let Some(name) = names.get(&function.name) {
                function.name.clone_from(name);
            }
        }
    };
    let in_functions = library.function.iter_mut().flat_map(|function| &mut function.node_def);
    for node in graph.node.iter_mut().chain(in_functions) {
        node.attr.values_mut().for_each(renamed);
    }
    let renamed = library.function.into_iter().map(|function| {
        let name = name(&function);
        (names.get(name).map_or(name, |name| name).to_owned(), function)
    });
    renamed.collect()
}

fn functions(attr: &pb::AttrValue) -> Vec<&str> {
    match &attr.value {
        Some(Value::Func(function)) => vec![&function.name],
        Some(Value::List(list)) => list.func.iter().map(|function| &*function.name).collect(),
        _ => Vec::new(),
    }
}

/// `f_grad_12` is `f_grad`: other calls count otherwise.
fn without_number(name: &str) -> String {
    let parts = name.split("_grad_");
    let parts = parts.map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit()));
    parts.collect::<Vec<_>>().join("_grad")
}

fn of_function(got: &pb::FunctionDef, want: &pb::FunctionDef) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut check = |what: &str, got: Vec<String>, want: Vec<String>| {
        for idx in 0..got.len().max(want.len()) {
            let [got, want] = [got.get(idx), want.get(idx)];
            if got != want {
                wrong.push(format!("{what} {idx}: {got:?}\n  instead {want:?}"));
            }
        }
    };
    check("argument", ports(got, inputs), ports(want, inputs));
    check("result", ports(got, outputs), ports(want, outputs));
    check("attribute of argument", listed(&got.arg_attr), listed(&want.arg_attr));
    check("value of result", listed(&got.ret), listed(&want.ret));
    check("control result", listed(&got.control_ret), listed(&want.control_ret));
    check("attribute", listed(&got.attr), listed(&want.attr));
    let is_stateful = |function: &pb::FunctionDef| {
        vec![function.signature.as_ref().is_some_and(|def| def.is_stateful).to_string()]
    };
    check("has effects", is_stateful(got), is_stateful(want));
    let n = got.node_def.len().max(want.node_def.len());
    let (got, want) = (&got.node_def, &want.node_def);
    let pairs = (0..n).map(|idx| difference(got.get(idx).cloned(), want.get(idx).cloned()));
    wrong.extend(pairs.flatten().take(4));
    wrong
}

fn inputs(def: &pb::OpDef) -> &[pb::op_def::ArgDef] {
    &def.input_arg
}

fn outputs(def: &pb::OpDef) -> &[pb::op_def::ArgDef] {
    &def.output_arg
}

fn ports(
    function: &pb::FunctionDef,
    of: impl Fn(&pb::OpDef) -> &[pb::op_def::ArgDef],
) -> Vec<String> {
    let ports = function.signature.as_ref().map(of).unwrap_or_default();
    ports.iter().map(|port| format!("{}: {}", port.name, port.r#type)).collect()
}

fn listed<K: std::fmt::Debug, V: std::fmt::Debug>(map: &BTreeMap<K, V>) -> Vec<String> {
    map.iter().map(|(key, value)| format!("{key:?}: {value:?}")).collect()
}
