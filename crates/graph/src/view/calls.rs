//! Functions of a graph: who calls them, what they hold.

use std::collections::{BTreeSet, HashMap};

use flowkeep_proto::pb;
use flowkeep_proto::pb::attr_value::Value;

use super::flops::FlopSum;
use super::{ConstantTotals, FlopTotals, Shapes, SummaryOptions};
use crate::{Attr, AttrList, Attrs, FuncRef, Function, Graph, Node};

/// A function of a graph's library.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionSummary {
    /// Its name.
    pub name: String,
    /// How many arguments its signature has.
    pub n_args: usize,
    /// How many results its signature has.
    pub n_rets: usize,
    /// How many nodes its body has, arguments not counted.
    pub n_nodes: usize,
    /// Whether its signature says that calls have effects.
    pub is_stateful: bool,
    /// The constants of its body.
    pub constants: ConstantTotals,
    /// What one call computes, without the functions that it calls; `None` if the body cannot be looked
    /// into without knowing the attributes of a call, or is damaged.
    pub flops: Option<FlopTotals>,
    /// The nodes that name it, to call it or for another purpose.
    pub callers: Vec<Caller>,
}

/// A node that names a function.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Caller {
    /// The function whose body it is in; `None` for a node of the graph.
    pub function: Option<String>,
    /// The name of the node.
    pub node: String,
}

/// The functions of a graph and what calls of them compute.
pub(super) struct Calls {
    pub(super) functions: Vec<FunctionSummary>,
    /// What all functions compute that the nodes of the graph name, directly or not, once for each node
    /// that names one.
    pub(super) flops: FlopSum,
}

impl Calls {
    pub(super) fn of(graph: &Graph, options: &SummaryOptions) -> Calls {
        let functions = graph.library().functions();
        let by_name: HashMap<&str, usize> =
            functions.iter().enumerate().map(|(idx, function)| (function.name(), idx)).collect();
        let find = |name: &str| by_name.get(name).copied();
        let mut summaries: Vec<FunctionSummary> =
            functions.iter().map(|function| summary(function)).collect();
        let mut called: Vec<Vec<usize>> = Vec::with_capacity(functions.len());
        let mut own: Vec<FlopSum> = Vec::with_capacity(functions.len());
        for (idx, function) in functions.iter().enumerate() {
            let mut all = Vec::new();
            for node in &function.def().node_def {
                for callee in named_by_proto(node).iter().filter_map(|name| find(name)) {
                    all.push(callee);
                    let caller = Caller {
                        function: Some(function.name().to_owned()),
                        node: node.name.clone(),
                    };
                    if let Some(callee) = summaries.get_mut(callee) {
                        callee.callers.push(caller);
                    }
                }
            }
            called.push(all);
            let body = function.instantiate(&Attrs::default(), graph.library()).ok();
            let sum = body.map(|body| {
                let mut shapes = Shapes::new(&body.graph, options.shapes.as_ref());
                options.assume.into_iter().for_each(|size| shapes.assume(size));
                FlopSum::of_graph(&body.graph, &shapes)
            });
            if let Some(summary) = summaries.get_mut(idx) {
                summary.flops = sum.as_ref().map(FlopSum::totals);
            }
            own.push(sum.unwrap_or_default());
        }
        let mut of_graph = Vec::new();
        for node in graph.nodes() {
            for callee in named_by(node).iter().filter_map(|name| find(name)) {
                of_graph.push(callee);
                let caller = Caller { function: None, node: node.name().to_owned() };
                if let Some(callee) = summaries.get_mut(callee) {
                    callee.callers.push(caller);
                }
            }
        }
        summaries.iter_mut().for_each(|function| function.callers.sort());
        let mut flops = FlopSum::default();
        for (own, n_calls) in own.iter().zip(n_calls(&of_graph, &called)) {
            flops.add(own, n_calls);
        }
        Calls { functions: summaries, flops }
    }
}

