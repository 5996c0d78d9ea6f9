//! `TensorProto` to and from [`Tensor`].

use bytes::{Buf, Bytes};
use flowkeep_proto::pb;
use half::{bf16, f16};

use crate::{Complex, DType, Element, Error, Shape, Tensor};

/// The largest tensor, in bytes, that a short list of values may be stretched to fill.
///
/// A few stored bytes can stand for any number of equal elements; this bounds what a hostile file
/// can make us allocate.
const MAX_STRETCHED_BYTES: usize = 1 << 32;

impl TryFrom<&pb::TensorProto> for Tensor {
    type Error = Error;

    /// Decodes a stored tensor; `tensor_content` is shared, not copied, where it is aligned.
    ///
    /// Errors: `INVALID_ARGUMENT` for an unknown type, an incomplete shape or content of a wrong
    /// length; `UNIMPLEMENTED` for resources and variants.
    fn try_from(proto: &pb::TensorProto) -> Result<Tensor, Error> {
        let dtype = DType::from_number(proto.dtype)?;
        let shape = match &proto.tensor_shape {
            Some(shape) if shape.unknown_rank => Shape::SCALAR,
            Some(shape) => Shape::from_proto(shape)?,
            None => Shape::SCALAR,
        };
        if !proto.tensor_content.is_empty() {
            return from_content(dtype, shape, &proto.tensor_content);
        }
        from_values(dtype, shape, proto)
    }
}

fn from_content(dtype: DType, shape: Shape, content: &Bytes) -> Result<Tensor, Error> {
    if dtype == DType::String {
        return strings_from_content(shape, content.clone());
    }
    let size = dtype.size_bytes().ok_or(Error::NotPlain(dtype))?;
    if shape.checked_n_elements().and_then(|n| n.checked_mul(size)) != Some(content.len()) {
        return Err(Error::BadProto(format!(
            "tensor_content has {} bytes, but a tensor of type {dtype} and shape {shape} has another size",
            content.len()
        )));
    }
    Tensor::from_bytes(dtype, shape, content.clone())
}

/// All lengths as varints, then all contents.
fn strings_from_content(shape: Shape, mut content: Bytes) -> Result<Tensor, Error> {
    let n = shape.n_elements();
    let bad = || Error::BadProto(format!("tensor_content does not hold {n} strings"));
    if n > content.len() {
        return Err(bad());
    }
    let mut lengths = Vec::with_capacity(n);
    for _ in 0..n {
        lengths.push(read_varint(&mut content).ok_or_else(bad)?);
    }
    let mut values = Vec::with_capacity(n);
    for len in lengths {
        let len = usize::try_from(len).ok().filter(|len| *len <= content.len()).ok_or_else(bad)?;
        values.push(content.split_to(len));
    }
    if content.has_remaining() {
        return Err(bad());
    }
    Tensor::from_strings(shape, values)
}

fn read_varint(bytes: &mut Bytes) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = bytes.first().copied()?;
        bytes.advance(1);
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn from_values(dtype: DType, shape: Shape, proto: &pb::TensorProto) -> Result<Tensor, Error> {
    match dtype {
        DType::F32 => stretch(shape, &proto.float_val, |v| *v),
        DType::F64 => stretch(shape, &proto.double_val, |v| *v),
        DType::I32 => stretch(shape, &proto.int_val, |v| *v),
        DType::I16 => stretch(shape, &proto.int_val, |v| *v as i16),
        DType::I8 => stretch(shape, &proto.int_val, |v| *v as i8),
        DType::U16 => stretch(shape, &proto.int_val, |v| *v as u16),
        DType::U8 => stretch(shape, &proto.int_val, |v| *v as u8),
        DType::I64 => stretch(shape, &proto.int64_val, |v| *v),
        DType::U32 => stretch(shape, &proto.uint32_val, |v| *v),
        DType::U64 => stretch(shape, &proto.uint64_val, |v| *v),
        DType::Bool => stretch(shape, &proto.bool_val, |v| *v),
        DType::F16 => stretch(shape, &proto.half_val, |v| f16::from_bits(*v as u16)),
        DType::BF16 => stretch(shape, &proto.half_val, |v| bf16::from_bits(*v as u16)),
        DType::Complex64 => {
            let pairs: Vec<_> = proto
                .scomplex_val
                .chunks_exact(2)
                .map(|v| Complex { re: v[0], im: v[1] })
                .collect();
            stretch(shape, &pairs, |v| *v)
        }
        DType::Complex128 => {
            let pairs: Vec<_> = proto
                .dcomplex_val
                .chunks_exact(2)
                .map(|v| Complex { re: v[0], im: v[1] })
                .collect();
            stretch(shape, &pairs, |v| *v)
        }
        DType::String => strings_from_values(shape, &proto.string_val),
        DType::QI32 => bits(dtype, &stretch(shape, &proto.int_val, |v| *v)?),
        DType::QI16 | DType::QU16 => bits(dtype, &stretch(shape, &proto.int_val, |v| *v as u16)?),
        DType::QI8 | DType::QU8 | DType::I4 | DType::U4 | DType::I2 | DType::U2 => {
            bits(dtype, &stretch(shape, &proto.int_val, |v| *v as u8)?)
        }
        DType::F8E5M2
        | DType::F8E4M3FN
        | DType::F8E4M3FNUZ
        | DType::F8E4M3B11FNUZ
        | DType::F8E5M2FNUZ
        | DType::F4E2M1FN => bits(dtype, &stretch(shape, &proto.float8_val, |v| *v)?),
        DType::Resource | DType::Variant => Err(Error::NotPlain(dtype)),
    }
}

