use std::collections::BTreeMap;

use flowkeep_proto::pb;
use flowkeep_proto::pb::collection_def::Kind;
use flowkeep_proto::pb::control_flow_context_def::Ctxt;
use flowkeep_proto::pb::saved_object::Kind as ObjectKind;
use prost::Message;

use crate::meta_graph::keys::{DefKind, def_kind};
use crate::{Encoding, Error, MetaGraph, Signature, TensorInfo};

/// The new names of what was renamed, by the old ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NameMap {
    /// Nodes of the graph.
    pub nodes: BTreeMap<String, String>,
    /// Functions of the library.
    pub functions: BTreeMap<String, String>,
}

impl NameMap {
    /// The new form of a string that names a node, a tensor or an input (`node`, `node:0`, `^node`,
    /// `loc:@node`); `None` if it stays.
    pub fn renamed(&self, name: &str) -> Option<String> {
        let (sign, rest) = match name.strip_prefix('^') {
            Some(rest) => ("^", rest),
            None => match name.strip_prefix("loc:@") {
                Some(rest) => ("loc:@", rest),
                None => ("", name),
            },
        };
        let (node, output) = match rest.rfind(':') {
            Some(colon) => rest.split_at_checked(colon)?,
            None => (rest, ""),
        };
        self.nodes.get(node).map(|new| format!("{sign}{new}{output}"))
    }

    /// Renames what a MetaGraph says of its graph: signatures, assets, the saver, collections of
    /// names and of TensorFlow's own messages, the functions and constants of objects. The graph
    /// itself is not touched.
    ///
    /// Errors: `INVALID_ARGUMENT` for a collection of messages with one that does not decode; the
    /// MetaGraph is then as it was.
    pub fn apply_to(&self, meta_graph: &mut MetaGraph) -> Result<(), Error> {
        let mut collections = meta_graph.collections.clone();
        for (key, collection) in &mut collections {
            self.rename_collection(key, collection)?;
        }
        meta_graph.collections = collections;
        for signature in meta_graph.signatures.values_mut() {
            self.rename_signature(signature);
        }
        for asset in &mut meta_graph.asset_files {
            self.rename(&mut asset.tensor_name);
        }
        if let Some(saver) = &mut meta_graph.saver_def {
            self.rename_saver(saver);
        }
        if let Some(info) = &mut meta_graph.meta_info_def {
            info.function_aliases = self.with_new_keys(std::mem::take(&mut info.function_aliases));
        }
        if let Some(objects) = &mut meta_graph.object_graph_def {
            self.rename_objects(objects);
        }
        Ok(())
    }

    fn rename(&self, name: &mut String) {
        if let Some(new) = self.renamed(name) {
            *name = new;
        }
    }

    fn rename_function(&self, name: &mut String) {
        if let Some(new) = self.functions.get(name) {
            name.clone_from(new);
        }
    }

    fn with_new_keys<V>(&self, map: BTreeMap<String, V>) -> BTreeMap<String, V> {
        let entries = map.into_iter().map(|(mut name, value)| {
            self.rename_function(&mut name);
            (name, value)
        });
        entries.collect()
    }

    fn rename_signature(&self, signature: &mut Signature) {
        let infos = signature.inputs.values_mut().chain(signature.outputs.values_mut());
        infos.for_each(|info| self.rename_info(info));
    }

    fn rename_info(&self, info: &mut TensorInfo) {
        match &mut info.encoding {
            Encoding::Missing => {}
            Encoding::Dense(name) => self.rename(name),
            Encoding::CooSparse { values, indices, dense_shape } => {
                [values, indices, dense_shape].into_iter().for_each(|name| self.rename(name));
            }
            Encoding::Composite { components, .. } => {
                components.iter_mut().for_each(|info| self.rename_info(info));
            }
        }
    }

    fn rename_saver(&self, saver: &mut pb::SaverDef) {
        self.rename(&mut saver.filename_tensor_name);
        self.rename(&mut saver.save_tensor_name);
        self.rename(&mut saver.restore_op_name);
    }

