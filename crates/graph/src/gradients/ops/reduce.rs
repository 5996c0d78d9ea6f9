//! Reductions along axes.

use flowkeep_tensor::DType;

use super::super::forward::{Forward, Gradients, all, first};
use super::super::static_value::Numbers;
use super::super::table::Entry;
use crate::builder::{Axes, Operand, Scope};
use crate::{Attr, Error, Output};

pub(in super::super) const OPS: &[Entry] = &[
    ("ArgMax", nothing),
    ("ArgMin", nothing),
    ("Cumprod", cumprod),
    ("Cumsum", cumsum),
    ("CumulativeLogsumexp", cumulative_log_sum_exp),
    ("EuclideanNorm", euclidean_norm),
    ("L2Loss", l2_loss),
    ("Max", extreme),
    ("Mean", mean),
    ("Min", extreme),
    ("Prod", prod),
    ("Sum", sum),
];

fn nothing(_: &mut Scope, op: &Forward) -> Gradients {
    op.nothing()
}

fn sum(scope: &mut Scope, op: &Forward) -> Gradients {
    first(spread(scope, op)?, 2)
}

/// The gradient of a sum: that of the result, repeated along the axes.
fn spread(scope: &mut Scope, op: &Forward) -> Result<Output, Error> {
    let (grad, input) = (op.grad(0)?, op.input(0)?);
    let dims: Option<Vec<Option<u64>>> = scope.shape(input).dims().map(<[_]>::to_vec);
    let axes = scope.static_numbers(op.input(1)?);
    if let (Some(dims), Some(axes)) = (dims, axes) {
        let known: Option<Vec<u64>> = dims.iter().copied().collect();
        let is_all = axes.is_vector()
            && axes.values.len() == dims.len()
            && (0..).zip(&axes.values).all(|(place, axis)| place == *axis);
        if is_all {
            let reshaped = scope.reshape(grad, vec![1i32; dims.len()])?;
            let shape = match known {
                Some(known) => scope.constant_i32(&known, "Const")?,
                None => scope.shape_of(input)?,
            };
            return scope.tile(reshaped, shape);
        }
        if let Some(known) = known {
            let kept = reduced(&known, &axes.values);
            let scaling: Vec<i32> = known
                .iter()
                .zip(&kept)
                .map(|(dim, kept)| to_i32(dim / u64::try_from((*kept).max(1)).unwrap_or(1)))
                .collect();
            if scope.is_new_reduction(&known, &axes.values) {
                // What TensorFlow makes only to evaluate it stays in the graph.
                let divisor = scope.maximum(kept.clone(), 1i32)?;
                let dims: Vec<i32> = known.iter().copied().map(to_i32).collect();
                scope.floor_over(dims, divisor)?;
            }
            let reshaped = scope.reshape(grad, kept)?;
            return scope.tile(reshaped, scaling);
        }
    }
    let shape = scope.shape_of(input)?;
    let mut grad = Operand::from(grad);
    if !op.attrs.bool("keep_dims")? {
        let kept = {
            let mut inner = scope.colocate_with(shape)?;
            inner.reduced_shape(shape, op.input(1)?)?
        };
        grad = scope.reshape(grad, kept)?.into();
    }
    scope.op("BroadcastTo").input(grad).input(shape).build_one()
}

fn mean(scope: &mut Scope, op: &Forward) -> Gradients {
    let sum = spread(scope, op)?;
    let n = |tensor| scope.shape(tensor).to_shape().map(|shape| shape.n_elements());
    let dtype = scope.dtype(sum).unwrap_or(DType::F32);
    let factor = match (n(op.input(0)?), n(op.output(0))) {
        (Some(n_inputs), Some(n_outputs)) => {
            let factor = n_inputs.checked_div(n_outputs.max(1)).unwrap_or(0);
            let factor = u32::try_from(factor).map_or(f64::MAX, f64::from);
            scope.constant_like(factor, sum)?
        }
        _ => {
            let shape = scope.shape_of(op.input(0)?)?;
            let rank = scope.size(shape)?;
            let axes = scope.cast(op.input(1)?, DType::I32)?;
            let sum = scope.plus(axes, rank)?;
            let axes = scope.modulo(sum, rank)?;
            let sizes = scope.gather(shape, axes, 0)?;
            scope.reduce_prod(sizes, Axes::all())?
        }
    };
    let factor = scope.cast(factor, dtype)?;
    first(scope.over(sum, factor)?, 2)
}

