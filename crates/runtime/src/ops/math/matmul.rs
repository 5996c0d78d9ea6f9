//! Products of matrices.

use flowkeep_linalg::Pool;
use flowkeep_linalg::gemm::{Batch, GemmFloat, GemmScalar, Mat, batch_gemm, gemm_generic, gemm_with};
use flowkeep_tensor::{Complex, DType, Element, Shape, Tensor};

use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{Built, kernel, product};
use crate::ops::broadcast::broadcast_shape;
use crate::ops::dispatch::{no_type, with_type};

/// Multiplies two matrices, each transposed first where asked for.
///
/// Shapes: `a [m, k]` (`[k, m]` with `transpose_a`), `b [k, n]` (`[n, k]` with `transpose_b`) →
/// `[m, n]`.  Types: floats, i32, i64, complex.
/// Errors: `INVALID_ARGUMENT` for other ranks, or inner dimensions that differ.
/// Source: OpDef `MatMul`.
pub(super) fn matmul(init: &KernelInit<'_>) -> Built {
    let flags = Flags { a: init.attr_bool("transpose_a")?, b: init.attr_bool("transpose_b")?, conjugate: false };
    build(init, move |cx, multiply| {
        let (a, b) = (cx.input(0)?, cx.input(1)?);
        for (idx, tensor) in [a, b].into_iter().enumerate() {
            if tensor.shape().rank() != 2 {
                return Err(Status::invalid_argument(format!(
                    "In[{idx}] is not a matrix. Instead it has shape {}",
                    tensor.shape()
                )));
            }
        }
        let sizes = Sizes::of(a, b, flags)?;
        let out = multiply(cx.pool(), a, b, flags, &[(0, 0)], Shape::from([sizes.m, sizes.n]))?;
        cx.set_output(0, out)
    })
}

/// Multiplies stacks of matrices, each transposed (and, if complex, conjugated) first where asked
/// for; the leading dimensions broadcast.
///
/// Shapes: `x [B.., m, k]`, `y [B.., k, n]` → `[B.., m, n]`.  Types: floats, integers of 16 to 64
/// bits, complex.
/// Errors: `INVALID_ARGUMENT` for ranks below 2, inner dimensions that differ, or leading ones that
/// do not broadcast.
/// Source: OpDefs `BatchMatMul` (leading dimensions equal) and `BatchMatMulV2`.
pub(super) fn batch_matmul(init: &KernelInit<'_>) -> Built {
    let flags = Flags { a: init.attr_bool("adj_x")?, b: init.attr_bool("adj_y")?, conjugate: true };
    let broadcasts = init.op() != "BatchMatMul";
    build(init, move |cx, multiply| {
        let (a, b) = (cx.input(0)?, cx.input(1)?);
        for (idx, tensor) in [a, b].into_iter().enumerate() {
            if tensor.shape().rank() < 2 {
                return Err(Status::invalid_argument(format!("In[{idx}] ndims must be >= 2: {}", tensor.shape().rank())));
            }
        }
        let sizes = Sizes::of(a, b, flags)?;
        let (a_batch, b_batch) = (&a.dims()[..a.dims().len() - 2], &b.dims()[..b.dims().len() - 2]);
        let mismatch = || {
            Status::invalid_argument(format!(
                "In[0] and In[1] must have compatible batch dimensions: {} vs. {}",
                a.shape(),
                b.shape()
            ))
        };
        if !broadcasts && a_batch != b_batch {
            return Err(mismatch());
        }
        let batch = broadcast_shape(a_batch, b_batch).ok_or_else(mismatch)?;
        let n_pairs = batch.checked_n_elements().filter(|n| *n <= isize::MAX as usize / 16).ok_or_else(|| {
            Status::resource_exhausted(format!("a batch of shape {batch} is too large"))
        })?;
        let mut dims = batch.dims().to_vec();
        dims.extend([sizes.m, sizes.n]);
        let shape = Shape::from(dims);
        let is_empty = shape.n_elements() == 0;
        let pairs = if is_empty { Vec::new() } else { pairs(batch.dims(), a_batch, b_batch, n_pairs) };
        let out = multiply(cx.pool(), a, b, flags, &pairs, shape)?;
        cx.set_output(0, out)
    })
}

/// What is done to the matrices before they are multiplied.
#[derive(Clone, Copy)]
struct Flags {
    a: bool,
    b: bool,
    /// Whether transposing also conjugates.
    conjugate: bool,
}

struct Sizes {
    m: usize,
    n: usize,
}

impl Sizes {
    /// The sizes of the product of the last two dimensions.
    fn of(a: &Tensor, b: &Tensor, flags: Flags) -> Result<Sizes, Status> {
        let (a_rows, a_cols) = matrix_dims(a);
        let (b_rows, b_cols) = matrix_dims(b);
        let (m, k) = if flags.a { (a_cols, a_rows) } else { (a_rows, a_cols) };
        let (inner, n) = if flags.b { (b_cols, b_rows) } else { (b_rows, b_cols) };
        if k != inner {
            return Err(Status::invalid_argument(format!(
                "Matrix size-incompatible: In[0]: {}, In[1]: {}",
                a.shape(),
                b.shape()
            )));
        }
        Ok(Sizes { m, n })
    }
}

fn matrix_dims(tensor: &Tensor) -> (usize, usize) {
    match tensor.dims() {
        [.., rows, cols] => (*rows, *cols),
        _ => (0, 0),
    }
}

