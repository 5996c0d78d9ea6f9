use std::collections::BTreeMap;
use std::sync::Arc;

use flowkeep_proto::pb;

use crate::op_def::OpDef;
use crate::{NodeId, Output};

/// How to import a graph.
///
/// [`ImportOptions::default`] imports nodes as they are named. [`ImportOptions::under`] does what
/// `tf.import_graph_def` does.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ImportOptions {
    /// Whether to forget the devices that nodes ask for.
    pub clear_devices: bool,
    /// What the names of all nodes begin with: a scope, with or without its slash, or nothing.
    pub prefix: String,
    /// Whether to number the scope when it is in use in the graph: `import`, `import_1`.
    pub uniquify_prefix: bool,
    /// Whether to number nodes whose names are in use in the graph, unless the scope is. Without it
    /// such a name is an error.
    pub uniquify_names: bool,
    /// What to feed imported nodes instead: for the tensor `node` or `node:index`, and for the
    /// control input `^node`, an output of the graph; for control inputs its node is meant.
    ///
    /// Nodes whose outputs are replaced are imported all the same. A tensor that is replaced need not
    /// exist if it is used.
    pub input_map: BTreeMap<String, Output>,
    /// The tensors (with `:`) and nodes (without) of the imported graph to give back, see
    /// [`Imported::elements`](crate::Imported::elements).
    pub return_elements: Vec<String>,
    /// Nodes of the graph that every imported node is to wait for.
    pub control_dependencies: Vec<NodeId>,
    /// The device of nodes that ask for none.
    pub default_device: String,
    /// Whether nodes that are colocated with others ask for the device of the first of these that
    /// asks for one, instead of their own.
    pub colocate_devices: bool,
    /// Whether a `_class` that names no node of the message is an error.
    pub validate_colocation: bool,
    /// The ops as the writer of the message knew them. Attributes that are unknown here and have the
    /// default that they have there are left out.
    pub producer_op_list: Option<Arc<pb::OpList>>,
    /// Ops that TensorFlow does not have, as in [`Library::define`](crate::Library::define).
    pub op_defs: Vec<Arc<OpDef>>,
}

impl Default for ImportOptions {
    fn default() -> ImportOptions {
        ImportOptions {
            clear_devices: false,
            prefix: String::new(),
            uniquify_prefix: false,
            uniquify_names: false,
            input_map: BTreeMap::new(),
            return_elements: Vec::new(),
            control_dependencies: Vec::new(),
            default_device: String::new(),
            colocate_devices: false,
            validate_colocation: true,
            producer_op_list: None,
            op_defs: Vec::new(),
        }
    }
}

impl ImportOptions {
    /// Options that do what `tf.import_graph_def` does with this `name`.
    ///
    /// A scope is numbered when it is in use; one that ends in a slash is entered again, and nodes in
    /// it are numbered; the empty scope is the root of the graph. Python's default is `import`.
    pub fn under(name: &str) -> ImportOptions {
        ImportOptions {
            prefix: name.to_owned(),
            uniquify_prefix: !name.is_empty() && !name.ends_with('/'),
            uniquify_names: true,
            colocate_devices: true,
            ..Default::default()
        }
    }
}
