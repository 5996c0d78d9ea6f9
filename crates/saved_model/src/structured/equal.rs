use super::StructuredValue;

/// Whether Python says that two literals are equal: numbers and bools by value, whatever their types.
/// Tensors and specs equal nothing.
pub(crate) fn literals_are_equal(a: &StructuredValue, b: &StructuredValue) -> bool {
    use StructuredValue::{DType, Dict, List, NamedTuple, None, Shape, Str, Tuple};
    let all = |a: &[StructuredValue], b: &[StructuredValue]| {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| literals_are_equal(a, b))
    };
    match (a, b) {
        (None, None) => true,
        (Str(a), Str(b)) => a == b,
        (Shape(a), Shape(b)) => a == b,
        (DType(a), DType(b)) => a == b,
        (List(a), List(b)) | (Tuple(a), Tuple(b)) => all(a, b),
        (Dict(a), Dict(b)) => {
            a.len() == b.len()
                && a.iter()
                    .zip(b)
                    .all(|((a_key, a), (b_key, b))| a_key == b_key && literals_are_equal(a, b))
        }
        (NamedTuple(a_name, a), NamedTuple(b_name, b)) => {
            a_name == b_name
                && a.len() == b.len()
                && a.iter()
                    .zip(b)
                    .all(|((a_key, a), (b_key, b))| a_key == b_key && literals_are_equal(a, b))
        }
        _ => match (number(a), number(b)) {
            (Some(a), Some(b)) => a == b,
            _ => false,
        },
    }
}

#[derive(Clone, Copy)]
enum Number {
    Int(i64),
    Float(f64),
}

impl PartialEq for Number {
    #[expect(
        clippy::as_conversions,
        reason = "compared as Python does: exactly, as far as f64 goes"
    )]
    fn eq(&self, other: &Number) -> bool {
        match (*self, *other) {
            (Number::Int(a), Number::Int(b)) => a == b,
            (Number::Float(a), Number::Float(b)) => a == b,
            (Number::Int(a), Number::Float(b)) | (Number::Float(b), Number::Int(a)) => {
                a as f64 == b && b as i128 == i128::from(a)
            }
        }
    }
}

fn number(value: &StructuredValue) -> Option<Number> {
    match value {
        StructuredValue::Bool(value) => Some(Number::Int(i64::from(*value))),
        StructuredValue::Int(value) => Some(Number::Int(*value)),
        StructuredValue::Float(value) => Some(Number::Float(*value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_equal_by_value_as_in_python() {
        use StructuredValue::{Bool, Float, Int, List, None, Str, Tuple};
        for (a, b, equal) in [
            (Int(1), Bool(true), true),
            (Int(2), Float(2.0), true),
            (Float(f64::NAN), Float(f64::NAN), false),
            (Int(i64::MAX), Float(9223372036854775808.0), false),
            (Str("a".into()), Str("a".into()), true),
            (None, Bool(false), false),
            (List(vec![Int(1)]), Tuple(vec![Int(1)]), false),
            (List(vec![Int(1)]), List(vec![Float(1.0)]), true),
        ] {
            assert_eq!(literals_are_equal(&a, &b), equal, "{a:?} {b:?}");
        }
    }
}