/// Which matrices of `a` and `b` make each matrix of the result.
fn pairs(batch: &[usize], a: &[usize], b: &[usize], n_pairs: usize) -> Vec<(usize, usize)> {
    let index = |operand: &[usize], mut flat: usize| {
        let (mut idx, mut stride) = (0, 1);
        for (back, dim) in batch.iter().rev().enumerate() {
            let at = flat % dim;
            flat /= dim;
            if let Some(own) = operand.len().checked_sub(back + 1).map(|axis| operand[axis]) {
                idx += if own == 1 { 0 } else { at * stride };
                stride *= own;
            }
        }
        idx
    };
    (0..n_pairs).map(|flat| (index(a, flat), index(b, flat))).collect()
}

type Multiply = fn(&Pool, &Tensor, &Tensor, Flags, &[(usize, usize)], Shape) -> Result<Tensor, Status>;

/// The kernel that calls `run` with the product for the type of `T`.
fn build(
    init: &KernelInit<'_>,
    run: impl Fn(&mut KernelContext<'_>, Multiply) -> Result<(), Status> + Send + Sync + 'static,
) -> Built {
    let dtype = init.attr_type("T")?;
    let multiply: Multiply = match dtype {
        DType::F32 => floats::<f32>,
        DType::F64 => floats::<f64>,
        DType::Complex64 => complex::<f32>,
        DType::Complex128 => complex::<f64>,
        dtype => with_type!(
            dtype,
            T in [F16 => flowkeep_tensor::f16, BF16 => flowkeep_tensor::bf16, I8 => i8, I16 => i16, I32 => i32,
                  I64 => i64, U8 => u8, U16 => u16, U32 => u32, U64 => u64] => scalars::<T>,
            else return Err(no_type(init, dtype))
        ),
    };
    kernel(move |cx| run(cx, multiply))
}

fn floats<T: Element + GemmFloat>(
    pool: &Pool,
    a: &Tensor,
    b: &Tensor,
    flags: Flags,
    pairs: &[(usize, usize)],
    shape: Shape,
) -> Result<Tensor, Status> {
    let mut out = Tensor::zeros(T::DTYPE, shape)?;
    let batch = |tensor: &Tensor, transpose| {
        let (rows, cols) = matrix_dims(tensor);
        (rows, cols, transpose)
    };
    let (rows, cols, transpose) = batch(a, flags.a);
    let a = Batch { data: a.as_slice::<T>()?, rows, cols, transpose };
    let (rows, cols, transpose) = batch(b, flags.b);
    let b = Batch { data: b.as_slice::<T>()?, rows, cols, transpose };
    batch_gemm(pool, a, b, pairs, out.make_mut()?);
    Ok(out)
}

fn scalars<T: Element + GemmScalar>(
    pool: &Pool,
    a: &Tensor,
    b: &Tensor,
    flags: Flags,
    pairs: &[(usize, usize)],
    shape: Shape,
) -> Result<Tensor, Status> {
    each_pair(a, b, flags, pairs, shape, |a: Mat<'_, T>, b, c| gemm_generic(pool, a, b, c))
}

fn complex<F>(
    pool: &Pool,
    a: &Tensor,
    b: &Tensor,
    flags: Flags,
    pairs: &[(usize, usize)],
    shape: Shape,
) -> Result<Tensor, Status>
where
    F: Copy + Default + Send + Sync + std::ops::Mul<Output = F> + std::ops::Add<Output = F> + std::ops::Sub<Output = F>,
    F: std::ops::Neg<Output = F>,
    Complex<F>: Element,
{
    let conjugated = |x: Complex<F>, yes: bool| if yes { Complex { re: x.re, im: -x.im } } else { x };
    let (conjugate_a, conjugate_b) = (flags.a && flags.conjugate, flags.b && flags.conjugate);
    let add_product = |sum: Complex<F>, a: Complex<F>, b: Complex<F>| {
        let (a, b) = (conjugated(a, conjugate_a), conjugated(b, conjugate_b));
        Complex { re: sum.re + (a.re * b.re - a.im * b.im), im: sum.im + (a.re * b.im + a.im * b.re) }
    };
    each_pair(a, b, flags, pairs, shape, |a: Mat<'_, Complex<F>>, b, c| {
        gemm_with(pool, a, b, c, Complex::default(), add_product, |sum| sum);
    })
}

/// Multiplies the pairs one after another.
fn each_pair<T: Element>(
    a: &Tensor,
    b: &Tensor,
    flags: Flags,
    pairs: &[(usize, usize)],
    shape: Shape,
    multiply: impl Fn(Mat<'_, T>, Mat<'_, T>, &mut [T]),
) -> Result<Tensor, Status> {
    let size = product(&shape.dims()[shape.rank() - 2..]);
    let mut out = Tensor::zeros(T::DTYPE, shape)?;
    let (a_rows, a_cols) = matrix_dims(a);
    let (b_rows, b_cols) = matrix_dims(b);
    let (a, b) = (a.as_slice::<T>()?, b.as_slice::<T>()?);
    if size == 0 {
        return Ok(out);
    }
    for (c, (a_idx, b_idx)) in out.make_mut::<T>()?.chunks_mut(size).zip(pairs) {
        let a = Mat::row_major(&a[a_idx * a_rows * a_cols..], a_rows, a_cols).transposed_if(flags.a);
        let b = Mat::row_major(&b[b_idx * b_rows * b_cols..], b_rows, b_cols).transposed_if(flags.b);
        multiply(a, b, c);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_broadcast_without_copies() {
        assert_eq!(pairs(&[2, 3], &[2, 1], &[3], 6), [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]);
        assert_eq!(pairs(&[], &[], &[], 1), [(0, 0)]);
    }
}
