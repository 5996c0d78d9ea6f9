//! Constants in the place of what can be computed beforehand.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use flowkeep_tensor::{DType, Tensor};

use super::reach::{constant, forget_colocation, unused_name};
use crate::node::CLASS;
use crate::op_def::{ArgType, ElementKind};
use crate::{Error, Graph, GraphEdit, NewIds, Node, NodeId, Output};

/// Rounds of asking for values, at most. Each goes on without what the one before could not have.
const MAX_ROUNDS: usize = 8;

/// What computes the values of constants: a session, for instance.
pub trait Evaluator {
    /// Whether it is worth asking for the outputs of a node.
    fn supports(&self, node: &Node) -> bool;

    /// The values of tensors, one for each output, of a graph of constants and what is computed from
    /// them: nothing else is in it, and nothing waits for anything.
    ///
    /// What fails is not folded.
    fn evaluate(&self, graph: &Arc<Graph>, outputs: &[Output]) -> Vec<Result<Tensor, Error>>;
}

/// What [`fold_constants`] may touch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoldOptions {
    /// The nodes that are fetched: they stay under their names, with all their outputs.
    pub keep: BTreeSet<String>,
    /// The nodes that may be fed, constants among them: what depends on them is not folded.
    pub feeds: BTreeSet<String>,
    /// The bytes that a constant may have that is larger than those that it is made from. Default:
    /// 100 KiB.
    pub max_bytes: usize,
}

impl Default for FoldOptions {
    fn default() -> FoldOptions {
        FoldOptions { keep: BTreeSet::new(), feeds: BTreeSet::new(), max_bytes: 100 << 10 }
    }
}

/// What [`fold_constants`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoldReport {
    /// The nodes whose outputs are constants now, in the order of the graph.
    pub folded: Vec<Arc<str>>,
    /// The nodes that only these needed and that were removed.
    pub removed: Vec<Arc<str>>,
    /// The nodes that depend on constants alone and stay, and why.
    pub failed: Vec<FailedFold>,
    /// The bytes of all constants that were made, strings left out.
    pub len_bytes: usize,
}

/// A node that could not be folded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailedFold {
    /// The node.
    pub node: Arc<str>,
    /// What is in the way.
    pub why: String,
}

/// Replaces nodes that depend on constants alone by constants, whose values an evaluator computes.
///
/// A node with one output becomes a Const of its name; of others each output that is used becomes a
/// Const beside it. Constants wait for what the nodes waited for that they stand for, so that they
/// stay in their loop or branch. Nodes that only folded nodes needed go.
///
/// Left alone is what has effects or state, takes or gives references, resources or variants, calls
/// functions, steers loops and branches, or can be fed (PlaceholderWithDefault, and what
/// [`FoldOptions::feeds`] names: a Saver's file name is a constant that is fed). Bodies of functions
/// are left alone too.
///
/// Errors: as [`Graph::import`].
pub fn fold_constants(
    graph: Graph,
    evaluator: &dyn Evaluator,
    options: &FoldOptions,
) -> Result<(Graph, FoldReport), Error> {
    let mut report = FoldReport::default();
    let mut foldable = foldable(&graph, evaluator, options);
    let (source, new_ids) = computable(&graph, &foldable)?;
    let source = Arc::new(source);
    let mut values: HashMap<Output, Tensor> = HashMap::new();
    for round in 0..=MAX_ROUNDS {
        let mut wanted = frontier(&graph, &foldable, options);
        wanted.retain(|output| !values.contains_key(output));
        if wanted.is_empty() {
            break;
        }
        let results = match round {
            MAX_ROUNDS => Vec::new(),
            _ => {
                let outputs = wanted.iter().filter_map(|output| new_ids.output(*output));
                evaluator.evaluate(&source, &outputs.collect::<Vec<_>>())
            }
        };
        let mut results = results.into_iter();
        for output in wanted {
            let why = match results.next() {
                Some(Ok(value)) => {
                    let n = size(&value);
                    if n <= options.max_bytes || n <= source_bytes(&graph, output) {
                        values.insert(output, value);
                        continue;
                    }
                    format!("its value would have {n} bytes")
                }
                Some(Err(error)) => error.to_string(),
                None => "its value was not computed".to_owned(),
            };
            if foldable.remove(&output.node) {
                let node = graph.node(output.node).shared_name().clone();
                report.failed.push(FailedFold { node, why });
            }
        }
    }
    let wanted = frontier(&graph, &foldable, options);
    let control = control_inputs(&graph, &foldable);
    let touched = with_inputs(&graph, &foldable);
    let mut edit = GraphEdit::new(graph);
    let mut made = HashSet::new();
    for output in wanted {
        let (Some(value), Some(node)) = (values.get(&output), edit.node(output.node)) else {
            continue;
        };
        let name = node.shared_name().clone();
        if report.folded.last() != Some(&name) {
            report.folded.push(name);
        }
        report.len_bytes = report.len_bytes.saturating_add(size(value));
        let waits = control.get(&output.node).cloned().unwrap_or_default();
        made.extend(replace(&mut edit, output, value, waits));
    }
    for id in edit.ids().into_iter().rev() {
        if touched.contains(&id) && !made.contains(&id) {
            let waits: Vec<NodeId> = control.get(&id).into_iter().flatten().copied().collect();
            report.removed.extend(remove_unused(&mut edit, id, &waits, options));
        }
    }
    report.removed.reverse();
    forget_colocation(&mut edit);
    Ok((edit.finish()?, report))
}

