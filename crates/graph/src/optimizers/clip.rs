//! Gradients kept small.

use flowkeep_tensor::DType;

use crate::builder::{Axes, Operand, Scope, number, shape_operand};
use crate::gradients::{Gradient, IndexedSlices};
use crate::{Error, Output};

impl Gradient {
    /// The gradient with other values, for the same rows.
    fn with_values(&self, values: Output) -> Gradient {
        match self {
            Gradient::Dense(_) => Gradient::Dense(values),
            Gradient::Sparse(slices) => IndexedSlices { values, ..*slices }.into(),
        }
    }
}

impl Scope {
    /// The gradient with each element between two bounds: `tf.clip_by_value`. Bounds are of its type.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn clip_by_value(
        &mut self,
        gradient: impl Into<Gradient>,
        min: impl Into<Operand>,
        max: impl Into<Operand>,
    ) -> Result<Gradient, Error> {
        let gradient = gradient.into();
        self.scoped("clip_by_value", |scope, name| {
            let low = scope.minimum(gradient.values(), max)?;
            let values = scope.with_op_name(name).maximum(low, min)?;
            Ok(gradient.with_values(values))
        })
    }

    /// The gradient, made shorter where it is longer than `clip_norm`: `tf.clip_by_norm`. The length is
    /// that along `axes`, or of all elements if none are given.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn clip_by_norm(
        &mut self,
        gradient: impl Into<Gradient>,
        clip_norm: f64,
        axes: Option<&[i32]>,
    ) -> Result<Gradient, Error> {
        let gradient = gradient.into();
        self.scoped("clip_by_norm", |scope, name| {
            let values = gradient.values();
            let dtype = scope.dtype(values).unwrap_or(DType::F32);
            let clip_norm = number(dtype, clip_norm.max(0.0))?;
            let squares = scope.times(values, values)?;
            let axes = match axes {
                None => Axes::all(),
                Some(axes) => Axes::of(axes),
            };
            let sum = scope.reduce_sum(squares, axes.keep_dims())?;
            let is_some = scope.greater(sum, number(dtype, 0.0)?)?;
            let ones = scope.ones_like_static(sum)?;
            let safe = scope.select(is_some, sum, ones)?;
            let root = scope.sqrt(safe)?;
            let norm = scope.select(is_some, root, sum)?;
            let scaled = scope.times(values, clip_norm.clone())?;
            let divisor = scope.maximum(norm, clip_norm)?;
            let clipped = scope.truediv(scaled, divisor)?;
            Ok(gradient.with_values(scope.with_op_name(name).identity(clipped)?))
        })
    }

    /// `tf.ones_like`, for which a shape that is known is a constant.
    pub(super) fn ones_like_static(&mut self, x: Output) -> Result<Output, Error> {
        self.scoped("ones_like", |scope, name| {
            let known = scope.shape(x).to_shape();
            let shape = match known {
                None => scope.op("Shape").input(x).build_one()?,
                Some(shape) => {
                    let mut inner = scope.name_scope("Shape")?;
                    inner.tensor(shape_operand(&shape)?, "shape_as_tensor")?
                }
            };
            let one = number(scope.dtype(x).unwrap_or(DType::F32), 1.0)?;
            let one = scope.constant(one)?;
            scope.op("Fill").input(shape).input(one).name(name).build_one()
        })
    }

    /// The length of all gradients together: `tf.linalg.global_norm`. Those that are `None` do not count.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn global_norm(&mut self, gradients: &[Option<Gradient>]) -> Result<Output, Error> {
        self.scoped("global_norm", |scope, _| {
            let mut halves = Vec::new();
            for values in gradients.iter().flatten().map(Gradient::values) {
                halves.push(scope.colocate_with(values)?.l2_loss(values)?);
            }
            let stacked = scope.stack(halves, 0)?;
            let half = scope.reduce_sum(stacked, Axes::all())?;
            let two = scope.constant(number(scope.dtype(half).unwrap_or(DType::F32), 2.0)?)?;
            let square = scope.times(half, two)?;
            scope.with_op_name("global_norm").sqrt(square)
        })
    }

    /// The gradients, all made shorter by one factor where they are together longer than `clip_norm`, and
    /// their length: `tf.clip_by_global_norm`. If that is not finite, all become NaN. `clip_norm` is of
    /// the type of the length.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn clip_by_global_norm(
        &mut self,
        gradients: &[Option<Gradient>],
        clip_norm: impl Into<Operand>,
        use_norm: Option<Output>,
    ) -> Result<(Vec<Option<Gradient>>, Output), Error> {
        let clip_norm = clip_norm.into();
        let name = self.take_op_name("");
        let norm = match use_norm {
            Some(norm) => norm,
            None => self.with_op_name(&name).global_norm(gradients)?,
        };
        let mut named = self.with_op_name(&name);
        let clipped = named.scoped("clip_by_global_norm", |scope, name| {
            let dtype = scope.dtype(norm).unwrap_or(DType::F32);
            let inverse = scope.over(number(dtype, 1.0)?, norm)?;
            let one = scope.constant(number(dtype, 1.0)?)?;
            let bound = scope.over(one, clip_norm.clone())?;
            let factor = scope.minimum(inverse, bound)?;
            let scale = scope.times(clip_norm, factor)?;
            let zero = scope.minus(norm, norm)?;
            let scale = scope.plus(scale, zero)?;
            let mut clipped = Vec::with_capacity(gradients.len());
            for (idx, gradient) in gradients.iter().enumerate() {
                let Some(gradient) = gradient else {
                    clipped.push(None);
                    continue;
                };
                let values = gradient.values();
                let dtype = scope.dtype(values).unwrap_or(DType::F32);
                let mut beside = scope.colocate_with(values)?;
                let scale = beside.cast(scale, dtype)?;
                let scaled = beside.times(values, scale)?;
                let name = format!("{name}_{idx}");
                clipped
                    .push(Some(gradient.with_values(beside.with_op_name(&name).identity(scaled)?)));
            }
            Ok(clipped)
        })?;
        drop(named);
        Ok((clipped, norm))
    }
}
