//! Graphs back to functions.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};

use flowkeep_proto::pb;
use flowkeep_proto::pb::function_def::ArgAttrs;

use super::{Function, FunctionBody};
use crate::op_def::{OpDef, Ports};
use crate::{Error, Node, NodeId, Output};

impl Function {
    /// The function of this name with this body.
    ///
    /// Arguments are named as the body's nodes of op `_Arg`, results and control results as the body
    /// says. The underscore attributes of the `_Arg` nodes become those of the arguments.
    ///
    /// Errors: `INVALID_ARGUMENT` when arguments or results are no such nodes, or two of them share a
    /// name; and when an output of an unknown op is used, since its name is not known.
    pub fn from_body(name: &str, body: &FunctionBody) -> Result<Function, Error> {
        Store { name, body, ports: HashMap::new() }.function(None)
    }

    /// This function with another name and another body, as it is after an edit.
    ///
    /// What else is stored of it, attributes and descriptions, stays. A list of arguments becomes
    /// single ones, and attributes of the signature, which the body has the values of, go.
    ///
    /// Errors: as [`Function::from_body`].
    pub fn with_body(&self, name: &str, body: &FunctionBody) -> Result<Function, Error> {
        Store { name, body, ports: HashMap::new() }.function(Some(&self.def()))
    }
}

struct Store<'a> {
    name: &'a str,
    body: &'a FunctionBody,
    /// The outputs of nodes that have lists of them.
    ports: HashMap<NodeId, Ports>,
}

impl<'a> Store<'a> {
    fn function(mut self, old: Option<&pb::FunctionDef>) -> Result<Function, Error> {
        let body = self.body;
        let mut def =
            pb::FunctionDef { signature: Some(self.signature(old)?), ..Default::default() };
        if let Some(old) = old {
            def.attr = old.attr.clone();
            def.resource_arg_unique_id = old.resource_arg_unique_id.clone();
        }
        for (idx, id) in (0u32..).zip(&body.args) {
            let attrs = self.node(*id)?.attrs().iter().filter(|(name, _)| name.starts_with('_'));
            let attr: BTreeMap<_, _> =
                attrs.map(|(name, attr)| (name.to_owned(), attr.to_proto())).collect();
            if !attr.is_empty() {
                def.arg_attr.insert(idx, ArgAttrs { attr });
            }
        }
        let args: HashSet<NodeId> = body.args.iter().copied().collect();
        for (id, node) in body.graph.iter() {
            if !is_arg(node) {
                def.node_def.push(self.node_def(node)?);
            } else if !args.contains(&id) {
                return Err(self.error(format!("{} is no argument", node.name())));
            }
        }
        for (name, ret) in body.ret_names.iter().zip(&body.rets) {
            def.ret.insert(name.to_string(), self.tensor(*ret)?);
        }
        for (name, id) in body.control_ret_names.iter().zip(&body.control_rets) {
            def.control_ret.insert(name.to_string(), self.node(*id)?.name().to_owned());
        }
        Ok(Function::new(def))
    }

    fn signature(&self, old: Option<&pb::FunctionDef>) -> Result<pb::OpDef, Error> {
        let body = self.body;
        let mut signature = old.and_then(|old| old.signature.clone()).unwrap_or_default();
        signature.name = self.name.to_owned();
        signature.attr.clear();
        signature.is_stateful = body.graph.nodes().iter().any(|node| self.is_stateful(node));
        let mut args = Vec::with_capacity(body.args.len());
        for id in &body.args {
            let node = self.node(*id)?;
            let dtype = node.output_dtype(0).filter(|_| is_arg(node));
            let dtype =
                dtype.ok_or_else(|| self.error(format!("{} is no argument", node.name())))?;
            args.push((node.name(), dtype.number()));
        }
        signature.input_arg = self.arg_defs(signature.input_arg, &args)?;
        let mut rets = Vec::with_capacity(body.rets.len());
        for (name, ret) in body.ret_names.iter().zip(&body.rets) {
            let node = self.node(ret.node)?;
            let dtype = node.output_dtype(ret.index).ok_or_else(|| self.unnamed(node, *ret))?;
            rets.push((&**name, dtype.number()));
        }
        if body.ret_names.len() != body.rets.len()
            || body.control_ret_names.len() != body.control_rets.len()
        {
            return Err(self.error("each result has one name".to_owned()));
        }
        signature.output_arg = self.arg_defs(signature.output_arg, &rets)?;
        let is_listed =
            |name: &String| body.control_ret_names.iter().any(|other| **other == **name);
        signature.control_output.retain(is_listed);
        for name in &body.control_ret_names {
            if !signature.control_output.iter().any(|other| **other == **name) {
                signature.control_output.push(name.to_string());
            }
        }
        Ok(signature)
    }

