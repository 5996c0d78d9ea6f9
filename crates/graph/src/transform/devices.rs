use std::sync::Arc;

use super::functions::edit_defs;
use crate::{Error, Graph, GraphEdit};

/// What [`clear_devices`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceReport {
    /// The nodes that asked for a device, in the order of the graph.
    pub nodes: Vec<Arc<str>>,
    /// The functions in which nodes did.
    pub functions: Vec<Arc<str>>,
}

/// Forgets the devices that nodes ask for, in the graph and in its functions.
///
/// Errors: none that a graph can have.
pub fn clear_devices(graph: Graph) -> Result<(Graph, DeviceReport), Error> {
    let mut edit = GraphEdit::new(graph);
    let mut report = DeviceReport::default();
    for id in edit.ids() {
        let Some(node) = edit.node(id) else { continue };
        if !node.device().is_empty() {
            report.nodes.push(node.shared_name().clone());
            edit.set_device(id, "");
        }
    }
    report.functions = edit_defs(&mut edit, |def| {
        let mut changed = false;
        for node in &mut def.node_def {
            changed |= !node.device.is_empty();
            node.device.clear();
        }
        changed
    })?;
    Ok((edit.finish()?, report))
}
