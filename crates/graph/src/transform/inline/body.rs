//! One call, and the nodes that take its place.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use flowkeep_proto::pb;

use super::{CallKind, Keep, Replaced, device};
use crate::node::{CLASS, Extra, colocation_target};
use crate::transform::reach::unused_name;
use crate::{Attr, AttrList, FunctionBody, GraphEdit, Node, NodeId, NodeSpec, Output};

/// Puts the body of `function` in the place of the call `id`.
pub(super) fn inline(
    edit: &mut GraphEdit,
    replaced: &mut Replaced,
    id: NodeId,
    function: &Arc<str>,
    kind: CallKind,
    body: &FunctionBody,
    keep: Keep,
) {
    let Some(call) = edit.node(id).cloned() else { return };
    let caller = replaced.inside.get(&id).copied();
    let chain = replaced.chain.len();
    replaced.chain.push((function.clone(), caller));
    let mut inlining =
        Inlining { edit, replaced, call, kind, chain, function, names: HashMap::new() };

    let start = inlining.start();
    let args = inlining.args(body, start);
    let nodes = inlining.nodes(body, &args, start);
    let rets = inlining.rets(body, &nodes);
    let waits = inlining.is_waited_for(id);
    let done = (waits || keep != Keep::Nothing).then(|| inlining.done(body, &nodes, &rets, start));
    inlining.replace_call(id, body, &rets, done, keep);
}

struct Inlining<'a> {
    edit: &'a mut GraphEdit,
    replaced: &'a mut Replaced,
    call: Node,
    kind: CallKind,
    /// The entry of this call in the chain of calls.
    chain: usize,
    function: &'a Arc<str>,
    /// The new names of the arguments and the nodes of the body.
    names: HashMap<Arc<str>, Arc<str>>,
}

/// What the nodes of the body became.
struct Nodes(Vec<Option<NodeId>>);

impl Nodes {
    fn get(&self, id: NodeId) -> Option<NodeId> {
        self.0.get(id.index()).copied().flatten()
    }

    fn output(&self, output: Output) -> Option<Output> {
        self.get(output.node).map(|node| Output { node, ..output })
    }
}

