//! `cargo xtask ci`: everything that a change must pass, cheapest first.

use crate::TaskResult;
use crate::command::{run, run_with};

/// Format, generated code, tidy, lints, documentation, tests.
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
    run_with("cargo", &["doc", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")])?;
    crate::test::run_task(&[])
}
