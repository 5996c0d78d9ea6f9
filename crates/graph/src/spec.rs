use std::sync::Arc;

use crate::attr::AttrsBuilder;
use crate::node::Extra;
use crate::{Attr, Node, NodeId, Output};

/// A node that is to be: what [`Graph::add_node`](crate::Graph::add_node) checks and adds.
///
/// ```
/// use flowkeep_graph::{Attr, Graph, NodeSpec};
/// use flowkeep_tensor::DType;
///
/// let mut graph = Graph::new();
/// let x = graph.add_node(NodeSpec::new("x", "Placeholder").attr("dtype", Attr::Type(DType::F32)))?;
/// let y = graph.add_node(NodeSpec::new("y", "Neg").input(x.output(0)).attr("T", Attr::Type(DType::F32)))?;
/// assert_eq!(graph.node(y).inputs(), [x.output(0)]);
/// # Ok::<(), flowkeep_graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct NodeSpec {
    /// The node's name, unique in its graph.
    pub name: Arc<str>,
    /// The op, or the function that is called.
    pub op: Arc<str>,
    /// The data inputs, in order.
    pub inputs: Vec<Output>,
    /// The nodes that must have run before, in any order.
    pub control_inputs: Vec<NodeId>,
    /// The attributes; those that have defaults may be left out.
    pub attrs: AttrsBuilder,
    /// The device that is asked for; empty for none.
    pub device: Arc<str>,
    /// What the node that this is a copy of has beside the above.
    pub(crate) extra: Option<Box<Extra>>,
}

impl NodeSpec {
    /// A node without inputs, attributes and device.
    pub fn new(name: impl Into<Arc<str>>, op: impl Into<Arc<str>>) -> NodeSpec {
        NodeSpec {
            name: name.into(),
            op: op.into(),
            inputs: Vec::new(),
            control_inputs: Vec::new(),
            attrs: AttrsBuilder::default(),
            device: "".into(),
            extra: None,
        }
    }

    /// With one more data input.
    pub fn input(mut self, input: Output) -> NodeSpec {
        self.inputs.push(input);
        self
    }

    /// With more data inputs.
    pub fn inputs(mut self, inputs: impl IntoIterator<Item = Output>) -> NodeSpec {
        self.inputs.extend(inputs);
        self
    }

    /// With one more control input.
    pub fn control_input(mut self, node: NodeId) -> NodeSpec {
        self.control_inputs.push(node);
        self
    }

    /// With more control inputs.
    pub fn control_inputs(mut self, nodes: impl IntoIterator<Item = NodeId>) -> NodeSpec {
        self.control_inputs.extend(nodes);
        self
    }

    /// With this value of an attribute.
    pub fn attr(mut self, name: impl Into<Arc<str>>, attr: Attr) -> NodeSpec {
        self.attrs.set(name, attr);
        self
    }

    /// With this device.
    pub fn device(mut self, device: impl Into<Arc<str>>) -> NodeSpec {
        self.device = device.into();
        self
    }
}

/// A copy of a node, with all that is stored of it; its inputs are those of its own graph.
impl From<&Node> for NodeSpec {
    fn from(node: &Node) -> NodeSpec {
        NodeSpec {
            name: node.name.clone(),
            op: node.op.clone(),
            inputs: node.inputs.to_vec(),
            control_inputs: node.control_inputs.to_vec(),
            attrs: (&node.attrs).into(),
            device: node.device.clone(),
            extra: node.extra.clone(),
        }
    }
}
