//! Normalizations after convolutions.

use std::sync::Arc;

use flowkeep_tensor::{DType, Tensor};

use super::{Floats, Skip, data_format, is_used_beside, n_channels, skip, type_of};
use crate::transform::reach::{constant, unused_name};
use crate::{Attr, Error, GraphEdit, Node, NodeId, NodeSpec, Output};

/// The inputs of a normalization, and the attribute with its epsilon.
struct Norm {
    conv: Output,
    gamma: Output,
    beta: Output,
    mean: Output,
    variance: Output,
    epsilon: f32,
    /// Whether gamma counts.
    is_scaled: bool,
}

impl Norm {
    fn of(node: &Node) -> Option<Norm> {
        let [conv, a, b, c, d] = *node.inputs() else { return None };
        Some(match node.op() {
            "BatchNormWithGlobalNormalization" => Norm {
                conv,
                mean: a,
                variance: b,
                beta: c,
                gamma: d,
                epsilon: node.attrs().float("variance_epsilon").ok()?,
                is_scaled: node.attrs().bool("scale_after_normalization").ok()?,
            },
            _ => Norm {
                conv,
                gamma: a,
                beta: b,
                mean: c,
                variance: d,
                epsilon: node.attrs().float("epsilon").ok()?,
                is_scaled: true,
            },
        })
    }
}

/// A convolution, perhaps with a bias that is added to it.
struct Biased {
    conv: NodeId,
    /// The node that adds, and what it adds.
    bias: Option<(NodeId, Floats)>,
}

/// Folds a normalization; gives the convolution that it was folded into.
pub(super) fn fold(edit: &mut GraphEdit, id: NodeId) -> Result<Arc<str>, Skip> {
    let is_other =
        |node: &Node| node.inputs().iter().any(|input| input.node == id && input.index != 0);
    let users = edit.consumers(id);
    if users.iter().any(|user| edit.node(*user).is_some_and(is_other)) {
        return skip("its other outputs are used");
    }
    let Some((node, norm)) = edit.node(id).and_then(|node| Some((node, Norm::of(node)?))) else {
        return skip("it does not have five inputs");
    };
    let name = node.shared_name().clone();
    if node.attrs().bool("is_training") == Ok(true) {
        return skip("it is in training mode");
    }
    let Biased { conv, bias } = biased(edit, &name, norm.conv)?;
    let (node, conv_node) = match (edit.node(id), edit.node(conv)) {
        (Some(node), Some(conv_node)) => (node, conv_node),
        _ => return skip("the convolution is gone"),
    };
    let Some(weights) = conv_node.inputs().get(1) else { return skip("it has no weights") };
    let weights = Floats::of(edit, *weights).map_err(|other| match other {
        Ok(found) => Skip::Because(format!(
            "Didn't find expected conv Constant input to '{}', found {} instead. \
             Maybe because freeze_graph wasn't run first?",
            conv_node.name(),
            found.name()
        )),
        Err(error) => Skip::Error(error),
    })?;
    let Some(n) = n_channels(conv_node.op(), weights.dims()) else {
        return skip(format!("weights have shape {}", weights.value.shape()));
    };
    let mean = vector(edit, &name, "mean", norm.mean, n)?;
    let variance = vector(edit, &name, "var", norm.variance, n)?;
    let beta = vector(edit, &name, "beta", norm.beta, n)?;
    let gamma = vector(edit, &name, "gamma", norm.gamma, n)?;

    let has_format = node.op() != "BatchNormWithGlobalNormalization";
    let format = data_format(conv_node);
    if has_format && data_format(node) != format {
        return skip("it has another data_format than the convolution");
    }
    if !has_format && format != b"NHWC" {
        return skip("it normalizes another dimension than the channels");
    }
    if type_of(conv_node) != Some(DType::F32) || type_of(node) != Some(DType::F32) {
        return skip("only float is folded");
    }
    let bias_values = match &bias {
        Some((add, bias)) => Some(channels_of_bias(edit, *add, bias, format, n)?),
        None => None,
    };
    let before = bias.as_ref().map_or(id, |(add, _)| *add);
    if is_used_beside(edit, conv, before)
        || bias.as_ref().is_some_and(|(add, _)| is_used_beside(edit, *add, id))
    {
        return skip("what it normalizes is used elsewhere");
    }
    let numbers = Numbers {
        weights: weights.values()?,
        mean: mean.values()?,
        variance: variance.values()?,
        beta: beta.values()?,
        gamma: norm.is_scaled.then(|| gamma.values()).transpose()?,
        bias: bias_values,
        epsilon: norm.epsilon,
    };
    let Some((scaled, offset)) = numbers.fold() else { return skip("a variance is negative") };
    let scaled = Tensor::from_vec(weights.value.shape().clone(), scaled);
    let scaled = scaled.map_err(|error| Error::Arguments(error.to_string()))?;
    rewrite(edit, id, conv, bias.map(|(add, _)| add), &weights, scaled, offset)
}

/// The convolution that a normalization takes, and the bias between.
fn biased(edit: &GraphEdit, name: &str, input: Output) -> Result<Biased, Skip> {
    let is_conv = |id: NodeId| {
        let node = edit.node(id);
        node.is_some_and(|node| matches!(node.op(), "Conv2D" | "DepthwiseConv2dNative"))
    };
    let not_found =
        || skip(format!("Didn't find expected Conv2D or DepthwiseConv2dNative input to '{name}'"));
    if is_conv(input.node) {
        return Ok(Biased { conv: input.node, bias: None });
    }
    let add = match edit.node(input.node) {
        Some(node) if matches!(node.op(), "BiasAdd" | "Add" | "AddV2") => node,
        _ => return not_found(),
    };
    let [first, second] = *add.inputs() else { return not_found() };
    let (conv, bias) = match is_conv(first.node) {
        true => (first.node, second),
        false => (second.node, first),
    };
    match Floats::of(edit, bias) {
        Ok(_) if !is_conv(conv) => not_found(),
        Ok(bias) => Ok(Biased { conv, bias: Some((input.node, bias)) }),
        Err(Ok(found)) => skip(format!(
            "The bias {} after the conv {} was not a constant. \
             Maybe because freeze_graph wasn't run first?",
            found.name(),
            edit.node(conv).map_or("", Node::name)
        )),
        Err(Err(error)) => Err(error.into()),
    }
}

