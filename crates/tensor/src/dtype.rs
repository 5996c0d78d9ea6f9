use std::fmt;

use crate::Error;

macro_rules! dtypes {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal, $proto:literal, $numpy:literal, $bits:literal;)*) => {
        /// A TensorFlow data type (never a reference type: references are a property of a port).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum DType {
            $($(#[$doc])* $variant = $number,)*
        }

        impl DType {
            /// Every data type, by wire number.
            pub const ALL: &[DType] = &[$(DType::$variant,)*];

            /// TensorFlow's friendly name, such as `float` or `int64`.
            pub fn name(self) -> &'static str {
                match self { $(DType::$variant => $name,)* }
            }

            /// The name of the wire enum's value, such as `DT_FLOAT`.
            pub fn proto_name(self) -> &'static str {
                match self { $(DType::$variant => $proto,)* }
            }

            /// The name that Python uses, such as `float32`.
            pub fn python_name(self) -> &'static str {
                match self { $(DType::$variant => $numpy,)* }
            }

            fn bits(self) -> usize {
                match self { $(DType::$variant => $bits,)* }
            }
        }
    };
}

dtypes! {
    /// 32-bit IEEE float.
    F32 = 1, "float", "DT_FLOAT", "float32", 32;
    /// 64-bit IEEE float.
    F64 = 2, "double", "DT_DOUBLE", "float64", 64;
    /// 32-bit signed integer.
    I32 = 3, "int32", "DT_INT32", "int32", 32;
    /// 8-bit unsigned integer.
    U8 = 4, "uint8", "DT_UINT8", "uint8", 8;
    /// 16-bit signed integer.
    I16 = 5, "int16", "DT_INT16", "int16", 16;
    /// 8-bit signed integer.
    I8 = 6, "int8", "DT_INT8", "int8", 8;
    /// Byte strings of any length.
    String = 7, "string", "DT_STRING", "string", 0;
    /// Two 32-bit floats.
    Complex64 = 8, "complex64", "DT_COMPLEX64", "complex64", 64;
    /// 64-bit signed integer.
    I64 = 9, "int64", "DT_INT64", "int64", 64;
    /// Truth value, one byte.
    Bool = 10, "bool", "DT_BOOL", "bool", 8;
    /// Quantized 8-bit signed integer.
    QI8 = 11, "qint8", "DT_QINT8", "qint8", 8;
    /// Quantized 8-bit unsigned integer.
    QU8 = 12, "quint8", "DT_QUINT8", "quint8", 8;
    /// Quantized 32-bit signed integer.
    QI32 = 13, "qint32", "DT_QINT32", "qint32", 32;
    /// Brain float: the upper half of a 32-bit float.
    BF16 = 14, "bfloat16", "DT_BFLOAT16", "bfloat16", 16;
    /// Quantized 16-bit signed integer.
    QI16 = 15, "qint16", "DT_QINT16", "qint16", 16;
    /// Quantized 16-bit unsigned integer.
    QU16 = 16, "quint16", "DT_QUINT16", "quint16", 16;
    /// 16-bit unsigned integer.
    U16 = 17, "uint16", "DT_UINT16", "uint16", 16;
    /// Two 64-bit floats.
    Complex128 = 18, "complex128", "DT_COMPLEX128", "complex128", 128;
    /// 16-bit IEEE float.
    F16 = 19, "half", "DT_HALF", "float16", 16;
    /// A handle to a resource.
    Resource = 20, "resource", "DT_RESOURCE", "resource", 0;
    /// A value of a type that only its ops know.
    Variant = 21, "variant", "DT_VARIANT", "variant", 0;
    /// 32-bit unsigned integer.
    U32 = 22, "uint32", "DT_UINT32", "uint32", 32;
    /// 64-bit unsigned integer.
    U64 = 23, "uint64", "DT_UINT64", "uint64", 64;
    /// 8-bit float, 5 exponent and 2 mantissa bits.
    F8E5M2 = 24, "float8_e5m2", "DT_FLOAT8_E5M2", "float8_e5m2", 8;
    /// 8-bit float, 4 exponent and 3 mantissa bits, finite.
    F8E4M3FN = 25, "float8_e4m3fn", "DT_FLOAT8_E4M3FN", "float8_e4m3fn", 8;
    /// 8-bit float, 4 exponent and 3 mantissa bits, finite, one zero.
    F8E4M3FNUZ = 26, "float8_e4m3fnuz", "DT_FLOAT8_E4M3FNUZ", "float8_e4m3fnuz", 8;
    /// 8-bit float, 4 exponent and 3 mantissa bits, bias 11, finite, one zero.
    F8E4M3B11FNUZ = 27, "float8_e4m3b11fnuz", "DT_FLOAT8_E4M3B11FNUZ", "float8_e4m3b11fnuz", 8;
    /// 8-bit float, 5 exponent and 2 mantissa bits, finite, one zero.
    F8E5M2FNUZ = 28, "float8_e5m2fnuz", "DT_FLOAT8_E5M2FNUZ", "float8_e5m2fnuz", 8;
    /// 4-bit signed integer, one byte each in memory.
    I4 = 29, "int4", "DT_INT4", "int4", 8;
    /// 4-bit unsigned integer, one byte each in memory.
    U4 = 30, "uint4", "DT_UINT4", "uint4", 8;
    /// 2-bit signed integer, one byte each in memory.
    I2 = 31, "int2", "DT_INT2", "int2", 8;
    /// 2-bit unsigned integer, one byte each in memory.
    U2 = 32, "uint2", "DT_UINT2", "uint2", 8;
    /// 4-bit float, 2 exponent and 1 mantissa bits, one byte each in memory.
    F4E2M1FN = 33, "float4_e2m1fn", "DT_FLOAT4_E2M1FN", "float4_e2m1fn", 8;
}

