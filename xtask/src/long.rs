//! `cargo xtask long-…`: runs that are too long for every change. `docs/long_runs.md` has the last
//! results.

use crate::TaskResult;
use crate::command::{run, run_in, run_with};

/// Fuzzes the parsers, from their golden files on: all targets or those that are named, each for five minutes
/// or as many seconds as are asked for.
pub(crate) fn fuzz(args: &[String]) -> TaskResult {
    let folder = crate::root().join("fuzz");
    let (seconds, named) = match args.split_first() {
        None => ("300", args),
        Some((seconds, named)) if seconds.parse::<u32>().is_ok() => (seconds.as_str(), named),
        Some(_) => return Err("usage: cargo xtask long-fuzz [SECONDS [TARGET...]]".into()),
    };
    let mut targets = named.to_vec();
    if targets.is_empty() {
        for file in std::fs::read_dir(folder.join("fuzz_targets"))? {
            let path = file?.path();
            targets.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
        targets.sort();
    }
    // The configuration of the folder is for targets; seeds need no coverage.
    run_in(&folder, "cargo", &["run", "--bin", "seeds"], &[("RUSTFLAGS", " ")])?;
    let mut failed = Vec::new();
    for target in &targets {
        let corpus = format!("corpus/{target}");
        let time = format!("-max_total_time={seconds}");
        let limits =
            ["-max_len=65536", "-rss_limit_mb=2048", "-malloc_limit_mb=512", "-timeout=60"];
        let words = ["run", "--release", "--bin", target, "--", &corpus, &time];
        if let Err(error) = run_in(&folder, "cargo", &[&words[..], &limits].concat(), &[]) {
            eprintln!("{error}");
            failed.push(target.as_str());
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(format!("{} of {} targets failed: {}", failed.len(), targets.len(), failed.join(", "))
        .into())
}

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

/// Runs random graphs in TensorFlow and in flowkeep: for an hour, or as many seconds as are asked for.
pub(crate) fn random(args: &[String]) -> TaskResult {
    let (seconds, first) = match args {
        [] => ("3600", "0"),
        [seconds] => (seconds.as_str(), "0"),
        [seconds, first] => (seconds.as_str(), first.as_str()),
        _ => return Err("usage: cargo xtask long-random [SECONDS [FIRST_SEED]]".into()),
    };
    let (python, binary) = crate::test::interop_tools()?;
    let script = crate::root().join("interop/random_graphs.py").display().to_string();
    let binary = binary.display().to_string();
    run(python, &[&script, "--flowkeep", &binary, "--seconds", seconds, "--first", first])
}

/// Runs whole models of many kinds in TensorFlow and in flowkeep, and writes `docs/models.md`.
pub(crate) fn models(args: &[String]) -> TaskResult {
    let only = match args {
        [] => "",
        [only] => only.as_str(),
        _ => return Err("usage: cargo xtask long-models [REGEX]".into()),
    };
    let (python, binary) = crate::test::interop_tools()?;
    let script = crate::root().join("interop/models.py").display().to_string();
    let binary = binary.display().to_string();
    let table = crate::root().join("docs/models.md").display().to_string();
    let mut words = vec![script.as_str(), "--flowkeep", &binary];
    match only {
        "" => words.extend(["--table", &table]),
        only => words.extend(["--only", only]),
    }
    run(python, &words)
}

/// Runs the tests of what has `unsafe`, and of what runs on it, with the compiler's address sanitizer.
///
/// The stable compiler has it too, behind a switch.
pub(crate) fn sanitize(args: &[String]) -> TaskResult {
    const CRATES: [&str; 3] = ["linalg", "tensor", "runtime"];
    let named: Vec<&str> = args.iter().map(String::as_str).collect();
    if named.iter().any(|name| !CRATES.contains(name)) {
        return Err(format!("usage: cargo xtask long-sanitize [{}]...", CRATES.join("|")).into());
    }
    let crates = if named.is_empty() { &CRATES[..] } else { &named };
    let packages: Vec<String> = crates.iter().map(|name| format!("flowkeep-{name}")).collect();
    let target = crate::root().join("target/sanitize").display().to_string();
    let mut words = vec!["test", "--lib", "--tests", "--no-fail-fast"];
    // With a target, build scripts and macros are not sanitized.
    words.extend(["--target", "x86_64-unknown-linux-gnu"]);
    packages.iter().for_each(|package| words.extend(["--package", package]));
    let env = [
        ("RUSTC_BOOTSTRAP", "1"),
        ("RUSTFLAGS", "-Zsanitizer=address"),
        ("CARGO_INCREMENTAL", "0"),
        ("CARGO_TARGET_DIR", &target),
        // Tests ask for more memory than there is, to be refused, and see that a run gives back what it takes:
        // little that was freed is held back.
        ("ASAN_OPTIONS", "allocator_may_return_null=1:quarantine_size_mb=4"),
        ("FLOWKEEP_SHAPES", "20000"),
    ];
    run_with("cargo", &words, &env)
}
