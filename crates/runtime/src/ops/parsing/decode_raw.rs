//! Bytes as the elements that they encode.

use flowkeep_tensor::{DType, Tensor};

use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};

/// Reads the bytes of each string as numbers.
///
/// Shapes: `[B..]` → `[B.., n]`, where each string has `n` elements; `[B.., 0]` without strings.
/// Types: `out_type` numbers and bool.
/// Errors: `INVALID_ARGUMENT` for strings of different lengths, or of no whole number of elements.
/// Source: OpDef `DecodeRaw`.
struct DecodeRaw {
    out_type: DType,
    little_endian: bool,
}

/// What bytes can be decoded into.
pub(super) const OUT_TYPES: &[DType] = &[
    DType::F16,
    DType::BF16,
    DType::F32,
    DType::F64,
    DType::I8,
    DType::I16,
    DType::I32,
    DType::I64,
    DType::U8,
    DType::U16,
    DType::U32,
    DType::U64,
    DType::Complex64,
    DType::Complex128,
    DType::Bool,
];

pub(super) fn decode_raw(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    let (out_type, little_endian) = (init.attr_type("out_type")?, init.attr_bool("little_endian")?);
    Ok(Box::new(DecodeRaw { out_type, little_endian }))
}

impl OpKernel for DecodeRaw {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let decoded = decode(cx.input(0)?, self.out_type, self.little_endian)?;
        cx.set_output(0, decoded)
    }
}

fn decode(input: &Tensor, dtype: DType, little_endian: bool) -> Result<Tensor, Status> {
    let strings = input.as_strings()?;
    let len = strings.first().map_or(0, |string| string.len());
    let other = strings.iter().enumerate().find(|(_, string)| string.len() != len);
    if let Some((idx, string)) = other {
        return Err(Status::invalid_argument(format!(
            "DecodeRaw requires input strings to all be the same size, but element {idx} has size \
             {len} != {}",
            string.len()
        )));
    }
    let size = dtype.size_bytes().ok_or(flowkeep_tensor::Error::NotPlain(dtype))?;
    if !len.is_multiple_of(size) {
        return Err(Status::invalid_argument(format!(
            "Input to DecodeRaw has length {len} that is not a multiple of {size}, the size of {dtype}"
        )));
    }
    let shape = [input.dims(), &[len / size]].concat();
    // The parts of a complex number are numbers of their own.
    let word = if dtype.is_complex() { size / 2 } else { size };
    let fill = |out: &mut [u8]| -> Result<(), flowkeep_tensor::Error> {
        for (out, string) in out.chunks_mut(len.max(1)).zip(strings) {
            out.copy_from_slice(string);
        }
        if little_endian != cfg!(target_endian = "little") {
            out.chunks_mut(word).for_each(<[u8]>::reverse);
        }
        Ok(())
    };
    Ok(Tensor::from_fill(dtype, shape, fill)?)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use flowkeep_tensor::Complex;

    use super::*;

    fn strings(values: &[&'static str]) -> Tensor {
        let values: Vec<Bytes> = values.iter().map(|value| Bytes::from(*value)).collect();
        Tensor::from_strings([values.len()], values).unwrap()
    }

    #[test]
    fn complex_numbers_are_swapped_part_by_part() {
        let decoded = decode(&strings(&["abcdefgh"]), DType::Complex64, false).unwrap();
        let expected = Complex { re: 2.610_078_8e20, im: 6.800_323_7e22 };
        assert_eq!(decoded.as_slice::<Complex<f32>>().unwrap(), [expected]);
    }

    #[test]
    fn lengths_must_be_equal_and_whole() {
        let message = |values: &[&'static str]| {
            decode(&strings(values), DType::I32, true).unwrap_err().message().to_owned()
        };
        assert_eq!(
            message(&["abc"]),
            "Input to DecodeRaw has length 3 that is not a multiple of 4, the size of int32"
        );
        assert_eq!(
            message(&["abcd", "abcdefgh"]),
            "DecodeRaw requires input strings to all be the same size, but element 1 has size 4 != 8"
        );
        assert_eq!(decode(&strings(&[]), DType::I32, true).unwrap().dims(), [0, 0]);
        assert_eq!(decode(&strings(&["", ""]), DType::I32, true).unwrap().dims(), [2, 0]);
    }
}
