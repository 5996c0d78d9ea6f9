//! Every model under `fixtures/saved_models` and `models` runs with TensorFlow's numbers.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flowkeep_runtime::SessionOptions;
use flowkeep_runtime::exec::{Executor, ParallelExecutor, SerialExecutor};
use flowkeep_saved_model::{
    Error, LoadOptions, LoadedObjects, ObjectLoadOptions, SavedModelBundle,
};
use flowkeep_tensor::{DType, Tensor};
use serde_json::Value;

type Failure = Box<dyn std::error::Error>;

#[test]
fn models_run_with_tensorflows_numbers() {
    let mut files = case_files(&root().join("fixtures/saved_models"));
    files.push(root().join("models/mnist/cases.json"));
    assert!(files.len() >= 12, "only {} models were found", files.len());
    let executors: [(Arc<dyn Executor>, usize); 2] =
        [(Arc::new(SerialExecutor), 1), (Arc::new(ParallelExecutor), 3)];
    let mut failures = Vec::new();
    for file in &files {
        for (executor, threads) in &executors {
            let session = SessionOptions {
                executor: executor.clone(),
                threads: *threads,
                ..Default::default()
            };
            run_file(file, &session, &mut failures)
                .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        }
    }
    assert!(failures.is_empty(), "{} calls differ:\n{}", failures.len(), failures.join("\n"));
}

fn run_file(
    file: &Path,
    session: &SessionOptions,
    failures: &mut Vec<String>,
) -> Result<(), Failure> {
    let cases: Value = serde_json::from_slice(&std::fs::read(file)?)?;
    let dir = file.parent().ok_or("no folder")?.join(text(&cases["model"])?);
    for sequence in list(&cases["sequences"])? {
        let tags = list(&sequence["tags"])?.iter().map(text).collect::<Result<Vec<_>, _>>()?;
        let options = LoadOptions { session: session.clone(), ..Default::default() };
        let name = format!("{} ({:?}), {}", dir.display(), session.executor, sequence["name"]);
        let bundle = match SavedModelBundle::load(&dir, &tags, options) {
            Ok(bundle) => bundle,
            Err(error) => {
                failures.push(format!("{name}: cannot load: {error}"));
                continue;
            }
        };
        for call in list(&sequence["calls"])? {
            let run = |key: &str, inputs: &[(&str, Tensor)]| bundle.call(key, inputs);
            if let Err(failure) = run_call(run, call) {
                failures
                    .push(format!("{name}, {} ({}): {failure}", call["signature"], call["note"]));
            }
        }
        if sequence["loader"] == "object" {
            run_objects(&dir, sequence, session, &name, failures)?;
        }
    }
    Ok(())
}

/// Calls the signatures as functions among the objects of the model.
fn run_objects(
    dir: &Path,
    sequence: &Value,
    session: &SessionOptions,
    name: &str,
    failures: &mut Vec<String>,
) -> Result<(), Failure> {
    let options = ObjectLoadOptions { session: session.clone(), ..Default::default() };
    let objects = LoadedObjects::load(dir, options)?;
    for call in list(&sequence["calls"])? {
        let run = |key: &str, inputs: &[(&str, Tensor)]| {
            Ok(objects.call_signature(key, inputs)?.into_iter().collect())
        };
        if let Err(failure) = run_call(run, call) {
            failures.push(format!("{name}, object of {}: {failure}", call["signature"]));
        }
    }
    Ok(())
}

fn run_call(
    run: impl Fn(&str, &[(&str, Tensor)]) -> Result<Vec<(String, Tensor)>, Error>,
    call: &Value,
) -> Result<(), Failure> {
    let mut inputs = Vec::new();
    for (key, value) in call["inputs"].as_object().ok_or("no inputs")? {
        inputs.push((key.as_str(), tensor(value)?));
    }
    let result = run(text(&call["signature"])?, &inputs);
    if !call["error"].is_null() {
        return check_error(result, &call["error"]);
    }
    let outputs = result?;
    let expected = call["outputs"].as_object().ok_or("no outputs")?;
    if outputs.len() != expected.len() {
        return Err(format!("{} outputs instead of {}", outputs.len(), expected.len()).into());
    }
    let rtol = call["rtol"].as_f64().ok_or("no rtol")?;
    for (key, got) in &outputs {
        let wanted = tensor(expected.get(key).ok_or_else(|| format!("unexpected output {key}"))?)?;
        compare(got, &wanted, rtol).map_err(|error| format!("output {key}: {error}"))?;
    }
    Ok(())
}

fn check_error(
    result: Result<Vec<(String, Tensor)>, Error>,
    wanted: &Value,
) -> Result<(), Failure> {
    let Err(error) = result else { return Err("succeeded, but TensorFlow fails".into()) };
    // TensorFlow spells the code in camel case, `InvalidArgument`.
    let got: String = error
        .code()
        .name()
        .split('_')
        .map(|word| word[..1].to_owned() + &word[1..].to_lowercase())
        .collect();
    if got != text(&wanted["code"])?.trim_end_matches("Error") {
        return Err(format!("code {got} ({error}) instead of {wanted}").into());
    }
    Ok(())
}

/// The largest difference relative to the largest expected value; other than floats exactly.
fn compare(got: &Tensor, wanted: &Tensor, rtol: f64) -> Result<(), Failure> {
    if got.dtype() != wanted.dtype() || got.shape() != wanted.shape() {
        return Err(format!("{got:?} instead of {wanted:?}").into());
    }
    if got.dtype() != DType::F32 {
        return if got == wanted { Ok(()) } else { Err("values differ".into()) };
    }
    let (got, wanted) = (got.as_slice::<f32>()?, wanted.as_slice::<f32>()?);
    let largest = wanted.iter().fold(0f32, |max, value| max.max(value.abs()));
    let bound = rtol * f64::from(largest);
    for (idx, (got, wanted)) in got.iter().zip(wanted).enumerate() {
        let is_equal = got == wanted || (got.is_nan() && wanted.is_nan());
        let is_near = f64::from((got - wanted).abs()) <= bound;
        if !is_equal && !is_near {
            return Err(format!("element {idx} is {got} instead of {wanted}").into());
        }
    }
    Ok(())
}

fn tensor(value: &Value) -> Result<Tensor, Failure> {
    let dims = list(&value["shape"])?
        .iter()
        .map(|dim| dim.as_u64().unwrap_or(0) as usize)
        .collect::<Vec<_>>();
    let dtype = DType::from_name(text(&value["dtype"])?).ok_or("unknown dtype")?;
    if dtype == DType::String {
        let strings = list(&value["strings"])?
            .iter()
            .map(|value| Ok(Bytes::from(STANDARD.decode(text(value)?)?)));
        return Ok(Tensor::from_strings(dims, strings.collect::<Result<_, Failure>>()?)?);
    }
    Ok(Tensor::from_bytes(dtype, dims, STANDARD.decode(text(&value["b64"])?)?.into())?)
}

fn text(value: &Value) -> Result<&str, Failure> {
    value.as_str().ok_or_else(|| format!("{value} is no text").into())
}

fn list(value: &Value) -> Result<&Vec<Value>, Failure> {
    value.as_array().ok_or_else(|| format!("{value} is no list").into())
}

fn case_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the fixtures are there");
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<_> =
        paths.filter(|path| path.to_string_lossy().ends_with(".cases.json")).collect();
    files.sort();
    files
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the workspace has a root")
}
