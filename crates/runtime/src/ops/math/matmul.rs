//! `MatMul` and `BatchMatMul`: products of matrices.

use std::marker::PhantomData;

use flowkeep_linalg::Pool;
use flowkeep_linalg::gemm::{Batch, Mat, batch_gemm, gemm_generic, gemm_with};
use flowkeep_tensor::{Complex, DType, Element, Shape, Tensor, bf16, f16};

use super::scalar::Scalar;
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::{Built, kernel, product};
use crate::ops::broadcast::{Broadcast, broadcast_shape};
use crate::ops::dispatch::{no_type, with_number};

/// The product of two matrices, either of them transposed first.
///
/// Shapes: `a [m, k]`, `b [k, n]` as used → `[m, n]`.  Types: numbers.
/// Errors: `INVALID_ARGUMENT` for other ranks or sizes that do not fit together.
/// Source: OpDef `MatMul`.
pub(super) fn mat_mul(init: &KernelInit<'_>) -> Built {
    let (a, b) = (init.attr_bool("transpose_a")?, init.attr_bool("transpose_b")?);
    build(init, MatMul { adjoint: false, transpose_a: a, transpose_b: b, batched: Batched::No })
}

/// Products of matrices, one for each index of the leading dimensions, which are equal.
///
/// Shapes: `x [B.., m, k]`, `y [B.., k, n]` as used → `[B.., m, n]`.  Types: numbers. `adj_x` and
/// `adj_y` transpose and conjugate.
/// Errors: `INVALID_ARGUMENT` for sizes that do not fit together.  Source: OpDef `BatchMatMul`.
pub(super) fn batch_mat_mul(init: &KernelInit<'_>) -> Built {
    let (x, y) = (init.attr_bool("adj_x")?, init.attr_bool("adj_y")?);
    build(init, MatMul { adjoint: true, transpose_a: x, transpose_b: y, batched: Batched::Equal })
}

/// As [`batch_mat_mul`], with leading dimensions that broadcast by NumPy's rules.
///
/// Source: OpDefs `BatchMatMulV2`, `BatchMatMulV3` (of equal types, of bytes to i32, of bytes and bfloat16 to that).
pub(super) fn batch_mat_mul_v2(init: &KernelInit<'_>) -> Built {
    let (x, y) = (init.attr_bool("adj_x")?, init.attr_bool("adj_y")?);
    build(
        init,
        MatMul { adjoint: true, transpose_a: x, transpose_b: y, batched: Batched::Broadcast },
    )
}

#[derive(Clone, Copy)]
struct MatMul {
    /// Whether transposing also conjugates.
    adjoint: bool,
    transpose_a: bool,
    transpose_b: bool,
    batched: Batched,
}

/// Which leading dimensions the operands may have.
#[derive(Clone, Copy, PartialEq)]
enum Batched {
    No,
    Equal,
    Broadcast,
}

fn build(init: &KernelInit<'_>, matmul: MatMul) -> Built {
    let [dtype, other] = init.input_types()[..] else {
        return Err(Status::internal("a product has two operands"));
    };
    let Some(&product) = init.output_types().first() else {
        return Err(Status::internal("a product has an output"));
    };
    // Only version 3 can name several types.
    let (bytes, halves) = ([DType::I8, DType::U8], DType::BF16);
    let widens = match product {
        DType::I32 => bytes.contains(&dtype) && bytes.contains(&other),
        DType::BF16 => {
            (dtype == halves && bytes.contains(&other))
                || (bytes.contains(&dtype) && other == halves)
        }
        _ => false,
    };
    if widens {
        return match product {
            DType::I32 => Ok(Box::new(Widened::<i32> { matmul, dtype: PhantomData })),
            _ => Ok(Box::new(Widened::<bf16> { matmul, dtype: PhantomData })),
        };
    }
    if other != dtype || product != dtype {
        let message = format!("op {} has no CPU kernel for these types together", init.op());
        return Err(Status::unimplemented(message));
    }
    with_number!(
        dtype,
        T => Ok(Box::new(Typed::<T> { matmul, dtype: PhantomData })),
        else Err(no_type(init, dtype))
    )
}

/// The product of two matrices of float or bfloat16 in any mix, either of them transposed first.
///
/// Shapes: `a [m, k]`, `b [k, n]` as used → `[m, n]`, float.  What the attributes say about zeros changes nothing.
/// Errors: `INVALID_ARGUMENT` for other ranks or sizes that do not fit together.
/// Source: OpDef `SparseMatMul`.
pub(super) fn sparse_mat_mul(init: &KernelInit<'_>) -> Built {
    let (transpose_a, transpose_b) =
        (init.attr_bool("transpose_a")?, init.attr_bool("transpose_b")?);
    kernel(move |cx| {
        let (a, b) = (cx.input(0)?, cx.input(1)?);
        for (name, tensor) in [("a", a), ("b", b)] {
            if tensor.shape().rank() != 2 {
                return Err(Status::invalid_argument(format!("{name} is not a matrix")));
            }
        }
        let used = |tensor: &Tensor, transpose: bool| {
            let (rows, cols) = matrix(tensor.dims());
            if transpose { (cols, rows) } else { (rows, cols) }
        };
        let ((m, k), (b_k, n)) = (used(a, transpose_a), used(b, transpose_b));
        if k != b_k {
            return Err(Status::invalid_argument(format!(
                "Matrix size incompatible: a: {}, b: {}",
                a.shape(),
                b.shape()
            )));
        }
        let mut output = Tensor::zeros(DType::F32, [m, n])?;
        if output.n_elements() > 0 && k > 0 {
            let (a, b) = (floats(a)?, floats(b)?);
            let job = Job {
                a: batch(&a, transpose_a)?,
                b: batch(&b, transpose_b)?,
                conjugate: (false, false),
                pairs: vec![(0, 0)],
                pool: cx.pool(),
            };
            f32::multiply(&job, output.make_mut()?);
        }
        cx.set_output(0, output)
    })
}

