//! What variables start with.

use std::path::{Path, PathBuf};

use flowkeep_bundle::checkpoint_state::get_checkpoint_state;
use flowkeep_bundle::{Location, latest_checkpoint};
use flowkeep_graph::{CollectionItem, collection_keys};
use flowkeep_runtime::Session;

use super::TrainOptions;
use super::counter::Counter;
use crate::{Error, Saver};

/// The node that initializes variables, where nobody says it.
const INIT: &str = "init";

/// Where a training is.
pub(super) struct Begun {
    /// The step before the first one of the whole training.
    pub(super) origin: i64,
    /// The step that variables are of.
    pub(super) step: i64,
    /// The checkpoint that they came from.
    pub(super) restored: Option<PathBuf>,
}

/// Gives variables their values: those of the checkpoint that the options name, or the initial ones,
/// then those that the model directory has of a later step; then initializes what no checkpoint has.
pub(super) fn begin(
    session: &Session,
    saver: &mut Saver,
    options: &TrainOptions,
    counter: &Counter,
) -> Result<Begun, Error> {
    let latest = match &options.model_dir {
        Some(dir) => recover(saver, dir)?,
        None => None,
    };
    let given = options.checkpoint.as_deref().map(Location::find).transpose()?;
    let mut begun = match given {
        Some(Location { prefix, .. }) => {
            saver.restore(session, &prefix)?;
            let step = counter.now(session, file_name(&prefix))?;
            Begun { origin: step, step, restored: Some(prefix) }
        }
        None if latest.is_some() => Begun { origin: 0, step: 0, restored: None },
        None => {
            session.run(&[], &[], &[&init_op(session, saver, options)?])?;
            let step = counter.now(session, None)?;
            Begun { origin: step, step, restored: None }
        }
    };
    let own = begun.restored.as_deref().zip(options.model_dir.as_deref());
    let is_own = own.is_some_and(|(prefix, dir)| is_within(prefix, dir));
    if let Some(latest) = latest.filter(|_| !is_own) {
        saver.restore(session, &latest)?;
        let step = counter.now(session, file_name(&latest))?;
        if step < begun.origin {
            return Err(Error::NotReady(format!(
                "{} is of step {step}, which is before step {} that the training begins with; save into another directory",
                latest.display(),
                begun.origin
            )));
        }
        (begun.step, begun.restored) = (step, Some(latest));
    }
    initialize_locals(session, saver)?;
    Ok(begun)
}

/// The latest checkpoint of a model directory, whose others the Saver deletes when their time comes.
fn recover(saver: &mut Saver, dir: &Path) -> Result<Option<PathBuf>, Error> {
    if let Some(state) = get_checkpoint_state(dir, None)? {
        saver.recover_last_checkpoints(&state.all_model_checkpoint_paths);
    }
    Ok(latest_checkpoint(dir, None)?)
}

/// Whether a checkpoint is one of a directory.
fn is_within(prefix: &Path, dir: &Path) -> bool {
    let parent = prefix.parent().map(|parent| match parent.as_os_str().is_empty() {
        true => Path::new("."),
        false => parent,
    });
    let parent = parent.and_then(|parent| parent.canonicalize().ok());
    parent.is_some() && parent == dir.canonicalize().ok()
}

fn file_name(prefix: &Path) -> Option<&str> {
    prefix.file_name()?.to_str()
}

/// The node that initializes variables.
fn init_op(session: &Session, saver: &Saver, options: &TrainOptions) -> Result<String, Error> {
    let graph = session.graph();
    if let Some(name) = &options.init_op {
        let node = graph.get_operation_by_name(name)?;
        return Ok(graph.node(node).name().to_owned());
    }
    let named = || graph.node_by_name(INIT).map(|node| graph.node(node).name().to_owned());
    nodes(session, saver, collection_keys::INIT_OP).into_iter().next().or_else(named).ok_or_else(
        || {
            Error::Saver(format!(
                "there is neither a checkpoint to begin with, nor a node {INIT} or another init op"
            ))
        },
    )
}

/// Runs what initializes what each process has: tables and local variables.
fn initialize_locals(session: &Session, saver: &Saver) -> Result<(), Error> {
    let mut targets = nodes(session, saver, collection_keys::LOCAL_INIT_OP);
    if targets.is_empty() {
        let graph = session.graph();
        let locals = saver.collections().variables(collection_keys::LOCAL_VARIABLES);
        targets.extend(locals.map(|local| graph.node(local.initializer()).name().to_owned()));
        targets.extend(nodes(session, saver, collection_keys::TABLE_INITIALIZERS));
    }
    let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
    if !targets.is_empty() {
        session.run(&[], &[], &targets)?;
    }
    Ok(())
}

/// The names of the nodes in a collection.
fn nodes(session: &Session, saver: &Saver, key: &str) -> Vec<String> {
    let graph = session.graph();
    let items = saver.collections().get(key).iter();
    let nodes = items.filter_map(|item| match item {
        CollectionItem::Node(node) => graph.get(*node),
        CollectionItem::Tensor(tensor) => graph.get(tensor.node),
        _ => None,
    });
    nodes.map(|node| node.name().to_owned()).collect()
}
