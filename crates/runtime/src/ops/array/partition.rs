//! A tensor's rows dealt out.

use flowkeep_tensor::{Shape, Tensor};

use crate::kernel::{KernelInit, Status};
use crate::ops::args::{Built, index_text, ints, kernel, product};
use crate::ops::cells::{Cell, Move, copy, fill_from};

/// Deals out the parts of `data` by number; those of each output keep their order.
///
/// Shapes: `data [I.., R..]`, `partitions [I..]` → `num_partitions` of `[n, R..]`.  Types: `T` any;
/// partitions are i32.
/// Errors: `INVALID_ARGUMENT` for other shapes and for numbers out of range.
/// Source: OpDef `DynamicPartition`.
pub(super) fn dynamic_partition(init: &KernelInit<'_>) -> Built {
    let n_partitions = init.n_outputs();
    kernel(move |cx| {
        let (data, partitions) = (cx.input(0)?, cx.input(1)?);
        if !data.dims().starts_with(partitions.dims()) {
            return Err(Status::invalid_argument(format!(
                "data.shape must start with partitions.shape, got data.shape = {}, partitions.shape = \
                 {}",
                data.shape(),
                partitions.shape()
            )));
        }
        let mut parts = vec![Vec::new(); n_partitions];
        for (at, number) in ints(partitions)?.into_iter().enumerate() {
            let part = usize::try_from(number).ok().and_then(|number| parts.get_mut(number));
            let part = part.ok_or_else(|| {
                let place = index_text(at, partitions.dims());
                Status::invalid_argument(format!(
                    "partitions{place} = {number} is not in [0, {n_partitions})"
                ))
            })?;
            part.push(at);
        }
        let row_dims = &data.dims()[partitions.shape().rank()..];
        let outputs = parts.iter().map(|part| {
            let shape = Shape::from([&[part.len()], row_dims].concat());
            fill_from(data.dtype(), &[data], shape, Rows { part, len: product(row_dims) })
        });
        let outputs: Vec<Tensor> = outputs.collect::<Result<_, _>>()?;
        for (idx, output) in outputs.into_iter().enumerate() {
            cx.set_output(idx, output)?;
        }
        Ok(())
    })
}

/// Copies the rows of one partition.
struct Rows<'a> {
    part: &'a [usize],
    len: usize,
}

impl Move for Rows<'_> {
    fn run<C: Cell>(self, from: &[&[C]], to: &mut [C]) -> Result<(), Status> {
        let Some(from) = from.first().filter(|_| self.len > 0) else { return Ok(()) };
        for (to, row) in to.chunks_mut(self.len).zip(self.part) {
            copy(&from[row * self.len..][..self.len], to);
        }
        Ok(())
    }
}