fn bits(dtype: DType, tensor: &Tensor) -> Result<Tensor, Error> {
    tensor.bitcast(dtype)
}

/// The values with the last one repeated to fill the shape; zeros when there are none.
fn stretch<V, T: Element>(
    shape: Shape,
    values: &[V],
    element: impl Fn(&V) -> T,
) -> Result<Tensor, Error> {
    let n = stretched_len(T::DTYPE, &shape, values.len(), size_of::<T>())?;
    let mut elements: Vec<T> = values.iter().take(n).map(element).collect();
    let last = elements.last().copied().unwrap_or_default();
    elements.resize(n, last);
    Tensor::from_vec(shape, elements)
}

fn strings_from_values(shape: Shape, values: &[Bytes]) -> Result<Tensor, Error> {
    let n = stretched_len(DType::String, &shape, values.len(), size_of::<Bytes>())?;
    let mut elements: Vec<Bytes> = values.iter().take(n).cloned().collect();
    let last = elements.last().cloned().unwrap_or_default();
    elements.resize(n, last);
    Tensor::from_strings(shape, elements)
}

fn stretched_len(
    dtype: DType,
    shape: &Shape,
    n_values: usize,
    size: usize,
) -> Result<usize, Error> {
    let too_large = || Error::TooLarge { dtype, shape: shape.clone() };
    let n = shape.checked_n_elements().ok_or_else(too_large)?;
    let len_bytes = n.checked_mul(size).ok_or_else(too_large)?;
    if n > n_values && len_bytes > MAX_STRETCHED_BYTES {
        return Err(too_large());
    }
    Ok(n)
}

impl From<&Tensor> for pb::TensorProto {
    /// Encodes a tensor: plain elements as `tensor_content`, strings as `string_val`.
    fn from(tensor: &Tensor) -> pb::TensorProto {
        let mut proto = pb::TensorProto {
            dtype: tensor.dtype().number(),
            tensor_shape: Some(tensor.shape().to_proto()),
            ..Default::default()
        };
        match tensor.as_strings() {
            Ok(values) => proto.string_val = values.to_vec(),
            Err(_) => {
                let bytes = tensor.to_le_bytes().unwrap_or_default();
                proto.tensor_content = bytes.into_owned().into();
            }
        }
        proto
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proto(dtype: DType, dims: &[usize]) -> pb::TensorProto {
        pb::TensorProto {
            dtype: dtype.number(),
            tensor_shape: Some(Shape::new(dims).to_proto()),
            ..Default::default()
        }
    }

    #[test]
    fn the_last_value_fills_the_shape() {
        let tensor = Tensor::try_from(&pb::TensorProto {
            float_val: vec![1.0, 2.0],
            ..proto(DType::F32, &[2, 2])
        });
        assert_eq!(tensor.unwrap().as_slice::<f32>().unwrap(), &[1.0, 2.0, 2.0, 2.0]);
    }

    #[test]
    fn no_values_are_zeros_and_extra_values_are_ignored() {
        let zeros = Tensor::try_from(&proto(DType::I64, &[3])).unwrap();
        assert_eq!(zeros.as_slice::<i64>().unwrap(), &[0, 0, 0]);
        let cut =
            Tensor::try_from(&pb::TensorProto { int_val: vec![300, 1], ..proto(DType::U8, &[1]) })
                .unwrap();
        assert_eq!(cut.as_slice::<u8>().unwrap(), &[44]);
    }

    #[test]
    fn content_wins_and_must_have_the_exact_length() {
        let content = pb::TensorProto {
            tensor_content: Bytes::from_static(&[1, 0, 0, 0]),
            int_val: vec![9],
            ..proto(DType::I32, &[1])
        };
        assert_eq!(Tensor::try_from(&content).unwrap().as_slice::<i32>().unwrap(), &[1]);
        let short = pb::TensorProto {
            tensor_content: Bytes::from_static(&[1, 0]),
            ..proto(DType::I32, &[1])
        };
        assert!(Tensor::try_from(&short).is_err());
    }

    #[test]
    fn strings_are_read_from_content() {
        let content = Bytes::from_static(b"\x02\x03abxyz");
        let tensor = Tensor::try_from(&pb::TensorProto {
            tensor_content: content,
            ..proto(DType::String, &[2])
        });
        assert_eq!(tensor.unwrap().as_strings().unwrap(), &[Bytes::from("ab"), Bytes::from("xyz")]);
        let bad = pb::TensorProto {
            tensor_content: Bytes::from_static(b"\xff"),
            ..proto(DType::String, &[1])
        };
        assert!(Tensor::try_from(&bad).is_err());
    }

    #[test]
    fn a_few_bytes_cannot_claim_all_memory() {
        let huge = pb::TensorProto { float_val: vec![1.0], ..proto(DType::F32, &[1 << 40]) };
        assert_eq!(Tensor::try_from(&huge).unwrap_err().code(), crate::Code::ResourceExhausted);
        let negative = pb::TensorProto {
            tensor_shape: Some(pb::TensorShapeProto {
                dim: vec![pb::tensor_shape_proto::Dim { size: -1, name: String::new() }],
                unknown_rank: false,
            }),
            ..proto(DType::F32, &[])
        };
        assert!(Tensor::try_from(&negative).is_err());
    }

    #[test]
    fn encoding_round_trips() {
        let tensor = Tensor::from_vec([2], vec![f16::from_f32(1.5), f16::from_f32(-2.0)]).unwrap();
        assert_eq!(Tensor::try_from(&pb::TensorProto::from(&tensor)).unwrap(), tensor);
    }
}
