//! Ops that work element by element.

use flowkeep_tensor::DType;

use super::super::{Operand, Scope};
use crate::{Error, Output};

macro_rules! unary {
    ($($(#[$doc:meta])* $method:ident => $op:literal;)*) => {
        impl Scope {
            $(
                $(#[$doc])*
                ///
                /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
                pub fn $method(&mut self, x: impl Into<Operand>) -> Result<Output, Error> {
                    self.op($op).input(x).build_one()
                }
            )*
        }
    };
}

unary! {
    /// The absolute value, of real numbers.
    abs => "Abs";
    /// Rounded up.
    ceil => "Ceil";
    /// `x` where it is positive, else `exp(x) - 1`.
    elu => "Elu";
    /// The exponential.
    exp => "Exp";
    /// Rounded down.
    floor => "Floor";
    /// The tensor as it is. Of a reference, its value.
    identity => "Identity";
    /// The natural logarithm.
    log => "Log";
    /// The natural logarithm of `1 + x`.
    log1p => "Log1p";
    /// Not.
    logical_not => "LogicalNot";
    /// The negative.
    neg => "Neg";
    /// `x` where it is positive, else 0.
    relu => "Relu";
    /// `x` between 0 and 6, cut off there.
    relu6 => "Relu6";
    /// One over the square root.
    rsqrt => "Rsqrt";
    /// The scaled exponential linear unit.
    selu => "Selu";
    /// `1 / (1 + exp(-x))`.
    sigmoid => "Sigmoid";
    /// -1, 0 or 1.
    sign => "Sign";
    /// `log(1 + exp(x))`.
    softplus => "Softplus";
    /// `x / (1 + |x|)`.
    softsign => "Softsign";
    /// The square root.
    sqrt => "Sqrt";
    /// The square.
    square => "Square";
    /// The tensor as it is, which gradients do not pass.
    stop_gradient => "StopGradient";
    /// The hyperbolic tangent.
    tanh => "Tanh";
}

macro_rules! binary {
    ($($(#[$doc:meta])* $method:ident => $op:literal;)*) => {
        impl Scope {
            $(
                $(#[$doc])*
                ///
                /// Shapes are broadcast.
                /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
                pub fn $method(
                    &mut self,
                    x: impl Into<Operand>,
                    y: impl Into<Operand>,
                ) -> Result<Output, Error> {
                    self.op($op).input(x).input(y).build_one()
                }
            )*
        }
    };
}

binary! {
    /// Whether `x` equals `y`.
    equal => "Equal";
    /// What is left of `x` over `y` when that is rounded down.
    floor_mod => "FloorMod";
    /// Whether `x` is greater than `y`.
    greater => "Greater";
    /// Whether `x` is greater than `y` or equals it.
    greater_equal => "GreaterEqual";
    /// Whether `x` is less than `y`.
    less => "Less";
    /// Whether `x` is less than `y` or equals it.
    less_equal => "LessEqual";
    /// And.
    logical_and => "LogicalAnd";
    /// Or.
    logical_or => "LogicalOr";
    /// The greater of both.
    maximum => "Maximum";
    /// The lesser of both.
    minimum => "Minimum";
    /// The product.
    mul => "Mul";
    /// Whether `x` differs from `y`.
    not_equal => "NotEqual";
    /// `x` to the power of `y`.
    pow => "Pow";
    /// The square of the difference.
    squared_difference => "SquaredDifference";
    /// The difference.
    sub => "Sub";
}

impl Scope {
    /// The sum: `AddV2`, or of strings `Add`.
    ///
    /// Shapes are broadcast.
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn add(&mut self, x: impl Into<Operand>, y: impl Into<Operand>) -> Result<Output, Error> {
        self.scoped("Add", |scope, name| {
            let (x, y) = (scope.tensor(x, "x")?, scope.tensor(y, "y")?);
            let op = if scope.dtype(x) == Some(DType::String) { "Add" } else { "AddV2" };
            scope.op(op).input(x).input(y).name(name).build_one()
        })
    }

    /// The quotient, rounded down: `tf.math.floordiv`, `x // y` in Python.
    ///
    /// Shapes are broadcast.
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn floor_div(
        &mut self,
        x: impl Into<Operand>,
        y: impl Into<Operand>,
    ) -> Result<Output, Error> {
        let name = self.take_op_name("floordiv");
        self.op("FloorDiv").input(x).input(y).name(&name).build_one()
    }

    /// The quotient, which of integers is rounded down: `tf.compat.v1.div`.
    ///
    /// Shapes are broadcast.
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn div(&mut self, x: impl Into<Operand>, y: impl Into<Operand>) -> Result<Output, Error> {
        self.scoped("div", |scope, name| {
            let (x, y) = (scope.tensor(x, "x")?, scope.tensor(y, "y")?);
            let dtype = scope.dtype(x);
            let is_real = dtype.is_some_and(|dtype| dtype.is_floating() || dtype.is_complex());
            let op = if is_real { "RealDiv" } else { "FloorDiv" };
            scope.op(op).input(x).input(y).name(name).build_one()
        })
    }

    /// The quotient, which of integers is a float: `tf.truediv`, `x / y` in Python.
    ///
    /// Shapes are broadcast.
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn truediv(
        &mut self,
        x: impl Into<Operand>,
        y: impl Into<Operand>,
    ) -> Result<Output, Error> {
        self.scoped("truediv", |scope, name| {
            let (mut x, mut y) = (scope.tensor(x, "x")?, scope.tensor(y, "y")?);
            let as_float = match scope.dtype(x) {
                Some(DType::I8 | DType::U8 | DType::I16 | DType::U16) => Some(DType::F32),
                Some(DType::I32 | DType::U32 | DType::I64 | DType::U64) => Some(DType::F64),
                _ => None,
            };
            if let Some(dtype) = as_float {
                x = scope.cast(x, dtype)?;
                y = scope.cast(y, dtype)?;
            }
            scope.op("RealDiv").input(x).input(y).name(name).build_one()
        })
    }

    /// `x` where the condition holds, else `y`: `tf.compat.v1.where`, op `Select`.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn select(
        &mut self,
        condition: impl Into<Operand>,
        x: impl Into<Operand>,
        y: impl Into<Operand>,
    ) -> Result<Output, Error> {
        self.op("Select").input(condition).input(x).input(y).build_one()
    }

    /// `x` where the condition holds, else `y`, all broadcast: `tf.where`, op `SelectV2`.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn select_v2(
        &mut self,
        condition: impl Into<Operand>,
        x: impl Into<Operand>,
        y: impl Into<Operand>,
    ) -> Result<Output, Error> {
        self.op("SelectV2").input(condition).input(x).input(y).build_one()
    }

    /// The elements as another type; the tensor itself if it is of that type.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn cast(&mut self, x: impl Into<Operand>, dtype: DType) -> Result<Output, Error> {
        let x = match x.into() {
            Operand::Output(x) if self.dtype(x) == Some(dtype) => return Ok(x),
            x => x,
        };
        self.scoped("Cast", |scope, name| {
            let x = scope.tensor(x, "x")?;
            if scope.dtype(x) == Some(dtype) {
                return Ok(x);
            }
            let op = scope.op("Cast").input(x).attr("DstT", crate::Attr::Type(dtype));
            op.name(name).build_one()
        })
    }
}
