//! TensorFlow's nn ops: what the layers of networks are made of.
//!
//! Images may have their channels last (NHWC) or first (NCHW); kernels compute on the former.

mod activation;
mod activation_grad;
mod batch_norm;
mod batch_norm_grad;
mod bias;
mod bias_grad;
mod conv;
mod conv3d;
mod conv3d_filter_grad;
mod conv_backprop;
mod conv_filter_grad;
mod conv_int;
mod crop_grad;
mod cross_entropy;
mod depth_space;
mod depthwise;
mod depthwise_grad;
mod fused_conv;
mod global_norm;
mod global_norm_grad;
mod layout;
mod lrn_grad;
mod pool3d;
mod pool3d_grad;
mod pool_argmax;
mod pool_grad;
mod pool_grad_grad;
mod pooling;
mod real;
mod reduce;
mod resize;
mod resize_grad;
mod sampling;
mod scale_grad;
mod softmax;
mod tail;
mod top_k;
mod volume;
mod window;

use flowkeep_tensor::DType;

use crate::kernel::{Fusion, OpRegistration, TypeConstraint, op};
use crate::ops::dispatch::{FLOATS, INDICES, NUMBERS, REALS};

const T_FLOAT: &[TypeConstraint] = &[("T", FLOATS)];
const T_REAL: &[TypeConstraint] = &[("T", REALS)];
/// Behind a convolution, it is done on the way out.
const BEHIND_CONV: Fusion = Fusion { merge: Some(conv::merged), ..Fusion::NONE };
/// The gradient of pooling is told where the maxima were.
const BEHIND_POOL: Fusion = Fusion { trace: Some(pool_grad::traced), ..Fusion::NONE };
/// The gradient of pooling leaves out what a rectifier before it does not let through.
const BEHIND_POOL_GRAD: Fusion = Fusion { mask: Some(pool_grad::rectified), ..Fusion::NONE };
const T_NUMBER: &[TypeConstraint] = &[("T", NUMBERS)];
const CONVOLVED: &[DType] = &[DType::F16, DType::BF16, DType::F32, DType::F64, DType::I32];
const T_CONVOLVED: &[TypeConstraint] = &[("T", CONVOLVED)];
const SINGLE: &[DType] = &[DType::F16, DType::BF16, DType::F32];
const BATCH_NORM: &[TypeConstraint] = &[("T", SINGLE), ("U", &[DType::F32])];
const TARGETS: &[TypeConstraint] = &[("T", &[DType::I32, DType::I64])];
const LABELED: &[TypeConstraint] = &[("T", FLOATS), ("Tlabels", &[DType::I32, DType::I64])];
const CONV3D_BACK: &[TypeConstraint] = &[("T", FLOATS), ("Tshape", INDICES)];
const POOL3D_BACK: &[TypeConstraint] = &[("T", FLOATS), ("TInput", FLOATS)];
const ARGMAX: &[TypeConstraint] = &[("T", REALS), ("Targmax", INDICES)];
const TOP_K: &[TypeConstraint] = &[
    ("T", REALS),
    ("Tk", &[DType::I16, DType::I32, DType::I64]),
    ("index_type", &[DType::I16, DType::I32, DType::I64]),
];

