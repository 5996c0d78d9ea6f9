//! What a run promises: pruning, feeds, order, state, errors.

use std::sync::Arc;

use flowkeep_graph::{Graph, ImportOptions};
use flowkeep_proto::{pb, text};
use flowkeep_runtime::exec::{Executor, ParallelExecutor, SerialExecutor};
use flowkeep_runtime::kernel::{KernelContext, KernelInit, OpKernel, OpRegistration, Status, op};
use flowkeep_runtime::{Error, Registry, RunKey, Session, SessionOptions};
use flowkeep_tensor::{Code, Tensor};

fn session_with(text: &str, executor: Arc<dyn Executor>, registry: Registry) -> Session {
    let def: pb::GraphDef = text::parse_message(text).expect("the test's graph parses");
    let graph = Graph::import(def, &ImportOptions::default()).expect("the test's graph imports");
    Session::new(Arc::new(graph), SessionOptions { registry, threads: 3, executor })
}

fn session(text: &str) -> Session {
    session_with(text, Arc::new(ParallelExecutor), Registry::standard())
}

/// Runs the test once with each executor.
fn with_each_executor(text: &str, test: impl Fn(Session)) {
    test(session_with(text, Arc::new(SerialExecutor), Registry::standard()));
    test(session_with(text, Arc::new(ParallelExecutor), Registry::standard()));
}

fn scalar(outputs: &[Tensor]) -> f32 {
    outputs[0].to_scalar::<f32>().expect("a scalar")
}

fn check_error(result: Result<Vec<Tensor>, Error>, code: Code, words: &str) {
    let error = result.expect_err("the run is bad");
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(words), "{words:?} is not in {:?}", error.to_string());
}

const FLOAT: &str = "attr { key: 'T' value { type: DT_FLOAT } }";

fn placeholder(name: &str) -> String {
    format!(
        "node {{ name: '{name}' op: 'Placeholder' attr {{ key: 'dtype' value {{ type: DT_FLOAT }} }}
         attr {{ key: 'shape' value {{ shape {{ dim {{ size: -1 }} dim {{ size: 2 }} }} }} }} }}"
    )
}

fn constant(name: &str, value: f32, controls: &str) -> String {
    format!(
        "node {{ name: '{name}' op: 'Const' {controls} attr {{ key: 'dtype' value {{ type: DT_FLOAT }} }}
         attr {{ key: 'value' value {{ tensor {{ dtype: DT_FLOAT tensor_shape {{}} float_val: {value} }} }} }} }}"
    )
}

fn node(name: &str, op: &str, inputs: &[&str]) -> String {
    let inputs: String = inputs.iter().map(|input| format!("input: '{input}' ")).collect();
    format!("node {{ name: '{name}' op: '{op}' {inputs} {FLOAT} }}")
}

/// A reference variable `v` with `init` (assign 10) and `bump` (add 1).
fn counter() -> String {
    let variable =
        "node { name: 'v' op: 'VariableV2' attr { key: 'dtype' value { type: DT_FLOAT } }
                    attr { key: 'shape' value { shape {} } } }";
    let parts = [
        variable.to_owned(),
        constant("ten", 10.0, ""),
        constant("one", 1.0, ""),
        node("init", "Assign", &["v", "ten"]),
        node("bump", "AssignAdd", &["v", "one"]),
        node("read", "Identity", &["v"]),
    ];
    parts.join("\n")
}

#[test]
fn a_feed_replaces_what_its_node_would_compute() {
    let text = [placeholder("x"), node("y", "AddV2", &["x", "x"]), node("z", "Mul", &["y", "y"])]
        .join("\n");
    with_each_executor(&text, |session| {
        let z =
            session.run(&[("y:0", Tensor::scalar(3f32))], &["z"], &[]).expect("x is not needed");
        assert_eq!(scalar(&z), 9.0);
    });
}

#[test]
fn a_tensor_may_be_fed_and_fetched() {
    let session = session(&placeholder("x"));
    let x = session.run(&[("x", Tensor::scalar(3f32))], &["x:0"], &[]).expect("it is the feed");
    assert_eq!(scalar(&x), 3.0);
}

