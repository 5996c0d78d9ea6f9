//! Inputs that `flowkeep run` makes or reads from tables, its limits and its trace; `bench` and `explain`.

mod common;

use common::{Run, flowkeep};
use serde_json::Value;

const HALF: [&str; 3] = ["run", "--dir", "half_plus_two_tf2"];

fn run(args: &[&str]) -> Run {
    flowkeep(&[&HALF, args].concat())
}

#[test]
fn inputs_are_made_where_none_are_given() {
    assert_eq!(run(&["--zeros"]).stdout, "Result for output key y:\n[[2.]]\n");
    assert_eq!(
        run(&["--zeros", "--dim", "3"]).stdout,
        "Result for output key y:\n[[2.]\n [2.]\n [2.]]\n"
    );
    let random = run(&["--random"]);
    assert_eq!(random.status, 0, "{random:?}");
    assert_eq!(random.stdout, run(&["--random=0"]).stdout, "no seed is the seed 0");
    assert_ne!(random.stdout, run(&["--random", "7"]).stdout);
    let given = run(&["--zeros", "--input_exprs=x=[[1.0]]"]);
    assert_eq!(given.stdout, "Result for output key y:\n[[2.5]]\n", "what is given stays");
    assert_eq!(run(&["--zeros", "--random"]).status, 2);
    assert_eq!(flowkeep(&["run", "--dir=lookup_tf2", "--random", "--dim=2"]).status, 0);
}

#[test]
fn tables_are_inputs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.csv");
    std::fs::write(&path, "a,b\n1,10\n2,20\n").unwrap();
    let column = run(&[&format!("--inputs=x={}[b]", path.display())]);
    assert_eq!(column.stdout, "Result for output key y:\n[[ 7.]\n [12.]]\n", "{column:?}");
    let none = run(&[&format!("--inputs=x={}[c]", path.display())]);
    assert_eq!(none.status, 13);
    assert!(none.stderr.contains("has no column \"c\"; but a, b"), "{none:?}");
    let wide = run(&[&format!("--inputs=x={}", path.display())]);
    assert!(
        wide.stderr.contains(
            "Cannot feed value of shape (2, 2) for Tensor serving_default_x:0, which has shape (None, 1) (did you mean \
             (4, 1)?)"
        ),
        "{wide:?}"
    );
}

#[test]
fn examples_are_inputs_as_json() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("e.json");
    std::fs::write(&path, "[{\"x\": 2.0}, {\"x\": [-4]}]").unwrap();
    let json = run(&["--signature_def=regress", &format!("--inputs=inputs={}", path.display())]);
    let literal =
        run(&["--signature_def=regress", "--input_examples=inputs=[{'x': [2.0]}, {'x': [-4.0]}]"]);
    assert_eq!(literal.status, 0, "{literal:?}");
    // The second example has an integer, as TensorFlow Serving reads it.
    assert!(
        json.stderr.contains("Data types don't match. Data type: int64 but expected type: float"),
        "{json:?}"
    );
    std::fs::write(&path, "[{\"x\": 2.0}, {\"x\": [-4.0]}]").unwrap();
    let json = run(&["--signature_def=regress", &format!("--inputs=inputs={}", path.display())]);
    assert_eq!(json.stdout, literal.stdout, "{json:?}");
}

#[test]
fn limits_stop_a_run() {
    for (flag, status, words) in [
        ("--timeout=0", 14, "DEADLINE"),
        ("--max_output_bytes=3", 18, "more than the 3 that are allowed"),
        ("--max_tensor_bytes=3", 18, "3"),
    ] {
        let stopped = run(&["--zeros", flag, "--format=json"]);
        assert_eq!(stopped.status, status, "{flag} {stopped:?}");
        let error = stopped.json()["error"].to_string();
        assert!(error.contains(words), "{flag} {error}");
    }
    assert_eq!(run(&["--zeros", "--timeout=60", "--max_output_bytes=4"]).status, 0);
    let live =
        |max: &str| flowkeep(&["run", "--dir=mnist_cnn", "--zeros", "--max_live_bytes", max]);
    let stopped = live("10000");
    assert_eq!(stopped.status, 18, "{stopped:?}");
    assert!(stopped.stderr.contains("are more than the 10000 that are allowed"), "{stopped:?}");
    assert_eq!(live("10000000").status, 0);
    assert_eq!(run(&["--zeros", "--timeout=-1"]).status, 2);
}

