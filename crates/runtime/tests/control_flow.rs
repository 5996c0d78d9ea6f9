//! What loops, conditions and calls promise beyond their values: memory, order, names, limits.

use std::sync::Arc;
use std::time::Duration;

use flowkeep_graph::{Graph, ImportOptions};
use flowkeep_proto::{pb, text};
use flowkeep_runtime::exec::{Executor, ParallelExecutor, SerialExecutor};
use flowkeep_runtime::{
    CancellationToken, Error, Registry, RunKey, RunOptions, Session, SessionOptions,
};
use flowkeep_tensor::{Code, Tensor};

fn session(text: &str, executor: Arc<dyn Executor>) -> Session {
    let def: pb::GraphDef = text::parse_message(text).expect("the test's graph parses");
    let graph = Graph::import(def, &ImportOptions::default()).expect("the test's graph imports");
    let registry = Registry::standard();
    Session::new(Arc::new(graph), SessionOptions { registry, threads: 3, executor })
}

/// Runs the test once with each executor.
fn with_each_executor(text: &str, test: impl Fn(Session)) {
    test(session(text, Arc::new(SerialExecutor)));
    test(session(text, Arc::new(ParallelExecutor)));
}

fn run(session: &Session, n: i32, fetch: &str) -> Result<i32, Error> {
    let outputs = session.run(&[("n", Tensor::scalar(n))], &[fetch], &[])?;
    Ok(outputs[0].to_scalar::<i32>().expect("an int32 scalar"))
}

fn node(name: &str, op: &str, inputs: &[&str], attrs: &str) -> String {
    let inputs: String = inputs.iter().map(|input| format!("input: '{input}' ")).collect();
    format!("node {{ name: '{name}' op: '{op}' {inputs} {attrs} }}\n")
}

const INT: &str = "attr { key: 'T' value { type: DT_INT32 } }";

fn placeholder() -> String {
    node("n", "Placeholder", &[], "attr { key: 'dtype' value { type: DT_INT32 } }")
}

fn constant(name: &str, value: i32, inputs: &[&str]) -> String {
    let attrs = format!(
        "attr {{ key: 'dtype' value {{ type: DT_INT32 }} }}
         attr {{ key: 'value' value {{ tensor {{ dtype: DT_INT32 tensor_shape {{}} int_val: {value} }} }} }}"
    );
    node(name, "Const", inputs, &attrs)
}

/// A loop of frames that counts to `n`; `body` makes `added` of `body`, the counter.
fn frames(body: &str) -> String {
    let enter = |constant: bool| {
        format!(
            "{INT} attr {{ key: 'frame_name' value {{ s: 'f' }} }}
             attr {{ key: 'is_constant' value {{ b: {constant} }} }}"
        )
    };
    [
        placeholder(),
        constant("zero", 0, &[]),
        node("enter", "Enter", &["zero"], &enter(false)),
        node("limit", "Enter", &["n"], &enter(true)),
        node(
            "merge",
            "Merge",
            &["enter", "next"],
            &format!("{INT} attr {{ key: 'N' value {{ i: 2 }} }}"),
        ),
        node("less", "Less", &["merge", "limit"], INT),
        node("cond", "LoopCond", &["less"], ""),
        node("switch", "Switch", &["merge", "cond"], INT),
        node("body", "Identity", &["switch:1"], INT),
        body.to_owned(),
        node("next", "NextIteration", &["added"], INT),
        node("exit", "Exit", &["switch:0"], INT),
    ]
    .concat()
}

fn counting() -> String {
    constant("one", 1, &["^body"]) + &node("added", "AddV2", &["body", "one"], INT)
}

