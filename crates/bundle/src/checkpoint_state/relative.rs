use std::path::{Component, Path, PathBuf};

/// The way from the directory `start` to `path`, by the letters of their names alone: `a/..` is
/// nothing, whatever `a` is. Relative ones are taken to start in `cwd`.
pub(super) fn relative_path(path: &Path, start: &Path, cwd: &Path) -> PathBuf {
    let (path, start) = (cwd.join(path), cwd.join(start));
    let (path, start) = (normal_components(&path), normal_components(&start));
    let n_common = path.iter().zip(&start).take_while(|(a, b)| a == b).count();
    let up = start.iter().skip(n_common).map(|_| Component::ParentDir);
    let relative: PathBuf = up.chain(path.iter().skip(n_common).copied()).collect();
    if relative.as_os_str().is_empty() { ".".into() } else { relative }
}

/// The components of an absolute path, without `.` and `..`.
fn normal_components(path: &Path) -> Vec<Component<'_>> {
    let mut components = Vec::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                if matches!(components.last(), Some(Component::Normal(_))) {
                    components.pop();
                }
            }
            component => components.push(component),
        }
    }
    components
}

#[cfg(test)]
mod tests {
    use super::*;

    // Expected values: os.path.relpath of CPython 3.11, in /tmp/cwd.
    #[test]
    fn paths_are_relative_as_in_python() {
        for (path, start, expected) in [
            ("train/m", "train", "m"),
            ("m", "train", "../m"),
            ("train", "train", "."),
            ("train/../x/./m", "train//", "../x/m"),
            ("/tmp/cwd/train/m", "train", "m"),
            ("train/m", "/tmp/cwd/train", "m"),
            ("/m", "train", "../../../m"),
            ("../../../../m", "", "../../m"),
            ("m", "..", "cwd/m"),
            ("/", "/", "."),
            ("/..", "/tmp", ".."),
        ] {
            let relative = relative_path(path.as_ref(), start.as_ref(), "/tmp/cwd".as_ref());
            assert_eq!(relative.to_str().unwrap(), expected, "{path} from {start}");
        }
    }
}
