//! Constants in the place of what depends on them alone. Values are made up; real ones are tested
//! where there are kernels.

use std::cell::RefCell;
use std::sync::Arc;

use flowkeep_graph::transform::{Evaluator, FoldOptions, FoldReport, fold_constants};
use flowkeep_graph::{Error, Graph, Node, Output};
use flowkeep_tensor::{Code, Tensor};

use crate::fixture::{import, summary};

/// Gives as many floats for a tensor as its name has letters, and none for names with an `x`.
#[derive(Default)]
struct Letters {
    asked: RefCell<Vec<String>>,
    is_silent: bool,
}

impl Evaluator for Letters {
    fn supports(&self, node: &Node) -> bool {
        node.op() != "Exp"
    }

    fn evaluate(&self, graph: &Arc<Graph>, outputs: &[Output]) -> Vec<Result<Tensor, Error>> {
        assert!(graph.nodes().iter().all(|node| node.control_inputs().is_empty()));
        let value = |output: &Output| {
            let name = graph.tensor_name(*output).to_string();
            self.asked.borrow_mut().push(name.clone());
            match name.contains('x') {
                true => Err(Error::Outside { code: Code::Internal, message: format!("no {name}") }),
                false => {
                    Ok(Tensor::from_elements(vec![0f32; graph.node(output.node).name().len()]))
                }
            }
        };
        if self.is_silent { Vec::new() } else { outputs.iter().map(value).collect() }
    }
}

fn node(name: &str, op: &str, inputs: &str) -> String {
    let ty = if op == "Const" { "dtype" } else { "T" };
    let value = match op {
        "Const" => "attr { key: 'value' value { tensor { dtype: DT_FLOAT float_val: 1 } } }",
        "Split" => "attr { key: 'num_split' value { i: 2 } }",
        _ => "",
    };
    format!(
        "node {{ name: '{name}' op: '{op}' input: [{inputs}] attr {{ key: '{ty}' value {{ type: DT_FLOAT }} }} {value} }}\n"
    )
}

/// A placeholder `p`, constants `a` and `b`, of which `b` waits for `first`, and an axis.
fn graph(rest: &str) -> Graph {
    import(&format!(
        "node {{ name: 'p' op: 'Placeholder' attr {{ key: 'dtype' value {{ type: DT_FLOAT }} }} }}
         node {{ name: 'first' op: 'NoOp' }}
         node {{ name: 'axis' op: 'Const' attr {{ key: 'dtype' value {{ type: DT_INT32 }} }}
           attr {{ key: 'value' value {{ tensor {{ dtype: DT_INT32 int_val: 0 }} }} }} }} {} {} {rest}",
        node("a", "Const", ""),
        node("b", "Const", "'^first'"),
    ))
}

fn fold(rest: &str, change: impl Fn(&mut FoldOptions)) -> (Vec<String>, FoldReport) {
    let mut options = FoldOptions::default();
    change(&mut options);
    let (graph, report) = fold_constants(graph(rest), &Letters::default(), &options).unwrap();
    (summary(&graph), report)
}

fn names(list: &[Arc<str>]) -> Vec<&str> {
    list.iter().map(|name| &**name).collect()
}

#[test]
fn only_what_others_take_is_asked_for_and_the_rest_goes() {
    let rest = [
        node("c", "Neg", "'a'"),
        node("d", "AddV2", "'c', 'b'"),
        node("y", "AddV2", "'d', 'p'"),
        node("w", "NoOp", "'^c'"),
    ];
    let evaluator = Letters::default();
    let (left, report) =
        fold_constants(graph(&rest.concat()), &evaluator, &FoldOptions::default()).unwrap();
    assert_eq!(*evaluator.asked.borrow(), ["d:0"]);
    // `d` waits for what its constants waited for, and `w` for nothing instead of `c`.
    assert_eq!(
        summary(&left),
        [
            "p = Placeholder()",
            "first = NoOp()",
            "axis = Const()",
            "d = Const(^first)",
            "y = AddV2(d, p)",
            "w = NoOp()"
        ]
    );
    assert_eq!((names(&report.folded), names(&report.removed)), (vec!["d"], vec!["a", "b", "c"]));
    assert_eq!(report.len_bytes, 4);
}

