//! What a run did, as the JSON that chrome://tracing and Perfetto show.

use std::collections::BTreeSet;

use flowkeep_runtime::{NodeStats, RunMetadata};
use serde_json::{Value, json};

/// The process that all events belong to.
const PROCESS: u32 = 1;

/// One complete event for each node that ran, in microseconds since the run began; its name is the node's, its
/// category the op.
pub(crate) fn chrome(signature: &str, metadata: &RunMetadata) -> Value {
    let name = |what: &str, thread: usize, name: String| json!({"ph": "M", "name": what, "pid": PROCESS, "tid": thread, "args": {"name": name}});
    let threads: BTreeSet<usize> = metadata.step_stats.iter().map(|stats| stats.thread).collect();
    let mut events = vec![name("process_name", 0, format!("flowkeep: {signature}"))];
    events.extend(threads.into_iter().map(|n| name("thread_name", n, format!("thread {n}"))));
    events.extend(metadata.step_stats.iter().map(event));
    json!({"displayTimeUnit": "ms", "traceEvents": events})
}

fn event(stats: &NodeStats) -> Value {
    let micros = |duration: std::time::Duration| duration.as_secs_f64() * 1e6;
    json!({
        "ph": "X",
        "name": &*stats.node,
        "cat": &*stats.op,
        "pid": PROCESS,
        "tid": stats.thread,
        "ts": micros(stats.start),
        "dur": micros(stats.end.saturating_sub(stats.start)),
        "args": {"op": &*stats.op},
    })
}
