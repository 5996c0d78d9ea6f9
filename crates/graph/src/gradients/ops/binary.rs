//! Functions of two tensors, element by element, either of which may have been broadcast.

use flowkeep_tensor::{DType, Shape};

use super::super::forward::{Forward, Gradients, all};
use super::super::table::Entry;
use super::super::{Gradient, IndexedSlices};
use crate::builder::{Operand, Scope};
use crate::{Attr, Error, Output};

pub(in super::super) const OPS: &[Entry] = &[
    ("AccumulateNV2", add_n),
    ("Add", add),
    ("AddN", add_n),
    ("AddV2", add),
    ("Atan2", atan2),
    ("ClipByValue", clip_by_value),
    ("Div", div),
    ("DivNoNan", div_no_nan),
    ("FloorDiv", nothing),
    ("FloorMod", floor_mod),
    ("Maximum", maximum),
    ("Minimum", minimum),
    ("Mul", mul),
    ("MulNoNan", mul_no_nan),
    ("Pow", pow),
    ("RealDiv", real_div),
    ("Select", select),
    ("SelectV2", select_v2),
    ("SquaredDifference", squared_difference),
    ("Sub", sub),
    ("TruncateDiv", nothing),
    ("Xdivy", xdivy),
    ("Xlog1py", xlog1py),
    ("Xlogy", xlogy),
];

/// The gradients of both inputs, added up along the axes along which those were broadcast.
fn reduced(scope: &mut Scope, op: &Forward, grads: [Gradient; 2]) -> Gradients {
    let made = scope.reduced_to(op.input(0)?, op.input(1)?, grads.map(Some))?;
    Ok(made.to_vec())
}

/// Whether both inputs and the gradient have one and the same shape, as is known beforehand.
fn is_plain(scope: &Scope, op: &Forward) -> Result<bool, Error> {
    let Gradient::Dense(grad) = op.grad(0)? else { return Ok(false) };
    let shape = scope.shape(grad);
    Ok(shape.to_shape().is_some()
        && scope.shape(op.input(0)?) == shape
        && scope.shape(op.input(1)?) == shape)
}

fn nothing(_: &mut Scope, op: &Forward) -> Gradients {
    op.nothing()
}

fn add_n(_: &mut Scope, op: &Forward) -> Gradients {
    Ok(vec![Some(op.grad(0)?); op.inputs.len()])
}

fn add(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = op.grad(0)?;
    if is_plain(scope, op)? {
        return Ok(vec![Some(grad); 2]);
    }
    reduced(scope, op, [grad, grad])
}

fn sub(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = op.grad(0)?;
    let is_plain = is_plain(scope, op)?;
    let negative = scope.negated(grad)?;
    if is_plain {
        return Ok(vec![Some(grad), Some(negative)]);
    }
    reduced(scope, op, [grad, negative])
}

fn mul(scope: &mut Scope, op: &Forward) -> Gradients {
    let (grad, x, y) = (op.grad(0)?, op.input(0)?, op.input(1)?);
    let dtype = scope.dtype(grad.values());
    if is_plain(scope, op)? && matches!(dtype, Some(DType::I32 | DType::F32)) {
        let gx = scope.mul(grad, y)?;
        return all([gx, scope.mul(grad, x)?]);
    }
    let conj = scope.conj(y)?;
    let gx = scope.mul(grad, conj)?;
    let conj = scope.conj(x)?;
    let gy = scope.mul(conj, grad)?;
    reduced(scope, op, [gx.into(), gy.into()])
}

fn mul_no_nan(scope: &mut Scope, op: &Forward) -> Gradients {
    let (grad, x, y) = (op.grad(0)?, op.input(0)?, op.input(1)?);
    let is_plain = is_plain(scope, op)?;
    let gx = scope.op("MulNoNan").input(grad).input(y).build_one()?;
    let gy = scope.op("MulNoNan").input(x).input(grad).build_one()?;
    if is_plain {
        return all([gx, gy]);
    }
    reduced(scope, op, [gx.into(), gy.into()])
}

fn div(scope: &mut Scope, op: &Forward) -> Gradients {
    quotient(scope, op, "truediv", "RealDiv")
}

fn real_div(scope: &mut Scope, op: &Forward) -> Gradients {
    quotient(scope, op, "RealDiv", "RealDiv")
}

fn div_no_nan(scope: &mut Scope, op: &Forward) -> Gradients {
    quotient(scope, op, "div_no_nan", "DivNoNan")
}

fn quotient(scope: &mut Scope, op: &Forward, name: &str, div: &str) -> Gradients {
    let grad = op.grad(0)?;
    let x = scope.conj(op.input(0)?)?;
    let y = scope.conj(op.input(1)?)?;
    let gx = scope.named_binary(name, div, grad, y)?;
    let negative = scope.neg(x)?;
    let once = scope.named_binary(name, div, negative, y)?;
    let twice = scope.named_binary(name, div, once, y)?;
    let gy = scope.times(grad, twice)?;
    reduced(scope, op, [gx.into(), gy.into()])
}

