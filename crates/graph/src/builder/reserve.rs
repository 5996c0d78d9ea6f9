//! Nodes that are made later than TensorFlow makes them: when all that they wait for is there.

use super::Scope;
use super::placement::Placement;
use crate::{Error, NodeId, Output};

/// The name of a node to be made, and where it is to be.
#[derive(Clone, Debug)]
pub(crate) struct Reserved {
    name: String,
    placement: Placement,
}

impl Scope {
    /// Takes a name in the current name scope for a node that is made later.
    pub(crate) fn reserve(&mut self, name: &str) -> Reserved {
        Reserved { name: self.names.unique(name), placement: self.placement.clone() }
    }

    /// Makes such a node, outside of all blocks of control dependencies.
    pub(crate) fn create_reserved(
        &mut self,
        reserved: &Reserved,
        op: &str,
        input: Option<Output>,
        control_inputs: Vec<NodeId>,
    ) -> Result<NodeId, Error> {
        let outer = std::mem::replace(&mut self.placement, reserved.placement.clone());
        let made = {
            let mut free = self.without_control_dependencies();
            let mut node = free.op(op).name(&format!("{}/", reserved.name));
            if let Some(input) = input {
                node = node.input(input);
            }
            for id in control_inputs {
                node = node.control_input(id);
            }
            node.build()
        };
        self.placement = outer;
        made
    }

    /// The context of control flow that new nodes are in, by its number among those of a walk.
    pub(crate) fn current_context(&self) -> Option<usize> {
        self.control.context
    }

    pub(crate) fn set_current_context(&mut self, context: Option<usize>) {
        self.control.context = context;
    }

    /// The control inputs that blocks give to a node that takes data from another one.
    pub(crate) fn control_inputs_beside(&self, data_input: NodeId) -> Vec<NodeId> {
        self.control.for_inputs(&[data_input])
    }

    /// Lets a node run after others that were made before it.
    pub(crate) fn add_control_inputs(&mut self, id: NodeId, others: &[NodeId]) {
        if let Some(node) = self.graph.nodes.get_mut(id.index()) {
            let mut all = node.control_inputs.to_vec();
            all.extend(others.iter().filter(|other| **other < id));
            all.sort_unstable();
            all.dedup();
            node.control_inputs = all.into();
        }
    }

    /// Feeds the second input of a Merge from a NextIteration.
    pub(crate) fn close_loop(&mut self, merge: NodeId, next: Output) -> Result<(), Error> {
        self.graph.close_loop(merge, 1, next)
    }
}
