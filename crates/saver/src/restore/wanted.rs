use std::collections::{HashMap, HashSet};

use flowkeep_graph::{Graph, NodeId, Output};
use flowkeep_tensor::{DType, PartialShape, Tensor};

/// All that a restore op does, as far as the graph tells.
#[derive(Debug, Default)]
pub(crate) struct Restores {
    /// The tensors that are read, by nodes.
    pub(crate) wanted: Vec<Wanted>,
    /// The nodes that read, and the tensor of keys of each.
    pub(crate) readers: Vec<Reader>,
}

/// A node that reads a checkpoint.
#[derive(Debug)]
pub(crate) struct Reader {
    /// The tensor that holds its keys.
    pub(crate) keys: Output,
    /// Whether that is a vector.
    pub(crate) is_vector: bool,
    /// Where its tensors are among all that are wanted.
    pub(crate) wanted: std::ops::Range<usize>,
}

/// A tensor that is read.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) key: String,
    /// The slice that is read; empty for all.
    pub(crate) slice_spec: String,
    pub(crate) dtype: DType,
    /// Where it comes into the graph.
    pub(crate) output: Output,
    pub(crate) assigned: Vec<Assigned>,
}

/// A variable or table that gets what was read.
#[derive(Debug)]
pub(crate) struct Assigned {
    /// The node that assigns.
    pub(crate) op: NodeId,
    pub(crate) variable: String,
    pub(crate) shape: PartialShape,
    /// Whether a value of another shape is refused when it is assigned.
    pub(crate) is_checked: bool,
    /// Whether the value is brought into the shape first.
    pub(crate) is_reshaped: bool,
}

impl Restores {
    /// What a node restores. Nodes whose keys are not constants are left out.
    pub(crate) fn of(graph: &Graph, restore_op: NodeId) -> Restores {
        let nodes = nodes_behind(graph, restore_op);
        let mut consumers: HashMap<Output, Vec<NodeId>> = HashMap::new();
        for id in &nodes {
            for input in graph.node(*id).inputs() {
                consumers.entry(*input).or_default().push(*id);
            }
        }
        let mut restores = Restores::default();
        for id in nodes {
            restores.read(graph, id, &consumers);
        }
        restores
    }

    fn read(&mut self, graph: &Graph, id: NodeId, consumers: &HashMap<Output, Vec<NodeId>>) {
        let node = graph.node(id);
        let is_vector = match node.op() {
            "RestoreV2" => true,
            "Restore" | "RestoreSlice" => false,
            _ => return,
        };
        let &[_, keys, ref rest @ ..] = node.inputs() else { return };
        let Some(names) = constant_strings(graph, keys) else { return };
        let specs = match rest.first() {
            Some(specs) => constant_strings(graph, *specs),
            None => Some(vec![String::new(); names.len()]),
        };
        let Some(specs) = specs.filter(|specs| specs.len() == names.len()) else { return };
        let start = self.wanted.len();
        for (index, (key, slice_spec)) in (0u32..).zip(names.into_iter().zip(specs)) {
            let Some(dtype) = node.output_dtype(index) else { break };
            let output = id.output(index);
            let assigned = assigned(graph, consumers, output);
            self.wanted.push(Wanted { key, slice_spec, dtype, output, assigned });
        }
        self.readers.push(Reader { keys, is_vector, wanted: start..self.wanted.len() });
    }
}

/// A node and all that it waits for, in order of the graph.
fn nodes_behind(graph: &Graph, last: NodeId) -> Vec<NodeId> {
    let mut seen = HashSet::from([last]);
    let mut todo = vec![last];
    while let Some(id) = todo.pop() {
        let Some(node) = graph.get(id) else { continue };
        let inputs = node.inputs().iter().map(|input| input.node);
        for input in inputs.chain(node.control_inputs().iter().copied()) {
            if seen.insert(input) {
                todo.push(input);
            }
        }
    }
    let mut nodes: Vec<NodeId> = seen.into_iter().filter(|id| graph.get(*id).is_some()).collect();
    nodes.sort_unstable();
    nodes
}

/// What assigns a tensor, also behind nodes that hand it on.
fn assigned(
    graph: &Graph,
    consumers: &HashMap<Output, Vec<NodeId>>,
    restored: Output,
) -> Vec<Assigned> {
    let mut assigned = Vec::new();
    let mut todo = vec![(restored, false)];
    while let Some((from, is_reshaped)) = todo.pop() {
        // A graph is in topological order, but for loops, in which nothing is restored.
        for id in consumers.get(&from).into_iter().flatten().filter(|id| **id > from.node) {
            let node = graph.node(*id);
            match node.op() {
                "Identity" => todo.push((id.output(0), is_reshaped)),
                "Reshape" if node.inputs().first() == Some(&from) => {
                    todo.push((id.output(0), true));
                }
                "LookupTableImport" | "LookupTableImportV2" => {
                    let Some(table) = node.inputs().first() else { continue };
                    assigned.push(Assigned {
                        op: *id,
                        variable: graph.node(table.node).name().to_owned(),
                        shape: PartialShape::unknown(),
                        is_checked: false,
                        is_reshaped: false,
                    });
                }
                "Assign" | "AssignVariableOp" if node.inputs().get(1) == Some(&from) => {
                    let Some(variable) = node.inputs().first() else { continue };
                    let validates = node.attrs().bool("validate_shape").unwrap_or(true);
                    let variable = graph.node(variable.node);
                    assigned.push(Assigned {
                        op: *id,
                        variable: variable.name().to_owned(),
                        shape: variable.attrs().shape("shape").unwrap_or_default(),
                        is_checked: node.op() == "Assign" && validates,
                        is_reshaped,
                    });
                }
                _ => {}
            }
        }
    }
    assigned
}

fn constant_strings(graph: &Graph, tensor: Output) -> Option<Vec<String>> {
    let node = graph.get(tensor.node).filter(|node| node.op() == "Const")?;
    let value = Tensor::try_from(node.attr("value")?.as_tensor()?.proto()).ok()?;
    let strings = value.as_strings().ok()?.iter();
    strings.map(|string| String::from_utf8(string.to_vec()).ok()).collect()
}
