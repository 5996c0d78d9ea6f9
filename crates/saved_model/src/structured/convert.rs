use flowkeep_tensor::{DType, Shape, Tensor, bf16, f16};

use super::StructuredValue;

/// A literal as a tensor: `tf.convert_to_tensor` with a `dtype_hint`.
///
/// Numbers, texts and regular lists of them become tensors of type `hint` where they can, else of
/// Python's usual types: `int32`, `float32`, `bool`, `string`. `None` for what is no tensor.
pub(crate) fn convert_to_tensor(value: &StructuredValue, hint: DType) -> Option<Tensor> {
    if let StructuredValue::Tensor(tensor) = value {
        return Some(tensor.clone());
    }
    let mut elements = Vec::new();
    let shape = Shape::from(flatten(value, &mut elements)?);
    if let Some(tensor) = of_type(&elements, &shape, hint) {
        return Some(tensor);
    }
    let usual = match elements.iter().max_by_key(|element| element.rank())? {
        Element::Bool(_) => DType::Bool,
        Element::Int(_) => DType::I32,
        Element::Float(_) => DType::F32,
        Element::Str(_) => DType::String,
    };
    of_type(&elements, &shape, usual)
}

#[derive(Clone, Copy)]
enum Element<'a> {
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(&'a str),
}

impl Element<'_> {
    fn rank(&self) -> u8 {
        match self {
            Element::Bool(_) => 0,
            Element::Int(_) => 1,
            Element::Float(_) => 2,
            Element::Str(_) => 3,
        }
    }

    fn int(self) -> Option<i64> {
        match self {
            Element::Int(value) => Some(value),
            _ => None,
        }
    }

    #[expect(clippy::as_conversions, reason = "rounded as Python rounds")]
    fn float(self) -> Option<f64> {
        match self {
            Element::Int(value) => Some(value as f64),
            Element::Float(value) => Some(value),
            Element::Bool(_) | Element::Str(_) => None,
        }
    }
}

/// Appends the elements of a regular structure and gives its shape.
fn flatten<'a>(value: &'a StructuredValue, elements: &mut Vec<Element<'a>>) -> Option<Vec<usize>> {
    let items = match value {
        StructuredValue::Bool(value) => {
            elements.push(Element::Bool(*value));
            return Some(Vec::new());
        }
        StructuredValue::Int(value) => {
            elements.push(Element::Int(*value));
            return Some(Vec::new());
        }
        StructuredValue::Float(value) => {
            elements.push(Element::Float(*value));
            return Some(Vec::new());
        }
        StructuredValue::Str(value) => {
            elements.push(Element::Str(value));
            return Some(Vec::new());
        }
        StructuredValue::List(items) | StructuredValue::Tuple(items) => items,
        _ => return None,
    };
    let mut inner = None;
    for item in items {
        let dims = flatten(item, elements)?;
        if *inner.get_or_insert_with(|| dims.clone()) != dims {
            return None;
        }
    }
    Some(std::iter::once(items.len()).chain(inner.unwrap_or_default()).collect())
}

#[expect(clippy::as_conversions, reason = "floats are rounded to the type that is asked for")]
fn of_type(elements: &[Element<'_>], shape: &Shape, dtype: DType) -> Option<Tensor> {
    macro_rules! ints {
        ($ty:ty) => {
            Tensor::from_vec(
                shape.clone(),
                elements
                    .iter()
                    .map(|element| <$ty>::try_from(element.int()?).ok())
                    .collect::<Option<Vec<$ty>>>()?,
            )
        };
    }
    macro_rules! floats {
        ($round:expr) => {
            Tensor::from_vec(
                shape.clone(),
                elements
                    .iter()
                    .map(|element| element.float().map($round))
                    .collect::<Option<Vec<_>>>()?,
            )
        };
    }
    let tensor = match dtype {
        DType::I8 => ints!(i8),
        DType::I16 => ints!(i16),
        DType::I32 => ints!(i32),
        DType::I64 => ints!(i64),
        DType::U8 => ints!(u8),
        DType::U16 => ints!(u16),
        DType::U32 => ints!(u32),
        DType::U64 => ints!(u64),
        DType::F16 => floats!(f16::from_f64),
        DType::BF16 => floats!(bf16::from_f64),
        DType::F32 => floats!(|value| value as f32),
        DType::F64 => floats!(|value| value),
        DType::Bool => {
            let bools = elements.iter().map(|element| match element {
                Element::Bool(value) => Some(*value),
                _ => None,
            });
            Tensor::from_vec(shape.clone(), bools.collect::<Option<Vec<_>>>()?)
        }
        DType::String => {
            let texts = elements.iter().map(|element| match element {
                Element::Str(text) => Some(bytes::Bytes::copy_from_slice(text.as_bytes())),
                _ => None,
            });
            Tensor::from_strings(shape.clone(), texts.collect::<Option<Vec<_>>>()?)
        }
        _ => return None,
    };
    tensor.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_become_tensors_of_the_hint_or_of_the_usual_type() {
        use StructuredValue::{Bool, Float, Int, List, Str};
        let list = |items: &[StructuredValue]| List(items.to_vec());
        for (value, hint, expected) in [
            (Int(3), DType::F32, Some((DType::F32, vec![]))),
            (Float(0.5), DType::I32, Some((DType::F32, vec![]))),
            (Bool(true), DType::F32, Some((DType::Bool, vec![]))),
            (Int(3), DType::String, Some((DType::I32, vec![]))),
            (Str("a".into()), DType::F32, Some((DType::String, vec![]))),
            (list(&[Int(1), Float(2.0)]), DType::F64, Some((DType::F64, vec![2]))),
            (list(&[list(&[Int(1)]), list(&[Int(2)])]), DType::I64, Some((DType::I64, vec![2, 1]))),
            (list(&[list(&[Int(1)]), list(&[])]), DType::I64, None),
            (list(&[]), DType::I64, Some((DType::I64, vec![0]))),
            (StructuredValue::None, DType::F32, None),
        ] {
            let tensor = convert_to_tensor(&value, hint);
            let got = tensor.map(|tensor| (tensor.dtype(), tensor.dims().to_vec()));
            assert_eq!(got, expected, "{value:?}");
        }
    }
}
