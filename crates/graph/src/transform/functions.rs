//! The functions of a graph: which are called, and changes to all of them.

use std::collections::HashSet;
use std::sync::Arc;

use flowkeep_proto::pb;
use flowkeep_proto::pb::attr_value::Value;

use crate::{Attr, AttrList, Attrs, Error, FuncRef, Function, Graph, GraphEdit, Library};

/// Function references within function references, at most; deeper ones cannot be decoded either.
const MAX_DEPTH: usize = 100;

/// Removes the functions that nothing calls: neither a node, nor a function that is called, nor a
/// gradient of one.
///
/// Gives the names of what was removed, in stored order.
///
/// Errors: none that a graph can have.
pub fn prune_library(graph: Graph) -> Result<(Graph, Vec<Arc<str>>), Error> {
    let mut edit = GraphEdit::new(graph);
    let removed = prune_in(&mut edit);
    Ok((edit.finish()?, removed))
}

/// As [`prune_library`], for an edit.
pub(super) fn prune_in(edit: &mut GraphEdit) -> Vec<Arc<str>> {
    let library = edit.library().clone();
    let called = called_functions(edit, &library);
    let is_called = |function: &Function| called.contains(function.name());
    let removed: Vec<Arc<str>> = library
        .functions()
        .iter()
        .filter(|function| !is_called(function))
        .map(|function| function.shared_name().clone())
        .collect();
    if !removed.is_empty() {
        let mut kept = Library::clone(&library);
        kept.retain(is_called);
        edit.set_library(Arc::new(kept));
    }
    removed
}

/// The functions of a library that nodes, or functions that these call, call.
pub(super) fn called_functions(edit: &GraphEdit, library: &Library) -> HashSet<Arc<str>> {
    let mut waiting = Vec::new();
    for (_, node) in edit.iter() {
        called_by(node.op(), node.attrs(), &mut waiting);
    }
    let mut called: HashSet<Arc<str>> = HashSet::new();
    while let Some(name) = waiting.pop() {
        let Some(function) = library.get(&name) else { continue };
        if !called.insert(name) {
            continue;
        }
        waiting.extend(library.gradient(function.name()).map(Arc::from));
        for node in &function.def().node_def {
            waiting.push(node.op.as_str().into());
            for value in node.attr.values() {
                if names_functions(value) {
                    called_in(&Attr::from_proto(value.clone()), 0, &mut waiting);
                }
            }
        }
    }
    called
}

fn called_by(op: &str, attrs: &Attrs, found: &mut Vec<Arc<str>>) {
    found.push(op.into());
    attrs.iter().for_each(|(_, attr)| called_in(attr, 0, found));
}

fn called_in(attr: &Attr, depth: usize, found: &mut Vec<Arc<str>>) {
    let functions = match attr {
        Attr::Func(function) => std::slice::from_ref(&**function),
        Attr::List(AttrList::Func(functions)) => functions,
        _ => return,
    };
    if depth > MAX_DEPTH {
        return;
    }
    for function in functions {
        found.push(function.name.clone());
        function.attrs.iter().for_each(|(_, attr)| called_in(attr, depth + 1, found));
    }
}

/// Whether a stored attribute is a function or a list of them.
pub(super) fn names_functions(value: &pb::AttrValue) -> bool {
    match &value.value {
        Some(Value::Func(_)) => true,
        Some(Value::List(list)) => !list.func.is_empty(),
        _ => false,
    }
}

/// The attribute with other names of functions; `None` if none of them changes.
pub(super) fn with_names(attr: &Attr, rename: &dyn Fn(&str) -> Option<Arc<str>>) -> Option<Attr> {
    renamed(attr, rename, 0)
}

fn renamed(attr: &Attr, rename: &dyn Fn(&str) -> Option<Arc<str>>, depth: usize) -> Option<Attr> {
    let function = |function: &FuncRef| {
        let name = rename(&function.name);
        let mut attrs = function.attrs.clone();
        let mut changed = name.is_some();
        for (attr_name, attr) in function.attrs.iter().filter(|_| depth < MAX_DEPTH) {
            if let Some(new) = renamed(attr, rename, depth + 1) {
                attrs = attrs.with(attr_name, new);
                changed = true;
            }
        }
        changed.then(|| FuncRef { name: name.unwrap_or_else(|| function.name.clone()), attrs })
    };
    match attr {
        Attr::Func(old) => Some(Attr::Func(Arc::new(function(old)?))),
        Attr::List(AttrList::Func(old)) => {
            let new: Vec<Option<FuncRef>> = old.iter().map(function).collect();
            if new.iter().all(Option::is_none) {
                return None;
            }
            let functions = old.iter().zip(new);
            let functions = functions.map(|(old, new)| new.unwrap_or_else(|| old.clone()));
            Some(Attr::List(AttrList::Func(functions.collect())))
        }
        _ => None,
    }
}

/// Changes the stored functions of an edit; `change` says whether it did. Gives the names of those
/// that changed, in stored order.
pub(super) fn edit_defs(
    edit: &mut GraphEdit,
    mut change: impl FnMut(&mut pb::FunctionDef) -> bool,
) -> Result<Vec<Arc<str>>, Error> {
    let old = edit.library().clone();
    let mut changed = Vec::new();
    let mut library = None;
    for function in old.functions() {
        let mut def = function.def().into_owned();
        if change(&mut def) {
            changed.push(function.shared_name().clone());
            library.get_or_insert_with(|| Library::clone(&old)).replace(Function::new(def))?;
        }
    }
    if let Some(library) = library {
        edit.set_library(Arc::new(library));
    }
    Ok(changed)
}
