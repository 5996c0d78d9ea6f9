//! `ArgMax` and `ArgMin`: where the extreme element along a dimension is.

use flowkeep_linalg::Pool;
use flowkeep_tensor::{DType, Element, Tensor, bf16, f16};

use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::{self, Built, product};
use crate::ops::dispatch::{no_type, with_real, with_type};

/// The index of the largest element along `dimension`; the first of several.
///
/// Shapes: `input [D0.., A, ..]`, `dimension []` → `[D0.., ..]`.  Types: real numbers and bool;
/// `output_type` i32 or i64 (i16, u16). NaN is passed over; the index is 0 if all are NaN.
/// Errors: `INVALID_ARGUMENT` if `dimension` does not exist or is empty.  Source: OpDef `ArgMax`.
pub(super) fn arg_max(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    macro_rules! build {
        ($T:ty) => {
            build(init, |pool, x, dims, y| {
                find(pool, x.as_slice::<$T>()?, dims, <$T>::LOWEST, |x, best| x > best, y);
                Ok(())
            })
        };
    }
    with_real!(
        dtype,
        T => build!(T),
        else with_type!(dtype, T in [Bool => bool] => build!(T), else Err(no_type(init, dtype)))
    )
}

/// The index of the smallest element along `dimension`; the first of several.
///
/// Shapes, types and errors: as [`arg_max`].  Source: OpDef `ArgMin`.
pub(super) fn arg_min(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    macro_rules! build {
        ($T:ty) => {
            build(init, |pool, x, dims, y| {
                find(pool, x.as_slice::<$T>()?, dims, <$T>::HIGHEST, |x, best| x < best, y);
                Ok(())
            })
        };
    }
    with_real!(
        dtype,
        T => build!(T),
        else with_type!(dtype, T in [Bool => bool] => build!(T), else Err(no_type(init, dtype)))
    )
}

/// Finds an index for each `[outer, inner]` of `[outer, size, inner]`.
type Find = fn(&Pool, &Tensor, [usize; 3], &mut [i64]) -> Result<(), Status>;

struct ArgExtreme {
    output_type: DType,
    find: Find,
}

fn build(init: &KernelInit<'_>, find: Find) -> Built {
    Ok(Box::new(ArgExtreme { output_type: init.attr_type("output_type")?, find }))
}

impl OpKernel for ArgExtreme {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let axis_input = cx.input(1)?;
        if !axis_input.shape().is_scalar() {
            return Err(Status::invalid_argument(format!(
                "dim must be a scalar, but received tensor of shape: {}",
                axis_input.shape()
            )));
        }
        let axis = args::int(axis_input, "dim")?;
        let input = cx.input(0)?;
        let dims = input.dims();
        let rank = dims.len();
        let dim = args::axis(axis, rank).ok_or_else(|| {
            Status::invalid_argument(format!(
                "Expected dimension in the range [-{rank}, {rank}), but got {axis}"
            ))
        })?;
        if dims[dim] == 0 {
            return Err(Status::invalid_argument(format!(
                "Reduction axis {dim} is empty in shape {}",
                input.shape()
            )));
        }
        let mut shape = dims.to_vec();
        shape.remove(dim);
        let mut output = Tensor::zeros(DType::I64, shape)?;
        let three = [product(&dims[..dim]), dims[dim], product(&dims[dim + 1..])];
        (self.find)(cx.pool(), input, three, output.make_mut()?)?;
        cx.set_output(0, narrowed(output, self.output_type)?)
    }
}

/// The indices as another type; they fit, as far as the dimension's size does.
fn narrowed(indices: Tensor, dtype: DType) -> Result<Tensor, Status> {
    let values = indices.as_slice::<i64>()?;
    Ok(match dtype {
        DType::I64 => indices,
        DType::I16 => {
            Tensor::from_vec(indices.shape(), values.iter().map(|&i| i as i16).collect())?
        }
        DType::U16 => {
            Tensor::from_vec(indices.shape(), values.iter().map(|&i| i as u16).collect())?
        }
        _ => Tensor::from_vec(indices.shape(), values.iter().map(|&i| i as i32).collect())?,
    })
}

/// The index of the first element that is `better` than `start` and all before; 0 if none is.
fn find<T: Element>(
    pool: &Pool,
    x: &[T],
    [_, size, inner]: [usize; 3],
    start: T,
    better: impl Fn(T, T) -> bool + Sync,
    out: &mut [i64],
) {
    /// Elements per task.
    const GRAIN: usize = 32 << 10;
    if out.is_empty() {
        return;
    }
    let per_task = (GRAIN / (size * inner)).max(1);
    pool.parallel_chunks(out, per_task * inner, |idx, out| {
        let mut best = vec![start; inner];
        for (i, out) in out.chunks_exact_mut(inner).enumerate() {
            best.fill(start);
            let x = &x[(idx * per_task + i) * size * inner..][..size * inner];
            for (row_idx, row) in x.chunks_exact(inner).enumerate() {
                for ((best, out), &x) in best.iter_mut().zip(&mut *out).zip(row) {
                    if better(x, *best) {
                        (*best, *out) = (x, row_idx as i64);
                    }
                }
            }
        }
    });
}

/// The finite bounds of a type: what the search starts from.
trait Bounds {
    const LOWEST: Self;
    const HIGHEST: Self;
}

macro_rules! impl_bounds {
    ($($t:ident)*) => {$(
        impl Bounds for $t {
            const LOWEST: $t = $t::MIN;
            const HIGHEST: $t = $t::MAX;
        }
    )*};
}

impl_bounds! { f32 f64 f16 bf16 i8 i16 i32 i64 u8 u16 u32 u64 }

impl Bounds for bool {
    const LOWEST: bool = false;
    const HIGHEST: bool = true;
}
