//! TensorFlow's nn ops: what the layers of networks are made of.
//!
//! Images may have their channels last (NHWC) or first (NCHW); kernels compute on the former.

mod activation;
mod bias;
mod layout;
mod real;

use crate::kernel::{OpRegistration, op};
use crate::ops::dispatch::{FLOATS, REALS};

/// The table of this family, sorted by op.
pub(super) const OPS: &[OpRegistration] = &[
    op("BiasAdd").types(&[("T", REALS)]).cpu(bias::bias_add),
    op("BiasAddV1").types(&[("T", REALS)]).cpu(bias::bias_add_v1),
    op("Elu").types(&[("T", FLOATS)]).cpu(activation::elu),
    op("LeakyRelu").types(&[("T", FLOATS)]).cpu(activation::leaky_relu),
    op("Relu").types(&[("T", REALS)]).cpu(activation::relu),
    op("Relu6").types(&[("T", REALS)]).cpu(activation::relu6),
    op("Selu").types(&[("T", FLOATS)]).cpu(activation::selu),
    op("Softplus").types(&[("T", FLOATS)]).cpu(activation::softplus),
    op("Softsign").types(&[("T", FLOATS)]).cpu(activation::softsign),
];