/// How often each function is named, directly or not: `of_graph` are the functions that the nodes of the
/// graph name, and `called` those that each function names. Once around a recursion is enough.
fn n_calls(of_graph: &[usize], called: &[Vec<usize>]) -> Vec<u64> {
    let callees = |idx: usize| called.get(idx).map_or(&[][..], Vec::as_slice).iter().copied();
    let mut n_calls = vec![0u64; called.len()];
    // Gives the number that there are then.
    let mut add = |idx: usize, n: u64| {
        n_calls.get_mut(idx).map_or(0, |sum| {
            *sum = sum.saturating_add(n);
            *sum
        })
    };
    for idx in of_graph {
        add(*idx, 1);
    }
    // The functions that are reached, each behind one that calls it, with the number of callers that
    // have not been looked at.
    let mut n_waiting = vec![0usize; called.len()];
    let mut todo: Vec<usize> = of_graph.to_vec();
    let (mut reached, mut order) = (BTreeSet::new(), Vec::new());
    while let Some(idx) = todo.pop() {
        if reached.insert(idx) {
            order.push(idx);
            for callee in callees(idx) {
                if let Some(n) = n_waiting.get_mut(callee) {
                    *n += 1;
                }
                todo.push(callee);
            }
        }
    }
    let mut ready: Vec<usize> =
        order.iter().copied().filter(|idx| n_waiting.get(*idx) == Some(&0)).collect();
    // Of functions that call each other, the one that was reached first is taken before its callers.
    let mut rest = order.into_iter();
    while let Some(idx) = ready.pop().or_else(|| rest.find(|idx| reached.contains(idx))) {
        if !reached.remove(&idx) {
            continue;
        }
        let n = add(idx, 0);
        for callee in callees(idx) {
            add(callee, n);
            if let Some(n) = n_waiting.get_mut(callee) {
                *n = n.saturating_sub(1);
                if *n == 0 {
                    ready.push(callee);
                }
            }
        }
    }
    n_calls
}

fn summary(function: &Function) -> FunctionSummary {
    let mut constants = ConstantTotals::default();
    let def = function.def();
    def.node_def.iter().for_each(|node| constants.add_node(node));
    FunctionSummary {
        name: function.name().to_owned(),
        n_args: function.args().len(),
        n_rets: function.rets().len(),
        n_nodes: def.node_def.len(),
        is_stateful: function.is_stateful(),
        constants,
        flops: None,
        callers: Vec::new(),
    }
}

/// The functions that a node may name, each once: as its op, or in its attributes. Ops are among them.
pub(super) fn named_by(node: &Node) -> BTreeSet<&str> {
    let mut names = BTreeSet::from([node.op()]);
    for (_, attr) in node.attrs().iter() {
        named_by_attr(attr, &mut names);
    }
    names
}

fn named_by_attr<'a>(attr: &'a Attr, names: &mut BTreeSet<&'a str>) {
    let mut add = |func: &'a FuncRef| {
        names.insert(&func.name);
        func.attrs.iter().for_each(|(_, attr)| named_by_attr(attr, names));
    };
    match attr {
        Attr::Func(func) => add(func),
        Attr::List(AttrList::Func(funcs)) => funcs.iter().for_each(add),
        _ => {}
    }
}

fn named_by_proto(node: &pb::NodeDef) -> BTreeSet<&str> {
    let mut names = BTreeSet::from([node.op.as_str()]);
    node.attr.values().for_each(|attr| named_by_value(attr, &mut names));
    names
}

fn named_by_value<'a>(attr: &'a pb::AttrValue, names: &mut BTreeSet<&'a str>) {
    let mut add = |func: &'a pb::NameAttrList| {
        names.insert(&func.name);
        func.attr.values().for_each(|attr| named_by_value(attr, names));
    };
    match &attr.value {
        Some(Value::Func(func)) => add(func),
        Some(Value::List(list)) => list.func.iter().for_each(add),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_along_every_way() {
        // 0 calls 1 twice and 2; 1 calls 2; 3 calls itself and 2; 4 is never called.
        let called = vec![vec![1, 1, 2], vec![2], vec![], vec![3, 2], vec![2]];
        assert_eq!(n_calls(&[0], &called), [1, 2, 3, 0, 0]);
        assert_eq!(n_calls(&[0, 0, 3], &called)[2], 7);
        assert_eq!(n_calls(&[], &called), [0; 5]);
    }

    #[test]
    fn calls_without_end_and_calls_without_number_are_survived() {
        let ring: Vec<Vec<usize>> = (0..100_000).map(|idx| vec![(idx + 1) % 100_000]).collect();
        assert!(n_calls(&[5], &ring).iter().all(|n| *n >= 1));
        let twice: Vec<Vec<usize>> = (0..100).map(|idx| vec![idx + 1; 2]).chain([vec![]]).collect();
        assert_eq!(n_calls(&[0], &twice)[100], u64::MAX);
    }
}
