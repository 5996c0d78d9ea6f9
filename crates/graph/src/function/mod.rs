//! Functions: their signatures, and their bodies once instantiated.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use flowkeep_proto::pb;

use crate::op_def::{ArgDef, OpDef};
use crate::{Attrs, Error, Graph, Library, NewIds, Node, NodeId, Output};

mod body;
mod resolve;
mod store;

/// A function of a graph's library, as stored.
///
/// Nothing of it is checked before it is instantiated.
#[derive(Clone)]
pub struct Function {
    name: Arc<str>,
    def: Arc<pb::FunctionDef>,
    signature: OnceLock<OpDef>,
}

impl Function {
    /// The function of a message.
    pub fn new(def: pb::FunctionDef) -> Function {
        let name = def.signature.as_ref().map_or("", |signature| signature.name.as_str()).into();
        Function { name, def: Arc::new(def), signature: OnceLock::new() }
    }

    /// The function's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The function's name, shared.
    pub fn shared_name(&self) -> &Arc<str> {
        &self.name
    }

    /// The message.
    pub fn def(&self) -> &pb::FunctionDef {
        &self.def
    }

    /// Arguments, results and attributes.
    pub fn signature(&self) -> &OpDef {
        self.signature.get_or_init(|| {
            self.def.signature.as_ref().map_or_else(empty_signature, OpDef::from_proto)
        })
    }

    /// The arguments in order.
    pub fn args(&self) -> &[ArgDef] {
        &self.signature().inputs
    }

    /// The results in order.
    pub fn rets(&self) -> &[ArgDef] {
        &self.signature().outputs
    }

    /// Whether the signature says that calls have effects.
    pub fn is_stateful(&self) -> bool {
        self.def.signature.as_ref().is_some_and(|signature| signature.is_stateful)
    }

    /// The attributes of the function itself, such as `_noinline`.
    pub fn attrs(&self) -> Attrs {
        Attrs::from_proto(self.def.attr.clone())
    }

    /// The function's graph, for a call with these attributes.
    ///
    /// Arguments become nodes of op `_Arg`. The work is done anew at each call: keep the result.
    ///
    /// Errors: `INVALID_ARGUMENT`, with TensorFlow's texts, when the body contradicts itself or an
    /// attribute that it needs is not given.
    pub fn instantiate(
        &self,
        attrs: &Attrs,
        library: &Arc<Library>,
    ) -> Result<Arc<FunctionBody>, Error> {
        body::instantiate(self, attrs, library).map(Arc::new)
    }

    pub(crate) fn arg_attrs(&self, arg: usize) -> Option<&BTreeMap<String, pb::AttrValue>> {
        self.def.arg_attr.get(&u32::try_from(arg).ok()?).map(|attrs| &attrs.attr)
    }

    /// Whether both are the same function, whatever the order of their nodes.
    pub(crate) fn is_same(&self, other: &Function) -> bool {
        if self.def == other.def {
            return true;
        }
        if self.def.node_def.len() != other.def.node_def.len() {
            return false;
        }
        let sorted = |def: &pb::FunctionDef| {
            let mut def = def.clone();
            def.node_def.sort_by(|a, b| a.name.cmp(&b.name));
            def
        };
        sorted(&self.def) == sorted(&other.def)
    }

    fn error(&self, message: String) -> Error {
        Error::Function { function: self.name.to_string(), message }
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Function) -> bool {
        self.def == other.def
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function").field("name", &self.name).finish_non_exhaustive()
    }
}

fn empty_signature() -> OpDef {
    OpDef::from_proto(&pb::OpDef::default())
}

/// A function's graph.
#[derive(Clone, Debug)]
pub struct FunctionBody {
    /// The nodes; the arguments are among them.
    pub graph: Graph,
    /// The node of op `_Arg` of each argument tensor, in order.
    pub args: Vec<NodeId>,
    /// The result tensors, in order.
    pub rets: Vec<Output>,
    /// The names of the result tensors; those of a list are numbered.
    pub ret_names: Vec<Arc<str>>,
    /// Nodes that must have run before a call is complete.
    pub control_rets: Vec<NodeId>,
    /// The names of the control results.
    pub control_ret_names: Vec<Arc<str>>,
}

impl FunctionBody {
    /// The body with this graph, which an edit of its own graph has given.
    ///
    /// Errors: `INVALID_ARGUMENT` when an argument, or the node of a result, was removed.
    pub fn edited(&self, graph: Graph, new_ids: &NewIds) -> Result<FunctionBody, Error> {
        let gone = |id: NodeId| {
            let name = self.graph.get(id).map_or("", Node::name);
            Error::Arguments(format!("node '{name}' is an argument or a result and was removed"))
        };
        let node = |id: &NodeId| new_ids.get(*id).ok_or_else(|| gone(*id));
        let output = |ret: &Output| new_ids.output(*ret).ok_or_else(|| gone(ret.node));
        Ok(FunctionBody {
            graph,
            args: self.args.iter().map(node).collect::<Result<_, _>>()?,
            rets: self.rets.iter().map(output).collect::<Result<_, _>>()?,
            control_rets: self.control_rets.iter().map(node).collect::<Result<_, _>>()?,
            ret_names: self.ret_names.clone(),
            control_ret_names: self.control_ret_names.clone(),
        })
    }
}
