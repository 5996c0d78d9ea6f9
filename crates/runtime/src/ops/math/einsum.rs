//! `Einsum`: sums of products by index.

use std::collections::HashMap;
use std::marker::PhantomData;

use flowkeep_linalg::Pool;
use flowkeep_linalg::gemm::Batch;
use flowkeep_tensor::{MAX_RANK, Tensor};

use super::equation::{Equation, Label};
use super::matmul::{Job, Multiply};
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::{Built, product};
use crate::ops::cells::fill_from;
use crate::ops::dispatch::{no_type, with_number};
use crate::ops::strided::{Strided, dense_strides};

/// Sums products of elements over all labels that the output lacks.
///
/// Shapes: one or two `inputs`, as `equation` says: `ij,jk->ik`; `...` stands for dimensions that broadcast.
/// Labels that one operand repeats take its diagonal; those that the output repeats make one.
/// Types: numbers; halves are summed in float.
/// Errors: `INVALID_ARGUMENT` for a bad equation, other ranks, or sizes that differ; `RESOURCE_EXHAUSTED` if the
/// result is too large.
/// Source: OpDef `Einsum`; each operand is summed by itself first, then one batched product of matrices is made.
struct Einsum<T> {
    equation: Equation,
    dtype: PhantomData<T>,
}

pub(super) fn einsum(init: &KernelInit<'_>) -> Built {
    let (equation, dtype) = (init.attr_str("equation")?, init.attr_type("T")?);
    let equation = Equation::parse(equation, init.n_inputs())?;
    with_number!(
        dtype,
        T => Ok(Box::new(Einsum::<T> { equation, dtype: PhantomData })),
        else Err(no_type(init, dtype))
    )
}

/// A tensor with a label for each dimension, none of them twice.
#[derive(Clone)]
struct Operand {
    tensor: Tensor,
    labels: Vec<Label>,
}

impl<T: Multiply> OpKernel for Einsum<T> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let pool = cx.pool();
        let inputs: Vec<&Tensor> =
            (0..cx.n_inputs()).map(|idx| cx.input(idx)).collect::<Result<_, _>>()?;
        let bound = self.equation.bind(&inputs)?;
        if bound.output.len() > MAX_RANK {
            let message = format!("{} dimensions are too many", bound.output.len());
            return Err(Status::invalid_argument(message));
        }
        let sums = Sums { pool, sizes: &bound.sizes };
        let operands: Vec<Operand> = inputs
            .iter()
            .zip(&bound.inputs)
            .enumerate()
            .map(|(idx, (tensor, labels))| {
                let others = bound.inputs.get(1 - idx.min(1)).filter(|_| inputs.len() == 2);
                let is_kept = |label: &Label| {
                    bound.output.contains(label)
                        || others.is_some_and(|others| others.contains(label))
                };
                sums.diagonal(tensor, labels)
                    .and_then(|operand| sums.summed::<T>(operand, &is_kept))
            })
            .collect::<Result<_, _>>()?;
        let result = match &operands[..] {
            [a] => a.clone(),
            [a, b] => sums.multiplied::<T>(a, b, &bound.output)?,
            _ => return Err(Status::internal("one or two operands were checked")),
        };
        let output = sums.spread::<T>(result, &bound.output)?;
        cx.set_output(0, output)
    }
}

/// What all steps share.
struct Sums<'a> {
    pool: &'a Pool,
    sizes: &'a HashMap<Label, usize>,
}

