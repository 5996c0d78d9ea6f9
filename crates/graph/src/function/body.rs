//! Bodies of functions to graphs.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use flowkeep_proto::pb;
use flowkeep_proto::pb::function_def::ArgAttrs;

use super::resolve::{Item, Names, arg_node_names};
use super::{Function, FunctionBody};
use crate::graph::node_id;
use crate::import::{Draft, Drafting, Edges, NodeParts, assemble, topological};
use crate::node::Extra;
use crate::{Attr, AttrList, Attrs, Error, FuncRef, Library, NodeId, Output};

/// Function references nest at most this deep; deeper ones cannot be decoded either.
const MAX_DEPTH: usize = 100;

/// What makes a body, beside its nodes.
pub(super) struct Parts<'a> {
    /// The attributes of arguments, by position.
    pub(super) arg_attr: &'a BTreeMap<u32, ArgAttrs>,
    /// The tensor of each result.
    pub(super) ret: &'a BTreeMap<String, String>,
    /// The node of each control result.
    pub(super) control_ret: &'a BTreeMap<String, String>,
}

/// The body of a function with these nodes, each of which is asked for when it is its turn.
pub(super) fn instantiate(
    function: &Function,
    parts: &Parts<'_>,
    nodes: impl ExactSizeIterator<Item = pb::NodeDef>,
    attrs: &Attrs,
    library: &Arc<Library>,
) -> Result<FunctionBody, Error> {
    let attrs = with_defaults(function, attrs);
    let mut body = Body {
        function,
        parts,
        attrs: &attrs,
        library,
        inputs: Vec::with_capacity(nodes.len()),
        drafts: Vec::new(),
        drafting: Drafting::default(),
    };
    let names = body.draft_all(nodes)?;
    let n_args = body.drafts.len() - body.inputs.len();
    let edges = body.link(&names, n_args)?;
    let (ret_names, rets) = body.rets(&names)?;
    let (control_ret_names, control_rets): (Vec<_>, Vec<_>) =
        body.control_rets(&names).into_iter().unzip();

    let order = topological(&edges, |idx| body.drafts.get(idx).map_or("", Draft::op))?;
    let mut position = vec![NodeId(0); order.len()];
    for (idx, id) in order.iter().enumerate() {
        if let Some(position) = position.get_mut(id.index()) {
            *position = node_id(idx);
        }
    }
    let renumbered = |id: NodeId| position.get(id.index()).copied().unwrap_or(id);
    let mut graph = assemble(body.drafts, &edges, &order)?;
    graph.library = library.clone();
    Ok(FunctionBody {
        graph,
        args: (0..n_args).map(|idx| renumbered(node_id(idx))).collect(),
        rets: rets.into_iter().map(|ret| Output { node: renumbered(ret.node), ..ret }).collect(),
        ret_names,
        control_rets: control_rets.into_iter().map(renumbered).collect(),
        control_ret_names,
    })
}

/// The attributes of a call with those that have a default in the signature.
fn with_defaults(function: &Function, attrs: &Attrs) -> Attrs {
    let mut attrs = attrs.clone();
    for def in &function.signature().attrs {
        if let Some(default) = &def.default
            && attrs.get(&def.name).is_none()
        {
            attrs = attrs.with(&def.name, default.clone());
        }
    }
    attrs
}

struct Body<'a> {
    function: &'a Function,
    parts: &'a Parts<'a>,
    attrs: &'a Attrs,
    library: &'a Library,
    /// The inputs of each node, as they are written.
    inputs: Vec<Vec<String>>,
    drafts: Vec<Draft<'a>>,
    drafting: Drafting,
}

impl<'a> Body<'a> {
    /// Drafts the arguments, then the nodes.
    fn draft_all(
        &mut self,
        nodes: impl ExactSizeIterator<Item = pb::NodeDef>,
    ) -> Result<Names, Error> {
        let mut names = Names { items: HashMap::with_capacity(nodes.len()) };
        self.draft_args(&mut names)?;
        for node in nodes {
            let item = Item::Node(node_id(self.drafts.len()));
            let name: Arc<str> = node.name.as_str().into();
            if names.items.insert(name.clone(), item).is_some() {
                return Err(Error::DuplicateNode { node: node.name });
            }
            self.draft_node(name, node)?;
        }
        let mut seen = HashSet::with_capacity(self.drafts.len());
        match self.drafts.iter().find(|draft| !seen.insert(draft.name())) {
            Some(draft) => Err(Error::DuplicateNode { node: draft.name().to_string() }),
            None => Ok(names),
        }
    }

    fn draft_args(&mut self, names: &mut Names) -> Result<(), Error> {
        let function = self.function;
        let signature = function.signature();
        let ports = signature.input_ports(self.attrs)?;
        for (idx, arg) in signature.inputs.iter().enumerate() {
            let types =
                ports.range(idx).and_then(|range| ports.types().get(range)).unwrap_or_default();
            let first = self.drafts.len();
            for (name, port) in arg_node_names(&arg.name, types.len()).into_iter().zip(types) {
                let parts = NodeParts { name, op: "_Arg", device: "".into(), extra: None };
                let index = i64::try_from(self.drafts.len()).unwrap_or(i64::MAX);
                let own = [
                    ("T".to_owned(), Attr::Type(port.dtype)),
                    ("index".to_owned(), Attr::Int(index)),
                ];
                let of_arg = u32::try_from(idx).ok().and_then(|idx| self.parts.arg_attr.get(&idx));
                let stored = of_arg.into_iter().flat_map(|of_arg| &of_arg.attr);
                let stored = stored.filter(|(name, _)| name.starts_with('_'));
                let stored =
                    stored.map(|(name, value)| (name.clone(), Attr::from_proto(value.clone())));
                let attrs: BTreeMap<String, Attr> = own.into_iter().chain(stored).collect();
                self.drafts.push(Draft::new(parts, attrs, self.library, &mut self.drafting)?);
            }
            let item = Item::Arg(node_id(first).0..node_id(self.drafts.len()).0);
            if names.items.insert(Arc::from(&*arg.name), item).is_some() {
                return Err(function.error(format!("Duplicated arg name: {}", arg.name)));
            }
        }
        Ok(())
    }

