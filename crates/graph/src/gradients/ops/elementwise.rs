//! Functions of one tensor, element by element.

use flowkeep_tensor::DType;

use super::super::forward::{Forward, Gradients, all, first};
use super::super::table::Entry;
use super::super::{Gradient, IndexedSlices};
use crate::builder::Scope;
use crate::{Attr, Error, Output};

pub(in super::super) const OPS: &[Entry] = &[
    ("Abs", abs),
    ("Acos", acos),
    ("Acosh", acosh),
    ("Angle", angle),
    ("Asin", asin),
    ("Asinh", asinh),
    ("Atan", atan),
    ("Atanh", atanh),
    ("Cast", cast),
    ("Ceil", nothing),
    ("CheckNumerics", check_numerics),
    ("CheckNumericsV2", check_numerics_v2),
    ("Complex", complex),
    ("ComplexAbs", complex_abs),
    ("Conj", conj),
    ("Cos", cos),
    ("Cosh", cosh),
    ("DebugIdentityV2", pass),
    ("Digamma", digamma),
    ("EnsureShape", pass),
    ("Erf", erf),
    ("Erfc", erfc),
    ("Erfinv", erfinv),
    ("Exp", exp),
    ("Expm1", expm1),
    ("Floor", nothing),
    ("Identity", pass),
    ("IdentityN", pass),
    ("Imag", imag),
    ("Inv", reciprocal),
    ("InvGrad", reciprocal_grad),
    ("Lgamma", lgamma),
    ("Log", log),
    ("Log1p", log1p),
    ("Ndtri", ndtri),
    ("Neg", neg),
    ("PlaceholderWithDefault", pass),
    ("PreventGradient", prevent),
    ("Print", pass_first),
    ("ReadVariableOp", pass),
    ("Real", real),
    ("Reciprocal", reciprocal),
    ("ReciprocalGrad", reciprocal_grad),
    ("RefIdentity", pass),
    ("Rint", nothing),
    ("Round", nothing),
    ("Rsqrt", rsqrt),
    ("RsqrtGrad", rsqrt_grad),
    ("Sign", sign),
    ("Sin", sin),
    ("Sinh", sinh),
    ("Sqrt", sqrt),
    ("SqrtGrad", sqrt_grad),
    ("Square", square),
    ("Tan", tan),
];

fn nothing(_: &mut Scope, op: &Forward) -> Gradients {
    op.nothing()
}

/// The gradients as they are.
fn pass(_: &mut Scope, op: &Forward) -> Gradients {
    Ok(op.grads.clone())
}

/// The gradient as it is, of the first of several inputs.
fn pass_first(_: &mut Scope, op: &Forward) -> Gradients {
    first(op.grad(0)?, op.inputs.len())
}

fn prevent(_: &mut Scope, op: &Forward) -> Gradients {
    let message = String::from_utf8_lossy(op.attrs.str("message")?).into_owned();
    let quote = if message.contains('\'') && !message.contains('"') { '"' } else { '\'' };
    Err(Error::Gradient(format!("Gradient explicitly disabled. Reason: b{quote}{message}{quote}")))
}

/// Makes the nodes once the gradient is there: those of `make(scope, gradient, conjugate of x)`.
fn delayed(
    scope: &mut Scope,
    op: &Forward,
    x: Output,
    make: impl FnOnce(&mut Scope, Gradient, Output) -> Result<Output, Error>,
) -> Gradients {
    let grad = op.grad(0)?;
    let mut inner = scope.control_dependencies([grad])?;
    let x = inner.conj(x)?;
    all([make(&mut inner, grad, x)?])
}

