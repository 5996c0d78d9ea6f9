//! Transformed graphs compute what the graphs that they were made of compute: TensorFlow's numbers
//! (`fixtures/transforms`).

mod fixture;
mod run;

use std::sync::Arc;

use flowkeep_graph::transform::{
    FoldOptions, FreezeOptions, InlineOptions, extract_sub_graph, fold_batch_norms, fold_constants,
    freeze, inline_functions, remove_training_nodes,
};
use flowkeep_graph::{Graph, ImportOptions};
use flowkeep_runtime::{ConstantEvaluator, Session, SessionOptions};

use fixture::{Case, cases};
use run::{check, session};

/// The cases of a transform for which there are numbers.
fn with_numbers(transform: &str) -> Vec<Case> {
    let mut cases = cases(transform);
    cases.retain(|case| !case.fetches.is_empty());
    assert!(!cases.is_empty());
    cases
}

fn outputs(case: &Case) -> Vec<String> {
    case.fetches.iter().map(|(name, _)| name.trim_end_matches(":0").to_owned()).collect()
}

#[test]
fn frozen_graphs_compute_the_same_without_variables() {
    let mut cannot = Vec::new();
    for case in with_numbers("freeze") {
        let options = FreezeOptions::new(outputs(&case));
        let (graph, _) = freeze(case.graph.clone(), &case.variables, &options)
            .unwrap_or_else(|error| panic!("{}: {error}", case.name));
        check(&case, &case.graph);
        if !check(&case, &graph) {
            cannot.push(case.name);
            continue;
        }
        let (graph, _) = remove_training_nodes(graph, &outputs(&case)).unwrap();
        assert!(check(&case, &graph));
    }
    assert!(cannot.is_empty(), "{cannot:?}");
}

#[test]
fn functions_are_frozen_with_all_that_they_call() {
    let mut cases = cases("freeze");
    cases.retain(|case| case.name == "functions: all");
    let case = &mut cases[0];
    case.fetches.retain(|(name, _)| name == "called:0");
    let options = FreezeOptions::new(["called"]);
    let (frozen, report) = freeze(case.graph.clone(), &case.variables, &options).unwrap();
    assert_eq!(report.functions.len(), 2);
    assert!(check(case, &case.graph));
    assert!(check(case, &frozen));
    let mut options = InlineOptions::default();
    options.aggressive = true;
    let (inlined, report) = inline_functions(frozen, &options).unwrap();
    assert_eq!((report.inlined.len(), report.kept.len()), (3, 0));
    assert!(inlined.library().is_empty());
    assert!(check(case, &inlined));
}

#[test]
fn a_session_gives_the_values_of_its_variables() {
    for case in with_numbers("freeze") {
        let session = session(&case, &case.graph);
        let options = FreezeOptions::new(outputs(&case));
        let (graph, report) = freeze(case.graph.clone(), &session, &options)
            .unwrap_or_else(|error| panic!("{}: {error}", case.name));
        assert!(report.kept.is_empty() && !report.frozen.is_empty());
        check(&case, &graph);

        let empty = Session::new(Arc::new(case.graph.clone()), SessionOptions::default());
        let error = freeze(case.graph.clone(), &empty, &options).unwrap_err();
        assert!(error.to_string().ends_with(" has no value"), "{error}");
    }
}

#[test]
fn folded_normalizations_compute_the_same() {
    let mut n_folded = 0;
    let suites = ["fold_batch_norms", "fold_batch_norms_tf1"];
    for case in suites.into_iter().flat_map(with_numbers) {
        let (graph, report) = fold_batch_norms(case.graph.clone()).unwrap();
        n_folded += report.folded.len();
        assert!(check(&case, &case.graph));
        assert!(check(&case, &graph));
    }
    assert_eq!(n_folded, 14);
}

