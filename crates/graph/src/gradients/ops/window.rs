//! Convolutions and pooling.

use super::super::forward::{Forward, Gradients, all, first};
use super::super::table::Entry;
use crate::builder::Scope;
use crate::{Error, Output};

pub(in super::super) const OPS: &[Entry] = &[
    ("AvgPool", avg_pool),
    ("AvgPool3D", avg_pool_3d),
    ("AvgPool3DGrad", avg_pool_3d_grad),
    ("AvgPoolGrad", avg_pool_grad),
    ("Conv2D", conv2d),
    ("Conv2DBackpropFilter", conv2d_backprop_filter),
    ("Conv2DBackpropInput", conv2d_backprop_input),
    ("Conv3D", conv3d),
    ("Conv3DBackpropFilterV2", conv3d_backprop_filter),
    ("Conv3DBackpropInputV2", conv3d_backprop_input),
    ("DepthwiseConv2dNative", depthwise),
    ("DepthwiseConv2dNativeBackpropFilter", depthwise_backprop_filter),
    ("DepthwiseConv2dNativeBackpropInput", depthwise_backprop_input),
    ("MaxPool", max_pool),
    ("MaxPool3D", max_pool_3d),
    ("MaxPool3DGrad", max_pool_3d_grad),
    ("MaxPool3DGradGrad", max_pool_3d_grad_grad),
    ("MaxPoolGrad", max_pool_grad),
    ("MaxPoolGradGrad", max_pool_grad_grad),
    ("MaxPoolGradV2", max_pool_grad_v2),
    ("MaxPoolV2", max_pool_v2),
    ("MaxPoolWithArgmax", max_pool_with_argmax),
];

/// A family of convolutions: the ops, and the attributes that they share.
struct Family {
    forward: &'static str,
    backprop_input: &'static str,
    backprop_filter: &'static str,
    attrs: &'static [&'static str],
}

const CONV_2D: Family = Family {
    forward: "Conv2D",
    backprop_input: "Conv2DBackpropInput",
    backprop_filter: "Conv2DBackpropFilter",
    attrs: &[
        "dilations",
        "strides",
        "padding",
        "explicit_paddings",
        "use_cudnn_on_gpu",
        "data_format",
    ],
};

const DEPTHWISE: Family = Family {
    forward: "DepthwiseConv2dNative",
    backprop_input: "DepthwiseConv2dNativeBackpropInput",
    backprop_filter: "DepthwiseConv2dNativeBackpropFilter",
    attrs: &["dilations", "strides", "padding", "explicit_paddings", "data_format"],
};

const CONV_3D: Family = Family {
    forward: "Conv3D",
    backprop_input: "Conv3DBackpropInputV2",
    backprop_filter: "Conv3DBackpropFilterV2",
    attrs: &["dilations", "strides", "padding", "data_format"],
};

const POOL: &[&str] = &["ksize", "strides", "padding", "data_format"];

impl Family {
    fn made<const N: usize>(
        &self,
        scope: &mut Scope,
        op: &Forward,
        which: &str,
        inputs: [crate::builder::Operand; N],
    ) -> Result<Output, Error> {
        let node = inputs.into_iter().fold(scope.op(which), |node, input| node.input(input));
        op.like(node, self.attrs).build_one()
    }

    /// The gradients of a convolution; the sizes of both inputs come from one node, or one each.
    fn of_forward(&self, scope: &mut Scope, op: &Forward, at_once: bool) -> Gradients {
        let (grad, input, filter) = (op.grad(0)?, op.input(0)?, op.input(1)?);
        let sizes = if at_once {
            let node = scope.op("ShapeN").input_list([input, filter]).build()?;
            Some([node.output(0), node.output(1)])
        } else {
            None
        };
        let size = match sizes {
            Some([size, _]) => size,
            None => scope.shape_of(input)?,
        };
        let inputs = [size.into(), filter.into(), grad.into()];
        let gx = self.made(scope, op, self.backprop_input, inputs)?;
        let size = match sizes {
            Some([_, size]) => size,
            None => scope.shape_of(filter)?,
        };
        let inputs = [input.into(), size.into(), grad.into()];
        all([gx, self.made(scope, op, self.backprop_filter, inputs)?])
    }

    fn of_backprop_input(&self, scope: &mut Scope, op: &Forward) -> Gradients {
        let (grad, filter, out) = (op.grad(0)?, op.input(1)?, op.input(2)?);
        let size = scope.shape_of(filter)?;
        let inputs = [grad.into(), size.into(), out.into()];
        let gf = self.made(scope, op, self.backprop_filter, inputs)?;
        let go = self.made(scope, op, self.forward, [grad.into(), filter.into()])?;
        Ok(vec![None, Some(gf.into()), Some(go.into())])
    }

    fn of_backprop_filter(&self, scope: &mut Scope, op: &Forward) -> Gradients {
        let (grad, input, out) = (op.grad(0)?, op.input(0)?, op.input(2)?);
        let size = scope.shape_of(input)?;
        let inputs = [size.into(), grad.into(), out.into()];
        let gx = self.made(scope, op, self.backprop_input, inputs)?;
        let go = self.made(scope, op, self.forward, [input.into(), grad.into()])?;
        Ok(vec![Some(gx.into()), None, Some(go.into())])
    }
}

fn conv2d(scope: &mut Scope, op: &Forward) -> Gradients {
    CONV_2D.of_forward(scope, op, true)
}

