//! `Cumsum` and `Cumprod`: running totals.

use flowkeep_linalg::Pool;
use flowkeep_tensor::Tensor;

use super::scalar::Scalar;
use crate::kernel::{KernelInit, Status};
use crate::ops::args::{self, Built, kernel, product};
use crate::ops::dispatch::{no_type, with_number};

/// The sum of all elements up to each one along `axis`.
///
/// Shapes: `x [D..]`, `axis []` → `[D..]`.  Types: numbers; integers wrap. `exclusive` leaves the
/// element itself out, `reverse` starts at the end.
/// Errors: `INVALID_ARGUMENT` if `axis` does not exist.  Source: OpDef `Cumsum`.
pub(super) fn cumsum(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    with_number!(dtype, T => scan(init, T::ZERO, T::plus), else Err(no_type(init, dtype)))
}

/// The product of all elements up to each one along `axis`.
///
/// Shapes, types and errors: as [`cumsum`].  Source: OpDef `Cumprod`.
pub(super) fn cumprod(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    with_number!(dtype, T => scan(init, T::ONE, T::times), else Err(no_type(init, dtype)))
}

fn scan<T: Scalar>(init: &KernelInit<'_>, empty: T, join: fn(T, T) -> T) -> Built {
    let (exclusive, reverse) = (init.attr_bool("exclusive")?, init.attr_bool("reverse")?);
    kernel(move |cx| {
        let axis = cx.input(1)?;
        if !axis.shape().is_scalar() {
            let message = format!("ScanOp: axis must be a scalar, not {}", axis.shape());
            return Err(Status::invalid_argument(message));
        }
        let axis = args::int(axis, "ScanOp: axis")?;
        let mut tensor = cx.take_input(0)?;
        let rank = tensor.shape().rank();
        let dim = args::axis(axis, rank).ok_or_else(|| {
            Status::invalid_argument(format!(
                "ScanOp: Expected scan axis in the range [{}, {rank}), but got {axis}",
                -(rank as i64)
            ))
        })?;
        if tensor.n_elements() > 0 {
            let row = product(&tensor.dims()[dim + 1..]);
            let scan = Scan { row, exclusive, reverse, empty, join };
            scan.run(cx.pool(), tensor.dims()[dim], &mut tensor)?;
        }
        cx.set_output(0, tensor)
    })
}

struct Scan<T> {
    /// Elements between neighbors along the axis.
    row: usize,
    exclusive: bool,
    reverse: bool,
    empty: T,
    join: fn(T, T) -> T,
}

impl<T: Scalar> Scan<T> {
    fn run(&self, pool: &Pool, size: usize, tensor: &mut Tensor) -> Result<(), Status> {
        /// Elements per task.
        const GRAIN: usize = 16 << 10;
        let block = size * self.row;
        let per_task = (GRAIN / block).max(1);
        pool.parallel_chunks(tensor.make_mut::<T>()?, per_task * block, |_, blocks| {
            for block in blocks.chunks_exact_mut(block) {
                let mut totals = vec![self.empty; self.row];
                let rows = block.chunks_exact_mut(self.row);
                if self.reverse {
                    rows.rev().for_each(|row| self.step(&mut totals, row));
                } else {
                    rows.for_each(|row| self.step(&mut totals, row));
                }
            }
        });
        Ok(())
    }

    /// Adds a row to the totals and replaces it by them, the totals before it if `exclusive`.
    fn step(&self, totals: &mut [T], row: &mut [T]) {
        for (total, x) in totals.iter_mut().zip(row) {
            let next = (self.join)(*total, *x);
            *x = if self.exclusive { *total } else { next };
            *total = next;
        }
    }
}