#[test]
fn an_unfed_placeholder_says_what_it_wants() {
    let session = session(&placeholder("x"));
    let words = "You must feed a value for placeholder tensor 'x' with dtype float and shape [?,2]";
    check_error(session.run(&[], &["x:0"], &[]), Code::InvalidArgument, words);
}

#[test]
fn a_feed_cuts_data_edges_but_not_control_edges() {
    let text = [
        counter(),
        "node { name: 'fed' op: 'Identity' input: 'bump' attr { key: 'T' value { type: DT_FLOAT } } }".to_owned(),
        constant("after", 5.0, "input: '^fed'"),
        node("sum", "AddV2", &["after", "fed"]),
    ];
    with_each_executor(&text.join("\n"), |session| {
        session.run(&[], &[], &["init"]).expect("initialized");
        let sum = session.run(&[("fed:0", Tensor::scalar(1f32))], &["sum"], &[]).expect("runs");
        assert_eq!(scalar(&sum), 6.0);
        assert_eq!(scalar(&session.run(&[], &["read"], &[]).expect("reads")), 11.0);
    });
}

#[test]
fn what_is_not_asked_for_does_not_run() {
    with_each_executor(&counter(), |session| {
        session.run(&[], &[], &["init"]).expect("initialized");
        session.run(&[], &["one"], &[]).expect("a constant");
        assert_eq!(scalar(&session.run(&[], &["read"], &[]).expect("reads")), 10.0);
    });
}

/// As in TensorFlow, whose graph optimizer makes such nodes `NoOp`s.
#[test]
fn what_is_waited_for_but_not_read_computes_nothing() {
    let text = [
        counter(),
        constant("vector", 1.0, ""),
        node("bad", "MatMul", &["vector", "vector"]),
        node("unread", "Neg", &["bad", "^bump"]),
        constant("after", 5.0, "input: '^unread'"),
        node("both", "AddV2", &["after", "after"]),
    ];
    with_each_executor(&text.join("\n"), |session| {
        session.run(&[], &[], &["init"]).expect("initialized");
        assert_eq!(scalar(&session.run(&[], &["both"], &[]).expect("runs")), 10.0);
        // What stands before it has run all the same.
        assert_eq!(scalar(&session.run(&[], &["read"], &[]).expect("reads")), 11.0);
        check_error(session.run(&[], &["bad"], &[]), Code::InvalidArgument, "In[0] and In[1]");
        check_error(session.run(&[], &[], &["bad"]), Code::InvalidArgument, "In[0] and In[1]");
    });
}

#[test]
fn an_uninitialized_variable_is_a_failed_precondition() {
    let session = session(&counter());
    let words = "Attempting to use uninitialized value v";
    check_error(session.run(&[], &["read"], &[]), Code::FailedPrecondition, words);
}

#[test]
fn state_outlives_runs_and_concurrent_runs_lose_no_update() {
    let session = session(&counter());
    session.run(&[], &[], &["init"]).expect("initialized");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                (0..50).for_each(|_| drop(session.run(&[], &[], &["bump"]).expect("bumps")))
            });
        }
    });
    assert_eq!(scalar(&session.run(&[], &["read"], &[]).expect("reads")), 210.0);
}

#[test]
fn wrong_names_and_types_are_named() {
    let session = session(&[placeholder("x"), node("y", "AddV2", &["x", "x"])].join("\n"));
    check_error(session.run(&[], &["nope:0"], &[]), Code::NotFound, "fetch nope:0");
    check_error(session.run(&[], &["y:1"], &[]), Code::NotFound, "the node has 1 outputs");
    check_error(session.run(&[("q", Tensor::scalar(1f32))], &["y"], &[]), Code::NotFound, "feed q");
    check_error(session.run(&[], &[], &["zz"]), Code::NotFound, "Some target nodes not found: zz");
    check_error(
        session.run(&[], &[], &[]),
        Code::InvalidArgument,
        "Must specify at least one target",
    );
    let twice = [("x", Tensor::scalar(1f32)), ("x:0", Tensor::scalar(1f32))];
    check_error(
        session.run(&twice, &["y"], &[]),
        Code::InvalidArgument,
        "Endpoint \"x:0\" fed more than once.",
    );
    let int = [("x", Tensor::scalar(1i32))];
    check_error(
        session.run(&int, &["y"], &[]),
        Code::InvalidArgument,
        "Type mismatch: actual int32 vs. expect float",
    );
}

