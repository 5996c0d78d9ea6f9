//! What is where a SavedModel was looked for.

use std::cmp::Reverse;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::mistyped;

/// The names that the message of a SavedModel may have.
const NAMES: [&str; 3] = ["saved_model.pb", "saved_model.cpb", "saved_model.pbtxt"];

/// The most files of a directory that are looked at.
const MAX_ENTRIES: usize = 10_000;

/// What is where no SavedModel is, as the end of a sentence: `; did you mean models/2, the last of 2 in it?`
///
/// The last one is that of the greatest number, as model servers have their versions. Empty if there is nothing
/// to say.
pub fn instead_of_saved_model(path: &Path) -> String {
    if let Some(parent) = path.parent().filter(|parent| is_saved_model(parent)) {
        return format!("; did you mean {}?", shown(parent));
    }
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return match path_meant(path) {
                meant if meant.starts_with("; there is no folder") => meant,
                meant => format!("; there is no such directory{meant}"),
            };
        }
        Err(error) => return format!("; {error}"),
    };
    if !metadata.is_dir() {
        return "; this is no directory".into();
    }
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) => return format!("; {error}"),
    };
    let paths = entries.take(MAX_ENTRIES).flatten().map(|entry| entry.path());
    let mut models: Vec<PathBuf> = paths.filter(|path| is_saved_model(path)).collect();
    models.sort_by_key(|path| Reverse((version(path), path.clone())));
    match models.as_slice() {
        [] => String::new(),
        [only] => format!("; did you mean {}?", only.display()),
        [last, others @ ..] => {
            format!("; did you mean {}, the last of {} in it?", last.display(), 1 + others.len())
        }
    }
}

/// What a path that leads nowhere was probably meant to be, as the end of a sentence: `; did you mean models/half?`
///
/// Where its folder is not there either, it says which is the first that is not. Files of checkpoints count by their
/// prefix, and names as well without their ending. Empty if there is nothing to say.
pub fn path_meant(path: &Path) -> String {
    let is_missing =
        |path: &&Path| !path.as_os_str().is_empty() && matches!(path.try_exists(), Ok(false));
    let Some(missing) = path.ancestors().take_while(is_missing).last() else {
        return String::new();
    };
    let rest = path.strip_prefix(missing).unwrap_or(Path::new(""));
    let folder = match rest.as_os_str().is_empty() {
        true => String::new(),
        false => format!("; there is no folder {}", missing.display()),
    };
    let meant = nearest_beside(missing).map(|near| {
        let whole = if rest.as_os_str().is_empty() { near.clone() } else { near.join(rest) };
        let meant = if is_there(&whole) { whole } else { near };
        format!("; did you mean {}?", meant.display())
    });
    folder + &meant.unwrap_or_default()
}

/// Whether there is something at a path, or a checkpoint with it as its prefix.
fn is_there(path: &Path) -> bool {
    let mut index = path.as_os_str().to_owned();
    index.push(".index");
    path.exists() || Path::new(&index).is_file()
}

/// What is beside a path that leads nowhere and has nearly its name.
fn nearest_beside(missing: &Path) -> Option<PathBuf> {
    let wrong = missing.file_name()?.to_str()?;
    let parent = missing.parent()?;
    let here = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let names = fs::read_dir(here).ok()?.take(MAX_ENTRIES).flatten();
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    let near = names.filter_map(|name| {
        let prefix = name.strip_suffix(".index").map(str::to_owned);
        let of_name = mistyped(wrong, &name).map(|n| (n, name.clone()));
        let of_prefix = prefix.and_then(|prefix| Some((mistyped(wrong, &prefix)?, prefix)));
        let of_stem = Path::new(&name).file_stem().is_some_and(|stem| stem == wrong);
        of_name.into_iter().chain(of_prefix).chain(of_stem.then_some((1, name))).min()
    });
    near.min().map(|(_, name)| parent.join(name))
}

fn is_saved_model(dir: &Path) -> bool {
    NAMES.iter().any(|name| dir.join(name).is_file())
}

/// The version that the name of a directory is.
fn version(dir: &Path) -> Option<u64> {
    dir.file_name()?.to_str()?.parse().ok()
}

/// A path that may be the current directory.
fn shown(path: &Path) -> String {
    match path.as_os_str().is_empty() {
        true => ".".into(),
        false => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_that_is_meant_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("models/half_plus_two")).unwrap();
        for file in ["models/x.npy", "models/model.ckpt-10.index", "models/half_plus_two/a"] {
            fs::write(at(file), "").unwrap();
        }
        for (wrong, folder, meant) in [
            ("models/x.npy", None, None),
            ("models/x.nyp", None, Some("models/x.npy")),
            ("models/x", None, Some("models/x.npy")),
            ("models/half_plus_tow", None, Some("models/half_plus_two")),
            ("models/model.ckpt-1", None, Some("models/model.ckpt-10")),
            ("models/zzz", None, None),
            ("modles/x.npy", Some("modles"), Some("models/x.npy")),
            ("modles/model.ckpt-10", Some("modles"), Some("models/model.ckpt-10")),
            ("modles/zzz", Some("modles"), Some("models")),
            ("zzz/x.npy", Some("zzz"), None),
            ("models/x.npy/y", None, None),
        ] {
            let folder = folder.map(|name| format!("; there is no folder {}", at(name).display()));
            let meant = meant.map(|name| format!("; did you mean {}?", at(name).display()));
            let expected = folder.unwrap_or_default() + &meant.unwrap_or_default();
            assert_eq!(path_meant(&at(wrong)), expected, "{wrong}");
        }
        assert_eq!(path_meant(Path::new("")), "");
    }

    #[test]
    fn the_model_that_is_meant_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let model = |name: &str| {
            fs::create_dir_all(at(name).join("variables")).unwrap();
            fs::write(at(name).join("saved_model.pb"), "").unwrap();
        };
        assert_eq!(instead_of_saved_model(&at("none")), "; there is no such directory");
        assert_eq!(instead_of_saved_model(dir.path()), "");
        fs::write(at("file"), "").unwrap();
        assert_eq!(instead_of_saved_model(&at("file")), "; this is no directory");
        assert_eq!(instead_of_saved_model(&at("file/x")), "; there is no such directory");
        model("9");
        let nine = format!("; did you mean {}?", at("9").display());
        for path in [dir.path(), &at("9/variables"), &at("9/saved_model.pb")] {
            assert_eq!(instead_of_saved_model(path), nine, "{}", path.display());
        }
        model("10");
        model("latest");
        let ten = format!("; did you mean {}, the last of 3 in it?", at("10").display());
        assert_eq!(instead_of_saved_model(dir.path()), ten);
    }
}
