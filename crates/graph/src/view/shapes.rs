use std::sync::Arc;

use flowkeep_tensor::PartialShape;

use crate::builder::{InferredShapes, ShapeProvider};
use crate::graph::node_id;
use crate::{Attr, Graph, Node, NodeId, Output};

/// The attribute in which a MetaGraph keeps the shapes of outputs.
pub(super) const OUTPUT_SHAPES: &str = "_output_shapes";
/// The attribute in which its functions keep those of arguments.
pub(super) const INPUT_SHAPES: &str = "_input_shapes";

/// Graphs of this version and older ones gave placeholders of unknown shape that of a scalar.
const LAST_PRODUCER_WITHOUT_UNKNOWN_SHAPES: i32 = 21;

/// What is known of the shapes of all tensors of a graph without computing any of them.
///
/// It is what a MetaGraph keeps in `_output_shapes`, the shapes of constants, placeholders and
/// variables, and what a [`ShapeProvider`] infers.
#[derive(Clone, Debug, Default)]
pub struct Shapes(Vec<Box<[PartialShape]>>);

impl Shapes {
    /// The shapes of the tensors of `graph`.
    pub fn new(graph: &Graph, provider: Option<&Arc<dyn ShapeProvider>>) -> Shapes {
        let stored = Shapes(graph.nodes().iter().map(|node| stored(graph, node)).collect());
        let Some(provider) = provider else { return stored };
        let inferred =
            InferredShapes::of_graph_with(graph, provider.clone(), |output| stored.get(output));
        let of_node = |(id, of_node): (NodeId, &[PartialShape])| {
            let outputs = (0u32..)
                .zip(of_node)
                .map(|(index, own)| merged(own.clone(), inferred.get(id.output(index)).clone()));
            outputs.collect()
        };
        let ids = (0..graph.len()).map(node_id);
        Shapes(ids.zip(stored.0.iter().map(|of_node| &**of_node)).map(of_node).collect())
    }

    /// The shape of a tensor; that of unknown rank for tensors that do not exist.
    pub fn get(&self, output: Output) -> PartialShape {
        let of_node = self.0.get(output.node.index());
        let shape = of_node.zip(usize::try_from(output.index).ok());
        shape.and_then(|(shapes, index)| shapes.get(index).cloned()).unwrap_or_default()
    }

    /// Takes all dimensions that are not known to have this size.
    pub fn assume(&mut self, size: u64) {
        for shape in self.0.iter_mut().flatten() {
            if let Some(dims) = shape.dims()
                && dims.contains(&None)
            {
                *shape = PartialShape::new(dims.iter().map(|dim| dim.or(Some(size))).collect());
            }
        }
    }
}

/// What a node says of the shapes of its outputs.
fn stored(graph: &Graph, node: &Node) -> Box<[PartialShape]> {
    let stored = node.attr(OUTPUT_SHAPES).and_then(Attr::as_shapes).unwrap_or_default();
    let n_outputs = node.n_outputs().unwrap_or(stored.len());
    let mut shapes: Vec<_> = stored.into_iter().take(n_outputs).collect();
    shapes.resize(n_outputs, PartialShape::unknown());
    if let (Some(first), Some(own)) = (shapes.first_mut(), of_op(graph, node)) {
        *first = merged(std::mem::take(first), own);
    }
    shapes.into()
}

/// The shape of output 0 of the ops that say it in an attribute.
fn of_op(graph: &Graph, node: &Node) -> Option<PartialShape> {
    let stored = || node.attrs().shape("shape").ok();
    let unless_scalar = |shape: &PartialShape| shape.rank() != Some(0);
    match node.op() {
        "Const" => {
            let tensor = node.attr("value")?.as_tensor()?.proto();
            let stored = tensor.tensor_shape.as_ref().filter(|shape| !shape.unknown_rank);
            stored.map_or_else(|| Some(scalar()), |shape| PartialShape::from_proto(shape).ok())
        }
        "Placeholder" if graph.producer() <= LAST_PRODUCER_WITHOUT_UNKNOWN_SHAPES => {
            stored().filter(unless_scalar)
        }
        // This op cannot tell a scalar from a variable of unknown shape.
        "Variable" => stored().filter(unless_scalar),
        "Placeholder"
        | "PlaceholderV2"
        | "PlaceholderWithDefault"
        | "VariableV2"
        | "TemporaryVariable" => stored(),
        "VarHandleOp" => Some(scalar()),
        "ReadVariableOp" => {
            let handle = graph.get(node.inputs().first()?.node)?;
            let is_variable = handle.op() == "VarHandleOp";
            is_variable.then(|| handle.attrs().shape("shape").ok()).flatten()
        }
        _ => None,
    }
}

