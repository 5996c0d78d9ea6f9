//! Ops that make tensors: constants, placeholders, fills.

use flowkeep_tensor::{Complex, DType, Tensor, bf16, f16};

use crate::kernel::{KernelInit, Status};
use crate::ops::args::{self, Built, kernel};
use crate::ops::cells::{Cell, Move, fill_from, fill_zeroed};
use crate::ops::list;

/// The tensor of the attribute `value`.
///
/// Shapes: → as the attribute.  Types: any but resources.
/// Errors: those of decoding the stored tensor.  Source: OpDef `Const`.
pub(super) fn constant(init: &KernelInit<'_>) -> Built {
    let value = init.attr_tensor("value")?;
    let dtype = init.attr_type("dtype")?;
    if value.dtype() != dtype {
        return Err(Status::invalid_argument(format!(
            "Type mismatch between value ({}) and dtype ({dtype})",
            value.dtype()
        )));
    }
    kernel(move |cx| cx.set_output(0, value.clone()))
}

/// Stands for a tensor that the run must feed.
///
/// Shapes: → as fed.  Types: any.
/// Errors: `INVALID_ARGUMENT` always: a fed placeholder is never run.
/// Source: OpDefs `Placeholder`, `PlaceholderV2`.
pub(super) fn placeholder(init: &KernelInit<'_>) -> Built {
    let shape = init.attr_shape("shape")?;
    let dtype = init.attr_type("dtype")?;
    let name = init.node_name();
    let mut message =
        format!("You must feed a value for placeholder tensor '{name}' with dtype {dtype}");
    if shape.rank().is_some_and(|rank| rank > 0) {
        message += &format!(" and shape {shape}");
    }
    kernel(move |_| Err(Status::invalid_argument(message.clone())))
}

/// Makes a tensor of one value.
///
/// Shapes: `dims [r]`, `value []` → `dims`.  Types: `T` any; `dims` i32 or i64.
/// Errors: `INVALID_ARGUMENT` for a negative dimension or a `value` that is not a scalar;
/// `RESOURCE_EXHAUSTED` if it is too large.  Source: OpDef `Fill`.
pub(super) fn fill(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let dims = cx.input(0)?;
        if dims.shape().rank() != 1 {
            return Err(Status::invalid_argument(format!(
                "dims must represent a vector, got shape {}",
                dims.shape()
            )));
        }
        let dims = args::ints(dims)?;
        let value = cx.input(1)?;
        if value.n_elements() != 1 {
            return Err(Status::invalid_argument(format!(
                "value must represent a scalar, got shape {}",
                value.shape()
            )));
        }
        let shape = args::shape(&dims)?;
        cx.check_room(value.dtype(), shape.dims())?;
        let output = fill_from(value.dtype(), &[value], shape, Fill)?;
        cx.set_output(0, output)
    })
}

/// Makes a tensor of a given shape; it is always zero, which `init` false does not ask for.
///
/// Shapes: `shape [r]`, i32 → `shape`.  Types: `dtype` any.
/// Errors: `INVALID_ARGUMENT` for a negative dimension; `RESOURCE_EXHAUSTED` if it is too large.
/// Source: OpDef `Empty`.
pub(super) fn empty(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("dtype")?;
    kernel(move |cx| {
        let shape = cx.input(0)?;
        if shape.shape().rank() != 1 {
            return Err(Status::invalid_argument(format!(
                "shape must be a vector of int32, got shape {}",
                shape.shape()
            )));
        }
        let output = cx.zeros(dtype, args::shape(&args::ints(shape)?)?)?;
        cx.set_output(0, output)
    })
}

/// Makes a tensor of zeros (empty strings, `false`) of the input's shape.
///
/// Shapes: `x [D..]` → `[D..]`.  Types: `T` any; of a list, each element becomes zeros.
/// Source: OpDef `ZerosLike`.
pub(super) fn zeros_like(init: &KernelInit<'_>) -> Built {
    if init.attr_type("T")? == DType::Variant {
        return list::zeros_like();
    }
    kernel(|cx| {
        let input = cx.take_input(0)?;
        let output = cx.zeros(input.dtype(), input.shape())?;
        cx.set_output(0, output)
    })
}

/// Makes a tensor of ones (`true`) of the input's shape.
///
/// Shapes: `x [D..]` → `[D..]`.  Types: numbers and bool.  Source: OpDef `OnesLike`.
pub(super) fn ones_like(init: &KernelInit<'_>) -> Built {
    let one = one(init.attr_type("T")?)?;
    kernel(move |cx| {
        let input = cx.take_input(0)?;
        let output = fill_from(input.dtype(), &[&one], input.shape(), Fill)?;
        cx.set_output(0, output)
    })
}

/// Repeats the only element of its input.
struct Fill;

impl Move for Fill {
    fn run<C: Cell>(self, from: &[&[C]], to: &mut [C]) -> Result<(), Status> {
        if let [[value]] = from {
            fill_zeroed(to, value);
        }
        Ok(())
    }
}

/// The scalar 1 of a type.
fn one(dtype: DType) -> Result<Tensor, Status> {
    Ok(match dtype {
        DType::F32 => Tensor::scalar(1f32),
        DType::F64 => Tensor::scalar(1f64),
        DType::F16 => Tensor::scalar(f16::ONE),
        DType::BF16 => Tensor::scalar(bf16::ONE),
        DType::I8 => Tensor::scalar(1i8),
        DType::I16 => Tensor::scalar(1i16),
        DType::I32 => Tensor::scalar(1i32),
        DType::I64 => Tensor::scalar(1i64),
        DType::U8 => Tensor::scalar(1u8),
        DType::U16 => Tensor::scalar(1u16),
        DType::U32 => Tensor::scalar(1u32),
        DType::U64 => Tensor::scalar(1u64),
        DType::Bool => Tensor::scalar(true),
        DType::Complex64 => Tensor::scalar(Complex { re: 1f32, im: 0.0 }),
        DType::Complex128 => Tensor::scalar(Complex { re: 1f64, im: 0.0 }),
        _ => return Err(Status::unimplemented(format!("there is no 1 of type {dtype}"))),
    })
}
