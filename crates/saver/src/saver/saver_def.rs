//! Savers from messages, and to them.

use std::path::Path;

use flowkeep_graph::builder::Scope;
use flowkeep_graph::file::read_meta_graph_file;
use flowkeep_graph::{
    CollectionItem, ImportMetaGraphOptions, ImportedMetaGraph, MetaGraph, collection_keys,
    prepend_name_scope, strip_name_scope,
};
use flowkeep_proto::pb;

use super::{Saver, SaverConfig};
use crate::Error;

impl Saver {
    /// The Saver that a message describes, whose nodes are in the graph under `import_scope`.
    ///
    /// Errors: `INVALID_ARGUMENT`, with TensorFlow's texts, for a message without names.
    pub fn from_proto(def: pb::SaverDef, import_scope: Option<&str>) -> Result<Saver, Error> {
        let mut saver = Saver::unbuilt(SaverConfig {
            saver_def: Some(def),
            name: import_scope.map(str::to_owned),
            ..SaverConfig::default()
        })?;
        saver.is_built = true;
        saver.adopt()?;
        saver.start_clock();
        Ok(saver)
    }

    /// The Saver of a MetaGraph, with the collections that it has; `None` if it has no Saver. Sessions
    /// are to be of [`MetaGraph::graph`].
    ///
    /// Errors: as [`Saver::from_proto`] and [`MetaGraph::items`].
    pub fn from_meta_graph(meta_graph: &MetaGraph) -> Result<Option<Saver>, Error> {
        let Some(def) = meta_graph.saver_def.clone() else { return Ok(None) };
        let mut saver = Saver::from_proto(def, None)?;
        saver.set_collections(meta_graph.items()?.0);
        Ok(Some(saver))
    }

    /// Takes the nodes that the options name.
    pub(super) fn adopt(&mut self) -> Result<(), Error> {
        let Some(mut def) = self.config.saver_def.clone() else { return Ok(()) };
        for (what, name) in
            [("save_tensor_name", &def.save_tensor_name), ("restore_op_name", &def.restore_op_name)]
        {
            if name.is_empty() {
                let text = flowkeep_proto::text::print_message(&def).unwrap_or_default();
                return Err(Error::Saver(format!("saver_def must specify the {what}: {text}")));
            }
        }
        if let Some(scope) = self.config.name.as_deref().filter(|name| !name.is_empty()) {
            let names = [
                &mut def.filename_tensor_name,
                &mut def.save_tensor_name,
                &mut def.restore_op_name,
            ];
            for name in names {
                *name = prepend_name_scope(name, scope);
            }
        }
        self.saver_def = Some(def);
        Ok(())
    }

    /// The message with names as they are within `export_scope`: `None` if they do not begin with it.
    pub fn to_proto(&self, export_scope: Option<&str>) -> Option<pb::SaverDef> {
        let def = self.saver_def.as_ref()?;
        let Some(scope) = export_scope else { return Some(def.clone()) };
        let names = [&def.filename_tensor_name, &def.save_tensor_name, &def.restore_op_name];
        if !names.iter().all(|name| name.starts_with(scope)) {
            return None;
        }
        let strip = |name: &str| strip_name_scope(name, scope).into_owned();
        Some(pb::SaverDef {
            filename_tensor_name: strip(&def.filename_tensor_name),
            save_tensor_name: strip(&def.save_tensor_name),
            restore_op_name: strip(&def.restore_op_name),
            ..def.clone()
        })
    }
}

/// Adds a MetaGraph to a graph that is built, and gives its Saver: `tf.compat.v1.train.import_meta_graph`.
///
/// A MetaGraph without a Saver gets a new one for all variables of the graph; if there are none, the
/// Saver is `None`.
///
/// Errors: as [`Scope::import_meta_graph`] and [`Saver::new`].
pub fn import_meta_graph(
    scope: &mut Scope,
    def: pb::MetaGraphDef,
    options: &ImportMetaGraphOptions,
) -> Result<(Option<Saver>, ImportedMetaGraph), Error> {
    let imported = scope.import_meta_graph(def, options)?;
    let variables = scope.collections().get(collection_keys::GLOBAL_VARIABLES);
    let in_scope = |item: &CollectionItem| {
        item.name(scope.graph()).is_some_and(|name| name.starts_with(&*options.import_scope))
    };
    let config = match imported.saver_def.clone() {
        Some(def) => SaverConfig { saver_def: Some(def), ..SaverConfig::default() },
        None if variables.iter().any(in_scope) => SaverConfig::default(),
        None => return Ok((None, imported)),
    };
    Ok((Some(Saver::new(scope, config)?), imported))
}

/// [`import_meta_graph`] from a file, or from the one beside a checkpoint.
///
/// Errors: as [`read_meta_graph_file`] and [`import_meta_graph`].
pub fn import_meta_graph_file(
    scope: &mut Scope,
    path: impl AsRef<Path>,
    options: &ImportMetaGraphOptions,
) -> Result<(Option<Saver>, ImportedMetaGraph), Error> {
    import_meta_graph(scope, read_meta_graph_file(path.as_ref())?, options)
}
