//! Convolution and pooling of images.

use super::super::{Operand, Scope};
use crate::{Attr, AttrList, Error, Output};

/// What is done at the edges of images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Padding {
    /// As many zeros as keep the size.
    Same,
    /// Nothing: windows stay within.
    Valid,
    /// So many zeros before and behind rows, and before and behind columns.
    Explicit([[i64; 2]; 2]),
}

/// The order of dimensions of images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DataFormat {
    /// Batch, rows, columns, channels.
    #[default]
    Nhwc,
    /// Batch, channels, rows, columns.
    Nchw,
}

/// How a filter moves over images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conv2dOptions {
    /// Rows and columns from one place to the next.
    pub strides: [i64; 2],
    /// What is done at the edges.
    pub padding: Padding,
    /// Rows and columns from one element of the filter to the next.
    pub dilations: [i64; 2],
    /// The order of dimensions.
    pub data_format: DataFormat,
}

impl Conv2dOptions {
    /// From place to place with no gaps, over images with channels last.
    pub fn new(padding: Padding) -> Conv2dOptions {
        Conv2dOptions {
            strides: [1, 1],
            padding,
            dilations: [1, 1],
            data_format: DataFormat::default(),
        }
    }
}

/// How a window moves over images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolOptions {
    /// Rows and columns of the window.
    pub ksize: [i64; 2],
    /// Rows and columns from one place to the next.
    pub strides: [i64; 2],
    /// What is done at the edges.
    pub padding: Padding,
    /// The order of dimensions.
    pub data_format: DataFormat,
}

impl PoolOptions {
    /// Windows of this size side by side, over images with channels last.
    pub fn new(ksize: [i64; 2], padding: Padding) -> PoolOptions {
        PoolOptions { ksize, strides: ksize, padding, data_format: DataFormat::default() }
    }
}

impl DataFormat {
    pub(super) fn attr(self) -> Attr {
        Attr::Str(bytes::Bytes::from_static(match self {
            DataFormat::Nhwc => b"NHWC",
            DataFormat::Nchw => b"NCHW",
        }))
    }

    /// Numbers for rows and columns, with ones for the other dimensions.
    fn spread(self, [rows, columns]: [i64; 2]) -> Attr {
        let all = match self {
            DataFormat::Nhwc => [1, rows, columns, 1],
            DataFormat::Nchw => [1, 1, rows, columns],
        };
        Attr::List(AttrList::Int(all.into()))
    }
}

impl Padding {
    fn attr(&self) -> Attr {
        Attr::Str(bytes::Bytes::from_static(match self {
            Padding::Same => b"SAME",
            Padding::Valid => b"VALID",
            Padding::Explicit(_) => b"EXPLICIT",
        }))
    }

    fn explicit(&self, format: DataFormat) -> Attr {
        let Padding::Explicit([rows, columns]) = *self else { return Attr::List(AttrList::Empty) };
        let none = [0, 0];
        let all = match format {
            DataFormat::Nhwc => [none, rows, columns, none],
            DataFormat::Nchw => [none, none, rows, columns],
        };
        Attr::List(AttrList::Int(all.as_flattened().into()))
    }
}

impl Scope {
    /// Images convolved with filters.
    ///
    /// Shapes: `input [N, H, W, C]`, `filter [h, w, C, K]` → `[N, H', W', K]`.
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn conv2d(
        &mut self,
        input: impl Into<Operand>,
        filter: impl Into<Operand>,
        options: Conv2dOptions,
    ) -> Result<Output, Error> {
        let Conv2dOptions { strides, padding, dilations, data_format } = options;
        self.op("Conv2D")
            .input(input)
            .input(filter)
            .attr("strides", data_format.spread(strides))
            .attr("padding", padding.attr())
            .attr("explicit_paddings", padding.explicit(data_format))
            .attr("dilations", data_format.spread(dilations))
            .attr("data_format", data_format.attr())
            .build_one()
    }

    /// The greatest element in each window.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn max_pool(
        &mut self,
        value: impl Into<Operand>,
        options: PoolOptions,
    ) -> Result<Output, Error> {
        let PoolOptions { ksize, strides, padding, data_format } = options;
        self.scoped("MaxPool", |scope, name| {
            scope
                .op("MaxPool")
                .input(value)
                .attr("ksize", data_format.spread(ksize))
                .attr("strides", data_format.spread(strides))
                .attr("padding", padding.attr())
                .attr("explicit_paddings", padding.explicit(data_format))
                .attr("data_format", data_format.attr())
                .name(name)
                .build_one()
        })
    }

    /// The mean of each window; padding is not counted, and cannot be explicit.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn avg_pool(
        &mut self,
        value: impl Into<Operand>,
        options: PoolOptions,
    ) -> Result<Output, Error> {
        let PoolOptions { ksize, strides, padding, data_format } = options;
        self.scoped("AvgPool", |scope, name| {
            scope
                .op("AvgPool")
                .input(value)
                .attr("ksize", data_format.spread(ksize))
                .attr("strides", data_format.spread(strides))
                .attr("padding", padding.attr())
                .attr("data_format", data_format.attr())
                .name(name)
                .build_one()
        })
    }
}