#[test]
fn what_fails_stays_and_what_it_takes_is_folded() {
    let rest = [node("c", "Neg", "'a'"), node("x1", "Neg", "'c'"), node("y", "AddV2", "'x1', 'p'")];
    let (left, report) = fold(&rest.concat(), |_| {});
    assert!(left.contains(&"c = Const()".to_owned()), "{left:?}");
    assert!(left.contains(&"x1 = Neg(c)".to_owned()), "{left:?}");
    assert_eq!((&*report.failed[0].node, report.failed[0].why.as_str()), ("x1", "no x1:0"));
    assert_eq!(names(&report.folded), ["c"]);
}

#[test]
fn large_values_stay_unless_they_come_from_large_ones() {
    let rest = [node("longer", "Neg", "'a'"), node("y", "AddV2", "'longer', 'p'")].concat();
    let (_, report) = fold(&rest, |options| options.max_bytes = 23);
    assert_eq!(report.failed[0].why, "its value would have 24 bytes");
    let (_, report) = fold(&rest, |options| options.max_bytes = 24);
    assert_eq!(names(&report.folded), ["longer"]);
    // One float is no more than the constant that it comes from.
    let rest = [node("c", "Neg", "'a'"), node("y", "AddV2", "'c', 'p'")].concat();
    assert_eq!(names(&fold(&rest, |options| options.max_bytes = 0).1.folded), ["c"]);
}

#[test]
fn nodes_with_several_outputs_get_a_constant_for_each_that_is_taken() {
    let rest = [node("s", "Split", "'axis', 'a'"), node("y", "AddV2", "'s:1', 'p'")].concat();
    let (left, report) = fold(&rest, |_| {});
    assert!(left.contains(&"y = AddV2(s/folded_1, p)".to_owned()), "{left:?}");
    assert_eq!(
        (names(&report.folded), names(&report.removed)),
        (vec!["s"], vec!["axis", "a", "s"])
    );

    let (left, report) = fold(&rest, |options| assert!(options.keep.insert("s".to_owned())));
    assert!(left.contains(&"s = Split(axis, a)".to_owned()), "{left:?}");
    assert_eq!(report, FoldReport::default());
    // Nothing takes it: it may be fetched.
    let (left, _) = fold(&node("s", "Split", "'axis', 'a'"), |_| {});
    assert!(left.contains(&"s = Split(axis, a)".to_owned()), "{left:?}");
}

#[test]
fn what_may_be_fed_is_no_constant() {
    let rest =
        [node("c", "Neg", "'a'"), node("d", "Neg", "'c'"), node("y", "AddV2", "'d', 'p'")].concat();
    assert_eq!(names(&fold(&rest, |_| {}).1.folded), ["d"]);
    let feed = |name: &'static str| {
        move |options: &mut FoldOptions| assert!(options.feeds.insert(name.to_owned()))
    };
    assert_eq!(fold(&rest, feed("a")).1, FoldReport::default());
    assert_eq!(fold(&rest, feed("c")).1, FoldReport::default());
}

#[test]
fn nodes_that_are_fetched_become_constants_under_their_names() {
    let rest =
        [node("c", "Neg", "'a'"), node("d", "Neg", "'c'"), node("y", "AddV2", "'d', 'p'")].concat();
    let (left, report) = fold(&rest, |options| assert!(options.keep.insert("c".to_owned())));
    assert!(left.contains(&"c = Const()".to_owned()), "{left:?}");
    assert_eq!(names(&report.folded), ["c", "d"]);
}

#[test]
fn an_identity_of_a_constant_is_not_copied_and_unsupported_ops_are_not_asked_for() {
    let rest = [
        node("i", "Identity", "'a'"),
        node("j", "StopGradient", "'i'"),
        node("y", "AddV2", "'j', 'p'"),
        node("e", "Exp", "'a'"),
        node("f", "Neg", "'e'"),
        node("z", "AddV2", "'f', 'p'"),
    ];
    let (left, report) = fold(&rest.concat(), |_| {});
    assert_eq!(report, FoldReport::default());
    assert_eq!(left.len(), 11);
}

#[test]
fn an_evaluator_that_says_nothing_changes_nothing() {
    let rest = [node("c", "Neg", "'a'"), node("y", "AddV2", "'c', 'p'")].concat();
    let evaluator = Letters { is_silent: true, ..Default::default() };
    let (left, report) = fold_constants(graph(&rest), &evaluator, &FoldOptions::default()).unwrap();
    assert_eq!(summary(&left), summary(&graph(&rest)));
    assert_eq!(report.failed[0].why, "its value was not computed");
}
