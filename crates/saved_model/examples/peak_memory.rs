//! What a run of a model takes: `peak_memory SAVED_MODEL_DIR [SIGNATURE]`, on Linux.
//!
//! Prints the bytes of the weights, the least that the tensors of a run of one example need at once, what
//! the process has once the model is loaded, the most that it had until the third run was over and during
//! later runs; and the latter by the least, with and without what was there once the model was loaded. `benches/peak_memory.py` calls it.
#![expect(clippy::print_stdout, reason = "a program whose result is what it prints")]

use std::error::Error;
use std::sync::Arc;

use flowkeep_runtime::exec::SerialExecutor;
use flowkeep_runtime::{RunOptions, SessionOptions};
use flowkeep_saved_model::{LoadOptions, SavedModelBundle};
use flowkeep_tensor::Tensor;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().ok_or("usage: peak_memory SAVED_MODEL_DIR [SIGNATURE]")?;
    let key = arguments.next().unwrap_or_else(|| "serving_default".to_owned());
    let before = status("VmRSS")?;
    let session =
        SessionOptions { threads: 1, executor: Arc::new(SerialExecutor), ..Default::default() };
    let bundle =
        SavedModelBundle::load(&dir, &["serve"], LoadOptions { session, ..Default::default() })?;
    let loaded = status("VmRSS")? - before;
    let (mut feeds, mut inputs) = (Vec::new(), Vec::new());
    for (input, info) in &bundle.signature(&key)?.inputs {
        let dims = info.shape.dims().ok_or("an input has no known rank")?;
        // One example.
        let dims: Vec<usize> = dims.iter().map(|dim| dim.unwrap_or(1) as usize).collect();
        let dtype = info.dtype.ok_or("an input has no type")?.dtype;
        feeds.push(Tensor::zeros(dtype, &dims[..])?);
        inputs.push(input.as_str());
    }
    let callable = bundle.callable(&key, &inputs)?;
    // Kernels keep another form of a weight from its third use on.
    for _ in 0..3 {
        callable.call(feeds.clone())?;
    }
    let loading = status("VmHWM")? - before;
    // From here on the mark rises anew.
    std::fs::write("/proc/self/clear_refs", "5")?;
    for _ in 0..5 {
        callable.call(feeds.clone())?;
    }
    let running = status("VmHWM")? - before;
    let metadata = callable.call_with_options(feeds, &RunOptions::default().with_trace())?.1;
    let live = metadata.peak_live_bytes.ok_or("the graph has loops or calls")?;
    let weights = metadata.weight_bytes;
    let least = (weights + live) as f64;
    let (all, apart) = (running as f64 / least, running.saturating_sub(loaded) as f64 / least);
    println!("{weights} {live} {loaded} {loading} {running} {all:.2} {apart:.2}");
    Ok(())
}

/// A line of `/proc/self/status`, in bytes.
fn status(name: &str) -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kib: u64 =
        line.and_then(|line| line.split_whitespace().next()).ok_or("no status")?.parse()?;
    Ok(kib * 1024)
}
