//! The files of a SavedModel that its graph reads.

use std::path::{Component, Path, PathBuf};

use flowkeep_tensor::{Code, Tensor};

use crate::Error;
use crate::constants::ASSETS_DIRECTORY;

/// The path of an asset of the model in `dir`.
///
/// Errors: `INVALID_ARGUMENT` for a name that leads out of the directory of assets.
pub(crate) fn asset_path(dir: &Path, filename: &str) -> Result<PathBuf, Error> {
    let file = Path::new(filename);
    let is_inside =
        file.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !is_inside {
        return Err(Error::Model {
            code: Code::InvalidArgument,
            message: format!("asset file name '{filename}' leads out of the assets directory"),
        });
    }
    Ok(dir.join(ASSETS_DIRECTORY).join(file))
}

pub(crate) fn path_tensor(path: PathBuf) -> Tensor {
    Tensor::scalar_string(path.into_os_string().into_encoded_bytes())
}
