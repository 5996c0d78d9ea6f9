//! Limits on what a run may make and give.

use std::sync::Arc;

use flowkeep_graph::{Graph, ImportOptions};
use flowkeep_proto::text;
use flowkeep_runtime::exec::{Executor, ParallelExecutor, SerialExecutor};
use flowkeep_runtime::{RunKey, RunOptions, Session, SessionOptions};
use flowkeep_tensor::{Code, DType, Tensor};

/// The nodes of a graph that repeats `x` as often as `n` says.
const REPEATED: &str =
    "node { name: 'x' op: 'Placeholder' attr { key: 'dtype' value { type: DT_FLOAT } } }
     node { name: 'n' op: 'Placeholder' attr { key: 'dtype' value { type: DT_INT32 } } }
     node { name: 'many' op: 'Tile' input: ['x', 'n'] attr { key: 'T' value { type: DT_FLOAT } } }
     node { name: 'size' op: 'Size' input: 'many' attr { key: 'T' value { type: DT_FLOAT } } }";

fn session(executor: Arc<dyn Executor>, nodes: &str) -> Session {
    let graph = Graph::import(text::parse_message(nodes).unwrap(), &ImportOptions::default());
    let options = SessionOptions { executor, threads: 2, ..Default::default() };
    Session::new(Arc::new(graph.unwrap()), options)
}

fn executors() -> [Arc<dyn Executor>; 2] {
    [Arc::new(SerialExecutor), Arc::new(ParallelExecutor)]
}

/// The nodes `name op input..` of floats, where `out` is `out:` and `T` their type.
fn floats(nodes: &[&str]) -> String {
    let node = |node: &&str| {
        let mut words = node.split(' ');
        let (name, op) = (words.next().unwrap(), words.next().unwrap());
        let inputs: String = words.map(|input| format!(" input: '{input}'")).collect();
        format!(
            "node {{ name: '{name}' op: '{op}'{inputs} attr {{ key: 'T' value {{ type: DT_FLOAT }} }} }}\n"
        )
    };
    nodes.iter().map(node).collect()
}

#[test]
fn no_tensor_and_no_result_is_larger_than_is_allowed() {
    for executor in executors() {
        let session = session(executor, REPEATED);
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
                && message.contains(
                    "type float and shape [101] has 404 bytes, more than the 400 that are allowed \
                     (max_tensor_bytes)"
                ),
            "{message}"
        );
        let few = RunOptions::default().with_max_fetched_bytes(400);
        assert_eq!(run(1000, "size", &few), Ok(()));
        assert_eq!(run(100, "many", &few), Ok(()));
        let (code, message) = run(101, "many", &few).unwrap_err();
        assert_eq!(code, Code::ResourceExhausted);
        assert_eq!(
            message,
            "the fetched tensors have 404 bytes, more than the 400 that are allowed (max_fetched_bytes)"
        );
        assert_eq!(run(1000, "many", &RunOptions::default()), Ok(()));
    }
}

#[test]
fn a_trace_tells_what_lives_at_once() {
    let session = session(Arc::new(SerialExecutor), REPEATED);
    let x = Tensor::from_vec([1], vec![1.0f32]).unwrap();
    let n = Tensor::from_vec([1], vec![100i32]).unwrap();
    let options = RunOptions::default().with_trace();
    let feeds = [("x", x), ("n", n)];
    let (_, metadata) = session.run_with_options(&feeds, &["size"], &[], &options).unwrap();
    // While the repeated tensor is made, it and both feeds are there.
    assert_eq!(metadata.peak_live_bytes, Some(400 + 4 + 4));
    assert_eq!(metadata.weight_bytes, 0);
}

