//! Nodes that do nothing but wait.

use super::super::{DeviceSpec, Scope};
use crate::{Error, Node, NodeId};

impl Scope {
    /// A node that does nothing.
    ///
    /// Errors: `INVALID_ARGUMENT` for a malformed or taken name.
    pub fn no_op(&mut self) -> Result<NodeId, Error> {
        self.op("NoOp").build()
    }

    /// A node that has run when all `nodes` have: a `NoOp`, and one more for each device if they are
    /// on several.
    ///
    /// Errors: `INVALID_ARGUMENT` for a malformed or taken name; `NOT_FOUND` for nodes that do not
    /// exist.
    pub fn group<N: Into<NodeId>>(
        &mut self,
        nodes: impl IntoIterator<Item = N>,
    ) -> Result<NodeId, Error> {
        self.scoped("group_deps", |scope, name| {
            let mut by_device: Vec<(String, Vec<NodeId>)> = Vec::new();
            for id in nodes.into_iter().map(Into::into) {
                let device = scope.graph.get(id).map_or("", Node::device).to_owned();
                match by_device.iter_mut().find(|(other, _)| *other == device) {
                    Some((_, ids)) => ids.push(id),
                    None => by_device.push((device, vec![id])),
                }
            }
            match &by_device[..] {
                [] => scope.with_op_name(name).no_op(),
                [(device, ids)] => scope.group_on(device, ids, name),
                _ => {
                    by_device.sort();
                    let mut groups = Vec::with_capacity(by_device.len());
                    for (device, ids) in &by_device {
                        groups.push(scope.group_on(device, ids, "")?);
                    }
                    let mut inner = scope.control_dependencies(groups)?;
                    inner.with_op_name(name).no_op()
                }
            }
        })
    }

    fn group_on(&mut self, device: &str, ids: &[NodeId], name: &str) -> Result<NodeId, Error> {
        let device: DeviceSpec = device.parse()?;
        let mut inner = self.control_dependencies(ids.iter().copied())?;
        let mut inner = inner.device_scope(Some(device));
        inner.with_op_name(name).no_op()
    }
}
