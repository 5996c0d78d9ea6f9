//! Which functions of two graphs are the same, and what differs in them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::super::calls::named_by;
use super::super::links::Links;
use super::compare::Pairs;
use super::hashes::{Hashes, Locals, hash};
use super::{Change, DiffOptions, FunctionDiff};
use crate::op_def::{ArgDef, ArgType, OpDef};
use crate::{Attrs, Function, FunctionBody, Graph, Library};
use prost::Message;

/// How deep functions that call functions are looked into.
const MAX_DEPTH: usize = 64;

/// Which functions of two graphs are the same.
#[derive(Debug, Default)]
pub(super) struct FunctionNames {
    /// Numbers of the functions of the first graph; those that are in both have the same in both.
    in_a: HashMap<Arc<str>, u64>,
    in_b: HashMap<Arc<str>, u64>,
    pairs: Vec<(Arc<str>, Arc<str>)>,
}

impl FunctionNames {
    /// Finds the functions that are the same: those of one name; then those with the same body; then
    /// those whose names are the same but for the number at the end.
    pub(super) fn of(a: &Graph, b: &Graph) -> FunctionNames {
        let mut names = FunctionNames::default();
        for function in a.library().functions() {
            if b.library().get(function.name()).is_some() {
                names.pair(function.shared_name(), function.shared_name());
            }
        }
        let is_complete = |names: &FunctionNames| {
            let n_least = a.library().functions().len().min(b.library().functions().len());
            names.pairs.len() == n_least
        };
        if !is_complete(&names) {
            let of_a = Structures::of(a.library(), &names.in_a).found;
            let of_b = Structures::of(b.library(), &names.in_b).found;
            names.pair_by(a, b, |name| of_a.get(name).copied(), |name| of_b.get(name).copied());
        }
        if !is_complete(&names) {
            names.pair_by(a, b, |name| Some(hash(base(name))), |name| Some(hash(base(name))));
        }
        for (library, numbers) in [(a.library(), &mut names.in_a), (b.library(), &mut names.in_b)] {
            for function in library.functions() {
                // Of a function that is in one graph only, the number is its own.
                let number = hash(Arc::as_ptr(function));
                numbers.entry(function.shared_name().clone()).or_insert(number);
            }
        }
        names
    }

    fn pair(&mut self, a: &Arc<str>, b: &Arc<str>) {
        let number = hash(("pair", self.pairs.len()));
        self.in_a.insert(a.clone(), number);
        self.in_b.insert(b.clone(), number);
        self.pairs.push((a.clone(), b.clone()));
    }

    /// Pairs the functions that have a key which no other function of their graph has.
    fn pair_by(
        &mut self,
        a: &Graph,
        b: &Graph,
        key_of_a: impl Fn(&str) -> Option<u64>,
        key_of_b: impl Fn(&str) -> Option<u64>,
    ) {
        let mut found: HashMap<u64, [Vec<Arc<str>>; 2]> = HashMap::new();
        for function in a.library().functions() {
            let name = function.shared_name();
            if let (false, Some(key)) = (self.in_a.contains_key(name), key_of_a(name)) {
                found.entry(key).or_default()[0].push(name.clone());
            }
        }
        for function in b.library().functions() {
            let name = function.shared_name();
            if let (false, Some(key)) = (self.in_b.contains_key(name), key_of_b(name)) {
                found.entry(key).or_default()[1].push(name.clone());
            }
        }
        for function in a.library().functions() {
            let key = key_of_a(function.name());
            if let Some([of_a, of_b]) = key.and_then(|key| found.remove(&key))
                && let ([a], [b]) = (&of_a[..], &of_b[..])
            {
                self.pair(a, b);
            }
        }
    }

    /// The number of a function of the first graph.
    pub(super) fn number_in_a(&self, name: &str) -> Option<u64> {
        self.in_a.get(name).copied()
    }

    /// The number of a function of the second graph.
    pub(super) fn number_in_b(&self, name: &str) -> Option<u64> {
        self.in_b.get(name).copied()
    }

    /// Whether a name in the first graph means the same op or function as a name in the second.
    pub(super) fn is_same(&self, a: &str, b: &str) -> bool {
        match (self.number_in_a(a), self.number_in_b(b)) {
            (None, None) => a == b,
            (a, b) => a == b,
        }
    }
}

