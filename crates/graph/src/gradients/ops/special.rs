//! Functions of mathematics that few programs use: Bessel's, gamma's, Fresnel's.
//!
//! Source: `math_grad.py`, `random_grad.py`.

use std::f64::consts::FRAC_PI_2;

use flowkeep_tensor::DType;

use super::super::forward::{Forward, Gradients, all};
use super::super::operators::Index;
use super::super::table::Entry;
use super::binary::cast_number;
use crate::builder::{Operand, Scope};
use crate::{Error, Output};

pub(in super::super) const OPS: &[Entry] = &[
    ("BesselI0", bessel_i0),
    ("BesselI0e", bessel_i0e),
    ("BesselI1", bessel_i1),
    ("BesselI1e", bessel_i1e),
    ("BesselJ0", bessel_j0),
    ("BesselJ1", bessel_j1),
    ("BesselK0", bessel_k0),
    ("BesselK0e", bessel_k0e),
    ("BesselK1", bessel_k1),
    ("BesselK1e", bessel_k1e),
    ("BesselY0", bessel_y0),
    ("BesselY1", bessel_y1),
    ("Betainc", betainc),
    ("Dawsn", dawsn),
    ("Expint", expint),
    ("FresnelCos", fresnel_cos),
    ("FresnelSin", fresnel_sin),
    ("Igamma", igamma),
    ("Igammac", igammac),
    ("NextAfter", next_after),
    ("Polygamma", polygamma),
    ("RandomGamma", random_gamma),
    ("Spence", spence),
    ("Zeta", zeta),
];

/// A node in a name scope that is called like the function.
fn named(scope: &mut Scope, name: &str, op: &str, x: Output) -> Result<Output, Error> {
    scope.name_scope(name)?.unary(op, x)
}

/// The gradient, by the derivative that is made of `x` and the function's value.
fn by(
    scope: &mut Scope,
    op: &Forward,
    derivative: impl FnOnce(&mut Scope, Output, Output) -> Result<Output, Error>,
) -> Gradients {
    let grad = op.grad(0)?;
    let mut inner = scope.control_dependencies([grad])?;
    let derivative = derivative(&mut inner, op.input(0)?, op.output(0))?;
    all([inner.times(grad, derivative)?])
}

macro_rules! derivatives {
    ($($name:ident($scope:ident, $x:ident, $y:ident) => $body:expr;)*) => {
        $(
            fn $name(scope: &mut Scope, op: &Forward) -> Gradients {
                by(scope, op, |$scope, $x, $y| $body)
            }
        )*
    };
}

derivatives! {
    bessel_i0(scope, x, _y) => named(scope, "bessel_i1", "BesselI1", x);
    bessel_i0e(scope, x, y) => {
        let next = named(scope, "bessel_i1e", "BesselI1e", x)?;
        let sign = scope.sign(x)?;
        let product = scope.times(sign, y)?;
        scope.minus(next, product)
    };
    bessel_i1(scope, x, y) => except_at_zero(scope, x, 1.0, |scope| {
        let before = named(scope, "bessel_i0", "BesselI0", x)?;
        let quotient = scope.named_binary("div", "RealDiv", y, x)?;
        scope.minus(before, quotient)
    });
    bessel_i1e(scope, x, y) => except_at_zero(scope, x, 0.5, |scope| {
        let before = named(scope, "bessel_i0e", "BesselI0e", x)?;
        let sign = scope.sign(x)?;
        let inverse = scope.unary("Reciprocal", x)?;
        let sum = scope.plus(sign, inverse)?;
        let product = scope.times(y, sum)?;
        scope.minus(before, product)
    });
    bessel_j0(scope, x, _y) => {
        let next = named(scope, "bessel_j1", "BesselJ1", x)?;
        scope.neg(next)
    };
    bessel_j1(scope, x, y) => except_at_zero(scope, x, 0.5, |scope| {
        let before = named(scope, "bessel_j0", "BesselJ0", x)?;
        let quotient = scope.named_binary("div", "RealDiv", y, x)?;
        scope.minus(before, quotient)
    });
    bessel_k0(scope, x, _y) => {
        let next = named(scope, "bessel_k1", "BesselK1", x)?;
        scope.neg(next)
    };
    bessel_k0e(scope, x, y) => {
        let next = named(scope, "bessel_k1e", "BesselK1e", x)?;
        scope.minus(y, next)
    };
    bessel_k1(scope, x, y) => {
        let before = named(scope, "bessel_k0", "BesselK0", x)?;
        let negative = scope.neg(before)?;
        let quotient = scope.named_binary("div", "RealDiv", y, x)?;
        scope.minus(negative, quotient)
    };
    bessel_k1e(scope, x, y) => {
        let inverse = scope.unary("Reciprocal", x)?;
        let one = scope.number_like(1.0, x)?;
        let difference = scope.minus(one, inverse)?;
        let product = scope.times(y, difference)?;
        let before = named(scope, "bessel_k0e", "BesselK0e", x)?;
        scope.minus(product, before)
    };
    bessel_y0(scope, x, _y) => {
        let next = named(scope, "bessel_y1", "BesselY1", x)?;
        scope.neg(next)
    };
    bessel_y1(scope, x, y) => {
        let before = named(scope, "bessel_y0", "BesselY0", x)?;
        let quotient = scope.named_binary("div", "RealDiv", y, x)?;
        scope.minus(before, quotient)
    };
    dawsn(scope, x, y) => {
        let two = scope.number_like(2.0, x)?;
        let doubled = scope.times(two, x)?;
        let product = scope.times(doubled, y)?;
        let one = scope.number_like(1.0, x)?;
        scope.minus(one, product)
    };
    fresnel_cos(scope, x, _y) => {
        let angle = quarter_turns(scope, x)?;
        scope.unary("Cos", angle)
    };
    fresnel_sin(scope, x, _y) => {
        let angle = quarter_turns(scope, x)?;
        scope.unary("Sin", angle)
    };
    spence(scope, x, _y) => {
        let log = scope.log(x)?;
        let one = scope.number_like(1.0, x)?;
        let rest = scope.minus(one.clone(), x)?;
        let quotient = scope.over(log, rest)?;
        let is_one = scope.equal(x, one)?;
        let ones = scope.ones_like(x, None)?;
        let negative = scope.neg(ones)?;
        scope.select(is_one, negative, quotient)
    };
}

