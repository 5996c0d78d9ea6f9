//! From a data type, known when a kernel is built, to a Rust type: the one place where they meet.

use flowkeep_tensor::DType;

use crate::kernel::{KernelInit, Status};

/// Evaluates an expression with a type alias that stands for the element type of a `DType`.
///
/// `with_type!(dtype, T in [F32 => f32, F64 => f64] => expr, else other)`.
macro_rules! with_type {
    ($dtype:expr, $T:ident in [$($variant:ident => $ty:ty),* $(,)?] => $body:expr, else $other:expr) => {
        match $dtype {
            $(flowkeep_tensor::DType::$variant => {
                type $T = $ty;
                $body
            })*
            _ => $other,
        }
    };
}

/// As `with_type!`, for `half`, `bfloat16`, `float` and `double`.
macro_rules! with_float {
    ($dtype:expr, $T:ident => $body:expr, else $other:expr) => {
        $crate::ops::dispatch::with_type!(
            $dtype,
            $T in [
                F16 => flowkeep_tensor::f16,
                BF16 => flowkeep_tensor::bf16,
                F32 => f32,
                F64 => f64,
            ] => $body,
            else $other
        )
    };
}

/// As `with_type!`, for floats and integers of 8 to 64 bits.
macro_rules! with_real {
    ($dtype:expr, $T:ident => $body:expr, else $other:expr) => {
        $crate::ops::dispatch::with_type!(
            $dtype,
            $T in [
                F16 => flowkeep_tensor::f16,
                BF16 => flowkeep_tensor::bf16,
                F32 => f32,
                F64 => f64,
                I8 => i8,
                I16 => i16,
                I32 => i32,
                I64 => i64,
                U8 => u8,
                U16 => u16,
                U32 => u32,
                U64 => u64,
            ] => $body,
            else $other
        )
    };
}

/// As `with_real!`, and for complex numbers.
macro_rules! with_number {
    ($dtype:expr, $T:ident => $body:expr, else $other:expr) => {
        $crate::ops::dispatch::with_type!(
            $dtype,
            $T in [
                F16 => flowkeep_tensor::f16,
                BF16 => flowkeep_tensor::bf16,
                F32 => f32,
                F64 => f64,
                I8 => i8,
                I16 => i16,
                I32 => i32,
                I64 => i64,
                U8 => u8,
                U16 => u16,
                U32 => u32,
                U64 => u64,
                Complex64 => flowkeep_tensor::Complex<f32>,
                Complex128 => flowkeep_tensor::Complex<f64>,
            ] => $body,
            else $other
        )
    };
}

/// As `with_type!`, for integers of 8 to 64 bits.
macro_rules! with_integer {
    ($dtype:expr, $T:ident => $body:expr, else $other:expr) => {
        $crate::ops::dispatch::with_type!(
            $dtype,
            $T in [
                I8 => i8,
                I16 => i16,
                I32 => i32,
                I64 => i64,
                U8 => u8,
                U16 => u16,
                U32 => u32,
                U64 => u64,
            ] => $body,
            else $other
        )
    };
}

pub(crate) use {with_float, with_integer, with_number, with_real, with_type};

/// The data types of `with_float!`.
pub(crate) const FLOATS: &[DType] = &[DType::F16, DType::BF16, DType::F32, DType::F64];

/// The data types of `with_real!`.
pub(crate) const REALS: &[DType] = &[
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
];

/// The data types of `with_number!`.
pub(crate) const NUMBERS: &[DType] = &[
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
];

/// The data types of indices.
pub(crate) const INDICES: &[DType] = &[DType::I32, DType::I64];

/// The error of a builder whose op has no code for a type; the constraints of the op's row say so
/// before.
pub(crate) fn no_type(init: &KernelInit<'_>, dtype: DType) -> Status {
    Status::unimplemented(format!("op {} has no CPU kernel for type {dtype}", init.op()))
}