macro_rules! delayed_functions {
    ($($(#[$doc:meta])* $name:ident($scope:ident, $grad:ident, $x:ident) => $body:expr;)*) => {
        $(
            $(#[$doc])*
            fn $name(scope: &mut Scope, op: &Forward) -> Gradients {
                delayed(scope, op, op.input(0)?, |$scope, $grad, $x| $body)
            }
        )*
    };
}

delayed_functions! {
    square(scope, grad, x) => {
        let two = scope.constant_like(2.0, x)?;
        let doubled = scope.mul(x, two)?;
        scope.mul(grad, doubled)
    };
    expm1(scope, grad, x) => { let y = scope.exp(x)?; scope.times(grad, y) };
    log(scope, grad, x) => { let y = scope.unary("Reciprocal", x)?; scope.times(grad, y) };
    log1p(scope, grad, x) => {
        let one = scope.number_like(1.0, x)?;
        let sum = scope.plus(one, x)?;
        let y = scope.unary("Reciprocal", sum)?;
        scope.times(grad, y)
    };
    sinh(scope, grad, x) => { let y = scope.unary("Cosh", x)?; scope.times(grad, y) };
    cosh(scope, grad, x) => { let y = scope.unary("Sinh", x)?; scope.times(grad, y) };
    sin(scope, grad, x) => { let y = scope.unary("Cos", x)?; scope.times(grad, y) };
    cos(scope, grad, x) => {
        let grad = scope.negated(grad)?;
        let y = scope.unary("Sin", x)?;
        scope.times(grad, y)
    };
    tan(scope, grad, x) => {
        let cos = scope.unary("Cos", x)?;
        let sec = scope.unary("Reciprocal", cos)?;
        let square = scope.square(sec)?;
        scope.times(square, grad)
    };
    asin(scope, grad, x) => { let y = arc(scope, grad, x)?; scope.times(grad, y) };
    acos(scope, grad, x) => {
        let y = arc(scope, grad, x)?;
        let grad = scope.negated(grad)?;
        scope.times(grad, y)
    };
    atan(scope, grad, x) => {
        let square = scope.square(x)?;
        let one = scope.constant_like(1.0, grad.values())?;
        let sum = scope.add(one, square)?;
        let y = scope.unary("Reciprocal", sum)?;
        scope.times(grad, y)
    };
    atanh(scope, grad, x) => {
        let square = scope.square(x)?;
        let one = scope.constant_like(1.0, grad.values())?;
        let difference = scope.sub(one, square)?;
        let y = scope.unary("Reciprocal", difference)?;
        scope.times(grad, y)
    };
    lgamma(scope, grad, x) => { let y = scope.unary("Digamma", x)?; scope.times(grad, y) };
    digamma(scope, grad, x) => {
        let one = scope.constant_like(1.0, x)?;
        let y = scope.op("Polygamma").input(one).input(x).build_one()?;
        scope.times(grad, y)
    };
}

/// `1 / sqrt(1 - x^2)`.
fn arc(scope: &mut Scope, grad: Gradient, x: Output) -> Result<Output, Error> {
    let square = scope.square(x)?;
    let one = scope.constant_like(1.0, grad.values())?;
    let difference = scope.sub(one, square)?;
    let root = scope.sqrt(difference)?;
    scope.unary("Reciprocal", root)
}

fn exp(scope: &mut Scope, op: &Forward) -> Gradients {
    delayed(scope, op, op.output(0), |scope, grad, y| scope.times(grad, y))
}

fn asinh(scope: &mut Scope, op: &Forward) -> Gradients {
    delayed(scope, op, op.output(0), |scope, grad, y| {
        let cosh = scope.unary("Cosh", y)?;
        scope.over(grad, cosh)
    })
}

fn acosh(scope: &mut Scope, op: &Forward) -> Gradients {
    delayed(scope, op, op.output(0), |scope, grad, y| {
        let sinh = scope.unary("Sinh", y)?;
        scope.over(grad, sinh)
    })
}

fn erf(scope: &mut Scope, op: &Forward) -> Gradients {
    bell(scope, op, std::f64::consts::FRAC_2_SQRT_PI)
}

fn erfc(scope: &mut Scope, op: &Forward) -> Gradients {
    bell(scope, op, -std::f64::consts::FRAC_2_SQRT_PI)
}

fn erfinv(scope: &mut Scope, op: &Forward) -> Gradients {
    inverse_bell(scope, op, std::f64::consts::PI.sqrt() / 2.0, 1.0)
}

fn ndtri(scope: &mut Scope, op: &Forward) -> Gradients {
    inverse_bell(scope, op, std::f64::consts::TAU.sqrt(), 2.0)
}

/// The gradient, by `factor * exp(y^2 / divisor)`.
fn inverse_bell(scope: &mut Scope, op: &Forward, factor: f64, divisor: f64) -> Gradients {
    let factor = scope.number_like(factor, op.grad(0)?.values())?;
    let factor = scope.constant(factor)?;
    delayed(scope, op, op.output(0), |scope, grad, y| {
        let scaled = scope.times(grad, factor)?;
        let mut square = scope.square(y)?;
        if divisor != 1.0 {
            let divisor = scope.number_like(divisor, square)?;
            square = scope.over(square, divisor)?;
        }
        let y = scope.exp(square)?;
        scope.times(scaled, y)
    })
}

/// The gradient, by `factor * exp(-x^2)`.
fn bell(scope: &mut Scope, op: &Forward, factor: f64) -> Gradients {
    let factor = scope.number_like(factor, op.grad(0)?.values())?;
    let factor = scope.constant(factor)?;
    delayed(scope, op, op.input(0)?, |scope, grad, x| {
        let scaled = scope.times(grad, factor)?;
        let square = scope.square(x)?;
        let square = scope.neg(square)?;
        let y = scope.exp(square)?;
        scope.times(scaled, y)
    })
}

fn abs(scope: &mut Scope, op: &Forward) -> Gradients {
    let sign = scope.sign(op.input(0)?)?;
    all([scope.times(op.grad(0)?, sign)?])
}

fn neg(scope: &mut Scope, op: &Forward) -> Gradients {
    Ok(vec![Some(scope.negated(op.grad(0)?)?)])
}

fn sign(scope: &mut Scope, op: &Forward) -> Gradients {
    all([scope.zeros_like(op.input(0)?)?])
}

/// A node that takes the output and the gradient.
fn of_output(scope: &mut Scope, op: &Forward, grad_op: &str) -> Gradients {
    all([scope.op(grad_op).input(op.output(0)).input(op.grad(0)?).build_one()?])
}

fn reciprocal(scope: &mut Scope, op: &Forward) -> Gradients {
    of_output(scope, op, "ReciprocalGrad")
}

fn sqrt(scope: &mut Scope, op: &Forward) -> Gradients {
    of_output(scope, op, "SqrtGrad")
}

fn rsqrt(scope: &mut Scope, op: &Forward) -> Gradients {
    of_output(scope, op, "RsqrtGrad")
}

fn reciprocal_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    let (grad, b) = (op.grad(0)?, op.input(1)?);
    let mut scope = scope.control_dependencies([grad])?;
    let ca = scope.conj(op.input(0)?)?;
    let cg = scope.dense_conj(grad)?;
    let factor = scope.number_like(-2.0, cg)?;
    let scaled = scope.times(cg, factor)?;
    let scaled = scope.times(scaled, b)?;
    let first = scope.times(scaled, ca)?;
    let second = scope.op("ReciprocalGrad").input(ca).input(grad).build_one()?;
    all([first, second])
}

fn sqrt_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = op.grad(0)?;
    let mut scope = scope.control_dependencies([grad])?;
    let ga = scope.over(grad, op.input(0)?)?;
    let conj = scope.conj(ga)?;
    let negative = scope.neg(conj)?;
    let first = scope.times(negative, op.output(0))?;
    let half = scope.number_like(0.5, ga)?;
    let second = scope.times(half, ga)?;
    all([first, second])
}

fn rsqrt_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    let (grad, b) = (op.grad(0)?, op.input(1)?);
    let mut scope = scope.control_dependencies([grad])?;
    let ca = scope.conj(op.input(0)?)?;
    let cg = scope.dense_conj(grad)?;
    let factor = scope.number_like(-1.5, cg)?;
    let scaled = scope.times(factor, cg)?;
    let scaled = scope.times(scaled, b)?;
    let square = scope.square(ca)?;
    let first = scope.times(scaled, square)?;
    let second = scope.op("RsqrtGrad").input(ca).input(grad).build_one()?;
    all([first, second])
}

