//! Two-dimensional convolution of NHWC images.
//!
//! Images are `[batch, height, width, channels]`, filters `[height, width, in channels of a
//! group, out channels]` (HWIO). A filter is packed once ([`PackedFilter`]) and can be kept;
//! images are read in place. No matrix of image patches is ever built.

mod backprop;
mod depthwise;
mod filter_gradient;
mod forward;
mod geometry;
mod order;
mod patches;
mod winograd;

pub use self::backprop::conv2d_backprop_input;
pub use self::depthwise::{DepthwiseGeometry, depthwise_conv2d};
pub use self::filter_gradient::conv2d_backprop_filter;
pub use self::forward::{PackedFilter, conv2d, conv2d_packed};
pub use self::geometry::Conv2dGeometry;

#[cfg(test)]
mod tests;
