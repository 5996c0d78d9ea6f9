use std::path::PathBuf;

use flowkeep_tensor::Code;

use crate::suggest::nearest;

/// Why a SavedModel could not be opened, loaded or called.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no `saved_model.pb` and no `saved_model.pbtxt`.
    #[error("SavedModel file does not exist at: {}/{{saved_model.pbtxt|saved_model.pb}}{instead}", .dir.display())]
    NotASavedModel {
        /// The directory that was given.
        dir: PathBuf,
        /// What is there, as the end of the sentence.
        instead: String,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// `saved_model.pb` is no such message, or is cut short.
    #[error("Cannot parse file {}: {reason}", .path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// `saved_model.cpb` is damaged, or in a form that is not read.
    #[error("Cannot parse file {}: {reason}", .path.display())]
    Chunks {
        /// The file.
        path: PathBuf,
        /// The canonical code.
        code: Code,
        /// What is wrong with it.
        reason: String,
    },
    /// `saved_model.pbtxt` is no such text.
    #[error("Cannot parse pbtxt file {}: {reason}", .path.display())]
    ParseText {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No MetaGraph has exactly these tags.
    #[error(
        "MetaGraphDef associated with tag-set {tags} could not be found in the SavedModel. Please use one of the \
         following tag-sets: [{}]", .present.iter().map(|tags| format!("'{tags}'")).collect::<Vec<_>>().join(", ")
    )]
    NoSuchTags {
        /// The tags asked for, comma-separated.
        tags: String,
        /// The tag sets present, each comma-separated.
        present: Vec<String>,
    },
    /// The MetaGraph has no signature of this key.
    #[error(
        "Could not find signature \"{key}\". Please choose from: {}{}", .present.join(", "), did_you_mean(.nearest)
    )]
    NoSuchSignature {
        /// The key asked for.
        key: String,
        /// The keys present.
        present: Vec<String>,
        /// The key that was probably meant.
        nearest: Option<String>,
    },
    /// The signature has no input of this key.
    #[error(
        "\"{key}\" is not a valid input key. Please choose from {}, or use --show option.{}",
        .present.iter().map(|key| format!("\"{key}\"")).collect::<Vec<_>>().join(", "), did_you_mean(.nearest)
    )]
    NoSuchInput {
        /// The key asked for.
        key: String,
        /// The keys present.
        present: Vec<String>,
        /// The key that was probably meant.
        nearest: Option<String>,
    },
    /// A tensor was given for an input that takes another type or shape.
    #[error("input \"{key}\" takes {expected}, got {got}")]
    BadInput {
        /// The input's key.
        key: String,
        /// Type and shape of the signature.
        expected: String,
        /// Type and shape of the tensor.
        got: String,
    },
    /// The SavedModel contradicts itself, or an input or output has no tensor of its own.
    #[error("{message}")]
    Model {
        /// The canonical code.
        code: Code,
        /// What is wrong.
        message: String,
    },
    /// A SavedModel is to be written where something is already.
    #[error(
        "Export directory {} already exists, and isn't empty. Please choose a different export directory, or delete all \
         the contents of the specified directory.", .dir.display()
    )]
    ExportDirectory {
        /// The directory.
        dir: PathBuf,
    },
    /// What is given to be written is wrong, or comes in the wrong order.
    #[error("{message}")]
    Build {
        /// The canonical code.
        code: Code,
        /// What is wrong.
        message: String,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {source}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// There is no `fingerprint.pb`.
    #[error("SavedModel Fingerprint Error: Could not find fingerprint in directory: {}", .dir.display())]
    NoFingerprint {
        /// The directory.
        dir: PathBuf,
    },
    /// A message cannot be written.
    #[error(transparent)]
    File(#[from] flowkeep_graph::file::FileError),
    /// A saver is wrong, or could not save.
    #[error(transparent)]
    Saver(#[from] flowkeep_saver::Error),
    /// The graph is wrong.
    #[error(transparent)]
    Graph(#[from] flowkeep_graph::Error),
    /// A run failed.
    #[error(transparent)]
    Run(#[from] flowkeep_runtime::Error),
}

impl Error {
    /// The error for a signature key that is not among those `present`.
    pub fn no_such_signature<'a>(
        key: &str,
        present: impl IntoIterator<Item = &'a String>,
    ) -> Error {
        let present: Vec<String> = present.into_iter().cloned().collect();
        let nearest = nearest(key, present.iter().map(String::as_str));
        Error::NoSuchSignature { key: key.to_owned(), present, nearest }
    }

    /// The error of a file that cannot be written.
    pub(crate) fn write(path: &std::path::Path, source: std::io::Error) -> Error {
        Error::Write { path: path.to_owned(), source }
    }

    /// The canonical code of this error.
    pub fn code(&self) -> Code {
        match self {
            Error::NotASavedModel { .. }
            | Error::NoSuchTags { .. }
            | Error::NoSuchSignature { .. } => Code::NotFound,
            Error::NoSuchInput { .. } | Error::BadInput { .. } => Code::InvalidArgument,
            Error::Io { source, .. } => Code::of_io(source),
            Error::Parse { .. } | Error::ParseText { .. } => Code::DataLoss,
            Error::Model { code, .. } | Error::Chunks { code, .. } => *code,
            Error::NoFingerprint { .. } => Code::NotFound,
            Error::ExportDirectory { .. } => Code::AlreadyExists,
            Error::Build { code, .. } => *code,
            Error::Write { source, .. } => Code::of_io(source),
            Error::File(error) => error.code(),
            Error::Saver(error) => error.code(),
            Error::Graph(error) => error.code(),
            Error::Run(error) => error.code(),
        }
    }
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|nearest| format!(" (did you mean \"{nearest}\"?)")).unwrap_or_default()
}
