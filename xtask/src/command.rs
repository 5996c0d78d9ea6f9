//! Running other programs, echoing what is run.

use std::path::Path;
use std::process::Command;

use crate::TaskResult;

/// Runs a program in the workspace's root; an exit status other than 0 is an error.
pub(crate) fn run(program: impl AsRef<Path>, args: &[&str]) -> TaskResult {
    run_with(program, args, &[])
}

/// As [`run`], with extra environment variables.
pub(crate) fn run_with(
    program: impl AsRef<Path>,
    args: &[&str],
    env: &[(&str, &str)],
) -> TaskResult {
    run_in(crate::root(), program, args, env)
}

/// As [`run_with`], in another folder.
pub(crate) fn run_in(
    folder: impl AsRef<Path>,
    program: impl AsRef<Path>,
    args: &[&str],
    env: &[(&str, &str)],
) -> TaskResult {
    let program = program.as_ref();
    let line = format!("{} {}", program.display(), args.join(" "));
    eprintln!("+ {line}");
    let status =
        Command::new(program).args(args).envs(env.iter().copied()).current_dir(folder).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{line}` failed: {status}").into()),
        Err(error) => Err(format!("cannot run `{line}`: {error}").into()),
    }
}

/// What a program prints on standard output; an exit status other than 0 is an error.
pub(crate) fn output(
    program: impl AsRef<Path>,
    args: &[&str],
) -> Result<String, Box<dyn std::error::Error>> {
    let program = program.as_ref();
    let output = Command::new(program).args(args).current_dir(crate::root()).output()?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`{} {}` failed: {stderr}", program.display(), args.join(" ")).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
