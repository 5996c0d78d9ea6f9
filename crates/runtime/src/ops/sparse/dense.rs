//! Sparse tensors with dense ones: products, sums and quotients.

use flowkeep_tensor::{Complex, Shape, Tensor, bf16, f16};

use super::parts::{Parts, check_ranks, joined, sizes};
use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{Built, ints, kernel};
use crate::ops::arith::Arith;
use crate::ops::dispatch::{no_type, with_number, with_real, with_type};

/// A number as it is summed in products of matrices.
trait Factor: Arith {
    /// What sums are made in.
    type Sum: Arith;
    fn widened(self) -> Self::Sum;
    fn narrowed(sum: Self::Sum) -> Self;
    /// The complex conjugate; reals are their own.
    fn conjugate(self) -> Self {
        self
    }
}

macro_rules! factors {
    ($($t:ty)*) => {$(
        impl Factor for $t {
            type Sum = $t;
            fn widened(self) -> $t {
                self
            }
            fn narrowed(sum: $t) -> $t {
                sum
            }
        }
    )*};
}

factors!(f32 f64 i32);

macro_rules! narrow {
    ($($t:ty)*) => {$(
        impl Factor for $t {
            type Sum = f32;
            fn widened(self) -> f32 {
                self.to_f32()
            }
            fn narrowed(sum: f32) -> $t {
                <$t>::from_f32(sum)
            }
        }
    )*};
}

narrow!(f16 bf16);

macro_rules! complexes {
    ($($t:ty)*) => {$(
        impl Factor for Complex<$t> {
            type Sum = Complex<$t>;
            fn widened(self) -> Self {
                self
            }
            fn narrowed(sum: Self) -> Self {
                sum
            }
            fn conjugate(self) -> Self {
                Complex { re: self.re, im: -self.im }
            }
        }
    )*};
}

complexes!(f32 f64);

/// The product of a sparse matrix and a dense one, either of which may be transposed and conjugated.
///
/// Shapes: `a_indices [n, 2]`, `a_values [n]`, `a_shape [2]`, which is `[M, K]`, `b [K, N]` → `[M, N]`.
/// Types: `T` floats, i32 and complex numbers, 16-bit floats summed as f32; indices i32 or i64.
/// Errors: `INVALID_ARGUMENT` for other shapes and indices out of bounds.  Source: OpDef `SparseTensorDenseMatMul`.
pub(super) fn sparse_tensor_dense_mat_mul(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    let adjoint = [init.attr_bool("adjoint_a")?, init.attr_bool("adjoint_b")?];
    with_type!(
        dtype,
        T in [
            F16 => f16, BF16 => bf16, F32 => f32, F64 => f64, I32 => i32,
            Complex64 => Complex<f32>, Complex128 => Complex<f64>,
        ] => kernel(move |cx| product::<T>(cx, adjoint)),
        else Err(no_type(init, dtype))
    )
}

