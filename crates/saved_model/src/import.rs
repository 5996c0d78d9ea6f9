//! SavedModels among the nodes of a graph that is built: `tf.compat.v1.saved_model.load`, whose session
//! comes later here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use flowkeep_graph::builder::Scope;
use flowkeep_graph::{ImportMetaGraphOptions, ImportedMetaGraph, Signature, prepend_name_scope};
use flowkeep_proto::pb;
use flowkeep_proto::pb::collection_def::Kind;
use flowkeep_proto::pb::tensor_info::Encoding;
use flowkeep_runtime::Session;
use flowkeep_tensor::{Code, Tensor};

use crate::assets::{asset_path, path_tensor};
use crate::constants::{
    INIT_OP_SIGNATURE_KEY, LEGACY_INIT_OP_KEY, MAIN_OP_KEY, VARIABLES_DIRECTORY, VARIABLES_FILENAME,
};
use crate::loader::has_checkpoint;
use crate::{Error, SavedModel};

/// A MetaGraph of a SavedModel in a graph that is built, among other nodes and other models.
#[derive(Debug)]
#[non_exhaustive]
pub struct ImportedSavedModel {
    /// What was imported: the scope with its slash, the variables, the saver.
    pub imported: ImportedMetaGraph,
    /// The MetaGraph as it was stored, without its graph; names in it are without the scope.
    pub meta_graph_def: pb::MetaGraphDef,
    dir: PathBuf,
}

impl SavedModel {
    /// Adds the MetaGraph with exactly these tags to a graph that is built; nothing is run.
    ///
    /// Two models, or one model twice, are kept apart by their scopes: names of the saver, of assets and
    /// of the init op are those of the scope that the nodes are in. (In TensorFlow they are not, when
    /// the scope is numbered or there is none, and the first model is restored twice.)
    ///
    /// Errors: `NOT_FOUND`, with TensorFlow's text, for the tags; as [`Scope::import_meta_graph`].
    pub fn import_into(
        self,
        scope: &mut Scope,
        tags: &[&str],
        options: &ImportMetaGraphOptions,
    ) -> Result<ImportedSavedModel, Error> {
        let idx = self.find(tags).map_err(|_| no_such_tags(&self, tags))?;
        let dir = self.dir().to_owned();
        let mut def = self.into_def().meta_graphs.swap_remove(idx);
        let mut meta_graph_def = pb::MetaGraphDef {
            graph_def: def.graph_def.take(),
            object_graph_def: None,
            ..def.clone()
        };
        let imported = scope.import_meta_graph(meta_graph_def.clone(), options)?;
        meta_graph_def = pb::MetaGraphDef { graph_def: None, ..def };
        Ok(ImportedSavedModel { imported, meta_graph_def, dir })
    }
}

impl ImportedSavedModel {
    /// Restores the variables in a session on the graph and runs the init op, fed with the paths of
    /// assets.
    ///
    /// The session's registry must have the saver's ops ([`flowkeep_saver::register`]).
    ///
    /// Errors, with TensorFlow's texts: `INVALID_ARGUMENT` for variables without a saver, and for a
    /// checkpoint that is not there; `FAILED_PRECONDITION` for several init ops; `NOT_FOUND` for one that
    /// is not in the graph; those of the nodes that run.
    pub fn initialize(&self, session: &Session) -> Result<(), Error> {
        self.restore_from(session, &self.dir.join(VARIABLES_DIRECTORY).join(VARIABLES_FILENAME))?;
        let Some(op) = self.init_op(session)? else { return Ok(()) };
        let assets = self.assets()?;
        let feeds: Vec<(&str, Tensor)> =
            assets.iter().map(|(name, path)| (name.as_str(), path.clone())).collect();
        session.run(&feeds, &[], &[&op])?;
        Ok(())
    }

    /// Restores the variables from another checkpoint, by its prefix.
    ///
    /// Errors: as [`ImportedSavedModel::initialize`].
    pub fn restore_from(&self, session: &Session, prefix: &Path) -> Result<(), Error> {
        let has_variables = !self.imported.variables.is_empty();
        let refuse = |message: String| Err(Error::Model { code: Code::InvalidArgument, message });
        let saver = self.imported.saver_def.as_ref();
        let Some(saver) = saver.filter(|saver| !saver.restore_op_name.is_empty()) else {
            return match has_variables {
                false => Ok(()),
                true => refuse(
                    "No tf.train.Saver object was passed to the function `SavedModelLoader.restore_variables`. Since \
                     there are variables in the graph, a saver is required."
                        .to_owned(),
                ),
            };
        };
        if !has_checkpoint(prefix) && !prefix.is_file() {
            return match has_variables {
                false => Ok(()),
                true => refuse(format!(
                    "The passed save_path is not a valid checkpoint: {}",
                    prefix.display()
                )),
            };
        }
        let filename = path_tensor(prefix.to_owned());
        session.run(&[(&saver.filename_tensor_name, filename)], &[], &[&saver.restore_op_name])?;
        Ok(())
    }

