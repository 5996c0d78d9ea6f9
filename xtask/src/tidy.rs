//! `cargo xtask tidy`: rules of the workspace that no compiler checks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::TaskResult;
use crate::command::output;

/// The crates that each crate may depend on: the arrows of ARCHITECTURE.md.
const ARROWS: &[(&str, &[&str])] = &[
    ("proto", &[]),
    ("tensor", &["proto"]),
    ("linalg", &[]),
    ("bundle", &["proto", "tensor"]),
    ("ckpt", &["bundle", "graph", "proto", "tensor"]),
    ("graph", &["proto", "tensor"]),
    ("runtime", &["graph", "linalg", "proto", "tensor"]),
    ("saver", &["bundle", "graph", "proto", "runtime", "tensor"]),
    ("saved-model", &["bundle", "graph", "proto", "runtime", "saver", "tensor"]),
    (
        "cli",
        &[
            "bundle",
            "ckpt",
            "graph",
            "linalg",
            "proto",
            "runtime",
            "saved-model",
            "saver",
            "tensor",
        ],
    ),
];

/// The only files that may hold `unsafe`: UNSAFE.md says why.
const UNSAFE_PLACES: &[&str] = &[
    "crates/bundle/src/crc32c/fold.rs",
    "crates/bundle/src/source/mmap.rs",
    "crates/linalg/src/gemm",
    "crates/linalg/src/pool",
    "crates/linalg/src/simd",
    "crates/tensor/src/buffer.rs",
];

/// The most crates that `flowkeep-bundle` may pull in, itself not counted. May only fall.
const MAX_BUNDLE_CRATES: usize = 24;

/// Files longer than this are named.
const LONG_FILE_LINES: usize = 600;

/// Checks arrows, places of `unsafe`, the bundle crate's size; reports long files.
pub(crate) fn run_task(args: &[String]) -> TaskResult {
    if !args.is_empty() {
        return Err("usage: cargo xtask tidy".into());
    }
    let mut faults = Vec::new();
    check_arrows(&mut faults)?;
    check_bundle_size(&mut faults)?;
    let sources = rust_sources(&crate::root())?;
    for (path, text) in &sources {
        check_unsafe(path, text, &mut faults);
    }
    report_long_files(&sources);
    if faults.is_empty() {
        return Ok(());
    }
    Err(format!("{} faults\n  {}", faults.len(), faults.join("\n  ")).into())
}

fn check_arrows(faults: &mut Vec<String>) -> TaskResult {
    let metadata: Value = serde_json::from_str(&output(
        "cargo",
        &["metadata", "--format-version", "1", "--no-deps"],
    )?)?;
    let arrows: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let is_published = package["publish"].is_null();
        let Some(crate_name) = name.strip_prefix("flowkeep-").filter(|_| is_published) else {
            continue;
        };
        let Some(allowed) = arrows.get(crate_name) else {
            faults.push(format!("{name} has no place among the arrows"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let is_normal = dependency["kind"].is_null();
            let dependency = dependency["name"].as_str().unwrap_or_default();
            if let Some(dependency) = dependency.strip_prefix("flowkeep-").filter(|_| is_normal)
                && !allowed.contains(&dependency)
            {
                faults.push(format!("{crate_name} must not depend on {dependency}"));
            }
        }
    }
    Ok(())
}

fn check_bundle_size(faults: &mut Vec<String>) -> TaskResult {
    let tree =
        output("cargo", &["tree", "-p", "flowkeep-bundle", "-e", "normal", "--prefix", "none"])?;
    let crates: BTreeSet<_> = tree.lines().filter_map(|line| line.split(" (").next()).collect();
    let n_crates = crates.len().saturating_sub(1);
    if n_crates > MAX_BUNDLE_CRATES {
        faults.push(format!(
            "flowkeep-bundle pulls in {n_crates} crates, more than {MAX_BUNDLE_CRATES}"
        ));
    }
    Ok(())
}

fn check_unsafe(path: &Path, text: &str, faults: &mut Vec<String>) {
    let shown = path.display().to_string().replace('\\', "/");
    if !shown.starts_with("crates/") || UNSAFE_PLACES.iter().any(|place| shown.starts_with(place)) {
        return;
    }
    for (idx, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        if ["unsafe {", "unsafe fn", "unsafe impl", "unsafe trait"]
            .iter()
            .any(|word| code.contains(word))
        {
            faults.push(format!("{shown}:{}: unsafe outside of its places", idx + 1));
        }
    }
}

fn report_long_files(sources: &[(PathBuf, String)]) {
    for (path, text) in sources {
        let n_lines = text.lines().count();
        if n_lines > LONG_FILE_LINES && !path.components().any(|part| part.as_os_str() == "gen") {
            eprintln!("note: {} has {n_lines} lines", path.display());
        }
    }
}

/// Every Rust source of the workspace, by its path from the root, sorted.
fn rust_sources(root: &Path) -> Result<Vec<(PathBuf, String)>, Box<dyn std::error::Error>> {
    let mut sources = Vec::new();
    let mut folders: Vec<_> =
        ["benches", "crates", "fuzz", "testkit", "xtask"].map(|name| root.join(name)).into();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                if path.file_name().is_some_and(|name| name != "target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push((path.strip_prefix(root)?.to_owned(), fs::read_to_string(&path)?));
            }
        }
    }
    sources.sort();
    Ok(sources)
}
