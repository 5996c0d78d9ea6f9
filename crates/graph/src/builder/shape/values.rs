//! Values that are known before anything runs: constants, and sizes that are made from shapes.

use flowkeep_tensor::{DType, PartialShape, Shape, Tensor};

use super::Shapes;
use super::dims::{Dim, n_elements};
use super::folded::{Known, fold, is_folded};
use crate::builder::number;
use crate::{Graph, Node, Output};

/// Values with more elements than this are not looked at.
const MAX_ELEMENTS: u64 = 1 << 16;
/// Nor are vectors of sizes with more.
const MAX_SIZES: usize = 1 << 10;
/// How many nodes are looked at for one value, and how many may feed one the next.
const MAX_NODES: usize = 1 << 12;
const MAX_DEPTH: usize = 64;

/// The value of a tensor, if it is known.
pub(super) fn value(graph: &Graph, shapes: &Shapes, tensor: Output) -> Option<Tensor> {
    let node = graph.get(tensor.node)?;
    if node.op() == "Const" {
        return constant(node, MAX_ELEMENTS);
    }
    let dtype = node.output_dtype(tensor.index)?;
    let mut finder = Finder::new(graph, shapes, false);
    if node.op() == "Cast" && matches!(dtype, DType::F32 | DType::F64) {
        let n =
            finder.input(node, 0).filter(|sizes| sizes.is_scalar)?.values.first().copied()??;
        return number(dtype, f64::from(i32::try_from(n).ok()?)).ok();
    }
    let sizes = finder.sizes(tensor)?;
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
    let unknown = shape_of_length(shapes.get(tensor))?;
    let Some(sizes) = Finder::new(graph, shapes, true).sizes(tensor) else { return Ok(unknown) };
    let dim = |size: &Option<i64>| match size {
        None | Some(-1) => Ok(None),
        Some(size) => u64::try_from(*size)
            .map(Some)
            .map_err(|_| format!("Invalid value in tensor used for shape: {size}")),
    };
    sizes.values.iter().map(dim).collect::<Result<_, _>>().map(PartialShape::new)
}