#[test]
fn a_trace_has_an_event_for_each_node() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("trace.json");
    let traced = run(&["--zeros", "--trace", path.to_str().unwrap()]);
    assert_eq!(traced.status, 0, "{traced:?}");
    let trace: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let spans: Vec<&Value> = events.iter().filter(|event| event["ph"] == "X").collect();
    assert!(spans.iter().any(|event| event["cat"] == "AddV2"), "{trace}");
    assert!(spans.iter().all(|event| event["dur"].as_f64().unwrap() >= 0.0), "{trace}");
    assert_eq!(events.len(), spans.len() + 1 + 1, "the names of the process and of its thread");
}

#[test]
fn what_needs_tensorflow_is_refused() {
    for flag in ["--tf_debug", "--init_tpu", "--worker=grpc://h"] {
        let refused = run(&["--zeros", flag]);
        assert_eq!(refused.status, 22, "{flag} {refused:?}");
    }
    assert_eq!(run(&["--zeros", "--notf_debug", "--use_tfrt", "--worker="]).status, 0);
    let tensorrt =
        ["convert", "--dir=half_plus_two_tf2", "--output_dir=o", "--tag_set=serve", "tensorrt"];
    let refused = flowkeep(&tensorrt);
    assert_eq!(refused.status, 22);
    assert_eq!(
        refused.stderr,
        "flowkeep: Tensorflow has not been built with TensorRT support.. Try passing \"--convert_tf1_model=True\".\n"
    );
    assert_eq!(flowkeep(&tensorrt[..2]).status, 2);
    assert_eq!(flowkeep(&["aot_compile_cpu", "--cpp_class=c"]).status, 22);
}

#[test]
fn bench_measures_what_it_is_asked_for() {
    let args = [
        "bench",
        "--dir=half_plus_two_tf2",
        "--runs=7",
        "--warmup=0",
        "--callers=3",
        "--threads=1",
    ];
    let json = flowkeep(&[&args[..], &["--format=json"]].concat());
    assert_eq!(json.status, 0, "{json:?}");
    let measured = json.json();
    assert_eq!((&measured["runs"], &measured["callers"]), (&Value::from(7), &Value::from(3)));
    let latency = |name: &str| measured["latency_ms"][name].as_f64().unwrap();
    let order = ["min", "p50", "p90", "p95", "p99", "max"].map(latency);
    assert!(order.is_sorted() && order[0] > 0.0, "{measured}");
    assert!(measured["load_ms"].as_f64().unwrap() > 0.0);
    let text = flowkeep(&args).stdout;
    assert!(text.contains("7 runs in ") && text.contains("throughput"), "{text}");
    assert_eq!(
        flowkeep(&["bench", "--dir=half_plus_two_tf2", "--runs=1", "--seconds=1"]).status,
        2
    );
}

#[test]
fn a_page_says_what_a_model_is() {
    let page = flowkeep(&["explain", "--dir=half_plus_two_tf2"]);
    assert_eq!(page.status, 0, "{page:?}");
    for part in [
        "half_plus_two_tf2\n  A SavedModel in the form of TensorFlow 2, with objects, written by TensorFlow 2.21.0.\n",
        "\n  serving_default (tensorflow/serving/predict, the default)\n    <- x: float32 [?, 1]\n    -> y: float32 [?, 1]\n",
        "  Every signature can run.\n  Touches no files but its own variables.\n",
        "flowkeep run --dir half_plus_two_tf2 --tag_set serve --signature_def serving_default --input_exprs 'x=[[0.0]]'",
        "curl -d '{\"signature_name\": \"serving_default\", \"inputs\": {\"x\": [[0.0]]}}' \
         http://localhost:8501/v1/models/half_plus_two_tf2:predict",
    ] {
        assert!(page.stdout.contains(part), "{part}\n---\n{}", page.stdout);
    }
    let json = flowkeep(&["explain", "--dir=lookup_tf2", "--format=json"]).json();
    assert_eq!(json["signatures"]["serving_default"]["runs"], true);
    assert!(json["assets"][0].as_str().is_some());
    assert!(
        json["file_ops"].to_string().contains("InitializeTableFromTextFileV2 reads files"),
        "{json}"
    );
}
