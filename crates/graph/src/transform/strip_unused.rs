use std::sync::Arc;

use flowkeep_tensor::{DType, PartialShape};

use super::reach::{find_all, prune};
use crate::{Attr, Error, Graph, GraphEdit, Node, NodeSpec};

/// An attribute that MetaGraphs are exported with: the shapes of a node's outputs.
const OUTPUT_SHAPES: &str = "_output_shapes";

/// A node that [`strip_unused`] makes an input of the graph.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StripInput {
    /// The node.
    pub name: String,
    /// The type of the placeholder; `None` for that of the node's output 0.
    pub dtype: Option<DType>,
    /// The shape of the placeholder; `None` for the node's attribute `shape`, if it has one.
    pub shape: Option<PartialShape>,
}

impl StripInput {
    /// An input of the type and shape that the node has.
    pub fn new(name: impl Into<String>) -> StripInput {
        StripInput { name: name.into(), dtype: None, shape: None }
    }

    /// With this type.
    pub fn dtype(mut self, dtype: DType) -> StripInput {
        self.dtype = Some(dtype);
        self
    }

    /// With this shape.
    pub fn shape(mut self, shape: PartialShape) -> StripInput {
        self.shape = Some(shape);
        self
    }
}

/// What [`strip_unused`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StripReport {
    /// The nodes that became placeholders and are needed, in the order of the graph.
    pub placeholders: Vec<Arc<str>>,
    /// The nodes that were removed, in the order of the graph.
    pub removed: Vec<Arc<str>>,
}

/// The part of a graph between inputs and outputs: the inputs become placeholders, and what the
/// outputs do not need then goes.
///
/// Unlike TensorFlow's tool, this one keeps the library and the versions, and refuses to make a graph
/// in which types do not fit.
///
/// ```
/// use flowkeep_graph::transform::{StripInput, strip_unused};
/// use flowkeep_graph::{Attr, Graph, NodeSpec};
/// use flowkeep_tensor::DType;
///
/// let mut graph = Graph::new();
/// let f32 = || Attr::Type(DType::F32);
/// let file = graph.add_node(NodeSpec::new("file", "Placeholder").attr("dtype", f32()))?;
/// let x = graph.add_node(NodeSpec::new("x", "Sqrt").input(file.output(0)).attr("T", f32()))?;
/// graph.add_node(NodeSpec::new("y", "Neg").input(x.output(0)).attr("T", f32()))?;
/// let (graph, report) = strip_unused(graph, &[StripInput::new("x")], &["y"])?;
/// assert_eq!(graph.nodes()[0].op(), "Placeholder");
/// assert_eq!((&*report.placeholders[0], &*report.removed[0]), ("x", "file"));
/// # Ok::<(), flowkeep_graph::Error>(())
/// ```
///
/// Errors: `INVALID_ARGUMENT` for an input that is written as a tensor, has another type than its
/// consumers take, or has no type to keep; `NOT_FOUND` for names that are no nodes. Texts are
/// TensorFlow's.
pub fn strip_unused<S: AsRef<str>>(
    graph: Graph,
    inputs: &[StripInput],
    outputs: &[S],
) -> Result<(Graph, StripReport), Error> {
    if let Some(input) = inputs.iter().find(|input| input.name.contains(':')) {
        return Err(Error::BadName(format!(
            "Name '{}' appears to refer to a Tensor, not an Operation.",
            input.name
        )));
    }
    let mut edit = GraphEdit::new(graph);
    let missing: Vec<String> = inputs
        .iter()
        .filter(|input| edit.find(&input.name).is_none())
        .map(|input| format!("'{}'", input.name))
        .collect();
    if !missing.is_empty() {
        return Err(Error::NoSuchElement(format!(
            "The following input nodes were not found: {{{}}}.",
            missing.join(", ")
        )));
    }
    let mut ids = Vec::with_capacity(inputs.len());
    for input in inputs {
        let Some(id) = edit.find(&input.name) else { continue };
        let Some(node) = edit.node(id) else { continue };
        let spec = placeholder(node, input)?;
        edit.replace(id, spec);
        ids.push(id);
    }
    let roots = find_all(&edit, outputs)?;
    let removed = prune(&mut edit, &roots);
    ids.sort_unstable();
    ids.dedup();
    let placeholders =
        ids.iter().filter_map(|id| edit.node(*id)).map(|node| node.shared_name().clone()).collect();
    Ok((edit.finish()?, StripReport { placeholders, removed }))
}

fn placeholder(node: &Node, input: &StripInput) -> Result<NodeSpec, Error> {
    let dtype = input.dtype.or_else(|| node.output_dtype(0)).ok_or_else(|| {
        Error::Arguments(format!(
            "the type of input '{}' is not known: op {} has no output",
            input.name,
            node.op()
        ))
    })?;
    let mut spec =
        NodeSpec::new(node.shared_name().clone(), "Placeholder").attr("dtype", Attr::Type(dtype));
    let shape = match &input.shape {
        Some(shape) => Some(Attr::Shape(shape.clone())),
        None => node.attr("shape").filter(|shape| shape.as_shape().is_some()).cloned(),
    };
    if let Some(shape) = shape {
        spec = spec.attr("shape", shape);
    }
    if let Some(shapes) = node.attr(OUTPUT_SHAPES).filter(|_| input.shape.is_none()) {
        spec = spec.attr(OUTPUT_SHAPES, shapes.clone());
    }
    Ok(spec)
}