impl Sums<'_> {
    fn dims(&self, labels: &[Label]) -> Vec<usize> {
        labels.iter().map(|label| self.sizes.get(label).copied().unwrap_or(1)).collect()
    }

    /// The operand with each label once: the diagonal of those that are repeated. A dimension of 1 that broadcasts
    /// is dropped.
    fn diagonal(&self, tensor: &Tensor, labels: &[Label]) -> Result<Operand, Status> {
        let (mut unique, mut strides): (Vec<Label>, Vec<isize>) = (Vec::new(), Vec::new());
        for ((label, stride), dim) in
            labels.iter().zip(dense_strides(tensor.dims())).zip(tensor.dims())
        {
            if self.sizes.get(label) != Some(dim) {
                continue;
            }
            match unique.iter().position(|other| other == label) {
                Some(at) => strides[at] += stride,
                None => {
                    unique.push(*label);
                    strides.push(stride);
                }
            }
        }
        let dims = self.dims(&unique);
        let tensor = if dims.len() == labels.len() {
            tensor.clone()
        } else {
            let walk = Strided::new(0, dims.iter().copied().zip(strides));
            fill_from(tensor.dtype(), &[tensor], dims, walk.on(self.pool))?
        };
        Ok(Operand { tensor, labels: unique })
    }

    /// The operand's elements in another order of dimensions.
    fn ordered(&self, operand: &Operand, order: &[Label]) -> Result<Tensor, Status> {
        let counts = |label: &&Label| self.sizes.get(label) != Some(&1);
        if order.iter().filter(counts).eq(operand.labels.iter().filter(counts)) {
            return Ok(operand.tensor.reshape(self.dims(order))?);
        }
        let strides = dense_strides(operand.tensor.dims());
        let stride = |label: &Label| {
            let at = operand.labels.iter().position(|other| other == label);
            at.map_or(0, |at| strides[at])
        };
        let dims = self.dims(order);
        let walk = Strided::new(0, dims.iter().copied().zip(order.iter().map(stride)));
        fill_from(operand.tensor.dtype(), &[&operand.tensor], dims, walk.on(self.pool))
    }

    /// Sums over the labels that are not kept: a product with a vector of ones.
    fn summed<T: Multiply>(
        &self,
        operand: Operand,
        is_kept: &dyn Fn(&Label) -> bool,
    ) -> Result<Operand, Status> {
        let (kept, dropped): (Vec<Label>, Vec<Label>) =
            operand.labels.iter().partition(|label| is_kept(label));
        if dropped.is_empty() {
            return Ok(operand);
        }
        let (rows, cols) = (product(&self.dims(&kept)), product(&self.dims(&dropped)));
        let mut sums = Tensor::zeros(T::DTYPE, self.dims(&kept))?;
        if sums.n_elements() > 0 && cols > 0 {
            let values = self.ordered(&operand, &[&kept[..], &dropped].concat())?;
            let ones = vec![T::ONE; cols];
            let job = Job {
                a: Batch { data: values.as_slice()?, rows, cols, transpose: false },
                b: Batch { data: &ones, rows: cols, cols: 1, transpose: false },
                conjugate: (false, false),
                pairs: vec![(0, 0)],
                pool: self.pool,
            };
            T::multiply(&job, sums.make_mut::<T>()?);
        }
        Ok(Operand { tensor: sums, labels: kept })
    }

    /// Multiplies, and sums over the labels that both have and the output lacks.
    fn multiplied<T: Multiply>(
        &self,
        a: &Operand,
        b: &Operand,
        output: &[Label],
    ) -> Result<Operand, Status> {
        let (in_a, in_b) =
            (|label: &Label| a.labels.contains(label), |label: &Label| b.labels.contains(label));
        let mut unique: Vec<Label> = Vec::with_capacity(output.len());
        for label in output {
            if !unique.contains(label) {
                unique.push(*label);
            }
        }
        let of = |wanted: (bool, bool)| -> Vec<Label> {
            let is = |label: &&Label| (in_a(label), in_b(label)) == wanted;
            unique.iter().filter(is).copied().collect()
        };
        let (batch, rows, cols) = (of((true, true)), of((true, false)), of((false, true)));
        let inner: Vec<Label> =
            a.labels.iter().filter(|label| !output.contains(label)).copied().collect();
        let labels = [&batch[..], &rows, &cols].concat();
        let mut result = Tensor::zeros(T::DTYPE, self.dims(&labels))?;
        let size = |labels: &[Label]| product(&self.dims(labels));
        let (n_batch, m, n, k) = (size(&batch), size(&rows), size(&cols), size(&inner));
        if result.n_elements() == 0 || k == 0 {
            return Ok(Operand { tensor: result, labels });
        }
        let (a, transpose_a) = self.matrices(a, &batch, &rows, &inner)?;
        let (b, transpose_b) = self.matrices(b, &batch, &inner, &cols)?;
        let (a, b, c) = (a.as_slice::<T>()?, b.as_slice::<T>()?, result.make_mut::<T>()?);
        if (m, n, k) == (1, 1, 1) {
            T::zip(self.pool, a, b, c, |a, b| a.times(b));
        } else {
            let stored =
                |rows, cols, transpose| if transpose { (cols, rows) } else { (rows, cols) };
            let (a_rows, a_cols) = stored(m, k, transpose_a);
            let (b_rows, b_cols) = stored(k, n, transpose_b);
            let job = Job {
                a: Batch { data: a, rows: a_rows, cols: a_cols, transpose: transpose_a },
                b: Batch { data: b, rows: b_rows, cols: b_cols, transpose: transpose_b },
                conjugate: (false, false),
                pairs: (0..n_batch).map(|i| (i, i)).collect(),
                pool: self.pool,
            };
            T::multiply(&job, c);
        }
        Ok(Operand { tensor: result, labels })
    }

    /// The operand as matrices, one for each index of the batch, and whether they are stored transposed.
    fn matrices(
        &self,
        operand: &Operand,
        batch: &[Label],
        rows: &[Label],
        cols: &[Label],
    ) -> Result<(Tensor, bool), Status> {
        let counts = |label: &&Label| self.sizes.get(label) != Some(&1);
        let transposed = [batch, cols, rows].concat();
        if transposed.iter().filter(counts).eq(operand.labels.iter().filter(counts)) {
            return Ok((operand.tensor.clone(), true));
        }
        Ok((self.ordered(operand, &[batch, rows, cols].concat())?, false))
    }

    /// The result in the order of the output, on the diagonal of labels that this repeats.
    fn spread<T: Multiply>(&self, result: Operand, output: &[Label]) -> Result<Tensor, Status> {
        let dims = self.dims(output);
        if output.len() == result.labels.len() {
            return self.ordered(&result, output);
        }
        let mut spread = Tensor::zeros(T::DTYPE, dims)?;
        let strides = dense_strides(spread.dims());
        let stride = |label: &Label| {
            let of = output.iter().zip(&strides).filter(|(other, _)| *other == label);
            of.fold(0isize, |sum, (_, stride)| sum.wrapping_add(*stride)) as usize
        };
        let axes: Vec<(usize, usize)> =
            self.dims(&result.labels).into_iter().zip(result.labels.iter().map(stride)).collect();
        let to = spread.make_mut::<T>()?;
        if !to.is_empty() {
            for (i, value) in result.tensor.as_slice::<T>()?.iter().enumerate() {
                let (mut rest, mut at) = (i, 0);
                for (dim, stride) in axes.iter().rev() {
                    at += rest % dim * stride;
                    rest /= dim;
                }
                to[at] = *value;
            }
        }
        Ok(spread)
    }
}
