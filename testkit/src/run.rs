use std::collections::BTreeSet;
use std::sync::Arc;

use flowkeep_graph::{Graph, ImportOptions};
use flowkeep_proto::pb;
use flowkeep_runtime::exec::{Executor, ParallelExecutor, SerialExecutor};
use flowkeep_runtime::{Error, Registry, Session, SessionOptions};
use flowkeep_tensor::Tensor;

use crate::expected;
use crate::scratch::Scratch;
use crate::{Case, Expected, Files, Suite};

/// Threads of the parallel runs.
const N_THREADS: usize = 3;

/// A way to run a case.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Serial,
    Parallel,
    RoundTrip,
}

/// Runs all cases of a suite in all ways, with the ops of `registry`.
///
/// Errors: a report of all cases that gave another result than TensorFlow, of ops without a kernel
/// that `expected_missing.txt` does not list and listed ones that run, of errors in other words than
/// TensorFlow's that `other_words.txt` does not list and listed ones in its words.
pub fn check_suite(name: &str, registry: &Registry) -> Result<(), String> {
    let suite = Suite::read(name)?;
    let (mut missing, mut other_words) = (BTreeSet::new(), BTreeSet::new());
    let mut report = Vec::new();
    let expected_words = expected::other_words(name);
    for case in &suite.cases {
        for mode in [Mode::Serial, Mode::Parallel, Mode::RoundTrip] {
            match check_case(case, mode, registry) {
                Ok(()) => {}
                Err(Failure::Missing(ops)) => missing.extend(ops),
                Err(Failure::OtherWords(words)) => {
                    other_words.insert(case.name.clone());
                    if mode == Mode::Serial && !expected_words.contains(&case.name) {
                        report.push(format!(
                            "other words, and not in other_words.txt: {name} {}: {words}",
                            case.name
                        ));
                    }
                }
                Err(Failure::Differs(what)) => {
                    report.push(format!("{} ({mode:?}): {what}", case.name));
                    // The other ways would say the same.
                    break;
                }
            }
        }
    }
    let expected = expected::missing(name);
    let unlisted = missing.difference(&expected);
    report.extend(
        unlisted.map(|op| format!("no kernel, and not in expected_missing.txt: {name} {op}")),
    );
    let outdated = expected.difference(&missing);
    report.extend(outdated.map(|op| format!("runs, but is in expected_missing.txt: {name} {op}")));
    let outdated = expected_words.difference(&other_words);
    report.extend(
        outdated.map(|case| format!("TensorFlow's words, but in other_words.txt: {name} {case}")),
    );
    if report.is_empty() {
        return Ok(());
    }
    Err(format!("{} problems in suite {name}:\n{}", report.len(), report.join("\n")))
}

/// Why a case did not do what TensorFlow did.
enum Failure {
    /// These ops have no kernel.
    Missing(Vec<String>),
    /// The error has the right code; these are TensorFlow's words and ours.
    OtherWords(String),
    Differs(String),
}

