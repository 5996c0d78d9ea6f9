use std::fmt;

use flowkeep_tensor::DType;

use crate::interchange;

/// A form in which tensors are stored under names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// A tensor bundle, what TensorFlow has written since 2016.
    V2,
    /// The older checkpoints of TensorFlow.
    V1,
    /// A file, or folder, of another tool.
    File(interchange::Format),
}

impl Format {
    /// All formats.
    pub const ALL: &[Format] = &[
        Format::V2,
        Format::V1,
        Format::File(interchange::Format::Npz),
        Format::File(interchange::Format::Npy),
        Format::File(interchange::Format::Safetensors),
        Format::File(interchange::Format::Raw),
    ];

    /// The format's name, such as `v2` or `npz`.
    pub fn name(self) -> &'static str {
        match self {
            Format::V2 => "v2",
            Format::V1 => "v1",
            Format::File(format) => format.name(),
        }
    }

    /// Whether tensors of this type can be stored, as far as the type alone tells.
    pub fn holds(self, dtype: DType) -> bool {
        use DType::{
            Bool, Complex64, Complex128, F16, F32, F64, I8, I16, I32, I64, QI8, QI32, QU8, U8, U16,
        };
        match self {
            Format::V2 => dtype != DType::Resource,
            Format::V1 => matches!(
                dtype,
                F32 | F64
                    | I32
                    | I16
                    | I8
                    | U16
                    | U8
                    | QI8
                    | QU8
                    | QI32
                    | I64
                    | Bool
                    | F16
                    | Complex64
                    | Complex128
                    | DType::String
            ),
            Format::File(format) => format.holds(dtype),
        }
    }

    /// The format of this name.
    pub fn from_name(name: &str) -> Option<Format> {
        Format::ALL.iter().copied().find(|format| format.name() == name)
    }
}

/// The format's name.
impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
