//! The cross entropy of softmax and labels, with its gradient.

use std::marker::PhantomData;

use flowkeep_linalg::softmax::softmax;
use flowkeep_linalg::{Float, Number, Pool};
use flowkeep_tensor::{DType, Tensor};

use super::real::{Real, zeros};
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::ints;
use crate::ops::dispatch::{no_type, with_float};

/// The loss `-sum(labels * log(softmax(features)))` of each row, and its gradient by the features.
///
/// Shapes: `features` and `labels` `[B, C]`, or broadcast to it → `loss [B]`, `backprop [B, C]`.
/// Types: floats; those of 16 bits are computed as `float`.
/// Errors: `INVALID_ARGUMENT` for shapes that do not broadcast to rank 2.
/// Source: OpDef `SoftmaxCrossEntropyWithLogits`.
struct CrossEntropy<T>(PhantomData<T>);

pub(super) fn cross_entropy(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    let dtype = init.attr_type("T")?;
    with_float!(
        dtype,
        T => Ok(Box::new(CrossEntropy::<T>(PhantomData))),
        else Err(no_type(init, dtype))
    )
}

impl<T: Real> OpKernel for CrossEntropy<T> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let (features, labels) = (cx.input(0)?, cx.input(1)?);
        let dims = broadcast_dims(features, labels)?;
        let pool = cx.pool();
        let mut loss = Tensor::zeros(T::DTYPE, [dims[0]])?;
        let mut backprop = cx.allocate(T::DTYPE, dims)?;
        let logits = expand(&T::widen_all(pool, features.as_slice::<T>()?)?, features, dims)?;
        let labels = expand(&T::widen_all(pool, labels.as_slice::<T>()?)?, labels, dims)?;
        let mut wide_loss = zeros::<T::Wide>(dims[0])?;
        T::write(pool, backprop.make_mut::<T>()?, |gradient| {
            softmax(pool, &logits, dims[1], gradient);
            each_row(pool, dims[1], &mut wide_loss, gradient, |row, gradient| {
                let range = row * dims[1]..(row + 1) * dims[1];
                let (logits, labels) = (&logits[range.clone()], &labels[range]);
                let (max, log_sum) = log_sum(logits);
                let mut loss = T::Wide::ZERO;
                for ((x, label), gradient) in logits.iter().zip(labels).zip(gradient) {
                    loss = loss.plus(label.times(log_sum.minus(x.minus(max))));
                    *gradient = gradient.minus(*label);
                }
                loss
            });
        })?;
        T::write(pool, loss.make_mut::<T>()?, |loss| loss.copy_from_slice(&wide_loss))?;
        cx.set_output(0, loss)?;
        cx.set_output(1, backprop)
    }
}

/// Calls `f` for each row of the gradient, and stores the loss that it returns.
fn each_row<F: Float>(
    pool: &Pool,
    cols: usize,
    loss: &mut [F],
    gradient: &mut [F],
    f: impl Fn(usize, &mut [F]) -> F + Sync,
) {
    /// Elements per task.
    const GRAIN: usize = 8 << 10;
    let rows = (GRAIN / cols.max(1)).max(1);
    pool.parallel_chunks2((loss, rows), (gradient, rows * cols), |i, loss, gradient| {
        for (j, loss) in loss.iter_mut().enumerate() {
            let gradient = gradient.get_mut(j * cols..(j + 1) * cols).unwrap_or_default();
            *loss = f(i * rows + j, gradient);
        }
    });
}

/// The largest of some numbers, and the logarithm of the sum of exponentials of their distances
/// from it.
fn log_sum<F: Float>(x: &[F]) -> (F, F) {
    let max = x.iter().fold(F::LOWEST, |max, x| max.larger(*x));
    let sum = x.iter().fold(F::ZERO, |sum, x| sum.plus(x.minus(max).exponential()));
    (max, sum.log())
}

fn broadcast_dims(features: &Tensor, labels: &Tensor) -> Result<[usize; 2], Status> {
    let (a, b) = (features.dims(), labels.dims());
    let rank = a.len().max(b.len());
    let dim = |dims: &[usize], idx: usize| match (idx + dims.len()).checked_sub(rank) {
        Some(idx) => dims[idx],
        None => 1,
    };
    let pairs: Vec<_> = (0..rank).map(|idx| (dim(a, idx), dim(b, idx))).collect();
    if pairs.iter().any(|(a, b)| a != b && *a != 1 && *b != 1) {
        return Err(Status::invalid_argument(format!(
            "logits and labels must be broadcastable: logits_size={} labels_size={}",
            features.shape(),
            labels.shape()
        )));
    }
    match pairs[..] {
        [rows, cols] => Ok([rows, cols].map(|(a, b)| if a == 1 { b } else { a })),
        _ => Err(Status::invalid_argument(
            "logits and labels must be either 2-dimensional, or broadcasted to be 2-dimensional",
        )),
    }
}