/// The name without the number at its end, which grows with all that a program has done before.
fn base(name: &str) -> &str {
    let digits = name.trim_end_matches(|c: char| c.is_ascii_digit());
    digits.strip_suffix('_').filter(|_| digits.len() < name.len()).unwrap_or(name)
}

/// Numbers for the bodies of functions, whatever they are called.
struct Structures<'a> {
    library: &'a Arc<Library>,
    /// Functions of which it is known what they are.
    known: &'a HashMap<Arc<str>, u64>,
    found: HashMap<Arc<str>, u64>,
}

impl<'a> Structures<'a> {
    fn of(library: &'a Arc<Library>, known: &'a HashMap<Arc<str>, u64>) -> Structures<'a> {
        let mut structures = Structures { library, known, found: HashMap::new() };
        for function in library.functions() {
            structures.find(function, &mut HashSet::new());
        }
        structures
    }

    fn get(&self, name: &str) -> Option<u64> {
        self.known.get(name).or_else(|| self.found.get(name)).copied()
    }

    /// `around` are the functions that call this one, as far as they are being looked at.
    fn find(&mut self, function: &Arc<Function>, around: &mut HashSet<Arc<str>>) {
        let name = function.shared_name();
        if self.get(name).is_some() || around.len() >= MAX_DEPTH || !around.insert(name.clone()) {
            return;
        }
        let body = function.instantiate(&Attrs::default(), self.library).ok();
        let number = match &body {
            None => hash(("no body", base(name), signature(function.signature()))),
            Some(body) => {
                for node in body.graph.nodes() {
                    for callee in named_by(node) {
                        if let Some(callee) = self.library.get(callee) {
                            self.find(callee, around);
                        }
                    }
                }
                self.of_body(body)
            }
        };
        around.remove(name);
        self.found.insert(name.clone(), number);
    }

    fn of_body(&self, body: &FunctionBody) -> u64 {
        let graph = &body.graph;
        let locals = Locals::new(graph, &|name| {
            // Functions that call each other have no number yet; all are alike then.
            self.library.get(name).map(|_| self.get(name).unwrap_or_default())
        });
        let hashes = Hashes::new(graph, &Links::new(graph), &locals, |_| None);
        let rets: Vec<_> =
            body.rets.iter().map(|ret| (hashes.get(ret.node).0, ret.index)).collect();
        hash((hashes.of_all(), rets))
    }
}

/// Arguments and results, such as `(x: float, n: int32) -> (y: float)`.
fn signature(def: &OpDef) -> String {
    let list = |args: &[ArgDef]| -> String {
        let one = |arg: &ArgDef| {
            let kind = match &arg.ty {
                ArgType::Fixed(dtype) => dtype.name(),
                ArgType::TypeAttr(name) | ArgType::TypeListAttr(name) => name,
                ArgType::Missing => "?",
            };
            let many = arg.number_attr.as_deref().map_or(String::new(), |n| format!("{n} * "));
            format!("{}: {many}{kind}", arg.name)
        };
        args.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    let effects = if def.is_stateful { ", stateful" } else { "" };
    format!("({}) -> ({}){effects}", list(&def.inputs), list(&def.outputs))
}

/// How many functions are the same in all, and those that are not, by name.
pub(super) fn diff(
    a: &Graph,
    b: &Graph,
    names: &FunctionNames,
    options: &DiffOptions,
) -> (usize, Vec<FunctionDiff>) {
    let mut n_same = 0;
    let mut diffs = Vec::new();
    let (mut paired_a, mut paired_b) = (HashSet::new(), HashSet::new());
    for (name_a, name_b) in &names.pairs {
        paired_a.insert(name_a);
        paired_b.insert(name_b);
        let (Some(of_a), Some(of_b)) = (a.library().get(name_a), b.library().get(name_b)) else {
            continue;
        };
        let mut changes = Vec::new();
        let nodes = changed(Both { a, b, of_a, of_b, names, options }, &mut changes);
        let is_renamed = name_a != name_b;
        if changes.is_empty() && nodes.is_empty() && (!is_renamed || options.ignore_names) {
            n_same += 1;
            continue;
        }
        diffs.push(FunctionDiff::Changed {
            name: name_b.to_string(),
            old_name: is_renamed.then(|| name_a.to_string()),
            changes,
            nodes,
        });
    }
    let only = |graph: &Graph, paired: &HashSet<&Arc<str>>| -> Vec<String> {
        let functions = graph.library().functions().iter();
        let only = functions.filter(|function| !paired.contains(function.shared_name()));
        only.map(|function| function.name().to_owned()).collect()
    };
    diffs.extend(only(a, &paired_a).into_iter().map(|name| FunctionDiff::Removed { name }));
    diffs.extend(only(b, &paired_b).into_iter().map(|name| FunctionDiff::Added { name }));
    diffs.sort_by(|a, b| a.name().cmp(b.name()));
    (n_same, diffs)
}

/// A function of each of two graphs.
struct Both<'a> {
    a: &'a Graph,
    b: &'a Graph,
    of_a: &'a Function,
    of_b: &'a Function,
    names: &'a FunctionNames,
    options: &'a DiffOptions,
}