fn floor_mod(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = op.grad(0)?;
    let x = scope.conj(op.input(0)?)?;
    let y = scope.conj(op.input(1)?)?;
    let floor = scope.op("FloorDiv").input(x).input(y).build_one()?;
    let negative = scope.neg(floor)?;
    let gy = scope.times(grad, negative)?;
    reduced(scope, op, [grad, gy.into()])
}

fn atan2(scope: &mut Scope, op: &Forward) -> Gradients {
    let (grad, y, x) = (op.grad(0)?, op.input(0)?, op.input(1)?);
    let (gy, gx) = {
        let mut scope = scope.control_dependencies([grad])?;
        let squares = [scope.square(y)?, scope.square(x)?];
        let sum = scope.plus(squares[0], squares[1])?;
        let inverse = scope.over(grad, sum)?;
        let gy = scope.times(x, inverse)?;
        let negative = scope.neg(y)?;
        let gx = scope.times(negative, inverse)?;
        let made = scope.reduced_to(y, x, [Some(Gradient::from(gy)), Some(Gradient::from(gx))])?;
        (made[0], made[1])
    };
    Ok(vec![gy, gx])
}

fn pow(scope: &mut Scope, op: &Forward) -> Gradients {
    let (grad, x, y) = (op.grad(0)?, op.input(0)?, op.input(1)?);
    let cx = scope.conj(x)?;
    let cy = scope.conj(y)?;
    let scaled = scope.times(grad, cy)?;
    let one = scope.number_like(1.0, cy)?;
    let exponent = scope.minus(cy, one)?;
    let power = scope.pow(cx, exponent)?;
    let gx = scope.times(scaled, power)?;
    let zero = scope.number_like(0.0, cx)?;
    let mask = match scope.dtype(x).is_some_and(DType::is_complex) {
        true => scope.not_equal(cx, zero)?,
        false => scope.greater(cx, zero)?,
    };
    let ones = scope.ones_like(x, None)?;
    let safe = scope.select(mask, cx, ones)?;
    let log = scope.log(safe)?;
    let zeros = scope.zeros_like(x)?;
    let log = scope.select(mask, log, zeros)?;
    let conj = scope.conj(op.output(0))?;
    let scaled = scope.times(grad, conj)?;
    let gy = scope.times(scaled, log)?;
    reduced(scope, op, [gx.into(), gy.into()])
}

fn maximum(scope: &mut Scope, op: &Forward) -> Gradients {
    extreme(scope, op, "GreaterEqual")
}

fn minimum(scope: &mut Scope, op: &Forward) -> Gradients {
    extreme(scope, op, "LessEqual")
}

fn extreme(scope: &mut Scope, op: &Forward, selector: &str) -> Gradients {
    let grad = op.grad(0)?;
    let zeros = scope.zeros_like(grad)?;
    let mask = scope.op(selector).input(op.input(0)?).input(op.input(1)?).build_one()?;
    let gx = scope.select_v2(mask, grad, zeros)?;
    let gy = scope.select_v2(mask, zeros, grad)?;
    reduced(scope, op, [gx.into(), gy.into()])
}

fn squared_difference(scope: &mut Scope, op: &Forward) -> Gradients {
    let (grad, x, y) = (op.grad(0)?, op.input(0)?, op.input(1)?);
    let gx = {
        let mut scope = scope.control_dependencies([grad])?;
        let two = scope.number_like(2.0, grad.values())?;
        let two = scope.constant_named(&two, "scalar")?;
        let doubled = scope.mul(two, grad.values())?;
        let doubled: Gradient = match grad {
            Gradient::Dense(_) => doubled.into(),
            Gradient::Sparse(slices) => IndexedSlices { values: doubled, ..slices }.into(),
        };
        let difference = scope.minus(x, y)?;
        scope.times(doubled, difference)?
    };
    let is_plain = is_plain(scope, op)?;
    let gy = scope.neg(gx)?;
    if is_plain {
        return all([gx, gy]);
    }
    reduced(scope, op, [gx.into(), gy.into()])
}

fn select(scope: &mut Scope, op: &Forward) -> Gradients {
    let (grad, condition) = (op.grad(0)?, op.input(0)?);
    let zeros = scope.zeros_like(op.input(1)?)?;
    let gx = scope.select(condition, grad, zeros)?;
    let gy = scope.select(condition, zeros, grad)?;
    Ok(vec![None, Some(gx.into()), Some(gy.into())])
}

