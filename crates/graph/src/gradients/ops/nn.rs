//! Layers of networks: softmax, losses, biases, normalization.

use flowkeep_tensor::{DType, Tensor};

use super::super::forward::{Forward, Gradients, all, first};
use super::super::operators::Index;
use super::super::table::Entry;
use crate::builder::{MatMulOptions, Operand, Scope};
use crate::{Attr, Error, Output};

pub(in super::super) const OPS: &[Entry] = &[
    ("BiasAdd", bias_add),
    ("BiasAddGrad", bias_add_grad),
    ("BiasAddV1", bias_add_v1),
    ("BlockLSTM", block_lstm),
    ("BlockLSTMV2", block_lstm),
    ("CTCLoss", ctc_loss),
    ("CTCLossV2", ctc_loss),
    ("FusedBatchNorm", batch_norm),
    ("FusedBatchNormV2", batch_norm_v2),
    ("FusedBatchNormV3", batch_norm_v3),
    ("LRN", lrn),
    ("LogSoftmax", log_softmax),
    ("Softmax", softmax),
    ("SoftmaxCrossEntropyWithLogits", cross_entropy),
    ("SparseSoftmaxCrossEntropyWithLogits", sparse_cross_entropy),
];

fn bias_add(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = op.grad(0)?;
    let node = op.like(scope.op("BiasAddGrad").input(grad), &["data_format"]);
    let bias = node.build_one()?;
    Ok(vec![Some(grad), Some(bias.into())])
}

fn bias_add_v1(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = op.grad(0)?;
    let rank = scope.rank(grad)?;
    let last = scope.minus(rank, 1i32)?;
    let axes = scope.range_of(0, last, 1i32)?;
    let bias = scope.sum(grad, axes, false)?;
    Ok(vec![Some(grad), Some(bias.into())])
}

fn bias_add_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = scope.dense(op.grad(0)?, "tensor")?;
    let shape = scope.shape_of(op.input(0)?)?;
    let bias_shape = scope.shape_of(grad)?;
    let one = Operand::from([1i32]);
    let (expanded, multiples) = if op.attrs.str("data_format")? == "NCHW" {
        let before = scope.between(shape, None, Some(Index::At(1)))?;
        let before = scope.ones_like(before, None)?;
        let behind = scope.between(shape, Some(Index::At(2)), None)?;
        let behind = scope.ones_like(behind, None)?;
        let expanded =
            scope.concat_at(vec![before.into(), bias_shape.into(), behind.into()], 0i32)?;
        let before = scope.between(shape, None, Some(Index::At(1)))?;
        let behind = scope.between(shape, Some(Index::At(2)), None)?;
        (expanded, scope.concat_at(vec![before.into(), one, behind.into()], 0i32)?)
    } else {
        let before = scope.between(shape, None, Some(Index::At(-1)))?;
        let before = scope.ones_like(before, None)?;
        let expanded = scope.concat_at(vec![before.into(), bias_shape.into()], 0i32)?;
        let before = scope.between(shape, None, Some(Index::At(-1)))?;
        (expanded, scope.concat_at(vec![before.into(), one], 0i32)?)
    };
    let reshaped = scope.reshape(grad, expanded)?;
    all([scope.tile(reshaped, multiples)?])
}

fn softmax(scope: &mut Scope, op: &Forward) -> Gradients {
    let (grad, softmax) = (op.grad(0)?, op.output(0));
    let product = scope.times(grad, softmax)?;
    let sum = scope.sum(product, -1i32, true)?;
    let difference = scope.minus(grad, sum)?;
    all([scope.times(difference, softmax)?])
}

fn log_softmax(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = op.grad(0)?;
    let softmax = scope.exp(op.output(0))?;
    let sum = scope.sum(grad, -1i32, true)?;
    let product = scope.times(sum, softmax)?;
    all([scope.minus(grad, product)?])
}

/// The gradient of the logits of a cross entropy.
fn logits_gradient(scope: &mut Scope, op: &Forward) -> Result<Output, Error> {
    let grad = row_by_row(scope, op, op.output(1))?;
    let second = op.grads.get(1).copied().flatten();
    let Some(second) = second.filter(|second| !is_zeros(scope, second.values())) else {
        return Ok(grad);
    };
    let softmax = scope.unary("Softmax", op.input(0)?)?;
    let row = scope.expand_dims(second, 1)?;
    let column = scope.expand_dims(softmax, 2)?;
    let product = scope.matmul_with(row, column, MatMulOptions::default())?;
    let product = scope.squeeze(product, &[1])?;
    let difference = scope.minus(second, product)?;
    let scaled = scope.times(difference, softmax)?;
    scope.plus(grad, scaled)
}

/// Each row of a matrix by the gradient of its loss.
fn row_by_row(scope: &mut Scope, op: &Forward, matrix: Output) -> Result<Output, Error> {
    let column = scope.expand_dims(op.grad(0)?, -1)?;
    scope.times(column, matrix)
}

