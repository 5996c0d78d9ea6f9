use std::sync::Arc;
use std::time::Duration;

use flowkeep_graph::{Graph, ImportOptions};
use flowkeep_runtime::exec::SerialExecutor;
use flowkeep_runtime::{Registry, RunOptions, Session, SessionOptions};
use flowkeep_tensor::{DType, Shape, Tensor};
use prost::bytes::Bytes;

use crate::scratch::{PLACEHOLDER, Scratch};
use crate::{Case, Suite};

/// How long a run may take: loops take as long as they are told to.
const TIME_LIMIT: Duration = Duration::from_millis(50);

/// Runs the cases of a suite with other feeds: of other shapes, empty, and with extreme values.
///
/// Nothing is asked of the results; the runs may fail with any code. Each case is varied `n_rounds`
/// times, the same way every time.
///
/// Errors: a report of all cases in which a kernel panicked.
pub fn check_hostile(name: &str, registry: &Registry, n_rounds: usize) -> Result<(), String> {
    let suite = Suite::read(name)?;
    let mut report = Vec::new();
    for (idx, case) in suite.cases.iter().enumerate() {
        let mut random = Random(idx as u64);
        for _ in 0..n_rounds {
            let feeds = vary_all(&case.feeds, &mut random);
            if let Some(panic) = panic_of(case, &feeds, registry)? {
                let shown: Vec<String> = feeds.iter().map(|feed| format!("{feed:?}")).collect();
                report.push(format!("{} on {}: {panic}", case.name, shown.join(", ")));
                break;
            }
        }
    }
    if report.is_empty() { Ok(()) } else { Err(report.join("\n")) }
}

/// What the kernel said that panicked, if one did.
fn panic_of(case: &Case, feeds: &[Tensor], registry: &Registry) -> Result<Option<String>, String> {
    let mut def = case.graph.clone();
    for node in def.node.iter_mut().filter(|node| node.op == "Placeholder") {
        // Otherwise only feeds of the case's own shapes would be let in.
        node.attr.remove("shape");
        node.attr.remove("_output_shapes");
    }
    let Ok(graph) = Graph::import(def, &ImportOptions::default()) else { return Ok(None) };
    let options = SessionOptions {
        registry: registry.clone(),
        threads: 1,
        executor: Arc::new(SerialExecutor),
    };
    let session = Session::new(Arc::new(graph), options);
    let scratch = Scratch::new(&case.files)?;
    let names: Vec<String> = (0..feeds.len()).map(|idx| format!("in{idx}:0")).collect();
    let feeds = feeds.iter().map(|feed| scratch.with_path(feed));
    let feeds: Vec<(&str, Tensor)> = names.iter().map(String::as_str).zip(feeds).collect();
    let fetches: Vec<&str> = case.fetches.iter().map(String::as_str).collect();
    let targets: Vec<&str> = case.targets().collect();
    let options = RunOptions::default().with_timeout(TIME_LIMIT);
    let outcome = session.run_with_options(&feeds, &fetches, &targets, &options);
    let message = outcome.err().map(|error| error.to_string());
    Ok(message.filter(|message| message.contains("panicked")))
}

fn vary_all(feeds: &[Tensor], random: &mut Random) -> Vec<Tensor> {
    let mut varied = feeds.to_vec();
    for feed in &mut varied {
        if random.below(2) == 0 {
            *feed = vary(feed, random);
        }
    }
    varied
}

/// A tensor of the same type, with another shape, or with some elements replaced.
fn vary(tensor: &Tensor, random: &mut Random) -> Tensor {
    let shape = match random.below(4) {
        0 => Shape::from((0..random.below(4)).map(|_| random.below(4)).collect::<Vec<_>>()),
        1 => {
            let mut dims = tensor.dims().to_vec();
            if let Some(dim) = dims.len().checked_sub(1).map(|last| random.below(last + 1)) {
                dims[dim] = random.below(5);
            }
            Shape::from(dims)
        }
        _ => tensor.shape().clone(),
    };
    let n = shape.n_elements();
    let varied = match tensor.as_strings() {
        Ok(values) => {
            let value = |i: usize| match (values.len(), random.below(4)) {
                (0, _) | (_, 0) => Bytes::from_static(b"\xff\x00 1e999 \n"),
                // No path leads out of the scratch folder.
                (len, 1) if values[i % len].starts_with(PLACEHOLDER.as_bytes()) => {
                    PLACEHOLDER.into()
                }
                (_, 1) => Bytes::new(),
                (len, _) => values[i % len].clone(),
            };
            Tensor::from_strings(shape, (0..n).map(value).collect())
        }
        Err(_) => {
            let size = tensor.dtype().size_bytes().unwrap_or(1);
            let old = tensor.as_bytes().unwrap_or_default();
            let mut bytes = Vec::with_capacity(n * size);
            for i in 0..n {
                let at = if old.is_empty() { 0 } else { i * size % old.len() };
                match old.get(at..at + size).filter(|_| random.below(3) > 0) {
                    Some(element) => bytes.extend_from_slice(element),
                    None => bytes.extend(extreme(tensor.dtype(), size, random)),
                }
            }
            Tensor::from_bytes(tensor.dtype(), shape, bytes.into())
        }
    };
    varied.unwrap_or_else(|_| tensor.clone())
}

/// The bytes of an element that is small, or so large that no size made of it can be had.
fn extreme(dtype: DType, size: usize, random: &mut Random) -> Vec<u8> {
    let small = random.below(9) as i64 - 4;
    if dtype == DType::Bool {
        return vec![(small & 1) as u8];
    }
    let value = match random.below(4) {
        0 if size == 8 => i64::MAX,
        1 if size == 8 => i64::MIN,
        2 if size == 8 => 1 << 52,
        // The largest int32 is a size that can be had, and takes long.
        1 if size == 4 => i32::MIN.into(),
        _ => small,
    };
    let mut bytes = value.to_le_bytes().to_vec();
    bytes.resize(size, 0);
    bytes
}

/// A stream of numbers that differ enough: Knuth's 64-bit linear congruential generator.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % n.max(1)
    }
}
