//! Normalizations that become part of weights.

use std::sync::Arc;

use flowkeep_graph::transform::{BatchNormReport, fold_batch_norms};
use flowkeep_graph::{Error, Graph, ImportOptions};
use flowkeep_proto::pb;

use crate::fixture::{Case, Suite, summary};

fn fold(case: &Case<'_>) -> Result<(pb::GraphDef, BatchNormReport), Error> {
    let (graph, report) = fold_batch_norms(case.graph())?;
    Ok((graph.to_graph_def(), report))
}

#[test]
fn normalizations_are_folded_as_by_tensorflow_to_the_bit() {
    Suite::open("fold_batch_norms").check(|case| {
        let (def, report) = fold(case)?;
        let want = if case.name() == "two in a row" { 2 } else { 1 };
        assert_eq!(report.folded.len() + report.skipped.len(), want, "{}", case.name());
        Ok(def)
    });
}

#[test]
fn products_are_folded_as_by_the_graph_transform_tool() {
    Suite::open("fold_batch_norms_tf1").check(|case| {
        // That tool forgets these.
        let (mut def, _) = fold(case)?;
        (def.versions, def.library) = (None, None);
        Ok(def)
    });
}

fn case<'a>(suite: &'a Suite, name: &str) -> Case<'a> {
    suite.cases().find(|case| case.name() == name).unwrap_or_else(|| panic!("{name}"))
}

#[test]
fn version_2_is_as_version_3() {
    let suite = Suite::open("fold_batch_norms");
    let case = case(&suite, "V3 after Conv2D");
    let mut def = case.def.clone();
    let node = def.node.iter_mut().find(|node| node.op == "FusedBatchNormV3").unwrap();
    node.op = "FusedBatchNormV2".to_owned();
    let graph = Graph::import(def, &ImportOptions::default()).unwrap();
    let (graph, report) = fold_batch_norms(graph).unwrap();
    assert_eq!(report.folded.len(), 1);
    crate::normal::assert_same("V2", graph.to_graph_def(), case.output().unwrap());
}

#[test]
fn what_stays_is_told_with_the_reason() {
    let suites = [Suite::open("fold_batch_norms"), Suite::open("fold_batch_norms_tf1")];
    let mut found = Vec::new();
    for case in suites.iter().flat_map(Suite::cases) {
        let (_, report) = fold(&case).unwrap();
        for skipped in report.skipped {
            found.push((case.name().to_owned(), format!("{}: {}", skipped.node, skipped.why)));
        }
    }
    let found: Vec<_> = found.iter().map(|(case, why)| (case.as_str(), why.as_str())).collect();
    assert_eq!(
        found,
        [
            (
                "a mean that is no constant",
                "norm: Didn't find expected mean Constant input to 'norm', found mean instead. \
                 Maybe because freeze_graph wasn't run first?"
            ),
            (
                "a bias that is no constant",
                "norm: The bias bias after the conv conv was not a constant. \
                 Maybe because freeze_graph wasn't run first?"
            ),
            (
                "no convolution",
                "norm: Didn't find expected Conv2D or DepthwiseConv2dNative input to 'norm'"
            ),
            ("in training", "norm: it is in training mode"),
            (
                "the product is used elsewhere",
                "scaled: the product, its weights or the factors are used elsewhere"
            ),
            (
                "the factors are used elsewhere",
                "scaled: the product, its weights or the factors are used elsewhere"
            ),
        ]
    );
}

/// The graph of a case after a change of its nodes.
fn changed(name: &str, change: impl Fn(&mut pb::NodeDef)) -> (Graph, BatchNormReport) {
    let suite = Suite::open("fold_batch_norms");
    let mut def = case(&suite, name).def.clone();
    def.node.iter_mut().for_each(change);
    fold_batch_norms(Graph::import(def, &ImportOptions::default()).unwrap()).unwrap()
}

fn set_input(node: &mut pb::NodeDef, name: &str, idx: usize, input: &str) {
    if node.name == name {
        node.input[idx] = input.to_owned();
    }
}

#[test]
fn what_is_used_elsewhere_is_not_changed() {
    for (name, input, why) in [
        ("V3 after Conv2D", "conv", "what it normalizes is used elsewhere"),
        ("BiasAdd between", "biased", "what it normalizes is used elsewhere"),
        ("BiasAdd between", "conv", "what it normalizes is used elsewhere"),
        ("V3 after Conv2D", "norm:1", "its other outputs are used"),
    ] {
        let (_, report) = changed(name, |node| set_input(node, "output", 0, input));
        assert_eq!(report.folded, [], "{name}: {input}");
        assert_eq!(report.skipped[0].why, why, "{name}: {input}");
    }
}

#[test]
fn formats_of_data_must_be_the_same() {
    let set_format = |node: &mut pb::NodeDef, name: &str| {
        if node.name == name {
            node.attr.get_mut("data_format").unwrap().value =
                Some(pb::attr_value::Value::S("NCHW".into()));
        }
    };
    for (case, names, why) in [
        ("V3 after Conv2D", &["norm"][..], "it has another data_format than the convolution"),
        ("global, scaled", &["conv"], "it normalizes another dimension than the channels"),
        ("Add between", &["norm", "conv"], "the bias has shape [4]"),
        ("BiasAdd between", &["norm", "conv"], "the bias has shape [4]"),
    ] {
        let (_, report) =
            changed(case, |node| names.iter().for_each(|name| set_format(node, name)));
        assert_eq!(report.skipped.len(), 1, "{case}");
        assert_eq!(report.skipped[0].why, why, "{case}");
    }
    let all = ["norm", "conv", "biased"];
    let (graph, report) =
        changed("BiasAdd between", |node| all.iter().for_each(|name| set_format(node, name)));
    assert_eq!(report.folded.len(), 1);
    let norm = graph.node(graph.node_by_name("norm").unwrap());
    assert_eq!(norm.attrs().str("data_format").unwrap(), "NCHW");
}

#[test]
fn names_that_are_taken_and_weights_that_are_used_stay() {
    let (graph, report) = changed("V3 after Conv2D", |node| {
        if node.name == "norm_in/gamma" {
            node.name = "conv_weights".to_owned();
        }
        set_input(node, "norm", 1, "conv_weights");
        if node.name == "output" {
            node.input.push("^weights".to_owned());
        }
    });
    assert_eq!(report.folded.len(), 1);
    let summary = summary(&graph);
    assert!(summary.contains(&"conv = Conv2D(x, conv_weights_1)".to_owned()), "{summary:?}");
    assert!(summary.contains(&"output = Identity(norm)".to_owned()), "{summary:?}");
    assert_eq!(&*report.folded[0].into, "conv");
    assert_eq!(report.folded[0].node, Arc::from("norm"));
    assert!(graph.node_by_name("weights").is_none());
}
