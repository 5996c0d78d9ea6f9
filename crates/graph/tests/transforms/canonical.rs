//! Functions under names that do not depend on who made them.

use std::collections::HashMap;

use flowkeep_proto::pb;
use flowkeep_proto::pb::attr_value::Value;

/// Names functions by what they were made from and by the order in which nodes, sorted by name, call
/// them; forgets those that nothing calls, and what is told of functions in several ways.
pub(crate) fn with_canonical_functions(mut def: pb::GraphDef) -> pb::GraphDef {
    let library = def.library.take().unwrap_or_default();
    let name = |function: &pb::FunctionDef| function.signature.as_ref().unwrap().name.clone();
    let mut waiting: HashMap<String, pb::FunctionDef> =
        library.function.into_iter().map(|function| (name(&function), function)).collect();
    let mut names = Names::default();
    visit(&mut def.node, &mut waiting, &mut names);
    let mut functions = names.functions;
    for function in &mut functions {
        function.node_def.iter_mut().for_each(|node| rename(node, &names.new));
        let signature = function.signature.as_mut().unwrap();
        signature.name = names.new[&signature.name].clone();
        // Ours is found out anew, TensorFlow's is what it was for the function with variables.
        signature.is_stateful = false;
        function.resource_arg_unique_id.clear();
        function.arg_attr.retain(|_, attrs| !attrs.attr.is_empty());
    }
    def.node.iter_mut().for_each(|node| rename(node, &names.new));
    def.library = Some(pb::FunctionDefLibrary { function: functions, ..Default::default() });
    def
}

#[derive(Default)]
struct Names {
    new: HashMap<String, String>,
    functions: Vec<pb::FunctionDef>,
}

fn visit(
    nodes: &mut [pb::NodeDef],
    waiting: &mut HashMap<String, pb::FunctionDef>,
    names: &mut Names,
) {
    nodes.sort_by(|a, b| a.name.cmp(&b.name));
    for node in nodes {
        for function in called(node) {
            let Some(mut def) = waiting.remove(&function.name) else { continue };
            let new = format!("{}#{}", base(&function.name), names.new.len());
            names.new.insert(function.name.clone(), new);
            visit(&mut def.node_def, waiting, names);
            names.functions.push(def);
        }
    }
}

fn base(name: &str) -> &str {
    let name = name.split("_frozen_").next().unwrap();
    name.trim_end_matches(|c: char| c.is_ascii_digit())
}

fn called(node: &mut pb::NodeDef) -> Vec<&mut pb::NameAttrList> {
    let mut found = Vec::new();
    for value in node.attr.values_mut() {
        match &mut value.value {
            Some(Value::Func(function)) => found.push(function),
            Some(Value::List(list)) => found.extend(&mut list.func),
            _ => {}
        }
    }
    found
}

fn rename(node: &mut pb::NodeDef, new: &HashMap<String, String>) {
    for function in called(node) {
        function.name.clone_from(&new[&function.name]);
    }
}