fn scalar() -> PartialShape {
    PartialShape::new(Vec::new())
}

/// What two shapes of one tensor say together; where they contradict each other, the first counts.
fn merged(a: PartialShape, b: PartialShape) -> PartialShape {
    match (a.dims(), b.dims()) {
        (None, _) => b,
        (Some(x), Some(y)) if x.len() == y.len() && x.contains(&None) => {
            PartialShape::new(x.iter().zip(y).map(|(x, y)| x.or(*y)).collect())
        }
        _ => a,
    }
}

#[cfg(test)]
mod tests {
    use flowkeep_proto::text;

    use super::*;
    use crate::ImportOptions;
    use crate::builder::InferenceContext;

    fn graph(source: &str) -> Graph {
        Graph::import(text::parse_message(source).unwrap(), &ImportOptions::default()).unwrap()
    }

    fn shapes(graph: &Graph, provider: Option<&Arc<dyn ShapeProvider>>) -> Vec<String> {
        let shapes = Shapes::new(graph, provider);
        let of_node =
            |(id, node): (NodeId, &Node)| format!("{} {}", node.name(), shapes.get(id.output(0)));
        let mut list: Vec<_> = graph.iter().map(of_node).collect();
        list.sort();
        list
    }

    const OPS: &str = r#"
        node { name: "c" op: "Const" attr { key: "dtype" value { type: DT_INT32 } }
               attr { key: "value" value { tensor { dtype: DT_INT32 tensor_shape { dim { size: 3 } } int_val: 1 } } } }
        node { name: "h" op: "VarHandleOp" attr { key: "dtype" value { type: DT_FLOAT } }
               attr { key: "shape" value { shape { dim { size: 4 } } } } }
        node { name: "n" op: "Neg" input: "p" attr { key: "T" value { type: DT_FLOAT } }
               attr { key: "_output_shapes" value { list { shape { dim { size: -1 } dim { size: 2 } } } } } }
        node { name: "p" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } }
               attr { key: "shape" value { shape { } } } }
        node { name: "r" op: "ReadVariableOp" input: "h" attr { key: "dtype" value { type: DT_FLOAT } } }
        node { name: "v" op: "Variable" attr { key: "dtype" value { type: DT_FLOAT } }
               attr { key: "shape" value { shape { } } } }
        node { name: "w" op: "VariableV2" attr { key: "dtype" value { type: DT_FLOAT } }
               attr { key: "shape" value { shape { } } } }"#;

    #[test]
    fn shapes_are_those_that_attributes_say() {
        let graph = graph(&format!("{OPS} versions {{ producer: 22 }}"));
        let expected = ["c [3]", "h []", "n [?,2]", "p []", "r [4]", "v <unknown>", "w []"];
        assert_eq!(shapes(&graph, None), expected);
    }

    #[test]
    fn old_placeholders_do_not_tell_scalars_from_the_unknown() {
        let graph = graph(&format!("{OPS} versions {{ producer: 21 }}"));
        assert!(shapes(&graph, None).contains(&"p <unknown>".to_owned()));
    }

    #[test]
    fn what_is_inferred_fills_gaps_and_contradicts_nothing() {
        let graph = graph(&format!("{OPS} versions {{ producer: 22 }}"));
        let provider: Arc<dyn ShapeProvider> = Arc::new(SevenByTwo);
        let expected = ["c [3]", "h []", "n [7,2]", "p []", "r [4]", "v [7,2]", "w []"];
        assert_eq!(shapes(&graph, Some(&provider)), expected);
    }

    /// Takes everything for one matrix.
    #[derive(Debug)]
    struct SevenByTwo;

    impl ShapeProvider for SevenByTwo {
        fn infer(&self, cx: &mut InferenceContext<'_>) -> Result<(), String> {
            // What is stored of the inputs is known.
            assert!(cx.op() != "Neg" || *cx.input(0) == scalar());
            let matrix = PartialShape::new(vec![Some(7), Some(2)]);
            (0..cx.n_outputs()).for_each(|index| cx.set_output(index, matrix.clone()));
            Ok(())
        }
    }

    #[test]
    fn unknown_dimensions_can_be_assumed() {
        let graph = graph(OPS);
        let mut shapes = Shapes::new(&graph, None);
        shapes.assume(16);
        let shape = |name| shapes.get(graph.output(name).unwrap()).to_string();
        assert_eq!((shape("n"), shape("v")), ("[16,2]".into(), "<unknown>".into()));
    }
}
