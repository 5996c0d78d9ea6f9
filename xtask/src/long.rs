//! `cargo xtask long-…`: runs that are too long for every change. `docs/long_runs.md` has the last
//! results.

use crate::TaskResult;
use crate::command::run_with;

/// Kills a process as it saves, again and again: a thousand times, or as often as is asked for.
pub(crate) fn kills(args: &[String]) -> TaskResult {
    let n_kills = match args {
        [] => "1000",
        [n_kills] if n_kills.parse::<u32>().is_ok() => n_kills,
        _ => return Err("usage: cargo xtask long-kills [N]".into()),
    };
    let test = ["test", "--release", "--package", "flowkeep-bundle", "--test", "kill"];
    run_with("cargo", &test, &[("FLOWKEEP_KILLS", n_kills)])
}
