//! Functions come back from their graphs, as they were and after edits.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use flowkeep_graph::{
    Attr, Attrs, Function, FunctionBody, Graph, GraphEdit, ImportOptions, NodeSpec,
};
use flowkeep_proto::{pb, text};
use flowkeep_tensor::DType;
use prost::Message;

/// The graphs of the SavedModels below `fixtures/saved_models` that have functions.
fn graphs() -> Vec<(String, Graph)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/saved_models");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root).unwrap() {
        let dir = entry.unwrap().path();
        let Ok(bytes) = std::fs::read(dir.join("saved_model.pb")) else { continue };
        for meta_graph in pb::SavedModel::decode(&*bytes).unwrap().meta_graphs {
            let def = meta_graph.graph_def.unwrap();
            let graph = Graph::import(def, &ImportOptions::default()).unwrap();
            found.push((dir.display().to_string(), graph));
        }
    }
    found
}

/// A node's inputs and attributes with the defaults of its op, in the form that is written here.
fn normal(node: &pb::NodeDef, library: &Graph) -> pb::NodeDef {
    let mut node = node.clone();
    let n_data = node.input.iter().take_while(|input| !input.starts_with('^')).count();
    let control: BTreeSet<String> = node.input.drain(n_data..).collect();
    for input in &mut node.input {
        // An argument's only tensor may be written with its place.
        if let [_, _] = input.split(':').collect::<Vec<_>>()[..] {
            *input = input.trim_end_matches(":0").to_owned();
        }
    }
    node.input.extend(control);
    let def = flowkeep_graph::op_def::lookup(&node.op);
    let signature = library.library().get(&node.op).map(|function| function.signature());
    for attr in def.or(signature).into_iter().flat_map(|def| &def.attrs) {
        if let Some(default) = &attr.default {
            node.attr.entry(attr.name.to_string()).or_insert_with(|| default.to_proto());
        }
    }
    node
}

fn nodes(def: &pb::FunctionDef, graph: &Graph) -> BTreeMap<String, pb::NodeDef> {
    def.node_def.iter().map(|node| (node.name.clone(), normal(node, graph))).collect()
}

#[test]
fn tensorflows_functions_come_back_as_they_were() {
    let mut n_functions = 0;
    for (path, graph) in graphs() {
        for function in graph.library().functions() {
            n_functions += 1;
            let body = function.instantiate(&Attrs::default(), graph.library()).unwrap();
            let again = function.with_body(function.name(), &body).unwrap();
            let (got, want) = (again.def(), function.def());
            let context = format!("{path}: {}", function.name());
            assert_eq!(got.signature, want.signature, "{context}");
            assert_eq!(nodes(&got, &graph), nodes(&want, &graph), "{context}");
            assert_eq!((&got.ret, &got.control_ret), (&want.ret, &want.control_ret), "{context}");
            assert_eq!((&got.attr, &got.arg_attr), (&want.attr, &want.arg_attr), "{context}");
            assert_eq!(got.resource_arg_unique_id, want.resource_arg_unique_id, "{context}");

            let scratch = Function::from_body(function.name(), &body).unwrap();
            assert_eq!(scratch.def().node_def, got.node_def, "{context}");
            assert_eq!(scratch.def().ret, got.ret, "{context}");
        }
    }
    assert!(n_functions > 60, "{n_functions} functions");
}

/// A function of a split, whose results are a list.
const SPLIT: &str = "
    signature { name: 'f' description: 'halves'
      input_arg { name: 'x' type: DT_FLOAT description: 'whole' } input_arg { name: 'axis' type: DT_INT32 }
      output_arg { name: 'second' type: DT_FLOAT } control_output: 'done' }
    node_def { name: 'split' op: 'Split' input: ['axis', 'x', '^done'] attr { key: 'T' value { type: DT_FLOAT } }
      attr { key: 'num_split' value { i: 2 } } }
    node_def { name: 'done' op: 'NoOp' input: '^x' }
    ret { key: 'second' value: 'split:output:1' } control_ret { key: 'done' value: 'done' }
    attr { key: '_noinline' value { b: true } }
    arg_attr { key: 0 value { attr { key: '_user_specified_name' value { s: 'x' } } } }";

