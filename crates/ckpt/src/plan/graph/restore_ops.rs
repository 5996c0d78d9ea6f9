use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use flowkeep_graph::{Attrs, Graph, Node, NodeId, Output};
use flowkeep_tensor::{DType, PartialShape, TensorSlice};

use super::super::wanted::{Assignment, Wanted, WantedSet};
use super::variable::Variable;
use crate::Error;

/// How deep functions that call functions are looked into.
const MAX_DEPTH: usize = 16;

/// What the ops that restore are asked for.
#[derive(Debug, Default)]
pub(in crate::plan) struct Restored {
    pub(in crate::plan) wanted: WantedSet,
    /// How many ops there are.
    pub(in crate::plan) n_ops: usize,
    /// How many of them are the older ones, which read V1 checkpoints alone.
    pub(in crate::plan) n_old_ops: usize,
    /// How many of them take names that are computed, and not constants.
    pub(in crate::plan) n_computed: usize,
}

/// What is restored when a node of the graph in the file `path` runs, by itself and in functions that are
/// called; `None` if there is no such node.
///
/// Errors: `INVALID_ARGUMENT` for malformed slice specifications and functions.
pub(in crate::plan) fn restored_by(
    graph: &Graph,
    op: &str,
    path: &Path,
) -> Result<Option<Restored>, Error> {
    let Some(start) = graph.node_by_name(op) else { return Ok(None) };
    let mut walk = Walk { path, restored: Restored::default(), seen: HashSet::new() };
    walk.visit(graph, &behind(graph, start), &[], 0)?;
    Ok(Some(walk.restored))
}

/// A node and all that runs before it, in order.
fn behind(graph: &Graph, start: NodeId) -> Vec<NodeId> {
    let mut seen = HashSet::from([start]);
    let mut todo = vec![start];
    while let Some(id) = todo.pop() {
        let Some(node) = graph.get(id) else { continue };
        let inputs = node.inputs().iter().map(|input| input.node);
        for id in inputs.chain(node.control_inputs().iter().copied()) {
            if seen.insert(id) {
                todo.push(id);
            }
        }
    }
    let mut nodes: Vec<NodeId> = seen.into_iter().collect();
    nodes.sort_unstable();
    nodes
}

struct Walk<'p> {
    path: &'p Path,
    restored: Restored,
    /// The functions that have been looked into.
    seen: HashSet<Arc<str>>,
}

impl Walk<'_> {
    fn failed(&self, source: flowkeep_graph::Error) -> Error {
        Error::Graph { path: self.path.to_owned(), source }
    }

    fn visit(
        &mut self,
        graph: &Graph,
        nodes: &[NodeId],
        args: &[Option<Variable>],
        depth: usize,
    ) -> Result<(), Error> {
        let mut consumers = None;
        for id in nodes {
            let Some(node) = graph.get(*id) else { continue };
            match node.op() {
                "RestoreV2" | "Restore" | "RestoreSlice" => {
                    let consumers = consumers.get_or_insert_with(|| consumers_in(graph));
                    self.restore(&Place { graph, args, consumers }, *id, node)?;
                }
                _ => self.call(graph, node, args, depth)?,
            }
        }
        Ok(())
    }

    /// Looks into the function that a node calls, if it does.
    fn call(
        &mut self,
        graph: &Graph,
        node: &Node,
        args: &[Option<Variable>],
        depth: usize,
    ) -> Result<(), Error> {
        let (name, attrs) = match node.op() {
            "PartitionedCall" | "StatefulPartitionedCall" => match node.attrs().func("f") {
                Ok(func) => (func.name.clone(), func.attrs.clone()),
                Err(_) => return Ok(()),
            },
            op => (op.into(), Attrs::clone(node.attrs())),
        };
        let library = graph.library();
        let Some(function) = library.get(&name) else { return Ok(()) };
        if depth >= MAX_DEPTH || !self.seen.insert(name) {
            return Ok(());
        }
        let body = function.instantiate(&attrs, library).map_err(|error| self.failed(error))?;
        let inputs = node.inputs().iter();
        let inner: Vec<_> = inputs.map(|input| Variable::behind(graph, *input, args)).collect();
        let nodes: Vec<NodeId> = body.graph.iter().map(|(id, _)| id).collect();
        self.visit(&body.graph, &nodes, &inner, depth + 1)
    }

    /// Adds what an op restores.
    fn restore(&mut self, place: &Place<'_>, id: NodeId, node: &Node) -> Result<(), Error> {
        self.restored.n_ops += 1;
        self.restored.n_old_ops += usize::from(node.op() != "RestoreV2");
        let strings = |idx: usize| place.strings(*node.inputs().get(idx)?);
        let names = strings(1);
        let specs = match node.op() {
            "Restore" => names.as_ref().map(|names| vec![Bytes::new(); names.len()]),
            _ => strings(2),
        };
        let (Some(names), Some(specs)) = (names, specs) else {
            self.restored.n_computed += 1;
            return Ok(());
        };
        let dtypes = match node.op() {
            "RestoreV2" => node.attrs().types("dtypes").map(<[DType]>::to_vec),
            _ => node.attrs().dtype("dt").map(|dtype| vec![dtype]),
        };
        let dtypes = dtypes.map_err(|error| self.failed(error))?;
        let first_dtype = dtypes.first().copied();
        for (idx, ((name, spec), dtype)) in names.iter().zip(&specs).zip(dtypes).enumerate() {
            let index = u32::try_from(idx).unwrap_or(u32::MAX);
            let wanted = place.wanted(Output { node: id, index }, name, spec, dtype)?;
            let wanted = Wanted { ops: vec![self.restored.n_ops], first_dtype, ..wanted };
            self.restored.wanted.add(wanted);
        }
        Ok(())
    }
}