impl Inlining<'_> {
    /// A name for one of the nodes around the body: `Func/call/role/_7`.
    fn new_name(&mut self, role: &str) -> Arc<str> {
        let n = self.replaced.n_names;
        self.replaced.n_names += 1;
        unused_name(self.edit, &format!("Func/{}/{role}/_{n}", self.call.name()))
    }

    fn add(&mut self, spec: NodeSpec) -> NodeId {
        let id = self.edit.add(spec);
        self.replaced.inside.insert(id, self.chain);
        id
    }

    /// The node, colocated with another one.
    fn beside(&self, spec: NodeSpec, id: NodeId) -> NodeSpec {
        match self.edit.node(id) {
            Some(node) => spec.attr(CLASS, class_of(node.name())),
            None => spec,
        }
    }

    /// The node that all of the body waits for, if the call waits for something.
    fn start(&mut self) -> Option<NodeId> {
        if self.call.control_inputs().is_empty() {
            return None;
        }
        let spec = NodeSpec::new(self.new_name("input_control_node"), "NoOp")
            .control_inputs(self.call.control_inputs().iter().copied())
            .device(self.call.device());
        Some(self.add(spec))
    }

    /// An Identity for each argument.
    fn args(&mut self, body: &FunctionBody, start: Option<NodeId>) -> Vec<NodeId> {
        let inputs = self.call.inputs().to_vec();
        let mut args = Vec::with_capacity(inputs.len());
        for (arg, input) in body.args.iter().zip(inputs) {
            let arg = body.graph.node(*arg);
            let mut spec = NodeSpec::new(self.new_name("input"), "Identity").input(input);
            if let Some(dtype) = arg.output_dtype(0) {
                spec = spec.attr("T", Attr::Type(dtype));
            }
            let source = self.edit.node(input.node);
            spec.device = match (self.kind, source) {
                (CallKind::Partitioned, Some(source)) => source.device().into(),
                _ => self.call.device().into(),
            };
            if self.kind == CallKind::Partitioned {
                spec = self.beside(spec, input.node);
            }
            self.names.insert(arg.shared_name().clone(), spec.name.clone());
            let id = self.add(spec.control_inputs(start));
            args.push(id);
        }
        args
    }

    /// The nodes of the body.
    fn nodes(&mut self, body: &FunctionBody, args: &[NodeId], start: Option<NodeId>) -> Nodes {
        let graph = &body.graph;
        let mut new_ids = vec![None; graph.len()];
        for (arg, id) in body.args.iter().zip(args) {
            if let Some(place) = new_ids.get_mut(arg.index()) {
                *place = Some(*id);
            }
        }
        // Ids are given out first, since loops have edges that lead back.
        let mut next = self.edit.next_id();
        for (id, node) in graph.iter() {
            let place = new_ids.get_mut(id.index()).filter(|place| place.is_none());
            let Some(place) = place else { continue };
            *place = Some(next);
            next = NodeId(next.0 + 1);
            let name = format!("{}/{}", self.call.name(), node.name());
            self.names.insert(node.shared_name().clone(), unused_name(self.edit, &name));
        }
        let nodes = Nodes(new_ids);
        let is_arg = |id: NodeId| body.args.contains(&id);
        for (id, node) in graph.iter().filter(|(id, _)| !is_arg(*id)) {
            debug_assert_eq!(nodes.get(id), Some(self.edit.next_id()));
            let mut spec = NodeSpec::from(node);
            spec.name = self.names.get(node.name()).cloned().unwrap_or(spec.name);
            spec.inputs = node.inputs().iter().filter_map(|input| nodes.output(*input)).collect();
            spec.control_inputs =
                node.control_inputs().iter().filter_map(|source| nodes.get(*source)).collect();
            let is_call = is_call(node);
            if spec.control_inputs.is_empty() && (spec.inputs.is_empty() || is_call) {
                spec.control_inputs.extend(start);
            }
            spec.device = match self.kind {
                CallKind::Partitioned => device::merge(node.device(), self.call.device()),
                CallKind::ByName => self.call.device().into(),
            };
            self.rename_class(node, &mut spec);
            if matches!(node.op(), "Enter" | "RefEnter")
                && let Some(frame) = node.attr("frame_name").and_then(Attr::as_str)
            {
                let name = [self.call.name().as_bytes(), b"/", frame].concat();
                spec = spec.attr("frame_name", Attr::Str(name.into()));
            }
            self.note_origin(node, &mut spec);
            self.add(spec);
        }
        nodes
    }

    /// Lets `_class` name the nodes that there are now.
    fn rename_class(&self, node: &Node, spec: &mut NodeSpec) {
        let Some(classes) = node.attr(CLASS).and_then(Attr::as_strs) else { return };
        let classes: Arc<[Bytes]> = classes
            .iter()
            .map(|class| match colocation_target(class).and_then(|name| self.names.get(name)) {
                Some(name) => format!("loc:@{name}").into(),
                None => class.clone(),
            })
            .collect();
        spec.attrs.set(CLASS, Attr::List(AttrList::Str(classes)));
    }

    /// Notes which node of which function this was.
    fn note_origin(&self, node: &Node, spec: &mut NodeSpec) {
        let debug_info = pb::node_def::ExperimentalDebugInfo {
            original_node_names: vec![node.name().to_owned()],
            original_func_names: vec![self.function.to_string()],
        };
        let extra = spec.extra.take();
        let full_type = extra.as_ref().and_then(|extra| extra.full_type.clone());
        let debug_info = extra.and_then(|extra| extra.debug_info).unwrap_or(debug_info);
        spec.extra = Extra::new(Some(debug_info), full_type);
    }

    /// An Identity for each result.
    fn rets(&mut self, body: &FunctionBody, nodes: &Nodes) -> Vec<NodeId> {
        let mut rets = Vec::with_capacity(body.rets.len());
        for ret in &body.rets {
            let Some(source) = nodes.output(*ret) else { continue };
            let mut spec = NodeSpec::new(self.new_name("output"), "Identity").input(source);
            if let Some(dtype) = body.graph.node(ret.node).output_dtype(ret.index) {
                spec = spec.attr("T", Attr::Type(dtype));
            }
            match self.kind {
                CallKind::Partitioned => spec = self.beside(spec, source.node),
                CallKind::ByName => spec.device = self.call.device().into(),
            }
            rets.push(self.add(spec));
        }
        rets
    }

    fn is_waited_for(&mut self, id: NodeId) -> bool {
        self.edit.consumers(id).into_iter().any(|user| {
            self.edit.node(user).is_some_and(|node| node.control_inputs().contains(&id))
        })
    }

    /// The node that is over when the call is.
    fn done(
        &mut self,
        body: &FunctionBody,
        nodes: &Nodes,
        rets: &[NodeId],
        start: Option<NodeId>,
    ) -> NodeId {
        let mut spec =
            NodeSpec::new(self.new_name("output_control_node"), "NoOp").device(self.call.device());
        match self.kind {
            CallKind::Partitioned => spec
                .control_inputs
                .extend(body.control_rets.iter().filter_map(|ret| nodes.get(*ret))),
            CallKind::ByName => spec.control_inputs.extend(rets),
        }
        if spec.control_inputs.is_empty() {
            spec.control_inputs.extend(start);
        }
        self.add(spec)
    }

    fn replace_call(
        &mut self,
        id: NodeId,
        body: &FunctionBody,
        rets: &[NodeId],
        done: Option<NodeId>,
        keep: Keep,
    ) {
        for (index, ret) in (0u32..).zip(rets) {
            self.edit.replace_output(id.output(index), ret.output(0));
            self.replaced.outputs.insert(id.output(index), ret.output(0));
        }
        let done_nodes: Vec<NodeId> = done.into_iter().collect();
        self.edit.replace_control(id, &done_nodes);
        if keep == Keep::Nothing {
            self.edit.remove(id);
            return;
        }
        let name = self.call.shared_name().clone();
        let mut spec = match (keep, rets) {
            (Keep::Target, _) | (_, []) => NodeSpec::new(name, "NoOp"),
            (_, rets) => {
                let types = body.rets.iter();
                let types =
                    types.filter_map(|ret| body.graph.node(ret.node).output_dtype(ret.index));
                NodeSpec::new(name, "IdentityN")
                    .attr("T", Attr::List(AttrList::Type(types.collect())))
                    .inputs(rets.iter().map(|ret| ret.output(0)))
            }
        };
        spec.device = self.call.device().into();
        self.edit.replace(id, spec.control_inputs(done));
    }
}

fn class_of(name: &str) -> Attr {
    Attr::List(AttrList::Str([Bytes::from(format!("loc:@{name}"))].into()))
}

/// Whether a node calls a function, so that nodes of that may have to be held back.
fn is_call(node: &Node) -> bool {
    matches!(node.op(), "PartitionedCall" | "StatefulPartitionedCall" | "SymbolicGradient")
        || node.def().is_none() && node.output_types().is_some()
}