/// The tensor in float.
fn floats(tensor: &Tensor) -> Result<Tensor, Status> {
    if tensor.dtype() != DType::BF16 {
        return Ok(tensor.clone());
    }
    let values = tensor.as_slice::<bf16>()?.iter().map(|x| x.to_f32()).collect();
    Ok(Tensor::from_vec(tensor.shape(), values)?)
}

/// A number that matrices are made of.
pub(super) trait Multiply: Scalar {
    /// Computes the products of `job`.
    fn multiply(job: &Job<'_, Self>, c: &mut [Self]);
}

macro_rules! impl_multiply {
    ($($t:ty)*, $job:ident, $c:ident => $body:expr) => {$(
        impl Multiply for $t {
            fn multiply($job: &Job<'_, $t>, $c: &mut [$t]) {
                $body
            }
        }
    )*};
}

impl_multiply!(f32 f64, job, c => batch_gemm(job.pool, job.a, job.b, &job.pairs, c));
impl_multiply!(f16 bf16 i8 i16 i32 i64 u8 u16 u32 u64, job, c => {
    job.each(c, |a, b, c| gemm_generic(job.pool, a, b, c));
});
impl_multiply!(Complex<f32> Complex<f64>, job, c => {
    let (adjoint_a, adjoint_b) = job.conjugate;
    let conjugate = |x: Self, yes: bool| if yes { x.conjugate() } else { x };
    let add = |sum: Self, a: Self, b: Self| {
        sum.plus(conjugate(a, adjoint_a).times(conjugate(b, adjoint_b)))
    };
    job.each(c, |a, b, c| gemm_with(job.pool, a, b, c, Self::ZERO, add, |sum| sum));
});

/// Products to compute: matrix `pairs[i].0` of `a` times matrix `pairs[i].1` of `b`.
pub(super) struct Job<'a, T> {
    pub(super) a: Batch<'a, T>,
    pub(super) b: Batch<'a, T>,
    /// Whether each operand is conjugated.
    pub(super) conjugate: (bool, bool),
    pub(super) pairs: Vec<(usize, usize)>,
    pub(super) pool: &'a Pool,
}

impl<T> Job<'_, T> {
    fn each(&self, c: &mut [T], multiply: impl Fn(Mat<'_, T>, Mat<'_, T>, &mut [T])) {
        if c.is_empty() {
            return;
        }
        let size = c.len() / self.pairs.len();
        for (&(a, b), c) in self.pairs.iter().zip(c.chunks_exact_mut(size)) {
            multiply(self.a.get(a), self.b.get(b), c);
        }
    }
}

struct Typed<T> {
    matmul: MatMul,
    dtype: PhantomData<T>,
}

impl<T: Multiply> OpKernel for Typed<T> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let output = self.matmul.product::<T>(cx, cx.input(0)?, cx.input(1)?)?;
        cx.set_output(0, output)
    }
}

/// Multiplies narrow operands in the type of the result.
struct Widened<T> {
    matmul: MatMul,
    dtype: PhantomData<T>,
}

/// A type that bytes are widened to.
trait OfByte: Multiply {
    fn of_byte(x: i16) -> Self;
}

impl OfByte for i32 {
    fn of_byte(x: i16) -> i32 {
        x.into()
    }
}

impl OfByte for bf16 {
    fn of_byte(x: i16) -> bf16 {
        bf16::from_f32(x.into())
    }
}

impl<T: OfByte> OpKernel for Widened<T> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let widened = |idx: usize| {
            let tensor = cx.input(idx)?;
            let values: Vec<T> = match tensor.dtype() {
                DType::I8 => {
                    tensor.as_slice::<i8>()?.iter().map(|x| T::of_byte((*x).into())).collect()
                }
                DType::U8 => {
                    tensor.as_slice::<u8>()?.iter().map(|x| T::of_byte((*x).into())).collect()
                }
                _ => return Ok::<Tensor, Status>(tensor.clone()),
            };
            Ok(Tensor::from_vec(tensor.shape(), values)?)
        };
        let (a, b) = (widened(0)?, widened(1)?);
        let output = self.matmul.product::<T>(cx, &a, &b)?;
        cx.set_output(0, output)
    }
}

