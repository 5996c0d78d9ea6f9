//! Control dependencies of the blocks that are entered, and the branches of conditionals within.

use std::collections::HashSet;

use super::cond::Branch;
use crate::NodeId;

/// The blocks of control dependencies that are entered, outermost first.
#[derive(Clone, Debug, Default)]
pub(super) struct ControlBlocks {
    blocks: Vec<Block>,
    /// The branches of conditionals that are entered, outermost first. A block without any dependencies
    /// is outside of all of them.
    pub(super) branches: Vec<Branch>,
    /// The loop or branch that nodes of gradients are in, of those of a walk.
    pub(super) context: Option<usize>,
}

#[derive(Clone, Debug, Default)]
struct Block {
    inputs: Vec<NodeId>,
    /// The nodes made within the block, which depend on its inputs.
    made: HashSet<NodeId>,
}

impl ControlBlocks {
    /// Enters a block in which nodes depend on `inputs` too, and says which of them are new.
    pub(super) fn enter(&mut self, inputs: impl IntoIterator<Item = NodeId>) -> Vec<NodeId> {
        let mut current: HashSet<NodeId> =
            self.blocks.iter().flat_map(|block| block.inputs.iter().copied()).collect();
        let new: Vec<NodeId> = inputs.into_iter().filter(|input| current.insert(*input)).collect();
        self.blocks.push(Block { inputs: new.clone(), made: HashSet::new() });
        new
    }

    /// Leaves the block that was entered last.
    pub(super) fn leave(&mut self) {
        self.blocks.pop();
    }

    /// Enters a block without any dependencies; what is given is to be put back when it is left.
    pub(super) fn clear(&mut self) -> ControlBlocks {
        std::mem::take(self)
    }

    /// The control inputs of a node that takes data from `data_inputs`.
    ///
    /// A block adds none to a node that is fed by one made in the block: it waits for them anyway.
    pub(super) fn for_inputs(&self, data_inputs: &[NodeId]) -> Vec<NodeId> {
        let mut found = Vec::new();
        for block in &self.blocks {
            if !data_inputs.iter().any(|input| block.made.contains(input)) {
                let others = block.inputs.iter().filter(|input| !data_inputs.contains(input));
                found.extend(others.copied());
            }
        }
        found
    }

    /// Notes that a node was made.
    pub(super) fn made(&mut self, node: NodeId) {
        for block in &mut self.blocks {
            block.made.insert(node);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId(0);
    const B: NodeId = NodeId(1);
    const C: NodeId = NodeId(2);

    #[test]
    fn blocks_add_up_without_repetition() {
        let mut blocks = ControlBlocks::default();
        assert_eq!(blocks.enter([A, B, A]), [A, B]);
        assert_eq!(blocks.enter([B, C]), [C]);
        assert_eq!(blocks.for_inputs(&[]), [A, B, C]);
        blocks.leave();
        assert_eq!(blocks.for_inputs(&[]), [A, B]);
    }

    #[test]
    fn what_is_fed_by_a_node_of_the_block_waits_already() {
        let mut blocks = ControlBlocks::default();
        blocks.enter([A]);
        blocks.enter([B]);
        assert_eq!(blocks.for_inputs(&[B]), [A]);
        blocks.made(C);
        assert_eq!(blocks.for_inputs(&[C]), []);
    }

    #[test]
    fn a_cleared_block_depends_on_nothing() {
        let mut blocks = ControlBlocks::default();
        blocks.enter([A]);
        let outer = blocks.clear();
        assert_eq!(blocks.enter([B]), [B]);
        assert_eq!(blocks.for_inputs(&[]), [B]);
        blocks = outer;
        assert_eq!(blocks.for_inputs(&[]), [A]);
    }
}
