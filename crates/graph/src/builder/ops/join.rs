//! Tensors out of several, and parts of tensors.

use super::super::{Operand, Scope};
use crate::{Attr, Error, Output};

impl Scope {
    /// Tensors one behind the other along `axis`. One alone is the same tensor under another name.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn concat<O: Into<Operand>>(
        &mut self,
        values: impl IntoIterator<Item = O>,
        axis: i32,
    ) -> Result<Output, Error> {
        let name = self.take_op_name("concat");
        let mut values: Vec<Operand> = values.into_iter().map(Into::into).collect();
        if values.len() == 1
            && let Some(only) = values.pop()
        {
            let mut inner = self.name_scope(&name)?;
            inner.tensor(axis, "concat_dim")?;
            return inner.with_op_name(&name).identity(only);
        }
        self.op("ConcatV2").input_list(values).input(axis).name(&name).build_one()
    }

    /// Tensors of one shape along a new axis.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn stack<O: Into<Operand>>(
        &mut self,
        values: impl IntoIterator<Item = O>,
        axis: i64,
    ) -> Result<Output, Error> {
        let name = self.take_op_name("stack");
        if axis == 0 {
            return self.tensor(Operand::packed(values.into_iter().map(Into::into)), &name);
        }
        self.op("Pack").input_list(values).attr("axis", Attr::Int(axis)).name(&name).build_one()
    }

    /// The tensors that make up another one along `axis`, whose size there is known.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build); `INVALID_ARGUMENT` when
    /// the size is not known.
    pub fn unstack(&mut self, value: impl Into<Operand>, axis: i64) -> Result<Vec<Output>, Error> {
        let name = self.take_op_name("unstack");
        let value = self.tensor(value, "Const")?;
        let shape = self.shape(value);
        let n = shape.dims().and_then(|dims| {
            let rank = i64::try_from(dims.len()).ok()?;
            let place = usize::try_from(if axis < 0 { axis + rank } else { axis }).ok()?;
            i64::try_from((*dims.get(place)?)?).ok()
        });
        let n = n.ok_or_else(|| Error::Inputs {
            op: "Unpack".to_owned(),
            message: format!(
                "Cannot infer argument `num` from shape {}",
                super::super::text::python_shape(shape)
            ),
        })?;
        let op = self.op("Unpack").input(value).attr("num", Attr::Int(n));
        let node = op.attr("axis", Attr::Int(axis)).name(&name).build()?;
        Ok((0..).take(usize::try_from(n).unwrap_or(0)).map(|index| node.output(index)).collect())
    }

    /// `n` tensors of one size that a tensor is cut into along `axis`.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn split(
        &mut self,
        value: impl Into<Operand>,
        n: u32,
        axis: i32,
    ) -> Result<Vec<Output>, Error> {
        let name = self.take_op_name("split");
        let op = self.op("Split").input(axis).input(value);
        let node = op.attr("num_split", Attr::Int(i64::from(n))).name(&name).build()?;
        Ok((0..n).map(|index| node.output(index)).collect())
    }

    /// The slices of `params` along `axis` that `indices` say.
    ///
    /// Of a resource variable along its first axis, they are read without the rest: `ResourceGather`.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn gather(
        &mut self,
        params: impl Into<Operand>,
        indices: impl Into<Operand>,
        axis: i32,
    ) -> Result<Output, Error> {
        match params.into() {
            Operand::Variable(variable) if axis == 0 && variable.is_resource() => {
                self.scoped("Gather", |scope, name| {
                    let op = scope.op("ResourceGather").input(variable.handle()).input(indices);
                    op.attr("dtype", Attr::Type(variable.dtype())).name(name).build_one()
                })
            }
            params => self.op("GatherV2").input(params).input(indices).input(axis).build_one(),
        }
    }

    /// `size` elements from `begin` on, for each axis; a size of -1 is all that are left.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn slice(
        &mut self,
        input: impl Into<Operand>,
        begin: impl Into<Operand>,
        size: impl Into<Operand>,
    ) -> Result<Output, Error> {
        self.op("Slice").input(input).input(begin).input(size).build_one()
    }

    /// The tensor repeated so many times along each axis.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn tile(
        &mut self,
        input: impl Into<Operand>,
        multiples: impl Into<Operand>,
    ) -> Result<Output, Error> {
        self.op("Tile").input(input).input(multiples).build_one()
    }
}
