use std::fmt;

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