/// What is known of the shape that a vector of this shape describes.
///
/// Errors: a tensor that is no vector.
pub(super) fn shape_of_length(vector: &PartialShape) -> Result<PartialShape, String> {
    let length = match vector.dims() {
        None => None,
        Some([length]) => *length,
        Some(dims) => return Err(format!("Shape must be rank 1 but is rank {}", dims.len())),
    };
    Ok(match length.map(usize::try_from) {
        Some(Ok(length)) if length <= flowkeep_tensor::MAX_RANK => {
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
fn constant(node: &Node, max_elements: u64) -> Option<Tensor> {
    let stored = node.attr("value")?.as_tensor()?;
    let shape = PartialShape::from_proto(stored.proto().tensor_shape.as_ref()?).ok()?;
    (n_elements(shape.dims()?)? <= max_elements).then(|| stored.tensor().ok())?
}

/// Integers, each of which may be unknown, in a scalar or a vector.
struct Sizes {
    is_scalar: bool,
    values: Vec<Option<i64>>,
}

/// Finds out values of one graph, and not for ever: what feeds a node twice is looked at twice.
struct Finder<'a> {
    graph: &'a Graph,
    shapes: &'a Shapes,
    /// Whether a shape is wanted, for which the shapes of variables count.
    for_shape: bool,
    n_left: usize,
    depth: usize,
}

impl<'a> Finder<'a> {
    fn new(graph: &'a Graph, shapes: &'a Shapes, for_shape: bool) -> Finder<'a> {
        Finder { graph, shapes, for_shape, n_left: MAX_NODES, depth: 0 }
    }

    /// What is known of the value of a tensor.
    fn sizes(&mut self, tensor: Output) -> Option<Sizes> {
        self.n_left = self.n_left.checked_sub(1)?;
        if self.depth >= MAX_DEPTH {
            return None;
        }
        self.depth += 1;
        let sizes = self.sizes_of_node(self.graph.get(tensor.node)?, tensor.index);
        self.depth -= 1;
        sizes.filter(|sizes| sizes.values.len() <= MAX_SIZES)
    }

    fn input(&mut self, node: &Node, index: usize) -> Option<Sizes> {
        self.sizes(*node.inputs().get(index)?)
    }

    fn inputs<const N: usize>(&mut self, node: &Node) -> Option<[Sizes; N]> {
        let mut inputs = Vec::with_capacity(N);
        for index in 0..N {
            inputs.push(self.input(node, index)?);
        }
        inputs.try_into().ok()
    }

    fn shape(&self, node: &Node, index: usize) -> Option<&'a PartialShape> {
        Some(self.shapes.get(*node.inputs().get(index)?))
    }

    fn sizes_of_node(&mut self, node: &Node, index: u32) -> Option<Sizes> {
        match node.op() {
            "Const" => {
                let max_elements = u64::try_from(MAX_SIZES).unwrap_or(0);
                Sizes::of_constant(&constant(node, max_elements)?)
            }
            "Identity" | "StopGradient" => self.input(node, 0),
            "Cast" => {
                let kinds = [node.attrs().dtype("SrcT"), node.attrs().dtype("DstT")];
                let are_sizes =
                    kinds.iter().all(|kind| matches!(kind, Ok(DType::I32 | DType::I64)));
                are_sizes.then(|| self.input(node, 0))?
            }
            "Shape" => {
                let dims = self.shape(node, 0)?.dims()?;
                Some(Sizes { is_scalar: false, values: dims.iter().copied().map(size).collect() })
            }
            "VariableShape" if self.for_shape => {
                let dims = self.shapes.handle(*node.inputs().first()?)?.shape.dims()?;
                Some(Sizes { is_scalar: false, values: dims.iter().copied().map(size).collect() })
            }
            "Rank" => Some(Sizes::scalar(i64::try_from(self.shape(node, 0)?.rank()?).ok())),
            "Size" => Some(Sizes::scalar(size(n_elements(self.shape(node, 0)?.dims()?)))),
            "Pack" => self.packed(node),
            "Unpack" if node.attrs().int("axis") == Ok(0) => {
                let source = self.graph.get(node.inputs().first()?.node)?;
                // Of what is known in part, TensorFlow looks at a shape itself, not at a part of one.
                if source.op() == "StridedSlice"
                    && self.graph.get(source.inputs().first()?.node)?.op() == "Shape"
                {
                    return None;
                }
                let whole = self.input(node, 0).filter(|sizes| !sizes.is_scalar)?;
                let value = whole.values.get(usize::try_from(index).ok()?)?;
                Some(Sizes::scalar(*value))
            }
            "ConcatV2" => self.concatenated(node),
            "Add" | "AddV2" => self.binary(node, i64::checked_add),
            "Mul" => self.binary(node, i64::checked_mul),
            "Sub" => self.binary(node, i64::checked_sub),
            "StridedSlice" => {
                let [input, begin, end, strides] = self.inputs(node)?;
                input.strided(node, [begin, end, strides])
            }
            op if is_folded(op) => {
                if let Some(sizes) = self.interleaved(node) {
                    return Some(sizes);
                }
                let mut inputs = Vec::with_capacity(node.inputs().len().min(MAX_SIZES));
                for index in 0..node.inputs().len().min(MAX_SIZES) {
                    let Sizes { is_scalar, values } = self.input(node, index)?;
                    let values = values.into_iter().collect::<Option<_>>()?;
                    inputs.push(Known { is_scalar, values });
                }
                let Known { is_scalar, values } =
                    fold(node, usize::try_from(index).ok()?, &inputs)?;
                Some(Sizes { is_scalar, values: values.into_iter().map(Some).collect() })
            }
            "ShapeN" => {
                let dims = self.shape(node, usize::try_from(index).ok()?)?.dims()?;
                Some(Sizes { is_scalar: false, values: dims.iter().copied().map(size).collect() })
            }
            _ => None,
        }
    }

    fn binary(&mut self, node: &Node, op: fn(i64, i64) -> Option<i64>) -> Option<Sizes> {
        let [x, y] = self.inputs(node)?;
        x.with(y, op)
    }

    fn packed(&mut self, node: &Node) -> Option<Sizes> {
        let mut values = Vec::with_capacity(node.inputs().len().min(MAX_SIZES));
        for index in 0..node.inputs().len().min(MAX_SIZES + 1) {
            if self.shape(node, index)?.rank()? != 0 {
                return None;
            }
            values.push(self.input(node, index).and_then(|sizes| *sizes.values.first()?));
        }
        Some(Sizes { is_scalar: false, values })
    }

    /// Vectors of one length, of each the first element, then the second: `reshape(transpose(stack), [-1])`.
    fn interleaved(&mut self, node: &Node) -> Option<Sizes> {
        let op = |node: &Node, op: &str| (node.op() == op).then_some(());
        let of = |graph: &'a Graph, node: &Node| graph.get(node.inputs().first()?.node);
        op(node, "Reshape")?;
        let transpose = of(self.graph, node)?;
        op(transpose, "Transpose")?;
        let pack = of(self.graph, transpose)?;
        op(pack, "Pack")?;
        let flat = self.input(node, 1)?.values == [Some(-1)];
        let turned = self.input(transpose, 1)?.values == [Some(1), Some(0)];
        if !flat || !turned || pack.attrs().int("axis") != Ok(0) {
            return None;
        }
        let mut rows = Vec::with_capacity(pack.inputs().len().min(MAX_SIZES));
        for index in 0..pack.inputs().len().min(MAX_SIZES) {
            rows.push(self.input(pack, index).filter(|row| !row.is_scalar)?.values);
        }
        let length = rows.first()?.len();
        let columns = (0..length).flat_map(|place| rows.iter().map(move |row| row.get(place)));
        // As TensorFlow has it, either all is known or nothing.
        let values = columns.map(|value| value.copied().flatten().map(Some));
        Some(Sizes { is_scalar: false, values: values.collect::<Option<_>>()? })
    }

    fn concatenated(&mut self, node: &Node) -> Option<Sizes> {
        let mut values = Vec::new();
        for index in 0..node.inputs().len().checked_sub(1)? {
            let sizes = match self.input(node, index) {
                Some(sizes) => sizes,
                None => Sizes::unknown(self.shape(node, index)?)?,
            };
            if sizes.is_scalar || values.len() > MAX_SIZES {
                return None;
            }
            values.extend(sizes.values);
        }
        Some(Sizes { is_scalar: false, values })
    }
}

impl Sizes {
    /// A vector of a length that is known, of which nothing else is.
    fn unknown(vector: &PartialShape) -> Option<Sizes> {
        let [Some(length)] = vector.dims()? else { return None };
        let length = usize::try_from(*length).ok().filter(|length| *length <= MAX_SIZES)?;
        Some(Sizes { is_scalar: false, values: vec![None; length] })
    }

    fn scalar(value: Option<i64>) -> Sizes {
        Sizes { is_scalar: true, values: vec![value] }
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
        let n = if self.is_scalar { other.values.len() } else { self.values.len() };
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
