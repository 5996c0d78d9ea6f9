//! What lies in a SavedModel beside what is loaded: nothing here is needed, and all of it may be absent.

use std::io;
use std::path::{Component, Path, PathBuf};

use flowkeep_proto::prost::Message;
use flowkeep_proto::{keras, pb};
use flowkeep_tensor::Code;

use crate::constants::{
    SAVED_MODEL_FILENAME_CPB, SAVED_MODEL_FILENAME_PB, SAVED_MODEL_FILENAME_PBTXT,
};
use crate::saved_model::read;
use crate::{Error, SavedModel};

const EXTRA_ASSETS_DIRECTORY: &str = "assets.extra";
const DEBUG_INFO: &str = "debug/saved_model_debug_info.pb";
const FINGERPRINT: &str = "fingerprint.pb";
const KERAS_METADATA: &str = "keras_metadata.pb";

/// Whether a directory holds a SavedModel in any of its forms: `tf.saved_model.contains_saved_model`.
pub fn contains_saved_model(dir: impl AsRef<Path>) -> bool {
    let dir = dir.as_ref();
    [SAVED_MODEL_FILENAME_PB, SAVED_MODEL_FILENAME_PBTXT, SAVED_MODEL_FILENAME_CPB]
        .iter()
        .any(|name| dir.join(name).is_file())
}

impl SavedModel {
    /// The hashes that say which model it is, from `fingerprint.pb`; `None` if there is no such file.
    ///
    /// Errors: `DATA_LOSS` if the file cannot be parsed. No load depends on it.
    pub fn fingerprint_def(&self) -> Result<Option<pb::FingerprintDef>, Error> {
        self.message(FINGERPRINT)
    }

    /// Where in Python the nodes come from, from `debug/saved_model_debug_info.pb`; `None` if there is no
    /// such file.
    ///
    /// Errors: `DATA_LOSS` if the file cannot be parsed.
    pub fn debug_info(&self) -> Result<Option<pb::GraphDebugInfo>, Error> {
        self.message(DEBUG_INFO)
    }

    /// What Keras 2 says of its layers, from `keras_metadata.pb`; `None` if there is no such file. Each
    /// node tells the object that it is about by its id.
    ///
    /// Errors: `DATA_LOSS` if the file cannot be parsed.
    pub fn keras_metadata(&self) -> Result<Option<keras::SavedMetadata>, Error> {
        self.message(KERAS_METADATA)
    }

    /// The files below `assets.extra`, by their paths within it, sorted; none if there is no such folder.
    ///
    /// Errors: those of reading the folder.
    pub fn extra_assets(&self) -> Result<Vec<PathBuf>, Error> {
        let root = self.dir().join(EXTRA_ASSETS_DIRECTORY);
        let mut found = Vec::new();
        let mut to_visit = vec![root.clone()];
        while let Some(folder) = to_visit.pop() {
            let failed = |source| Error::Io { path: folder.clone(), source };
            let entries = match std::fs::read_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                entries => entries.map_err(failed)?,
            };
            for entry in entries {
                let entry = entry.map_err(failed)?;
                // Links are not followed.
                match entry.file_type().map_err(failed)?.is_dir() {
                    true => to_visit.push(entry.path()),
                    false => {
                        found.extend(entry.path().strip_prefix(&root).map(Path::to_owned));
                    }
                }
            }
        }
        found.sort();
        Ok(found)
    }

    /// The content of a file below `assets.extra`; `None` if there is no such file.
    ///
    /// Errors: `INVALID_ARGUMENT` for a path that leads out of the folder; those of reading the file.
    pub fn extra_asset(&self, path: impl AsRef<Path>) -> Result<Option<Vec<u8>>, Error> {
        let path = path.as_ref();
        if !path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(Error::Model {
                code: Code::InvalidArgument,
                message: format!("'{}' leads out of {EXTRA_ASSETS_DIRECTORY}", path.display()),
            });
        }
        read(&self.dir().join(EXTRA_ASSETS_DIRECTORY).join(path))
    }

    fn message<M: Message + Default>(&self, name: &str) -> Result<Option<M>, Error> {
        let path = self.dir().join(name);
        let Some(bytes) = read(&path)? else { return Ok(None) };
        match M::decode(&*bytes) {
            Ok(message) => Ok(Some(message)),
            Err(error) => Err(Error::Parse { path, reason: error.to_string() }),
        }
    }
}
