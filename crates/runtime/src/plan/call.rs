//! Calls: a function's body becomes steps in place, or a body of the plan that a step invokes.
//!
//! What a call in place promises is kept by edges:
//!
//! - control inputs of the call hold back the body: a `start` step precedes every node of the body
//!   that depends on none of its other nodes;
//! - the call is over when its returns *and* control returns are: a `return` step hands the values
//!   on after both;
//! - where values can be dead or loops have frames, `start` takes the arguments too, so that the
//!   whole body is dead, or in a frame, when one of them is.
//!
//! A function that is being expanded already calls itself; it becomes a body.

use std::collections::HashMap;
use std::sync::Arc;

use flowkeep_graph::{FuncRef, FunctionBody, Node, NodeId, Output};
use flowkeep_tensor::Code;

use crate::Error;
use crate::kernel::Fusion;
use crate::plan::expand::{Body, Expanded, Expander, Values};
use crate::plan::kernels::Forward;
use crate::plan::prune::Needed;
use crate::plan::schedule::{Draft, Fetch, Source, schedule};
use crate::plan::{InputKind, Invoke, Route, Work};

/// Calls within calls that are expanded in place, at most.
const MAX_DEPTH: usize = 64;
/// Calls of one plan, at most: functions that call each other twice at every level grow without
/// end.
const MAX_CALLS: usize = 1 << 16;

/// A call's node: its path and edges.
pub(super) struct Call<'a> {
    pub(super) path: &'a str,
    pub(super) op: &'a str,
    pub(super) inputs: Vec<Source>,
    pub(super) control_inputs: Vec<usize>,
    pub(super) is_awaited: bool,
    /// Whether the arguments must all have arrived, alive, before anything of the body runs.
    pub(super) is_strict: bool,
    /// Whether it is not the function that is called, but its gradient.
    pub(super) is_gradient: bool,
}

