//! Two sparse tensors made one.

use std::cmp::Ordering;

use flowkeep_tensor::{Complex, Tensor};

use super::parts::{Parts, index_matrix, joined};
use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{Built, kernel};
use crate::ops::arith::{Arith, Ordered};
use crate::ops::dispatch::{no_type, with_real, with_type};

/// A number that has a magnitude.
trait Magnitude: Arith {
    /// The type of magnitudes.
    type Real: Ordered;
    /// The absolute value.
    fn magnitude(self) -> Self::Real;
}

macro_rules! magnitudes {
    ($($t:ty => $real:ty, $f:expr;)*) => {$(
        impl Magnitude for $t {
            type Real = $real;
            fn magnitude(self) -> $real {
                $f(self)
            }
        }
    )*};
}

magnitudes! {
    f32 => f32, f32::abs;
    f64 => f64, f64::abs;
    i8 => i8, i8::wrapping_abs;
    i16 => i16, i16::wrapping_abs;
    i32 => i32, i32::wrapping_abs;
    i64 => i64, i64::wrapping_abs;
    Complex<f32> => f32, |x: Complex<f32>| x.re.hypot(x.im);
    Complex<f64> => f64, |x: Complex<f64>| x.re.hypot(x.im);
}

/// Where an entry of a union comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Source {
    A(usize),
    B(usize),
    Both(usize, usize),
}

/// The entries of two sparse tensors, whose indices are compared in their order.
fn union(rank: usize, a: &[i64], n_a: usize, b: &[i64], n_b: usize) -> Vec<Source> {
    let mut sources = Vec::with_capacity(n_a.max(n_b));
    let (mut i, mut j) = (0, 0);
    while i < n_a || j < n_b {
        let order = match (i < n_a, j < n_b) {
            (true, true) => a[i * rank..][..rank].cmp(&b[j * rank..][..rank]),
            (true, false) => Ordering::Less,
            _ => Ordering::Greater,
        };
        sources.push(match order {
            Ordering::Less => Source::A(i),
            Ordering::Equal => Source::Both(i, j),
            Ordering::Greater => Source::B(j),
        });
        i += usize::from(order.is_le());
        j += usize::from(order.is_ge());
    }
    sources
}

/// The sum of two sparse tensors; sums of two entries below the threshold are left out.
///
/// Shapes: indices `[n, r]` and `[m, r]`, values `[n]` and `[m]`, dimensions `[r]`, the same for both, `thresh []` →
/// the
/// parts of a sparse tensor.  Types: `T` f32, f64, signed integers and complex numbers; `Treal` real.
/// Errors: `INVALID_ARGUMENT` for parts that do not fit each other.  Source: OpDef `SparseAdd`.
pub(super) fn sparse_add(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    with_type!(
        dtype,
        T in [
            F32 => f32, F64 => f64, I8 => i8, I16 => i16, I32 => i32, I64 => i64,
            Complex64 => Complex<f32>, Complex128 => Complex<f64>,
        ] => kernel(sum::<T>),
        else Err(no_type(init, dtype))
    )
}