fn size(value: &Tensor) -> usize {
    match value.as_strings() {
        Ok(values) => values.iter().map(|value| value.len()).sum(),
        Err(_) => value.len_bytes(),
    }
}

/// The nodes, constants left out, that depend on constants alone.
fn foldable(graph: &Graph, evaluator: &dyn Evaluator, options: &FoldOptions) -> HashSet<NodeId> {
    let taken: HashSet<NodeId> =
        graph.nodes().iter().flat_map(|node| node.inputs()).map(|input| input.node).collect();
    let mut found: HashSet<NodeId> = HashSet::new();
    for (id, node) in graph.iter() {
        let is_constant = |input: &Output| {
            let source = graph.node(input.node);
            found.contains(&input.node)
                || source.op() == "Const" && !options.feeds.contains(source.name())
        };
        // Several outputs have no place under one name.
        let must_stay = node.n_outputs() != Some(1)
            && (!taken.contains(&id) || options.keep.contains(node.name()));
        if !node.inputs().is_empty()
            && node.inputs().iter().all(is_constant)
            && !must_stay
            && !options.feeds.contains(node.name())
            && is_pure(node)
            && evaluator.supports(node)
        {
            found.insert(id);
        }
    }
    found
}

/// The graph of foldable nodes and what they take alone.
fn computable(graph: &Graph, foldable: &HashSet<NodeId>) -> Result<(Graph, NewIds), Error> {
    let needed = with_inputs(graph, foldable);
    let mut edit = GraphEdit::new(graph.clone());
    edit.retain(|id, _| needed.contains(&id));
    for id in edit.ids() {
        edit.set_control_inputs(id, []);
        edit.remove_attr(id, CLASS);
    }
    edit.finish_with_ids()
}

/// Whether a node does nothing but compute plain tensors from plain tensors.
fn is_pure(node: &Node) -> bool {
    let Some(def) = node.def() else { return false };
    let is_plain = |dtype: DType| !matches!(dtype, DType::Resource | DType::Variant);
    let outputs = node.output_types().unwrap_or_default();
    let ports = || outputs.iter().chain(node.input_types());
    !def.is_stateful
        && !outputs.is_empty()
        && ports().all(|port| !port.is_ref && is_plain(port.dtype))
        && !def.attrs.iter().any(|attr| attr.kind.element == ElementKind::Func)
        && !def.outputs.iter().any(|arg| arg.ty == ArgType::Missing)
        && !matches!(
            node.op(),
            "Enter"
                | "Exit"
                | "LoopCond"
                | "Merge"
                | "NextIteration"
                | "PlaceholderWithDefault"
                | "Switch"
                | "_SwitchN"
        )
}

