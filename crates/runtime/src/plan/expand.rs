//! Graph nodes become steps; a call becomes the steps of its function's body.
//!
//! Calls are no kernels: a body's steps are scheduled with everything else, so that a call never
//! holds a thread while it waits. What a call promises is kept by edges:
//!
//! - control inputs of the call hold back the body: a `start` step precedes every node of the body
//!   that depends on none of its other nodes;
//! - the call is over when its returns *and* control returns are: a `return` step hands the values
//!   on after both.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError};

use flowkeep_graph::{FuncRef, Graph, Library, Node, NodeId, Output};
use flowkeep_tensor::Code;

use crate::kernel::{KernelContext, KernelInit, OpKernel, OpRegistration, Registry, Status};
use crate::plan::InputKind;
use crate::plan::prune::Needed;
use crate::plan::schedule::{Draft, Source};
use crate::session::KernelCache;
use crate::{Error, MissingKernel};

/// Calls within calls, at most: beyond it, functions surely call themselves.
const MAX_DEPTH: usize = 64;
/// Calls and steps of one plan, at most: functions that call each other twice at every level grow
/// without end.
const MAX_CALLS: usize = 1 << 16;
const MAX_STEPS: usize = 1 << 20;

/// A graph to expand: the session's own, or a function's body.
pub(super) struct Body<'a> {
    pub(super) graph: &'a Graph,
    /// Precedes the names of the nodes.
    pub(super) path: &'a str,
    pub(super) needed: &'a Needed,
    /// Values that do not come from their node: feeds, arguments.
    pub(super) bound: &'a HashMap<Output, Source>,
    /// The step that must precede all of the body's.
    pub(super) start: Option<usize>,
}

/// What the nodes of a body became.
pub(super) struct Values<'a> {
    bound: &'a HashMap<Output, Source>,
    nodes: Vec<Option<Expanded>>,
}

enum Expanded {
    Step(usize),
    /// The values that a call returns, and the step after which it is over.
    Call {
        returns: Vec<Source>,
        done: Option<usize>,
    },
}

impl Values<'_> {
    /// Where the value of `output` comes from.
    pub(super) fn source(&self, output: Output) -> Result<Source, Error> {
        if let Some(source) = self.bound.get(&output) {
            return Ok(*source);
        }
        let port = output.index as usize;
        let source = match &self.nodes[output.node.index()] {
            Some(Expanded::Step(step)) => Some(Source::Step { step: *step, port }),
            Some(Expanded::Call { returns, .. }) => returns.get(port).copied(),
            None => None,
        };
        source.ok_or_else(|| Error::request(Code::Unimplemented, "loops of nodes cannot run yet"))
    }

    /// The step after which `node` has run, if it is one that takes time at all.
    fn done(&self, node: NodeId) -> Option<usize> {
        match &self.nodes[node.index()] {
            Some(Expanded::Step(step)) => Some(*step),
            Some(Expanded::Call { done, .. }) => *done,
            None => None,
        }
    }
}

/// Collects the steps of a plan.
pub(super) struct Expander<'a> {
    library: &'a Arc<Library>,
    registry: &'a Registry,
    kernels: &'a KernelCache,
    drafts: Vec<Draft>,
    missing: BTreeMap<(String, Vec<String>), MissingKernel>,
    /// The first error of a kernel's builder; reported if no kernel is missing.
    build_error: Option<Error>,
    depth: usize,
    n_calls: usize,
}