fn cross_entropy(scope: &mut Scope, op: &Forward) -> Gradients {
    let logits = logits_gradient(scope, op)?;
    let log = scope.unary("LogSoftmax", op.input(0)?)?;
    let negative = scope.neg(log)?;
    all([logits, row_by_row(scope, op, negative)?])
}

/// The gradients of a recurrent layer, from those of its states and its results.
fn block_lstm(scope: &mut Scope, op: &Forward) -> Gradients {
    let inputs = op.inputs.iter().copied().chain((0..7).map(|index| op.output(index)));
    let node = inputs.fold(scope.op("BlockLSTMGrad"), |node, input| node.input(input));
    let node = node.input(op.grad(1)?).input(op.grad(6)?);
    let node = op.like(node, &["use_peephole"]).build()?;
    let grads = (0..8).map(|index| Some(node.output(index).into()));
    Ok(std::iter::once(None).chain(grads).collect())
}

/// The gradient is the second output, which has none itself.
fn ctc_loss(scope: &mut Scope, op: &Forward) -> Gradients {
    let message = "Currently there is no way to take the second  derivative of ctc_loss due to the fused implementation's interaction  with tf.gradients()";
    let node = scope.op("PreventGradient").input(op.output(1));
    let grad = node.attr("message", Attr::Str(message.as_bytes().to_vec().into())).build_one()?;
    first(row_by_row(scope, op, grad)?, 4)
}

fn sparse_cross_entropy(scope: &mut Scope, op: &Forward) -> Gradients {
    Ok(vec![Some(logits_gradient(scope, op)?.into()), None])
}

/// Whether a tensor was made to be zero: by a node that does just that, or as a constant.
fn is_zeros(scope: &Scope, tensor: Output) -> bool {
    let Some(node) = scope.graph().get(tensor.node) else { return false };
    let is_zero = |value: Tensor| match value.dtype() {
        DType::F32 => value.as_slice::<f32>().is_ok_and(|values| values.iter().all(|v| *v == 0.0)),
        DType::F64 => value.as_slice::<f64>().is_ok_and(|values| values.iter().all(|v| *v == 0.0)),
        _ => false,
    };
    let last = node.name().rsplit('/').next().unwrap_or_default();
    match node.op() {
        "ZerosLike" => true,
        "Const" => last.starts_with("zeros") && node.attrs().tensor("value").is_ok_and(is_zero),
        "Fill" => last.starts_with("zeros"),
        _ => false,
    }
}

fn lrn(scope: &mut Scope, op: &Forward) -> Gradients {
    let node = scope.op("LRNGrad").input(op.grad(0)?).input(op.input(0)?).input(op.output(0));
    all([op.like(node, &["depth_radius", "bias", "alpha", "beta"]).build_one()?])
}

fn batch_norm(scope: &mut Scope, op: &Forward) -> Gradients {
    fused(scope, op, "FusedBatchNormGrad")
}

fn batch_norm_v2(scope: &mut Scope, op: &Forward) -> Gradients {
    fused(scope, op, "FusedBatchNormGradV2")
}

fn batch_norm_v3(scope: &mut Scope, op: &Forward) -> Gradients {
    fused(scope, op, "FusedBatchNormGradV3")
}

fn fused(scope: &mut Scope, op: &Forward, grad_op: &str) -> Gradients {
    let (mut x, mut grad) = (op.input(0)?, Operand::from(op.grad(0)?));
    let is_training = op.attrs.bool("is_training")?;
    let mut format = op.attrs.str("data_format")?.clone();
    let mut back: Option<Vec<i32>> = None;
    let (mean, variance) = if is_training {
        (op.output(3), op.output(4))
    } else {
        // What is frozen is only computed with the channels last.
        let there = match &format[..] {
            b"NCHW" => Some((vec![0i32, 2, 3, 1], vec![0, 3, 1, 2])),
            b"NCDHW" => Some((vec![0i32, 2, 3, 4, 1], vec![0, 4, 1, 2, 3])),
            _ => None,
        };
        if let Some((there, and_back)) = there {
            x = scope.transpose(x, there.clone())?;
            grad = scope.transpose(grad, there)?.into();
            back = Some(and_back);
        }
        let is_image = matches!(&format[..], b"NCHW" | b"NHWC");
        format = bytes::Bytes::from_static(if is_image { b"NHWC" } else { b"NDHWC" });
        (op.input(3)?, op.input(4)?)
    };
    let node = scope.op(grad_op).input(grad).input(x).input(op.input(1)?);
    let mut node = node.input(mean).input(variance);
    if grad_op == "FusedBatchNormGradV3" {
        node = node.input(op.output(5));
    }
    let node = op.like(node, &["epsilon", "is_training"]).attr("data_format", Attr::Str(format));
    let node = node.build()?;
    let mut dx = node.output(0);
    if let Some(back) = back {
        dx = scope.transpose(dx, back)?;
    }
    let made = [dx, node.output(1), node.output(2)].map(|output| Some(output.into()));
    Ok(made.into_iter().chain([None, None]).collect())
}
