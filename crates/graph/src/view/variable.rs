use flowkeep_tensor::{DType, PartialShape};

use super::Shapes;
use crate::{Graph, Node, NodeId};

/// A node that is a variable.
#[derive(Clone, Debug, PartialEq)]
pub struct VariableView {
    /// The name of the node.
    pub name: String,
    /// The op: `VariableV2`, `VarHandleOp` and the like.
    pub op: String,
    /// The type of its elements.
    pub dtype: Option<DType>,
    /// Its shape, as far as it is known.
    pub shape: PartialShape,
    /// The name under which sessions share it; empty for that of the node.
    pub shared_name: String,
}

impl VariableView {
    /// The variable that a node is, if it is one.
    pub(super) fn of(node: &Node, id: NodeId, shapes: &Shapes) -> Option<VariableView> {
        let shape = match node.op() {
            "VarHandleOp" => node.attrs().shape("shape").unwrap_or_default(),
            "Variable" | "VariableV2" | "AutoReloadVariable" => shapes.get(id.output(0)),
            _ => return None,
        };
        let shared_name = node.attrs().str("shared_name").map(|name| String::from_utf8_lossy(name));
        Some(VariableView {
            name: node.name().to_owned(),
            op: node.op().to_owned(),
            dtype: node.attrs().dtype("dtype").ok(),
            shape,
            shared_name: shared_name.unwrap_or_default().into_owned(),
        })
    }

    /// The variables of a graph, in order of their names.
    pub(super) fn all(graph: &Graph, shapes: &Shapes) -> Vec<VariableView> {
        let variables = graph.iter().filter_map(|(id, node)| VariableView::of(node, id, shapes));
        let mut variables: Vec<_> = variables.collect();
        variables.sort_by(|a, b| a.name.cmp(&b.name));
        variables
    }

    /// The number of its elements, if the shape is known.
    pub fn n_elements(&self) -> Option<u64> {
        let mut dims = self.shape.dims()?.iter();
        dims.try_fold(1u64, |n, dim| dim.map(|dim| n.saturating_mul(dim)))
    }

    /// The bytes of its elements, if shape and type are known and elements have a fixed size.
    pub fn len_bytes(&self) -> Option<u64> {
        let size = u64::try_from(self.dtype?.size_bytes()?).ok()?;
        Some(self.n_elements()?.saturating_mul(size))
    }
}

/// All variables of a graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ParameterTotals {
    /// How many variables there are.
    pub n_variables: u64,
    /// The elements of those whose shapes are known.
    pub n_elements: u64,
    /// The bytes of those.
    pub len_bytes: u64,
    /// How many variables have no known shape.
    pub n_unknown: u64,
}

impl ParameterTotals {
    pub(super) fn of(variables: &[VariableView]) -> ParameterTotals {
        let mut totals = ParameterTotals::default();
        for variable in variables {
            totals.n_variables += 1;
            match variable.n_elements() {
                None => totals.n_unknown += 1,
                Some(n) => {
                    totals.n_elements = totals.n_elements.saturating_add(n);
                    let len = variable.len_bytes().unwrap_or_default();
                    totals.len_bytes = totals.len_bytes.saturating_add(len);
                }
            }
        }
        totals
    }
}
