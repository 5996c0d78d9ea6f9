//! Ops that pass their inputs on: nothing is copied.

use flowkeep_tensor::DType;

use crate::kernel::{KernelInit, Status};
use crate::ops::args::{Built, kernel};

/// Passes its input on, whatever it is.
///
/// Shapes: `input [D..]` → `[D..]`.  Types: any, resources included.
/// Source: OpDefs `Identity`, `Snapshot`, `StopGradient`, `PreventGradient`, `GuaranteeConst`, `DeepCopy` (a
/// tensor that others hold is never changed), `PlaceholderWithDefault` (when it is not fed).
pub(in crate::ops) fn identity(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let value = cx.take_value(0)?;
        cx.set_output(0, value)
    })
}

/// Passes each of its inputs on.
///
/// Shapes: as the inputs.  Types: any, each its own.  Source: OpDef `IdentityN`.
pub(super) fn identity_n(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        for idx in 0..cx.n_inputs() {
            let value = cx.take_value(idx)?;
            cx.set_output(idx, value)?;
        }
        Ok(())
    })
}

/// Passes its input on if it has the shape that the attribute `shape` describes.
///
/// Shapes: `input [D..]` → `[D..]`.  Types: any.
/// Errors: `INVALID_ARGUMENT` for another shape.  Source: OpDef `EnsureShape`.
pub(super) fn ensure_shape(init: &KernelInit<'_>) -> Built {
    let expected = init.attr_shape("shape")?;
    kernel(move |cx| {
        let tensor = cx.take_input(0)?;
        if !expected.matches(tensor.shape()) {
            return Err(Status::invalid_argument(format!(
                "Shape of tensor {} is not compatible with expected shape {expected}.",
                tensor.shape()
            )));
        }
        cx.set_output(0, tensor)
    })
}

/// Reads the bits of its input as another type.
///
/// Shapes: `input [D..]` → `[D..]` for types of equal size; `[D.., n]` to a type `n` times smaller;
/// `[D.., n]` → `[D..]` to a type `n` times larger.  Types: all with a size, but bool only to itself.
/// Errors: `INVALID_ARGUMENT` if the last dimension is not the ratio of the sizes.
/// Source: OpDef `Bitcast`.
pub(super) fn bitcast(init: &KernelInit<'_>) -> Built {
    let to = init.attr_type("type")?;
    kernel(move |cx| {
        let input = cx.take_input(0)?;
        let from = input.dtype();
        let (Some(from_size), Some(to_size)) = (from.size_bytes(), to.size_bytes()) else {
            return Err(Status::unimplemented(format!("cannot bitcast from {from} to {to}")));
        };
        if from_size == to_size {
            let output = input.bitcast(to)?;
            return cx.set_output(0, output);
        }
        if to == DType::Bool {
            return Err(Status::unimplemented(format!("cannot bitcast from {from} to {to}")));
        }
        let mut dims = input.dims().to_vec();
        if from_size > to_size {
            dims.push(from_size / to_size);
        } else if dims.pop() != Some(to_size / from_size) {
            // TensorFlow names the sizes, larger first.
            let message = format!("Cannot bitcast from {to_size} to {from_size}");
            return Err(Status::invalid_argument(message));
        }
        let bytes = input.as_bytes()?;
        let output = flowkeep_tensor::Tensor::from_fill(to, dims, |out| {
            if out.len() == bytes.len() {
                out.copy_from_slice(bytes);
            }
            Ok::<(), flowkeep_tensor::Error>(())
        })?;
        cx.set_output(0, output)
    })
}