fn select_v2(scope: &mut Scope, op: &Forward) -> Gradients {
    let (grad, condition, z) = (op.grad(0)?, op.input(0)?, op.output(0));
    let dtype = scope.dtype(grad.values()).unwrap_or(DType::F32);
    let zeros = scope.zeros(&Shape::SCALAR, dtype)?;
    let gx = scope.select_v2(condition, grad, zeros)?;
    let gy = scope.select_v2(condition, zeros, grad)?;
    let [gx, _] = scope.reduced_to(op.input(1)?, z, [Some(gx.into()), None])?;
    let [gy, _] = scope.reduced_to(op.input(2)?, z, [Some(gy.into()), None])?;
    Ok(vec![None, gx, gy])
}

fn clip_by_value(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = op.grad(0)?;
    let [x, y, z] = [op.input(0)?, op.input(1)?, op.input(2)?];
    let dtype = scope.dtype(grad.values()).unwrap_or(DType::F32);
    let [sx, sy, sz] = [scope.shape_of(x)?, scope.shape_of(y)?, scope.shape_of(z)?];
    let shape = scope.shape_of(grad)?;
    let zeros = scope.zeros_of(shape, dtype, "zeros")?;
    let below = scope.less(x, y)?;
    let above = scope.greater(x, z)?;
    let [_, ry] = scope.broadcast_gradient_args(sx, sy)?;
    let [_, rz] = scope.broadcast_gradient_args(sx, sz)?;
    let outside = scope.logical_or(below, above)?;
    let gx = scope.select(outside, zeros, grad)?;
    let gy = scope.select(below, grad, zeros)?;
    let gz = scope.select(above, grad, zeros)?;
    let gy = scope.summed_to(gy, ry, sy, false)?;
    let gz = scope.summed_to(gz, rz, sz, false)?;
    all([gx, gy, gz])
}

/// `tf.cast` of a number.
pub(super) fn cast_number(scope: &mut Scope, value: f32, dtype: DType) -> Result<Output, Error> {
    scope.scoped("Cast", |scope, name| {
        let value = scope.tensor(value, "x")?;
        match dtype {
            DType::F32 => Ok(value),
            dtype => {
                let node = scope.op("Cast").input(value).attr("DstT", Attr::Type(dtype));
                node.name(name).build_one()
            }
        }
    })
}

/// The gradients of `x * f(y)`, which is zero wherever x is; `parts` makes the derivatives with respect
/// to x and to y, from 1 where x is not zero, x and y.
fn zero_safe(
    scope: &mut Scope,
    op: &Forward,
    parts: impl FnOnce(&mut Scope, Output, Output, Output) -> Result<[Output; 2], Error>,
) -> Gradients {
    let (grad, x, y) = (op.grad(0)?, op.input(0)?, op.input(1)?);
    let dtype = scope.dtype(x).unwrap_or(DType::F32);
    let [sx, sy] = [scope.shape_of(x)?, scope.shape_of(y)?];
    let [rx, ry] = scope.broadcast_gradient_args(sx, sy)?;
    let mut scope = scope.control_dependencies([grad])?;
    let zero = cast_number(&mut scope, 0.0, dtype)?;
    let not_zero = scope.not_equal(x, zero)?;
    let not_zero = scope.cast(not_zero, dtype)?;
    let [px, py] = parts(&mut scope, not_zero, x, y)?;
    let product = scope.times(px, grad)?;
    let gx = scope.summed_to(product, rx, sx, false)?;
    let product = scope.times(py, grad)?;
    let gy = scope.summed_to(product, ry, sy, false)?;
    all([gx, gy])
}

fn two(scope: &mut Scope, op: &str, x: Output, y: impl Into<Operand>) -> Result<Output, Error> {
    scope.op(op).input(x).input(y).build_one()
}

fn xlogy(scope: &mut Scope, op: &Forward) -> Gradients {
    zero_safe(scope, op, |scope, not_zero, x, y| {
        Ok([two(scope, "Xlogy", not_zero, y)?, two(scope, "Xdivy", x, y)?])
    })
}

fn xlog1py(scope: &mut Scope, op: &Forward) -> Gradients {
    zero_safe(scope, op, |scope, not_zero, x, y| {
        let px = two(scope, "Xlog1py", not_zero, y)?;
        let one = scope.number_like(1.0, y)?;
        let sum = scope.plus(y, one)?;
        Ok([px, two(scope, "Xdivy", x, sum)?])
    })
}

fn xdivy(scope: &mut Scope, op: &Forward) -> Gradients {
    zero_safe(scope, op, |scope, not_zero, x, y| {
        let px = two(scope, "Xdivy", not_zero, y)?;
        let negative = scope.neg(x)?;
        let exponent = scope.number_like(2.0, y)?;
        let square = scope.named_binary("pow", "Pow", y, exponent)?;
        Ok([px, two(scope, "Xdivy", negative, square)?])
    })
}