/// The elements repeated to fill `dims`, to which the tensor's shape broadcasts.
fn expand<F: Float + flowkeep_tensor::Element>(
    values: &[F],
    tensor: &Tensor,
    dims: [usize; 2],
) -> Result<Vec<F>, Status> {
    let (rows, cols) = match *tensor.dims() {
        [rows, cols] => (rows, cols),
        [cols] => (1, cols),
        _ => (1, 1),
    };
    let mut out = zeros::<F>(dims[0].saturating_mul(dims[1]))?;
    for (row, out) in out.chunks_mut(dims[1].max(1)).enumerate() {
        let row = if rows == 1 { 0 } else { row };
        match &values[row * cols..][..cols] {
            [one] => out.fill(*one),
            values => out.copy_from_slice(values),
        }
    }
    Ok(out)
}

/// The loss `-log(softmax(features)[label])` of each row, and its gradient by the features.
///
/// Shapes: `features [B, C]`, `labels [B]` → `loss [B]`, `backprop [B, C]`.  Types: floats, those of
/// 16 bits computed as `float`; labels i32 or i64.
/// Errors: `INVALID_ARGUMENT` for other ranks or lengths, no class at all, or a label outside
/// `[0, C)`, naming it.
/// Source: OpDef `SparseSoftmaxCrossEntropyWithLogits`; bounds behavior as on the reference CPU
/// kernel.
struct SparseCrossEntropy<T>(PhantomData<T>);

pub(super) fn sparse_cross_entropy(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    let dtype = init.attr_type("T")?;
    with_float!(
        dtype,
        T => Ok(Box::new(SparseCrossEntropy::<T>(PhantomData))),
        else Err(no_type(init, dtype))
    )
}

impl<T: Real> OpKernel for SparseCrossEntropy<T> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let (features, labels) = (cx.input(0)?, cx.input(1)?);
        let [rows, cols] = check_sparse(features, labels)?;
        let labels = class_numbers(labels, cols)?;
        let pool = cx.pool();
        let mut loss = Tensor::zeros(T::DTYPE, [rows])?;
        let mut backprop = cx.allocate(T::DTYPE, [rows, cols])?;
        let logits = T::widen_all(pool, features.as_slice::<T>()?)?;
        let mut wide_loss = zeros::<T::Wide>(rows)?;
        T::write(pool, backprop.make_mut::<T>()?, |gradient| {
            softmax(pool, &logits, cols, gradient);
            each_row(pool, cols, &mut wide_loss, gradient, |row, gradient| {
                let logits = &logits[row * cols..][..cols];
                let (max, log_sum) = log_sum(logits);
                let label = labels[row];
                gradient[label] = gradient[label].minus(T::Wide::ONE);
                log_sum.minus(logits[label].minus(max))
            });
        })?;
        T::write(pool, loss.make_mut::<T>()?, |loss| loss.copy_from_slice(&wide_loss))?;
        drop(logits);
        cx.set_output(0, loss)?;
        cx.set_output(1, backprop)
    }
}

fn check_sparse(features: &Tensor, labels: &Tensor) -> Result<[usize; 2], Status> {
    let (logits_shape, labels_shape) = (features.shape(), labels.shape());
    let fail = |message: String| Err(Status::invalid_argument(message));
    let &[rows, cols] = logits_shape.dims() else {
        return fail(format!("logits must be 2-D, but got shape {logits_shape}"));
    };
    if labels_shape.rank() != 1 {
        return fail(format!("labels must be 1-D, but got shape {labels_shape}"));
    }
    if labels.n_elements() != rows {
        return fail(format!(
            "logits and labels must have the same first dimension, got logits shape {logits_shape} \
             and labels shape {labels_shape}"
        ));
    }
    if cols == 0 {
        return fail(format!("Must have at least one class, but got logits shape {logits_shape}"));
    }
    if !matches!(labels.dtype(), DType::I32 | DType::I64) {
        return fail(format!("labels must be int32 or int64, but are {}", labels.dtype()));
    }
    Ok([rows, cols])
}

fn class_numbers(labels: &Tensor, n_classes: usize) -> Result<Vec<usize>, Status> {
    let labels = ints(labels)?;
    let class = |label: &i64| {
        usize::try_from(*label).ok().filter(|class| *class < n_classes).ok_or_else(|| {
            let all: Vec<_> = labels.iter().map(i64::to_string).collect();
            Status::invalid_argument(format!(
                "Received a label value of {label} which is outside the valid range of [0, \
                 {n_classes}).  Label values: {}",
                all.join(" ")
            ))
        })
    };
    labels.iter().map(class).collect()
}
