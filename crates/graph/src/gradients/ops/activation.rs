//! Activations, and the gradients of their gradients.

use super::super::forward::{Forward, Gradients, all};
use super::super::table::Entry;
use crate::builder::Scope;

pub(in super::super) const OPS: &[Entry] = &[
    ("Elu", elu),
    ("EluGrad", elu_grad),
    ("LeakyRelu", leaky_relu),
    ("LeakyReluGrad", leaky_relu_grad),
    ("Relu", relu),
    ("Relu6", relu6),
    ("Relu6Grad", relu6_grad),
    ("ReluGrad", relu_grad),
    ("Selu", selu),
    ("SeluGrad", selu_grad),
    ("Sigmoid", sigmoid),
    ("SigmoidGrad", sigmoid_grad),
    ("Softplus", softplus),
    ("SoftplusGrad", softplus_grad),
    ("Softsign", softsign),
    ("Tanh", tanh),
    ("TanhGrad", tanh_grad),
];

/// A node that takes the gradient and the output.
fn of_output(scope: &mut Scope, op: &Forward, grad_op: &str) -> Gradients {
    all([scope.op(grad_op).input(op.grad(0)?).input(op.output(0)).build_one()?])
}

fn elu(scope: &mut Scope, op: &Forward) -> Gradients {
    of_output(scope, op, "EluGrad")
}

fn relu(scope: &mut Scope, op: &Forward) -> Gradients {
    of_output(scope, op, "ReluGrad")
}

fn relu6(scope: &mut Scope, op: &Forward) -> Gradients {
    of_output(scope, op, "Relu6Grad")
}

fn selu(scope: &mut Scope, op: &Forward) -> Gradients {
    of_output(scope, op, "SeluGrad")
}

fn leaky_relu(scope: &mut Scope, op: &Forward) -> Gradients {
    let node = scope.op("LeakyReluGrad").input(op.grad(0)?).input(op.input(0)?);
    all([op.like(node, &["alpha"]).build_one()?])
}

fn softplus(scope: &mut Scope, op: &Forward) -> Gradients {
    let sigmoid = scope.sigmoid(op.input(0)?)?;
    all([scope.times(op.grad(0)?, sigmoid)?])
}

fn softsign(scope: &mut Scope, op: &Forward) -> Gradients {
    all([scope.op("SoftsignGrad").input(op.grad(0)?).input(op.input(0)?).build_one()?])
}

fn sigmoid(scope: &mut Scope, op: &Forward) -> Gradients {
    delayed(scope, op, "SigmoidGrad")
}

fn tanh(scope: &mut Scope, op: &Forward) -> Gradients {
    delayed(scope, op, "TanhGrad")
}

/// A node that takes the output and the gradient, and does not run before the gradient is there.
fn delayed(scope: &mut Scope, op: &Forward, grad_op: &str) -> Gradients {
    let grad = op.grad(0)?;
    let mut inner = scope.control_dependencies([grad])?;
    let y = inner.conj(op.output(0))?;
    all([inner.op(grad_op).input(y).input(grad).build_one()?])
}

/// The gradients of a gradient that is the same for all inputs of one sign.
fn piecewise(scope: &mut Scope, op: &Forward, grad_op: &str) -> Gradients {
    let x = op.input(1)?;
    let node = scope.op(grad_op).input(op.grad(0)?).input(x);
    let first = op.like(node, &["alpha"]).build_one()?;
    all([first, scope.zeros_like(x)?])
}

fn relu_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    piecewise(scope, op, "ReluGrad")
}

fn relu6_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    piecewise(scope, op, "Relu6Grad")
}

fn leaky_relu_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    piecewise(scope, op, "LeakyReluGrad")
}

/// The gradients of a gradient that depends on the output where that is negative.
fn exponential(scope: &mut Scope, op: &Forward, grad_op: &str) -> Gradients {
    let (grad, x) = (op.grad(0)?, op.input(1)?);
    let first = scope.op(grad_op).input(grad).input(x).build_one()?;
    let zero = scope.number_like(0.0, x)?;
    let negative = scope.less(x, zero)?;
    let product = scope.times(grad, op.input(0)?)?;
    let zeros = scope.zeros_like(x)?;
    all([first, scope.select(negative, product, zeros)?])
}

fn elu_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    exponential(scope, op, "EluGrad")
}

fn selu_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    exponential(scope, op, "SeluGrad")
}

fn softplus_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    let (grad, dy, x) = (op.grad(0)?, op.input(0)?, op.input(1)?);
    let mut scope = scope.control_dependencies([grad])?;
    let first = scope.op("SoftplusGrad").input(grad).input(x).build_one()?;
    let product = scope.times(grad, dy)?;
    let negative = scope.neg(x)?;
    let falling = scope.exp(negative)?;
    let two = scope.number_like(2.0, falling)?;
    let sum = scope.plus(falling, two)?;
    let rising = scope.exp(x)?;
    let sum = scope.plus(sum, rising)?;
    all([first, scope.over(product, sum)?])
}

fn sigmoid_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = op.grad(0)?;
    let mut scope = scope.control_dependencies([grad])?;
    let a = scope.conj(op.input(0)?)?;
    let b = scope.conj(op.input(1)?)?;
    let gb = scope.times(grad, b)?;
    let two = scope.number_like(2.0, gb)?;
    let doubled = scope.times(two, gb)?;
    let product = scope.times(doubled, a)?;
    let first = scope.minus(gb, product)?;
    all([first, scope.op("SigmoidGrad").input(a).input(grad).build_one()?])
}

fn tanh_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = op.grad(0)?;
    let mut scope = scope.control_dependencies([grad])?;
    let a = scope.conj(op.input(0)?)?;
    let b = scope.conj(op.input(1)?)?;
    let grad = scope.dense(grad, "x")?;
    let factor = scope.number_like(-2.0, grad)?;
    let scaled = scope.times(grad, factor)?;
    let product = scope.times(scaled, b)?;
    let first = scope.times(product, a)?;
    all([first, scope.op("TanhGrad").input(a).input(grad).build_one()?])
}
