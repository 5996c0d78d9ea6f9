use std::env;
use std::path::{Path, PathBuf};

use super::atomic::write_atomically;
use super::relative::relative_path;
use super::{CheckpointState, LATEST_FILENAME};
use crate::{Durability, Error};

/// How [`update_checkpoint_state`] writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UpdateOptions<'a> {
    /// The name of the state file; `checkpoint` if there is none.
    pub latest_filename: Option<&'a str>,
    /// Whether absolute paths are written relative to the directory, so that it can be moved.
    pub save_relative_paths: bool,
    /// Whether the file is on the medium before the function returns. It is by default.
    pub durability: Durability,
}

/// The state to write into a directory.
///
/// The latest checkpoint is appended to the list of all if that does not end in it. If `save_dir` is
/// relative, so are the paths: those that were relative to the current directory become relative to
/// `save_dir`. An empty `save_dir` is the current directory.
///
/// Errors: `INVALID_ARGUMENT` if there are timestamps, but not one for each path, or a path is
/// empty; what the system reports if the current directory is needed and unknown.
pub fn generate_checkpoint_state(
    save_dir: &Path,
    state: CheckpointState,
) -> Result<CheckpointState, Error> {
    generate(save_dir, state, current_dir)
}

/// Writes the state file of a directory: what [`generate_checkpoint_state`] gives, in one step, so
/// that readers see the old state or the new one.
///
/// Errors: those of [`generate_checkpoint_state`]; `INVALID_ARGUMENT` if the latest checkpoint has
/// the path of the state file, or a path is not UTF-8; what the system reports if the file cannot
/// be written, for instance because there is no such directory.
pub fn update_checkpoint_state(
    save_dir: &Path,
    state: CheckpointState,
    options: UpdateOptions<'_>,
) -> Result<(), Error> {
    let (path, text) = text_to_write(save_dir, state, options, current_dir)?;
    write_atomically(&path, text.as_bytes(), options.durability)
        .map_err(|source| Error::Io { path, source })
}

fn current_dir() -> Result<PathBuf, Error> {
    env::current_dir().map_err(|source| Error::Io { path: ".".into(), source })
}

/// The file to write, and its text.
fn text_to_write(
    save_dir: &Path,
    mut state: CheckpointState,
    options: UpdateOptions<'_>,
    cwd: impl Fn() -> Result<PathBuf, Error>,
) -> Result<(PathBuf, String), Error> {
    let path = save_dir.join(options.latest_filename.unwrap_or(LATEST_FILENAME));
    let given = state.model_checkpoint_path.clone();
    if options.save_relative_paths {
        relate(save_dir, &mut state, Path::is_absolute, &cwd)?;
    }
    let state = generate(save_dir, state, cwd)?;
    if path.as_os_str() == state.model_checkpoint_path.as_os_str() {
        return Err(Error::InvalidCheckpointState {
            what: format!(
                "Save path '{}' conflicts with path used for checkpoint state.  Please use a different save path.",
                given.display()
            ),
        });
    }
    Ok((path, state.to_text()?))
}

fn generate(
    save_dir: &Path,
    mut state: CheckpointState,
    cwd: impl Fn() -> Result<PathBuf, Error>,
) -> Result<CheckpointState, Error> {
    let latest = &state.model_checkpoint_path;
    // Compared by their letters: `a/./b` is not `a/b` here.
    let last = state.all_model_checkpoint_paths.last();
    if last.is_none_or(|last| last.as_os_str() != latest.as_os_str()) {
        state.all_model_checkpoint_paths.push(latest.clone());
    }
    let (paths, timestamps) =
        (&state.all_model_checkpoint_paths, &state.all_model_checkpoint_timestamps);
    if !timestamps.is_empty() && timestamps.len() != paths.len() {
        let paths: Vec<_> = paths.iter().map(|path| format!("'{}'", path.display())).collect();
        return Err(Error::InvalidCheckpointState {
            what: format!(
                "Checkpoint timestamps, if provided, must match checkpoint paths (got paths [{}] and timestamps \
                 {timestamps:?})",
                paths.join(", ")
            ),
        });
    }
    if state.all_model_checkpoint_paths.iter().any(|path| path.as_os_str().is_empty()) {
        return Err(Error::InvalidCheckpointState { what: "no path specified".into() });
    }
    if save_dir.is_relative() {
        relate(save_dir, &mut state, Path::is_relative, cwd)?;
    }
    Ok(state)
}

