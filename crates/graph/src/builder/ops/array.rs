//! Placeholders and constants; ops that look at shapes or change them.

use flowkeep_tensor::{DType, PartialShape, Tensor};

use super::super::random::number;
use super::super::shape::Dim;
use super::super::{Operand, Scope};
use crate::{Attr, Error, Output};

impl Scope {
    /// A tensor that is fed.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn placeholder(
        &mut self,
        dtype: DType,
        dims: impl Into<Vec<Dim>>,
    ) -> Result<Output, Error> {
        self.placeholder_of(dtype, PartialShape::new(dims.into()))
    }

    /// A tensor that is fed, of a shape the rank of which may be unknown.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn placeholder_of(&mut self, dtype: DType, shape: PartialShape) -> Result<Output, Error> {
        let op = self.op("Placeholder").attr("dtype", Attr::Type(dtype));
        op.attr("shape", Attr::Shape(shape)).build_one()
    }

    /// A tensor that may be fed, and is `default` if it is not.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn placeholder_with_default(
        &mut self,
        default: impl Into<Operand>,
        dims: impl Into<Vec<Dim>>,
    ) -> Result<Output, Error> {
        let shape = PartialShape::new(dims.into());
        self.op("PlaceholderWithDefault")
            .input(default)
            .attr("shape", Attr::Shape(shape))
            .build_one()
    }

    /// A constant.
    ///
    /// Errors: `INVALID_ARGUMENT` for a malformed or taken name.
    pub fn constant(&mut self, value: impl Into<Tensor>) -> Result<Output, Error> {
        let name = self.take_op_name("Const");
        self.constant_named(&value.into(), &name)
    }

    /// The elements in another shape, a vector of sizes of which one may be -1.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn reshape(
        &mut self,
        tensor: impl Into<Operand>,
        shape: impl Into<Operand>,
    ) -> Result<Output, Error> {
        self.op("Reshape").input(tensor).input(shape).build_one()
    }

    /// The tensor with its axes in another order.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn transpose(
        &mut self,
        a: impl Into<Operand>,
        perm: impl Into<Operand>,
    ) -> Result<Output, Error> {
        self.scoped("transpose", |scope, name| {
            let a = scope.tensor(a, "a")?;
            scope.op("Transpose").input(a).input(perm).name(name).build_one()
        })
    }

    /// The tensor with its axes in the opposite order, of a rank that is known.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build); `UNIMPLEMENTED` for an
    /// unknown rank.
    pub fn transpose_all(&mut self, a: impl Into<Operand>) -> Result<Output, Error> {
        self.scoped("transpose", |scope, name| {
            let a = scope.tensor(a, "a")?;
            let rank = scope.shape(a).rank().and_then(|rank| i32::try_from(rank).ok());
            let rank = rank.ok_or_else(|| {
                Error::Unsupported("transposing all axes of a tensor of unknown rank".to_owned())
            })?;
            let perm: Vec<i32> = (0..rank).rev().collect();
            scope.op("Transpose").input(a).input(perm).name(name).build_one()
        })
    }

    /// The tensor with a dimension of size 1 more, at `axis`.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn expand_dims(&mut self, input: impl Into<Operand>, axis: i32) -> Result<Output, Error> {
        self.op("ExpandDims").input(input).input(axis).build_one()
    }

    /// The tensor without dimensions of size 1: without those at `axes`, or without any if none are
    /// given.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn squeeze(&mut self, input: impl Into<Operand>, axes: &[i64]) -> Result<Output, Error> {
        let axes = Attr::List(if axes.is_empty() {
            crate::AttrList::Empty
        } else {
            crate::AttrList::Int(axes.into())
        });
        self.op("Squeeze").input(input).attr("squeeze_dims", axes).build_one()
    }

    /// The shape as a vector of `int32`: a constant if it is known.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn shape_of(&mut self, input: impl Into<Operand>) -> Result<Output, Error> {
        self.scoped("Shape", |scope, name| {
            let input = scope.tensor(input, "Const")?;
            match scope.shape(input).to_shape() {
                Some(shape) => {
                    scope.constant_operand(super::super::random::shape_operand(&shape)?, name)
                }
                None => scope.op("Shape").input(input).name(name).build_one(),
            }
        })
    }

    /// The rank: a constant if it is known.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn rank(&mut self, input: impl Into<Operand>) -> Result<Output, Error> {
        self.scoped("Rank", |scope, name| {
            let input = scope.tensor(input, "Const")?;
            match scope.shape(input).rank().and_then(|rank| i32::try_from(rank).ok()) {
                Some(rank) => scope.constant_operand(rank.into(), name),
                None => scope.op("Rank").input(input).name(name).build_one(),
            }
        })
    }

    /// The number of elements: a constant if it is known.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn size(&mut self, input: impl Into<Operand>) -> Result<Output, Error> {
        self.scoped("Size", |scope, name| {
            let input = scope.tensor(input, "Const")?;
            let n = scope.shape(input).to_shape().map(|shape| i32::try_from(shape.n_elements()));
            match n {
                Some(Ok(n)) => scope.constant_operand(n.into(), name),
                _ => scope.op("Size").input(input).name(name).build_one(),
            }
        })
    }

    /// Zeros of the shape and type of a tensor: a constant if the shape is known.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn zeros_like(&mut self, tensor: impl Into<Operand>) -> Result<Output, Error> {
        self.scoped("zeros_like", |scope, name| {
            let tensor = scope.tensor(tensor, "tensor")?;
            match (scope.shape(tensor).to_shape(), scope.dtype(tensor)) {
                (Some(shape), Some(dtype)) if dtype != DType::Variant => {
                    scope.with_op_name(name).zeros(&shape, dtype)
                }
                _ => scope.op("ZerosLike").input(tensor).name(name).build_one(),
            }
        })
    }

    /// 1 at the place that an index says, 0 elsewhere, along a new last axis of size `depth`.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn one_hot(
        &mut self,
        indices: impl Into<Operand>,
        depth: i32,
        dtype: DType,
    ) -> Result<Output, Error> {
        self.scoped("one_hot", |scope, name| {
            let on = scope.constant_named(&number(dtype, 1.0)?, "on_value")?;
            let off = scope.constant_named(&number(dtype, 0.0)?, "off_value")?;
            let op = scope.op("OneHot").input(indices).input(depth).input(on).input(off);
            op.name(name).build_one()
        })
    }

    /// The tensor with zeros around it: `paddings` says how many before and behind, for each axis.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn pad(
        &mut self,
        tensor: impl Into<Operand>,
        paddings: &[[i32; 2]],
    ) -> Result<Output, Error> {
        let values = paddings.as_flattened().to_vec();
        let paddings = Tensor::from_vec([paddings.len(), 2], values);
        let paddings = paddings
            .map_err(|error| Error::Inputs { op: "Pad".into(), message: error.to_string() })?;
        self.op("Pad").input(tensor).input(paddings).build_one()
    }

    pub(crate) fn constant_operand(&mut self, value: Operand, name: &str) -> Result<Output, Error> {
        self.tensor(value, name)
    }
}
