//! Graphs back to messages.

use flowkeep_proto::pb;

use crate::{Graph, InputRef, Node, Output};

impl Graph {
    /// The graph in the form of a message.
    ///
    /// Nodes are in the order of their ids, with all defaults filled in; control inputs are sorted by name.
    /// Everything else is as it was imported.
    pub fn to_graph_def(&self) -> pb::GraphDef {
        let mut def = pb::GraphDef {
            node: self.nodes.iter().map(|node| self.node_def(node)).collect(),
            versions: self.versions.clone(),
            library: self.extra.has_library.then(|| self.library.to_proto()),
            debug_info: self.extra.debug_info.as_deref().cloned(),
            ..Default::default()
        };
        set_version(&mut def, self.extra.version);
        def
    }

    /// One node in the form of a message.
    pub fn node_def(&self, node: &Node) -> pb::NodeDef {
        let name = |id| self.get(id).map_or("", Node::name);
        let data = |output: &Output| {
            InputRef::Data { node: name(output.node), index: output.index }.to_string()
        };
        let mut control: Vec<String> =
            node.control_inputs.iter().map(|id| InputRef::Control(name(*id)).to_string()).collect();
        control.sort_unstable();
        pb::NodeDef {
            name: node.name.to_string(),
            op: node.op.to_string(),
            input: node.inputs.iter().map(data).chain(control).collect(),
            device: node.device.to_string(),
            attr: node.attrs.to_proto(),
            experimental_debug_info: node.extra.as_ref().and_then(|extra| extra.debug_info.clone()),
            experimental_type: node.extra.as_ref().and_then(|extra| extra.full_type.clone()),
        }
    }
}

#[expect(deprecated, reason = "field 3 of GraphDef is kept as it was read")]
fn set_version(def: &mut pb::GraphDef, version: i32) {
    def.version = version;
}
