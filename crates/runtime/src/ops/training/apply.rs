//! The kernel of all optimizers: reads its inputs, checks their shapes, runs the rule.

use std::marker::PhantomData;
use std::sync::Arc;

use flowkeep_linalg::Pool;
use flowkeep_linalg::elementwise::zip_several_in_place;
use flowkeep_tensor::Tensor;

use super::number::{Number, Stored};
use super::rule::Rule;
use super::scalars::ScalarSpec;
use super::variables::update_all;
use crate::Value;
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::{Built, ints, product};
use crate::ops::dispatch::{no_type, with_float};
use crate::resource::Variable;

/// Trains a variable by the rule `R`, in place; the reference form gives the variable.
///
/// Shapes: `var` and its slots `[D..]`, scalars `[]`; dense forms take a gradient `[D..]`, sparse ones
/// `indices [I]` and a gradient `[I, D[1..]..]`, whose rows are applied one by one: a row that is
/// named twice is trained twice.  Types: `T` a float; those of 16 bits are computed with as `float`.
/// `indices` i32 or i64. `use_locking` changes nothing: variables are always locked.
/// Errors: `FAILED_PRECONDITION` without a value (also of a slot), `INVALID_ARGUMENT` for other shapes
/// and for indices out of range; nothing is changed then.
/// Source: OpDefs `ApplyX`, `ResourceApplyX`, `SparseApplyX`, `ResourceSparseApplyX`.
struct Apply<T, R, const N: usize, const S: usize> {
    rule: R,
    scalars: [ScalarSpec; S],
    is_resource: bool,
    is_sparse: bool,
    dtype: PhantomData<T>,
}

/// Builds the kernel of any form of the optimizer.
pub(super) fn apply<R: Rule<N, S>, const N: usize, const S: usize>(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    let is_resource = init.op().starts_with("Resource");
    let is_sparse = init.op().contains("SparseApply");
    let zero_rate =
        init.attr("multiply_linear_by_lr").is_some() && init.attr_bool("multiply_linear_by_lr")?;
    let scalars = R::SCALARS.map(|name| ScalarSpec::new(init.op(), name, zero_rate));
    let rule = R::new(init)?;
    with_float!(
        dtype,
        T => {
            let dtype = PhantomData::<T>;
            Ok(Box::new(Apply { rule, scalars, is_resource, is_sparse, dtype }))
        },
        else Err(no_type(init, dtype))
    )
}

/// The inputs beside the variables.
struct Arguments<'a, F, const S: usize> {
    scalars: [F; S],
    gradient: &'a Tensor,
    indices: Option<&'a Tensor>,
}

impl<T: Stored, R: Rule<N, S>, const N: usize, const S: usize> OpKernel for Apply<T, R, N, S> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let variables = self.variables(cx)?;
        update_all(&variables, |values| {
            let values = self.values(&variables, values)?;
            let arguments = self.arguments(cx)?;
            match arguments.indices {
                None => self.dense(cx.pool(), values, &arguments),
                Some(indices) => self.sparse(cx.pool(), values, &arguments, indices),
            }
        })?;
        match variables.into_iter().next() {
            Some(var) if !self.is_resource => cx.set_output(0, Value::Ref(var)),
            _ => Ok(()),
        }
    }
}

impl<T: Stored, R: Rule<N, S>, const N: usize, const S: usize> Apply<T, R, N, S> {
    fn variables(&self, cx: &KernelContext<'_>) -> Result<[Arc<Variable>; N], Status> {
        let variable = |idx: usize| match self.is_resource {
            true => cx.resource(idx)?.get::<Variable>(),
            false => Ok(cx.variable_ref(idx)?.clone()),
        };
        let variables = (0..N).map(variable).collect::<Result<Vec<_>, Status>>()?;
        variables.try_into().map_err(|_| Status::internal("a variable is missing"))
    }