    fn rename_collection(
        &self,
        key: &str,
        collection: &mut pb::CollectionDef,
    ) -> Result<(), Error> {
        let bytes = match &mut collection.kind {
            Some(Kind::NodeList(list)) => {
                list.value.iter_mut().for_each(|name| self.rename(name));
                return Ok(());
            }
            Some(Kind::BytesList(list)) => &mut list.value,
            _ => return Ok(()),
        };
        match def_kind(key) {
            Some(DefKind::Variable) => each(key, bytes, |def| self.rename_variable(def)),
            Some(DefKind::Saver) => each(key, bytes, |def| self.rename_saver(def)),
            Some(DefKind::QueueRunner) => each(key, bytes, |def: &mut pb::QueueRunnerDef| {
                let names = [&mut def.queue_name, &mut def.close_op_name, &mut def.cancel_op_name];
                names
                    .into_iter()
                    .chain(&mut def.enqueue_op_name)
                    .for_each(|name| self.rename(name));
            }),
            Some(DefKind::Cond) => each(key, bytes, |def| self.rename_cond(def)),
            Some(DefKind::While) => each(key, bytes, |def| self.rename_while(def)),
            None => Ok(()),
        }
    }

    fn rename_variable(&self, def: &mut pb::VariableDef) {
        self.rename(&mut def.variable_name);
        self.rename(&mut def.initializer_name);
        self.rename(&mut def.snapshot_name);
        self.rename(&mut def.initial_value_name);
    }

    fn rename_cond(&self, def: &mut pb::CondContextDef) {
        self.rename(&mut def.pred_name);
        self.rename(&mut def.pivot_name);
        self.rename_values(&mut def.values_def);
        self.rename_nested(&mut def.nested_contexts);
    }

    fn rename_while(&self, def: &mut pb::WhileContextDef) {
        let names = [
            &mut def.pivot_name,
            &mut def.pivot_for_pred_name,
            &mut def.pivot_for_body_name,
            &mut def.maximum_iterations_name,
        ];
        let lists = def.loop_exit_names.iter_mut().chain(&mut def.loop_enter_names);
        names.into_iter().chain(lists).for_each(|name| self.rename(name));
        self.rename_values(&mut def.values_def);
        self.rename_nested(&mut def.nested_contexts);
    }

    fn rename_nested(&self, contexts: &mut [pb::ControlFlowContextDef]) {
        for context in contexts {
            match &mut context.ctxt {
                Some(Ctxt::CondCtxt(def)) => self.rename_cond(def),
                Some(Ctxt::WhileCtxt(def)) => self.rename_while(def),
                None => {}
            }
        }
    }

    fn rename_values(&self, values: &mut Option<pb::ValuesDef>) {
        let Some(values) = values else { return };
        values.values.iter_mut().for_each(|name| self.rename(name));
        let external = std::mem::take(&mut values.external_values).into_iter();
        values.external_values = external
            .map(|(mut inside, mut outside)| {
                self.rename(&mut inside);
                self.rename(&mut outside);
                (inside, outside)
            })
            .collect();
    }

    fn rename_objects(&self, objects: &mut pb::SavedObjectGraph) {
        objects.concrete_functions =
            self.with_new_keys(std::mem::take(&mut objects.concrete_functions));
        for object in &mut objects.nodes {
            match &mut object.kind {
                Some(ObjectKind::Function(function)) => {
                    let names = function.concrete_functions.iter_mut();
                    names.for_each(|name| self.rename_function(name));
                }
                Some(ObjectKind::BareConcreteFunction(function)) => {
                    self.rename_function(&mut function.concrete_function_name);
                }
                Some(ObjectKind::CapturedTensor(tensor)) => {
                    self.rename_function(&mut tensor.concrete_function);
                }
                Some(ObjectKind::Constant(constant)) => self.rename(&mut constant.operation),
                _ => {}
            }
        }
    }
}

/// Changes each message of a collection.
fn each<M: Message + Default>(
    key: &str,
    list: &mut [Vec<u8>],
    change: impl Fn(&mut M),
) -> Result<(), Error> {
    for bytes in list {
        let mut message = M::decode(bytes.as_slice())
            .map_err(|error| Error::MetaGraph(format!("collection {key}: {error}")))?;
        change(&mut message);
        *bytes = message.encode_to_vec();
    }
    Ok(())
}