fn product<T: Factor>(cx: &mut KernelContext<'_>, adjoint: [bool; 2]) -> Result<(), Status> {
    let error = |message: String| Err(Status::invalid_argument(message));
    let (indices, values, dims, b) = (cx.input(0)?, cx.input(1)?, cx.input(2)?, cx.input(3)?);
    let wanted = [
        ("b", b, 2, "matrix"),
        ("a_shape", dims, 1, "vector"),
        ("a_indices", indices, 2, "matrix"),
        ("a_values", values, 1, "vector"),
    ];
    for (name, tensor, rank, kind) in wanted {
        if name == "a_indices" && dims.n_elements() != 2 {
            return error("Tensor 'a_shape' must have 2 elements".into());
        }
        if tensor.shape().rank() != rank {
            return error(format!("Tensor '{name}' is not a {kind}"));
        }
    }
    let n = values.n_elements();
    if indices.dims()[0] != n {
        return error(
            "Number of rows of a_indices does not match number of entries in a_values".into(),
        );
    }
    if indices.dims()[1] != 2 {
        return error(
            "Number of columns of a_indices does not match number of entries in a_shape".into(),
        );
    }
    let dims = dims.as_slice::<i64>()?;
    sizes(dims)?;
    let [adjoint_a, adjoint_b] = adjoint;
    let (rows, inner) = if adjoint_a { (dims[1], dims[0]) } else { (dims[0], dims[1]) };
    let [b_inner, columns] =
        if adjoint_b { [b.dims()[1], b.dims()[0]] } else { [b.dims()[0], b.dims()[1]] };
    if i64::try_from(b_inner).ok() != Some(inner) {
        return error(format!(
            "Cannot multiply A and B because inner dimension does not match: {inner} vs. {b_inner}.  Did you \
             forget a transpose?  Dimensions of A: [{}, {}).  Dimensions of B: {}",
            dims[0],
            dims[1],
            b.shape()
        ));
    }
    let n_rows = usize::try_from(rows).unwrap_or(usize::MAX);
    let mut output = Tensor::zeros(T::DTYPE, Shape::from([n_rows, columns]))?;
    let all = ints(indices)?;
    let mut places = Vec::with_capacity(n);
    for (i, index) in all.chunks_exact(2).enumerate() {
        let (row, at) = if adjoint_a { (1, 0) } else { (0, 1) };
        for (name, column, bound) in [("k", at, inner), ("m", row, rows)] {
            if !(0..bound).contains(&index[column]) {
                return error(format!(
                    "{name} ({}) from index[{i},{column}] out of bounds (>={bound})",
                    index[column]
                ));
            }
        }
        places.push((index[row] as usize, index[at] as usize));
    }
    let (values, b) = (values.as_slice::<T>()?, b.as_slice::<T>()?);
    // The entries of one row side by side, in the order that they come in.
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by_key(|i| places[*i].0);
    let zero = Tensor::zeros(<T::Sum as flowkeep_tensor::Element>::DTYPE, [])?;
    let zero = zero.to_scalar::<T::Sum>()?;
    let to = output.make_mut::<T>()?;
    let mut sums = vec![zero; columns];
    for group in order.chunk_by(|i, j| places[*i].0 == places[*j].0) {
        sums.fill(zero);
        for i in group {
            let value = if adjoint_a { values[*i].conjugate() } else { values[*i] }.widened();
            let k = places[*i].1;
            for (column, sum) in sums.iter_mut().enumerate() {
                let other = match adjoint_b {
                    true => b[column * b_inner + k].conjugate(),
                    false => b[k * columns + column],
                };
                *sum = sum.add(value.mul(other.widened()));
            }
        }
        let row = places[group[0]].0;
        let to = &mut to[row * columns..][..columns];
        to.iter_mut().zip(&sums).for_each(|(to, sum)| *to = T::narrowed(*sum));
    }
    cx.set_output(0, output)
}

/// The sum of a sparse tensor and a dense one.
///
/// Shapes: `a_indices [n, r]`, `a_values [n]`, `a_shape [r]`, `b`, of that shape, 1 to 5 dimensions → the same.
/// Types: `T` numbers; indices i32 or i64.
/// Errors: `INVALID_ARGUMENT` for other shapes and indices out of bounds.  Source: OpDef `SparseTensorDenseAdd`.
pub(super) fn sparse_tensor_dense_add(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    with_number!(dtype, T => kernel(sum::<T>), else Err(no_type(init, dtype)))
}

fn sum<T: Arith>(cx: &mut KernelContext<'_>) -> Result<(), Status> {
    let error = |message: String| Err(Status::invalid_argument(message));
    let (indices, values, dims, b) = (cx.input(0)?, cx.input(1)?, cx.input(2)?, cx.input(3)?);
    let &[n, rank] = indices.dims() else {
        return error(format!(
            "Input a_indices should be a matrix but received shape: {}",
            indices.shape()
        ));
    };
    if (values.shape().rank(), dims.shape().rank()) != (1, 1) {
        return error(format!(
            "Inputs a_values and a_shape should be vectors but received shapes: {} and {}",
            values.shape(),
            dims.shape()
        ));
    }
    for (left, right) in [(n, values.n_elements()), (rank, dims.n_elements())] {
        if left != right {
            return error(format!("Dimensions {left} and {right} are not compatible"));
        }
    }
    if rank != b.shape().rank() {
        return error(format!(
            "Two operands have different ranks; received: {rank} and {}",
            b.shape().rank()
        ));
    }
    for (dim, (wanted, got)) in ints(dims)?.iter().zip(b.dims()).enumerate() {
        if usize::try_from(*wanted).ok() != Some(*got) {
            return error(format!(
                "Dimension {dim} does not equal (no broadcasting is supported): sparse side {wanted} vs dense \
                 side {got}"
            ));
        }
    }
    if !(1..=5).contains(&rank) {
        return error(format!(
            "Only tensors with ranks between 1 and 5 are currently supported.  Tensor rank: {rank}"
        ));
    }
    let mut places = Vec::with_capacity(n);
    for (i, index) in ints(indices)?.chunks_exact(rank).enumerate() {
        let mut place = 0;
        for (dim, (at, size)) in index.iter().zip(b.dims()).enumerate() {
            let inside = usize::try_from(*at).ok().filter(|at| at < size);
            let Some(inside) = inside else {
                return error(format!(
                    "Sparse tensor has an invalid index on dimension {dim}: a_indices({i},{dim}) = {at}, dense \
                     tensor shape: {}",
                    joined(b.dims(), " ")
                ));
            };
            place = place * size + inside;
        }
        places.push(place);
    }
    let values = values.clone();
    let mut output = cx.take_input(3)?;
    let to = output.make_mut::<T>()?;
    for (place, value) in places.iter().zip(values.as_slice::<T>()?) {
        to[*place] = to[*place].add(*value);
    }
    cx.set_output(0, output)
}

