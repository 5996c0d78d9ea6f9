//! Functions out of the graphs that they were made in, with the names that TensorFlow gives.
//!
//! Source: `graph_to_functiondef.cc`. Results come first, then arguments: both in lower case, with
//! underscores for all but letters and digits. Nodes keep their names as far as these are free.

use std::collections::HashMap;
use std::sync::Arc;

use crate::builder::Scope;
use crate::graph::node_id;
use crate::node::{CLASS, colocation_target};
use crate::{Attr, AttrList, Error, Function, FunctionBody, Graph, Node, NodeId, NodeSpec, Output};

/// What of a graph becomes a function.
pub(super) struct Part<'a> {
    pub(super) scope: &'a Scope,
    pub(super) args: &'a [NodeId],
    pub(super) rets: &'a [Output],
    pub(super) control_rets: &'a [NodeId],
}

impl Part<'_> {
    /// The function of this name with those nodes that `is_in` says, beside its arguments.
    pub(super) fn function(
        &self,
        name: &str,
        is_in: impl Fn(NodeId) -> bool,
    ) -> Result<Function, Error> {
        let scope = self.scope;
        let old = scope.graph();
        let mut names = Names::default();
        let ret_names = self.rets.iter();
        let ret_names = ret_names.map(|ret| names.of_port(&scope.own_name(ret.node)).into());
        let ret_names: Vec<Arc<str>> = ret_names.collect();
        let mut graph = Graph { library: old.library().clone(), ..Graph::new() };
        let mut new_ids: HashMap<NodeId, NodeId> = HashMap::new();
        let mut args = Vec::with_capacity(self.args.len());
        for id in self.args {
            let own_name = scope.own_name(*id);
            let name = names.of_port(&own_name);
            names.given.insert(own_name, name.clone());
            let arg = graph.add_node(self.arg(*id, &name, args.len())?)?;
            // Which may be where a node of another function is.
            let class = old.get(*id).and_then(|node| node.attr(CLASS)).cloned();
            if let Some((node, class)) = graph.nodes.get_mut(arg.index()).zip(class) {
                node.attrs = node.attrs.with(CLASS, class);
                names.colocate(node, scope);
            }
            new_ids.insert(*id, arg);
            args.push(arg);
        }
        // As they were made, whatever comes first now.
        let nodes = (0..).map(node_id).zip(old.nodes());
        let nodes = nodes.filter(|(id, _)| is_in(*id) && !new_ids.contains_key(id));
        let nodes: Vec<(NodeId, &Node)> = nodes.collect();
        for (idx, (id, _)) in nodes.iter().enumerate() {
            new_ids.insert(*id, node_id(args.len() + idx));
            let own_name = scope.own_name(*id);
            let name = names.unique(&own_name);
            names.given.insert(own_name, name);
        }
        let lost = |what: &str| Error::Gradient(format!("function '{name}' lacks {what}"));
        for (id, node) in nodes {
            let mut node = node.clone();
            node.name = names.given(&scope.own_name(id)).into();
            let inputs = node.inputs.iter().map(|input| {
                let id = new_ids.get(&input.node).ok_or_else(|| lost("an input"))?;
                Ok(id.output(input.index))
            });
            let inputs = inputs.collect::<Result<Vec<Output>, Error>>()?;
            node.inputs = inputs.as_slice().into();
            let control_inputs = node.control_inputs.iter();
            let mut control_inputs: Vec<NodeId> =
                control_inputs.filter_map(|id| new_ids.get(id).copied()).collect();
            control_inputs.sort_unstable();
            node.control_inputs = control_inputs.into();
            names.colocate(&mut node, scope);
            graph.by_name.insert(node.name.clone(), node_id(graph.nodes.len()));
            graph.nodes.push(node);
        }
        let rets = self.rets.iter().map(|ret| {
            let id = new_ids.get(&ret.node).ok_or_else(|| lost("a result"))?;
            Ok(id.output(ret.index))
        });
        let control = self.control_rets.iter().filter_map(|id| Some((id, *new_ids.get(id)?)));
        let (control_ret_names, control_rets) =
            control.map(|(old, id)| (Arc::from(scope.own_name(*old)), id)).unzip();
        let body = FunctionBody {
            graph,
            args,
            rets: rets.collect::<Result<_, Error>>()?,
            ret_names,
            control_rets,
            control_ret_names,
        };
        let mut def = Function::from_body(name, &body)?.def().into_owned();
        let context = Attr::Str("kEagerRuntime".into());
        def.attr.insert("_construction_context".to_owned(), context.to_proto());
        Ok(Function::new(def))
    }

    /// An argument, which knows its shape.
    fn arg(&self, id: NodeId, name: &str, index: usize) -> Result<NodeSpec, Error> {
        let tensor = id.output(0);
        let Some((node, dtype)) = self.scope.graph().get(id).zip(self.scope.dtype(tensor)) else {
            return Err(Error::Gradient(format!("argument '{name}' has no type")));
        };
        let index = i64::try_from(index).unwrap_or(i64::MAX);
        let mut spec = NodeSpec::new(name, "_Arg")
            .attr("T", Attr::Type(dtype))
            .attr("index", Attr::Int(index));
        let own = |name: &str| name.starts_with('_') && name != CLASS;
        for (name, attr) in node.attrs().iter().filter(|(name, _)| own(name)) {
            spec = spec.attr(name, attr.clone());
        }
        if dtype != flowkeep_tensor::DType::Resource {
            let shape = self.scope.shape(tensor).clone();
            let shapes = Attr::List(AttrList::Shape([shape].into()));
            spec = spec.attr("_output_shapes", shapes);
        }
        Ok(spec)
    }
}

