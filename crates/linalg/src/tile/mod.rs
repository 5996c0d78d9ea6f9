//! Products of gathered rows with a packed matrix: the inner part of convolution.
//!
//! The right operand is packed into [`Panels`], a register tile wide. The left operand is not
//! packed at all: a [`Gathered`] says where its pieces lie, so that an image serves in place,
//! padding is a row of zeros, and stride and dilation cost nothing in the inner loop.

mod gathered;
mod kernel;
mod panels;

pub(crate) use self::gathered::{Gathered, Row, Window};
pub(crate) use self::kernel::{Right, activated, multiply};
pub(crate) use self::panels::{Panel, Panels, fill, narrow_or_full, panel_width};

/// What is done to the results of a convolution or product before they are stored.
#[derive(Clone, Copy, Debug, Default)]
pub struct Epilogue<'a, T> {
    /// One summand per output channel (column).
    pub bias: Option<&'a [T]>,
    /// Applied after the bias.
    pub activation: Activation,
}

impl<T> Epilogue<'_, T> {
    /// Stores the results as they are.
    pub const NONE: Self = Epilogue { bias: None, activation: Activation::None };
}

/// An activation function that is cheap enough to be fused. NaN stays NaN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// The value itself.
    #[default]
    None,
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, 0), 6)`.
    Relu6,
}

#[cfg(test)]
mod tests;