    /// A signature, whose tensors have the names that they have in the graph.
    ///
    /// Errors: `NOT_FOUND`, listing the keys that are there.
    pub fn signature(&self, key: &str) -> Result<Signature, Error> {
        let signatures = &self.meta_graph_def.signature_def;
        let mut def = signatures
            .get(key)
            .cloned()
            .ok_or_else(|| Error::no_such_signature(key, signatures.keys()))?;
        for info in def.inputs.values_mut().chain(def.outputs.values_mut()) {
            self.add_scope(info);
        }
        Ok(Signature::from_proto(def)?)
    }

    fn add_scope(&self, info: &mut pb::TensorInfo) {
        match &mut info.encoding {
            Some(Encoding::Name(name)) => *name = self.name(name),
            Some(Encoding::CooSparse(sparse)) => {
                let names = [
                    &mut sparse.values_tensor_name,
                    &mut sparse.indices_tensor_name,
                    &mut sparse.dense_shape_tensor_name,
                ];
                names.into_iter().for_each(|name| *name = self.name(name));
            }
            // Messages nest no deeper than the decoder lets them.
            Some(Encoding::CompositeTensor(composite)) => {
                composite.components.iter_mut().for_each(|info| self.add_scope(info));
            }
            None => {}
        }
    }

    /// A name with the scope.
    fn name(&self, name: &str) -> String {
        prepend_name_scope(name, self.imported.scope.trim_end_matches('/'))
    }

    fn assets(&self) -> Result<Vec<(String, Tensor)>, Error> {
        let light =
            pb::MetaGraphDef { signature_def: Default::default(), ..self.meta_graph_def.clone() };
        let assets = flowkeep_graph::MetaGraph::import(light, &Default::default())?.asset_files;
        let mut feeds: Vec<(String, Tensor)> = Vec::new();
        for asset in assets {
            let name = self.name(&asset.tensor_name);
            if !feeds.iter().any(|(other, _)| *other == name) {
                feeds.push((name, path_tensor(asset_path(&self.dir, &asset.filename)?)));
            }
        }
        Ok(feeds)
    }

    /// The op to run after restoring, by its name in the graph.
    fn init_op(&self, session: &Session) -> Result<Option<String>, Error> {
        let key = INIT_OP_SIGNATURE_KEY;
        let signature = self.meta_graph_def.signature_def.get(key);
        if let Some(info) = signature.and_then(|signature| signature.outputs.get(key)) {
            let name = match &info.encoding {
                Some(Encoding::Name(name)) => self.name(name),
                _ => String::new(),
            };
            let node = name.split(':').next().unwrap_or_default();
            if session.graph().node_by_name(node).is_none() {
                return Err(Error::Model {
                    code: Code::NotFound,
                    message: format!(
                        "The key \"{key}\" could not be found in the graph. Please make sure the SavedModel was created \
                         by the internal _SavedModelBuilder. If you are using the public API, please make sure the \
                         SignatureDef in the SavedModel does not contain the key \"{key}\"."
                    ),
                });
            }
            return Ok(Some(name));
        }
        for key in [MAIN_OP_KEY, LEGACY_INIT_OP_KEY] {
            let collection = self.meta_graph_def.collection_def.get(key);
            let Some(Kind::NodeList(list)) = collection.and_then(|list| list.kind.as_ref()) else {
                continue;
            };
            if let Some(op) = only_init_op(&list.value)? {
                return Ok(Some(self.name(op)));
            }
        }
        Ok(None)
    }
}

/// The op of a collection that is for one; `None` if it is empty.
///
/// Errors: `FAILED_PRECONDITION`, with TensorFlow's text, if there are several.
pub(crate) fn only_init_op(ops: &[String]) -> Result<Option<&String>, Error> {
    match ops {
        [] => Ok(None),
        [op] => Ok(Some(op)),
        ops => Err(Error::Model {
            code: Code::FailedPrecondition,
            message: format!(
                "Expected exactly one SavedModel init op. Found {}: {ops:?}.",
                ops.len()
            ),
        }),
    }
}

/// The error of tags that no MetaGraph has: the text of TensorFlow's session loader, which is another one than that of its command line.
pub(crate) fn no_such_tags(model: &SavedModel, tags: &[&str]) -> Error {
    let quoted = |tags: &mut dyn Iterator<Item = &str>| {
        tags.map(|tag| format!("'{tag}'")).collect::<Vec<_>>().join(", ")
    };
    let sets: Vec<String> = model
        .tag_sets()
        .into_iter()
        .map(|set| {
            let set: BTreeSet<&str> = set.iter().map(String::as_str).collect();
            format!("{{{}}}", quoted(&mut set.into_iter()))
        })
        .collect();
    Error::Model {
        code: Code::NotFound,
        message: format!(
            "MetaGraphDef associated with tags {} could not be found in SavedModel, with available tags '[{}]'. To \
             inspect available tag-sets in the SavedModel, please use the SavedModel CLI: `saved_model_cli`.",
            quoted(&mut tags.iter().copied()),
            sets.join(", ")
        ),
    }
}