/// `x^2` quarters of a turn.
fn quarter_turns(scope: &mut Scope, x: Output) -> Result<Output, Error> {
    let square = scope.square(x)?;
    let quarter = scope.number_like(FRAC_PI_2, x)?;
    scope.times(quarter, square)
}

/// A derivative that divides by `x`, with its value at 0.
fn except_at_zero(
    scope: &mut Scope,
    x: Output,
    at_zero: f32,
    make: impl FnOnce(&mut Scope) -> Result<Output, Error>,
) -> Result<Output, Error> {
    let zero = scope.number_like(0.0, x)?;
    let is_zero = scope.equal(x, zero)?;
    let at_zero = cast_number(scope, at_zero, scope.dtype(x).unwrap_or(DType::F32))?;
    let elsewhere = make(scope)?;
    scope.select_v2(is_zero, at_zero, elsewhere)
}

fn expint(scope: &mut Scope, op: &Forward) -> Gradients {
    let (grad, x) = (op.grad(0)?, op.input(0)?);
    let mut scope = scope.control_dependencies([grad])?;
    let exp = scope.exp(x)?;
    let product = scope.times(grad, exp)?;
    all([scope.over(product, x)?])
}

/// The shapes of two inputs, and the axes along which these are broadcast.
struct Broadcast {
    shapes: [Output; 2],
    axes: [Output; 2],
}

impl Broadcast {
    fn of(scope: &mut Scope, x: Output, y: Output) -> Result<Broadcast, Error> {
        let shapes = [scope.shape_of(x)?, scope.shape_of(y)?];
        let axes = scope.broadcast_gradient_args(shapes[0], shapes[1])?;
        Ok(Broadcast { shapes, axes })
    }

    /// The gradient of one of them, from its derivative.
    fn sum<const WHICH: usize>(
        &self,
        scope: &mut Scope,
        op: &Forward,
        derivative: Output,
    ) -> Result<Output, Error> {
        let product = scope.times(derivative, op.grad(0)?)?;
        let (Some(axes), Some(shape)) = (self.axes.get(WHICH), self.shapes.get(WHICH)) else {
            return Ok(product);
        };
        scope.summed_to(product, *axes, *shape, false)
    }
}

fn incomplete_gamma(scope: &mut Scope, op: &Forward) -> Result<[Output; 2], Error> {
    let (a, x) = (op.input(0)?, op.input(1)?);
    let broadcast = Broadcast::of(scope, a, x)?;
    let mut scope = scope.control_dependencies([op.grad(0)?])?;
    let of_a = scope.op("IgammaGradA").input(a).input(x).build_one()?;
    // In logarithms, since gamma grows large.
    let negative = scope.neg(x)?;
    let one = scope.number_like(1.0, a)?;
    let exponent = scope.minus(a, one)?;
    let log = scope.log(x)?;
    let product = scope.times(exponent, log)?;
    let sum = scope.plus(negative, product)?;
    let gamma = scope.unary("Lgamma", a)?;
    let sum = scope.minus(sum, gamma)?;
    let of_x = scope.exp(sum)?;
    let of_a = broadcast.sum::<0>(&mut scope, op, of_a)?;
    Ok([of_a, broadcast.sum::<1>(&mut scope, op, of_x)?])
}

