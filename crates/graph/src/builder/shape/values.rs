//! Values that are known before anything runs: constants, and sizes that are made from shapes.

use flowkeep_tensor::{DType, PartialShape, Shape, Tensor};

use super::Shapes;
use super::dims::{Dim, n_elements};
use crate::{Graph, Node, Output};

/// Values with more elements than this are not looked at.
const MAX_ELEMENTS: u64 = 1 << 16;
/// How many nodes are followed, one feeding the next.
const MAX_DEPTH: usize = 32;

/// The value of a tensor, if it is known.
pub(super) fn value(graph: &Graph, shapes: &Shapes, tensor: Output) -> Option<Tensor> {
    let node = graph.get(tensor.node)?;
    if node.op() == "Const" {
        return constant(node);
    }
    let dtype = node.output_dtype(tensor.index)?;
    let sizes = Sizes::of(graph, shapes, tensor, MAX_DEPTH)?;
    let values: Vec<i64> = sizes.values.iter().copied().collect::<Option<_>>()?;
    let shape = if sizes.is_scalar { Shape::SCALAR } else { Shape::from([values.len()]) };
    match dtype {
        DType::I64 => Tensor::from_vec(shape, values).ok(),
        DType::I32 => {
            let values = values.into_iter().map(i32::try_from).collect::<Result<Vec<_>, _>>();
            Tensor::from_vec(shape, values.ok()?).ok()
        }
        _ => None,
    }
}

/// The shape that the value of a tensor describes, as far as it is known.
///
/// Errors: a tensor that is no vector, and sizes below -1.
pub(super) fn value_as_shape(
    graph: &Graph,
    shapes: &Shapes,
    tensor: Output,
) -> Result<PartialShape, String> {
    let Some(length) = shapes.get(tensor).dims() else { return Ok(PartialShape::unknown()) };
    let [length] = length else {
        return Err(format!("Shape must be rank 1 but is rank {}", length.len()));
    };
    if let Some(sizes) = Sizes::of(graph, shapes, tensor, MAX_DEPTH) {
        let dim = |size: &Option<i64>| match size {
            None | Some(-1) => Ok(None),
            Some(size) => u64::try_from(*size)
                .map(Some)
                .map_err(|_| format!("Invalid value in tensor used for shape: {size}")),
        };
        return sizes.values.iter().map(dim).collect::<Result<_, _>>().map(PartialShape::new);
    }
    Ok(match length.and_then(|length| usize::try_from(length).ok()) {
        Some(length) if length <= flowkeep_tensor::MAX_RANK => {
            PartialShape::new(vec![None; length])
        }
        _ => PartialShape::unknown(),
    })
}

/// The elements of an integer tensor; none of a tensor of another type.
pub(super) fn to_i64(value: &Tensor) -> Vec<i64> {
    if let Ok(values) = value.as_slice::<i32>() {
        return values.iter().map(|value| i64::from(*value)).collect();
    }
    value.as_slice::<i64>().map(<[i64]>::to_vec).unwrap_or_default()
}

/// The value of a constant that is not too large.
fn constant(node: &Node) -> Option<Tensor> {
    let stored = node.attr("value")?.as_tensor()?;
    let shape = PartialShape::from_proto(stored.proto().tensor_shape.as_ref()?).ok()?;
    (n_elements(shape.dims()?)? <= MAX_ELEMENTS).then(|| stored.tensor().ok())?
}

/// Integers, each of which may be unknown, in a scalar or a vector.
struct Sizes {
    is_scalar: bool,
    values: Vec<Option<i64>>,
}

impl Sizes {
    fn scalar(value: Option<i64>) -> Sizes {
        Sizes { is_scalar: true, values: vec![value] }
    }