/// Inputs of nodes by the output that they come from: which input of which node.
type Consumers = HashMap<Output, Vec<(NodeId, usize)>>;

fn consumers_in(graph: &Graph) -> Consumers {
    let mut consumers = Consumers::new();
    for (id, node) in graph.iter() {
        for (idx, input) in node.inputs().iter().enumerate() {
            consumers.entry(*input).or_default().push((id, idx));
        }
    }
    consumers
}

/// A graph, or the body of a function with what its arguments are.
struct Place<'a> {
    graph: &'a Graph,
    args: &'a [Option<Variable>],
    consumers: &'a Consumers,
}

impl Place<'_> {
    /// The strings of a constant.
    fn strings(&self, mut output: Output) -> Option<Vec<Bytes>> {
        let mut node = self.graph.get(output.node)?;
        while node.op() == "Identity" {
            output = *node.inputs().first()?;
            node = self.graph.get(output.node)?;
        }
        let value = node.attrs().tensor("value").ok().filter(|_| node.op() == "Const")?;
        Some(value.as_strings().ok()?.to_vec())
    }

    /// What is known of a tensor from the variables that its value goes to.
    fn wanted(
        &self,
        value: Output,
        name: &[u8],
        spec: &[u8],
        dtype: DType,
    ) -> Result<Wanted, Error> {
        let mut wanted = Wanted { dtype: Some(dtype), ..Wanted::new(name) };
        for (variable, assignment) in self.assigned(value) {
            if wanted.variables.is_empty() {
                wanted.shape = variable.shape;
            }
            wanted.variables.push(variable.name);
            wanted.assignment = wanted.assignment.max(assignment);
        }
        if let Some((shape, slice)) = TensorSlice::parse_spec(&String::from_utf8_lossy(spec))? {
            // The op itself compares the full shapes.
            wanted.shape = PartialShape::from(&shape);
            wanted.slices.push(slice);
            wanted.assignment = Assignment::Checked;
        }
        Ok(wanted)
    }

    /// The variables that a value is assigned to, be it in another shape.
    fn assigned(&self, value: Output) -> Vec<(Variable, Assignment)> {
        let mut found = Vec::new();
        let mut seen = HashSet::from([value]);
        let mut todo = vec![(value, false)];
        while let Some((output, is_reshaped)) = todo.pop() {
            for (id, input_idx) in self.consumers.get(&output).into_iter().flatten() {
                let Some(node) = self.graph.get(*id) else { continue };
                match (node.op(), input_idx) {
                    ("Identity", 0) | ("Reshape", 0) => {
                        let next = Output { node: *id, index: 0 };
                        if seen.insert(next) {
                            todo.push((next, is_reshaped || node.op() == "Reshape"));
                        }
                    }
                    ("Assign" | "AssignVariableOp", 1) => {
                        let target = node.inputs().first();
                        let variable =
                            target.and_then(|to| Variable::behind(self.graph, *to, self.args));
                        let is_checked = node.attrs().bool("validate_shape").unwrap_or(false);
                        let assignment = match (is_reshaped, is_checked) {
                            (true, _) => Assignment::Reshaped,
                            (false, true) => Assignment::Checked,
                            (false, false) => Assignment::Unchecked,
                        };
                        found.extend(variable.map(|variable| (variable, assignment)));
                    }
                    _ => {}
                }
            }
        }
        found
    }
}