impl MatMul {
    fn product<T: Multiply>(
        &self,
        cx: &KernelContext<'_>,
        a: &Tensor,
        b: &Tensor,
    ) -> Result<Tensor, Status> {
        let sizes = self.sizes(a, b)?;
        if sizes.k == 0 {
            return cx.zeros(T::DTYPE, sizes.shape());
        }
        let mut output = cx.allocate(T::DTYPE, sizes.shape())?;
        if output.n_elements() > 0 {
            let mut job = Job {
                a: batch(a, self.transpose_a)?,
                b: batch(b, self.transpose_b)?,
                conjugate: (self.adjoint && self.transpose_a, self.adjoint && self.transpose_b),
                pairs: sizes.pairs(),
                pool: cx.pool(),
            };
            // Many matrices times one are one tall matrix times it.
            if product(&sizes.b_batch) == 1 && !self.transpose_a {
                job.a.rows *= job.pairs.len();
                job.pairs.truncate(1);
            }
            T::multiply(&job, output.make_mut::<T>()?);
        }
        Ok(output)
    }
}

/// The sizes of a product.
struct Sizes {
    a_batch: Vec<usize>,
    b_batch: Vec<usize>,
    batch: Shape,
    m: usize,
    n: usize,
    k: usize,
}

impl Sizes {
    fn shape(&self) -> Shape {
        Shape::from([self.batch.dims(), &[self.m, self.n]].concat())
    }

    /// Which matrices are multiplied for each matrix of the result, of which there is at least one.
    fn pairs(&self) -> Vec<(usize, usize)> {
        let walk = Broadcast::new(self.batch.dims(), [&self.a_batch, &self.b_batch]);
        let step = |idx, i| if walk.repeats(idx) { 0 } else { i };
        let mut pairs = Vec::with_capacity(self.batch.n_elements());
        walk.for_each_row(0, self.batch.n_elements(), |_, [a, b], n| {
            pairs.extend((0..n).map(|i| (a + step(0, i), b + step(1, i))));
        });
        pairs
    }
}

impl MatMul {
    fn sizes(&self, a: &Tensor, b: &Tensor) -> Result<Sizes, Status> {
        self.check_ranks(a, b)?;
        let used = |tensor: &Tensor, transpose: bool| {
            let (rows, cols) = matrix(tensor.dims());
            if transpose { (cols, rows) } else { (rows, cols) }
        };
        let ((m, k), (b_k, n)) = (used(a, self.transpose_a), used(b, self.transpose_b));
        let batch_of = |tensor: &Tensor| tensor.dims()[..tensor.shape().rank() - 2].to_vec();
        let (a_batch, b_batch) = (batch_of(a), batch_of(b));
        let unequal = (0..a_batch.len()).find(|&dim| a_batch.get(dim) != b_batch.get(dim));
        if let (Batched::Equal, Some(dim)) = (self.batched, unequal) {
            return Err(Status::invalid_argument(format!(
                "In[0].dim({dim}) and In[1].dim({dim}) must be the same: {} vs {}",
                a.shape(),
                b.shape()
            )));
        }
        let batch = broadcast_shape(&a_batch, &b_batch).ok_or_else(|| {
            Status::invalid_argument(format!(
                "In[0] and In[1] must have compatible batch dimensions: {} vs. {}",
                a.shape(),
                b.shape()
            ))
        })?;
        if k != b_k {
            return Err(Status::invalid_argument(format!(
                "Matrix size-incompatible: In[0]: {}, In[1]: {}",
                a.shape(),
                b.shape()
            )));
        }
        Ok(Sizes { a_batch, b_batch, batch, m, n, k })
    }

    fn check_ranks(&self, a: &Tensor, b: &Tensor) -> Result<(), Status> {
        let (a_rank, b_rank) = (a.shape().rank(), b.shape().rank());
        let message = match self.batched {
            Batched::Broadcast if a_rank < 2 => format!("In[0] ndims must be >= 2: {a_rank}"),
            Batched::Broadcast if b_rank < 2 => format!("In[1] ndims must be >= 2: {b_rank}"),
            Batched::Broadcast => return Ok(()),
            _ if a_rank != b_rank => {
                let (a, b) = (a.shape(), b.shape());
                format!("In[0] and In[1] has different ndims: {a} vs. {b}")
            }
            Batched::No if a_rank != 2 => format!("In[0] and In[1] ndims must be == 2: {a_rank}"),
            Batched::Equal if a_rank < 2 => format!("In[0] and In[1] ndims must be >= 2: {a_rank}"),
            _ => return Ok(()),
        };
        Err(Status::invalid_argument(message))
    }
}

fn batch<T: Element>(tensor: &Tensor, transpose: bool) -> Result<Batch<'_, T>, Status> {
    let (rows, cols) = matrix(tensor.dims());
    Ok(Batch { data: tensor.as_slice()?, rows, cols, transpose })
}

/// The last two dimensions, of which there are at least two.
fn matrix(dims: &[usize]) -> (usize, usize) {
    match dims {
        [.., rows, cols] => (*rows, *cols),
        _ => (1, 1),
    }
}
