use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flowkeep_tensor::{DType, PartialShape};

use super::calls::Calls;
use super::depth::depth;
use super::flops::FlopSum;
use super::op_kind::{is_control_flow, is_placeholder};
use super::{
    ConstantTotals, FlopTotals, FunctionSummary, OpKind, ParameterTotals, Shapes, VariableView,
};
use crate::builder::ShapeProvider;
use crate::{Attr, FunctionBody, Graph, Node, NodeId, Output};

/// How to sum a graph up.
#[derive(Clone, Debug, Default)]
pub struct SummaryOptions {
    /// Infers shapes that are not stored.
    pub shapes: Option<Arc<dyn ShapeProvider>>,
    /// The size that dimensions are taken to have of which the size is not known.
    pub assume: Option<u64>,
}

/// A graph as a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// How many nodes there are.
    pub n_nodes: usize,
    /// The number of nodes on the longest path that goes around no loop.
    pub depth: usize,
    /// The version of the writer; 0 if it did not say.
    pub producer: i32,
    /// The least version of readers.
    pub min_consumer: i32,
    /// Placeholders, or the arguments of a function, in order of the graph.
    pub inputs: Vec<InputSummary>,
    /// Nodes that nothing consumes or waits for, or the results of a function.
    pub outputs: Vec<OutputSummary>,
    /// The variables, by name.
    pub variables: Vec<VariableView>,
    /// All variables together.
    pub parameters: ParameterTotals,
    /// All constants together, without those in functions.
    pub constants: ConstantTotals,
    /// How often each op occurs, the most frequent first.
    pub ops: Vec<OpCount>,
    /// The frames of loops, by name.
    pub frames: Vec<String>,
    /// The devices that nodes ask for, and how many do, by name.
    pub devices: Vec<(String, usize)>,
    /// The functions of the library, in stored order.
    pub functions: Vec<FunctionSummary>,
    /// What the nodes of the graph compute, without the functions that they call.
    pub flops: FlopTotals,
    /// What the functions compute, once for each node that names one, directly or not.
    pub function_flops: FlopTotals,
}

/// A tensor that is fed into a graph.
#[derive(Clone, Debug, PartialEq)]
pub struct InputSummary {
    /// The name of the node.
    pub name: String,
    /// The op: `Placeholder` and the like.
    pub op: String,
    /// The type of its elements.
    pub dtype: Option<DType>,
    /// Its shape, as far as it is known.
    pub shape: PartialShape,
}

/// A node that nothing in the graph consumes, or a result.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputSummary {
    /// The name of the node, or of the result.
    pub name: String,
    /// The op; for a result, that of its node.
    pub op: String,
    /// Types and shapes of its tensors; there are none in nodes that only act.
    pub tensors: Vec<(Option<DType>, PartialShape)>,
    /// Of a result, the tensor that it is.
    pub tensor_name: Option<String>,
}

/// How often an op occurs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpCount {
    /// The op, or the function that is called.
    pub op: String,
    /// What it is.
    pub kind: OpKind,
    /// Whether it steers which nodes run.
    pub is_control_flow: bool,
    /// How many nodes have it.
    pub n_nodes: usize,
}

impl Summary {
    /// Sums a graph up, in time linear in its size.
    pub fn new(graph: &Graph, options: &SummaryOptions) -> Summary {
        Summary::with_outputs(graph, options, |shapes| {
            let consumed = consumed(graph);
            let sinks = graph.iter().filter(|(id, _)| !consumed.contains(id));
            let sink = |(id, node): (NodeId, &Node)| OutputSummary {
                name: node.name().to_owned(),
                op: node.op().to_owned(),
                tensors: (0..u32::try_from(node.n_outputs().unwrap_or(0)).unwrap_or(u32::MAX))
                    .map(|index| (node.output_dtype(index), shapes.get(id.output(index))))
                    .collect(),
                tensor_name: None,
            };
            sinks.map(sink).collect()
        })
    }