#[test]
fn many_independent_nodes_give_the_same_in_any_order() {
    let mut text = placeholder("x");
    let mut sum = "x".to_owned();
    for i in 0..200 {
        text += &constant(&format!("c{i}"), i as f32, "");
        text += &node(&format!("m{i}"), "Mul", &["x", &format!("c{i}")]);
        text += &node(&format!("s{i}"), "AddV2", &[&sum, &format!("m{i}")]);
        sum = format!("s{i}");
    }
    with_each_executor(&text, |session| {
        for _ in 0..20 {
            let y = session.run(&[("x", Tensor::scalar(1f32))], &[&sum], &[]).expect("runs");
            assert_eq!(scalar(&y), 1.0 + 199.0 * 100.0);
        }
    });
}

/// A function that adds its argument to the variable and returns the argument; adding is a control
/// return.
fn calling() -> String {
    r#"
    library { function {
        signature {
            name: "add_to" is_stateful: true control_output: "added"
            input_arg { name: "v" type: DT_RESOURCE } input_arg { name: "x" type: DT_FLOAT }
            output_arg { name: "y" type: DT_FLOAT }
        }
        node_def { name: "add" op: "AssignAddVariableOp" input: "v" input: "x"
                   attr { key: "dtype" value { type: DT_FLOAT } } }
        node_def { name: "same" op: "Identity" input: "x" attr { key: "T" value { type: DT_FLOAT } } }
        ret { key: "y" value: "same:output:0" }
        control_ret { key: "added" value: "add" }
    } function {
        signature { name: "forever" input_arg { name: "x" type: DT_FLOAT } output_arg { name: "y" type: DT_FLOAT } }
        node_def { name: "again" op: "PartitionedCall" input: "x"
                   attr { key: "Tin" value { list { type: DT_FLOAT } } }
                   attr { key: "Tout" value { list { type: DT_FLOAT } } }
                   attr { key: "f" value { func { name: "forever" } } } }
        ret { key: "y" value: "again:output:0" }
    } }
    node { name: "v" op: "VarHandleOp" attr { key: "dtype" value { type: DT_FLOAT } }
           attr { key: "shape" value { shape {} } } attr { key: "shared_name" value { s: "v" } } }
    node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }
    node { name: "init" op: "AssignVariableOp" input: "v" input: "x" attr { key: "dtype" value { type: DT_FLOAT } } }
    node { name: "call" op: "StatefulPartitionedCall" input: "v" input: "x"
           attr { key: "Tin" value { list { type: DT_RESOURCE type: DT_FLOAT } } }
           attr { key: "Tout" value { list { type: DT_FLOAT } } }
           attr { key: "f" value { func { name: "add_to" } } } }
    node { name: "then" op: "StatefulPartitionedCall" input: "v" input: "call"
           attr { key: "Tin" value { list { type: DT_RESOURCE type: DT_FLOAT } } }
           attr { key: "Tout" value { list { type: DT_FLOAT } } }
           attr { key: "f" value { func { name: "add_to" } } } }
    node { name: "read" op: "ReadVariableOp" input: "v" input: "^then" attr { key: "dtype" value { type: DT_FLOAT } } }
    node { name: "loop" op: "PartitionedCall" input: "x"
           attr { key: "Tin" value { list { type: DT_FLOAT } } }
           attr { key: "Tout" value { list { type: DT_FLOAT } } }
           attr { key: "f" value { func { name: "forever" } } } }
    "#
    .to_owned()
}

#[test]
fn a_call_is_over_when_its_control_returns_are() {
    with_each_executor(&calling(), |session| {
        let x = |value: f32| [("x", Tensor::scalar(value))];
        session.run(&x(100.0), &[], &["init"]).expect("initialized");
        for round in 1..=20u8 {
            let outputs = session.run(&x(1.0), &["read", "then"], &[]).expect("runs");
            assert_eq!(scalar(&outputs), 100.0 + 2.0 * f32::from(round));
        }
    });
}

