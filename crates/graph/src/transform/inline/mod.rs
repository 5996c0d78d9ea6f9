use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use flowkeep_tensor::Code;

use super::functions::prune_in;
use super::reach::forget_colocation;
use crate::{
    Attr, Attrs, Error, FuncRef, FunctionBody, Graph, GraphEdit, Library, Node, NodeId, Output,
};

mod body;
mod device;
mod frames;
mod rules;

/// Calls that are inlined, and nodes that come in with them, at most: functions that call each other
/// twice at every level grow without end.
const MAX_CALLS: usize = 1 << 16;
const MAX_NODES: usize = 1 << 20;

/// Calls within calls, at most.
const MAX_DEPTH: usize = 64;

/// What [`inline_functions`] inlines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InlineOptions {
    /// Calls that can still be fetched by their names: an IdentityN takes the place of each, or a
    /// NoOp if it has no outputs.
    pub keep: BTreeSet<String>,
    /// Calls that are fed, which stay.
    pub feeds: BTreeSet<String>,
    /// Whether to inline what is marked `_noinline`, and calls whose effects may then not take place:
    /// those that nothing waits for, and nodes with effects that no result waits for.
    pub aggressive: bool,
    /// Whether to inline calls in the bodies of the functions that stay as well.
    pub in_functions: bool,
}

/// What [`inline_functions`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InlineReport {
    /// The calls that are gone, in the order in which they went: calls within calls last.
    pub inlined: Vec<InlinedCall>,
    /// The calls that stay, and why.
    pub kept: Vec<KeptCall>,
    /// The functions that nothing calls any more and that were removed.
    pub removed_functions: Vec<Arc<str>>,
}

/// A call whose place its function's nodes took.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InlinedCall {
    /// The node that called.
    pub node: Arc<str>,
    /// The function.
    pub function: Arc<str>,
    /// The function in whose body the node was; `None` for nodes of the graph.
    pub inside: Option<Arc<str>>,
}

/// A call that was not inlined.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptCall {
    /// The node that calls.
    pub node: Arc<str>,
    /// The function.
    pub function: Arc<str>,
    /// The function in whose body the node is; `None` for nodes of the graph.
    pub inside: Option<Arc<str>>,
    /// What is in the way.
    pub why: String,
}

/// Puts the bodies of functions in the place of calls: of PartitionedCall, StatefulPartitionedCall
/// and calls by name, and of the calls in what is put there.
///
/// A node `n` of the function of a call `c` becomes `c/n`. Names, control edges, devices and rules are
/// those of TensorFlow's own inliner (grappler's function optimizer): arguments and results pass
/// through an Identity each; the control inputs of the call hold back all of the body over a NoOp;
/// whoever waited for the call waits for its control results, or for its results if it was by name.
/// A call with effects is only inlined if it is sure that they take place; see
/// [`InlineOptions::aggressive`]. Functions that nothing calls any more go.
///
/// If, While and Case stay as they are, and so do calls of SymbolicGradient.
///
/// Errors: as [`Graph::import`]; `NOT_FOUND` for a function that is not there; `RESOURCE_EXHAUSTED`
/// when more than 65536 calls or a million nodes come of it.
pub fn inline_functions(
    graph: Graph,
    options: &InlineOptions,
) -> Result<(Graph, InlineReport), Error> {
    let mut edit = GraphEdit::new(graph);
    let library = edit.library().clone();
    let report = InlineReport::default();
    let mut inliner =
        Inliner { library: &library, options, report, bodies: HashMap::new(), n_added: 0 };
    inliner.inline_all(&mut edit, None, &[])?;
    forget_colocation(&mut edit);
    prune_in(&mut edit);
    if options.in_functions {
        inliner.inline_in_functions(&mut edit)?;
        prune_in(&mut edit);
    }
    let mut report = inliner.report;
    let left = edit.library().clone();
    let functions = library.functions().iter().map(|function| function.shared_name());
    report.removed_functions = functions.filter(|name| left.get(name).is_none()).cloned().collect();
    Ok((edit.finish()?, report))
}

/// How a call calls.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CallKind {
    /// PartitionedCall: effects are over with the control results, and nodes have their own devices.
    Partitioned,
    /// The function's name is the op: effects are over with the results, and all nodes are on the
    /// call's device.
    ByName,
}

struct Inliner<'a> {
    library: &'a Arc<Library>,
    options: &'a InlineOptions,
    report: InlineReport,
    bodies: HashMap<Arc<str>, Vec<(Attrs, Arc<FunctionBody>)>>,
    n_added: usize,
}

/// What of a call must still be there under its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    Nothing,
    /// Something that can be waited for.
    Target,
    /// Something whose outputs can be fetched.
    Outputs,
}

/// What took the place of calls in one graph.
#[derive(Default)]
struct Replaced {
    outputs: HashMap<Output, Output>,
    /// The functions whose bodies a node is in, from the inside out: an index into `chain`.
    inside: HashMap<NodeId, usize>,
    /// A function, and the entry of the one that called it.
    chain: Vec<(Arc<str>, Option<usize>)>,
    n_names: usize,
}

