//! Graph nodes become steps; a call becomes the steps of its function's body.
//!
//! Calls are no kernels: a body's steps are scheduled with everything else, or invoked by the
//! executor, so that a call never holds a thread while it waits.

use std::collections::HashMap;
use std::sync::Arc;

use flowkeep_graph::{FuncRef, Graph, Library, Node, NodeId, Output};
use flowkeep_tensor::Code;

use crate::Error;
use crate::kernel::Fusion;
use crate::plan::call::{BodyRef, Call};
use crate::plan::frames::Entrance;
use crate::plan::kernels::Kernels;
use crate::plan::prune::Needed;
use crate::plan::schedule::{Draft, Source};
use crate::plan::{InputKind, Invoke, Plan, Route, Work};

/// Steps of one plan, at most: functions that call each other twice at every level grow without
/// end.
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
    /// Whether the caller has dead values or frames.
    pub(super) is_strict: bool,
}

/// What the nodes of a body became.
pub(super) struct Values<'a> {
    bound: &'a HashMap<Output, Source>,
    nodes: Vec<Option<Expanded>>,
}

pub(super) enum Expanded {
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
        self.find(output).ok_or_else(|| {
            Error::request(Code::Internal, "an input comes from a node that is not planned")
        })
    }

    fn find(&self, output: Output) -> Option<Source> {
        if let Some(source) = self.bound.get(&output) {
            return Some(*source);
        }
        let port = output.index as usize;
        match self.nodes[output.node.index()].as_ref()? {
            Expanded::Step(step) => Some(Source::Step { step: *step, port }),
            Expanded::Call { returns, .. } => returns.get(port).copied(),
        }
    }

    /// The step after which `node` has run, if it is one that takes time at all.
    pub(super) fn done(&self, node: NodeId) -> Option<usize> {
        match &self.nodes[node.index()] {
            Some(Expanded::Step(step)) => Some(*step),
            Some(Expanded::Call { done, .. }) => *done,
            None => None,
        }
    }
}

/// Collects the steps of a plan.
pub(super) struct Expander<'a> {
    /// The functions that nodes of the body at hand may call.
    pub(super) library: Arc<Library>,
    kernels: Kernels<'a>,
    /// The steps of the body at hand.
    pub(super) drafts: Vec<Draft>,
    /// The steps of all bodies.
    n_steps: usize,
    pub(super) bodies: Vec<Option<Plan>>,
    /// The functions that are being expanded.
    pub(super) stack: Vec<FuncRef>,
    /// The bodies of functions that call themselves.
    pub(super) recursive: Vec<(FuncRef, BodyRef)>,
    pub(super) n_calls: usize,
}

