//! How a record stores the values of a tensor: in a field of `TensorProto` for each type.
//!
//! ```text
//! float  double       5   6        packed, as they are
//! complex64, 128      9  12        packed, real and imaginary parts in turn
//! int32, 16, 8 …      7            packed varints; a negative number takes ten bytes
//! int64  bool  half  10  11  13    packed varints; of a half, its bits
//! uint32  uint64     16  17        packed varints, which TensorFlow reads but does not write
//! string              8            a field for each
//! ```

use bytes::Bytes;
use flowkeep_tensor::DType;

/// How the values of a type are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// The field of `TensorProto`.
    pub(super) field: u32,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Packed, of as many bytes as in memory.
    Fixed,
    /// Packed varints.
    Varint {
        /// Whether the sign is extended to 64 bits.
        is_signed: bool,
        /// The most bytes that TensorFlow's writer allows for a value; `None` for types that it
        /// does not write.
        max_len: Option<u64>,
    },
    /// A field for each value.
    Strings,
}

impl Form {
    /// The form of a type, or `None` if V1 checkpoints have none for it.
    pub(super) fn of(dtype: DType) -> Option<Form> {
        let varint = |is_signed, max_len| Kind::Varint { is_signed, max_len };
        let (field, kind) = match dtype {
            DType::F32 => (5, Kind::Fixed),
            DType::F64 => (6, Kind::Fixed),
            DType::I32 | DType::I16 | DType::I8 | DType::QI32 | DType::QI8 => {
                (7, varint(true, Some(10)))
            }
            DType::U16 => (7, varint(false, Some(3))),
            DType::U8 | DType::QU8 => (7, varint(false, Some(2))),
            DType::String => (8, Kind::Strings),
            DType::Complex64 => (9, Kind::Fixed),
            DType::I64 => (10, varint(true, Some(10))),
            DType::Bool => (11, varint(false, Some(1))),
            DType::Complex128 => (12, Kind::Fixed),
            DType::F16 => (13, varint(false, Some(3))),
            DType::U32 => (16, varint(false, None)),
            DType::U64 => (17, varint(false, None)),
            _ => return None,
        };
        Some(Form { field, kind })
    }

    /// The fewest bytes that a value of the type takes in a record.
    pub(super) fn min_len(self, dtype: DType) -> u64 {
        match self.kind {
            Kind::Fixed => {
                dtype.size_bytes().and_then(|size| u64::try_from(size).ok()).unwrap_or(1)
            }
            Kind::Varint { .. } => 1,
            // A tag and a length.
            Kind::Strings => 2,
        }
    }
}

/// What TensorFlow allows for each of `n` values of a type before it writes them: an upper bound of
/// their bytes, or `None` for types that it does not write.
pub(super) fn size_bound(dtype: DType, n: u64, strings: &[Bytes]) -> Option<u64> {
    let form = Form::of(dtype)?;
    Some(match form.kind {
        Kind::Fixed => n.saturating_mul(form.min_len(dtype)),
        Kind::Varint { max_len, .. } => n.saturating_mul(max_len?),
        Kind::Strings => strings.iter().fold(n.saturating_mul(10), |sum, string| {
            sum.saturating_add(u64::try_from(string.len()).unwrap_or(u64::MAX))
        }),
    })
}
