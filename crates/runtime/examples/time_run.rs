//! Times runs of a graph: `time_run GRAPH.pb FETCH THREADS SECONDS`. `x`, a scalar of type `float`, is fed.
//!
//! Prints the steps of the plan and the milliseconds of the fastest and of the median run;
//! `benches/compare_run.py` sets these beside TensorFlow's.
#![expect(clippy::print_stdout, reason = "a program whose result is what it prints")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use flowkeep_graph::{Graph, ImportOptions};
use flowkeep_proto::pb;
use flowkeep_runtime::{RunKey, Session, SessionOptions};
use flowkeep_tensor::Tensor;
use prost::Message;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [path, fetch, threads, seconds] = &args[..] else {
        return Err("usage: time_run GRAPH.pb FETCH THREADS SECONDS".into());
    };
    let def = pb::GraphDef::decode(&*std::fs::read(path)?)?;
    let graph = Graph::import(def, &ImportOptions::default())?;
    let options = SessionOptions { threads: threads.parse()?, ..Default::default() };
    let session = Session::new(Arc::new(graph), options);
    let key = RunKey::new(&["x"], &[fetch], &[]);
    let n_steps = session.plan(&key)?.n_steps();
    let callable = session.callable(&key)?;
    let x = Tensor::scalar(0.5f32);
    let until = Instant::now() + Duration::from_secs_f64(seconds.parse()?);
    let mut times = Vec::new();
    while Instant::now() < until || times.len() < 5 {
        let start = Instant::now();
        callable.run(vec![x.clone()])?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    println!("{n_steps} {} {}", times[0], times[times.len() / 2]);
    Ok(())
}
