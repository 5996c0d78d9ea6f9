//! `cargo xtask ci`: everything that a change must pass, cheapest first.

use crate::TaskResult;
use crate::command::{run, run_with};
use crate::test::target_dir;

/// Format, generated code, tidy, lints, fuzz targets, documentation, tests.
pub(crate) fn run_task(args: &[String]) -> TaskResult {
    if !args.is_empty() {
        return Err("usage: cargo xtask ci".into());
    }
    run("cargo", &["fmt", "--all", "--check"])?;
    crate::codegen::run(&["--check".to_owned()])?;
    crate::tidy::run_task(&[])?;
    run("cargo", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    run(
        "cargo",
        &[
            "clippy",
            "--package",
            "flowkeep-bundle",
            "--no-default-features",
            "--",
            "-D",
            "warnings",
        ],
    )?;
    fuzz_targets_compile()?;
    run_with("cargo", &["doc", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")])?;
    crate::test::run_task(&[])
}

/// Compiles the fuzz targets, a workspace of its own, as far as that needs neither coverage nor a C++ compiler.
fn fuzz_targets_compile() -> TaskResult {
    let target_dir = target_dir().display().to_string();
    // From the root, where the folder's configuration for coverage does not count.
    let words =
        ["check", "--manifest-path", "fuzz/Cargo.toml", "--target-dir", &target_dir, "--locked"];
    // libFuzzer itself is not built if there is one; nothing is linked, so that any file will do.
    run_with("cargo", &words, &[("CUSTOM_LIBFUZZER_PATH", "fuzz/Cargo.toml")])
}