#[test]
fn inlined_graphs_compute_the_same() {
    let mut cannot = Vec::new();
    let mut n_inlined = 0;
    for case in with_numbers("inline_functions") {
        let (graph, _) = extract_sub_graph(case.graph.clone(), &outputs(&case)).unwrap();
        let mut options = InlineOptions::default();
        options.keep = outputs(&case).into_iter().collect();
        options.aggressive = true;
        let (graph, report) = inline_functions(graph, &options).unwrap();
        n_inlined += report.inlined.len();
        let ran = [&case.graph, &graph].map(|graph| check(&case, graph));
        if ran != [true, true] {
            cannot.push(case.name);
        }
    }
    assert!(cannot.is_empty(), "{cannot:?}");
    assert!(n_inlined >= 15, "{n_inlined}");
}

#[test]
fn constants_are_folded_by_the_kernels() {
    let case = &with_numbers("fold_constants")[0];
    let mut options = FoldOptions::default();
    options.keep = outputs(case).into_iter().collect();
    options.feeds =
        case.feeds.iter().map(|(name, _)| name.trim_end_matches(":0").to_owned()).collect();
    let evaluator = ConstantEvaluator::default();
    let (graph, report) = fold_constants(case.graph.clone(), &evaluator, &options).unwrap();
    assert!(check(case, &case.graph));
    assert!(check(case, &graph));
    let op = |name: &str| graph.node_by_name(name).map(|id| graph.node(id).op().to_owned());
    for (name, want) in [
        ("chain", Some("Const")),
        ("all_constant", Some("Const")),
        ("packed", Some("Const")),
        ("big", None),
        ("big_sum", Some("Const")),
        ("parts", None),
        ("parts/folded_2", Some("Const")),
        ("fed", Some("Const")),
        ("default", Some("PlaceholderWithDefault")),
    ] {
        assert_eq!(op(name).as_deref(), want, "{name}");
    }
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    assert!(report.removed.len() > 15, "{:?}", report.removed);
    // What a constant in a loop was made of waited for the loop.
    let in_loop = graph.node(graph.node_by_name("loop/mul_1").unwrap());
    assert_eq!((in_loop.op(), in_loop.control_inputs().len()), ("Const", 1));

    options.max_bytes = 4;
    let (graph, report) = fold_constants(case.graph.clone(), &evaluator, &options).unwrap();
    check(case, &graph);
    assert!(
        report.failed.is_empty()
            || report.failed.iter().all(|failed| failed.why.starts_with("its value would have")),
        "{:?}",
        report.failed
    );
}

#[test]
fn what_cannot_be_computed_stays() {
    let graph: Graph = Graph::import(
        flowkeep_proto::text::parse_message(
            "node { name: 'pair' op: 'Const' attr { key: 'dtype' value { type: DT_INT32 } }
               attr { key: 'value' value { tensor { dtype: DT_INT32 tensor_shape { dim { size: 2 } } int_val: 3 } } } }
             node { name: 'neg' op: 'Neg' input: 'pair' attr { key: 'T' value { type: DT_INT32 } } }
             node { name: 'bad' op: 'Reshape' input: ['neg', 'pair'] attr { key: 'T' value { type: DT_INT32 } } }
             node { name: 'other' op: 'Cast' input: 'neg' attr { key: 'SrcT' value { type: DT_INT32 } }
               attr { key: 'DstT' value { type: DT_FLOAT } } }
             node { name: 'unknown' op: 'Neg' input: 'no_kernel' attr { key: 'T' value { type: DT_FLOAT } } }
             node { name: 'no_kernel' op: 'Dawsn' input: 'other' attr { key: 'T' value { type: DT_FLOAT } } }",
        )
        .unwrap(),
        &ImportOptions::default(),
    )
    .unwrap();
    let (graph, report) =
        fold_constants(graph, &ConstantEvaluator::default(), &FoldOptions::default()).unwrap();
    let nodes: Vec<String> =
        graph.nodes().iter().map(|node| format!("{} {}", node.name(), node.op())).collect();
    assert_eq!(
        nodes,
        ["pair Const", "neg Const", "bad Reshape", "other Const", "no_kernel Dawsn", "unknown Neg"]
    );
    assert_eq!(report.failed.len(), 1);
    assert_eq!(&*report.failed[0].node, "bad");
    assert!(report.failed[0].why.contains("reshape"), "{}", report.failed[0].why);
}
