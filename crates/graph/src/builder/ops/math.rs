//! Products of matrices, sums, places of extremes, ranges.

use flowkeep_tensor::DType;

use super::super::{Operand, Scope};
use crate::{Attr, Error, Output};

/// Which operands of a product are turned first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MatMulOptions {
    /// Whether rows and columns of the left one are exchanged.
    pub transpose_a: bool,
    /// Whether rows and columns of the right one are exchanged.
    pub transpose_b: bool,
}

impl Scope {
    /// The product of two matrices, or of each two of two batches of them: `MatMul`, or
    /// `BatchMatMulV2` where the rank is above 2 or not known.
    ///
    /// Shapes: `a [.., M, K]`, `b [.., K, N]` → `[.., M, N]`.
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build), for shapes
    /// `Dimensions must be equal, but are 3 and 4 for …`.
    pub fn matmul(
        &mut self,
        a: impl Into<Operand>,
        b: impl Into<Operand>,
    ) -> Result<Output, Error> {
        self.matmul_with(a, b, MatMulOptions::default())
    }

    /// The product of two matrices that are turned first.
    ///
    /// Errors: as [`Scope::matmul`].
    pub fn matmul_with(
        &mut self,
        a: impl Into<Operand>,
        b: impl Into<Operand>,
        options: MatMulOptions,
    ) -> Result<Output, Error> {
        let MatMulOptions { transpose_a, transpose_b } = options;
        self.scoped("MatMul", |scope, name| {
            let (mut a, mut b) = (scope.tensor(a, "a")?, scope.tensor(b, "b")?);
            let is_batch =
                [a, b].iter().any(|x| scope.shape(*x).rank().is_none_or(|rank| rank > 2));
            let (op, attr_a, attr_b) = if is_batch {
                ("BatchMatMulV2", "adj_x", "adj_y")
            } else {
                ("MatMul", "transpose_a", "transpose_b")
            };
            // Batches can only be turned and conjugated at once.
            if is_batch && transpose_a {
                a = scope.conj(a)?;
            }
            if is_batch && transpose_b {
                b = scope.conj(b)?;
            }
            let op = scope.op(op).input(a).input(b).attr(attr_a, Attr::Bool(transpose_a));
            op.attr(attr_b, Attr::Bool(transpose_b)).name(name).build_one()
        })
    }

    /// The conjugate; a real tensor is its own.
    pub(crate) fn conj(&mut self, x: Output) -> Result<Output, Error> {
        if self.dtype(x).is_some_and(DType::is_complex) {
            return self.op("Conj").input(x).build_one();
        }
        Ok(x)
    }

    /// The sum of tensors of one shape; of one tensor, the tensor itself.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn add_n<O: Into<Operand>>(
        &mut self,
        inputs: impl IntoIterator<Item = O>,
    ) -> Result<Output, Error> {
        let name = self.op_name.take();
        let mut tensors = Vec::new();
        for input in inputs {
            tensors.push(self.tensor(input, "Const")?);
        }
        match (&tensors[..], name) {
            ([only], None) => Ok(*only),
            ([only], Some(name)) => self.with_op_name(&name).identity(only),
            (_, name) => {
                let op = self.op("AddN").input_list(tensors);
                op.name(&name.unwrap_or_default()).build_one()
            }
        }
    }

    /// Where along `axis` the greatest elements are, as `int64`.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn argmax(&mut self, input: impl Into<Operand>, axis: i32) -> Result<Output, Error> {
        self.op("ArgMax").input(input).input(axis).build_one()
    }

    /// Where along `axis` the least elements are, as `int64`.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn argmin(&mut self, input: impl Into<Operand>, axis: i32) -> Result<Output, Error> {
        self.op("ArgMin").input(input).input(axis).build_one()
    }

    /// The numbers from `start` on that do not reach `limit`, `delta` apart. All of one type.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn range(
        &mut self,
        start: impl Into<Operand>,
        limit: impl Into<Operand>,
        delta: impl Into<Operand>,
    ) -> Result<Output, Error> {
        self.scoped("range", |scope, name| {
            let start = scope.tensor(start, "start")?;
            let limit = scope.tensor(limit, "limit")?;
            let delta = scope.tensor(delta, "delta")?;
            scope.op("Range").input(start).input(limit).input(delta).name(name).build_one()
        })
    }
}