/// A function of int32 scalars: arguments, body nodes, the tensor that it returns.
fn function(name: &str, args: &[&str], nodes: &str, ret: &str, ret_type: &str) -> String {
    let args: String =
        args.iter().map(|arg| format!("input_arg {{ name: '{arg}' type: DT_INT32 }} ")).collect();
    let nodes = nodes.replace("node {", "node_def {");
    format!(
        "function {{ signature {{ name: '{name}' {args} output_arg {{ name: 'y' type: {ret_type} }} }}
         {nodes} ret {{ key: 'y' value: '{ret}' }} }}\n"
    )
}

fn func(key: &str, name: &str) -> String {
    format!("attr {{ key: '{key}' value {{ func {{ name: '{name}' }} }} }} ")
}

/// A functional loop that counts down from `n`.
fn while_loop() -> String {
    let cond = constant("zero", 0, &[]) + &node("more", "Greater", &["x", "zero:output:0"], INT);
    let body = constant("one", 1, &[]) + &node("less", "Sub", &["x", "one:output:0"], INT);
    let types = "attr { key: 'T' value { list { type: DT_INT32 } } } ";
    [
        "library { ".to_owned(),
        function("more", &["x"], &cond, "more:z:0", "DT_BOOL"),
        function("less", &["x"], &body, "less:z:0", "DT_INT32"),
        "}\n".to_owned(),
        placeholder(),
        node(
            "loop",
            "While",
            &["n"],
            &(types.to_owned() + &func("cond", "more") + &func("body", "less")),
        ),
    ]
    .concat()
}

/// fibonacci(n), by a function that calls itself twice, in a branch.
fn fibonacci() -> String {
    let if_attrs = "attr { key: 'Tcond' value { type: DT_BOOL } }
        attr { key: 'Tin' value { list { type: DT_INT32 } } }
        attr { key: 'Tout' value { list { type: DT_INT32 } } } "
        .to_owned()
        + &func("then_branch", "same")
        + &func("else_branch", "sum");
    let call = "attr { key: 'Tin' value { list { type: DT_INT32 } } }
        attr { key: 'Tout' value { list { type: DT_INT32 } } } "
        .to_owned()
        + &func("f", "fibonacci");
    let fibonacci = constant("two", 2, &[])
        + &node("small", "Less", &["x", "two:output:0"], INT)
        + &node("if", "If", &["small:z:0", "x"], &if_attrs);
    let sum = constant("one", 1, &[])
        + &constant("two", 2, &[])
        + &node("x1", "Sub", &["x", "one:output:0"], INT)
        + &node("x2", "Sub", &["x", "two:output:0"], INT)
        + &node("f1", "PartitionedCall", &["x1:z:0"], &call)
        + &node("f2", "StatefulPartitionedCall", &["x2:z:0"], &call)
        + &node("sum", "AddV2", &["f1:output:0", "f2:output:0"], INT);
    [
        "library { ".to_owned(),
        function("fibonacci", &["x"], &fibonacci, "if:output:0", "DT_INT32"),
        function("same", &["x"], "", "x", "DT_INT32"),
        function("sum", &["x"], &sum, "sum:z:0", "DT_INT32"),
        "}\n".to_owned(),
        placeholder(),
        node("y", "PartitionedCall", &["n"], &call),
    ]
    .concat()
}

/// Memory of this process that is in use, in bytes; 0 where the system does not say.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}

#[test]
fn a_million_iterations_take_no_more_memory_than_a_thousand() {
    for (text, fetch, result) in
        [(frames(&counting()), "exit", 1_000_000), (while_loop(), "loop", 0)]
    {
        let session = session(&text, Arc::new(ParallelExecutor));
        run(&session, 1000, fetch).expect("warms up");
        let before = memory();
        assert_eq!(run(&session, 1_000_000, fetch).expect("runs"), result);
        let grown = memory().saturating_sub(before);
        assert!(grown < 32 << 20, "{fetch} took {grown} bytes");
    }
}

#[test]
fn functions_may_call_themselves() {
    with_each_executor(&fibonacci(), |session| {
        let expected = [0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377];
        for (n, expected) in (0..).zip(expected) {
            assert_eq!(run(&session, n, "y").expect("runs"), expected);
        }
    });
}

