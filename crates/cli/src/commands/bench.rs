//! `flowkeep bench`: how fast a signature runs, how long loading takes, and how much memory both need.

use std::io::Write;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use flowkeep_saved_model::SignatureCallable;
use flowkeep_tensor::Tensor;
use serde::Serialize;

use super::call::{Call, allowable};
use crate::args::{Flags, Format, Made};
use crate::error::Error;
use crate::render::{Page, json};

/// How long is measured when nothing is said.
const DEFAULT_TIME: Duration = Duration::from_secs(2);

/// What was measured; times in milliseconds, sizes in bytes.
#[derive(Serialize)]
struct Measured {
    model: String,
    signature: String,
    inputs: Vec<Input>,
    /// 0 for one for each core.
    threads: usize,
    callers: usize,
    warmup: usize,
    runs: usize,
    load_ms: f64,
    first_ms: f64,
    latency_ms: Latency,
    seconds: f64,
    runs_per_second: f64,
    /// The most memory that the process had, of which the system tells; loading included.
    peak_memory_bytes: Option<u64>,
}

#[derive(Serialize)]
struct Input {
    key: String,
    dtype: &'static str,
    shape: Vec<usize>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Latency {
    min: f64,
    mean: f64,
    std: f64,
    p50: f64,
    p90: f64,
    p95: f64,
    p99: f64,
    max: f64,
}

/// Loads the model, calls the signature until enough is known, and prints that.
///
/// Errors: as those of `flowkeep run`.
pub(crate) fn run(flags: &Flags, format: Format, out: &mut dyn Write) -> Result<(), Error> {
    let call = Call::prepare(flags, Some(Made::Random(0)))?;
    let callable = call.bundle.callable(&call.key, &call.keys()).map_err(allowable)?;
    let feeds = call.feeds();
    let once = || -> Result<Duration, Error> {
        let started = Instant::now();
        callable.call(feeds.clone()).map_err(allowable)?;
        Ok(started.elapsed())
    };
    let first = once()?;
    for _ in 0..flags.warmup {
        once()?;
    }
    let (mut times, took) = measure(flags, &callable, &feeds)?;
    let input = |(key, tensor): &(String, Tensor)| Input {
        key: key.clone(),
        dtype: tensor.dtype().python_name(),
        shape: tensor.dims().to_vec(),
    };
    let measured = Measured {
        model: flags.dir.display().to_string(),
        signature: call.key.clone(),
        inputs: call.inputs.iter().map(input).collect(),
        threads: flags.threads.unwrap_or(0),
        callers: flags.callers,
        warmup: flags.warmup,
        runs: times.len(),
        load_ms: milliseconds(call.loaded),
        first_ms: milliseconds(first),
        latency_ms: Latency::of(&mut times),
        seconds: took.as_secs_f64(),
        runs_per_second: times.len() as f64 / took.as_secs_f64().max(1e-9),
        peak_memory_bytes: peak_memory(),
    };
    match format {
        Format::Json => json::document(&measured, out),
        Format::Text => text(&measured, &mut Page(out)),
    }
}

/// Calls from all callers at once, until there are enough runs or the time is over; how long each call and all
/// together took.
fn measure(
    flags: &Flags,
    callable: &SignatureCallable<'_>,
    feeds: &[Tensor],
) -> Result<(Vec<Duration>, Duration), Error> {
    let until = Instant::now() + flags.seconds.unwrap_or(DEFAULT_TIME);
    let left = AtomicUsize::new(flags.runs.unwrap_or(usize::MAX));
    let take = || {
        let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
        taken.is_ok() && (flags.runs.is_some() || Instant::now() < until)
    };
    let ready = Barrier::new(flags.callers);
    let caller = || -> Result<(Vec<Duration>, Instant, Instant), Error> {
        let mut times = Vec::new();
        ready.wait();
        let first = Instant::now();
        while take() {
            let started = Instant::now();
            callable.call(feeds.to_vec()).map_err(allowable)?;
            times.push(started.elapsed());
        }
        Ok((times, first, Instant::now()))
    };
    let measured = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..flags.callers).map(|_| scope.spawn(caller)).collect();
        let joined = callers.into_iter().map(|caller| match caller.join() {
            Ok(times) => times,
            // Kernels do not panic past their run.
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.collect::<Result<Vec<_>, Error>>()
    })?;
    let first = measured.iter().map(|(_, first, _)| *first).min();
    let last = measured.iter().map(|(_, _, last)| *last).max();
    let took = first.zip(last).map(|(first, last)| last - first).unwrap_or_default();
    Ok((measured.into_iter().flat_map(|(times, _, _)| times).collect(), took))
}