/// The names within a function.
#[derive(Default)]
struct Names {
    /// By name: the number to try when it is asked for again.
    used: HashMap<String, u64>,
    /// By the name that a node had.
    given: HashMap<String, String>,
}

impl Names {
    /// The name of an argument or a result after its node.
    fn of_port(&mut self, node: &str) -> String {
        let letters = node.trim_start_matches(|first: char| !first.is_ascii_alphabetic());
        let name: String = letters
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
            .collect();
        self.unique(if name.is_empty() { "unknown" } else { &name })
    }

    fn unique(&mut self, name: &str) -> String {
        let Some(mut number) = self.used.get(name).copied() else {
            self.used.insert(name.to_owned(), 0);
            return name.to_owned();
        };
        loop {
            let candidate = format!("{name}_{number}");
            number += 1;
            if !self.used.contains_key(&candidate) {
                self.used.insert(name.to_owned(), number);
                self.used.insert(candidate.clone(), 0);
                return candidate;
            }
        }
    }

    fn given<'a>(&'a self, name: &'a str) -> &'a str {
        self.given.get(name).map_or(name, String::as_str)
    }

    /// Lets `_class` name nodes as they are named in the function.
    fn colocate(&self, node: &mut Node, scope: &Scope) {
        let Some(classes) = node.attr(CLASS).and_then(Attr::as_strs) else { return };
        let prefix = scope.capturing.as_deref().map_or("", |capturing| &*capturing.prefix);
        let renamed = classes.iter().map(|class| match colocation_target(class) {
            Some(target) => match target.strip_prefix(prefix) {
                Some(own) => format!("loc:@{}", self.given(own)).into_bytes().into(),
                None => class.clone(),
            },
            None => class.clone(),
        });
        let renamed = Attr::List(AttrList::Str(renamed.collect()));
        node.attrs = node.attrs.with(CLASS, renamed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_ports_are_words_and_nodes_make_way_for_them() {
        let mut names = Names::default();
        for (node, port) in [
            ("gradients/Tanh_grad/TanhGrad/Tanh", "gradients_tanh_grad_tanhgrad_tanh"),
            ("Placeholder", "placeholder"),
            ("Placeholder_1", "placeholder_1"),
            ("0/Identity", "identity"),
            ("placeholder", "placeholder_0"),
            ("_1", "unknown"),
        ] {
            assert_eq!(names.of_port(node), port);
        }
        assert_eq!(names.unique("identity"), "identity_0");
        assert_eq!(names.unique("Identity"), "Identity");
    }
}
