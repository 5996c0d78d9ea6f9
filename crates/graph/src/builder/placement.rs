//! Where nodes are to be: device scopes, and nodes to be on one device with.

use super::DeviceSpec;
use crate::NodeId;

/// The scopes that say where new nodes are to be.
#[derive(Clone, Debug)]
pub(super) struct Placement {
    /// Device scopes, outermost first, of which `None` hides those before it. Each block of colocation
    /// starts with none, and only those of the last block count.
    blocks: Vec<Vec<Option<DeviceSpec>>>,
    /// The block in which the variable scope was entered.
    variable_block: usize,
    /// The nodes that new ones are colocated with, outermost first.
    pub(super) colocation: Vec<NodeId>,
}

impl Default for Placement {
    fn default() -> Placement {
        Placement { blocks: vec![Vec::new()], variable_block: 0, colocation: Vec::new() }
    }
}

impl Placement {
    /// The device that the device scopes ask for; empty for none.
    pub(super) fn device(&self) -> String {
        let mut device = DeviceSpec::default();
        for outer in self.blocks.last().into_iter().flatten().rev() {
            match outer {
                None => break,
                Some(outer) => device = device.within(outer),
            }
        }
        device.to_string()
    }

    /// Enters a device scope.
    pub(super) fn push_device(&mut self, device: Option<DeviceSpec>) {
        if let Some(block) = self.blocks.last_mut() {
            block.push(device);
        }
    }

    /// Leaves the device scope that was entered last.
    pub(super) fn pop_device(&mut self) {
        if let Some(block) = self.blocks.last_mut() {
            block.pop();
        }
    }

    /// Enters a block in which nodes are colocated with `node` too, and no device scope counts.
    /// What is given is to be put back when it is left.
    pub(super) fn colocate_with(&mut self, node: Option<NodeId>, ignore_others: bool) -> Placement {
        let outer = self.clone();
        self.blocks.push(Vec::new());
        if ignore_others {
            self.colocation.clear();
        }
        self.colocation.extend(node);
        outer
    }

    /// Notes that a variable scope is entered, and gives what [`Placement::leave_variable_scope`] takes.
    pub(super) fn enter_variable_scope(&mut self) -> usize {
        std::mem::replace(&mut self.variable_block, self.blocks.len() - 1)
    }

    pub(super) fn leave_variable_scope(&mut self, outer: usize) {
        self.variable_block = outer;
    }

    /// Enters the block in which a variable is made. What is given is to be put back when it is left.
    ///
    /// Within colocation, where no device scope counts, those count again that were there when the
    /// variable scope was entered, as in TensorFlow's `init_scope`.
    pub(super) fn enter_init_scope(&mut self) -> Placement {
        let outer = self.clone();
        if self.blocks.last().is_some_and(Vec::is_empty) {
            let devices = self.blocks.get(self.variable_block).cloned().unwrap_or_default();
            self.blocks.push(devices);
        }
        outer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(scopes: &[Option<&str>]) -> String {
        let mut placement = Placement::default();
        for scope in scopes {
            placement.push_device(scope.map(|text| text.parse().unwrap()));
        }
        placement.device()
    }

    #[test]
    fn inner_device_scopes_win_and_none_hides_outer_ones() {
        for (scopes, want) in [
            (&[][..], ""),
            (&[Some("/job:ps"), Some("/gpu:1")], "/job:ps/device:GPU:1"),
            (&[Some("/job:ps/cpu:0"), Some("/job:w"), Some("")], "/job:w/device:CPU:0"),
            (&[Some("/job:ps"), None, Some("/cpu:0")], "/device:CPU:0"),
            (&[Some("/job:ps"), None], ""),
        ] {
            assert_eq!(device(scopes), want);
        }
    }

    #[test]
    fn colocation_hides_devices_and_adds_up() {
        let mut placement = Placement::default();
        placement.push_device(Some("/cpu:0".parse().unwrap()));
        let outer = placement.colocate_with(Some(NodeId(1)), false);
        assert_eq!(
            (placement.device().as_str(), &placement.colocation[..]),
            ("", &[NodeId(1)][..])
        );
        let one = placement.colocate_with(Some(NodeId(2)), false);
        assert_eq!(placement.colocation, [NodeId(1), NodeId(2)]);
        placement.colocate_with(Some(NodeId(3)), true);
        assert_eq!(placement.colocation, [NodeId(3)]);
        placement = one;
        assert_eq!(placement.colocation, [NodeId(1)]);
        placement = outer;
        assert_eq!(placement.device(), "/device:CPU:0");
    }
    #[test]
    fn variables_made_within_colocation_see_the_devices_around_their_scope() {
        let mut placement = Placement::default();
        placement.push_device(Some("/cpu:0".parse().unwrap()));
        placement.colocate_with(Some(NodeId(1)), false);
        let outer = placement.enter_init_scope();
        assert_eq!(placement.device(), "/device:CPU:0");
        placement = outer;
        placement.enter_variable_scope();
        placement.enter_init_scope();
        assert_eq!(placement.device(), "");
    }
}