fn check_case(case: &Case, mode: Mode, registry: &Registry) -> Result<(), Failure> {
    let scratch = Scratch::new(&case.files).map_err(Failure::Differs)?;
    let outcome = run(case, mode, registry, &scratch);
    if let (Some(expected), false) =
        (&case.files_after, matches!(outcome, Err(Error::Unsupported(_))))
    {
        let files = scratch.files().map_err(Failure::Differs)?;
        compare_files(&files, expected).map_err(|what| match &outcome {
            Ok(_) => Failure::Differs(what),
            Err(error) => Failure::Differs(format!("{what}, after {} {error}", error.code())),
        })?;
    }
    match (&case.expected, outcome) {
        (_, Err(Error::Unsupported(missing))) => {
            let op = |missing: &flowkeep_runtime::MissingKernel| match &missing.types[..] {
                [] => missing.op.clone(),
                types => format!("{}[{}]", missing.op, types.join(", ")),
            };
            Err(Failure::Missing(missing.iter().map(op).collect()))
        }
        (Expected::Outputs(outputs, tolerance), Ok(actual)) => {
            if actual.len() != outputs.len() {
                let message = format!("expected {} outputs, got {}", outputs.len(), actual.len());
                return Err(Failure::Differs(message));
            }
            for (idx, (actual, expected)) in actual.iter().zip(outputs).enumerate() {
                let actual = scratch.with_placeholder(actual);
                tolerance
                    .check(&actual, expected)
                    .map_err(|what| Failure::Differs(format!("output {idx}: {what}")))?;
            }
            Ok(())
        }
        (Expected::Outputs(..), Err(error)) => {
            Err(Failure::Differs(format!("failed: {} {error}", error.code())))
        }
        (Expected::Error { code, message }, Ok(_)) => {
            Err(Failure::Differs(format!("did not fail, as it should: {code} {message}")))
        }
        (Expected::Error { code, message }, Err(error)) => {
            // `INVALID_ARGUMENT` is `InvalidArgument` in Python.
            let actual = error.code();
            if !actual.name().replace('_', "").eq_ignore_ascii_case(code) {
                let what = format!("expected {code} {message}, got {actual} {error}");
                return Err(Failure::Differs(what));
            }
            // Ours goes on with the node.
            let words = scratch.message(&error.to_string());
            if words.contains(message.as_str()) {
                return Ok(());
            }
            Err(Failure::OtherWords(format!("expected {message}, got {words}")))
        }
    }
}

/// Compares what lies in the scratch folder with what TensorFlow left in its own.
fn compare_files(files: &Files, expected: &Files) -> Result<(), String> {
    let (names, expected_names): (Vec<_>, Vec<_>) =
        (files.keys().collect(), expected.keys().collect());
    if names != expected_names {
        return Err(format!("expected files {expected_names:?}, got {names:?}"));
    }
    for ((name, content), expected) in files.iter().zip(expected.values()) {
        if let Some(at) =
            (0..content.len().max(expected.len())).find(|at| content.get(*at) != expected.get(*at))
        {
            return Err(format!(
                "file {name} of {} bytes, not {}, differs from byte {at} on:\n{}\nnot\n{}",
                content.len(),
                expected.len(),
                content.escape_ascii(),
                expected.escape_ascii()
            ));
        }
    }
    Ok(())
}

fn run(
    case: &Case,
    mode: Mode,
    registry: &Registry,
    scratch: &Scratch,
) -> Result<Vec<Tensor>, Error> {
    let mut graph = import(case.graph.clone())?;
    if mode == Mode::RoundTrip {
        graph = import(graph.to_graph_def())?;
    }
    let (executor, threads): (Arc<dyn Executor>, _) = match mode {
        Mode::Serial | Mode::RoundTrip => (Arc::new(SerialExecutor), 1),
        Mode::Parallel => (Arc::new(ParallelExecutor), N_THREADS),
    };
    let options = SessionOptions { registry: registry.clone(), threads, executor };
    let session = Session::new(Arc::new(graph), options);
    let names: Vec<String> = (0..case.feeds.len()).map(|idx| format!("in{idx}:0")).collect();
    let tensors = case.feeds.iter().map(|feed| scratch.with_path(feed));
    let feeds: Vec<(&str, Tensor)> = names.iter().map(String::as_str).zip(tensors).collect();
    let fetches: Vec<&str> = case.fetches.iter().map(String::as_str).collect();
    let targets: Vec<&str> = case.targets().collect();
    let mut outputs = Vec::new();
    for _ in 0..case.n_runs {
        outputs.extend(session.run(&feeds, &fetches, &targets)?);
    }
    Ok(outputs)
}

fn import(def: pb::GraphDef) -> Result<Graph, Error> {
    Ok(Graph::import(def, &ImportOptions::default())?)
}