    /// Definitions of these names and types; what else the old one of a name says is kept.
    fn arg_defs(
        &self,
        old: Vec<pb::op_def::ArgDef>,
        args: &[(&str, i32)],
    ) -> Result<Vec<pb::op_def::ArgDef>, Error> {
        let mut old: HashMap<String, pb::op_def::ArgDef> =
            old.into_iter().map(|def| (def.name.clone(), def)).collect();
        let mut defs: Vec<pb::op_def::ArgDef> = Vec::with_capacity(args.len());
        let mut seen = HashSet::with_capacity(args.len());
        for (name, dtype) in args {
            if !seen.insert(*name) {
                return Err(self.error(format!("Duplicated arg name: {name}")));
            }
            let mut def = old.remove(*name).unwrap_or_default();
            if def.r#type != *dtype {
                def.handle_data.clear();
                def.experimental_full_type = None;
            }
            def.name = (*name).to_owned();
            def.r#type = *dtype;
            def.type_attr.clear();
            def.number_attr.clear();
            def.type_list_attr.clear();
            defs.push(def);
        }
        Ok(defs)
    }

    fn node_def(&mut self, node: &Node) -> Result<pb::NodeDef, Error> {
        let mut def = self.body.graph.node_def(node);
        for (text, input) in def.input.iter_mut().zip(node.inputs()) {
            *text = self.tensor(*input)?;
        }
        Ok(def)
    }

    /// The tensor's name inside of the function.
    fn tensor(&mut self, output: Output) -> Result<String, Error> {
        let body = self.body;
        let node = self.node(output.node)?;
        if is_arg(node) {
            return Ok(node.name().to_owned());
        }
        let place = match node.signature(body.graph.library()) {
            Some(signature) => self.place(signature, node, output)?,
            None => None,
        };
        match place {
            Some((arg, at)) => Ok(format!("{}:{arg}:{at}", node.name())),
            None => Err(self.unnamed(node, output)),
        }
    }

    /// The result of the op that an output belongs to, and its place in that.
    fn place<'b>(
        &mut self,
        signature: &'b OpDef,
        node: &Node,
        output: Output,
    ) -> Result<Option<(&'b str, usize)>, Error> {
        let Ok(index) = usize::try_from(output.index) else { return Ok(None) };
        if !signature.outputs.iter().any(|arg| arg.is_list()) {
            return Ok(signature.outputs.get(index).map(|arg| (&*arg.name, 0)));
        }
        let ports = match self.ports.entry(output.node) {
            Entry::Occupied(ports) => ports.into_mut(),
            Entry::Vacant(place) => place.insert(signature.output_ports(node.attrs())?),
        };
        Ok(signature.outputs.iter().enumerate().find_map(|(arg_idx, arg)| {
            let range = ports.range(arg_idx).filter(|range| range.contains(&index))?;
            Some((&*arg.name, index - range.start))
        }))
    }

    fn is_stateful(&self, node: &Node) -> bool {
        !is_arg(node)
            && node.signature(self.body.graph.library()).is_some_and(|def| def.is_stateful)
    }

    fn node(&self, id: NodeId) -> Result<&'a Node, Error> {
        self.body.graph.get(id).ok_or_else(|| self.error(format!("there is no node #{}", id.0)))
    }

    fn unnamed(&self, node: &Node, output: Output) -> Error {
        let (name, op, index) = (node.name(), node.op(), output.index);
        self.error(format!(
            "output {index} of {{{{node {name}}}}} has no name: op {op} does not define it"
        ))
    }

    fn error(&self, message: String) -> Error {
        Error::Function { function: self.name.to_owned(), message }
    }
}

fn is_arg(node: &Node) -> bool {
    node.op() == "_Arg"
}
