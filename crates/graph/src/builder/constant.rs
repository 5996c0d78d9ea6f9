//! Constants in the form in which TensorFlow's Python stores them.

use flowkeep_proto::pb;
use flowkeep_tensor::{Complex, DType, Element, Shape, Tensor};

use crate::Attr;

/// The attribute `value` of a constant.
///
/// A single element, truth values, strings, complex numbers, `uint16` and types narrower than a byte
/// lie in the field of their type, all others as bytes.
pub(super) fn constant_attr(value: &Tensor) -> Attr {
    let mut proto = pb::TensorProto::from(value);
    if value.n_elements() < 2 || !lies_as_bytes(value.dtype()) {
        proto.tensor_content = bytes::Bytes::new();
        set_values(&mut proto, value);
    }
    Attr::Tensor(proto.into())
}

/// The attribute `value` of a constant all elements of which are the scalar `value`.
pub(super) fn filled_attr(value: &Tensor, shape: &Shape) -> Attr {
    let mut proto = pb::TensorProto::from(value);
    proto.tensor_content = bytes::Bytes::new();
    set_values(&mut proto, value);
    proto.tensor_shape = Some(shape.to_proto());
    Attr::Tensor(proto.into())
}

fn lies_as_bytes(dtype: DType) -> bool {
    matches!(
        dtype,
        DType::F32
            | DType::F64
            | DType::F16
            | DType::BF16
            | DType::I8
            | DType::I16
            | DType::I32
            | DType::I64
            | DType::U8
            | DType::U32
            | DType::U64
            | DType::QI8
            | DType::QU8
            | DType::QI16
            | DType::QU16
            | DType::QI32
            | DType::F8E5M2
            | DType::F8E4M3FN
            | DType::F8E4M3FNUZ
            | DType::F8E4M3B11FNUZ
            | DType::F8E5M2FNUZ
    )
}

fn set_values(proto: &mut pb::TensorProto, value: &Tensor) {
    fn list<T: Element, U>(value: &Tensor, f: impl Fn(&T) -> U) -> Vec<U> {
        value.as_slice::<T>().unwrap_or_default().iter().map(f).collect()
    }
    fn pairs<T: Copy>(values: &[Complex<T>]) -> Vec<T> {
        values.iter().flat_map(|value| [value.re, value.im]).collect()
    }
    match value.dtype() {
        DType::F32 => proto.float_val = list(value, |v: &f32| *v),
        DType::F64 => proto.double_val = list(value, |v: &f64| *v),
        DType::I32 => proto.int_val = list(value, |v: &i32| *v),
        DType::I16 => proto.int_val = list(value, |v: &i16| i32::from(*v)),
        DType::I8 => proto.int_val = list(value, |v: &i8| i32::from(*v)),
        DType::U16 => proto.int_val = list(value, |v: &u16| i32::from(*v)),
        DType::U8 => proto.int_val = list(value, |v: &u8| i32::from(*v)),
        DType::I64 => proto.int64_val = list(value, |v: &i64| *v),
        DType::U32 => proto.uint32_val = list(value, |v: &u32| *v),
        DType::U64 => proto.uint64_val = list(value, |v: &u64| *v),
        DType::Bool => proto.bool_val = list(value, |v: &bool| *v),
        DType::F16 => {
            proto.half_val = list(value, |v: &flowkeep_tensor::f16| i32::from(v.to_bits()));
        }
        DType::BF16 => {
            proto.half_val = list(value, |v: &flowkeep_tensor::bf16| i32::from(v.to_bits()));
        }
        DType::Complex64 => proto.scomplex_val = pairs(value.as_slice().unwrap_or_default()),
        DType::Complex128 => proto.dcomplex_val = pairs(value.as_slice().unwrap_or_default()),
        // Strings are there already; of the other types bytes are as good as values.
        DType::String => {}
        _ => *proto = pb::TensorProto::from(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proto(value: &Tensor) -> pb::TensorProto {
        constant_attr(value).as_tensor().unwrap().proto().clone()
    }

    #[test]
    fn single_elements_lie_in_their_field_and_several_as_bytes() {
        let one = proto(&Tensor::from_elements(vec![1.5f32]));
        assert_eq!((one.float_val.as_slice(), one.tensor_content.len()), (&[1.5][..], 0));
        let two = proto(&Tensor::from_elements(vec![1.5f32, 2.0]));
        assert_eq!((two.float_val.len(), two.tensor_content.len()), (0, 8));
    }

    #[test]
    fn some_types_never_lie_as_bytes() {
        let bools = proto(&Tensor::from_elements(vec![true, false]));
        assert_eq!(
            (bools.bool_val.as_slice(), bools.tensor_content.len()),
            (&[true, false][..], 0)
        );
        assert_eq!(proto(&Tensor::from_elements(vec![7u16, 8])).int_val, [7, 8]);
        let complex = Tensor::from_elements(vec![Complex { re: 1.0f32, im: 2.0 }]);
        assert_eq!(proto(&complex).scomplex_val, [1.0, 2.0]);
    }

    #[test]
    fn constants_decode_to_what_they_were() {
        for value in [
            Tensor::scalar(flowkeep_tensor::bf16::from_f32(1.5)),
            Tensor::scalar(-3i8),
            Tensor::from_elements(Vec::<f32>::new()),
            Tensor::from_elements(vec![1u64, u64::MAX]),
            Tensor::scalar_string("abc"),
        ] {
            let back = Tensor::try_from(&proto(&value)).unwrap();
            assert_eq!((back.dtype(), back.shape()), (value.dtype(), value.shape()));
            assert_eq!(pb::TensorProto::from(&back), pb::TensorProto::from(&value));
        }
    }

    #[test]
    fn a_filled_constant_stores_one_element() {
        let attr = filled_attr(&Tensor::scalar(2i32), &Shape::from([3, 2]));
        let proto = attr.as_tensor().unwrap().proto();
        assert_eq!(proto.int_val, [2]);
        assert_eq!(Tensor::try_from(proto).unwrap().as_slice::<i32>().unwrap(), [2; 6]);
    }
}
