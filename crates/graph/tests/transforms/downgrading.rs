//! Graphs for older releases.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use flowkeep_graph::transform::{
    Consumer, DowngradeOptions, DowngradeReport, downgrade, extract_sub_graph,
};
use flowkeep_graph::{Graph, ImportOptions};
use flowkeep_proto::pb;
use serde_json::Value;

use crate::fixture::{Suite, import};

fn consumer(text: &str) -> Consumer {
    text.parse().unwrap()
}

fn downgrade_for(graph: &Graph, release: &str) -> (pb::GraphDef, DowngradeReport) {
    downgrade(graph, &DowngradeOptions::new(consumer(release)))
}

/// What TensorFlow 1.15 says of the graphs of `fixtures/transforms`: file, graph, and error if any.
fn verdicts() -> Vec<(String, String, Option<String>)> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/transforms/tf1_verdicts.json");
    let verdicts: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let verdict = |value: &Value| {
        (text(&value["file"]).unwrap(), text(&value["graph"]).unwrap(), text(&value["error"]))
    };
    verdicts["verdicts"].as_array().unwrap().iter().map(verdict).collect()
}

/// Attribute and op of `NodeDef mentions attr 'a' not in Op<name=B; ...`.
fn unknown_attr(error: &str) -> (String, String) {
    let attr = error.split('\'').nth(1).unwrap();
    let op = error.split("Op<name=").nth(1).unwrap().split(';').next().unwrap();
    (attr.to_owned(), op.to_owned())
}

#[test]
fn what_the_release_refuses_is_removed_and_what_it_takes_is_let_be() {
    let (mut n_taken, mut n_refused) = (0, 0);
    for (file, key, error) in verdicts() {
        let def = Suite::open(&file).graph(&key);
        let graph = Graph::import(def, &ImportOptions::default()).unwrap();
        let (_, report) = downgrade_for(&graph, "1.15");
        match error {
            None => {
                assert_eq!(report.problems, [], "{file} {key}");
                assert_eq!(report.changed_ops, [], "{file} {key}");
                n_taken += 1;
            }
            Some(error) if error.starts_with("NodeDef mentions attr") => {
                let (attr, op) = unknown_attr(&error);
                let removed = report.removed_attrs.iter();
                let mut removed = removed.map(|removed| (&removed.attr, &removed.op));
                assert!(removed.any(|found| found == (&attr, &op)), "{file} {key}: {error}");
                n_refused += 1;
            }
            Some(error) => panic!("{file} {key}: {error}"),
        }
    }
    assert!(n_taken >= 11 && n_refused >= 30, "{n_taken} taken, {n_refused} refused");
}

/// The graph whose ops are new, cut to `outputs`.
fn modern(outputs: &[&str]) -> Graph {
    let graph = Suite::open("downgrade").cases().next().unwrap().graph();
    extract_sub_graph(graph, outputs).unwrap().0
}

const OUTPUTS: [&str; 10] = [
    "products",
    "products_v3",
    "broadcast",
    "normal",
    "gradient",
    "total",
    "selected",
    "selected_computed",
    "chosen",
    "with_variable",
];

/// Ops that changed, with those that they became.
fn changed(report: &DowngradeReport) -> BTreeSet<String> {
    report
        .changed_ops
        .iter()
        .map(|change| format!("{} {} {}", change.node, change.from, change.to))
        .collect()
}

fn problems(report: &DowngradeReport) -> BTreeSet<String> {
    let problems = report.problems.iter();
    problems
        .map(|problem| match (&problem.node, &problem.function) {
            (Some(node), None) => format!("{node}: {}", problem.what),
            (Some(node), Some(_)) => format!("in a function, {node}: {}", problem.what),
            (None, _) => problem.what.clone(),
        })
        .collect()
}

fn set<S: ToString>(list: impl IntoIterator<Item = S>) -> BTreeSet<String> {
    list.into_iter().map(|item| item.to_string()).collect()
}

