//! Project tasks, one module per subcommand: `cargo xtask <task>`.

#![forbid(unsafe_code)]
#![expect(clippy::print_stderr, reason = "tasks talk to whoever runs them")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

mod ci;
mod codegen;
mod command;
mod long;
mod op_table;
mod test;
mod tidy;

/// What a task gives back: nothing, or a sentence for the person who ran it.
type TaskResult = Result<(), Box<dyn std::error::Error>>;

const USAGE: &str = "\
usage: cargo xtask <task>

tasks:
  ci                     everything that a change must pass
  codegen [--check]      generate the message types from the .proto files, or check that they are fresh
  test [--no-interop]    all tests; the round trips with TensorFlow in a virtual environment under target/
  long-fuzz [SECONDS [TARGET...]]
                         fuzz targets, five minutes each or so many seconds, all or these; an hour
  long-kills [N]         kill a process N times (1000) while it saves a checkpoint; minutes
  long-models [REGEX]    whole models in TensorFlow and in flowkeep, all of them into docs/models.md; half an hour
  long-random [SECONDS [FIRST_SEED]]
                         random graphs in TensorFlow and in flowkeep; an hour
  long-sanitize [CRATE...]
                         the tests of linalg, tensor and runtime with the address sanitizer; an hour
  tidy                   rules of the workspace that no compiler checks";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (task, args) = match args.split_first() {
        Some((task, args)) => (task.as_str(), args),
        None => ("help", &[][..]),
    };
    let result = match task {
        "ci" => ci::run_task(args),
        "codegen" => codegen::run(args),
        "long-fuzz" => long::fuzz(args),
        "long-kills" => long::kills(args),
        "long-models" => long::models(args),
        "long-random" => long::random(args),
        "long-sanitize" => long::sanitize(args),
        "test" => test::run_task(args),
        "tidy" => tidy::run_task(args),
        "help" | "--help" | "-h" => {
            eprintln!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("xtask: unknown task {task:?}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {task}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the workspace.
fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}
