//! MetaGraphs: graphs with all that is needed to use them.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use flowkeep_proto::pb;
use flowkeep_proto::pb::collection_def::Kind;
use prost::Message;

use crate::{Error, Function, Graph, ImportOptions, Signature};

mod collections;
mod export;
mod import;
pub mod keys;
pub(crate) mod scope_names;
mod warning;

pub use collections::{CollectionItem, Collections};
pub use export::{
    ExportOptions, Exported, TENSORFLOW_GIT_VERSION, TENSORFLOW_VERSION, ops_used_by_graph_def,
    stripped_op_list_for_graph,
};
pub use import::{ImportMetaGraphOptions, ImportedMetaGraph};
pub use scope_names::{prepend_name_scope, strip_name_scope};
pub use warning::{CollectionWarning, WarningKind};

use export::{Selection, collection_def};
use import::{Restore, Restored};

/// The collection in which SavedModels of version 1 list their assets.
const ASSETS_KEY: &str = "saved_model_assets";

/// A graph with all that is needed to use it.
#[derive(Clone, Debug, Default)]
pub struct MetaGraph {
    /// The graph.
    pub graph: Arc<Graph>,
    /// The tags, by which a loader chooses among the MetaGraphs of a SavedModel.
    pub tags: Vec<String>,
    /// Signatures by key.
    pub signatures: BTreeMap<String, Signature>,
    /// How the graph's variables are saved and restored.
    pub saver_def: Option<pb::SaverDef>,
    /// Collections by name, as stored.
    pub collections: BTreeMap<String, pb::CollectionDef>,
    /// Files that the graph reads when it is initialized.
    pub asset_files: Vec<AssetFile>,
    /// The objects of a TF2 SavedModel, as stored.
    pub object_graph_def: Option<pb::SavedObjectGraph>,
    /// Who wrote the MetaGraph, as stored; its tags are in `tags`.
    pub meta_info_def: Option<pb::meta_graph_def::MetaInfoDef>,
}

/// A file that a graph reads when it is initialized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetFile {
    /// The tensor that takes the path.
    pub tensor_name: String,
    /// The name below `assets/`.
    pub filename: String,
}

impl MetaGraph {
    /// Checks a MetaGraph and imports its graph.
    ///
    /// Errors: as [`Graph::import`]; `INVALID_ARGUMENT` for malformed signatures and assets.
    pub fn import(def: pb::MetaGraphDef, options: &ImportOptions) -> Result<MetaGraph, Error> {
        MetaGraph::import_with_functions(def, Vec::new(), options)
    }

    /// As [`MetaGraph::import`], of a message without the functions of its library; as
    /// [`Graph::import_with_functions`].
    ///
    /// Errors: as [`MetaGraph::import`].
    pub fn import_with_functions(
        def: pb::MetaGraphDef,
        functions: Vec<Function>,
        options: &ImportOptions,
    ) -> Result<MetaGraph, Error> {
        let mut meta_info_def = def.meta_info_def;
        let tags =
            meta_info_def.as_mut().map(|info| std::mem::take(&mut info.tags)).unwrap_or_default();
        let signatures = def.signature_def.into_iter();
        let signatures = signatures
            .map(|(key, def)| Signature::from_proto(def).map(|signature| (key, signature)));
        let asset_file_def = match def.collection_def.get(ASSETS_KEY) {
            Some(collection) if def.asset_file_def.is_empty() => assets_of_collection(collection)?,
            _ => def.asset_file_def,
        };
        let graph_def = def.graph_def.unwrap_or_default();
        Ok(MetaGraph {
            graph: Arc::new(Graph::import_with_functions(graph_def, functions, options)?),
            tags,
            signatures: signatures.collect::<Result<_, _>>()?,
            saver_def: def.saver_def,
            collections: def.collection_def,
            asset_files: asset_file_def
                .into_iter()
                .map(AssetFile::from_proto)
                .collect::<Result<_, _>>()?,
            object_graph_def: def.object_graph_def,
            meta_info_def,
        })
    }

    /// The MetaGraph in the form of a message.
    ///
    /// Assets that a collection lists are not listed a second time.
    pub fn to_meta_graph_def(&self) -> pb::MetaGraphDef {
        let mut meta_info_def = self.meta_info_def.clone();
        if !self.tags.is_empty() {
            meta_info_def.get_or_insert_default().tags.clone_from(&self.tags);
        }
        let in_collection = self.collections.contains_key(ASSETS_KEY);
        let assets = if in_collection { &[][..] } else { &self.asset_files };
        pb::MetaGraphDef {
            meta_info_def,
            graph_def: Some(self.graph.to_graph_def()),
            saver_def: self.saver_def.clone(),
            collection_def: self.collections.clone(),
            signature_def: self
                .signatures
                .iter()
                .map(|(key, signature)| (key.clone(), signature.to_proto()))
                .collect(),
            asset_file_def: assets.iter().map(AssetFile::to_proto).collect(),
            object_graph_def: self.object_graph_def.clone(),
        }
    }