/// Makes those paths relative to `save_dir` that `which` picks.
fn relate(
    save_dir: &Path,
    state: &mut CheckpointState,
    which: fn(&Path) -> bool,
    cwd: impl Fn() -> Result<PathBuf, Error>,
) -> Result<(), Error> {
    let others = state.all_model_checkpoint_paths.iter_mut();
    for path in others.chain([&mut state.model_checkpoint_path]).filter(|path| which(path)) {
        *path = relative_path(path, save_dir, &cwd()?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use flowkeep_tensor::Code;
    use serde_json::Value;

    use super::super::get_checkpoint_state;
    use super::*;

    fn double(bits: &Value) -> f64 {
        f64::from_bits(u64::from_str_radix(bits.as_str().unwrap(), 16).unwrap())
    }

    fn list<T>(values: &Value, each: impl Fn(&Value) -> T) -> Vec<T> {
        values.as_array().unwrap().iter().map(each).collect()
    }

    fn state(case: &Value) -> CheckpointState {
        let path = |path: &Value| PathBuf::from(path.as_str().unwrap());
        CheckpointState {
            model_checkpoint_path: path(&case["model_checkpoint_path"]),
            all_model_checkpoint_paths: list(&case["all_model_checkpoint_paths"], path),
            all_model_checkpoint_timestamps: list(&case["all_model_checkpoint_timestamps"], double),
            last_preserved_timestamp: double(&case["last_preserved_timestamp"]),
        }
    }

    /// Directories and paths of every kind, and what TensorFlow writes for them in `/tmp/cwd`.
    #[test]
    fn paths_are_written_as_tensorflow_does() {
        let path =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/checkpoint_state/cases.json");
        let cases: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let cases = cases["matrix"].as_array().unwrap();
        assert!(cases.len() > 250, "{} cases", cases.len());
        for case in cases {
            let options = UpdateOptions {
                save_relative_paths: case["save_relative_paths"].as_bool().unwrap(),
                ..UpdateOptions::default()
            };
            let save_dir = Path::new(case["save_dir"].as_str().unwrap());
            let written = text_to_write(save_dir, state(case), options, || Ok("/tmp/cwd".into()));
            match (case["text"].as_str(), written) {
                (Some(expected), Ok((path, text))) => {
                    assert_eq!(text, expected, "{case}");
                    assert_eq!(path, save_dir.join("checkpoint"));
                }
                (None, Err(error)) => {
                    let (_, expected) = case["error"].as_str().unwrap().split_once(": ").unwrap();
                    assert_eq!(error.to_string(), expected, "{case}");
                    assert_eq!(error.code(), Code::InvalidArgument);
                }
                (_, written) => panic!("{case}: {written:?}"),
            }
        }
    }

    #[test]
    fn what_is_written_can_be_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let prefix = dir.path().join("it's \u{65e5}\n-1");
        let state = CheckpointState {
            model_checkpoint_path: prefix.clone(),
            all_model_checkpoint_paths: vec![dir.path().join("m"), prefix],
            all_model_checkpoint_timestamps: vec![1e16, f64::INFINITY],
            last_preserved_timestamp: 0.1,
        };
        for save_relative_paths in [false, true] {
            for latest_filename in [None, Some("other")] {
                let options = UpdateOptions {
                    latest_filename,
                    save_relative_paths,
                    ..UpdateOptions::default()
                };
                update_checkpoint_state(dir.path(), state.clone(), options).unwrap();
                let read = get_checkpoint_state(dir.path(), latest_filename).unwrap();
                assert_eq!(read.as_ref(), Some(&state));
            }
        }
        let text = fs::read_to_string(dir.path().join("other")).unwrap();
        assert!(text.starts_with("model_checkpoint_path: \"it\\'s \u{65e5}\\n-1\"\n"), "{text}");
    }

    #[test]
    fn missing_directories_are_not_made() {
        let dir = tempfile::tempdir().unwrap();
        let state =
            CheckpointState { model_checkpoint_path: "/m".into(), ..CheckpointState::default() };
        let options = UpdateOptions::default();
        let error = update_checkpoint_state(&dir.path().join("no"), state, options).unwrap_err();
        assert_eq!(error.code(), Code::NotFound);
    }
}
