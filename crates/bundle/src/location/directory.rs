use std::path::{Path, PathBuf};

use super::display::names;
use super::find::by_prefix;
use super::list::{list_checkpoints, names_in};
use super::{Location, Reached};
use crate::checkpoint_state::LATEST_FILENAME;
use crate::{CheckpointState, Error};

/// The files by which a SavedModel is known.
const SAVED_MODEL_FILES: [&str; 2] = ["saved_model.pb", "saved_model.pbtxt"];
/// The prefix of its variables.
const VARIABLES_PREFIX: &str = "variables/variables";

/// The checkpoint of a directory: the latest by the state file, else the variables of a SavedModel,
/// else the only one there is.
pub(super) fn find(dir: &Path) -> Result<Location, Error> {
    match CheckpointState::read(dir, None) {
        Ok(Some(state)) => return by_state(&dir.join(LATEST_FILENAME), dir, &state),
        Ok(None) => {}
        Err(error) => return Err(nothing_in(dir, &error.to_string())),
    }
    if SAVED_MODEL_FILES.iter().any(|name| dir.join(name).is_file()) {
        let location =
            by_prefix(&dir.join(VARIABLES_PREFIX), Reached::SavedModel { dir: dir.into() })?;
        return location.ok_or_else(|| {
            nothing_in(dir, &format!("the SavedModel has no {VARIABLES_PREFIX}.index"))
        });
    }
    let found = list_checkpoints(dir)?;
    match found.as_slice() {
        [] => Err(nothing_in(dir, "")),
        [one] => by_prefix(&one.prefix, Reached::Directory { dir: dir.into() })?
            .ok_or_else(|| nothing_in(dir, "")),
        several => Err(Error::SeveralCheckpoints {
            place: dir.into(),
            found: several.iter().map(|one| one.prefix.clone()).collect(),
        }),
    }
}

/// The latest checkpoint of the state in the file `path` of the directory `dir`.
///
/// If it is not where the state says, files of the same name in `dir` are taken: absolute paths go
/// stale when a directory is moved.
pub(super) fn by_state(
    path: &Path,
    dir: &Path,
    state: &CheckpointState,
) -> Result<Location, Error> {
    let named = &state.model_checkpoint_path;
    let reached = |moved_from| Reached::StateFile {
        path: path.into(),
        n_listed: state.all_model_checkpoint_paths.len().max(1),
        moved_from,
    };
    if let Some(location) = by_prefix(named, reached(None))? {
        return Ok(location);
    }
    if let Some(beside) = named.file_name().map(|name| dir.join(name))
        && let Some(location) = by_prefix(&beside, reached(Some(named.clone())))?
    {
        return Ok(location);
    }
    let why = format!("{} names {}, which is not there", path.display(), named.display());
    Err(nothing_in(dir, &why))
}

/// The error for a directory in which no checkpoint can be chosen, with those that it has.
fn nothing_in(dir: &Path, why: &str) -> Error {
    let there = names_in(dir).map(|names| format!("the directory has {names}"));
    let there = there.or_else(|| below(dir).map(|names| format!("there are some in {names}")));
    let parts = [Some(why.to_owned()), there].into_iter().flatten();
    let parts: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
    Error::NoCheckpointInDirectory { dir: dir.into(), why: parts.join("; ") }
}

/// The directories in a directory that have checkpoints, as a sentence lists them.
fn below(dir: &Path) -> Option<String> {
    /// The most entries that are looked at.
    const MAX_ENTRIES: usize = 100;
    let entries = std::fs::read_dir(dir).ok()?.take(MAX_ENTRIES).flatten();
    let has_any = |dir: &PathBuf| {
        let files = SAVED_MODEL_FILES.iter().chain([&LATEST_FILENAME]);
        dir.is_dir()
            && (files.into_iter().any(|name| dir.join(name).is_file())
                || list_checkpoints(dir).is_ok_and(|found| !found.is_empty()))
    };
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(has_any).collect();
    found.sort();
    (!found.is_empty()).then(|| names(&found))
}