#[test]
fn newer_ops_become_older_ones() {
    let (def, report) = downgrade_for(&modern(&OUTPUTS), "1.15");
    assert_eq!(changed(&report), set(["products_v3 BatchMatMulV3 BatchMatMulV2"]));
    assert_eq!(report.problems, []);
    assert_eq!(def.versions.unwrap().producer, 134);
    assert_eq!(report.old_versions.unwrap().producer, 2474);

    let (def, report) = downgrade_for(&modern(&OUTPUTS), "1.13");
    assert_eq!(
        changed(&report),
        set([
            "gradients/norm_grad/FusedBatchNormGradV3 FusedBatchNormGradV3 FusedBatchNormGradV2",
            "norm FusedBatchNormV3 FusedBatchNormV2",
            "products BatchMatMulV2 BatchMatMul",
            "products_v3 BatchMatMulV3 BatchMatMul",
            "selected SelectV2 Select",
        ])
    );
    assert_eq!(
        problems(&report),
        set([
            "broadcast: op BatchMatMulV2 is in TensorFlow from 1.14 on",
            "selected_computed: op SelectV2 is in TensorFlow from 1.14 on",
        ])
    );
    let gradient = def.node.iter().find(|node| node.op == "FusedBatchNormGradV2").unwrap();
    assert_eq!(gradient.input.len(), 5);

    let mut options = DowngradeOptions::new(consumer("1.4"));
    options.assume_no_broadcast = true;
    let (def, report) = downgrade(&modern(&OUTPUTS), &options);
    let ops: BTreeSet<&str> = def.node.iter().map(|node| node.op.as_str()).collect();
    for op in ["AddV2", "BatchMatMulV2", "SelectV2", "FusedBatchNormV3"] {
        assert!(!ops.contains(op), "{op}");
    }
    assert_eq!(
        problems(&report),
        set([
            "PartitionedCall: op PartitionedCall is in TensorFlow from 1.12 on",
            "in a function, cond: op StatelessIf is in TensorFlow from 1.12 on",
        ])
    );
    // There it can be an If.
    let (_, report) = downgrade_for(&modern(&OUTPUTS), "1.8");
    let in_functions = report.changed_ops.iter().filter(|change| change.function.is_some());
    assert_eq!(
        in_functions.map(|change| (&*change.from, &*change.to)).collect::<Vec<_>>(),
        [("StatelessIf", "If")]
    );
}

#[test]
fn a_result_that_the_older_op_does_not_have_must_not_be_taken() {
    let graph = Suite::open("downgrade").cases().next().unwrap().graph();
    // Of the whole graph something takes the sixth result, though nothing needs it.
    let (_, report) = downgrade_for(&graph, "1.13");
    assert!(problems(&report).contains("norm: op FusedBatchNormV3 is in TensorFlow from 1.14 on"));
}

#[test]
fn what_cannot_be_had_is_told() {
    let (_, report) = downgrade_for(&modern(&["einsum/Einsum", "einsum_op"]), "1.14");
    assert_eq!(
        problems(&report),
        set([
            "einsum/Einsum: op Einsum is in TensorFlow from 1.15 on",
            "einsum_op: op Einsum is in TensorFlow from 1.15 on",
        ])
    );
    let graph = import(
        "node { name: 'x' op: 'Placeholder' attr { key: 'dtype' value { type: DT_FLOAT8_E5M2 } } }
         node { name: 'y' op: 'Placeholder' attr { key: 'dtype' value { type: DT_BFLOAT16 } } }
         node { name: 'abs' op: 'Abs' input: 'y' attr { key: 'T' value { type: DT_BFLOAT16 } } }
         node { name: 'pool' op: 'MaxPool' input: 'y' attr { key: 'T' value { type: DT_BFLOAT16 } }
           attr { key: 'ksize' value { list { i: [1, 1, 1, 1] } } } attr { key: 'strides' value { list { i: [1, 1, 1, 1] } } }
           attr { key: 'padding' value { s: 'EXPLICIT' } } attr { key: 'explicit_paddings' value { list { i: [0, 0, 1, 1, 1, 1, 0, 0] } } } }
         node { name: 'odd' op: 'Neg' input: 'y' attr { key: 'T' value { type: DT_BFLOAT16 } } attr { key: 'what' value { i: 1 } } }
         node { name: 'custom' op: 'TheirOp' input: 'y' }
         node { name: 'again' op: 'TheirOp' input: 'y' }
         node { name: 'data' op: 'IgnoreErrorsDataset' input: 'variant' attr { key: 'output_types' value { list { type: DT_FLOAT } } }
           attr { key: 'output_shapes' value { list { shape { } } } } }
         node { name: 'variant' op: 'Placeholder' attr { key: 'dtype' value { type: DT_VARIANT } } }
         versions { producer: 2474 min_consumer: 900 bad_consumers: [26, 2000] }",
    );
    let (def, report) = downgrade_for(&graph, "1.4");
    assert_eq!(
        problems(&report),
        set([
            "abs: attribute T: type bfloat16 is in TensorFlow from 1.8 on",
            "odd: attribute T: type bfloat16 is in TensorFlow from 1.8 on",
            "odd: attribute what is in no release that is known",
            "pool: attribute T: type bfloat16 is in TensorFlow from 1.8 on",
            "pool: value [0, 0, 1, 1, 1, 1, 0, 0] of attribute explicit_paddings is in TensorFlow from 2.4 on",
            "pool: value \"EXPLICIT\" of attribute padding is in TensorFlow from 2.4 on",
            "x: attribute dtype: type float8_e5m2 is in TensorFlow from 2.12 on",
            "y: attribute dtype: type bfloat16 is in TensorFlow from 1.8 on",
        ])
    );
    assert_eq!(report.unknown_ops, ["TheirOp"]);
    let versions = def.versions.unwrap();
    assert_eq!((versions.producer, versions.min_consumer), (24, 24));

    let (_, report) = downgrade_for(&graph, "1.8");
    let found = problems(&report);
    assert!(found.contains("the graph disallows GraphDef version 26"), "{found:?}");
    let gap = "data: op IgnoreErrorsDataset is in TensorFlow 1.4 and from 1.15 on";
    assert!(found.contains(gap), "{found:?}");
}

