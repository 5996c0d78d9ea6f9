//! The nodes of a scope.

use flowkeep_proto::pb;
use flowkeep_proto::pb::attr_value::Value;

use super::super::scope_names::strip_name_scope;
use super::{Selection, UNBOUND_INPUT_PREFIX};
use crate::Error;

/// Leaves the nodes that are exported, without the scope in their names. Gives the inputs that they
/// take from outside of it, as often as they do.
pub(super) fn select(
    def: &mut pb::GraphDef,
    selection: &Selection<'_>,
    clear_devices: bool,
) -> Result<Vec<String>, Error> {
    let mut unbound = Vec::new();
    def.node.retain(|node| selection.has(&node.name));
    for node in &mut def.node {
        strip_node(node, selection.scope, &mut unbound)?;
        if clear_devices {
            node.device.clear();
        }
    }
    def.debug_info = None;
    Ok(unbound)
}

fn strip_node(node: &mut pb::NodeDef, scope: &str, unbound: &mut Vec<String>) -> Result<(), Error> {
    if scope.is_empty() {
        return Ok(());
    }
    for input in &mut node.input {
        if input.trim_start_matches('^').starts_with(scope) {
            *input = strip_name_scope(input, scope).into_owned();
        } else {
            *input = match input.strip_prefix('^') {
                Some(name) => format!("^{UNBOUND_INPUT_PREFIX}{name}"),
                None => format!("{UNBOUND_INPUT_PREFIX}{input}"),
            };
            unbound.push(input.clone());
        }
    }
    let name = node.name.clone();
    if let Some(Value::List(list)) = value(node, "_class") {
        let mut kept = Vec::with_capacity(list.s.len());
        for class in &list.s {
            let class = String::from_utf8_lossy(class);
            let target = class.split('@').nth(1).ok_or_else(|| {
                Error::MetaGraph(format!("node '{name}' has the malformed _class '{class}'"))
            })?;
            if target.starts_with(scope) {
                kept.push(strip_name_scope(&class, scope).into_owned().into_bytes());
            }
        }
        list.s = kept;
    }
    if matches!(&*node.op, "Enter" | "RefEnter")
        && let Some(Value::S(frame)) = value(node, "frame_name")
        && let Ok(name) = std::str::from_utf8(frame)
        && name.starts_with(scope)
    {
        *frame = strip_name_scope(name, scope).into_owned().into_bytes().into();
    }
    node.name = strip_name_scope(&name, scope).into_owned();
    Ok(())
}

fn value<'n>(node: &'n mut pb::NodeDef, attr: &str) -> Option<&'n mut Value> {
    node.attr.get_mut(attr)?.value.as_mut()
}