/// Adds the elements of a dense tensor to the entries of a sparse one.
///
/// Shapes: `sp_indices [n, r]`, `sp_values [n]`, `sp_shape [r]`, `dense`, which is broadcast to that shape → `[n]`.
/// Types: `T` real numbers.
/// Errors: `INVALID_ARGUMENT` for other shapes, and indices out of bounds.  Source: OpDef `SparseDenseCwiseAdd`.
pub(super) fn sparse_dense_cwise_add(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    with_real!(dtype, T => kernel(|cx| each::<T>(cx, false, T::add)), else Err(no_type(init, dtype)))
}

/// As [`sparse_dense_cwise_add`], products.
///
/// Source: OpDef `SparseDenseCwiseMul`.
pub(super) fn sparse_dense_cwise_mul(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    with_real!(dtype, T => kernel(|cx| each::<T>(cx, false, T::mul)), else Err(no_type(init, dtype)))
}

/// As [`sparse_dense_cwise_add`], quotients.
///
/// Errors: as well `INVALID_ARGUMENT` for a 0 in the dense tensor.  Source: OpDef `SparseDenseCwiseDiv`.
pub(super) fn sparse_dense_cwise_div(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    with_real!(
        dtype,
        T => kernel(|cx| each::<T>(cx, true, |a, b| a.div(b).unwrap_or(a))),
        else Err(no_type(init, dtype))
    )
}

fn each<T: Arith + PartialEq>(
    cx: &mut KernelContext<'_>,
    is_div: bool,
    f: impl Fn(T, T) -> T,
) -> Result<(), Status> {
    let error = |message: String| Err(Status::invalid_argument(message));
    let (indices, values, dims, dense) = (cx.input(0)?, cx.input(1)?, cx.input(2)?, cx.input(3)?);
    check_ranks(indices, values, dims)?;
    let (n, rank) = (indices.dims()[0], indices.dims()[1]);
    if dims.n_elements() == 0 || dims.n_elements() != rank {
        return error(format!(
            "Number of dimensions must match second dimension of indices. Got {} dimensions, indices shape: {}",
            dims.n_elements(),
            indices.shape()
        ));
    }
    if n != values.n_elements() {
        return error(format!(
            "The first dimension of values and indices should match. ({} vs. {n})",
            values.n_elements()
        ));
    }
    let parts = Parts::fitting(indices, values, dims)?;
    let wide = sizes(parts.dims)?;
    let fits = dense.shape().rank() <= rank && {
        let inner = &wide[rank - dense.shape().rank()..];
        dense.dims().iter().zip(inner).all(|(dim, size)| *dim == 1 || *dim as u64 == *size)
    };
    if !fits {
        return error(format!(
            "SparseDenseBinaryOpShared broadcasts dense to sparse only; got incompatible shapes: [{}] vs. {}",
            joined(&wide, ","),
            dense.shape()
        ));
    }
    if !(1..=5).contains(&rank) {
        return error(format!(
            "Only tensors with ranks between 1 and 5 are currently supported.  Tensor rank: {rank}"
        ));
    }
    let from = dense.as_slice::<T>()?;
    let zero = Tensor::zeros(T::DTYPE, [])?.to_scalar::<T>()?;
    if is_div && from.contains(&zero) {
        return error(
            "SparseDenseCwiseDiv cannot divide by zero,but input dense tensor contains zero "
                .into(),
        );
    }
    let mut output = Vec::with_capacity(n);
    for (i, value) in values.as_slice::<T>()?.iter().enumerate() {
        let index = parts.index(i);
        if !super::parts::is_inside(index, parts.dims) {
            return error(
                "Provided indices are out-of-bounds w.r.t. dense side with broadcasted shape"
                    .into(),
            );
        }
        let inner = index[rank - dense.shape().rank()..].iter().zip(dense.dims());
        let place = inner
            .fold(0, |place, (at, dim)| place * dim + if *dim == 1 { 0 } else { *at as usize });
        output.push(f(*value, from[place]));
    }
    cx.set_output(0, Tensor::from_elements(output))
}
