use std::path::PathBuf;

use flowkeep_proto::pb;
use flowkeep_proto::text::{self, ParseError};

use crate::Error;

/// What a `checkpoint` file says: the checkpoints of a directory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CheckpointState {
    /// The prefix of the latest checkpoint.
    pub model_checkpoint_path: PathBuf,
    /// The prefixes of all checkpoints that are kept, oldest first.
    pub all_model_checkpoint_paths: Vec<PathBuf>,
    /// When each of them was written, in seconds since the epoch. `CheckpointManager` writes these;
    /// `Saver` leaves them out.
    pub all_model_checkpoint_timestamps: Vec<f64>,
    /// When the last checkpoint was written that is kept for good, in seconds since the epoch; 0
    /// stands for none.
    pub last_preserved_timestamp: f64,
}

impl CheckpointState {
    /// Reads the text form, as leniently as TensorFlow; paths stay as they are written.
    ///
    /// Errors: the line, the column, and what is wrong there. A text without a
    /// `model_checkpoint_path` is none.
    pub fn parse(text: &str) -> Result<CheckpointState, ParseError> {
        let mut state = pb::CheckpointState::default();
        text::merge_message(&mut state, text)?;
        let paths = state.all_model_checkpoint_paths.into_iter().map(PathBuf::from);
        Ok(CheckpointState {
            model_checkpoint_path: state.model_checkpoint_path.into(),
            all_model_checkpoint_paths: paths.collect(),
            all_model_checkpoint_timestamps: state.all_model_checkpoint_timestamps,
            last_preserved_timestamp: state.last_preserved_timestamp,
        })
    }

    /// The text form, byte for byte as TensorFlow writes it.
    ///
    /// Errors: `INVALID_ARGUMENT` if a path is not UTF-8, which a state file must be.
    pub fn to_text(&self) -> Result<String, Error> {
        let utf8 = |path: &PathBuf| match path.to_str() {
            Some(path) => Ok(path.to_owned()),
            None => Err(Error::InvalidCheckpointState {
                what: format!("path {path:?} is not UTF-8, as a checkpoint state must be"),
            }),
        };
        let paths: Result<_, Error> = self.all_model_checkpoint_paths.iter().map(utf8).collect();
        let state = pb::CheckpointState {
            model_checkpoint_path: utf8(&self.model_checkpoint_path)?,
            all_model_checkpoint_paths: paths?,
            all_model_checkpoint_timestamps: self.all_model_checkpoint_timestamps.clone(),
            last_preserved_timestamp: self.last_preserved_timestamp,
        };
        text::print_message(&state)
            .map_err(|error| Error::InvalidCheckpointState { what: error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_and_written() {
        let text = "model_checkpoint_path: \"m-3\"\n\
                    all_model_checkpoint_paths: \"m-2\"\n\
                    all_model_checkpoint_paths: \"m-3\"\n\
                    all_model_checkpoint_timestamps: 1009600.0\n\
                    all_model_checkpoint_timestamps: 1010800.0\n\
                    last_preserved_timestamp: 1007200.0\n";
        let state = CheckpointState::parse(text).unwrap();
        assert_eq!(
            state,
            CheckpointState {
                model_checkpoint_path: "m-3".into(),
                all_model_checkpoint_paths: vec!["m-2".into(), "m-3".into()],
                all_model_checkpoint_timestamps: vec![1009600.0, 1010800.0],
                last_preserved_timestamp: 1007200.0,
            }
        );
        assert_eq!(state.to_text().unwrap(), text);
    }

    #[test]
    fn faults_are_placed() {
        let error = CheckpointState::parse("model_checkpoint_path: \"m\"\nother: 1").unwrap_err();
        assert_eq!((error.line(), error.column()), (2, 1));
    }

    #[cfg(unix)]
    #[test]
    fn paths_that_are_not_utf8_cannot_be_written() {
        use std::os::unix::ffi::OsStrExt;
        let path = std::ffi::OsStr::from_bytes(b"m\xff");
        let state =
            CheckpointState { model_checkpoint_path: path.into(), ..CheckpointState::default() };
        let error = state.to_text().unwrap_err();
        assert_eq!(
            error.to_string(),
            "path \"m\\xFF\" is not UTF-8, as a checkpoint state must be"
        );
    }
}