    fn draft_node(&mut self, name: Arc<str>, node: pb::NodeDef) -> Result<(), Error> {
        if node.op.is_empty() {
            return Err(Error::NoOpType { node: node.name });
        }
        let mut attrs = Vec::with_capacity(node.attr.len());
        for (name, value) in node.attr {
            let attr = Attr::from_proto(value);
            let unbound =
                || self.function.error(format!("Failed to bind all placeholders in {attr}"));
            attrs.push((name, self.substitute(&attr, 0).ok_or_else(unbound)?));
        }
        let parts = NodeParts {
            name,
            op: &node.op,
            device: node.device.as_str().into(),
            extra: Extra::new(node.experimental_debug_info, node.experimental_type),
        };
        self.inputs.push(node.input);
        self.drafts.push(Draft::new(parts, attrs, self.library, &mut self.drafting)?);
        Ok(())
    }

    /// The value with the call's attributes instead of placeholders; `None` when one is not given.
    fn substitute(&self, attr: &Attr, depth: usize) -> Option<Attr> {
        if depth > MAX_DEPTH {
            return None;
        }
        let func = |func: &FuncRef| {
            let attrs = func.attrs.iter();
            let attrs = attrs.map(|(name, attr)| Some((name, self.substitute(attr, depth + 1)?)));
            Some(FuncRef { name: func.name.clone(), attrs: attrs.collect::<Option<Attrs>>()? })
        };
        Some(match attr {
            Attr::Placeholder(name) => self.attrs.get(name)?.clone(),
            Attr::Func(reference) if !reference.attrs.is_empty() => {
                Attr::Func(Arc::new(func(reference)?))
            }
            Attr::List(AttrList::Func(references)) => {
                Attr::List(AttrList::Func(references.iter().map(func).collect::<Option<_>>()?))
            }
            attr => attr.clone(),
        })
    }

    /// Finds the tensors and nodes that inputs name.
    fn link(&mut self, names: &Names, n_args: usize) -> Result<Edges, Error> {
        let mut edges = Edges::with_capacity(self.drafts.len());
        (0..n_args).for_each(|_| edges.finish_node());
        for (node, inputs) in self.inputs.iter().enumerate() {
            for (idx, input) in inputs.iter().enumerate() {
                if let Some(name) = input.strip_prefix('^') {
                    let sources = names.control(name).ok_or_else(|| {
                        let message = format!("input[{idx}] == '{input}', is not found.");
                        self.function.error(message)
                    })?;
                    sources.into_iter().for_each(|source| edges.push_control(source));
                } else {
                    let sources = names.tensors(input, &self.drafts).ok_or_else(|| {
                        let name = self.drafts.get(n_args + node).map_or("", |node| node.name());
                        let message = format!("input {input} is not found: {{{{node {name}}}}}");
                        self.function.error(message)
                    })?;
                    self.drafting.spend(sources.len())?;
                    sources.into_iter().for_each(|source| edges.push_data(source));
                }
            }
            edges.finish_node();
        }
        Ok(edges)
    }

    /// The names and the tensors of the results.
    fn rets(&mut self, names: &Names) -> Result<(Vec<Arc<str>>, Vec<Output>), Error> {
        let signature = self.function.signature();
        let ports = signature.output_ports(self.attrs)?;
        let mut rets = Vec::with_capacity(ports.types().len());
        let mut ret_names = Vec::with_capacity(ports.types().len());
        for (idx, ret) in signature.outputs.iter().enumerate() {
            let source = self.parts.ret.get(&*ret.name);
            let source = source
                .ok_or_else(|| self.function.error(format!("Return {} missing.", ret.name)))?;
            let outputs = names.tensors(source, &self.drafts);
            let outputs = outputs.ok_or_else(|| {
                self.function.error(format!("Return {} -> {source} is not found.", ret.name))
            })?;
            let expected =
                ports.range(idx).and_then(|range| ports.types().get(range)).unwrap_or_default();
            let got: Option<Vec<_>> = outputs.iter().map(|output| self.port(*output)).collect();
            if let Some(got) = got
                && (got.len() != expected.len()
                    || got.iter().zip(expected).any(|(got, want)| got.dtype != want.dtype))
            {
                let list = |ports: &[crate::PortType]| {
                    ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
                };
                return Err(self.function.error(format!(
                    "Invalid ret types {} : {} vs. {}",
                    ret.name,
                    list(expected),
                    list(&got)
                )));
            }
            self.drafting.spend(outputs.len())?;
            ret_names.extend(arg_node_names(&ret.name, outputs.len()));
            rets.extend(outputs);
        }
        Ok((ret_names, rets))
    }

    /// The names and nodes of the control results; one that names no node is ignored, as by
    /// TensorFlow.
    fn control_rets(&self, names: &Names) -> Vec<(Arc<str>, NodeId)> {
        let mut rets = Vec::with_capacity(self.parts.control_ret.len());
        for (name, node) in self.parts.control_ret {
            let name: Arc<str> = name.as_str().into();
            let nodes = names.control(node).into_iter().flatten();
            rets.extend(nodes.map(|node| (name.clone(), node)));
        }
        rets
    }

    fn port(&self, output: Output) -> Option<crate::PortType> {
        self.drafts.get(output.node.index())?.outputs()?.get(output.index)
    }
}
