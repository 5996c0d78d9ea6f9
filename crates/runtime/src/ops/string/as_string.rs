//! Numbers as strings.

use bytes::Bytes;
use flowkeep_tensor::{Complex, DType, Element, Tensor};

use super::printf::{Flag, Format, Notation};
use crate::kernel::{KernelInit, Status};
use crate::ops::args::{Built, kernel};
use crate::ops::dispatch::no_type;

/// Writes each element as C's `printf` would, by default with `%d`, `%f` or `%s`.
///
/// Shapes: `input [D..]` → `[D..]`.  Types: `T` numbers, bool and string.
/// Errors: `INVALID_ARGUMENT` for notations that do not suit the type, more than one notation, or
/// an unknown fill character.
/// Source: OpDef `AsString`.
pub(super) fn as_string(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    let notation = notation(init, dtype)?;
    let format = Format::new(flag(init)?, init.attr_int("width")?, init.attr_int("precision")?)?;
    match dtype {
        DType::I8 => each(move |x: i8| format.signed(x.into())),
        DType::I16 => each(move |x: i16| format.signed(x.into())),
        DType::I32 => each(move |x: i32| format.signed(x.into())),
        DType::I64 => each(move |x: i64| format.signed(x)),
        DType::U8 => each(move |x: u8| format.unsigned(x.into())),
        DType::U16 => each(move |x: u16| format.unsigned(x.into())),
        DType::U32 => each(move |x: u32| format.unsigned(x.into())),
        DType::U64 => each(move |x: u64| format.unsigned(x)),
        DType::F16 => each(move |x: flowkeep_tensor::f16| format.float(x.to_f64(), notation)),
        DType::BF16 => each(move |x: flowkeep_tensor::bf16| format.float(x.to_f64(), notation)),
        DType::F32 => each(move |x: f32| format.float(x.into(), notation)),
        DType::F64 => each(move |x: f64| format.float(x, notation)),
        DType::Complex64 => each(move |x: Complex<f32>| {
            let part = |x: f32| format.float(x.into(), notation);
            format!("({},{})", part(x.re), part(x.im))
        }),
        DType::Complex128 => each(move |x: Complex<f64>| {
            let part = |x: f64| format.float(x, notation);
            format!("({},{})", part(x.re), part(x.im))
        }),
        DType::Bool => each(move |x: bool| if x { "true" } else { "false" }.to_owned()),
        DType::String => kernel(move |cx| {
            let mut strings = cx.take_input(0)?;
            if format.width > 0 {
                for string in strings.make_mut_strings()? {
                    *string = format.bytes(string).into();
                }
            }
            cx.set_output(0, strings)
        }),
        _ => Err(no_type(init, dtype)),
    }
}

fn notation(init: &KernelInit<'_>, dtype: DType) -> Result<Notation, Status> {
    let (scientific, shortest) = (init.attr_bool("scientific")?, init.attr_bool("shortest")?);
    if !dtype.is_floating() && !dtype.is_complex() && dtype != DType::String {
        if scientific || shortest {
            return Err(Status::invalid_argument(format!(
                "scientific and shortest format not supported for datatype {dtype}"
            )));
        }
        if init.attr_int("precision")? >= 0 {
            let message = format!("precision not supported for datatype {dtype}");
            return Err(Status::invalid_argument(message));
        }
    }
    match (scientific, shortest) {
        (false, false) => Ok(Notation::Fixed),
        (true, false) => Ok(Notation::Scientific),
        (false, true) => Ok(Notation::Shortest),
        (true, true) => {
            Err(Status::invalid_argument("Cannot select both scientific and shortest notation"))
        }
    }
}

fn flag(init: &KernelInit<'_>) -> Result<Flag, Status> {
    match init.attr_str("fill")? {
        "" => Ok(Flag::None),
        " " => Ok(Flag::Space),
        "+" => Ok(Flag::Plus),
        "-" => Ok(Flag::Left),
        "0" => Ok(Flag::Zero),
        "#" => Ok(Flag::Alternate),
        fill if fill.len() > 1 => {
            Err(Status::invalid_argument("Fill string must be one or fewer characters"))
        }
        fill => Err(Status::invalid_argument(format!("Fill argument not supported: \"{fill}\""))),
    }
}

/// The kernel that writes each element.
fn each<T: Element>(write: impl Fn(T) -> String + Send + Sync + 'static) -> Built {
    kernel(move |cx| {
        let input = cx.input(0)?;
        let strings = input.as_slice::<T>()?.iter().map(|&x| Bytes::from(write(x))).collect();
        let output = Tensor::from_strings(input.shape().clone(), strings)?;
        cx.set_output(0, output)
    })
}
