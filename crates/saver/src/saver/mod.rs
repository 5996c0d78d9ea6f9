//! [`Saver`]: what a user holds.
//!
//! Modules in reading order: `config` ([`SaverConfig`]), `clock`, `last_checkpoints` (which checkpoints
//! are kept), `saver_def` (Savers from messages and to them), `save`, `restore`, `copy` (checkpoints
//! without a session).

mod clock;
mod config;
mod copy;
mod last_checkpoints;
mod restore;
mod save;
mod saver_def;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowkeep_bundle::checkpoint_state::get_checkpoint_mtimes;
use flowkeep_graph::builder::Scope;
use flowkeep_graph::{CollectionItem, Collections, Graph, collection_keys};
use flowkeep_proto::pb;

pub use self::clock::{Clock, SystemClock};
pub use self::config::{SaverBuilder, SaverConfig, WriteVersion};
pub use self::restore::{RestoreOptions, RestoreReport, RestoredVariable};
pub(crate) use self::save::value_of;
pub use self::save::{GlobalStep, SaveOptions};
pub use self::saver_def::{import_meta_graph, import_meta_graph_file};

use self::last_checkpoints::LastCheckpoints;
use crate::{Error, SaveItem, VarList, build};

/// Saves the variables of a graph into checkpoints and restores them, as `tf.compat.v1.train.Saver`.
///
/// A Saver adds nodes to the graph, which do the work when a session runs them; by itself it decides
/// what checkpoints are called, which of them are kept, and what the `checkpoint` file and the `.meta`
/// files beside them say.
///
/// ```
/// use std::sync::Arc;
///
/// use flowkeep_graph::builder::{Scope, VariableOptions};
/// use flowkeep_runtime::{Registry, Session, SessionOptions};
/// use flowkeep_saver::{SaveOptions, Saver, SaverConfig};
///
/// let mut scope = Scope::new();
/// let v = scope.with_op_name("v").variable(VariableOptions::new().initializer([1.5f32, 2.5]))?;
/// let assign = scope.assign(&v, [7.0f32, 8.0])?;
/// let assign = scope.graph().node(assign).name().to_owned();
/// let mut saver = Saver::new(&mut scope, SaverConfig::default())?;
/// scope.with_op_name("init").global_variables_initializer()?;
///
/// let mut registry = Registry::standard();
/// flowkeep_saver::register(&mut registry);
/// let options = SessionOptions { registry, ..SessionOptions::default() };
/// let session = Session::new(Arc::new(scope.into_graph()), options);
/// session.run(&[], &[], &["init"])?;
///
/// let dir = tempfile::tempdir()?;
/// let prefix = saver.save(&session, dir.path().join("model.ckpt"), &SaveOptions::at_step(10))?.unwrap();
/// assert!(prefix.ends_with("model.ckpt-10"));
///
/// session.run(&[], &[], &[&assign])?;
/// saver.restore(&session, &prefix)?;
/// let values = session.run(&[], &["v/Read/ReadVariableOp:0"], &[])?;
/// assert_eq!(values[0].as_slice::<f32>()?, [1.5, 2.5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Saver {
    config: SaverConfig,
    /// The nodes; `None` before they are built, and of a Saver of no variables.
    saver_def: Option<pb::SaverDef>,
    is_built: bool,
    last: LastCheckpoints,
    collections: Collections,
    /// The MetaGraph that was written last, of this graph, with default attributes or without.
    exported: Option<(Arc<Graph>, bool, pb::MetaGraphDef)>,
}

impl Saver {
    /// A Saver for the variables of a graph; its nodes are added to `scope`, unless the options give a
    /// [`SaverConfig::saver_def`] or defer them to [`Saver::build`].
    ///
    /// Collections of the graph go into the `.meta` files as they are now; what is put into them
    /// later, [`Saver::set_collections`] takes.
    ///
    /// Errors, with TensorFlow's texts: `INVALID_ARGUMENT` for options that contradict each other, for
    /// variables that cannot be saved under these names, and without variables. What has been added by
    /// then stays.
    pub fn new(scope: &mut Scope, config: SaverConfig) -> Result<Saver, Error> {
        let mut saver = Saver::unbuilt(config)?;
        if !saver.config.defer_build {
            saver.build(scope)?;
        }
        Ok(saver)
    }

    fn unbuilt(config: SaverConfig) -> Result<Saver, Error> {
        if config.defer_build && config.var_list.as_ref().is_some_and(|list| !list.is_empty()) {
            return Err(Error::Saver(
                "If `var_list` is provided then build cannot be deferred. Either set defer_build=False or var_list=None."
                    .to_owned(),
            ));
        }
        if let Some(max_to_keep @ ..0) = config.max_to_keep {
            return Err(Error::Saver(format!("max_to_keep is {max_to_keep}, which is below 0")));
        }
        Ok(Saver {
            saver_def: None,
            is_built: false,
            last: LastCheckpoints::default(),
            collections: Collections::default(),
            exported: None,
            config,
        })
    }