fn check_numerics(scope: &mut Scope, op: &Forward) -> Gradients {
    checked(scope, op, "CheckNumerics")
}

fn check_numerics_v2(scope: &mut Scope, op: &Forward) -> Gradients {
    checked(scope, op, "CheckNumericsV2")
}

fn checked(scope: &mut Scope, op: &Forward, check: &str) -> Gradients {
    let message = String::from_utf8_lossy(op.attrs.str("message")?).into_owned();
    let quote = if message.contains('\'') && !message.contains('"') { '"' } else { '\'' };
    let message = format!(
        "Not a number (NaN) or infinity (Inf) values detected in gradient. b{quote}{message}{quote}"
    );
    let node = scope.op(check).input(op.grad(0)?);
    all([node.attr("message", Attr::Str(message.into_bytes().into())).build_one()?])
}

fn cast(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = op.grad(0)?;
    let types = [scope.dtype(op.input(0)?), scope.dtype(grad.values())];
    let passes = |dtype: &Option<DType>| {
        matches!(
            dtype,
            Some(
                DType::F16
                    | DType::F32
                    | DType::F64
                    | DType::BF16
                    | DType::Complex64
                    | DType::Complex128
            )
        )
    };
    match types {
        [Some(source), _] if types.iter().all(passes) => Ok(vec![Some(match grad {
            Gradient::Dense(grad) => scope.cast(grad, source)?.into(),
            Gradient::Sparse(slices) => {
                IndexedSlices { values: scope.cast(slices.values, source)?, ..slices }.into()
            }
        })]),
        _ => op.nothing(),
    }
}