    /// What is known of the value of a tensor.
    fn of(graph: &Graph, shapes: &Shapes, tensor: Output, depth: usize) -> Option<Sizes> {
        let depth = depth.checked_sub(1)?;
        let node = graph.get(tensor.node)?;
        let input = |index: usize| Sizes::of(graph, shapes, *node.inputs().get(index)?, depth);
        let shape = |index: usize| Some(shapes.get(*node.inputs().get(index)?));
        match node.op() {
            "Const" => Sizes::of_constant(&constant(node)?),
            "Identity" | "StopGradient" => input(0),
            "Cast" => {
                let kinds = [node.attrs().dtype("SrcT"), node.attrs().dtype("DstT")];
                let are_sizes =
                    kinds.iter().all(|kind| matches!(kind, Ok(DType::I32 | DType::I64)));
                are_sizes.then(|| input(0))?
            }
            "Shape" => {
                let dims = shape(0)?.dims()?;
                Some(Sizes { is_scalar: false, values: dims.iter().copied().map(size).collect() })
            }
            "Rank" => Some(Sizes::scalar(i64::try_from(shape(0)?.rank()?).ok())),
            "Size" => Some(Sizes::scalar(size(n_elements(shape(0)?.dims()?)))),
            "Pack" => {
                let inputs = 0..node.inputs().len();
                let values = inputs.map(|index| {
                    let known = input(index).unwrap_or_else(|| Sizes::scalar(None));
                    let is_scalar = shape(index)?.rank()? == 0 && known.is_scalar;
                    is_scalar.then(|| known.values.first().copied().flatten())
                });
                Some(Sizes { is_scalar: false, values: values.collect::<Option<_>>()? })
            }
            "ConcatV2" => {
                let n = node.inputs().len().checked_sub(1)?;
                let mut values = Vec::new();
                for index in 0..n {
                    let known = input(index)?;
                    if known.is_scalar {
                        return None;
                    }
                    values.extend(known.values);
                }
                Some(Sizes { is_scalar: false, values })
            }
            "Add" | "AddV2" => input(0)?.with(input(1)?, i64::checked_add),
            "Mul" => input(0)?.with(input(1)?, i64::checked_mul),
            "Sub" => input(0)?.with(input(1)?, i64::checked_sub),
            "StridedSlice" => input(0)?.strided(node, [input(1)?, input(2)?, input(3)?]),
            _ => None,
        }
    }

    fn of_constant(value: &Tensor) -> Option<Sizes> {
        if !matches!(value.dtype(), DType::I32 | DType::I64) || value.dims().len() > 1 {
            return None;
        }
        let values = to_i64(value).into_iter().map(Some).collect();
        Some(Sizes { is_scalar: value.dims().is_empty(), values })
    }

    /// Both, element by element; a scalar goes with all elements of a vector.
    fn with(self, other: Sizes, op: fn(i64, i64) -> Option<i64>) -> Option<Sizes> {
        let n = self.values.len().max(other.values.len());
        let spread = |sizes: &Sizes| match (sizes.is_scalar, &sizes.values[..]) {
            (true, [value]) => Some(vec![*value; n]),
            (false, values) if values.len() == n => Some(values.to_vec()),
            _ => None,
        };
        let pairs = spread(&self)?.into_iter().zip(spread(&other)?);
        let values = pairs.map(|(a, b)| op(a?, b?)).collect();
        Some(Sizes { is_scalar: self.is_scalar && other.is_scalar, values })
    }

    /// `self[begin:end]`, or `self[begin]`, of a vector.
    fn strided(self, node: &Node, [begin, end, strides]: [Sizes; 3]) -> Option<Sizes> {
        let one = |sizes: Sizes| match *sizes.values {
            [value] => value,
            _ => None,
        };
        let mask = |name| node.attrs().int(name);
        let (begin, end) = (one(begin)?, one(end)?);
        if self.is_scalar || one(strides)? != 1 || mask("ellipsis_mask") != Ok(0) {
            return None;
        }
        if mask("new_axis_mask") != Ok(0) {
            return None;
        }
        let n = i64::try_from(self.values.len()).ok()?;
        let place = |index: i64| if index < 0 { (index + n).max(0) } else { index.min(n) };
        let start = if mask("begin_mask") == Ok(0) { place(begin) } else { 0 };
        if mask("shrink_axis_mask") == Ok(1) {
            let value = self.values.get(usize::try_from(start).ok()?)?;
            return Some(Sizes::scalar(*value));
        }
        let stop = if mask("end_mask") == Ok(0) { place(end) } else { n };
        let range = usize::try_from(start).ok()?..usize::try_from(stop.max(start)).ok()?;
        Some(Sizes { is_scalar: false, values: self.values.get(range)?.to_vec() })
    }
}

fn size(dim: Dim) -> Option<i64> {
    dim.and_then(|dim| i64::try_from(dim).ok())
}
