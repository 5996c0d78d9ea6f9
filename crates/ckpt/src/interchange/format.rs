use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

use flowkeep_tensor::DType;

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// One array, as `numpy.save` writes it: see [`super::npy`].
    Npy,
    /// Arrays, as `numpy.savez` writes them: see [`super::npz`].
    Npz,
    /// Tensors, as the `safetensors` package writes them: see [`super::safetensors`].
    Safetensors,
    /// A folder of files of bare elements: see [`super::raw`].
    Raw,
}

impl Format {
    /// All formats.
    pub const ALL: &[Format] = &[Format::Npy, Format::Npz, Format::Safetensors, Format::Raw];

    /// The format's name, such as `npz`.
    pub fn name(self) -> &'static str {
        match self {
            Format::Npy => "npy",
            Format::Npz => "npz",
            Format::Safetensors => "safetensors",
            Format::Raw => "raw",
        }
    }

    /// The format of this name.
    pub fn from_name(name: &str) -> Option<Format> {
        Format::ALL.iter().copied().find(|format| format.name() == name)
    }

    /// Whether a file can hold tensors of this type, as far as the type alone tells: strings may be
    /// such as NumPy does not keep.
    pub fn holds(self, dtype: DType) -> bool {
        match self {
            Format::Safetensors => super::safetensors::check(dtype).is_ok(),
            _ => !matches!(dtype, DType::Resource | DType::Variant),
        }
    }

    /// The format that a path's extension stands for; folders of raw bytes have none.
    pub fn of_path(path: &Path) -> Option<Format> {
        let extension = path.extension().and_then(OsStr::to_str)?.to_ascii_lowercase();
        Format::from_name(&extension).filter(|format| *format != Format::Raw)
    }
}

/// The format's name.
impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
