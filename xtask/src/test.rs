//! `cargo xtask test`: all tests, the round trips with TensorFlow among them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::TaskResult;
use crate::command::{output, run};

/// The Python releases for which the TensorFlow of `interop/requirements.txt` has wheels.
const PYTHON_MINORS: std::ops::RangeInclusive<u32> = 10..=13;

/// Runs `cargo test`, then `interop/` in a virtual environment of its own (unless `--no-interop`).
pub(crate) fn run_task(args: &[String]) -> TaskResult {
    let interop = match args {
        [] => true,
        [flag] if flag == "--no-interop" => false,
        _ => return Err("usage: cargo xtask test [--no-interop]".into()),
    };
    run("cargo", &["test", "--workspace"])?;
    if !interop {
        return Ok(());
    }
    let (python, binary) = interop_tools()?;
    let script = crate::root().join("interop/run.py");
    // `cargo test` has built the examples.
    let examples = target_dir().join("debug/examples");
    let [script, binary, examples] =
        [script, binary, examples].map(|path| path.display().to_string());
    run(python, &[&script, "--flowkeep", &binary, "--examples", &examples])
}

/// The interpreter that has TensorFlow, and the binary, built.
pub(crate) fn interop_tools() -> Result<(PathBuf, PathBuf), Box<dyn std::error::Error>> {
    run("cargo", &["build", "--release", "--package", "flowkeep-cli"])?;
    Ok((virtual_environment()?, target_dir().join("release/flowkeep")))
}

/// The interpreter of the virtual environment under `target/`, made or renewed when the
/// requirements changed.
fn virtual_environment() -> Result<PathBuf, Box<dyn std::error::Error>> {
    let requirements = crate::root().join("interop/requirements.txt");
    let wanted = fs::read_to_string(&requirements)?;
    let dir = target_dir().join("interop-venv");
    let python = dir.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let stamp = dir.join("requirements.stamp");
    if fs::read_to_string(&stamp).is_ok_and(|stamp| stamp == wanted) {
        return Ok(python);
    }
    eprintln!(
        "making a virtual environment with TensorFlow in {} (about 1.5 GB, once)",
        dir.display()
    );
    if dir.exists() {
        fs::remove_dir_all(&dir)?;
    }
    run(find_python()?, &["-m", "venv", &dir.display().to_string()])?;
    let requirements = requirements.display().to_string();
    run(
        &python,
        &["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", &requirements],
    )?;
    fs::write(stamp, wanted)?;
    Ok(python)
}

/// A Python that TensorFlow has wheels for.
fn find_python() -> Result<PathBuf, Box<dyn std::error::Error>> {
    let mut candidates = vec!["python3".to_owned(), "python".to_owned()];
    candidates.extend(PYTHON_MINORS.rev().map(|minor| format!("python3.{minor}")));
    let mut seen = Vec::new();
    for candidate in candidates {
        let script = "import sys; print(sys.version_info[0], sys.version_info[1])";
        let Ok(version) = output(&candidate, &["-c", script]) else { continue };
        let mut numbers = version.split_whitespace().map(|word| word.parse::<u32>().unwrap_or(0));
        if let (Some(3), Some(minor)) = (numbers.next(), numbers.next()) {
            if PYTHON_MINORS.contains(&minor) {
                return Ok(candidate.into());
            }
            seen.push(format!("{candidate} is 3.{minor}"));
        }
    }
    let (first, last) = (PYTHON_MINORS.start(), PYTHON_MINORS.end());
    Err(format!(
        "the round trips with TensorFlow need Python 3.{first} to 3.{last} ({}); \
         `cargo xtask test --no-interop` runs the rest without",
        if seen.is_empty() { "none was found".to_owned() } else { seen.join(", ") }
    )
    .into())
}

/// Where cargo puts what it builds.
pub(crate) fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| crate::root().join("target"), |dir| Path::new(&dir).to_owned())
}
