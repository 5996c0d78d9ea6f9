//! How many members sets have.

use std::collections::BTreeSet;

use flowkeep_tensor::{DType, Tensor};

use super::source::{Member, Sparse, groups_of, number, with_member};
use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{Built, kernel};
use crate::ops::dispatch::no_type;

/// Counts the different values of each group of a sparse tensor.
///
/// Shapes: `set_indices [n, r]`, i64, `set_values [n]`, `set_shape [r]`, i64 → i32, of all dimensions but the last.
/// Types: `T` integers up to 64 bits and strings.
/// Errors: `INVALID_ARGUMENT` for parts that do not fit each other and, with `validate_indices`, for entries that are
/// out of order; `RESOURCE_EXHAUSTED` if the result is too large.  Source: OpDef `SetSize`.
pub(super) fn set_size(init: &KernelInit<'_>) -> Built {
    let (dtype, ordered) = (init.attr_type("T")?, init.attr_bool("validate_indices")?);
    with_member!(
        dtype,
        T => kernel(move |cx| {
            let output = sizes::<T>(cx, ordered)?;
            cx.set_output(0, output)
        }),
        else Err(no_type(init, dtype))
    )
}

fn sizes<T: Member>(cx: &KernelContext<'_>, ordered: bool) -> Result<Tensor, Status> {
    let sparse = Sparse::<T>::read(cx, 0, ordered)?;
    let groups = groups_of(&sparse.dims)?;
    let mut output = Tensor::zeros(DType::I32, groups)?;
    let sizes = output.make_mut::<i32>()?;
    for (group, members) in sparse.sets() {
        let set: BTreeSet<&T> = members.iter().collect();
        sizes[number(group, groups)] = i32::try_from(set.len()).unwrap_or(i32::MAX);
    }
    Ok(output)
}
