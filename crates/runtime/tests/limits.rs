//! Limits on what a run may make and give.

use std::sync::Arc;

use flowkeep_graph::{Graph, ImportOptions};
use flowkeep_proto::text;
use flowkeep_runtime::exec::{Executor, ParallelExecutor, SerialExecutor};
use flowkeep_runtime::{RunOptions, Session, SessionOptions};
use flowkeep_tensor::{Code, Tensor};

/// A session on a graph that repeats `x` as often as `n` says.
fn session(executor: Arc<dyn Executor>) -> Session {
    let def = text::parse_message(
        "node { name: 'x' op: 'Placeholder' attr { key: 'dtype' value { type: DT_FLOAT } } }
         node { name: 'n' op: 'Placeholder' attr { key: 'dtype' value { type: DT_INT32 } } }
         node { name: 'many' op: 'Tile' input: ['x', 'n'] attr { key: 'T' value { type: DT_FLOAT } } }
         node { name: 'size' op: 'Size' input: 'many' attr { key: 'T' value { type: DT_FLOAT } } }",
    );
    let graph = Graph::import(def.unwrap(), &ImportOptions::default()).unwrap();
    let options = SessionOptions { executor, threads: 2, ..Default::default() };
    Session::new(Arc::new(graph), options)
}

#[test]
fn no_tensor_and_no_result_is_larger_than_is_allowed() {
    for executor in [Arc::new(SerialExecutor) as Arc<dyn Executor>, Arc::new(ParallelExecutor)] {
        let session = session(executor);
        let run = |n: i32, fetch: &str, options: &RunOptions| {
            let x = Tensor::from_vec([1], vec![1.0f32]).unwrap();
            let n = Tensor::from_vec([1], vec![n]).unwrap();
            session
                .run_with_options(&[("x", x), ("n", n)], &[fetch], &[], options)
                .map(|_| ())
                .map_err(|error| (error.code(), error.to_string()))
        };
        let small = RunOptions::default().with_max_tensor_bytes(400);
        assert_eq!(run(100, "size", &small), Ok(()));
        let (code, message) = run(101, "size", &small).unwrap_err();
        assert_eq!(code, Code::ResourceExhausted);
        assert!(
            message.contains("many")
                && message.contains("type float and shape [101] has 404 bytes, more than the 400"),
            "{message}"
        );
        let few = RunOptions::default().with_max_fetched_bytes(400);
        assert_eq!(run(1000, "size", &few), Ok(()));
        assert_eq!(run(100, "many", &few), Ok(()));
        let (code, message) = run(101, "many", &few).unwrap_err();
        assert_eq!(code, Code::ResourceExhausted);
        assert_eq!(
            message,
            "the fetched tensors have 404 bytes, more than the 400 that are allowed"
        );
        assert_eq!(run(1000, "many", &RunOptions::default()), Ok(()));
    }
}

#[test]
fn a_trace_tells_what_lives_at_once() {
    let session = session(Arc::new(SerialExecutor));
    let x = Tensor::from_vec([1], vec![1.0f32]).unwrap();
    let n = Tensor::from_vec([1], vec![100i32]).unwrap();
    let options = RunOptions::default().with_trace();
    let feeds = [("x", x), ("n", n)];
    let (_, metadata) = session.run_with_options(&feeds, &["size"], &[], &options).unwrap();
    // While the repeated tensor is made, it and both feeds are there.
    assert_eq!(metadata.peak_live_bytes, Some(400 + 4 + 4));
    assert_eq!(metadata.weight_bytes, 0);
}
