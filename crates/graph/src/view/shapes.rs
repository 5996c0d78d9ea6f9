use flowkeep_tensor::PartialShape;

use crate::{Attr, Graph, Node, NodeId, Output};

/// The shapes of a node's outputs, inferred from those of its inputs, if one knows how.
pub type ShapeHook<'a> = &'a dyn Fn(&Graph, NodeId, &[PartialShape]) -> Option<Vec<PartialShape>>;

/// The attribute in which a MetaGraph keeps the shapes of outputs.
pub(super) const OUTPUT_SHAPES: &str = "_output_shapes";
/// The attribute in which its functions keep those of arguments.
pub(super) const INPUT_SHAPES: &str = "_input_shapes";

/// Graphs of this version and older ones gave placeholders of unknown shape that of a scalar.
const LAST_PRODUCER_WITHOUT_UNKNOWN_SHAPES: i32 = 21;

/// What is known of the shapes of all tensors of a graph without computing any of them.
///
/// It is what a MetaGraph keeps in `_output_shapes`, the shapes of constants, placeholders and
/// variables, and what a [`ShapeHook`] infers.
#[derive(Clone, Debug, Default)]
pub struct Shapes(Vec<Box<[PartialShape]>>);

impl Shapes {
    /// The shapes of the tensors of `graph`.
    pub fn new(graph: &Graph, hook: Option<ShapeHook<'_>>) -> Shapes {
        let mut shapes = Shapes(Vec::with_capacity(graph.len()));
        for (id, node) in graph.iter() {
            let known = shapes.of_node(graph, id, node, hook);
            shapes.0.push(known);
        }
        shapes
    }

    fn of_node(
        &self,
        graph: &Graph,
        id: NodeId,
        node: &Node,
        hook: Option<ShapeHook<'_>>,
    ) -> Box<[PartialShape]> {
        let stored = node.attr(OUTPUT_SHAPES).and_then(Attr::as_shapes).unwrap_or_default();
        let own = self.of_op(graph, node);
        let inferred = hook.and_then(|hook| {
            let inputs: Vec<_> = node.inputs().iter().map(|input| self.get(*input)).collect();
            hook(graph, id, &inputs)
        });
        let inferred = inferred.unwrap_or_default();
        let n_outputs = node.n_outputs().unwrap_or(stored.len().max(inferred.len()));
        let shape = |idx: usize| {
            let of = |shapes: &[PartialShape]| shapes.get(idx).cloned().unwrap_or_default();
            let own = own.clone().filter(|_| idx == 0).unwrap_or_default();
            merged(merged(of(&stored), own), of(&inferred))
        };
        (0..n_outputs).map(shape).collect()
    }

    /// The shape of output 0 of the ops that say it in an attribute.
    fn of_op(&self, graph: &Graph, node: &Node) -> Option<PartialShape> {
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

    fn graph(source: &str) -> Graph {
        Graph::import(text::parse_message(source).unwrap(), &ImportOptions::default()).unwrap()
    }

    fn shapes(graph: &Graph, hook: Option<ShapeHook<'_>>) -> Vec<String> {
        let shapes = Shapes::new(graph, hook);
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
        let infer: ShapeHook<'_> = &|graph, id, inputs| {
            let is_neg = graph.node(id).op() == "Neg";
            assert!(!is_neg || inputs == [scalar()]);
            Some(vec![PartialShape::new(vec![Some(7), Some(7)])])
        };
        let expected = ["c [3]", "h []", "n [7,2]", "p []", "r [4]", "v [7,7]", "w []"];
        assert_eq!(shapes(&graph, Some(infer)), expected);
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