impl<'a> Expander<'a> {
    pub(super) fn new(library: &Arc<Library>, kernels: Kernels<'a>) -> Expander<'a> {
        Expander {
            library: library.clone(),
            kernels,
            drafts: Vec::new(),
            n_steps: 0,
            bodies: Vec::new(),
            stack: Vec::new(),
            recursive: Vec::new(),
            n_calls: 0,
        }
    }

    /// The steps, in an order that respects all edges but those from `NextIteration`, and the
    /// bodies that they invoke.
    ///
    /// Errors: as [`Kernels::finish`].
    pub(super) fn finish(self) -> Result<(Vec<Draft>, Vec<Plan>), Error> {
        self.kernels.finish()?;
        Ok((self.drafts, self.bodies.into_iter().flatten().collect()))
    }

    /// Adds the steps of a body's needed nodes.
    pub(super) fn expand<'b>(&mut self, body: &Body<'b>) -> Result<Values<'b>, Error> {
        let n_nodes = body.graph.nodes().len();
        let mut values = Values { bound: body.bound, nodes: (0..n_nodes).map(|_| None).collect() };
        let has_routes = body.graph.nodes().iter().any(|node| Route::of(node.op()) != Route::Plain);
        let is_strict = body.is_strict || has_routes;
        let mut late = Vec::new();
        for (id, node) in body.graph.iter() {
            let output = Output { node: id, index: 0 };
            let is_argument = node.op() == "_Arg" && body.bound.contains_key(&output);
            if !body.needed.contains(id) || is_argument {
                continue;
            }
            let expanded = self.expand_node(body, &values, id, node, is_strict)?;
            if let (true, Expanded::Step(step)) = (node.is_merge(), &expanded) {
                let inputs = node.inputs().iter().enumerate();
                let missing = inputs.filter(|(_, input)| values.find(**input).is_none());
                late.extend(missing.map(|(idx, input)| (*step, idx, *input)));
            }
            values.nodes[id.index()] = Some(expanded);
        }
        for (step, idx, input) in late {
            self.drafts[step].inputs[idx].0 = values.source(input)?;
        }
        Ok(values)
    }

    fn expand_node(
        &mut self,
        body: &Body<'_>,
        values: &Values<'_>,
        id: NodeId,
        node: &Node,
        is_strict: bool,
    ) -> Result<Expanded, Error> {
        let source = |input: &Output| match values.find(*input) {
            None if node.is_merge() => Ok(Source::Later),
            _ => values.source(*input),
        };
        let mut inputs = node.inputs().iter().map(source).collect::<Result<Vec<_>, _>>()?;
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
            "PartitionedCall" | "StatefulPartitionedCall" | "SymbolicGradient" => {
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
                op: node.op(),
                inputs,
                control_inputs,
                is_awaited: body.needed.is_awaited(id),
                is_strict,
                is_gradient: node.op() == "SymbolicGradient",
            };
            return self.expand_call(&function, runs_all_stateful, call);
        }
        let (work, cheap, is_elementwise, fusion) = match self.invoke(node, &path)? {
            Some(invoke) => {
                self.drop_unread(&invoke, &mut inputs);
                (Work::Invoke(invoke), false, false, Fusion::default())
            }
            None => {
                let found = self.kernels.of(node, &path);
                (Work::Kernel(found.kernel), found.is_cheap, found.is_elementwise, found.fusion)
            }
        };
        let kinds = node
            .input_types()
            .iter()
            .map(|port| if port.is_ref { InputKind::Ref } else { InputKind::Value });
        let (route, entrance) = route(node, body.path)?;
        self.push(Draft {
            name: path.as_str().into(),
            op: node.shared_op().clone(),
            route,
            entrance,
            frame: 0,
            inputs: inputs.into_iter().zip(kinds).collect(),
            control_inputs,
            n_outputs: node.n_outputs().unwrap_or(0),
            cheap,
            is_elementwise,
            fusion,
            is_pure: is_pure(node) && matches!(work, Work::Kernel(_)),
            work,
        })
        .map(Expanded::Step)
    }

    /// What a node of functional control flow invokes; `None` for other nodes.
    fn invoke(&mut self, node: &Node, path: &str) -> Result<Option<Invoke>, Error> {
        let attrs = node.attrs();
        let n_args = node.inputs().len();
        // TensorFlow draws such a node with edges, of which stateful nodes without one fall off.
        let runs_all_stateful = !attrs.bool("_lower_using_switch_merge").unwrap_or(false);
        let mut branch = |function: &FuncRef, role: &str, n_args: usize, n_returns: usize| {
            let path_of = format!("{path}/{role}");
            let body = self.body(function, &path_of, runs_all_stateful, n_args)?;
            if body.n_returns == n_returns {
                return Ok(body.idx);
            }
            let message = format!(
                "function {} returns {} values, node {path} wants {n_returns}",
                function.name, body.n_returns
            );
            Err(Error::request(Code::InvalidArgument, message))
        };
        let n_outputs = node.n_outputs().unwrap_or(0);
        Ok(Some(match node.op() {
            "If" | "StatelessIf" => Invoke::If {
                then_body: branch(attrs.func("then_branch")?, "then", n_args - 1, n_outputs)?,
                else_body: branch(attrs.func("else_branch")?, "else", n_args - 1, n_outputs)?,
            },
            "Case" | "StatelessCase" => {
                let branches = attrs.funcs("branches")?.iter().enumerate();
                let bodies = branches.map(|(idx, function)| {
                    branch(function, &format!("branch{idx}"), n_args - 1, n_outputs)
                });
                Invoke::Case(bodies.collect::<Result<_, _>>()?)
            }
            "While" | "StatelessWhile" => Invoke::While {
                cond: branch(attrs.func("cond")?, "cond", n_args, 1)?,
                body: branch(attrs.func("body")?, "body", n_args, n_args)?,
            },
            _ => return Ok(None),
        }))
    }

    /// Has the condition stand in for arguments that no branch reads, so that nothing need compute them:
    /// TensorFlow prunes what leads to them.
    fn drop_unread(&self, invoke: &Invoke, inputs: &mut [Source]) {
        let (Invoke::If { .. } | Invoke::Case(_), Some((&mut condition, arguments))) =
            (invoke, inputs.split_first_mut())
        else {
            return;
        };
        let bodies = invoke.bodies();
        for (idx, argument) in arguments.iter_mut().enumerate() {
            // Who calls itself and is not yet there may read all.
            let reads = |body: &usize| match self.bodies.get(*body) {
                Some(Some(plan)) => plan.feeds.get(idx).is_none_or(|feed| !feed.is_empty()),
                _ => true,
            };
            if !bodies.iter().any(reads) {
                *argument = condition;
            }
        }
    }

    pub(super) fn push(&mut self, draft: Draft) -> Result<usize, Error> {
        self.n_steps += 1;
        if self.n_steps > MAX_STEPS {
            let message = format!("the functions expand to more than {MAX_STEPS} nodes");
            return Err(Error::request(Code::ResourceExhausted, message));
        }
        self.drafts.push(draft);
        Ok(self.drafts.len() - 1)
    }
}

/// Whether a node does nothing but compute its outputs from its inputs.
fn is_pure(node: &Node) -> bool {
    let mut ports = node.input_types().iter().chain(node.output_types().unwrap_or(&[]));
    !node.is_stateful() && ports.all(|port| !port.is_ref)
}

/// How the values of a node travel, and the loop that it leads into.
fn route(node: &Node, path: &str) -> Result<(Route, Option<Entrance>), Error> {
    let Route::Enter { frame, .. } = Route::of(node.op()) else {
        return Ok((Route::of(node.op()), None));
    };
    let attrs = node.attrs();
    let name = String::from_utf8_lossy(attrs.str("frame_name")?);
    let entrance = Entrance {
        // Two calls of one function have a frame each.
        frame: if path.is_empty() { name.into() } else { format!("{path}/{name}").into() },
        parallel_iterations: usize::try_from(attrs.int("parallel_iterations")?).unwrap_or(1).max(1),
    };
    Ok((Route::Enter { frame, is_constant: attrs.bool("is_constant")? }, Some(entrance)))
}