impl Expander<'_> {
    pub(super) fn expand_call(
        &mut self,
        function: &FuncRef,
        runs_all_stateful: bool,
        call: Call<'_>,
    ) -> Result<Expanded, Error> {
        if self.stack.contains(function) && !call.is_gradient {
            let body = self.body(function, call.path, runs_all_stateful, call.inputs.len())?;
            let step = self.push(Draft {
                name: call.path.into(),
                op: call.op.into(),
                work: Work::Invoke(Invoke::Call(body.idx)),
                route: Route::Plain,
                entrance: None,
                frame: 0,
                inputs: call.inputs.into_iter().map(|source| (source, InputKind::Ref)).collect(),
                control_inputs: call.control_inputs,
                n_outputs: body.n_returns,
                cheap: false,
                is_elementwise: false,
                fusion: Fusion::default(),
                is_pure: false,
            })?;
            return Ok(Expanded::Step(step));
        }
        let body = match call.is_gradient {
            true => self.gradient(function, call.path, call.inputs.len())?,
            false => self.instantiate(function, call.path, call.inputs.len())?,
        };
        let graph = &body.graph;
        let (mut inputs, mut start) = (call.inputs, None);
        if call.is_strict && !inputs.is_empty() {
            let step = self.forward(call.path, "start", &inputs, call.control_inputs)?;
            inputs = (0..inputs.len()).map(|port| Source::Step { step, port }).collect();
            start = Some(step);
        } else if !call.control_inputs.is_empty() {
            start = Some(self.forward(call.path, "start", &[], call.control_inputs)?);
        }
        let bound = bind(&body, inputs);
        let (needed, awaited) = needed_of(&body, runs_all_stateful);
        self.stack.push(function.clone());
        let is_strict = call.is_strict;
        let body_graph =
            Body { graph, path: call.path, needed: &needed, bound: &bound, start, is_strict };
        // A gradient may call functions that were made with it.
        let outer = call.is_gradient.then(|| graph.library().clone());
        let outer = outer.map(|library| std::mem::replace(&mut self.library, library));
        let values = self.expand(&body_graph)?;
        if let Some(outer) = outer {
            self.library = outer;
        }
        self.stack.pop();

        let returns =
            body.rets.iter().map(|output| values.source(*output)).collect::<Result<Vec<_>, _>>()?;
        let control_returns = control_returns(&awaited, &values);
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
                Source::Feed(_) | Source::Later => None,
            });
            done = Some(self.forward(call.path, "done", &[], steps.chain(start).collect())?);
        }
        Ok(Expanded::Call { returns, done })
    }

    /// The body of a function as a plan of its own, made anew unless the function calls itself.
    pub(super) fn body(
        &mut self,
        function: &FuncRef,
        path: &str,
        runs_all_stateful: bool,
        n_args: usize,
    ) -> Result<BodyRef, Error> {
        let calls_itself = self.stack.contains(function);
        if let Some((_, body)) =
            self.recursive.iter().find(|(known, _)| calls_itself && known == function)
        {
            return Ok(*body);
        }
        let body = self.instantiate(function, path, n_args)?;
        let made = BodyRef { idx: self.bodies.len(), n_returns: body.rets.len() };
        self.bodies.push(None);
        if calls_itself {
            self.recursive.push((function.clone(), made));
        }
        let args = (0..body.args.len()).map(Source::Feed).collect();
        let bound = bind(&body, args);
        let (needed, _) = needed_of(&body, runs_all_stateful);
        let outer = std::mem::take(&mut self.drafts);
        self.stack.push(function.clone());
        let graph = &body.graph;
        let values = self.expand(&Body {
            graph,
            path,
            needed: &needed,
            bound: &bound,
            start: None,
            is_strict: false,
        })?;
        self.stack.pop();
        let drafts = std::mem::replace(&mut self.drafts, outer);
        let fetch = |(name, output): (&Arc<str>, &Output)| {
            Ok(Fetch { name: name.clone(), source: values.source(*output)? })
        };
        let fetches = body.ret_names.iter().zip(&body.rets).map(fetch);
        let fetches = fetches.collect::<Result<Vec<_>, Error>>()?;
        self.bodies[made.idx] = Some(schedule(drafts, vec![None; n_args], fetches)?);
        Ok(made)
    }

    fn instantiate(
        &mut self,
        function: &FuncRef,
        path: &str,
        n_args: usize,
    ) -> Result<Arc<FunctionBody>, Error> {
        let body = self.found(function)?;
        check_args(&body, &function.name, path, n_args)?;
        Ok(body)
    }

    fn found(&mut self, function: &FuncRef) -> Result<Arc<FunctionBody>, Error> {
        let name = &function.name;
        if self.stack.len() >= MAX_DEPTH {
            let message = format!("function {name}: calls nest deeper than {MAX_DEPTH}");
            return Err(Error::request(Code::Unimplemented, message));
        }
        self.n_calls += 1;
        if self.n_calls > MAX_CALLS {
            let message = format!("the functions expand to more than {MAX_CALLS} calls");
            return Err(Error::request(Code::ResourceExhausted, message));
        }
        let library = &self.library;
        let found = library.get(name).ok_or_else(|| {
            let message = format!("Failed to find function \"{name}\" in function library");
            Error::request(Code::NotFound, message)
        })?;
        Ok(found.instantiate(&function.attrs, library)?)
    }

    /// The gradient of a function: what the library says it is, else what is made of its body.
    fn gradient(
        &mut self,
        function: &FuncRef,
        path: &str,
        n_args: usize,
    ) -> Result<Arc<FunctionBody>, Error> {
        if let Some(gradient) = self.library.gradient(&function.name) {
            let gradient = FuncRef { name: gradient.into(), attrs: function.attrs.clone() };
            return self.instantiate(&gradient, path, n_args);
        }
        let body = self.found(function)?.gradient()?;
        check_args(&body, &function.name, path, n_args)?;
        Ok(Arc::new(body))
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
            work: Work::Kernel(Arc::new(Forward)),
            route: Route::Plain,
            entrance: None,
            frame: 0,
            inputs: inputs.iter().map(|source| (*source, InputKind::Ref)).collect(),
            control_inputs,
            n_outputs: inputs.len(),
            cheap: true,
            is_elementwise: false,
            fusion: Fusion::default(),
            is_pure: true,
        })
    }
}

fn check_args(body: &FunctionBody, name: &str, path: &str, n_args: usize) -> Result<(), Error> {
    let expected = body.args.len();
    if expected != n_args {
        let message =
            format!("function {name} takes {expected} arguments, node {path} passes {n_args}");
        return Err(Error::request(Code::InvalidArgument, message));
    }
    Ok(())
}

/// A body of the plan that is being made.
#[derive(Clone, Copy)]
pub(super) struct BodyRef {
    pub(super) idx: usize,
    pub(super) n_returns: usize,
}

/// Where the values of a body's arguments come from.
fn bind(body: &FunctionBody, inputs: Vec<Source>) -> HashMap<Output, Source> {
    body.args.iter().map(|node| Output { node: *node, index: 0 }).zip(inputs).collect()
}

/// The nodes of a body that run, and those among them that no return takes data from.
fn needed_of(body: &FunctionBody, runs_all_stateful: bool) -> (Needed, Vec<NodeId>) {
    let graph = &body.graph;
    let mut awaited = body.control_rets.to_vec();
    if runs_all_stateful {
        let is_stateful = |node: &Node| node.is_stateful() && node.op() != "_Arg";
        awaited.extend(graph.iter().filter(|(_, node)| is_stateful(node)).map(|(id, _)| id));
    }
    (Needed::of(graph, &body.rets, &awaited, &Default::default()), awaited)
}

fn control_returns(awaited: &[NodeId], values: &Values<'_>) -> Vec<usize> {
    awaited.iter().filter_map(|node| values.done(*node)).collect()
}