/// The outputs of foldable nodes that others take, that are fetched, or that nothing takes; not those of
/// an Identity of a constant, which would only be the same constant once more.
fn frontier(graph: &Graph, foldable: &HashSet<NodeId>, options: &FoldOptions) -> Vec<Output> {
    let mut taken: HashSet<NodeId> = HashSet::new();
    let mut wanted: BTreeSet<(NodeId, u32)> = BTreeSet::new();
    for (id, node) in graph.iter() {
        for input in node.inputs() {
            taken.insert(input.node);
            if foldable.contains(&input.node) && !foldable.contains(&id) {
                wanted.insert((input.node, input.index));
            }
        }
    }
    let is_last =
        |id: &&NodeId| !taken.contains(id) || options.keep.contains(graph.node(**id).name());
    wanted.extend(foldable.iter().filter(is_last).map(|id| (*id, 0)));
    wanted.retain(|(id, _)| !is_alias(graph, *id));
    wanted.into_iter().map(|(node, index)| Output { node, index }).collect()
}

/// Whether a node is an Identity of a constant, over any number of others.
fn is_alias(graph: &Graph, mut id: NodeId) -> bool {
    loop {
        let node = graph.node(id);
        match (node.op(), node.inputs()) {
            ("Identity" | "StopGradient" | "PreventGradient", [input]) => id = input.node,
            ("Const", _) => return true,
            _ => return false,
        }
    }
}

/// Foldable nodes and what they take.
fn with_inputs(graph: &Graph, foldable: &HashSet<NodeId>) -> HashSet<NodeId> {
    let inputs = foldable.iter().flat_map(|id| graph.node(*id).inputs());
    foldable.iter().copied().chain(inputs.map(|input| input.node)).collect()
}

/// The bytes of the constants that an output depends on.
fn source_bytes(graph: &Graph, output: Output) -> usize {
    let mut seen: HashSet<NodeId> = HashSet::new();
    let mut waiting = vec![output.node];
    let mut sum: usize = 0;
    while let Some(id) = waiting.pop() {
        if !seen.insert(id) {
            continue;
        }
        let node = graph.node(id);
        if node.op() == "Const" {
            sum = sum.saturating_add(node.attrs().tensor("value").map_or(0, |value| size(&value)));
        }
        waiting.extend(node.inputs().iter().map(|input| input.node));
    }
    sum
}

/// What the constants that stand for foldable nodes must wait for: for what these wait for, and the
/// constants that they come from. To wait for something foldable is to wait for what that waits for.
fn control_inputs(graph: &Graph, foldable: &HashSet<NodeId>) -> HashMap<NodeId, BTreeSet<NodeId>> {
    let mut control: HashMap<NodeId, BTreeSet<NodeId>> = HashMap::new();
    for (id, node) in graph.iter() {
        if !foldable.contains(&id) && node.op() != "Const" {
            continue;
        }
        let mut waits = BTreeSet::new();
        for source in node.control_inputs() {
            match control.get(source).filter(|_| foldable.contains(source)) {
                Some(others) => waits.extend(others),
                None => drop(waits.insert(*source)),
            }
        }
        for input in node.inputs() {
            waits.extend(control.get(&input.node).into_iter().flatten());
        }
        control.insert(id, waits);
    }
    control
}

/// Makes a constant of an output; gives its id.
fn replace(
    edit: &mut GraphEdit,
    output: Output,
    value: &Tensor,
    waits: BTreeSet<NodeId>,
) -> Option<NodeId> {
    let node = edit.node(output.node)?;
    let name = node.shared_name().clone();
    let device: Arc<str> = node.device().into();
    if node.n_outputs() == Some(1) {
        let spec = constant(name, value).control_inputs(waits).device(device);
        edit.replace(output.node, spec);
        return Some(output.node);
    }
    let name = unused_name(edit, &format!("{name}/folded_{}", output.index));
    let id = edit.add(constant(name, value).control_inputs(waits).device(device));
    edit.replace_output(output, id.output(0));
    Some(id)
}

/// Removes a node that nothing takes any more; who waited for it waits for `waits`.
fn remove_unused(
    edit: &mut GraphEdit,
    id: NodeId,
    waits: &[NodeId],
    options: &FoldOptions,
) -> Option<Arc<str>> {
    let name = edit.node(id)?.shared_name().clone();
    if options.keep.contains(&*name) || options.feeds.contains(&*name) {
        return None;
    }
    let is_taken = edit.consumers(id).into_iter().any(|user| {
        let user = edit.node(user);
        user.is_some_and(|node| node.inputs().iter().any(|input| input.node == id))
    });
    if is_taken {
        return None;
    }
    edit.replace_control(id, waits);
    edit.remove(id);
    Some(name)
}