/// The inputs of an op on two sparse tensors.
struct Two<'a, T> {
    rank: usize,
    indices: [&'a [i64]; 2],
    values: [&'a [T]; 2],
    dims: &'a Tensor,
}

impl<'a, T: Arith> Two<'a, T> {
    fn read(cx: &'a KernelContext<'_>) -> Result<Two<'a, T>, Status> {
        let error = |message: String| Err(Status::invalid_argument(message));
        let (a, b) = (cx.input(0)?, cx.input(3)?);
        let (a_values, b_values) = (cx.input(1)?, cx.input(4)?);
        let (a_dims, b_dims) = (cx.input(2)?, cx.input(5)?);
        if (a.shape().rank(), b.shape().rank()) != (2, 2) {
            return error(format!(
                "Input indices should be matrices but received shapes: {} and {}",
                a.shape(),
                b.shape()
            ));
        }
        if (a_values.shape().rank(), b_values.shape().rank()) != (1, 1) {
            return error(format!(
                "Input values should be vectors but received shapes: {} and {}",
                a_values.shape(),
                b_values.shape()
            ));
        }
        if (a_dims.shape().rank(), b_dims.shape().rank()) != (1, 1) {
            return error(format!(
                "Input shapes should be a vector but received shapes {} and {}",
                a_dims.shape(),
                b_dims.shape()
            ));
        }
        let (n_a, n_b) = (a.dims()[0], b.dims()[0]);
        if (a_values.n_elements(), b_values.n_elements()) != (n_a, n_b) {
            return error(format!(
                "Expected {} and {} non-empty input values, got {} and {}",
                n_a,
                n_b,
                a_values.n_elements(),
                b_values.n_elements()
            ));
        }
        let rank = a_dims.n_elements();
        if a.dims()[1] != b.dims()[1] {
            return error(format!(
                "Input indices must have the same dimension, got {} and {}",
                a.dims()[1],
                b.dims()[1]
            ));
        }
        if a.dims()[1] != rank {
            return error(format!(
                "Second dimension of a_indices and length of a_shape must match, got {} and {rank}",
                a.dims()[1]
            ));
        }
        check_same(a_dims, b_dims)?;
        Ok(Two {
            rank,
            indices: [a.as_slice()?, b.as_slice()?],
            values: [a_values.as_slice()?, b_values.as_slice()?],
            dims: a_dims,
        })
    }

    /// As [`Two::read`], with all entries inside.
    ///
    /// Errors: as there, with the words of other ops.
    fn read_inside(cx: &'a KernelContext<'_>) -> Result<Two<'a, T>, Status> {
        let (a, b) = (Parts::read(cx, 0)?, Parts::read(cx, 3)?);
        a.check_inside()?;
        b.check_inside()?;
        check_same(cx.input(2)?, cx.input(5)?)?;
        Ok(Two {
            rank: a.rank(),
            indices: [a.indices, b.indices],
            values: [a.values.as_slice()?, b.values.as_slice()?],
            dims: cx.input(2)?,
        })
    }

    fn union(&self) -> Vec<Source> {
        let [a, b] = self.values.map(<[T]>::len);
        union(self.rank, self.indices[0], a, self.indices[1], b)
    }

    fn indices_of(&self, sources: &[Source]) -> Result<Tensor, Status> {
        let index = |source: &Source| match *source {
            Source::A(i) | Source::Both(i, _) => &self.indices[0][i * self.rank..][..self.rank],
            Source::B(j) => &self.indices[1][j * self.rank..][..self.rank],
        };
        let indices = sources.iter().flat_map(index).copied().collect();
        index_matrix(self.rank, indices, sources.len())
    }
}

/// Checks that two shapes are the same.
fn check_same(a: &Tensor, b: &Tensor) -> Result<(), Status> {
    let error = |message: String| Err(Status::invalid_argument(message));
    let (a_sizes, b_sizes) = (a.as_slice::<i64>()?, b.as_slice::<i64>()?);
    let rank = a_sizes.len();
    if rank != b_sizes.len() {
        return error(format!(
            "Operands do not have the same ranks; got shapes: {} and {}",
            joined(a_sizes, " "),
            joined(b_sizes, " ")
        ));
    }
    if let Some(dim) = (0..rank).find(|dim| a_sizes[*dim] != b_sizes[*dim]) {
        return error(format!(
            "Operands' shapes do not match: got {} and {} for dimension {dim}",
            a_sizes[dim], b_sizes[dim]
        ));
    }
    Ok(())
}

fn sum<T: Magnitude>(cx: &mut KernelContext<'_>) -> Result<(), Status> {
    let two = Two::<T>::read(cx)?;
    let threshold = cx.input(6)?;
    if !threshold.shape().is_scalar() {
        return Err(Status::invalid_argument(format!(
            "The magnitude threshold must be a scalar: got shape {}",
            threshold.shape()
        )));
    }
    let threshold = threshold.to_scalar::<T::Real>()?;
    let [a, b] = two.values;
    let (mut sources, mut values) = (Vec::new(), Vec::new());
    for source in two.union() {
        let value = match source {
            Source::A(i) => a[i],
            Source::B(j) => b[j],
            Source::Both(i, j) => {
                let value = a[i].add(b[j]);
                match threshold <= value.magnitude() {
                    true => value,
                    false => continue,
                }
            }
        };
        sources.push(source);
        values.push(value);
    }
    let (indices, dims) = (two.indices_of(&sources)?, two.dims.clone());
    cx.set_output(0, indices)?;
    cx.set_output(1, Tensor::from_elements(values))?;
    cx.set_output(2, dims)
}