    /// Sums up what a function does: its inputs are the arguments, its outputs the results.
    pub fn of_function(body: &FunctionBody, options: &SummaryOptions) -> Summary {
        let graph = &body.graph;
        Summary::with_outputs(graph, options, |shapes| {
            let ret = |(name, ret): (&Arc<str>, &Output)| {
                let node = graph.get(ret.node);
                let dtype = node.and_then(|node| node.output_dtype(ret.index));
                OutputSummary {
                    name: name.to_string(),
                    op: node.map_or("", |node| node.op()).to_owned(),
                    tensors: vec![(dtype, shapes.get(*ret))],
                    tensor_name: Some(graph.tensor_name(*ret).to_string()),
                }
            };
            body.ret_names.iter().zip(&body.rets).map(ret).collect()
        })
    }

    fn with_outputs(
        graph: &Graph,
        options: &SummaryOptions,
        outputs: impl FnOnce(&Shapes) -> Vec<OutputSummary>,
    ) -> Summary {
        let mut shapes = Shapes::new(graph, options.shapes.as_ref());
        let variables = VariableView::all(graph, &shapes);
        let inputs = inputs(graph, &shapes);
        let outputs = outputs(&shapes);
        if let Some(size) = options.assume {
            shapes.assume(size);
        }
        let calls = Calls::of(graph, options);
        let versions = graph.versions();
        let (mut frames, mut devices) = (BTreeSet::new(), BTreeMap::new());
        let mut constants = ConstantTotals::default();
        for node in graph.nodes() {
            if let (true, Ok(frame)) =
                (node.op().ends_with("Enter"), node.attrs().str("frame_name"))
            {
                frames.insert(String::from_utf8_lossy(frame).into_owned());
            }
            if !node.device().is_empty() {
                *devices.entry(node.device().to_owned()).or_insert(0) += 1;
            }
            if let ("Const", Some(value)) =
                (node.op(), node.attr("value").and_then(Attr::as_tensor))
            {
                constants.add(value.proto());
            }
        }
        Summary {
            n_nodes: graph.len(),
            depth: depth(graph),
            producer: graph.producer(),
            min_consumer: versions.map_or(0, |versions| versions.min_consumer),
            inputs,
            outputs,
            parameters: ParameterTotals::of(&variables),
            variables,
            constants,
            ops: ops(graph),
            frames: frames.into_iter().collect(),
            devices: devices.into_iter().collect(),
            functions: calls.functions,
            flops: FlopSum::of_graph(graph, &shapes).totals(),
            function_flops: calls.flops.totals(),
        }
    }

    /// The ops that steer which nodes run, and how often they occur.
    pub fn control_flow(&self) -> impl Iterator<Item = &OpCount> {
        self.ops.iter().filter(|op| op.is_control_flow)
    }
}

/// The nodes that feed others, or that others wait for.
fn consumed(graph: &Graph) -> BTreeSet<NodeId> {
    let sources = graph.nodes().iter().flat_map(|node| {
        let data = node.inputs().iter().map(|input| input.node);
        data.chain(node.control_inputs().iter().copied())
    });
    sources.collect()
}

fn inputs(graph: &Graph, shapes: &Shapes) -> Vec<InputSummary> {
    let placeholders = graph.iter().filter(|(_, node)| is_placeholder(node.op()));
    let input = |(id, node): (NodeId, &Node)| InputSummary {
        name: node.name().to_owned(),
        op: node.op().to_owned(),
        dtype: node.output_dtype(0),
        shape: shapes.get(id.output(0)),
    };
    placeholders.map(input).collect()
}

fn ops(graph: &Graph) -> Vec<OpCount> {
    let mut counts: BTreeMap<&str, (OpKind, usize)> = BTreeMap::new();
    for node in graph.nodes() {
        counts.entry(node.op()).or_insert_with(|| (OpKind::of(graph, node), 0)).1 += 1;
    }
    let count = |(op, (kind, n_nodes)): (&str, (OpKind, usize))| OpCount {
        op: op.to_owned(),
        kind,
        is_control_flow: is_control_flow(op),
        n_nodes,
    };
    let mut ops: Vec<_> = counts.into_iter().map(count).collect();
    ops.sort_by(|a, b| b.n_nodes.cmp(&a.n_nodes).then_with(|| a.op.cmp(&b.op)));
    ops
}