fn conj(scope: &mut Scope, op: &Forward) -> Gradients {
    all([scope.dense_conj(op.grad(0)?)?])
}

fn real(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = op.grad(0)?;
    let zero = scope.constant_like(0.0, grad.values())?;
    all([scope.complex(grad, zero)?])
}

fn imag(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = op.grad(0)?;
    let zero = scope.constant_like(0.0, grad.values())?;
    all([scope.complex(zero, grad)?])
}

fn angle(scope: &mut Scope, op: &Forward) -> Gradients {
    let (grad, x) = (op.grad(0)?, op.input(0)?);
    let mut scope = scope.control_dependencies([grad])?;
    let re = scope.part("Real", x)?;
    let im = scope.part("Imag", x)?;
    let turned = scope.complex(im, re)?;
    let z = scope.unary("Reciprocal", turned)?;
    let zero = scope.constant_like(0.0, grad.values())?;
    let complex = scope.complex(grad, zero)?;
    let negative = scope.neg(complex)?;
    all([scope.times(negative, z)?])
}

fn complex(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = scope.dense(op.grad(0)?, "input")?;
    let gx = scope.part("Real", grad)?;
    let gy = scope.part("Imag", grad)?;
    let [gx, gy] =
        scope.reduced_to(op.input(0)?, op.input(1)?, [Some(gx.into()), Some(gy.into())])?;
    Ok(vec![gx, gy])
}

fn complex_abs(scope: &mut Scope, op: &Forward) -> Gradients {
    let (grad, y) = (op.grad(0)?, op.output(0));
    let zeros = scope.zeros_like(grad)?;
    let grad = scope.complex(grad, zeros)?;
    let product = scope.times(grad, op.input(0)?)?;
    let zeros = scope.zeros_like(y)?;
    let length = scope.complex(y, zeros)?;
    all([scope.named_binary("div_no_nan", "DivNoNan", product, length)?])
}
