use flowkeep_tensor::Tensor;

use super::array::TensorArray;
use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{self, Built, kernel};

/// Writes an element.
///
/// Shapes: handle, `index []`, `value [D..]`, `flow_in []` → `flow_out []`.
/// Errors: `INVALID_ARGUMENT` for another type or shape, an index out of range (unless the array
/// is dynamic), and for an element that was written or read before.
/// Source: OpDefs `TensorArrayWriteV2`, `TensorArrayWriteV3`.
pub(in super::super) fn write(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let index = scalar_index(cx)?;
        let array = cx.resource(0)?.get::<TensorArray>()?;
        let value = cx.take_value(2)?;
        array.check_written(value.dtype())?;
        array.write(&mut *array.open()?, index, value)?;
        let flow = cx.take_value(3)?;
        cx.set_output(0, flow)
    })
}

/// Reads an element; one that was not written is made of zeros.
///
/// Shapes: handle, `index []`, `flow_in []` → `[D..]`.
/// Errors: `INVALID_ARGUMENT` for another type, an index out of range, an element that was cleared,
/// and when nothing says which shape zeros have.
/// Source: OpDefs `TensorArrayReadV2`, `TensorArrayReadV3`.
pub(in super::super) fn read(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("dtype")?;
    kernel(move |cx| {
        let index = scalar_index(cx)?;
        let array = cx.resource(0)?.get::<TensorArray>()?;
        array.check_read(dtype)?;
        let value = array.read(&mut *array.open()?, index)?;
        cx.set_output(0, value)
    })
}

fn scalar_index(cx: &KernelContext<'_>) -> Result<i64, Status> {
    let index = cx.input(1)?;
    if !index.dims().is_empty() {
        let message = format!("index must be scalar, but had shape: {}", index.shape());
        return Err(Status::invalid_argument(message));
    }
    args::int(index, "index")
}

/// The number of elements.
///
/// Shapes: handle, `flow_in []` → `[]`.  Source: OpDefs `TensorArraySizeV2`, `TensorArraySizeV3`.
pub(in super::super) fn size(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let array = cx.resource(0)?.get::<TensorArray>()?;
        let n = array.open()?.elements.len();
        let n = i32::try_from(n).map_err(|_| Status::invalid_argument("the array is too long"))?;
        cx.set_output(0, Tensor::scalar(n))
    })
}

/// Frees the elements before the run ends; nothing can be done with the array then.
///
/// Source: OpDefs `TensorArrayCloseV2`, `TensorArrayCloseV3`.
pub(in super::super) fn close(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let array = cx.resource(0)?.get::<TensorArray>()?;
        let mut elements = array.lock();
        elements.elements.clear();
        elements.is_closed = true;
        Ok(())
    })
}