/// The wire number of a reference type is that of its base type plus this.
pub const REF_OFFSET: i32 = 100;

impl DType {
    /// The type with the given wire number; reference numbers (100 more) give their base type.
    ///
    /// Errors: `INVALID_ARGUMENT` for 0 (`DT_INVALID`) and for numbers that name no type.
    pub fn from_number(number: i32) -> Result<DType, Error> {
        let base = if number > REF_OFFSET { number - REF_OFFSET } else { number };
        DType::ALL
            .iter()
            .copied()
            .find(|dtype| dtype.number() == base)
            .ok_or(Error::UnknownDType(number))
    }

    /// The type with the given friendly, Python or `DT_` name.
    pub fn from_name(name: &str) -> Option<DType> {
        DType::ALL.iter().copied().find(|dtype| {
            dtype.name() == name || dtype.python_name() == name || dtype.proto_name() == name
        })
    }

    /// The number of the type on the wire (`DT_FLOAT` is 1).
    pub fn number(self) -> i32 {
        self as i32
    }

    /// The size of one element in bytes, or `None` for strings, resources and variants.
    pub fn size_bytes(self) -> Option<usize> {
        match self.bits() {
            0 => None,
            bits => Some(bits / 8),
        }
    }

    /// Whether the type is a float of any width (complex types are not).
    pub fn is_floating(self) -> bool {
        use DType::{
            BF16, F4E2M1FN, F8E4M3B11FNUZ, F8E4M3FN, F8E4M3FNUZ, F8E5M2, F8E5M2FNUZ, F16, F32, F64,
        };
        matches!(
            self,
            F16 | F32
                | F64
                | BF16
                | F8E5M2
                | F8E4M3FN
                | F8E4M3FNUZ
                | F8E4M3B11FNUZ
                | F8E5M2FNUZ
                | F4E2M1FN
        )
    }

    /// Whether the type is complex.
    pub fn is_complex(self) -> bool {
        matches!(self, DType::Complex64 | DType::Complex128)
    }

    /// Whether the type is a plain integer (quantized types and bool are not).
    pub fn is_integer(self) -> bool {
        use DType::{I2, I4, I8, I16, I32, I64, U2, U4, U8, U16, U32, U64};
        matches!(self, I2 | I4 | I8 | I16 | I32 | I64 | U2 | U4 | U8 | U16 | U32 | U64)
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_wires() {
        assert_eq!(DType::F32.number(), 1);
        assert_eq!(DType::F4E2M1FN.number(), 33);
        for dtype in DType::ALL {
            assert_eq!(DType::from_number(dtype.number()).unwrap(), *dtype);
            assert_eq!(DType::from_number(dtype.number() + REF_OFFSET).unwrap(), *dtype);
            assert_eq!(DType::from_name(dtype.name()), Some(*dtype));
            assert_eq!(DType::from_name(dtype.proto_name()), Some(*dtype));
        }
    }

    #[test]
    fn numbers_outside_the_enum_are_refused() {
        for number in [0, -1, 34, 100, 134, i32::MAX, i32::MIN] {
            assert!(DType::from_number(number).is_err(), "{number}");
        }
    }
}