impl<'a> Expander<'a> {
    pub(super) fn new(
        library: &'a Arc<Library>,
        registry: &'a Registry,
        kernels: &'a KernelCache,
    ) -> Expander<'a> {
        Expander {
            library,
            registry,
            kernels,
            drafts: Vec::new(),
            missing: BTreeMap::new(),
            build_error: None,
            depth: 0,
            n_calls: 0,
        }
    }

    /// The steps, in an order that respects all edges.
    ///
    /// Errors: `UNIMPLEMENTED` listing every node without a kernel; else the first error of a
    /// kernel's builder.
    pub(super) fn finish(self) -> Result<Vec<Draft>, Error> {
        if !self.missing.is_empty() {
            return Err(Error::Unsupported(self.missing.into_values().collect()));
        }
        match self.build_error {
            Some(error) => Err(error),
            None => Ok(self.drafts),
        }
    }

    /// Adds the steps of a body's needed nodes.
    pub(super) fn expand<'b>(&mut self, body: &Body<'b>) -> Result<Values<'b>, Error> {
        let n_nodes = body.graph.nodes().len();
        let mut values = Values { bound: body.bound, nodes: (0..n_nodes).map(|_| None).collect() };
        for (id, node) in body.graph.iter() {
            let output = Output { node: id, index: 0 };
            let is_argument = node.op() == "_Arg" && body.bound.contains_key(&output);
            if body.needed.contains(id) && !is_argument {
                let expanded = self.expand_node(body, &values, id, node)?;
                values.nodes[id.index()] = Some(expanded);
            }
        }
        Ok(values)
    }

    fn expand_node(
        &mut self,
        body: &Body<'_>,
        values: &Values<'_>,
        id: NodeId,
        node: &Node,
    ) -> Result<Expanded, Error> {
        let inputs = node
            .inputs()
            .iter()
            .map(|input| values.source(*input))
            .collect::<Result<Vec<_>, _>>()?;
        let mut control_inputs: Vec<_> =
            node.control_inputs().iter().filter_map(|id| values.done(*id)).collect();
        control_inputs.sort_unstable();
        control_inputs.dedup();
        let has_predecessor = node
            .inputs()
            .iter()
            .map(|input| input.node)
            .chain(node.control_inputs().iter().copied())
            .any(|input| values.nodes[input.index()].is_some());
        if !has_predecessor {
            control_inputs.extend(body.start);
        }
        let path = if body.path.is_empty() {
            node.name().to_owned()
        } else {
            format!("{}/{}", body.path, node.name())
        };
        let call = match node.op() {
            "PartitionedCall" | "StatefulPartitionedCall" => {
                Some((node.attrs().func("f")?.clone(), false))
            }
            op if node.def().is_none() && self.library.get(op).is_some() => {
                Some((FuncRef { name: op.into(), attrs: node.attrs().clone() }, true))
            }
            _ => None,
        };
        if let Some((function, runs_all_stateful)) = call {
            let call = Call {
                path: &path,
                inputs,
                control_inputs,
                is_awaited: body.needed.is_awaited(id),
            };
            return self.expand_call(&function, runs_all_stateful, call);
        }
        let (kernel, cheap) = self.kernel(node, &path);
        let kinds = node
            .input_types()
            .iter()
            .map(|port| if port.is_ref { InputKind::Ref } else { InputKind::Value });
        self.push(Draft {
            name: path.into(),
            op: node.op().into(),
            kernel,
            inputs: inputs.into_iter().zip(kinds).collect(),
            control_inputs,
            n_outputs: node.n_outputs().unwrap_or(0),
            cheap,
        })
        .map(Expanded::Step)
    }

    fn expand_call(
        &mut self,
        function: &FuncRef,
        runs_all_stateful: bool,
        call: Call<'_>,
    ) -> Result<Expanded, Error> {
        if self.depth >= MAX_DEPTH {
            let message = format!(
                "function {} calls itself, or calls nest deeper than {MAX_DEPTH}",
                function.name
            );
            return Err(Error::request(Code::Unimplemented, message));
        }
        self.n_calls += 1;
        if self.n_calls > MAX_CALLS {
            let message = format!("the functions expand to more than {MAX_CALLS} calls");
            return Err(Error::request(Code::ResourceExhausted, message));
        }
        let library = self.library;
        let body = library
            .get(&function.name)
            .ok_or_else(|| {
                let name = &function.name;
                Error::request(
                    Code::NotFound,
                    format!("Failed to find function \"{name}\" in function library"),
                )
            })?
            .instantiate(&function.attrs, library)?;
        if body.args.len() != call.inputs.len() {
            let (expected, got) = (body.args.len(), call.inputs.len());
            let message = format!(
                "function {} takes {expected} arguments, node {} passes {got}",
                function.name, call.path
            );
            return Err(Error::request(Code::InvalidArgument, message));
        }
        let start = match call.control_inputs.is_empty() {
            true => None,
            false => Some(self.forward(call.path, "start", &[], call.control_inputs)?),
        };
        let graph = &body.graph;
        let bound = body
            .args
            .iter()
            .map(|node| Output { node: *node, index: 0 })
            .zip(call.inputs)
            .collect();
        let mut awaited = body.control_rets.to_vec();
        if runs_all_stateful {
            let is_stateful = |node: &Node| node.is_stateful() && node.op() != "_Arg";
            awaited.extend(graph.iter().filter(|(_, node)| is_stateful(node)).map(|(id, _)| id));
        }
        let needed = Needed::of(graph, &body.rets, &awaited, &Default::default());
        self.depth += 1;
        let values =
            self.expand(&Body { graph, path: call.path, needed: &needed, bound: &bound, start })?;
        self.depth -= 1;

        let returns =
            body.rets.iter().map(|output| values.source(*output)).collect::<Result<Vec<_>, _>>()?;
        let control_returns: Vec<_> =
            awaited.iter().filter_map(|node| values.done(*node)).collect();
        if !control_returns.is_empty() {
            let done = self.forward(call.path, "return", &returns, control_returns)?;
            let returns =
                (0..returns.len()).map(|port| Source::Step { step: done, port }).collect();
            return Ok(Expanded::Call { returns, done: Some(done) });
        }
        let mut done = None;
        if call.is_awaited {
            let steps = returns.iter().filter_map(|source| match source {
                Source::Step { step, .. } => Some(*step),
                Source::Feed(_) => None,
            });
            done = Some(self.forward(call.path, "done", &[], steps.chain(start).collect())?);
        }
        Ok(Expanded::Call { returns, done })
    }

    /// Adds a step that hands values on.
    fn forward(
        &mut self,
        path: &str,
        role: &str,
        inputs: &[Source],
        mut control_inputs: Vec<usize>,
    ) -> Result<usize, Error> {
        control_inputs.sort_unstable();
        control_inputs.dedup();
        self.push(Draft {
            name: format!("{path}/{role}").into(),
            op: "IdentityN".into(),
            kernel: Arc::new(Forward),
            inputs: inputs.iter().map(|source| (*source, InputKind::Ref)).collect(),
            control_inputs,
            n_outputs: inputs.len(),
            cheap: true,
        })
    }

    fn push(&mut self, draft: Draft) -> Result<usize, Error> {
        if self.drafts.len() >= MAX_STEPS {
            let message = format!("the functions expand to more than {MAX_STEPS} nodes");
            return Err(Error::request(Code::ResourceExhausted, message));
        }
        self.drafts.push(draft);
        Ok(self.drafts.len() - 1)
    }

    /// The kernel of a node, and whether it is cheap. What is missing or refused is noted for
    /// [`Expander::finish`], and something that does nothing stands in.
    fn kernel(&mut self, node: &Node, path: &str) -> (Arc<dyn OpKernel>, bool) {
        let row = self.registry.get(node.op());
        let refused = row.map(|row| refused_types(row, node)).unwrap_or_default();
        let builder =
            row.filter(|_| refused.is_empty()).and_then(|row| Some((row, row.cpu_builder()?)));
        let Some((row, build)) = builder else {
            let key = (node.op().to_owned(), refused.clone());
            let missing = self.missing.entry(key).or_insert_with(|| MissingKernel {
                op: node.op().to_owned(),
                types: refused,
                node: path.to_owned(),
                n_nodes: 0,
            });
            missing.n_nodes += 1;
            return (Arc::new(Forward), true);
        };
        let mut cache =
            row.is_stateful().then(|| self.kernels.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(kernel) = cache.as_ref().and_then(|cache| cache.get(path)) {
            return (kernel.clone(), row.is_cheap());
        }
        match build(&KernelInit { node, path, settings: &self.registry.settings }) {
            Ok(kernel) => {
                let kernel: Arc<dyn OpKernel> = kernel.into();
                if let Some(cache) = &mut cache {
                    cache.insert(path.into(), kernel.clone());
                }
                (kernel, row.is_cheap())
            }
            Err(status) => {
                let error = Error::Node { node: path.to_owned(), op: node.op().to_owned(), status };
                self.build_error.get_or_insert(error);
                (Arc::new(Forward), true)
            }
        }
    }
}

/// A call's node: its path and edges.
struct Call<'a> {
    path: &'a str,
    inputs: Vec<Source>,
    control_inputs: Vec<usize>,
    is_awaited: bool,
}

/// The type attributes of `node` that the kernel of `row` does not take, as `T=complex64`.
fn refused_types(row: &OpRegistration, node: &Node) -> Vec<String> {
    let mut refused = Vec::new();
    for (attr, allowed) in row.type_constraints() {
        let single = node.attrs().dtype(attr).map(|dtype| vec![dtype]);
        let types =
            single.or_else(|_| node.attrs().types(attr).map(<[_]>::to_vec)).unwrap_or_default();
        let wrong = types.iter().filter(|dtype| !allowed.contains(dtype));
        refused.extend(wrong.map(|dtype| format!("{attr}={dtype}")));
    }
    refused.dedup();
    refused
}

/// Hands its inputs on, in order.
struct Forward;

impl OpKernel for Forward {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        for idx in 0..cx.n_inputs() {
            let value = cx.take_value(idx)?;
            cx.set_output(idx, value)?;
        }
        Ok(())
    }
}
