//! Sets of data types that rows of op tables name, beside those of [`super::dispatch`].

use flowkeep_tensor::DType;

/// Floats and complex numbers.
pub(crate) const INEXACT: &[DType] =
    &[DType::F16, DType::BF16, DType::F32, DType::F64, DType::Complex64, DType::Complex128];

/// Numbers and strings: what can be added.
pub(crate) const SUMMABLE: &[DType] = &[
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
    DType::String,
];

/// Numbers and lists of them: what can be summed up.
pub(crate) const ADDENDS: &[DType] = &[
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
    DType::Variant,
];

/// Numbers and bool: what can be cast.
pub(crate) const CASTABLE: &[DType] = &[
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

/// Numbers, bool and strings: what can be compared for equality.
pub(crate) const COMPARABLE: &[DType] = &[
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
    DType::String,
];

/// Real numbers and bool: what has an order.
pub(crate) const ORDERED: &[DType] = &[
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
    DType::Bool,
];

/// Real numbers and strings: what lists hold.
pub(crate) const LISTED: &[DType] = &[
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
    DType::String,
];
