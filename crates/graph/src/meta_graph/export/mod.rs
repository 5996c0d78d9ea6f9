//! Graphs that are built into MetaGraphs.

use std::collections::{BTreeMap, HashSet};

use flowkeep_proto::pb;

use super::keys::{GLOBAL_VARIABLES, SAVERS};
use super::scope_names::strip_name_scope;
use super::{CollectionItem, CollectionWarning, Collections, WarningKind};
use crate::builder::{Scope, Variable};
use crate::transform::strip_default_attrs;
use crate::{Error, Graph};

mod collection;
mod defs;
mod nodes;
mod op_list;
mod savers;

pub(super) use collection::collection_def;
pub use op_list::{ops_used_by_graph_def, stripped_op_list_for_graph};

use super::import::UNBOUND_INPUTS;

/// The release of TensorFlow whose rules exported MetaGraphs follow, and which they name as their
/// writer: readers go by it.
pub const TENSORFLOW_VERSION: &str = "2.21.0";

/// What exported MetaGraphs name as the version of the sources that wrote them: this crate.
pub const TENSORFLOW_GIT_VERSION: &str = concat!("flowkeep-", env!("CARGO_PKG_VERSION"));

/// What the names of inputs from outside an exported scope begin with.
const UNBOUND_INPUT_PREFIX: &str = "$unbound_inputs_";

/// How to export a MetaGraph: the arguments of `tf.compat.v1.train.export_meta_graph`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExportOptions {
    /// The name scope to export, which is then the root. It is what names begin with: `s` stands for
    /// `sx/y` too, whose name stays; `s/` does not. Empty for the whole graph.
    pub export_scope: String,
    /// The collection that is to list the inputs that an exported scope takes from outside; `None` for
    /// none.
    pub unbound_inputs_col_name: Option<String>,
    /// Whether to forget the devices that nodes ask for.
    pub clear_devices: bool,
    /// Whether to leave out all that saves and restores but for [`ExportOptions::saver_def`].
    pub clear_extraneous_savers: bool,
    /// Whether to leave out attributes that have the default of their op.
    pub strip_default_attrs: bool,
    /// The collections to export; `None` for all.
    pub collection_list: Option<Vec<String>>,
    /// How the variables are saved and restored, with names of the exported graph.
    pub saver_def: Option<pb::SaverDef>,
    /// What else is to be told of the MetaGraph, such as its tags. Who wrote it is told anyway, and
    /// the ops that it uses unless they are here.
    pub meta_info_def: Option<pb::meta_graph_def::MetaInfoDef>,
    /// The nodes, functions and versions to export instead of the graph's.
    pub graph_def: Option<pb::GraphDef>,
}

impl Default for ExportOptions {
    fn default() -> ExportOptions {
        ExportOptions {
            export_scope: String::new(),
            unbound_inputs_col_name: Some(UNBOUND_INPUTS.to_owned()),
            clear_devices: false,
            clear_extraneous_savers: false,
            strip_default_attrs: false,
            collection_list: None,
            saver_def: None,
            meta_info_def: None,
            graph_def: None,
        }
    }
}

impl ExportOptions {
    /// Options to export this scope.
    pub fn of_scope(export_scope: &str) -> ExportOptions {
        ExportOptions { export_scope: export_scope.to_owned(), ..Default::default() }
    }
}

/// A MetaGraph that was exported.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Exported {
    /// The MetaGraph.
    pub meta_graph_def: pb::MetaGraphDef,
    /// The exported ones of the variables in the collection `variables`, by the names that they have
    /// in the MetaGraph (`v:0`).
    pub variables: BTreeMap<String, Variable>,
    /// Collections that were left out.
    pub warnings: Vec<CollectionWarning>,
}

