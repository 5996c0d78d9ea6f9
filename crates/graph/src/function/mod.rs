//! Functions: their signatures, and their bodies once instantiated.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};

use flowkeep_proto::{pb, stored};
use prost::Message;

use crate::op_def::{ArgDef, OpDef};
use crate::{Attrs, Error, Graph, Library, NewIds, Node, NodeId, Output};

mod body;
mod resolve;
mod store;

use body::Parts;

/// A function of a graph's library, as stored.
///
/// Nothing of it is checked before it is instantiated. One that comes from a file can stay in the
/// bytes of the file until then, where it takes a twelfth of what it takes as a message.
#[derive(Clone)]
pub struct Function {
    name: Arc<str>,
    form: Form,
    signature: OnceLock<OpDef>,
}

/// What there is of a function.
#[derive(Clone)]
enum Form {
    Message(Arc<pb::FunctionDef>),
    Stored(stored::Function),
}

impl Function {
    /// The function of a message.
    pub fn new(def: pb::FunctionDef) -> Function {
        let name = def.signature.as_ref().map_or("", |signature| signature.name.as_str()).into();
        Function { name, form: Form::Message(Arc::new(def)), signature: OnceLock::new() }
    }

    /// The function's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The function's name, shared.
    pub fn shared_name(&self) -> &Arc<str> {
        &self.name
    }

    /// The message; decoded anew at each call when the function is in the bytes of a file.
    pub fn def(&self) -> Cow<'_, pb::FunctionDef> {
        match &self.form {
            Form::Message(def) => Cow::Borrowed(def),
            Form::Stored(stored) => Cow::Owned(stored.decoded()),
        }
    }

    /// Arguments, results and attributes.
    pub fn signature(&self) -> &OpDef {
        let op_def = |signature: Option<&pb::OpDef>| {
            signature.map_or_else(empty_signature, OpDef::from_proto)
        };
        self.signature.get_or_init(|| match &self.form {
            Form::Message(def) => op_def(def.signature.as_ref()),
            Form::Stored(stored) => op_def(stored.signature().as_ref()),
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
        self.signature().is_stateful
    }

    /// The attributes of the function itself, such as `_noinline`.
    pub fn attrs(&self) -> Attrs {
        Attrs::from_proto(match &self.form {
            Form::Message(def) => def.attr.clone(),
            Form::Stored(stored) => stored.attr(),
        })
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
        let body = match &self.form {
            Form::Message(def) => {
                let pb::FunctionDef { arg_attr, ret, control_ret, .. } = &**def;
                let parts = Parts { arg_attr, ret, control_ret };
                body::instantiate(self, &parts, def.node_def.iter().cloned(), attrs, library)
            }
            // A node at a time: all of them as messages would be several times the graph.
            Form::Stored(stored) => {
                let stored::Body { node_def, arg_attr, ret, control_ret } = stored.body();
                let parts = Parts { arg_attr: &arg_attr, ret: &ret, control_ret: &control_ret };
                let nodes = node_def.into_iter();
                // They were checked with the function.
                let nodes = nodes.map(|node| pb::NodeDef::decode(node).unwrap_or_default());
                body::instantiate(self, &parts, nodes, attrs, library)
            }
        };
        body.map(Arc::new)
    }

    /// Whether both are the same function, whatever the order of their nodes.
    pub(crate) fn is_same(&self, other: &Function) -> bool {
        if self == other {
            return true;
        }
        let (this, other) = (self.def(), other.def());
        if this.node_def.len() != other.node_def.len() {
            return false;
        }
        let sorted = |def: Cow<'_, pb::FunctionDef>| {
            let mut def = def.into_owned();
            def.node_def.sort_by(|a, b| a.name.cmp(&b.name));
            def
        };
        sorted(this) == sorted(other)
    }

    fn error(&self, message: String) -> Error {
        Error::Function { function: self.name.to_string(), message }
    }
}

impl From<stored::Function> for Function {
    fn from(stored: stored::Function) -> Function {
        Function {
            name: stored.name().into(),
            form: Form::Stored(stored),
            signature: OnceLock::new(),
        }
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Function) -> bool {
        let is_same_form = match (&self.form, &other.form) {
            (Form::Stored(this), Form::Stored(other)) => this == other,
            (Form::Message(this), Form::Message(other)) => Arc::ptr_eq(this, other),
            _ => false,
        };
        is_same_form || self.def() == other.def()
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