#[test]
fn functions_are_looked_at_as_well() {
    let graph = import(
        "node { name: 'call' op: 'f' input: 'x' }
         node { name: 'x' op: 'Placeholder' attr { key: 'dtype' value { type: DT_FLOAT } } }
         library { function {
           signature { name: 'f' input_arg { name: 'a' type: DT_FLOAT } output_arg { name: 'y' type: DT_FLOAT } output_arg { name: 'small' type: DT_INT4 }
             control_output: 'n' }
           node_def { name: 'sum' op: 'AddV2' input: ['a', 'a'] attr { key: 'T' value { type: DT_FLOAT } } }
           node_def { name: 'product' op: 'BatchMatMulV2' input: ['a', 'sum:z:0'] attr { key: 'T' value { type: DT_FLOAT } }
             attr { key: 'grad_x' value { b: true } } attr { key: '_other' value { i: 1 } } }
           node_def { name: 'n' op: 'NoOp' }
           node_def { name: 'c' op: 'Const' attr { key: 'dtype' value { type: DT_INT4 } } attr { key: 'value' value { tensor { dtype: DT_INT4 } } } }
           ret { key: 'y' value: 'product:output:0' } ret { key: 'small' value: 'c:output' } control_ret { key: 'n' value: 'n' }
           arg_attr { key: 0 value { attr { key: '_output_shapes' value { list { shape { dim { size: 2 } dim { size: 2 } } } } } } } } }
         versions { producer: 2474 }",
    );
    let (def, report) = downgrade_for(&graph, "1.13");
    assert_eq!(
        problems(&report),
        set([
            "control results of functions are in TensorFlow from 1.14 on",
            "argument or result small: type int4 is in TensorFlow from 2.15 on",
            "in a function, c: attribute dtype: type int4 is in TensorFlow from 2.15 on",
            "in a function, product: op BatchMatMulV2 is in TensorFlow from 1.14 on",
        ])
    );
    let product = &def.library.as_ref().unwrap().function[0].node_def[1];
    assert!(product.attr.contains_key("grad_x"), "it was not looked at");

    let mut options = DowngradeOptions::new(consumer("1.13"));
    options.assume_no_broadcast = true;
    let (def, report) = downgrade(&graph, &options);
    let product = &def.library.as_ref().unwrap().function[0].node_def[1];
    assert_eq!(product.op, "BatchMatMul");
    assert_eq!(product.attr.keys().collect::<Vec<_>>(), ["T", "_other"]);
    assert_eq!(report.removed_attrs[0].function.as_deref(), Some("f"));
}

#[test]
fn the_newest_release_takes_everything_as_it_is() {
    for (file, key, _) in verdicts() {
        let graph =
            Graph::import(Suite::open(&file).graph(&key), &ImportOptions::default()).unwrap();
        let (def, report) = downgrade_for(&graph, "2.21");
        assert_eq!(def, graph.to_graph_def(), "{file} {key}");
        assert_eq!((report.problems, report.changed_ops), (vec![], vec![]), "{file} {key}");
    }
}
