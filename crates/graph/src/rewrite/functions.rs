use std::collections::BTreeSet;
use std::sync::Arc;

use flowkeep_proto::pb;
use flowkeep_proto::pb::attr_value::Value;
use flowkeep_proto::pb::saved_object::Kind as ObjectKind;

use crate::{Error, Library, MetaGraph};

/// Gives a MetaGraph back the functions of `library` that its objects need, and those that these call; gives
/// their names, in the order of that library.
///
/// Objects call their functions from outside of the graph, so that what nothing in it calls may yet be
/// needed.
///
/// Errors: as [`Library::add`](crate::Library::add).
pub fn keep_functions_of_objects(
    meta_graph: &mut MetaGraph,
    library: &Library,
) -> Result<Vec<Arc<str>>, Error> {
    let Some(objects) = &meta_graph.object_graph_def else { return Ok(Vec::new()) };
    let mut todo: Vec<String> = objects.concrete_functions.keys().cloned().collect();
    for object in &objects.nodes {
        match &object.kind {
            Some(ObjectKind::Function(function)) => {
                todo.extend(function.concrete_functions.iter().cloned());
            }
            Some(ObjectKind::BareConcreteFunction(function)) => {
                todo.push(function.concrete_function_name.clone());
            }
            _ => {}
        }
    }
    let mut needed = BTreeSet::new();
    while let Some(name) = todo.pop() {
        let Some(function) = library.get(&name) else { continue };
        if needed.insert(function.name()) {
            for node in &function.def().node_def {
                todo.push(node.op.clone());
                node.attr.values().for_each(|attr| named(attr, &mut todo));
            }
        }
    }
    let present = meta_graph.graph.library();
    let missing: Vec<_> = library
        .functions()
        .iter()
        .filter(|function| needed.contains(function.name()))
        .filter(|function| present.get(function.name()).is_none())
        .collect();
    let names = missing.iter().map(|function| function.shared_name().clone()).collect();
    if !missing.is_empty() {
        let graph = Arc::make_mut(&mut meta_graph.graph);
        for function in missing {
            graph.add_function((**function).clone())?;
        }
    }
    Ok(names)
}

/// The functions that an attribute names.
fn named(attr: &pb::AttrValue, names: &mut Vec<String>) {
    let mut add = |func: &pb::NameAttrList| {
        names.push(func.name.clone());
        func.attr.values().for_each(|attr| named(attr, names));
    };
    match &attr.value {
        Some(Value::Func(func)) => add(func),
        Some(Value::List(list)) => list.func.iter().for_each(add),
        _ => {}
    }
}