fn split() -> (Function, Arc<FunctionBody>) {
    let def: pb::FunctionDef = text::parse_message(SPLIT).unwrap();
    let function = Function::new(def);
    let body = function.instantiate(&Attrs::default(), &Arc::default()).unwrap();
    (function, body)
}

#[test]
fn an_edited_body_makes_another_function() {
    let (function, body) = split();
    let mut edit = GraphEdit::new(body.graph.clone());
    let neg = NodeSpec::new("neg", "Neg").attr("T", Attr::Type(DType::F32));
    let neg = edit.add(neg.input(body.rets[0]));
    edit.rename(edit.find("done").unwrap(), "finished");
    let (graph, new_ids) = edit.finish_with_ids().unwrap();
    let mut body = body.edited(graph, &new_ids).unwrap();
    body.rets = vec![new_ids.get(neg).unwrap().output(0)];

    let got = function.with_body("g", &body).unwrap();
    let def = got.def();
    assert_eq!(def.ret["second"], "neg:y:0");
    assert_eq!(def.control_ret["done"], "finished");
    let inputs = |name: &str| {
        let node = def.node_def.iter().find(|node| node.name == name).unwrap();
        node.input.join(" ")
    };
    assert_eq!(inputs("neg"), "split:output:1");
    assert_eq!(inputs("split"), "axis x ^finished");
    assert_eq!(inputs("finished"), "^x");
    let mut signature = function.def().signature.clone().unwrap();
    signature.name = "g".into();
    assert_eq!(def.signature.as_ref(), Some(&signature));
    assert_eq!((&def.attr, &def.arg_attr), (&function.def().attr, &function.def().arg_attr));
    got.instantiate(&Attrs::default(), &Arc::default()).unwrap();
}

#[test]
fn arguments_take_other_types() {
    let (function, body) = split();
    let mut edit = GraphEdit::new(body.graph.clone());
    for name in ["x", "split"] {
        edit.set_attr(edit.find(name).unwrap(), "T", Attr::Type(DType::F64));
    }
    let (graph, new_ids) = edit.finish_with_ids().unwrap();
    let got = function.with_body("g", &body.edited(graph, &new_ids).unwrap()).unwrap();
    assert_eq!(got.args()[0].name.as_ref(), "x");
    let signature = got.def().signature.clone().unwrap();
    assert_eq!(signature.input_arg[0].r#type, DType::F64.number());
    assert_eq!(signature.input_arg[0].description, "whole");
    assert_eq!(signature.output_arg[0].r#type, DType::F64.number());
}

#[test]
fn bodies_without_their_arguments_and_results_are_refused() {
    let (function, body) = split();
    let mut edit = GraphEdit::new(body.graph.clone());
    edit.retain(|_, node| node.op() == "_Arg");
    let (graph, new_ids) = edit.finish_with_ids().unwrap();
    assert_eq!(
        body.edited(graph, &new_ids).unwrap_err().to_string(),
        "node 'split' is an argument or a result and was removed"
    );
    let mut unlisted = (*body).clone();
    unlisted.args.pop();
    assert_eq!(function.with_body("g", &unlisted).unwrap_err().to_string(), "axis is no argument");
    let mut unnamed = (*body).clone();
    unnamed.ret_names.clear();
    assert_eq!(
        function.with_body("g", &unnamed).unwrap_err().to_string(),
        "each result has one name"
    );
}

#[test]
fn outputs_of_unknown_ops_have_no_names() {
    let def: pb::FunctionDef = text::parse_message(
        "signature { name: 'f' output_arg { name: 'y' type: DT_FLOAT } }
         node_def { name: 'n' op: 'Nonesuch' }
         ret { key: 'y' value: 'n:out:0' }",
    )
    .unwrap();
    let body = Function::new(def).instantiate(&Attrs::default(), &Arc::default()).unwrap();
    assert_eq!(
        Function::from_body("f", &body).unwrap_err().to_string(),
        "output 0 of {{node n}} has no name: op Nonesuch does not define it"
    );
}