/// Gives each entry of two summands the gradient that it has in their sum; 0 where the sum left it out.
///
/// Shapes: `backprop_val_grad [s]`, indices `[n, r]`, `[m, r]` and `[s, r]` → `[n]`, `[m]`.  Types: as `SparseAdd`.
/// Errors: `INVALID_ARGUMENT` for other shapes.  Source: OpDef `SparseAddGrad`.
pub(super) fn sparse_add_grad(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    with_type!(
        dtype,
        T in [
            F32 => f32, F64 => f64, I8 => i8, I16 => i16, I32 => i32, I64 => i64,
            Complex64 => Complex<f32>, Complex128 => Complex<f64>,
        ] => kernel(gradient::<T>),
        else Err(no_type(init, dtype))
    )
}

fn gradient<T: Arith>(cx: &mut KernelContext<'_>) -> Result<(), Status> {
    let error = |message: String| Err(Status::invalid_argument(message));
    let (gradient, a, b, sum) = (cx.input(0)?, cx.input(1)?, cx.input(2)?, cx.input(3)?);
    let (&[n_a, rank], &[n_b, b_rank], &[n_sum, sum_rank]) = (a.dims(), b.dims(), sum.dims())
    else {
        return error(format!(
            "Input indices should be matrices but received shapes: {} and {} and {}",
            a.shape(),
            b.shape(),
            sum.shape()
        ));
    };
    if gradient.shape().rank() != 1 {
        return error(format!(
            "Input backprop_val_grad should be a vector but received shape: {}",
            gradient.shape()
        ));
    }
    if (b_rank, sum_rank) != (rank, rank) {
        return error(format!(
            "The densified operands should have the same ndims; for A, B, sum got: {rank}{b_rank}{sum_rank}"
        ));
    }
    if gradient.n_elements() != n_sum {
        return error(format!(
            "# elements of backprop_val_grad and # rows of sum_indices should match (#nnz of sum): got {} and \
             {n_sum}",
            gradient.n_elements()
        ));
    }
    let from = gradient.as_slice::<T>()?;
    let sums = sum.as_slice::<i64>()?;
    let mut outputs = Vec::new();
    for (side, n) in [(a, n_a), (b, n_b)] {
        let all = side.as_slice::<i64>()?;
        let mut output = Tensor::zeros(T::DTYPE, [n])?;
        let to = output.make_mut::<T>()?;
        let (mut i, mut k) = (0, 0);
        while i < n && k < n_sum {
            match all[i * rank..][..rank].cmp(&sums[k * rank..][..rank]) {
                Ordering::Less => i += 1,
                Ordering::Greater => k += 1,
                Ordering::Equal => {
                    to[i] = from[k];
                    i += 1;
                }
            }
        }
        outputs.push(output);
    }
    for (idx, output) in outputs.into_iter().enumerate() {
        cx.set_output(idx, output)?;
    }
    Ok(())
}

/// The larger one of each two entries of sparse tensors, where what is missing is 0.
///
/// Shapes: indices `[n, r]` and `[m, r]`, values `[n]` and `[m]`, dimensions `[r]`, the same for both → indices and
/// values
/// of all entries.  Types: `T` real numbers.
/// Errors: `INVALID_ARGUMENT` for parts that do not fit each other.  Source: OpDef `SparseSparseMaximum`.
pub(super) fn sparse_sparse_maximum(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    with_real!(dtype, T => kernel(|cx| extreme::<T>(cx, |a, b| if a < b { b } else { a })), else Err(no_type(init, dtype)))
}

/// As [`sparse_sparse_maximum`], the smaller one.
///
/// Source: OpDef `SparseSparseMinimum`.
pub(super) fn sparse_sparse_minimum(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    with_real!(dtype, T => kernel(|cx| extreme::<T>(cx, |a, b| if b < a { b } else { a })), else Err(no_type(init, dtype)))
}

fn extreme<T: Ordered>(cx: &mut KernelContext<'_>, f: impl Fn(T, T) -> T) -> Result<(), Status> {
    let two = Two::<T>::read_inside(cx)?;
    let zero = Tensor::zeros(T::DTYPE, [])?.to_scalar::<T>()?;
    let [a, b] = two.values;
    let sources = two.union();
    let value = |source: &Source| match *source {
        Source::A(i) => f(a[i], zero),
        Source::B(j) => f(zero, b[j]),
        Source::Both(i, j) => f(a[i], b[j]),
    };
    let values = sources.iter().map(value).collect();
    let indices = two.indices_of(&sources)?;
    cx.set_output(0, indices)?;
    cx.set_output(1, Tensor::from_elements::<T>(values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_union_has_each_entry_once_and_in_order() {
        let sources = union(1, &[1, 4], 2, &[0, 4, 9], 3);
        assert_eq!(sources, [Source::B(0), Source::A(0), Source::Both(1, 1), Source::B(2)]);
    }
}
