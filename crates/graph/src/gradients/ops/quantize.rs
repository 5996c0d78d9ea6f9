//! Numbers that are rounded to few bits: gradients pass, as far as the numbers were within bounds.
//!
//! Source: `array_ops.py`, `array_grad.py`.

use super::super::forward::{Forward, Gradients, all, first};
use super::super::table::Entry;
use crate::builder::Scope;

pub(in super::super) const OPS: &[Entry] = &[
    ("FakeQuantWithMinMaxArgs", fake_quant_args),
    ("FakeQuantWithMinMaxVars", fake_quant_vars),
    ("FakeQuantWithMinMaxVarsPerChannel", fake_quant_vars_per_channel),
    ("QuantizeAndDequantize", pass),
    ("QuantizeAndDequantizeV2", pass),
    ("QuantizeAndDequantizeV3", pass),
    ("QuantizeAndDequantizeV4", quantize_and_dequantize),
];

fn pass(_: &mut Scope, op: &Forward) -> Gradients {
    first(op.grad(0)?, op.inputs.len())
}

fn fake_quant_args(scope: &mut Scope, op: &Forward) -> Gradients {
    let node = scope.op("FakeQuantWithMinMaxArgsGradient").input(op.grad(0)?).input(op.input(0)?);
    all([op.like(node, &["min", "max", "num_bits", "narrow_range"]).build_one()?])
}

fn fake_quant_vars(scope: &mut Scope, op: &Forward) -> Gradients {
    bounded(scope, op, "FakeQuantWithMinMaxVarsGradient", &["num_bits", "narrow_range"])
}

fn fake_quant_vars_per_channel(scope: &mut Scope, op: &Forward) -> Gradients {
    bounded(scope, op, "FakeQuantWithMinMaxVarsPerChannelGradient", &["num_bits", "narrow_range"])
}

fn quantize_and_dequantize(scope: &mut Scope, op: &Forward) -> Gradients {
    bounded(scope, op, "QuantizeAndDequantizeV4Grad", &["axis"])
}

/// The gradients of what is rounded, and of its bounds.
fn bounded(scope: &mut Scope, op: &Forward, gradient: &str, attrs: &[&str]) -> Gradients {
    let node = scope.op(gradient).input(op.grad(0)?).input(op.input(0)?);
    let node = op.like(node.input(op.input(1)?).input(op.input(2)?), attrs).build()?;
    all([node.output(0), node.output(1), node.output(2)])
}
