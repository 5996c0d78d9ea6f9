//! What Python's operators make, and the functions of `array_ops` and `math_ops` that gradients use.
//!
//! Names and constants are as there: `x * 2.0` is `mul` with a constant `mul/y`, `x[1:]` is
//! `strided_slice` with the constants `strided_slice/stack` and so on.

use flowkeep_tensor::{DType, Shape, Tensor};

use super::{Gradient, IndexedSlices};
use crate::builder::{Operand, Scope, number, shape_operand};
use crate::{Attr, Error, Output};

/// A place in a vector.
#[derive(Clone, Copy, Debug)]
pub(super) enum Index {
    /// This one.
    At(i32),
    /// The one that a scalar says.
    Of(Output),
}

impl From<Index> for Operand {
    fn from(index: Index) -> Operand {
        match index {
            Index::At(index) => index.into(),
            Index::Of(index) => index.into(),
        }
    }
}

macro_rules! operators {
    ($($(#[$doc:meta])* $method:ident => $name:literal $op:literal;)*) => {
        impl Scope {
            $(
                $(#[$doc])*
                pub(crate) fn $method(
                    &mut self,
                    x: impl Into<Operand>,
                    y: impl Into<Operand>,
                ) -> Result<Output, Error> {
                    self.op($op).input(x).input(y).name($name).build_one()
                }
            )*
        }
    };
}

operators! {
    /// `x + y`.
    plus => "add" "AddV2";
    /// `x - y`.
    minus => "sub" "Sub";
    /// `x * y`.
    times => "mul" "Mul";
    /// `x / y`, of floats.
    over => "truediv" "RealDiv";
    /// `x // y`.
    floor_over => "floordiv" "FloorDiv";
    /// `x % y`.
    modulo => "mod" "FloorMod";
    /// `x & y`, of truth values.
    both => "and" "LogicalAnd";
}

impl Scope {
    /// Fails for what is no tensor of the graph.
    pub(super) fn check_tensor(&self, tensor: Output) -> Result<(), Error> {
        let node = self.graph().get(tensor.node);
        let n_outputs = node.map(|node| node.n_outputs().unwrap_or(0));
        match n_outputs.and_then(|n| u32::try_from(n).ok()) {
            Some(n) if tensor.index < n => Ok(()),
            _ => Err(Error::NoSuchElement(format!(
                "the graph has no tensor #{}:{}",
                tensor.node.0, tensor.index
            ))),
        }
    }

    /// The tensors of operands; constants are named `name_0` and so on.
    pub(super) fn tensors(
        &mut self,
        operands: Vec<Operand>,
        name: &str,
    ) -> Result<Vec<Output>, Error> {
        let numbered = operands.into_iter().enumerate();
        numbered.map(|(idx, operand)| self.tensor(operand, &format!("{name}_{idx}"))).collect()
    }

    /// A scalar constant of the type of a tensor.
    pub(super) fn number_like(&self, value: f64, tensor: Output) -> Result<Tensor, Error> {
        number(self.dtype(tensor).unwrap_or(DType::F32), value)
    }

    /// A node of such a constant.
    pub(super) fn constant_like(&mut self, value: f64, tensor: Output) -> Result<Output, Error> {
        let value = self.number_like(value, tensor)?;
        self.constant(value)
    }

    /// `x[index]`.
    pub(super) fn item(&mut self, x: Output, index: Index) -> Result<Output, Error> {
        let (end, stride): (Operand, Operand) = match index {
            Index::At(at) => (at.saturating_add(1).into(), 1i32.into()),
            Index::Of(tensor) => {
                let one = self.number_like(1.0, tensor)?;
                let end = self.plus(tensor, one)?;
                let is_long = self.dtype(tensor) == Some(DType::I64);
                let stride: Operand =
                    if is_long { self.constant_like(1.0, tensor)?.into() } else { 1i32.into() };
                (end.into(), stride)
            }
        };
        self.strided(x, [index.into(), end, stride], [("shrink_axis_mask", 1)])
    }

    /// `x[0]`.
    pub(crate) fn first(&mut self, x: Output) -> Result<Output, Error> {
        self.item(x, Index::At(0))
    }

    /// `x[begin:end]`.
    pub(super) fn between(
        &mut self,
        x: Output,
        begin: Option<Index>,
        end: Option<Index>,
    ) -> Result<Output, Error> {
        let masks = [("begin_mask", begin.is_none()), ("end_mask", end.is_none())];
        let masks = masks.map(|(name, is_open)| (name, i64::from(is_open)));
        let tensor = [begin, end].into_iter().flatten().find_map(|index| match index {
            Index::Of(tensor) => Some(tensor),
            Index::At(_) => None,
        });
        let mut bound = |index: Option<Index>, value: i32| -> Result<Operand, Error> {
            Ok(match (index, tensor) {
                (Some(index), _) => index.into(),
                // Beside a tensor, numbers become tensors of its type.
                (None, Some(tensor)) => self.constant_like(f64::from(value), tensor)?.into(),
                (None, None) => value.into(),
            })
        };
        let bounds = [bound(begin, 0)?, bound(end, 0)?, bound(None, 1)?];
        self.strided(x, bounds, masks)
    }

    fn strided<const N: usize>(
        &mut self,
        x: Output,
        bounds: [Operand; 3],
        masks: [(&str, i64); N],
    ) -> Result<Output, Error> {
        self.scoped("strided_slice", |scope, name| {
            let mut inputs = Vec::with_capacity(3);
            for bound in bounds {
                inputs.push(scope.packed_vector(bound, "stack")?);
            }
            let mut op = scope.op("StridedSlice").input(x);
            for input in inputs {
                op = op.input(input);
            }
            for (mask, bits) in masks {
                op = op.attr(mask, Attr::Int(bits));
            }
            op.name(name).build_one()
        })
    }

    /// A vector of one element: `stack([x])`.
    fn packed_vector(&mut self, x: Operand, name: &str) -> Result<Output, Error> {
        match x {
            Operand::Constant(value) => {
                let vector =
                    value.reshape([1]).map_err(|error| Error::Gradient(error.to_string()))?;
                self.tensor(vector, name)
            }
            x => self.tensor(Operand::packed([x]), name),
        }
    }

    /// Ones in the shape that a vector says: `tf.ones(shape)`.
    pub(super) fn ones_of(
        &mut self,
        shape: Output,
        dtype: DType,
        name: &str,
    ) -> Result<Output, Error> {
        let one = if dtype == DType::Bool { Tensor::scalar(true) } else { number(dtype, 1.0)? };
        self.filled_of(shape, &one, name)
    }

    /// Zeros in the shape that a vector says: `tf.zeros(shape)`.
    pub(super) fn zeros_of(
        &mut self,
        shape: Output,
        dtype: DType,
        name: &str,
    ) -> Result<Output, Error> {
        let zero = Tensor::zeros(dtype, Shape::SCALAR)
            .map_err(|error| Error::Gradient(error.to_string()))?;
        self.filled_of(shape, &zero, name)
    }

    fn filled_of(&mut self, shape: Output, value: &Tensor, name: &str) -> Result<Output, Error> {
        let mut inner = self.name_scope(name)?;
        let name = inner.current_name_scope();
        let is_vector = inner.shape(shape).rank().is_some_and(|rank| rank > 0);
        let shape = if is_vector { shape } else { inner.reshape(shape, [-1])? };
        let value = inner.constant_named(value, "Const")?;
        inner.op("Fill").input(shape).input(value).name(&name).build_one()
    }

    /// `tf.ones_like`.
    pub(super) fn ones_like(&mut self, x: Output, dtype: Option<DType>) -> Result<Output, Error> {
        self.scoped("ones_like", |scope, name| {
            let dtype = dtype.or(scope.dtype(x)).unwrap_or(DType::F32);
            let shape = scope.shape_as_tensor(x)?;
            let ones = scope.ones_of(shape, dtype, name)?;
            let shape = scope.shape(x).clone();
            scope.refine_shape(ones, &shape)?;
            Ok(ones)
        })
    }

    /// `-x`; of rows, their negatives.
    pub(super) fn negated(&mut self, x: Gradient) -> Result<Gradient, Error> {
        Ok(match x {
            Gradient::Dense(x) => self.neg(x)?.into(),
            Gradient::Sparse(slices) => {
                IndexedSlices { values: self.neg(slices.values)?, ..slices }.into()
            }
        })
    }

    /// The gradient of an output that no gradient has come to: zeros, if there are any for its type.
    pub(super) fn default_gradient(&mut self, output: Output) -> Result<Option<Output>, Error> {
        if self.dtype(output) == Some(DType::Resource) {
            let Some(dtype) = self.handle_dtype(output) else { return Ok(None) };
            let shape = self.op("VariableShape").input(output).build_one()?;
            return self.zeros_of(shape, dtype, "zeros").map(Some);
        }
        self.op("ZerosLike").input(output).name("zeros_like").build_one().map(Some)
    }

    /// The gradient of a tensor that the results do not depend on.
    pub(super) fn unconnected_zeros(&mut self, x: Output) -> Result<Option<Output>, Error> {
        if self.dtype(x) != Some(DType::Resource) {
            return self.zeros_like(x).map(Some);
        }
        let Some(dtype) = self.handle_dtype(x) else { return Ok(None) };
        let shape = self.variable_shape(x)?;
        self.zeros_of(shape, dtype, "zeros").map(Some)
    }

    /// The shape of the variable that a handle refers to.
    pub(super) fn variable_shape(&mut self, handle: Output) -> Result<Output, Error> {
        match self.handle_shape(handle).and_then(|shape| shape.to_shape()) {
            Some(shape) => self.tensor(shape_operand(&shape)?, "Const"),
            None => self.op("VariableShape").input(handle).build_one(),
        }
    }
}

/// Functions that gradients are made of.
impl Scope {
    /// A node of an op of one input.
    pub(super) fn unary(&mut self, op: &str, x: impl Into<Operand>) -> Result<Output, Error> {
        self.op(op).input(x).build_one()
    }

    /// A node of an op of two inputs under a name of its own.
    pub(super) fn named_binary(
        &mut self,
        name: &str,
        op: &str,
        x: impl Into<Operand>,
        y: impl Into<Operand>,
    ) -> Result<Output, Error> {
        self.op(op).input(x).input(y).name(name).build_one()
    }

    /// The conjugate of a gradient, or the gradient itself if it is real.
    pub(super) fn dense_conj(&mut self, grad: Gradient) -> Result<Output, Error> {
        let grad = self.dense(grad, "x")?;
        self.conj(grad)
    }

    /// `tf.complex`.
    pub(super) fn complex(
        &mut self,
        real: impl Into<Operand>,
        imag: impl Into<Operand>,
    ) -> Result<Output, Error> {
        self.scoped("Complex", |scope, name| {
            let (real, imag) = (scope.tensor(real, "real")?, scope.tensor(imag, "imag")?);
            let dtype = match scope.dtype(real) {
                Some(DType::F64) => DType::Complex128,
                _ => DType::Complex64,
            };
            let op = scope.op("Complex").input(real).input(imag);
            op.attr("Tout", Attr::Type(dtype)).name(name).build_one()
        })
    }

    /// `tf.real` or `tf.imag` of complex numbers.
    pub(super) fn part(&mut self, op: &str, x: Output) -> Result<Output, Error> {
        let dtype = match self.dtype(x) {
            Some(DType::Complex128) => DType::F64,
            _ => DType::F32,
        };
        self.op(op).input(x).attr("Tout", Attr::Type(dtype)).build_one()
    }

    /// The shape of a tensor as a vector of this type.
    pub(super) fn shape_in(&mut self, x: Output, dtype: DType) -> Result<Output, Error> {
        if dtype != DType::I64 {
            return self.shape_of(x);
        }
        self.scoped("Shape", |scope, name| match scope.shape(x).to_shape() {
            Some(shape) => {
                let dims = shape.dims().iter().map(|dim| i64::try_from(*dim).unwrap_or(i64::MAX));
                scope.tensor(dims.collect::<Vec<i64>>(), name)
            }
            None => {
                let op = scope.op("Shape").input(x).attr("out_type", Attr::Type(dtype));
                op.name(name).build_one()
            }
        })
    }

    /// `tf.stack` of tensors and numbers.
    pub(super) fn stack_of<const N: usize>(
        &mut self,
        parts: [Operand; N],
    ) -> Result<Output, Error> {
        self.tensor(Operand::packed(parts), "stack")
    }

    /// `tf.concat` along an axis that may be a tensor.
    pub(super) fn concat_at(
        &mut self,
        values: Vec<Operand>,
        axis: impl Into<Operand>,
    ) -> Result<Output, Error> {
        self.op("ConcatV2").input_list(values).input(axis).name("concat").build_one()
    }
}

/// Sizes and ranges.
impl Scope {
    /// The shape of a tensor, as a constant of another name where it is known.
    pub(super) fn shape_as_tensor(&mut self, x: Output) -> Result<Output, Error> {
        let Some(shape) = self.shape(x).to_shape() else { return self.shape_of(x) };
        self.scoped("Shape", |scope, _| scope.tensor(shape_operand(&shape)?, "shape_as_tensor"))
    }

    /// A vector of sizes as a constant.
    pub(super) fn constant_i32(&mut self, dims: &[u64], name: &str) -> Result<Output, Error> {
        let dims = dims.iter().map(|dim| i32::try_from(*dim).unwrap_or(i32::MAX));
        self.tensor(dims.collect::<Vec<i32>>(), name)
    }

    /// The number of elements of a tensor, of this type.
    pub(super) fn size_in(&mut self, x: Output, dtype: DType) -> Result<Output, Error> {
        if dtype != DType::I64 {
            return self.size(x);
        }
        self.scoped("Size", |scope, name| match scope.shape(x).to_shape() {
            Some(shape) => {
                scope.tensor(i64::try_from(shape.n_elements()).unwrap_or(i64::MAX), name)
            }
            None => {
                let op = scope.op("Size").input(x).attr("out_type", Attr::Type(dtype));
                op.name(name).build_one()
            }
        })
    }

    /// `tf.range`, where numbers are given the type of tensors.
    pub(super) fn range_of(
        &mut self,
        start: i32,
        limit: Output,
        delta: impl Into<Operand>,
    ) -> Result<Output, Error> {
        self.scoped("range", |scope, name| {
            let start = scope.tensor(start, "start")?;
            let delta = scope.tensor(delta, "delta")?;
            let dtype = match scope.dtype(limit) {
                Some(DType::I64) => DType::I64,
                _ => DType::I32,
            };
            let start = scope.cast(start, dtype)?;
            let limit = scope.cast(limit, dtype)?;
            let delta = scope.cast(delta, dtype)?;
            scope.op("Range").input(start).input(limit).input(delta).name(name).build_one()
        })
    }
}
