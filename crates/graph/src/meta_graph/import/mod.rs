//! MetaGraphs into a graph that is built.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use flowkeep_proto::pb;

use super::CollectionWarning;
use super::keys::GLOBAL_VARIABLES;
use super::scope_names::strip_name_scope;
use crate::builder::{Scope, Variable};
use crate::{Element, Error, ImportOptions, Output};

mod contexts;
mod restore;
mod saver;
mod unbound;
mod writer;

pub(super) use restore::{Restore, Restored};

/// The collection in which an export lists what it takes from outside its scope, unless it is asked
/// for another.
pub(super) const UNBOUND_INPUTS: &str = "unbound_inputs";

type Predicate = dyn Fn(&str) -> bool + Send + Sync;

/// How to import a MetaGraph: the arguments of `tf.compat.v1.train.import_meta_graph`.
#[derive(Clone)]
#[non_exhaustive]
pub struct ImportMetaGraphOptions {
    /// Whether to forget the devices that nodes ask for.
    pub clear_devices: bool,
    /// The name scope for the nodes, within the current one; empty for the current one itself.
    pub import_scope: String,
    /// What to feed imported nodes instead, as [`ImportOptions::input_map`]. All inputs that the
    /// MetaGraph lists as unbound are to be given, and no others with them.
    pub input_map: BTreeMap<String, Output>,
    /// The collection that lists unbound inputs; `None` not to look for one.
    pub unbound_inputs_col_name: Option<String>,
    /// The tensors (with `:`) and nodes (without) of the MetaGraph to give back.
    pub return_elements: Vec<String>,
    restore_collections: Option<Arc<Predicate>>,
}

impl Default for ImportMetaGraphOptions {
    fn default() -> ImportMetaGraphOptions {
        ImportMetaGraphOptions {
            clear_devices: false,
            import_scope: String::new(),
            input_map: BTreeMap::new(),
            unbound_inputs_col_name: Some(UNBOUND_INPUTS.to_owned()),
            return_elements: Vec::new(),
            restore_collections: None,
        }
    }
}

impl ImportMetaGraphOptions {
    /// Options to import into this name scope.
    pub fn under(import_scope: &str) -> ImportMetaGraphOptions {
        ImportMetaGraphOptions { import_scope: import_scope.to_owned(), ..Default::default() }
    }

    /// With the collections only whose names fit: `restore_collections_predicate`.
    pub fn restore_collections(
        mut self,
        fits: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> ImportMetaGraphOptions {
        self.restore_collections = Some(Arc::new(fits));
        self
    }

    fn restores(&self, key: &str) -> bool {
        self.unbound_inputs_col_name.as_deref() != Some(key)
            && self.restore_collections.as_ref().is_none_or(|fits| fits(key))
    }
}

impl fmt::Debug for ImportMetaGraphOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImportMetaGraphOptions")
            .field("clear_devices", &self.clear_devices)
            .field("import_scope", &self.import_scope)
            .field("input_map", &self.input_map)
            .field("unbound_inputs_col_name", &self.unbound_inputs_col_name)
            .field("return_elements", &self.return_elements)
            .finish_non_exhaustive()
    }
}

/// What [`Scope::import_meta_graph`] has added.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ImportedMetaGraph {
    /// The variables in the collection `variables` whose names begin with the scope, by their names
    /// without it (`v:0`). At the root these are all variables of the graph.
    pub variables: BTreeMap<String, Variable>,
    /// How the variables are saved and restored, with the names that tensors have in the graph. `None`
    /// when the MetaGraph does not say: TensorFlow then makes a new saver for all variables.
    pub saver_def: Option<pb::SaverDef>,
    /// What was asked for as [`ImportMetaGraphOptions::return_elements`], in that order.
    pub elements: Vec<Element>,
    /// The scope of the nodes, with its slash; empty for the root.
    pub scope: String,
    /// Collections that were skipped, or that old writers wrote.
    pub warnings: Vec<CollectionWarning>,
}

