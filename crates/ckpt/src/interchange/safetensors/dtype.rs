use flowkeep_tensor::DType;

use crate::interchange::error::{FormatError, unsupported};

/// The types of the format in its order of alignment, with the number of bits of an element.
const TYPES: &[(&str, usize, Option<DType>)] = &[
    ("BOOL", 8, Some(DType::Bool)),
    ("F4", 4, None),
    ("F6_E2M3", 6, None),
    ("F6_E3M2", 6, None),
    ("U8", 8, Some(DType::U8)),
    ("I8", 8, Some(DType::I8)),
    ("F8_E5M2", 8, Some(DType::F8E5M2)),
    ("F8_E4M3", 8, Some(DType::F8E4M3FN)),
    ("F8_E8M0", 8, None),
    ("F8_E4M3FNUZ", 8, Some(DType::F8E4M3FNUZ)),
    ("F8_E5M2FNUZ", 8, Some(DType::F8E5M2FNUZ)),
    ("I16", 16, Some(DType::I16)),
    ("U16", 16, Some(DType::U16)),
    ("F16", 16, Some(DType::F16)),
    ("BF16", 16, Some(DType::BF16)),
    ("I32", 32, Some(DType::I32)),
    ("U32", 32, Some(DType::U32)),
    ("F32", 32, Some(DType::F32)),
    ("C64", 64, Some(DType::Complex64)),
    ("F64", 64, Some(DType::F64)),
    ("I64", 64, Some(DType::I64)),
    ("U64", 64, Some(DType::U64)),
];

/// The size of an element in bits and its type, of the format's type of this name.
pub(super) fn of_name(name: &str) -> Option<(usize, Option<DType>)> {
    TYPES.iter().find(|(known, ..)| *known == name).map(|(_, bits, dtype)| (*bits, *dtype))
}

/// The format's name of a type.
pub(super) fn name(dtype: DType) -> Option<&'static str> {
    TYPES.iter().find(|(.., known)| *known == Some(dtype)).map(|(name, ..)| *name)
}

/// The place of a type in the format's order of alignment.
pub(super) fn rank(dtype: DType) -> Option<usize> {
    TYPES.iter().position(|(.., known)| *known == Some(dtype))
}

/// Checks that the format has a type.
///
/// Errors: `UNIMPLEMENTED` if it has not.
pub(in crate::interchange) fn check(dtype: DType) -> Result<(), FormatError> {
    match name(dtype) {
        Some(_) => Ok(()),
        None => Err(unsupported(format!("a safetensors file has no elements of type {dtype}"))),
    }
}