#[test]
fn concurrent_runs_of_a_loop_do_not_mix() {
    with_each_executor(
        &(frames(&counting()) + &fibonacci().replace(&placeholder(), "")),
        |session| {
            std::thread::scope(|scope| {
                for n in 0..4 {
                    let session = &session;
                    scope.spawn(move || {
                        for _ in 0..20 {
                            assert_eq!(run(session, 50 * n, "exit").expect("counts"), 50 * n);
                            assert_eq!(run(session, 10, "y").expect("calls"), 55);
                        }
                    });
                }
            });
        },
    );
}

#[test]
fn an_error_in_a_loop_names_the_node() {
    let body = constant("five", 5, &["^body"])
        + &node("left", "Sub", &["five", "body"], INT)
        + &node("quotient", "FloorDiv", &["five", "left"], INT)
        + &node("added", "AddV2", &["body", "quotient"], INT);
    with_each_executor(&frames(&body), |session| {
        let error = run(&session, 100, "exit").expect_err("divides by zero");
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(error.to_string().ends_with("(node quotient, op FloorDiv)"), "{error}");
        // The session is as good as before.
        assert_eq!(run(&session, 0, "exit").expect("no iteration"), 0);
    });
}

#[test]
fn what_no_fetch_needs_of_a_loop_does_not_run() {
    let text = frames(&counting()) + &node("other", "Neg", &["n"], INT);
    with_each_executor(&text, |session| {
        assert_eq!(run(&session, 7, "other").expect("runs"), -7);
        let plan = session.plan(&RunKey::new(&["n"], &["other"], &[])).expect("plans");
        assert_eq!(plan.n_steps(), 1);
    });
}

/// As in TensorFlow, with its optimizer and without.
#[test]
fn arguments_that_no_branch_reads_are_not_computed() {
    let attrs = "attr { key: 'Tcond' value { type: DT_INT32 } }
        attr { key: 'Tin' value { list { type: DT_INT32 type: DT_INT32 } } }
        attr { key: 'Tout' value { list { type: DT_INT32 } } } "
        .to_owned();
    let branches =
        "attr { key: 'branches' value { list { func { name: 'same' } func { name: 'same' } } } } ";
    for (op, functions) in [
        ("If", func("then_branch", "same") + &func("else_branch", "same")),
        ("Case", branches.to_owned()),
    ] {
        let text = [
            "library { ".to_owned(),
            function("same", &["x", "unread"], "", "x", "DT_INT32"),
            "}\n".to_owned(),
            placeholder(),
            constant("zero", 0, &[]),
            node("quotient", "FloorDiv", &["n", "zero"], INT),
            node("y", op, &["zero", "n", "quotient"], &(attrs.clone() + &functions)),
        ];
        with_each_executor(&text.concat(), |session| {
            assert_eq!(run(&session, 7, "y").expect("nothing is divided"), 7);
            let error = run(&session, 7, "quotient").expect_err("divides by zero");
            assert_eq!(error.code(), Code::InvalidArgument);
        });
    }
}

#[test]
fn an_endless_loop_ends_with_its_time() {
    let body = node("added", "Identity", &["body"], INT);
    let endless_while =
        while_loop().replace("'Sub'", "'AddV2'").replace("'Greater'", "'GreaterEqual'");
    for (text, fetch) in [(frames(&body), "exit"), (endless_while, "loop")] {
        with_each_executor(&text, |session| {
            let feeds = [("n", Tensor::scalar(0x3fff_ffff))];
            let options = RunOptions::default().with_timeout(Duration::from_millis(50));
            let result = session.run_with_options(&feeds, &[fetch], &[], &options);
            let error = result.expect_err("there is no end");
            assert_eq!(error.code(), Code::DeadlineExceeded, "{error}");
        });
    }
}

