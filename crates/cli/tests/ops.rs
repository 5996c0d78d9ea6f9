//! `flowkeep ops`: the list, as text and as JSON.

mod common;

use common::flowkeep;
use serde_json::json;

#[test]
fn the_list_is_sorted_and_has_types() {
    let run = flowkeep(&["ops", "--format=json"]);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    let found = run.json();
    let ops = found.as_array().unwrap();
    let names: Vec<&str> = ops.iter().map(|op| op["op"].as_str().unwrap()).collect();
    assert!(names.is_sorted(), "{names:?}");
    for name in ["MatMul", "PartitionedCall", "SaveV2"] {
        assert!(names.contains(&name), "{name}");
    }
    let op = |name: &str| ops.iter().find(|op| op["op"] == json!(name)).unwrap();
    assert_eq!(op("LogicalAnd")["dtypes"], json!(["bool"]));
    assert_eq!(op("Relu6")["devices"], json!(["CPU"]));
    // A type of the inputs, and the type of the output.
    let less = op("Less")["dtypes"].as_array().unwrap();
    assert!(less.contains(&json!("float32")) && less.contains(&json!("bool")), "{less:?}");
    for (name, has_gradient) in
        [("MatMul", true), ("Shape", false), ("Einsum", true), ("FusedBatchNormGradV3", false)]
    {
        assert_eq!(op(name)["gradient"], json!(has_gradient), "{name}");
    }
    let text = flowkeep(&["ops"]);
    assert!(text.stdout.ends_with(&format!("\n{} ops\n", names.len())), "{text:?}");
}

#[test]
fn ops_that_are_asked_for_must_run() {
    let run = flowkeep(&["ops", "LogicalAnd"]);
    assert_eq!((run.status, run.stdout.as_str()), (0, "LogicalAnd  bool\n1 ops\n"));
    let run = flowkeep(&["ops", "LogicalAnd", "Bogus"]);
    assert_eq!(run.status, 22);
    assert_eq!(run.stderr, "flowkeep: cannot run Bogus; TensorFlow has no op Bogus\n");
}
