//! Times loading and running one SavedModel in this process; prints one JSON object.
//!
//! `time_model DIR SIGNATURE KEY=FILE.npy THREADS SECONDS`
//!
//! Prints `load_ms`, `first_run_ms`, `run_ms` (median), `n_runs`, and `peak_rss_mib` of the whole
//! process (Linux). `compare.py` sets these beside TensorFlow's.
#![expect(clippy::print_stdout, reason = "a program whose result is what it prints")]

use std::error::Error;
use std::time::{Duration, Instant};

use flowkeep_runtime::SessionOptions;
use flowkeep_saved_model::{LoadOptions, SavedModelBundle};
use flowkeep_tensor::Tensor;
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [dir, signature, input, threads, seconds] = &args[..] else {
        return Err("usage: time_model DIR SIGNATURE KEY=FILE.npy THREADS SECONDS".into());
    };
    let (key, file) = input.split_once('=').ok_or("the input is KEY=FILE.npy")?;
    let input = read_npy(file)?;
    let session = SessionOptions { threads: threads.parse()?, ..Default::default() };

    let start = Instant::now();
    let bundle =
        SavedModelBundle::load(dir, &["serve"], LoadOptions { session, ..Default::default() })?;
    let load = start.elapsed();

    let callable = bundle.callable(signature, &[key])?;
    let start = Instant::now();
    callable.call(vec![input.clone()])?;
    let first_run = start.elapsed();

    let budget = Duration::from_secs_f64(seconds.parse()?);
    let begin = Instant::now();
    let mut runs = Vec::new();
    while begin.elapsed() < budget || runs.len() < 5 {
        let start = Instant::now();
        callable.call(vec![input.clone()])?;
        runs.push(start.elapsed());
    }
    runs.sort();
    let report = json!({
        "load_ms": millis(load),
        "first_run_ms": millis(first_run),
        "run_ms": millis(runs[runs.len() / 2]),
        "n_runs": runs.len(),
        "peak_rss_mib": peak_rss_mib(),
    });
    println!("{report}");
    Ok(())
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn read_npy(path: &str) -> Result<Tensor, Box<dyn Error>> {
    let file = npyz::NpyFile::new(std::io::BufReader::new(std::fs::File::open(path)?))?;
    let dims =
        file.shape().iter().map(|dim| usize::try_from(*dim)).collect::<Result<Vec<_>, _>>()?;
    Ok(Tensor::from_vec(dims, file.into_vec::<f32>()?)?)
}

/// The most memory that this process held at once, as Linux accounts it.
fn peak_rss_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}