/// The nodes that differ; `changes` gets what else does.
fn changed(both: Both<'_>, changes: &mut Vec<Change>) -> Vec<super::NodeDiff> {
    let Both { a, b, of_a, of_b, names, options } = both;
    let (old, new) = (signature(of_a.signature()), signature(of_b.signature()));
    if old != new {
        changes.push(Change::Signature { old, new });
    }
    let (old, new) = (a.library().gradient(of_a.name()), b.library().gradient(of_b.name()));
    let is_same = match (old, new) {
        (Some(old), Some(new)) => names.is_same(old, new),
        (old, new) => old == new,
    };
    if !is_same {
        let (old, new) = (old.map(str::to_owned), new.map(str::to_owned));
        changes.push(Change::Gradient { old, new });
    }
    let body = |function: &Function, graph: &Graph| {
        function.instantiate(&Attrs::default(), graph.library()).ok()
    };
    let (Some(body_a), Some(body_b)) = (body(of_a, a), body(of_b, b)) else {
        let without_name = |function: &Function| {
            let mut def = function.def().into_owned();
            def.signature.get_or_insert_default().name.clear();
            // As bytes: numbers that are none are not equal to themselves.
            def.encode_to_vec()
        };
        if without_name(of_a) != without_name(of_b) {
            changes.push(Change::Body);
        }
        return Vec::new();
    };
    let pairs = Pairs::new(&body_a.graph, &body_b.graph, names);
    changes.extend(pairs.attr_changes(&of_a.attrs(), &of_b.attrs(), options));
    results(&pairs, &body_a, &body_b, changes);
    let (_, nodes) = pairs.diff(options);
    nodes
}

/// What differs in results and control results.
fn results(pairs: &Pairs<'_>, a: &FunctionBody, b: &FunctionBody, changes: &mut Vec<Change>) {
    let place = |names: &[Arc<str>], name: &str| names.iter().position(|other| **other == *name);
    let mut change = |name: &Arc<str>, old: Option<String>, new: Option<String>| {
        changes.push(Change::Result { name: name.to_string(), old, new });
    };
    for (name, ret) in a.ret_names.iter().zip(&a.rets) {
        let other = place(&b.ret_names, name).and_then(|idx| b.rets.get(idx));
        if !other.is_some_and(|other| pairs.is_same(*ret, *other)) {
            let new = other.map(|other| b.graph.tensor_name(*other).to_string());
            change(name, Some(a.graph.tensor_name(*ret).to_string()), new);
        }
    }
    for (name, ret) in b.ret_names.iter().zip(&b.rets) {
        if place(&a.ret_names, name).is_none() {
            change(name, None, Some(b.graph.tensor_name(*ret).to_string()));
        }
    }
    for (name, id) in a.control_ret_names.iter().zip(&a.control_rets) {
        let other = place(&b.control_ret_names, name).and_then(|idx| b.control_rets.get(idx));
        if pairs.matching.in_b(*id).as_ref() != other {
            let new = other.map(|id| b.graph.node(*id).name().to_owned());
            change(name, Some(a.graph.node(*id).name().to_owned()), new);
        }
    }
    for (name, id) in b.control_ret_names.iter().zip(&b.control_rets) {
        if place(&a.control_ret_names, name).is_none() {
            change(name, None, Some(b.graph.node(*id).name().to_owned()));
        }
    }
}
