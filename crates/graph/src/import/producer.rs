//! Attributes that only the writer of a message knows.

use flowkeep_proto::pb;

use crate::op_def;

/// Removes the attributes of a node that are unknown here and have the default that the writer's op
/// gives them.
pub(super) fn remove_defaults(node: &mut pb::NodeDef, ops: &pb::OpList) {
    let Some(here) = op_def::lookup(&node.op) else { return };
    let is_unknown = |name: &String| here.attr(name).is_none();
    if !node.attr.keys().any(is_unknown) {
        return;
    }
    let Some(there) = ops.op.iter().find(|op| op.name == node.op) else { return };
    node.attr.retain(|name, value| {
        let def = there.attr.iter().find(|def| def.name == *name);
        let default = def.and_then(|def| def.default_value.as_ref());
        !is_unknown(name) || default != Some(value)
    });
}