fn igamma(scope: &mut Scope, op: &Forward) -> Gradients {
    all(incomplete_gamma(scope, op)?)
}

fn igammac(scope: &mut Scope, op: &Forward) -> Gradients {
    let [of_a, of_x] = incomplete_gamma(scope, op)?;
    let of_a = scope.neg(of_a)?;
    all([of_a, scope.neg(of_x)?])
}

fn betainc(scope: &mut Scope, op: &Forward) -> Gradients {
    let [a, b, x] = [op.input(0)?, op.input(1)?, op.input(2)?];
    let broadcast = Broadcast::of(scope, a, x)?;
    let gammas = [scope.unary("Lgamma", a)?, scope.unary("Lgamma", b)?];
    let of_both = scope.plus(gammas[0], gammas[1])?;
    let sum = scope.plus(a, b)?;
    let of_sum = scope.unary("Lgamma", sum)?;
    let beta = scope.minus(of_both, of_sum)?;
    let one = scope.number_like(1.0, b)?;
    let exponent = scope.minus(b, one.clone())?;
    let negative = scope.neg(x)?;
    let of_b = {
        let mut inner = scope.name_scope("xlog1py")?;
        inner.op("Xlog1py").input(exponent).input(negative).build_one()?
    };
    let exponent = scope.minus(a, one)?;
    let of_a = scope.op("Xlogy").input(exponent).input(x).build_one()?;
    let sum = scope.plus(of_b, of_a)?;
    let sum = scope.minus(sum, beta)?;
    let derivative = scope.exp(sum)?;
    let of_x = broadcast.sum::<1>(scope, op, derivative)?;
    Ok(vec![None, None, Some(of_x.into())])
}

fn zeta(scope: &mut Scope, op: &Forward) -> Gradients {
    let (x, q) = (op.input(0)?, op.input(1)?);
    let broadcast = Broadcast::of(scope, x, q)?;
    let mut scope = scope.control_dependencies([op.grad(0)?])?;
    let negative = scope.neg(x)?;
    let one = scope.number_like(1.0, x)?;
    let next = scope.plus(x, one)?;
    let zeta = scope.op("Zeta").input(next).input(q).build_one()?;
    let derivative = scope.times(negative, zeta)?;
    Ok(vec![None, Some(broadcast.sum::<1>(&mut scope, op, derivative)?.into())])
}

fn polygamma(scope: &mut Scope, op: &Forward) -> Gradients {
    let (n, x) = (op.input(0)?, op.input(1)?);
    let broadcast = Broadcast::of(scope, n, x)?;
    let mut scope = scope.control_dependencies([op.grad(0)?])?;
    let one = scope.number_like(1.0, n)?;
    let next = scope.plus(n, one)?;
    let derivative = scope.op("Polygamma").input(next).input(x).build_one()?;
    Ok(vec![None, Some(broadcast.sum::<1>(&mut scope, op, derivative)?.into())])
}

fn next_after(scope: &mut Scope, op: &Forward) -> Gradients {
    let (x, y) = (op.input(0)?, op.input(1)?);
    let broadcast = Broadcast::of(scope, x, y)?;
    let [sx, sy] = broadcast.shapes;
    let mut scope = scope.control_dependencies([op.grad(0)?])?;
    let dtype = scope.dtype(x).unwrap_or(DType::F32);
    let ones = scope.ones_of(sx, dtype, "ones")?;
    let zeros = scope.zeros_of(sy, dtype, "zeros")?;
    let of_x = broadcast.sum::<0>(&mut scope, op, ones)?;
    all([of_x, broadcast.sum::<1>(&mut scope, op, zeros)?])
}

fn random_gamma(scope: &mut Scope, op: &Forward) -> Gradients {
    let (shape, alpha) = (op.input(0)?, op.input(1)?);
    let grad = op.grad(0)?;
    let mut scope = scope.control_dependencies([grad])?;
    let length = scope.shape_of(shape)?;
    let n_axes = scope.item(length, Index::At(0))?;
    let ones = scope.scoped("ones", |scope, name| {
        let shape = scope.tensor(Operand::packed([Operand::from(n_axes)]), "packed")?;
        let one = scope.tensor(1i32, "Const")?;
        scope.op("Fill").input(shape).input(one).name(name).build_one()
    })?;
    let dims = scope.shape_of(alpha)?;
    let dims = scope.concat([ones, dims], 0)?;
    let alpha = scope.reshape(alpha, dims)?;
    let derivative = scope.op("RandomGammaGrad").input(alpha).input(op.output(0)).build_one()?;
    let product = scope.times(grad, derivative)?;
    let axes = scope.range_of(0, n_axes, 1i32)?;
    Ok(vec![None, Some(scope.sum(product, axes, false)?.into())])
}