#[test]
fn a_run_is_cancelled_from_another_thread() {
    let body = node("added", "Identity", &["body"], INT);
    with_each_executor(&frames(&body), |session| {
        let token = CancellationToken::new();
        let options = RunOptions::default().with_cancellation(token.clone());
        std::thread::scope(|scope| {
            let run = scope.spawn(|| {
                session.run_with_options(&[("n", Tensor::scalar(1))], &["exit"], &[], &options)
            });
            std::thread::sleep(Duration::from_millis(20));
            token.cancel();
            let error = run.join().expect("no panic").expect_err("it was cancelled");
            assert_eq!(error.code(), Code::Cancelled, "{error}");
        });
        let feeds = [("n", Tensor::scalar(0))];
        let error =
            session.run_with_options(&feeds, &["exit"], &[], &options).expect_err("at once");
        assert_eq!(error.code(), Code::Cancelled, "{error}");
    });
}

#[test]
fn a_trace_has_every_iteration() {
    with_each_executor(&frames(&counting()), |session| {
        let feeds = [("n", Tensor::scalar(3))];
        let options = RunOptions::default().with_trace();
        let (_, metadata) =
            session.run_with_options(&feeds, &["exit"], &[], &options).expect("runs");
        let count =
            |name: &str| metadata.step_stats.iter().filter(|stats| &*stats.node == name).count();
        assert_eq!([count("less"), count("added"), count("exit")], [4, 3, 1]);
        assert!(metadata.step_stats.iter().all(|stats| stats.start <= stats.end));
        let (_, metadata) =
            session.run_with_options(&feeds, &["exit"], &[], &RunOptions::default()).expect("runs");
        assert!(metadata.step_stats.is_empty());
    });
}

#[test]
fn missing_kernels_are_found_in_all_bodies() {
    let text = fibonacci()
        .replace("name: 'sum' op: 'AddV2'", "name: 'sum' op: 'NoSuchOp'")
        .replace("sum:z:0", "sum:0:0");
    let text = text.replace("'sum:0:0'", "'x1:z:0'").replace(
        "ret { key: 'y' value: 'x1:z:0' }",
        "ret { key: 'y' value: 'x1:z:0' } control_ret { key: 'c' value: 'sum' }",
    );
    let text = text.replace(
        "name: 'sum' input_arg { name: 'x' type: DT_INT32 }",
        "name: 'sum' control_output: 'c' input_arg { name: 'x' type: DT_INT32 }",
    );
    let session = session(&text, Arc::new(ParallelExecutor));
    let missing = session.missing_kernels(&RunKey::new(&["n"], &["y"], &[])).expect("a list");
    assert_eq!(missing.len(), 1, "{missing:?}");
    assert_eq!((missing[0].op.as_str(), missing[0].n_nodes), ("NoSuchOp", 2));
    assert!(missing[0].node.ends_with("/if/else/sum"), "{}", missing[0].node);
}

#[test]
fn a_plan_prints_frames_and_bodies() {
    let key = RunKey::new(&["n"], &["loop"], &[]);
    let plan = session(&while_loop(), Arc::new(SerialExecutor)).plan(&key).expect("plans");
    let printed = plan.to_string();
    assert!(printed.starts_with("0 loop (While) runs 0 1 -> loop\nbody 0:\n"), "{printed}");
    let key = RunKey::new(&["n"], &["exit"], &[]);
    let plan = session(&frames(&counting()), Arc::new(SerialExecutor)).plan(&key).expect("plans");
    assert!(plan.to_string().contains(" merge (Merge) in f -> "), "{plan}");
}

#[test]
fn a_fetch_within_a_loop_is_refused() {
    let session = session(&frames(&counting()), Arc::new(SerialExecutor));
    let error = run(&session, 3, "added").expect_err("it has a value for each iteration");
    assert_eq!(error.code(), Code::Internal);
    assert!(error.to_string().contains("Retval[0] has already been set."), "{error}");
}