impl Scope {
    /// The graph and its collections as a MetaGraph: `tf.compat.v1.train.export_meta_graph` and
    /// `export_scoped_meta_graph`. [`write_meta_graph`](crate::file::write_meta_graph) puts it into a
    /// file.
    ///
    /// Nodes say the shapes of their outputs as far as they are known, as `_output_shapes`. What the
    /// first item of a collection is, all are to be; a collection of which that is not so is left out,
    /// and told of. Unlike TensorFlow's, an export leaves nothing behind in the collections of the
    /// graph itself.
    ///
    /// Errors: `INVALID_ARGUMENT` for a `_class` that names no node in an exported scope, and when
    /// savers are to be cleared, for a saver or nodes without names.
    pub fn export_meta_graph(&self, options: &ExportOptions) -> Result<Exported, Error> {
        let mut graph_def = match &options.graph_def {
            Some(def) => def.clone(),
            None => self.to_graph_def_with_shapes(),
        };
        let scope = &*options.export_scope;
        let excluded = match options.clear_extraneous_savers {
            true => savers::extraneous_nodes(&graph_def, options.saver_def.as_ref())?,
            false => HashSet::new(),
        };
        let selection = Selection { scope, excluded: &excluded, graph: self.graph() };
        let mut unbound = None;
        if !scope.is_empty() || options.clear_extraneous_savers || options.clear_devices {
            unbound = Some(nodes::select(&mut graph_def, &selection, options.clear_devices)?);
        }
        let mut info = options.meta_info_def.clone().unwrap_or_default();
        info.tensorflow_version = TENSORFLOW_VERSION.to_owned();
        info.tensorflow_git_version = TENSORFLOW_GIT_VERSION.to_owned();
        if info.stripped_op_list.as_ref().is_none_or(|list| list.op.is_empty()) {
            info.stripped_op_list = Some(stripped_op_list_for_graph(&graph_def));
        }
        if options.strip_default_attrs {
            strip_default_attrs(&mut graph_def);
            info.stripped_default_attrs = true;
        }
        let mut warnings = Vec::new();
        let collections = with_unbound(self.collections(), options, unbound);
        let collection_def = selection.collections(&collections, options, &mut warnings);
        let variables = self.collections().variables(GLOBAL_VARIABLES);
        let named = variables.map(|variable| (variable.name(self.graph()), variable.clone()));
        Ok(Exported {
            variables: named
                .filter(|(name, _)| selection.has(name) && name.starts_with(scope))
                .map(|(name, variable)| (strip_name_scope(&name, scope).into_owned(), variable))
                .collect(),
            meta_graph_def: pb::MetaGraphDef {
                meta_info_def: Some(info),
                graph_def: Some(graph_def),
                saver_def: options.saver_def.clone(),
                collection_def,
                ..Default::default()
            },
            warnings,
        })
    }
}

/// What of a graph is exported.
pub(super) struct Selection<'a> {
    /// The scope, which is taken from names.
    pub(super) scope: &'a str,
    /// Nodes that are not.
    pub(super) excluded: &'a HashSet<String>,
    pub(super) graph: &'a Graph,
}

impl Selection<'_> {
    /// Whether a node or tensor of this name is exported.
    fn has(&self, name: &str) -> bool {
        !self.excluded.contains(name)
            && (name.starts_with(UNBOUND_INPUT_PREFIX) || name.starts_with(self.scope))
    }

    /// The messages of collections.
    fn collections(
        &self,
        collections: &Collections,
        options: &ExportOptions,
        warnings: &mut Vec<CollectionWarning>,
    ) -> BTreeMap<String, pb::CollectionDef> {
        let keys: Vec<&str> = match &options.collection_list {
            Some(keys) => keys.iter().map(String::as_str).collect(),
            None => collections.iter().map(|(key, _)| key).collect(),
        };
        let mut defs = BTreeMap::new();
        for key in keys {
            let only_saver: Vec<CollectionItem>;
            let items = if options.clear_extraneous_savers && key == SAVERS {
                let saver = options.saver_def.iter().cloned();
                only_saver = saver.map(|saver| CollectionItem::Saver(saver.into())).collect();
                &only_saver
            } else {
                collections.get(key)
            };
            match collection_def(key, items, self) {
                Ok(Some(def)) => {
                    defs.insert(key.to_owned(), def);
                }
                Ok(None) => {}
                Err(reason) => {
                    let kind = WarningKind::Dropped(reason);
                    warnings.push(CollectionWarning::new(key, kind));
                }
            }
        }
        defs
    }
}

/// The collections with the one that lists unbound inputs, if a scope was cut out.
fn with_unbound(
    collections: &Collections,
    options: &ExportOptions,
    unbound: Option<Vec<String>>,
) -> Collections {
    let mut collections = collections.clone();
    if let (Some(key), Some(unbound)) = (&options.unbound_inputs_col_name, unbound) {
        collections.remove(key);
        for name in unbound {
            collections.add(key, CollectionItem::Str(name));
        }
    }
    collections
}