#[test]
fn a_function_that_calls_itself_without_end_is_stopped() {
    with_each_executor(&calling(), |session| {
        let result = session.run(&[("x", Tensor::scalar(1f32))], &["loop"], &[]);
        let words = "calls of functions nest deeper than 10000 (node loop/again/again";
        check_error(result, Code::ResourceExhausted, words);
    });
}

#[test]
fn a_missing_function_is_not_found() {
    let text = calling().replace(r#"func { name: "add_to" }"#, r#"func { name: "gone" }"#);
    let session = session(&text);
    let result = session.run(&[("x", Tensor::scalar(1f32))], &["call"], &[]);
    check_error(result, Code::NotFound, "\"gone\"");
}

#[test]
fn unknown_ops_fail_when_planned_not_when_loaded() {
    let text =
        [placeholder("x"), node("odd", "NoSuchOp", &["x"]), node("fine", "Neg", &["x"])].join("\n");
    let session = session(&text);
    let missing = session.missing_kernels(&RunKey::new(&["x"], &["odd"], &[])).expect("a list");
    assert_eq!(missing.len(), 1);
    assert_eq!((missing[0].op.as_str(), missing[0].node.as_str()), ("NoSuchOp", "odd"));
    let x = [("x", Tensor::scalar(1f32))];
    check_error(
        session.run(&x, &["odd"], &[]),
        Code::Unimplemented,
        "no CPU kernel for NoSuchOp (node odd)",
    );
    assert_eq!(scalar(&session.run(&x, &["fine"], &[]).expect("the rest runs")), -1.0);
}

struct Panics;

impl OpKernel for Panics {
    fn compute(&self, _: &mut KernelContext<'_>) -> Result<(), Status> {
        panic!("by design")
    }
}

fn build_panics(_: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    Ok(Box::new(Panics))
}

const PANICKING: &[OpRegistration] = &[op("Neg").cpu(build_panics)];

#[test]
fn a_panicking_kernel_fails_its_run_only() {
    let mut registry = Registry::standard();
    registry.add(PANICKING);
    let text =
        [placeholder("x"), node("bad", "Neg", &["x"]), node("fine", "Identity", &["x"])].join("\n");
    let session = session_with(&text, Arc::new(ParallelExecutor), registry);
    let x = [("x", Tensor::scalar(1f32))];
    check_error(
        session.run(&x, &["bad"], &[]),
        Code::Internal,
        "the kernel panicked: by design (node bad, op Neg)",
    );
    assert_eq!(scalar(&session.run(&x, &["fine"], &[]).expect("the rest runs")), 1.0);
}

#[test]
fn a_plan_prints_its_steps() {
    let session = session(&[placeholder("x"), node("y", "AddV2", &["x", "x"])].join("\n"));
    let plan = session.plan(&RunKey::new(&["x"], &["y:0"], &[])).expect("plans");
    assert_eq!(plan.to_string(), "0 y (AddV2) -> y:0\n");
    assert_eq!(plan.n_steps(), 1);
}

#[test]
fn a_session_of_a_grown_graph_has_the_same_state() {
    with_each_executor(&counter(), |session| {
        session.run(&[], &[], &["init"]).expect("ten is assigned");
        let mut graph = (**session.graph()).clone();
        let v = graph.node_by_name("read").expect("it is there");
        let spec = flowkeep_graph::NodeSpec::new("more", "Neg").input(v.output(0));
        let dtype = flowkeep_graph::Attr::Type(flowkeep_tensor::DType::F32);
        graph.add_node(spec.attr("T", dtype)).expect("the node is right");
        let registry = session.registry().clone();
        let grown = session.extended(Arc::new(graph), registry.clone()).expect("it has grown");
        assert_eq!(scalar(&grown.run(&[], &["more"], &[]).expect("v has a value")), -10.0);
        grown.run(&[], &[], &["bump"]).expect("one is added");
        assert_eq!(scalar(&session.run(&[], &["read"], &[]).expect("v has a value")), 11.0);
        let error = grown.extended(session.graph().clone(), registry).expect_err("it is smaller");
        assert_eq!(error.code(), Code::InvalidArgument);
    });
}
