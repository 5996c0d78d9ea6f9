//! Activations.

use super::super::forward::{Forward, Gradients, all};
use super::super::table::Entry;
use crate::builder::Scope;

pub(in super::super) const OPS: &[Entry] = &[
    ("Elu", elu),
    ("Relu", relu),
    ("Relu6", relu6),
    ("Selu", selu),
    ("Sigmoid", sigmoid),
    ("Tanh", tanh),
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