    /// The signature of a key.
    ///
    /// Errors: `NOT_FOUND`, with TensorFlow's text.
    pub fn signature(&self, key: &str) -> Result<&Signature, Error> {
        self.signatures.get(key).ok_or_else(|| {
            Error::NoSuchElement(format!("No SignatureDef with key '{key}' found in MetaGraphDef."))
        })
    }

    /// The items of all collections, and what is wrong with some.
    ///
    /// Errors: `NOT_FOUND` and `INVALID_ARGUMENT`, with TensorFlow's texts, for names that name nothing
    /// in the graph and for messages that do not decode.
    pub fn items(&self) -> Result<(Collections, Vec<CollectionWarning>), Error> {
        let Restored { collections, warnings, .. } = self.restore(&self.collections)?;
        Ok((collections, warnings))
    }

    /// The items of a collection; none when there is no such collection, or nothing says what they are.
    ///
    /// Errors: as [`MetaGraph::items`].
    pub fn collection(&self, name: &str) -> Result<Vec<CollectionItem>, Error> {
        let only = self.collections.get_key_value(name);
        let only = only.map(|(name, def)| (name.clone(), def.clone())).into_iter().collect();
        Ok(self.restore(&only)?.collections.remove(name))
    }

    /// Sets what is in a collection; without items there is none.
    ///
    /// Errors: `INVALID_ARGUMENT` for items that are not all like the first one, or not what a
    /// collection of this name holds; the collection then stays as it was.
    pub fn set_collection(&mut self, name: &str, items: &[CollectionItem]) -> Result<(), Error> {
        let excluded = HashSet::new();
        let selection = Selection { scope: "", excluded: &excluded, graph: &self.graph };
        let def = collection_def(name, items, &selection).map_err(|reason| {
            Error::MetaGraph(CollectionWarning::new(name, WarningKind::Dropped(reason)).to_string())
        })?;
        match def {
            Some(def) => self.collections.insert(name.to_owned(), def),
            None => self.collections.remove(name),
        };
        Ok(())
    }

    /// Puts something into a collection.
    ///
    /// Errors: as [`MetaGraph::collection`] and [`MetaGraph::set_collection`].
    pub fn add_to_collection(
        &mut self,
        name: &str,
        item: impl Into<CollectionItem>,
    ) -> Result<(), Error> {
        let mut items = self.collection(name)?;
        items.push(item.into());
        self.set_collection(name, &items)
    }

    fn restore(&self, defs: &BTreeMap<String, pb::CollectionDef>) -> Result<Restored, Error> {
        let info = self.meta_info_def.as_ref();
        let version = info.map_or("", |info| &info.tensorflow_version);
        Restore::at_root(&self.graph, version).all(defs, |_| true)
    }

    /// The names in a collection of nodes and tensors; none when there is no such collection.
    pub fn node_list(&self, collection: &str) -> &[String] {
        match self.collections.get(collection).and_then(|collection| collection.kind.as_ref()) {
            Some(Kind::NodeList(list)) => &list.value,
            _ => &[],
        }
    }
}

impl AssetFile {
    fn from_proto(def: pb::AssetFileDef) -> Result<AssetFile, Error> {
        match def.tensor_info.and_then(|info| info.encoding) {
            Some(pb::tensor_info::Encoding::Name(tensor_name)) => {
                Ok(AssetFile { tensor_name, filename: def.filename })
            }
            _ => Err(Error::MetaGraph(format!("asset {:?} names no tensor", def.filename))),
        }
    }

    fn to_proto(&self) -> pb::AssetFileDef {
        let encoding = Some(pb::tensor_info::Encoding::Name(self.tensor_name.clone()));
        pb::AssetFileDef {
            tensor_info: Some(pb::TensorInfo { encoding, ..Default::default() }),
            filename: self.filename.clone(),
        }
    }
}

fn assets_of_collection(collection: &pb::CollectionDef) -> Result<Vec<pb::AssetFileDef>, Error> {
    let Some(Kind::AnyList(list)) = &collection.kind else { return Ok(Vec::new()) };
    list.value
        .iter()
        .map(|any| {
            pb::AssetFileDef::decode(&*any.value)
                .map_err(|error| Error::MetaGraph(format!("collection {ASSETS_KEY}: {error}")))
        })
        .collect()
}