/// The table of this family, sorted by op.
pub(super) const OPS: &[OpRegistration] = &[
    op("AvgPool").types(T_FLOAT).cpu(pooling::avg_pool_2d),
    op("AvgPool3D").types(T_FLOAT).cpu(pool3d::avg_pool_3d),
    op("AvgPool3DGrad").types(T_FLOAT).cpu(pool3d_grad::avg_pool_3d_grad),
    op("AvgPoolGrad").types(T_FLOAT).cpu(pool_grad::avg_pool_grad),
    op("BatchNormWithGlobalNormalization").types(T_FLOAT).cpu(global_norm::global_norm),
    op("BatchNormWithGlobalNormalizationGrad")
        .types(T_FLOAT)
        .cpu(global_norm_grad::global_norm_grad),
    op("BiasAdd").types(T_NUMBER).cpu(bias::bias_add).fusion(BEHIND_CONV),
    op("BiasAddGrad").types(T_REAL).cpu(bias_grad::bias_add_grad),
    op("BiasAddV1").types(T_NUMBER).cpu(bias::bias_add_v1).fusion(BEHIND_CONV),
    op("Conv2D").types(T_CONVOLVED).cpu(conv::conv2d),
    op("Conv2DBackpropFilter").types(T_FLOAT).cpu(conv_filter_grad::conv2d_backprop_filter),
    op("Conv2DBackpropInput").types(T_CONVOLVED).cpu(conv_backprop::conv2d_backprop),
    op("Conv3D").types(T_FLOAT).cpu(conv3d::conv3d),
    op("Conv3DBackpropFilterV2").types(T_FLOAT).cpu(conv3d_filter_grad::conv3d_backprop_filter),
    op("Conv3DBackpropInputV2").types(CONV3D_BACK).cpu(conv3d::conv3d_backprop_input),
    op("CropAndResizeGradBoxes").types(T_REAL).cpu(crop_grad::crop_and_resize_grad_boxes),
    op("CropAndResizeGradImage").types(T_FLOAT).cpu(crop_grad::crop_and_resize_grad_image),
    op("DepthToSpace").cpu(depth_space::depth_to_space),
    op("DepthwiseConv2dNative").types(T_FLOAT).cpu(depthwise::depthwise_conv2d_native),
    op("DepthwiseConv2dNativeBackpropFilter")
        .types(T_FLOAT)
        .cpu(depthwise_grad::depthwise_backprop_filter),
    op("DepthwiseConv2dNativeBackpropInput")
        .types(T_FLOAT)
        .cpu(depthwise_grad::depthwise_backprop_input),
    op("Elu").types(T_FLOAT).cpu(activation::elu),
    op("EluGrad").types(T_FLOAT).cpu(activation_grad::elu_grad),
    op("FusedBatchNorm").types(&[("T", &[DType::F32])]).cpu(batch_norm::fused_batch_norm),
    op("FusedBatchNormGrad")
        .types(&[("T", &[DType::F32])])
        .cpu(batch_norm_grad::fused_batch_norm_grad),
    op("FusedBatchNormGradV2").types(BATCH_NORM).cpu(batch_norm_grad::fused_batch_norm_grad),
    op("FusedBatchNormGradV3").types(BATCH_NORM).cpu(batch_norm_grad::fused_batch_norm_grad),
    op("FusedBatchNormV2").types(BATCH_NORM).cpu(batch_norm::fused_batch_norm),
    op("FusedBatchNormV3").types(BATCH_NORM).cpu(batch_norm::fused_batch_norm),
    op("FusedPadConv2D").types(T_FLOAT).cpu(fused_conv::fused_conv),
    op("FusedResizeAndPadConv2D").types(T_FLOAT).cpu(fused_conv::fused_conv),
    op("InTopK").types(TARGETS).cpu(top_k::in_top_k),
    op("InTopKV2").types(TARGETS).cpu(top_k::in_top_k),
    op("L2Loss").types(T_FLOAT).cpu(reduce::l2_loss),
    op("LRN").types(&[("T", SINGLE)]).cpu(reduce::lrn),
    op("LRNGrad").types(&[("T", SINGLE)]).cpu(lrn_grad::lrn_grad),
    op("LeakyRelu").types(T_FLOAT).cpu(activation::leaky_relu),
    op("LeakyReluGrad").types(T_FLOAT).cpu(activation_grad::leaky_relu_grad),
    op("LogSoftmax").types(T_FLOAT).cpu(softmax::softmax_of::<true>),
    op("MaxPool").types(&[("T", pooling::MAX_POOL)]).cpu(pooling::max_pool_2d),
    op("MaxPool3D").types(T_FLOAT).cpu(pool3d::max_pool_3d),
    op("MaxPool3DGrad").types(POOL3D_BACK).cpu(pool3d_grad::max_pool_3d_grad),
    op("MaxPool3DGradGrad").types(T_REAL).cpu(pool_grad_grad::max_pool_3d_grad_grad),
    op("MaxPoolGrad").types(T_REAL).cpu(pool_grad::max_pool_grad).fusion(BEHIND_POOL),
    op("MaxPoolGradGrad").types(T_REAL).cpu(pool_grad_grad::max_pool_grad_grad),
    op("MaxPoolGradGradV2").types(T_REAL).cpu(pool_grad_grad::max_pool_grad_grad),
    op("MaxPoolGradV2").types(T_REAL).cpu(pool_grad::max_pool_grad),
    op("MaxPoolGradWithArgmax")
        .types(&[("T", REALS), ("Targmax", &[DType::I32, DType::I64])])
        .cpu(pool_grad::max_pool_grad_with_argmax),
    op("MaxPoolV2").types(&[("T", pooling::MAX_POOL)]).cpu(pooling::max_pool_2d),
    op("MaxPoolWithArgmax").types(ARGMAX).cpu(pool_argmax::max_pool_with_argmax),
    op("Relu").types(T_REAL).cpu(activation::relu).fusion(BEHIND_CONV),
    op("Relu6").types(T_REAL).cpu(activation::relu6).fusion(BEHIND_CONV),
    op("Relu6Grad").types(T_REAL).cpu(activation_grad::relu6_grad),
    op("ReluGrad").types(T_REAL).cpu(activation_grad::relu_grad).fusion(BEHIND_POOL_GRAD),
    op("ResizeArea").types(T_REAL).cpu(resize::area),
    op("ResizeBicubic").types(T_REAL).cpu(resize::bicubic),
    op("ResizeBicubicGrad").types(T_FLOAT).cpu(resize_grad::bicubic_grad),
    op("ResizeBilinear").types(T_REAL).cpu(resize::bilinear),
    op("ResizeBilinearGrad").types(T_FLOAT).cpu(resize_grad::bilinear_grad),
    op("ResizeNearestNeighbor").types(T_REAL).cpu(resize::nearest_neighbor),
    op("ResizeNearestNeighborGrad").types(T_REAL).cpu(resize_grad::nearest_neighbor_grad),
    op("ScaleAndTranslateGrad")
        .types(&[("T", &[DType::F32])])
        .cpu(scale_grad::scale_and_translate_grad),
    op("Selu").types(T_FLOAT).cpu(activation::selu),
    op("SeluGrad").types(T_FLOAT).cpu(activation_grad::selu_grad),
    op("Softmax").types(T_FLOAT).cpu(softmax::softmax_of::<false>),
    op("SoftmaxCrossEntropyWithLogits").types(T_FLOAT).cpu(cross_entropy::cross_entropy),
    op("Softplus").types(T_FLOAT).cpu(activation::softplus),
    op("SoftplusGrad").types(T_FLOAT).cpu(activation_grad::softplus_grad),
    op("Softsign").types(T_FLOAT).cpu(activation::softsign),
    op("SoftsignGrad").types(T_FLOAT).cpu(activation_grad::softsign_grad),
    op("SpaceToDepth").cpu(depth_space::space_to_depth),
    op("SparseSoftmaxCrossEntropyWithLogits")
        .types(LABELED)
        .cpu(cross_entropy::sparse_cross_entropy),
    op("TopK").types(T_REAL).cpu(top_k::top_k),
    op("TopKV2").types(TOP_K).cpu(top_k::top_k),
];