impl Scope {
    /// Adds a MetaGraph: `tf.compat.v1.train.import_meta_graph` and `import_scoped_meta_graph`.
    ///
    /// The graph is imported into the name scope that is asked for, which is numbered when it is in use;
    /// what is in its collections goes behind what is in the scope's. Names in variables, savers, queue
    /// runners, conditionals and loops get the scope, and so do strings; loops get frames of their own.
    /// Variables are in the collections, but no [`Scope::get_variable`] finds them. Either all is
    /// added, or the scope stays as it was.
    ///
    /// ```
    /// use flowkeep_graph::builder::{Initializer, Scope, VariableOptions};
    /// use flowkeep_graph::{ExportOptions, ImportMetaGraphOptions};
    ///
    /// let mut scope = Scope::new();
    /// let ones = VariableOptions::new().shape([2]).initializer(Initializer::Ones);
    /// scope.variable_scope("layer")?.get_variable("w", ones)?;
    /// let exported = scope.export_meta_graph(&ExportOptions::of_scope("layer"))?;
    ///
    /// let mut other = Scope::new();
    /// for import_scope in ["tower/", "tower_1/"] {
    ///     let options = ImportMetaGraphOptions::under("tower");
    ///     let imported = other.import_meta_graph(exported.meta_graph_def.clone(), &options)?;
    ///     assert_eq!(imported.scope, import_scope);
    ///     assert!(imported.variables.contains_key("w:0"));
    /// }
    /// assert_eq!(other.collections().variables("variables").count(), 2);
    /// # Ok::<(), flowkeep_graph::Error>(())
    /// ```
    ///
    /// Errors, with TensorFlow's texts: as [`Scope::import_graph_def`]; `INVALID_ARGUMENT` when unbound
    /// inputs are not given, for messages in collections that do not decode, for a saver without names;
    /// `NOT_FOUND` for names in collections that name nothing.
    pub fn import_meta_graph(
        &mut self,
        def: pb::MetaGraphDef,
        options: &ImportMetaGraphOptions,
    ) -> Result<ImportedMetaGraph, Error> {
        unbound::check(&def, options)?;
        self.all_or_nothing(|scope| import(scope, def, options))
    }
}

fn import(
    scope: &mut Scope,
    def: pb::MetaGraphDef,
    options: &ImportMetaGraphOptions,
) -> Result<ImportedMetaGraph, Error> {
    let info = def.meta_info_def.unwrap_or_default();
    let prefix = match &*options.import_scope {
        "" => scope.current_name_scope(),
        import_scope => import_scope.to_owned(),
    };
    let mut graph_options = ImportOptions::under(&prefix);
    graph_options.clear_devices = options.clear_devices;
    graph_options.input_map.clone_from(&options.input_map);
    graph_options.return_elements.clone_from(&options.return_elements);
    graph_options.producer_op_list = info.stripped_op_list.map(Arc::new);
    let imported = scope.import_nodes(def.graph_def.unwrap_or_default(), &graph_options)?;

    let restore = Restore {
        graph: scope.graph(),
        scope: imported.prefix(),
        variables_say_trainable: writer::says_trainable(&info.tensorflow_version),
    };
    let restored = restore.all(&def.collection_def, |key| options.restores(key))?;
    let saver_def = def.saver_def.map(|def| saver::in_scope(def, imported.prefix())).transpose()?;
    let Restored { collections, frames, warnings } = restored;
    for (enter, frame) in frames {
        scope.set_frame(enter, frame)?;
    }
    scope.collections_mut().extend(collections);

    let (graph, prefix) = (scope.graph(), imported.prefix());
    let variables = scope.collections().variables(GLOBAL_VARIABLES);
    let named = variables.map(|variable| (variable.name(graph), variable.clone()));
    Ok(ImportedMetaGraph {
        variables: named
            .filter(|(name, _)| name.starts_with(prefix))
            .map(|(name, variable)| (strip_name_scope(&name, prefix).into_owned(), variable))
            .collect(),
        saver_def,
        elements: imported.elements.clone(),
        scope: prefix.to_owned(),
        warnings,
    })
}
