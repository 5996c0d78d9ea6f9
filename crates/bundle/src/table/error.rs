use std::io;

use flowkeep_tensor::Code;

/// Why a table cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are not those of a table.
    #[error("{what} at byte {offset}")]
    Corrupt {
        /// What is wrong, in TensorFlow's words where it has some.
        what: &'static str,
        /// The byte of the file where the damaged structure begins; within a compressed block, the
        /// beginning of the block.
        offset: u64,
    },
    /// A block is compressed in a way that this build cannot expand.
    #[error("block at byte {offset} is compressed with {compression}, which this build leaves out")]
    Compressed {
        /// The compression, which is also the feature to turn on.
        compression: &'static str,
        /// The first byte of the block.
        offset: u64,
    },
    /// The file is larger than what a table is allowed to be.
    #[error("a table of {len} bytes is larger than the limit of {limit}")]
    TooLarge {
        /// Length of the file in bytes.
        len: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// An entry cannot be added to a table that is being written.
    #[error("{what}")]
    BadEntry {
        /// What is wrong with it.
        what: &'static str,
    },
    /// The source failed, or where the table is written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Error {
    /// The canonical code of this error.
    pub fn code(&self) -> Code {
        match self {
            Error::Corrupt { .. } => Code::DataLoss,
            Error::Compressed { .. } => Code::Unimplemented,
            Error::TooLarge { .. } => Code::ResourceExhausted,
            Error::BadEntry { .. } => Code::InvalidArgument,
            Error::Io(error) => Code::of_io(error),
        }
    }
}