fn conv2d_backprop_input(scope: &mut Scope, op: &Forward) -> Gradients {
    CONV_2D.of_backprop_input(scope, op)
}

fn conv2d_backprop_filter(scope: &mut Scope, op: &Forward) -> Gradients {
    CONV_2D.of_backprop_filter(scope, op)
}

fn depthwise(scope: &mut Scope, op: &Forward) -> Gradients {
    DEPTHWISE.of_forward(scope, op, false)
}

fn depthwise_backprop_input(scope: &mut Scope, op: &Forward) -> Gradients {
    DEPTHWISE.of_backprop_input(scope, op)
}

fn depthwise_backprop_filter(scope: &mut Scope, op: &Forward) -> Gradients {
    DEPTHWISE.of_backprop_filter(scope, op)
}

fn conv3d(scope: &mut Scope, op: &Forward) -> Gradients {
    CONV_3D.of_forward(scope, op, true)
}

fn conv3d_backprop_input(scope: &mut Scope, op: &Forward) -> Gradients {
    CONV_3D.of_backprop_input(scope, op)
}

fn conv3d_backprop_filter(scope: &mut Scope, op: &Forward) -> Gradients {
    CONV_3D.of_backprop_filter(scope, op)
}

fn avg_pool(scope: &mut Scope, op: &Forward) -> Gradients {
    average(scope, op, "AvgPoolGrad")
}

fn avg_pool_3d(scope: &mut Scope, op: &Forward) -> Gradients {
    average(scope, op, "AvgPool3DGrad")
}

fn average(scope: &mut Scope, op: &Forward, grad_op: &str) -> Gradients {
    let shape = scope.shape_of(op.input(0)?)?;
    let node = scope.op(grad_op).input(shape).input(op.grad(0)?);
    all([op.like(node, POOL).build_one()?])
}

fn avg_pool_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    pooled(scope, op, "AvgPool")
}

fn avg_pool_3d_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    pooled(scope, op, "AvgPool3D")
}

/// The gradients of the gradient of an average.
fn pooled(scope: &mut Scope, op: &Forward, pool: &str) -> Gradients {
    let sizes = scope.stop_gradient(op.input(0)?)?;
    let pooled = op.like(scope.op(pool).input(op.grad(0)?), POOL).build_one()?;
    all([sizes, pooled])
}

/// A node that takes the input, the output and the gradient of a pooling.
fn largest(scope: &mut Scope, op: &Forward, grad_op: &str) -> Result<Output, Error> {
    let node = scope.op(grad_op).input(op.input(0)?).input(op.output(0)).input(op.grad(0)?);
    let attrs: &[&str] =
        if grad_op == "MaxPoolGrad" { &["explicit_paddings"] } else { Default::default() };
    op.like(op.like(node, POOL), attrs).build_one()
}

fn max_pool(scope: &mut Scope, op: &Forward) -> Gradients {
    all([largest(scope, op, "MaxPoolGrad")?])
}

fn max_pool_3d(scope: &mut Scope, op: &Forward) -> Gradients {
    all([largest(scope, op, "MaxPool3DGrad")?])
}

fn max_pool_v2(scope: &mut Scope, op: &Forward) -> Gradients {
    let node = scope.op("MaxPoolGradV2").input(op.input(0)?).input(op.output(0));
    let node = node.input(op.grad(0)?).input(op.input(1)?).input(op.input(2)?);
    first(op.like(node, &["padding", "data_format"]).build_one()?, 3)
}

fn max_pool_with_argmax(scope: &mut Scope, op: &Forward) -> Gradients {
    let node = scope.op("MaxPoolGradWithArgmax").input(op.input(0)?).input(op.grad(0)?);
    let node = op
        .like(node.input(op.output(1)), &["ksize", "strides", "padding", "include_batch_in_index"]);
    all([node.build_one()?])
}

/// The gradients of the gradient of a maximum: none of its first two inputs.
fn second_order(scope: &mut Scope, op: &Forward, grad_op: &str) -> Gradients {
    let (input, output) = (op.input(0)?, op.input(1)?);
    let zeros = [scope.zeros_like(input)?, scope.zeros_like(output)?];
    let node = scope.op(grad_op).input(input).input(output).input(op.grad(0)?);
    all([zeros[0], zeros[1], op.like(node, POOL).build_one()?])
}

fn max_pool_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    second_order(scope, op, "MaxPoolGradGrad")
}

fn max_pool_3d_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    second_order(scope, op, "MaxPool3DGradGrad")
}

fn max_pool_3d_grad_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    second_order(scope, op, "MaxPool3DGrad")
}

fn max_pool_grad_v2(scope: &mut Scope, op: &Forward) -> Gradients {
    let (input, output) = (op.input(0)?, op.input(1)?);
    let zeros = [scope.zeros_like(input)?, scope.zeros_like(output)?];
    let node = scope.op("MaxPoolGradGradV2").input(input).input(output).input(op.grad(0)?);
    let node = op.like(node.input(op.input(3)?).input(op.input(4)?), &["padding", "data_format"]);
    let grad = node.build_one()?;
    Ok(vec![Some(zeros[0].into()), Some(zeros[1].into()), Some(grad.into()), None, None])
}

fn max_pool_grad_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    second_order(scope, op, "MaxPoolGrad")
}
