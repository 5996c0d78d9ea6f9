use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use flowkeep_proto::pb;

use super::functions::{names_functions, with_names};
use crate::{Attr, Error, Graph, GraphEdit, Library};

mod map;

pub use map::NameMap;

/// Attributes of functions whose values are names of functions, as strings.
const NAMES_IN_STRINGS: [&str; 2] = ["forward_function_name", "backward_function_name"];

/// How [`rename`] finds new names: each rule gives the new name of what has a name, or `None` to let
/// it be.
#[derive(Clone, Copy)]
pub struct RenameRules<'a> {
    /// The rule for nodes of the graph.
    pub nodes: &'a dyn Fn(&str) -> Option<String>,
    /// The rule for functions of the library.
    pub functions: &'a dyn Fn(&str) -> Option<String>,
}

impl Default for RenameRules<'_> {
    /// Rules that let everything be.
    fn default() -> Self {
        RenameRules { nodes: &|_| None, functions: &|_| None }
    }
}

impl fmt::Debug for RenameRules<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RenameRules").finish_non_exhaustive()
    }
}

/// Gives nodes and functions other names, and lets follow what names them: inputs, `_class`,
/// function-valued attributes, calls by name, gradients.
///
/// Nodes in the bodies of functions keep their names. So do the variables themselves: what a
/// checkpoint calls them is in `shared_name` and in constants of the saver. Where a variable has an
/// empty `shared_name` its own name stands for that; it is then written out.
/// The map that comes back renames the rest of a MetaGraph, see [`NameMap::apply_to`].
///
/// ```
/// use flowkeep_graph::transform::{RenameRules, rename};
/// use flowkeep_graph::{Graph, NodeSpec};
///
/// let mut graph = Graph::new();
/// let a = graph.add_node(NodeSpec::new("old/a", "NoOp"))?;
/// graph.add_node(NodeSpec::new("b", "NoOp").control_input(a))?;
/// let to_new = |name: &str| name.strip_prefix("old/").map(|rest| format!("new/{rest}"));
/// let (graph, names) = rename(graph, RenameRules { nodes: &to_new, ..Default::default() })?;
/// assert_eq!(graph.to_graph_def().node[1].input, ["^new/a"]);
/// assert_eq!(names.renamed("old/a:0"), Some("new/a:0".to_owned()));
/// # Ok::<(), flowkeep_graph::Error>(())
/// ```
///
/// Errors: `INVALID_ARGUMENT` for new names that are malformed, or that two nodes or two functions
/// would share; texts are those of [`Graph::import`].
pub fn rename(graph: Graph, rules: RenameRules<'_>) -> Result<(Graph, NameMap), Error> {
    let mut names = NameMap::default();
    let mut edit = GraphEdit::new(graph);
    rename_functions(&mut edit, rules.functions, &mut names.functions)?;
    for id in edit.ids() {
        let Some(node) = edit.node(id) else { continue };
        let old = node.shared_name().clone();
        let Some(new) = (rules.nodes)(&old).filter(|new| **new != *old) else { continue };
        if is_variable(node.op())
            && node.attr("shared_name").and_then(Attr::as_str).is_some_and(|name| name.is_empty())
        {
            edit.set_attr(id, "shared_name", Attr::Str(old.as_bytes().to_vec().into()));
        }
        edit.rename(id, new.as_str());
        names.nodes.insert(old.to_string(), new);
    }
    Ok((edit.finish()?, names))
}

/// Ops whose resource has the node's name where `shared_name` is empty.
fn is_variable(op: &str) -> bool {
    matches!(op, "Variable" | "VariableV2")
}

fn rename_functions(
    edit: &mut GraphEdit,
    rule: &dyn Fn(&str) -> Option<String>,
    renamed: &mut BTreeMap<String, String>,
) -> Result<(), Error> {
    let library = edit.library().clone();
    let mut new_names: HashMap<Arc<str>, Arc<str>> = HashMap::new();
    let mut taken: HashSet<Arc<str>> = HashSet::with_capacity(library.functions().len());
    for function in library.functions() {
        let old = function.shared_name();
        let new = rule(old).map_or_else(|| old.clone(), Arc::from);
        if new != *old {
            renamed.insert(old.to_string(), new.to_string());
            new_names.insert(old.clone(), new.clone());
        }
        if !taken.insert(new.clone()) {
            return Err(Error::DuplicateFunction(new.to_string()));
        }
    }
    if new_names.is_empty() {
        return Ok(());
    }
    let new_name = |name: &str| new_names.get(name).cloned();
    for id in edit.ids() {
        let Some(node) = edit.node(id) else { continue };
        let op = new_name(node.op()).filter(|_| node.def().is_none());
        let attrs: Vec<(String, Attr)> = node
            .attrs()
            .iter()
            .filter_map(|(name, attr)| Some((name.to_owned(), with_names(attr, &new_name)?)))
            .collect();
        if let Some(op) = op {
            edit.set_op(id, op);
        }
        for (name, attr) in attrs {
            edit.set_attr(id, &name, attr);
        }
    }
    let mut proto = library.to_proto();
    for function in &mut proto.function {
        rename_in_function(function, &new_name);
    }
    let to_new = |name: &mut String| {
        if let Some(new) = new_name(name) {
            *name = new.to_string();
        }
    };
    for gradient in &mut proto.gradient {
        to_new(&mut gradient.function_name);
        to_new(&mut gradient.gradient_func);
    }
    for gradient in &mut proto.registered_gradients {
        to_new(&mut gradient.gradient_func);
    }
    edit.set_library(Arc::new(Library::from_proto(proto)?));
    Ok(())
}

fn rename_in_function(function: &mut pb::FunctionDef, new_name: &dyn Fn(&str) -> Option<Arc<str>>) {
    if let Some(signature) = &mut function.signature
        && let Some(new) = new_name(&signature.name)
    {
        signature.name = new.to_string();
    }
    for node in &mut function.node_def {
        if let Some(new) = new_name(&node.op) {
            node.op = new.to_string();
        }
        for value in node.attr.values_mut().filter(|value| names_functions(value)) {
            if let Some(new) = with_names(&Attr::from_proto(value.clone()), new_name) {
                *value = new.to_proto();
            }
        }
    }
    for name in NAMES_IN_STRINGS {
        let Some(value) = function.attr.get_mut(name) else { continue };
        let attr = Attr::from_proto(value.clone());
        let old = attr.as_str().and_then(|name| std::str::from_utf8(name).ok());
        if let Some(new) = old.and_then(new_name) {
            *value = Attr::Str(new.as_bytes().to_vec().into()).to_proto();
        }
    }
}