impl Replaced {
    /// Why a call of `function` in a node's place would have no end, or hardly one.
    fn nesting(&self, id: NodeId, function: &str) -> Option<String> {
        let mut depth = 0;
        let mut entry = self.inside.get(&id).copied();
        while let Some((name, caller)) = entry.and_then(|entry| self.chain.get(entry)) {
            depth += 1;
            if **name == *function {
                return Some(format!("function {function} calls itself"));
            }
            if depth >= MAX_DEPTH {
                return Some(format!("calls nest deeper than {MAX_DEPTH}"));
            }
            entry = *caller;
        }
        None
    }
}

impl Inliner<'_> {
    /// Inlines the calls of one graph, and those that come in with them.
    fn inline_all(
        &mut self,
        edit: &mut GraphEdit,
        inside: Option<&Arc<str>>,
        targets: &[NodeId],
    ) -> Result<Replaced, Error> {
        let mut replaced = Replaced::default();
        let frames = frames::Frames::of(edit);
        let mut id = NodeId(0);
        while id < edit.next_id() {
            if let Some((function, kind)) = edit.node(id).and_then(|node| self.call(node)) {
                let name =
                    edit.node(id).map_or_else(|| "".into(), |node| node.shared_name().clone());
                let body = self.body(&function)?;
                let nesting = replaced.nesting(id, &function.name);
                let why = nesting.or_else(|| self.refusal(edit, id, &function.name, kind, &body));
                match why {
                    Some(why) => self.report.kept.push(KeptCall {
                        node: name,
                        function: function.name.clone(),
                        inside: inside.cloned(),
                        why,
                    }),
                    None => {
                        frames.hold_back(edit, id, &body);
                        self.n_added = self.n_added.saturating_add(body.graph.len());
                        self.check_size()?;
                        let keep = match inside {
                            None if self.options.keep.contains(&*name) => Keep::Outputs,
                            _ if targets.contains(&id) => Keep::Target,
                            _ => Keep::Nothing,
                        };
                        body::inline(edit, &mut replaced, id, &function.name, kind, &body, keep);
                        self.report.inlined.push(InlinedCall {
                            node: name,
                            function: function.name,
                            inside: inside.cloned(),
                        });
                    }
                }
            }
            id = NodeId(id.0 + 1);
        }
        Ok(replaced)
    }

    fn check_size(&self) -> Result<(), Error> {
        let what = match (self.n_added, self.report.inlined.len()) {
            (n, _) if n > MAX_NODES => format!("{MAX_NODES} nodes"),
            (_, n) if n >= MAX_CALLS => format!("{MAX_CALLS} calls"),
            _ => return Ok(()),
        };
        Err(Error::Outside {
            code: Code::ResourceExhausted,
            message: format!("the functions inline to more than {what}"),
        })
    }

    /// The function that a node calls, and how.
    fn call(&self, node: &Node) -> Option<(FuncRef, CallKind)> {
        match node.op() {
            "PartitionedCall" | "StatefulPartitionedCall" => {
                let function = node.attr("f").and_then(Attr::as_func)?.clone();
                Some((function, CallKind::Partitioned))
            }
            op if node.def().is_none() && self.library.get(op).is_some() => {
                let function = FuncRef { name: op.into(), attrs: node.attrs().clone() };
                Some((function, CallKind::ByName))
            }
            _ => None,
        }
    }

    fn body(&mut self, function: &FuncRef) -> Result<Arc<FunctionBody>, Error> {
        let known = self.bodies.get(&function.name).into_iter().flatten();
        for (attrs, body) in known {
            if *attrs == function.attrs {
                return Ok(body.clone());
            }
        }
        let name = &function.name;
        let stored = self.library.get(name).ok_or_else(|| {
            Error::NoSuchElement(format!("Failed to find function \"{name}\" in function library"))
        })?;
        let body = stored.instantiate(&function.attrs, self.library)?;
        let known = self.bodies.entry(name.clone()).or_default();
        known.push((function.attrs.clone(), body.clone()));
        Ok(body)
    }

    /// Inlines calls in the bodies of the functions that are left and take no attributes.
    fn inline_in_functions(&mut self, edit: &mut GraphEdit) -> Result<(), Error> {
        let left = edit.library().clone();
        let mut library = None;
        for function in left.functions() {
            if !function.signature().attrs.is_empty() {
                continue;
            }
            let body = function.instantiate(&Attrs::default(), self.library)?;
            let mut inner = GraphEdit::new(body.graph.clone());
            let n_inlined = self.report.inlined.len();
            let replaced =
                self.inline_all(&mut inner, Some(function.shared_name()), &body.control_rets)?;
            if self.report.inlined.len() == n_inlined {
                continue;
            }
            forget_colocation(&mut inner);
            let mut body = FunctionBody::clone(&body);
            for ret in &mut body.rets {
                while let Some(output) = replaced.outputs.get(ret) {
                    *ret = *output;
                }
            }
            let (graph, new_ids) = inner.finish_with_ids()?;
            let function = function.with_body(function.name(), &body.edited(graph, &new_ids)?)?;
            library.get_or_insert_with(|| Library::clone(&left)).replace(function)?;
        }
        if let Some(library) = library {
            edit.set_library(Arc::new(library));
        }
        Ok(())
    }
}