impl Latency {
    /// The figures of these times; sorts them.
    fn of(times: &mut [Duration]) -> Latency {
        times.sort_unstable();
        let n = times.len().max(1) as f64;
        let mean = times.iter().map(|time| milliseconds(*time)).sum::<f64>() / n;
        let square = |time: &Duration| (milliseconds(*time) - mean).powi(2);
        // The smallest time that so many percent of all do not exceed.
        let percentile = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100).max(1);
            times.get(rank - 1).map_or(0.0, |time| milliseconds(*time))
        };
        Latency {
            min: percentile(0),
            mean,
            std: (times.iter().map(square).sum::<f64>() / n).sqrt(),
            p50: percentile(50),
            p90: percentile(90),
            p95: percentile(95),
            p99: percentile(99),
            max: percentile(100),
        }
    }
}

fn text(measured: &Measured, page: &mut Page<'_>) -> Result<(), Error> {
    let Measured { latency_ms: latency, callers, .. } = measured;
    page.line(format!("{} {}", measured.model, measured.signature))?;
    for Input { key, dtype, shape } in &measured.inputs {
        page.line(format!("  {key}: {dtype} {shape:?}"))?;
    }
    let threads = match measured.threads {
        0 => "a thread for each core".to_owned(),
        1 => "1 thread".to_owned(),
        n => format!("{n} threads"),
    };
    let callers = if *callers == 1 { "1 caller".to_owned() } else { format!("{callers} callers") };
    page.line(format!(
        "{} runs in {:.2} s after {} to warm up; {threads}, {callers}",
        measured.runs, measured.seconds, measured.warmup
    ))?;
    page.line(format!("load        {:>12.3} ms", measured.load_ms))?;
    page.line(format!("first run   {:>12.3} ms", measured.first_ms))?;
    for (name, value) in [
        ("min", latency.min),
        ("mean", latency.mean),
        ("std", latency.std),
        ("p50", latency.p50),
        ("p90", latency.p90),
        ("p95", latency.p95),
        ("p99", latency.p99),
        ("max", latency.max),
    ] {
        page.line(format!("{name:<11} {value:>12.3} ms"))?;
    }
    page.line(format!("throughput  {:>12.1} runs/s", measured.runs_per_second))?;
    if let Some(bytes) = measured.peak_memory_bytes {
        page.line(format!("peak memory {:>12.1} MiB", bytes as f64 / 1_048_576.0))?;
    }
    Ok(())
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// The most memory that this process had at once, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let mut times: Vec<Duration> = (1..=200).rev().map(Duration::from_millis).collect();
        let latency = Latency::of(&mut times);
        assert_eq!((latency.min, latency.p50, latency.p90), (1.0, 100.0, 180.0));
        assert_eq!((latency.p99, latency.max, latency.mean), (198.0, 200.0, 100.5));
        assert!((latency.std - 57.734).abs() < 0.001, "{latency:?}");
        let one = Latency::of(&mut [Duration::from_millis(3)]);
        assert_eq!((one.min, one.p50, one.p99, one.max, one.std), (3.0, 3.0, 3.0, 3.0, 0.0));
    }
}