/// The gradient of a maximum or a minimum: shared by all elements that have the extreme value.
fn extreme(scope: &mut Scope, op: &Forward) -> Gradients {
    let (input, axes) = (op.input(0)?, op.input(1)?);
    let shape = scope.shape_of(input)?;
    let (mut y, mut grad) = (op.output(0), Operand::from(op.grad(0)?));
    let kept: Operand = if op.attrs.bool("keep_dims")? {
        scope.shape_of(y)?.into()
    } else {
        let kept = scope.reduced_shape(shape, axes)?;
        y = scope.reshape(y, kept.clone())?;
        grad = scope.reshape(grad, kept.clone())?.into();
        kept
    };
    let dtype = scope.dtype(op.grad(0)?.values()).unwrap_or(DType::F32);
    let equal = scope.equal(y, input)?;
    let indicators = scope.cast(equal, dtype)?;
    let n = scope.sum(indicators, axes, false)?;
    let n = scope.reshape(n, kept)?;
    let share = scope.over(indicators, n)?;
    first(scope.times(share, grad)?, 2)
}

fn prod(scope: &mut Scope, op: &Forward) -> Gradients {
    let (input, axes) = (op.input(0)?, op.input(1)?);
    let shape = scope.shape_of(input)?;
    let axes_vector = scope.reshape(axes, [-1])?;
    let mut grad = Operand::from(op.grad(0)?);
    if !op.attrs.bool("keep_dims")? {
        let kept = scope.reduced_shape(shape, axes)?;
        grad = scope.reshape(grad, kept)?.into();
    }
    let grad = scope.op("BroadcastTo").input(grad).input(shape).build_one()?;
    let (perm, reduced_num, other_num) = {
        let mut scope = scope.device("/cpu:0")?;
        let rank = scope.rank(input)?;
        let axes = scope.cast(axes_vector, DType::I32)?;
        let sum = scope.plus(axes, rank)?;
        let reduced = scope.modulo(sum, rank)?;
        let all = scope.range(0i32, rank, 1i32)?;
        let other = scope.op("ListDiff").input(all).input(reduced);
        let other = other.attr("out_idx", Attr::Type(DType::I32)).build_one()?;
        let perm = scope.concat([reduced, other], 0)?;
        let sizes = scope.gather(shape, reduced, 0)?;
        let reduced_num = scope.reduce_prod(sizes, Axes::all())?;
        let sizes = scope.gather(shape, other, 0)?;
        (perm, reduced_num, scope.reduce_prod(sizes, Axes::all())?)
    };
    let permuted = scope.transpose(input, perm)?;
    let permuted_shape = scope.shape_of(permuted)?;
    let matrix =
        scope.reshape(permuted, Operand::packed([Operand::from(reduced_num), other_num.into()]))?;
    let cumprod = |scope: &mut Scope, reverse: bool| {
        let node = scope.op("Cumprod").input(matrix).input(0i32);
        let node = node.attr("exclusive", Attr::Bool(true)).attr("reverse", Attr::Bool(reverse));
        node.build_one()
    };
    let left = cumprod(scope, false)?;
    let right = cumprod(scope, true)?;
    let left = scope.conj(left)?;
    let right = scope.conj(right)?;
    let others = scope.times(left, right)?;
    let y = scope.reshape(others, permuted_shape)?;
    let inverse = scope.unary("InvertPermutation", perm)?;
    let y = scope.transpose(y, inverse)?;
    let out = scope.times(grad, y)?;
    first(scope.reshape(out, shape)?, 2)
}

fn euclidean_norm(scope: &mut Scope, op: &Forward) -> Gradients {
    let input = op.input(0)?;
    let (mut y, mut grad) = (op.output(0), Operand::from(op.grad(0)?));
    if !op.attrs.bool("keep_dims")? {
        let shape = scope.shape_of(input)?;
        let kept = scope.reduced_shape(shape, op.input(1)?)?;
        y = scope.reshape(y, kept.clone())?;
        grad = scope.reshape(grad, kept)?.into();
    }
    let quotient = scope.over(y, grad)?;
    first(scope.over(input, quotient)?, 2)
}

fn l2_loss(scope: &mut Scope, op: &Forward) -> Gradients {
    all([scope.times(op.input(0)?, op.grad(0)?)?])
}

