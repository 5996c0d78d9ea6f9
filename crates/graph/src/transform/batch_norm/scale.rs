//! Mul after a convolution or a product.

use std::sync::Arc;

use flowkeep_proto::pb;
use flowkeep_tensor::{DType, Tensor};

use super::{Floats, Skip, data_format, is_used_beside, n_channels, skip, type_of};
use crate::{Attr, GraphEdit, NodeId, NodeSpec};

/// A Mul of what may be folded.
pub(super) struct Scale {
    mul: NodeId,
    product: NodeId,
    weights: Floats,
    factors: Floats,
}

/// The parts of the pattern that ends in the node `mul`, if it does.
pub(super) fn find(edit: &GraphEdit, mul: NodeId) -> Option<Scale> {
    let [product, factors] = edit.node(mul)?.inputs() else { return None };
    let node = edit.node(product.node)?;
    if !matches!(node.op(), "Conv2D" | "DepthwiseConv2dNative" | "MatMul") {
        return None;
    }
    let weights = Floats::of(edit, *node.inputs().get(1)?).ok()?;
    let factors = Floats::of(edit, *factors).ok()?;
    Some(Scale { mul, product: product.node, weights, factors })
}

impl Scale {
    /// Gives the node that the Mul was folded into.
    pub(super) fn fold(self, edit: &mut GraphEdit) -> Result<Arc<str>, Skip> {
        let Scale { mul, product, weights, factors } = self;
        let Some(node) = edit.node(product) else { return skip("the product is gone") };
        if type_of(node) != Some(DType::F32) {
            return skip("only float is folded");
        }
        let Some(n_columns) = n_channels(node.op(), weights.dims()) else {
            return skip(format!("weights have shape {}", weights.value.shape()));
        };
        if factors.dims() != [n_columns] {
            return skip(format!(
                "Mul constant input to batch norm has bad shape: {}",
                factors.value.shape()
            ));
        }
        if node.op() != "MatMul" && data_format(node) != b"NHWC" {
            return skip("the Mul is along another dimension than the channels");
        }
        if node.attrs().bool("transpose_b") == Ok(true) {
            return skip("weights are transposed");
        }
        let users = [(product, mul), (weights.id, product), (factors.id, mul)];
        if users.into_iter().any(|(id, user)| is_used_beside(edit, id, user)) {
            return skip("the product, its weights or the factors are used elsewhere");
        }
        let (values, by) = (weights.values()?, factors.values()?);
        let scaled: Vec<f32> =
            values.iter().zip(by.iter().cycle()).map(|(value, factor)| value * factor).collect();
        let scaled = Tensor::from_vec(weights.value.shape().clone(), scaled)
            .map_err(|error| crate::Error::Arguments(error.to_string()))?;

        let Some((node, mul_node)) = edit.node(product).zip(edit.node(mul)) else {
            return skip("the product is gone");
        };
        let (name, into) = (mul_node.shared_name().clone(), node.shared_name().clone());
        let mut spec = NodeSpec::from(node);
        spec.name = name;
        spec.control_inputs.extend(mul_node.control_inputs());
        edit.set_attr(weights.id, "value", Attr::Tensor(pb::TensorProto::from(&scaled).into()));
        edit.replace(mul, spec);
        edit.replace_control(product, &[mul]);
        edit.replace_control(factors.id, &[]);
        edit.remove(product);
        edit.remove(factors.id);
        Ok(into)
    }
}