/// A constant with one number for each channel.
fn vector(
    edit: &GraphEdit,
    name: &str,
    what: &str,
    input: Output,
    n: usize,
) -> Result<Floats, Skip> {
    match Floats::of(edit, input) {
        Ok(found) if found.dims() == [n] => Ok(found),
        Ok(found) => skip(format!(
            "Incorrect shape for {what}, found {}, expected [{n}], for node {name}",
            found.value.shape()
        )),
        Err(Ok(found)) => skip(format!(
            "Didn't find expected {what} Constant input to '{name}', found {} instead. \
             Maybe because freeze_graph wasn't run first?",
            found.name()
        )),
        Err(Err(error)) => Err(error.into()),
    }
}

/// The bias of each channel of a convolution with this format of data.
fn channels_of_bias(
    edit: &GraphEdit,
    add: NodeId,
    bias: &Floats,
    format: &[u8],
    n: usize,
) -> Result<Vec<f32>, Skip> {
    let is_by_channel = match edit.node(add) {
        Some(node) if node.op() == "BiasAdd" => data_format(node) == format,
        _ => format == b"NHWC",
    };
    let is_vector = match bias.dims().split_last() {
        Some((last, others)) => {
            *last == n && others.len() < 4 && others.iter().all(|dim| *dim == 1)
        }
        None => false,
    };
    match bias.values()? {
        [value] if bias.dims().len() <= 4 => Ok(vec![*value; n]),
        values if is_vector && is_by_channel => Ok(values.to_vec()),
        _ => skip(format!("the bias has shape {}", bias.value.shape())),
    }
}

/// What the new weights are computed from; all but the weights have one number for each channel.
struct Numbers<'a> {
    weights: &'a [f32],
    mean: &'a [f32],
    variance: &'a [f32],
    beta: &'a [f32],
    gamma: Option<&'a [f32]>,
    bias: Option<Vec<f32>>,
    epsilon: f32,
}

impl Numbers<'_> {
    /// The new weights and the offsets; `None` for negative variances.
    ///
    /// Means and variances are `f32` until a square root is taken; from then on all is `f64`.
    #[expect(clippy::as_conversions, reason = "f64 to f32 rounds, as it must")]
    fn fold(&self) -> Option<(Vec<f32>, Vec<f32>)> {
        let n = self.mean.len();
        let mut scales = Vec::with_capacity(n);
        let mut offsets = Vec::with_capacity(n);
        let channels = self.mean.iter().zip(self.variance).zip(self.beta).enumerate();
        for (idx, ((mean, variance), beta)) in channels {
            let variance = variance + self.epsilon;
            if variance < 0.0 {
                return None;
            }
            let mut scale = 1.0 / f64::from(variance).sqrt();
            if let Some(gamma) = self.gamma.and_then(|gamma| gamma.get(idx)) {
                scale *= f64::from(*gamma);
            }
            let bias = self.bias.as_ref().and_then(|bias| bias.get(idx));
            let mean = bias.map_or(*mean, |bias| mean - bias);
            offsets.push((f64::from(-mean) * scale + f64::from(*beta)) as f32);
            scales.push(scale);
        }
        let weights = self.weights.iter().zip(scales.iter().cycle());
        let weights = weights.map(|(weight, scale)| (f64::from(*weight) * scale) as f32);
        Some((weights.collect(), offsets))
    }
}

fn rewrite(
    edit: &mut GraphEdit,
    id: NodeId,
    conv: NodeId,
    add: Option<NodeId>,
    weights: &Floats,
    scaled: Tensor,
    offset: Vec<f32>,
) -> Result<Arc<str>, Skip> {
    let Some((node, conv_node)) = edit.node(id).zip(edit.node(conv)) else {
        return skip("the convolution is gone");
    };
    let into = conv_node.shared_name().clone();
    let mut spec = NodeSpec::new(node.shared_name().clone(), "BiasAdd")
        .attr("T", Attr::Type(DType::F32))
        .attr("data_format", Attr::Str(data_format(conv_node).to_vec().into()));
    spec.control_inputs.extend(node.control_inputs());
    if let Some(add) = add.and_then(|add| edit.node(add)) {
        spec.control_inputs.extend(add.control_inputs());
    }
    let weights_name = unused_name(edit, &format!("{into}_weights"));
    let new_weights = edit.add(constant(weights_name, &scaled));
    edit.set_input(conv, 1, new_weights.output(0));
    let offset_name = unused_name(edit, &format!("{into}_bn_offset"));
    let offset = edit.add(constant(offset_name, &Tensor::from_elements(offset)));
    edit.replace(id, spec.inputs([conv.output(0), offset.output(0)]));
    if let Some(add) = add {
        edit.replace_control(add, &[conv]);
        edit.remove(add);
    }
    if !edit.consumers(weights.id).iter().any(|user| {
        edit.node(*user)
            .is_some_and(|node| node.inputs().iter().any(|input| input.node == weights.id))
    }) {
        edit.replace_control(weights.id, &[]);
        edit.remove(weights.id);
    }
    Ok(into)
}
