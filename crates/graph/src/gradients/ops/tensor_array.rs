//! Tensor arrays. The gradient of one is another one, which belongs to the call that asked for gradients.
//!
//! Source: `tensor_array_grad.py`.

use super::super::Gradient;
use super::super::forward::{Forward, Gradients};
use super::super::table::Entry;
use crate::builder::Scope;
use crate::{Attr, Error, Output};

pub(in super::super) const OPS: &[Entry] = &[
    ("TensorArrayConcatV3", concat_grad),
    ("TensorArrayGatherV3", gather_grad),
    ("TensorArrayReadV3", read_grad),
    ("TensorArrayScatterV3", scatter_grad),
    ("TensorArraySplitV3", split_grad),
    ("TensorArrayWriteV3", write_grad),
];

fn read_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = op.grad(0)?;
    let (handle, flow) = scope.gradient_array(op, op.input(2)?, grad)?;
    let mut inner = scope.name_scope("TensorArrayWrite")?;
    let grad = inner.dense(grad, "value")?;
    let node = inner.op("TensorArrayWriteV3").input(handle).input(op.input(1)?);
    let flow = node.input(grad).input(flow).build_one()?;
    Ok(vec![None, None, Some(flow.into())])
}

fn gather_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = op.grad(0)?;
    let (handle, flow) = scope.gradient_array(op, op.input(2)?, grad)?;
    let mut inner = scope.name_scope("TensorArrayScatter")?;
    let grad = inner.dense(grad, "value")?;
    let node = inner.op("TensorArrayScatterV3").input(handle).input(op.input(1)?);
    let flow = node.input(grad).input(flow).build_one()?;
    Ok(vec![None, None, Some(flow.into())])
}

fn concat_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = op.grad(0)?;
    let (handle, flow) = scope.gradient_array(op, op.input(1)?, grad)?;
    let mut inner = scope.name_scope("TensorArraySplit")?;
    let grad = inner.dense(grad, "value")?;
    let node = inner.op("TensorArraySplitV3").input(handle).input(grad);
    let flow = node.input(op.output(1)).input(flow).build_one()?;
    Ok(vec![None, Some(flow.into())])
}

fn write_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    let flow = scope.after_write(op)?;
    let (handle, of_grad) = scope.gradient_array(op, flow, flow.into())?;
    let node = scope.op("TensorArrayReadV3").input(handle).input(op.input(1)?).input(of_grad);
    let grad = op_dtype(node, op).build_one()?;
    Ok(vec![None, None, Some(grad.into()), Some(flow.into())])
}

fn scatter_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    let flow = scope.after_write(op)?;
    let (handle, of_grad) = scope.gradient_array(op, flow, flow.into())?;
    let node = scope.op("TensorArrayGatherV3").input(handle).input(op.input(1)?).input(of_grad);
    let grad = op_dtype(node, op).build_one()?;
    Ok(vec![None, None, Some(grad.into()), Some(flow.into())])
}

fn split_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    let flow = scope.after_write(op)?;
    let (handle, of_grad) = scope.gradient_array(op, flow, flow.into())?;
    let node = scope.op("TensorArrayConcatV3").input(handle).input(of_grad);
    let grad = op_dtype(node, op).build_one()?;
    Ok(vec![None, Some(grad.into()), None, Some(flow.into())])
}

/// The type of elements of an op that writes, for one that reads.
fn op_dtype<'a>(
    node: crate::builder::NodeBuilder<'a>,
    op: &Forward,
) -> crate::builder::NodeBuilder<'a> {
    match op.attrs.get("T") {
        Some(dtype) => node.attr("dtype", dtype.clone()),
        None => node,
    }
}

impl Scope {
    /// The gradient of a flow, once the array has been written.
    fn after_write(&mut self, op: &Forward) -> Result<Output, Error> {
        let flow = self.dense(op.grad(0)?, "input")?;
        let flow_out = self.with_op_name("flow_out").identity(op.output(0))?;
        let mut after = self.control_dependencies([flow_out.node])?;
        after.with_op_name("write_barrier").identity(flow)
    }

    /// The array of the gradients of an array, and its flow.
    fn gradient_array(
        &mut self,
        op: &Forward,
        flow: Output,
        grad: Gradient,
    ) -> Result<(Output, Output), Error> {
        let source = self.gradient_source(grad.values())?;
        let handle = op.input(0)?;
        let mut inner = self.name_scope("TensorArrayGrad")?;
        let mut beside = inner.colocate_with(handle.node)?;
        let node = beside.op("TensorArrayGradV3").input(handle).input(flow);
        let array = node.attr("source", Attr::Str(source.into_bytes().into())).build()?;
        let mut after = beside.control_dependencies([array])?;
        let flow = after.with_op_name("gradient_flow").identity(flow)?;
        Ok((array.output(0), flow))
    }

    /// The name scope of the call that asked for a gradient, by which its arrays are told from those of others.
    fn gradient_source(&self, grad: Output) -> Result<String, Error> {
        let name = self.graph().tensor_name(grad).to_string();
        let tokens: Vec<&str> = name.split('/').collect();
        match tokens.iter().rposition(|token| token.starts_with("gradients")) {
            Some(last) => Ok(tokens.get(..=last).unwrap_or_default().join("/")),
            None => Err(Error::Gradient(format!(
                "Expected op/tensor name to start with gradients (excluding scope), got: {name}. This means that a \
                 tf.gradients op with this op in its dependency path has a custom name that does not start with \
                 'gradients'. Please make sure all calls to tf.gradients that have non-empty `name` arguments use names \
                 that start with 'gradients'."
            ))),
        }
    }
}