    /// The values of all variables, which must be alike.
    fn values<'a>(
        &self,
        variables: &[Arc<Variable>; N],
        values: &'a mut [Option<Tensor>; N],
    ) -> Result<[&'a mut Tensor; N], Status> {
        if let Some(idx) = values.iter().position(Option::is_none) {
            return Err(match self.is_resource {
                true => Status::internal("Invalid variable reference."),
                false => variables[idx].uninitialized_ref(),
            });
        }
        let values: Vec<&mut Tensor> = values.iter_mut().flatten().collect();
        let values: [&mut Tensor; N] =
            values.try_into().map_err(|_| Status::internal("a value is missing"))?;
        for (value, name) in values.iter().zip(R::VARIABLES).skip(1) {
            if value.shape() != values[0].shape() {
                return Err(Status::invalid_argument(format!(
                    "var and {name} do not have the same shape{} {}",
                    values[0].shape(),
                    value.shape()
                )));
            }
        }
        Ok(values)
    }

    fn arguments<'a>(
        &self,
        cx: &'a KernelContext<'_>,
    ) -> Result<Arguments<'a, T::Number, S>, Status> {
        let gradient_idx = N + R::N_BEFORE;
        let after = gradient_idx + 1 + usize::from(self.is_sparse);
        let mut scalars = [T::Number::ZERO; S];
        for (idx, (scalar, spec)) in scalars.iter_mut().zip(&self.scalars).enumerate() {
            let input = match idx.checked_sub(R::N_BEFORE) {
                None => N + idx,
                Some(idx) => after + idx,
            };
            *scalar = spec.read::<T>(cx.input(input)?)?;
        }
        let indices = if self.is_sparse { Some(cx.input(gradient_idx + 1)?) } else { None };
        Ok(Arguments { scalars, gradient: cx.input(gradient_idx)?, indices })
    }

    fn dense(
        &self,
        pool: &Pool,
        values: [&mut Tensor; N],
        arguments: &Arguments<'_, T::Number, S>,
    ) -> Result<(), Status> {
        let Arguments { scalars, gradient, .. } = *arguments;
        if gradient.shape() != values[0].shape() {
            return Err(Status::invalid_argument(format!(
                "var and {} do not have the same shape{} {}",
                R::GRADIENT,
                values[0].shape(),
                gradient.shape()
            )));
        }
        let gradient = gradient.as_slice::<T>()?;
        zip_several_in_place(pool, elements::<T, N>(values)?, gradient, self.step(scalars));
        Ok(())
    }

    fn sparse(
        &self,
        pool: &Pool,
        values: [&mut Tensor; N],
        arguments: &Arguments<'_, T::Number, S>,
        indices: &Tensor,
    ) -> Result<(), Status> {
        let Arguments { scalars, gradient, .. } = *arguments;
        let rows = rows::<R, N, S>(values[0], gradient, indices)?;
        let row_len = product(&values[0].dims()[1..]);
        if row_len == 0 && R::REFUSES_EMPTY_ROWS {
            return Err(Status::invalid_argument("Inner dimension should be greater than zero."));
        }
        let gradient = gradient.as_slice::<T>()?;
        let mut values = elements::<T, N>(values)?;
        if row_len == 0 {
            return Ok(());
        }
        let step = self.step(scalars);
        for (row, gradient) in rows.into_iter().zip(gradient.chunks(row_len)) {
            let row = values.each_mut().map(|values| &mut values[row * row_len..][..row_len]);
            zip_several_in_place(pool, row, gradient, step);
        }
        Ok(())
    }

    /// What the rule does with stored elements.
    fn step(
        &self,
        scalars: [T::Number; S],
    ) -> impl Fn([T; N], T) -> [T; N] + Copy + Sync + use<T, R, N, S> {
        let rule = self.rule;
        #[inline(always)]
        move |old, gradient| {
            // Iterators over arrays are not seen through: nothing would be vectorized.
            let gradient = gradient.widen();
            let mut wide = [gradient; N];
            for idx in 0..N {
                wide[idx] = old[idx].widen();
            }
            let wide = rule.step(scalars, wide, gradient);
            let mut new = old;
            for idx in 0..N {
                new[idx] = T::narrow(wide[idx]);
            }
            new
        }
    }
}

fn elements<T: Stored, const N: usize>(values: [&mut Tensor; N]) -> Result<[&mut [T]; N], Status> {
    let slices = values.into_iter().map(|value| Ok(value.make_mut::<T>()?));
    let slices: Vec<&mut [T]> = slices.collect::<Result<_, Status>>()?;
    slices.try_into().map_err(|_| Status::internal("a value is missing"))
}

/// The rows that `indices` name.
fn rows<R: Rule<N, S>, const N: usize, const S: usize>(
    var: &Tensor,
    gradient: &Tensor,
    indices: &Tensor,
) -> Result<Vec<usize>, Status> {
    let error = |message: String| Err(Status::invalid_argument(message));
    if var.shape().rank() == 0 {
        return error("var must be at least 1 dimensional".into());
    }
    if indices.shape().rank() != 1 {
        return error("indices must be one-dimensional".into());
    }
    let fits = |dim: usize| gradient.dims().get(dim) == var.dims().get(dim);
    if let Some(dim) = (1..var.shape().rank()).find(|dim| !fits(*dim)) {
        return error(format!("var and grad must match in dimension {dim}"));
    }
    if gradient.shape().rank() != var.shape().rank() || gradient.dims()[0] != indices.dims()[0] {
        return error("grad must be the same size as indices in the first dimension.".into());
    }
    let n_rows = var.dims()[0];
    let row = |(at, index): (usize, i64)| {
        usize::try_from(index)
            .ok()
            .filter(|row| *row < n_rows)
            .ok_or_else(|| Status::invalid_argument(R::index_error(at, index, n_rows)))
    };
    ints(indices)?.into_iter().enumerate().map(row).collect()
}
