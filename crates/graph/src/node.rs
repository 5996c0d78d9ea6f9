use std::sync::Arc;

use flowkeep_proto::pb;
use flowkeep_tensor::DType;

use crate::few::Few;
use crate::op_def::{OpDef, PortTypes};
use crate::{Attr, Attrs, Library, PortType};

/// A node of a [`Graph`](crate::Graph), by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The position in [`Graph::nodes`](crate::Graph::nodes).
    pub fn index(self) -> usize {
        // No machine with fewer than 32 bits holds a graph of that size.
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// An output of the node.
    pub fn output(self, index: u32) -> Output {
        Output { node: self, index }
    }
}

/// An output of a node: a tensor of the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Output {
    /// The node.
    pub node: NodeId,
    /// Which of its outputs.
    pub index: u32,
}

/// A node: an instance of an op, or a call of a function by name.
///
/// Its inputs exist and have the types that the op wants, its attributes are those of the op with
/// all defaults filled in. Of an op that the table does not know, nothing is checked.
#[derive(Clone, Debug)]
pub struct Node {
    pub(crate) name: Arc<str>,
    pub(crate) op: Arc<str>,
    pub(crate) def: Option<&'static OpDef>,
    pub(crate) is_stateful: bool,
    pub(crate) inputs: Few<Output, 2>,
    pub(crate) control_inputs: Box<[NodeId]>,
    pub(crate) attrs: Attrs,
    pub(crate) device: Arc<str>,
    pub(crate) input_types: PortTypes,
    pub(crate) output_types: Option<PortTypes>,
    pub(crate) extra: Option<Box<Extra>>,
}

/// What a stored node has that few have and nothing reads.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Extra {
    pub(crate) debug_info: Option<pb::node_def::ExperimentalDebugInfo>,
    pub(crate) full_type: Option<pb::FullTypeDef>,
}

impl Extra {
    /// What there is of it.
    pub(crate) fn new(
        debug_info: Option<pb::node_def::ExperimentalDebugInfo>,
        full_type: Option<pb::FullTypeDef>,
    ) -> Option<Box<Extra>> {
        (debug_info.is_some() || full_type.is_some())
            .then(|| Box::new(Extra { debug_info, full_type }))
    }
}

impl Node {
    /// The node's name, unique in its graph.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The node's name, shared.
    pub fn shared_name(&self) -> &Arc<str> {
        &self.name
    }

    /// The op, or the function that is called.
    pub fn op(&self) -> &str {
        &self.op
    }

    /// The op, shared.
    pub fn shared_op(&self) -> &Arc<str> {
        &self.op
    }

    /// TensorFlow's definition of the op; `None` for calls of functions by name, and for ops that
    /// TensorFlow does not have.
    pub fn def(&self) -> Option<&'static OpDef> {
        self.def
    }

    /// The definition of the op, perhaps of one that `library` defines, or the signature of the function
    /// that is called.
    pub fn signature<'a>(&self, library: &'a Library) -> Option<&'a OpDef> {
        match self.def {
            Some(def) => Some(def),
            None => library
                .get(&self.op)
                .map(|function| function.signature())
                .or_else(|| library.op(&self.op)),
        }
    }

    /// The data inputs, in order.
    pub fn inputs(&self) -> &[Output] {
        &self.inputs
    }

    /// The nodes that must have run before, each once.
    pub fn control_inputs(&self) -> &[NodeId] {
        &self.control_inputs
    }

    /// The attributes, defaults included.
    pub fn attrs(&self) -> &Attrs {
        &self.attrs
    }

    /// The value of an attribute.
    pub fn attr(&self, name: &str) -> Option<&Attr> {
        self.attrs.get(name)
    }

    /// The names of the nodes that `_class` asks to be on the same device as.
    pub fn colocation(&self) -> impl Iterator<Item = &str> {
        let classes = self.attr(CLASS).and_then(Attr::as_strs).unwrap_or_default();
        classes.iter().filter_map(|class| colocation_target(class))
    }

    /// The device that is asked for, perhaps partly; empty when none is.
    pub fn device(&self) -> &str {
        &self.device
    }

    /// The types that the op wants of its data inputs; empty for unknown ops.
    ///
    /// What is fed may be a reference where a value is wanted, see [`PortType::accepts`].
    pub fn input_types(&self) -> &[PortType] {
        &self.input_types
    }

    /// The types of the outputs; `None` for unknown ops.
    pub fn output_types(&self) -> Option<&[PortType]> {
        self.output_types.as_deref()
    }

    /// The number of outputs; `None` for unknown ops.
    pub fn n_outputs(&self) -> Option<usize> {
        self.output_types.as_ref().map(|types| types.len())
    }

    /// The data type of an output; `None` if there is no such output, and for unknown ops.
    pub fn output_dtype(&self, index: u32) -> Option<DType> {
        let types = self.output_types.as_ref()?;
        types.get(usize::try_from(index).ok()?).map(|port| port.dtype)
    }

    /// Whether this is an instance of a stateful op.
    pub fn is_stateful(&self) -> bool {
        self.is_stateful
    }

    /// Whether the op is Merge or a variant of it, which may be fed from behind.
    pub fn is_merge(&self) -> bool {
        is_merge(&self.op)
    }

    /// Whether the op is NextIteration or its variant for references.
    pub fn is_next_iteration(&self) -> bool {
        is_next_iteration(&self.op)
    }
}

/// The attribute that lists groups of nodes that share a device.
pub(crate) const CLASS: &str = "_class";

/// The node that an element `loc:@node` of `_class` names.
pub(crate) fn colocation_target(class: &[u8]) -> Option<&str> {
    std::str::from_utf8(class.strip_prefix(b"loc:@")?).ok()
}

pub(crate) fn is_merge(op: &str) -> bool {
    matches!(op, "Merge" | "RefMerge" | "_XlaMerge")
}

pub(crate) fn is_next_iteration(op: &str) -> bool {
    matches!(op, "NextIteration" | "RefNextIteration")
}