/// A cumulative sum with the axis of a node and its sense, or the other one.
fn cumulative(
    scope: &mut Scope,
    op: &Forward,
    cumulative: &str,
    x: Operand,
    turned: bool,
) -> Result<Output, Error> {
    let reverse = op.attrs.bool("reverse")? != turned;
    let axis = op.input(1)?;
    scope.scoped(cumulative, |scope, name| {
        let x = scope.tensor(x, "x")?;
        let node = op.like(scope.op(cumulative).input(x).input(axis), &["exclusive"]);
        node.attr("reverse", Attr::Bool(reverse)).name(name).build_one()
    })
}

fn cumsum(scope: &mut Scope, op: &Forward) -> Gradients {
    first(cumulative(scope, op, "Cumsum", op.grad(0)?.into(), true)?, 2)
}

fn cumprod(scope: &mut Scope, op: &Forward) -> Gradients {
    let x = op.input(0)?;
    let product = cumulative(scope, op, "Cumprod", x.into(), false)?;
    let product = scope.times(product, op.grad(0)?)?;
    let out = cumulative(scope, op, "Cumsum", product.into(), true)?;
    first(scope.named_binary("div_no_nan", "DivNoNan", out, x)?, 2)
}

/// The gradient is taken apart by its sign, for its logarithm.
fn cumulative_log_sum_exp(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = scope.dense(op.grad(0)?, "x")?;
    let (x, y) = (op.input(0)?, op.output(0));
    let least = match scope.dtype(grad) {
        Some(DType::F16) => -65504.0,
        Some(DType::F64) => f64::MIN,
        Some(DType::BF16) => f64::from(flowkeep_tensor::bf16::MIN),
        _ => f64::from(f32::MIN),
    };
    let zero = scope.number_like(0.0, grad)?;
    let least = scope.number_like(least, grad)?;
    let is_positive = scope.greater(grad, zero.clone())?;
    let log = scope.log(grad)?;
    let positive = scope.select_v2(is_positive, log, least.clone())?;
    let is_negative = scope.less(grad, zero)?;
    let negated = scope.neg(grad)?;
    let log = scope.log(negated)?;
    let negative = scope.select_v2(is_negative, log, least)?;
    let mut part = |log: Output| {
        let difference = scope.minus(log, y)?;
        let sum = cumulative(scope, op, "CumulativeLogsumexp", difference.into(), true)?;
        let sum = scope.plus(sum, x)?;
        scope.exp(sum)
    };
    let (positive, negative) = (part(positive)?, part(negative)?);
    first(scope.minus(positive, negative)?, 2)
}

fn to_i32(dim: u64) -> i32 {
    i32::try_from(dim).unwrap_or(i32::MAX)
}

/// A shape with 1 in the place of the dimensions along which is reduced.
fn reduced(dims: &[u64], axes: &[i64]) -> Vec<i32> {
    let mut kept: Vec<i32> = dims.iter().copied().map(to_i32).collect();
    let rank = i64::try_from(dims.len()).unwrap_or(i64::MAX);
    for axis in axes {
        let place = if *axis < 0 { axis + rank } else { *axis };
        if let Some(dim) = usize::try_from(place).ok().and_then(|place| kept.get_mut(place)) {
            *dim = 1;
        }
    }
    kept
}

impl Scope {
    /// The shape that a tensor of this shape has when it is reduced along axes that are kept.
    pub(super) fn reduced_shape(&mut self, shape: Output, axes: Output) -> Result<Operand, Error> {
        if let (Some(Numbers { values: dims, .. }), Some(Numbers { values: axes, .. })) =
            (self.static_numbers(shape), self.static_numbers(axes))
        {
            let dims: Vec<u64> = dims.iter().filter_map(|dim| u64::try_from(*dim).ok()).collect();
            return Ok(reduced(&dims, &axes).into());
        }
        let dtype = self.dtype(axes).unwrap_or(DType::I32);
        let rank = self.size_in(shape, dtype)?;
        let sum = self.plus(axes, rank)?;
        let axes = self.modulo(sum, rank)?;
        let axes_shape = self.shape_of(axes)?;
        let places = self.range_of(0, rank, 1i32)?;
        let shape_dtype = self.dtype(shape).unwrap_or(DType::I32);
        let ones = self.ones_of(axes_shape, shape_dtype, "ones")?;
        let node = self.op("DynamicStitch").input_list([places, axes]);
        Ok(node.input_list([shape, ones]).build_one()?.into())
    }
}
