use std::sync::Arc;

use flowkeep_tensor::{DType, Tensor};

use super::reach::forget_colocation;
use crate::{Attr, Error, Graph, GraphEdit, Node, NodeId, Output};

mod norm;
mod scale;

/// What [`fold_batch_norms`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchNormReport {
    /// What was folded, in the order of the graph.
    pub folded: Vec<FoldedNorm>,
    /// The normalizations that stay, in the order of the graph, and why.
    pub skipped: Vec<SkippedNorm>,
}

/// A normalization that is in the weights of the node before it now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoldedNorm {
    /// The node that normalized.
    pub node: Arc<str>,
    /// The convolution or product before it.
    pub into: Arc<str>,
}

/// A normalization that could not be folded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SkippedNorm {
    /// The node that normalizes.
    pub node: Arc<str>,
    /// What is in the way.
    pub why: String,
}

/// Folds the normalization of batches into the weights of convolutions before it, as far as all that
/// it takes are constants.
///
/// * FusedBatchNorm, V2 and V3 and BatchNormWithGlobalNormalization after a Conv2D or a
///   DepthwiseConv2dNative, perhaps with a BiasAdd, Add or AddV2 of a constant between: the weights
///   become `<convolution>_weights`, and a BiasAdd of `<convolution>_bn_offset` takes the name of the
///   normalization. Numbers are those of TensorFlow's `optimize_for_inference`, to the bit.
/// * A Mul by a constant vector after a Conv2D, a DepthwiseConv2dNative or a MatMul: it goes, and the
///   convolution takes its name. The rule is that of `fold_batch_norms` of TensorFlow's Graph
///   Transform Tool.
///
/// Constants that nothing takes any more stay, see [`extract_sub_graph`](super::extract_sub_graph).
/// Weights that pass through an Identity are none: run
/// [`remove_training_nodes`](super::remove_training_nodes) before.
///
/// Beyond TensorFlow's rules, nothing is folded that would change what the graph computes: not in
/// training mode, nor where something else takes the convolution, its bias or other outputs of the
/// normalization, nor where the formats of data differ. Only `float` is folded.
///
/// Errors: as [`Graph::import`]; `INVALID_ARGUMENT` for constants that cannot be read.
pub fn fold_batch_norms(graph: Graph) -> Result<(Graph, BatchNormReport), Error> {
    let mut edit = GraphEdit::new(graph);
    let mut report = BatchNormReport::default();
    for id in edit.ids() {
        let Some(node) = edit.node(id) else { continue };
        let name = node.shared_name().clone();
        let outcome = match node.op() {
            "Mul" => match scale::find(&edit, id) {
                Some(scale) => scale.fold(&mut edit),
                None => continue,
            },
            "FusedBatchNorm"
            | "FusedBatchNormV2"
            | "FusedBatchNormV3"
            | "BatchNormWithGlobalNormalization" => norm::fold(&mut edit, id),
            _ => continue,
        };
        match outcome {
            Ok(into) => report.folded.push(FoldedNorm { node: name, into }),
            Err(Skip::Because(why)) => report.skipped.push(SkippedNorm { node: name, why }),
            Err(Skip::Error(error)) => return Err(error),
        }
    }
    forget_colocation(&mut edit);
    Ok((edit.finish()?, report))
}

/// Why something is not folded.
enum Skip {
    /// The rules say so.
    Because(String),
    /// The graph is damaged.
    Error(Error),
}

impl From<Error> for Skip {
    fn from(error: Error) -> Skip {
        Skip::Error(error)
    }
}

fn skip<T>(why: impl Into<String>) -> Result<T, Skip> {
    Err(Skip::Because(why.into()))
}

/// A constant of floats.
struct Floats {
    id: NodeId,
    value: Tensor,
}

impl Floats {
    /// The constant that `input` is; what it is instead, if it is none.
    fn of(edit: &GraphEdit, input: Output) -> Result<Floats, Result<&Node, Error>> {
        let Some(node) = edit.node(input.node) else {
            return Err(Err(Error::Arguments(format!("there is no node #{}", input.node.0))));
        };
        if node.op() != "Const" {
            return Err(Ok(node));
        }
        let value = node.attrs().tensor("value").map_err(Err)?;
        Ok(Floats { id: input.node, value })
    }

    fn values(&self) -> Result<&[f32], Skip> {
        match self.value.as_slice::<f32>() {
            Ok(values) => Ok(values),
            Err(_) => skip(format!("{} is not folded, only float is", self.value.dtype())),
        }
    }

    fn dims(&self) -> &[usize] {
        self.value.dims()
    }
}

/// The number of channels that a node with these weights gives; `None` for weights of another rank
/// than it takes.
fn n_channels(op: &str, weights: &[usize]) -> Option<usize> {
    match (op, weights) {
        ("Conv2D", [_, _, _, n]) | ("MatMul", [_, n]) => Some(*n),
        ("DepthwiseConv2dNative", [_, _, n, multiplier]) => n.checked_mul(*multiplier),
        _ => None,
    }
}

/// The attribute `data_format`; the default where there is none.
fn data_format(node: &Node) -> &[u8] {
    node.attr("data_format").and_then(Attr::as_str).map_or(b"NHWC", |format| format)
}

/// Whether something beside `user` takes an output of a node; to wait for it is no use.
fn is_used_beside(edit: &mut GraphEdit, id: NodeId, user: NodeId) -> bool {
    edit.consumers(id).into_iter().any(|consumer| {
        let node = edit.node(consumer);
        consumer != user
            && node.is_some_and(|node| node.inputs().iter().any(|input| input.node == id))
    })
}

fn type_of(node: &Node) -> Option<DType> {
    node.attr("T").and_then(Attr::as_type)
}
