use std::collections::BTreeSet;

use crate::{InputRef, MetaGraph, TensorInfo};

/// The signature in which TF2 keeps the op that initializes a model.
const INIT_OP_SIGNATURE_KEY: &str = "__saved_model_init_op";
/// The collections in which TF1 keeps it.
const MAIN_OP_COLLECTIONS: [&str; 2] = ["saved_model_main_op", "legacy_init_op"];

/// The nodes that a MetaGraph names, by what for. Those that the graph does not have are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// The inputs of all signatures.
    pub inputs: BTreeSet<String>,
    /// The outputs of all signatures.
    pub outputs: BTreeSet<String>,
    /// What initializes the model: its init op, and the tensors that take the paths of assets.
    pub init: BTreeSet<String>,
    /// What saves and restores the variables.
    pub saver: BTreeSet<String>,
}

impl Endpoints {
    /// The nodes that a MetaGraph names.
    pub fn of(meta_graph: &MetaGraph) -> Endpoints {
        let mut endpoints = Endpoints::default();
        let graph = &meta_graph.graph;
        let add = |set: &mut BTreeSet<String>, name: &str| {
            let node = node_of(name);
            if graph.node_by_name(node).is_some() {
                set.insert(node.to_owned());
            }
        };
        let names = |infos: &std::collections::BTreeMap<String, TensorInfo>| -> Vec<String> {
            infos.values().flat_map(TensorInfo::tensor_names).map(str::to_owned).collect()
        };
        for (key, signature) in &meta_graph.signatures {
            let outputs = match key == INIT_OP_SIGNATURE_KEY {
                true => &mut endpoints.init,
                false => &mut endpoints.outputs,
            };
            names(&signature.outputs).iter().for_each(|name| add(outputs, name));
            names(&signature.inputs).iter().for_each(|name| add(&mut endpoints.inputs, name));
        }
        for collection in MAIN_OP_COLLECTIONS {
            let nodes = meta_graph.node_list(collection);
            nodes.iter().for_each(|name| add(&mut endpoints.init, name));
        }
        for asset in &meta_graph.asset_files {
            add(&mut endpoints.init, &asset.tensor_name);
        }
        if let Some(saver) = &meta_graph.saver_def {
            let names =
                [&saver.filename_tensor_name, &saver.save_tensor_name, &saver.restore_op_name];
            names.into_iter().for_each(|name| add(&mut endpoints.saver, name));
        }
        endpoints
    }

    /// All of them.
    pub fn into_all(self) -> BTreeSet<String> {
        let Endpoints { mut inputs, outputs, init, saver } = self;
        inputs.extend(outputs.into_iter().chain(init).chain(saver));
        inputs
    }
}

/// The node of a name of a node, a tensor or a control input.
pub(super) fn node_of(name: &str) -> &str {
    InputRef::parse(name).node()
}