#[test]
fn tensors_that_are_there_at_once_are_not_more_than_is_allowed() {
    // `a`, `b` and `c` are all there with `many`, before `ab`.
    let nodes = [
        "a Neg many",
        "b Abs many",
        "c Square many",
        "ab Add a b ^c",
        "abc Add ab c",
        "sum Add abc many",
    ];
    let graph = format!("{REPEATED}\n{}", floats(&nodes));
    for executor in executors() {
        let session = session(executor, &graph);
        let run = |max: usize| {
            let feeds = [
                ("x", Tensor::from_elements(vec![1.0f32, 2.0])),
                ("n", Tensor::scalar(50i32).reshape([1]).unwrap()),
            ];
            let options = RunOptions::default().with_max_live_bytes(max);
            session.run_with_options(&feeds, &["sum"], &[], &options).map(|(fetched, _)| fetched)
        };
        let error = run(399).unwrap_err();
        assert_eq!(error.code(), Code::ResourceExhausted);
        assert!(
            error.to_string().contains("many")
                && error.to_string().contains("Tile")
                && error.to_string().contains(
                    "a tensor of type float and shape [100] has 400 bytes, which with the 0 of others are more than \
                     the 399 that are allowed (max_live_bytes)"
                ),
            "{error}"
        );
        let error = run(1599).unwrap_err();
        assert!(error.to_string().contains("which with the 1200 of others are more"), "{error}");
        // Results take the place of operands: nothing needs more than these four.
        let sum = run(1600).unwrap();
        assert_eq!(sum[0].as_slice::<f32>().unwrap()[..4], [2.0, 6.0, 2.0, 6.0]);
        assert!(run(1599).is_err());
    }
}

#[test]
fn memory_counts_anew_in_each_run_and_what_is_fed_only_if_it_is_given_away() {
    let session = session(
        Arc::new(SerialExecutor),
        &format!("{REPEATED}\n{}", floats(&["y Neg x", "z Neg y"])),
    );
    let callable = session.callable(&RunKey::new(&["x"], &["z"], &[])).unwrap();
    let options = RunOptions::default().with_max_live_bytes(400);
    let x = Tensor::zeros(DType::F32, [100]).unwrap();
    for _ in 0..3 {
        // `x` stays with its owner; `z` is computed in the place of `y`.
        callable.run_with_options(vec![x.clone()], &options).unwrap();
    }
    let (z, _) = callable.run_with_options(vec![x], &options).unwrap();
    // What an earlier run counted is not this one's.
    callable.run_with_options(z, &options).unwrap();
    let x = Tensor::zeros(DType::F32, [101]).unwrap();
    let error = callable.run_with_options(vec![x], &options).unwrap_err();
    assert_eq!(error.code(), Code::ResourceExhausted);
    assert!(
        error.to_string().starts_with("feed 0: a tensor of type float and shape [101] has 404"),
        "{error}"
    );
}

#[test]
fn what_is_too_large_for_any_memory_is_refused_before_it_is_made() {
    let graph = "node { name: 'dims' op: 'Placeholder' attr { key: 'dtype' value { type: DT_INT64 } } }
         node { name: 'value' op: 'Const' attr { key: 'dtype' value { type: DT_FLOAT } }
                attr { key: 'value' value { tensor { dtype: DT_FLOAT tensor_shape { } float_val: 1 } } } }
         node { name: 'filled' op: 'Fill' input: ['dims', 'value'] attr { key: 'T' value { type: DT_FLOAT } }
                attr { key: 'index_type' value { type: DT_INT64 } } }
         node { name: 'drawn' op: 'RandomUniform' input: 'dims' attr { key: 'T' value { type: DT_INT64 } }
                attr { key: 'dtype' value { type: DT_FLOAT } } }";
    let session = session(Arc::new(ParallelExecutor), graph);
    // More than a machine has, but a size that can be asked for: touching it would end the process.
    let dims = Tensor::from_elements(vec![1i64 << 20, 1 << 20]);
    let limits = [
        RunOptions::default().with_max_live_bytes(1 << 30),
        RunOptions::default().with_max_tensor_bytes(1 << 30),
    ];
    for (options, node) in limits.iter().zip(["filled", "drawn"]) {
        let error = session.run_with_options(&[("dims", dims.clone())], &[node], &[], options);
        let error = error.unwrap_err();
        assert_eq!(error.code(), Code::ResourceExhausted);
        assert!(error.to_string().contains(node), "{error}");
        assert!(error.to_string().contains("has 4398046511104 bytes"), "{error}");
    }
}
