//! `OneHot`.

use crate::kernel::{KernelInit, Status};
use crate::ops::args::{self, Built, kernel, product};
use crate::ops::cells::{Cell, Move, fill_from, fill_zeroed};

/// Turns indices into vectors that are `on_value` at the index and `off_value` elsewhere.
///
/// Shapes: `indices [D..]`, `depth`, `on_value`, `off_value` `[]` → `[D0.., depth, ..]`, the new
/// dimension at `axis`.  Types: `T` any; `TI` u8, i8, i32 or i64. An index outside `[0, depth)`
/// gives a vector of `off_value`.
/// Errors: `INVALID_ARGUMENT` for a negative depth or a bad axis; `RESOURCE_EXHAUSTED` if the result
/// is too large.  Source: OpDef `OneHot`.
pub(super) fn one_hot(init: &KernelInit<'_>) -> Built {
    let axis = init.attr_int("axis")?;
    kernel(move |cx| {
        let (indices, depth) = (cx.input(0)?, cx.input(1)?);
        let (on, off) = (cx.input(2)?, cx.input(3)?);
        for (name, scalar) in [("depth", depth), ("on_value", on), ("off_value", off)] {
            if scalar.n_elements() != 1 || scalar.shape().rank() != 0 {
                let message = format!("{name} must be a scalar, but got: {}", scalar.shape());
                return Err(Status::invalid_argument(message));
            }
        }
        let depth = args::int(depth, "depth")?;
        let depth = usize::try_from(depth).map_err(|_| {
            Status::invalid_argument(format!("depth must be non-negative, got: {depth}"))
        })?;
        let dims = indices.dims();
        let at = if axis == -1 { Some(dims.len()) } else { usize::try_from(axis).ok() };
        let at = at.filter(|at| *at <= dims.len()).ok_or_else(|| {
            Status::invalid_argument(format!(
                "Expected axis to be -1 or between [0, {}).  But received: {axis}",
                dims.len() + 1
            ))
        })?;
        let mut shape = dims.to_vec();
        shape.insert(at, depth);
        let job = OneHot { indices: &args::ints(indices)?, depth, inner: product(&dims[at..]) };
        cx.check_room(on.dtype(), &shape)?;
        let output = fill_from(on.dtype(), &[on, off], shape, job)?;
        cx.set_output(0, output)
    })
}

struct OneHot<'a> {
    /// The indices `[outer, inner]`.
    indices: &'a [i64],
    depth: usize,
    inner: usize,
}

impl Move for OneHot<'_> {
    fn run<C: Cell>(self, from: &[&[C]], to: &mut [C]) -> Result<(), Status> {
        let [[on], [off]] = from else { return Ok(()) };
        if to.is_empty() {
            return Ok(());
        }
        fill_zeroed(to, off);
        for (outer, indices) in self.indices.chunks_exact(self.inner).enumerate() {
            for (inner, &index) in indices.iter().enumerate() {
                if let Some(index) = usize::try_from(index).ok().filter(|index| *index < self.depth)
                {
                    to[(outer * self.depth + index) * self.inner + inner] = on.clone();
                }
            }
        }
        Ok(())
    }
}