    /// Adds the nodes of a Saver whose building was deferred; does nothing the second time.
    ///
    /// Errors: as [`Saver::new`].
    pub fn build(&mut self, scope: &mut Scope) -> Result<(), Error> {
        if self.is_built {
            return Ok(());
        }
        self.is_built = true;
        if self.config.saver_def.is_some() {
            self.adopt()?;
        } else {
            let var_list = match &self.config.var_list {
                Some(var_list) => var_list.clone(),
                None => all_variables(scope)?,
            };
            if var_list.is_empty() {
                if !self.config.allow_empty {
                    return Err(Error::Saver("No variables to save".to_owned()));
                }
            } else {
                self.saver_def = Some(build::build(scope, &var_list, &self.config)?);
            }
        }
        self.collections = scope.collections().clone();
        self.start_clock();
        Ok(())
    }

    fn start_clock(&mut self) {
        let hours = self.saver_def.as_ref().map_or(0.0, |def| def.keep_checkpoint_every_n_hours);
        self.last.start(self.config.clock.now(), hours.into());
    }

    /// The names of the nodes, and which checkpoints are kept: `as_saver_def`. `None` before the Saver
    /// is built, and of one that has no variables.
    pub fn as_saver_def(&self) -> Option<&pb::SaverDef> {
        self.saver_def.as_ref()
    }

    /// The collections that go into `.meta` files, of the graph that sessions are of.
    pub fn set_collections(&mut self, collections: Collections) {
        self.collections = collections;
        self.exported = None;
    }

    /// The collections of the graph, as the Saver keeps them.
    pub(crate) fn collections(&self) -> &Collections {
        &self.collections
    }

    /// The checkpoints that are kept, oldest first.
    pub fn last_checkpoints(&self) -> Vec<PathBuf> {
        self.last.paths()
    }

    /// Sets the checkpoints that are kept. None of these will be deleted: each, when its turn comes,
    /// counts as one to keep for good.
    pub fn set_last_checkpoints<P: Into<PathBuf>>(
        &mut self,
        last_checkpoints: impl IntoIterator<Item = P>,
    ) {
        let kept = last_checkpoints.into_iter().map(|path| (path.into(), f64::INFINITY));
        self.last.set(kept.collect());
    }

    /// Sets the checkpoints that are kept, with the times at which they were written, in seconds since
    /// the epoch.
    pub fn set_last_checkpoints_with_time<P: Into<PathBuf>>(
        &mut self,
        last_checkpoints: impl IntoIterator<Item = (P, f64)>,
    ) {
        self.last
            .set(last_checkpoints.into_iter().map(|(path, time)| (path.into(), time)).collect());
    }

    /// Sets the checkpoints that are kept to those of `paths` that are there, with the times of their
    /// files; for a program that goes on after a crash.
    pub fn recover_last_checkpoints<P: AsRef<Path>>(&mut self, paths: impl IntoIterator<Item = P>) {
        let found = paths.into_iter().filter_map(|path| {
            let path = path.as_ref();
            Some((path.to_owned(), get_checkpoint_mtimes([path]).first().copied()?))
        });
        let found = found.collect();
        self.last.set(found);
    }

    /// What went wrong when old checkpoints were deleted, which fails no save.
    pub fn take_deletion_errors(&mut self) -> Vec<flowkeep_bundle::Error> {
        self.last.take_errors()
    }
}

/// The Saver of the collection `savers`, or else a new one, sharded, that is put there:
/// `_get_saver_or_default`.
///
/// Errors: `FAILED_PRECONDITION`, with TensorFlow's text, when there are several; as [`Saver::new`].
pub fn get_saver_or_default(scope: &mut Scope) -> Result<Saver, Error> {
    let savers = scope.collections().get(collection_keys::SAVERS);
    if savers.len() > 1 {
        return Err(Error::NotReady(format!(
            "More than one item in collection {}. Please indicate which one to use by passing it to the constructor.",
            collection_keys::SAVERS
        )));
    }
    if let Some(CollectionItem::Saver(def)) = savers.first() {
        let config = SaverConfig { saver_def: Some((**def).clone()), ..SaverConfig::default() };
        return Saver::new(scope, config);
    }
    let config = SaverConfig { sharded: true, allow_empty: true, ..SaverConfig::default() };
    let mut saver = Saver::new(scope, config)?;
    if let Some(def) = &saver.saver_def {
        let item = CollectionItem::Saver(Box::new(def.clone()));
        scope.add_to_collection(collection_keys::SAVERS, item);
        saver.set_collections(scope.collections().clone());
    }
    Ok(saver)
}

/// All that is saved when nothing is said: the collections `variables` and `saveable_objects`.
fn all_variables(scope: &Scope) -> Result<VarList, Error> {
    let collections =
        [collection_keys::GLOBAL_VARIABLES, collection_keys::SAVEABLE_OBJECTS].into_iter();
    let items = collections.flat_map(|key| scope.collections().get(key));
    let items = items.map(|item| match item {
        CollectionItem::Saveable(object) => Ok(SaveItem::Object(object.clone())),
        CollectionItem::Variable(variable) => Ok(SaveItem::Variable(variable.clone())),
        CollectionItem::Tensor(tensor) => Ok(SaveItem::Tensor(*tensor)),
        other => Err(Error::NotAVariable(format!("{other:?}"))),
    });
    Ok(VarList::List(items.collect::<Result<_, _>>()?))
}
