use std::path::Path;

use flowkeep_bundle::{BundleReader, ObjectGraph};
use flowkeep_graph::file;
use flowkeep_tensor::PartialShape;

use super::graph::{GraphFile, is_graph, of_collection, of_nodes, restored_by};
use super::is_object_graph;
use super::wanted::{Assignment, Wanted};
use crate::{Checkpoint, Error};

/// How to read what is to be restored.
#[derive(Clone, Debug, Default)]
pub struct TargetOptions {
    /// The tags of the MetaGraph of a SavedModel; if there are none, the only MetaGraph, or that for
    /// serving.
    pub tags: Option<Vec<String>>,
}

/// Everything that is to be restored.
#[derive(Debug)]
#[non_exhaustive]
pub struct Target {
    /// What was found under the path, as one line.
    pub found: String,
    /// Who asks for the tensors.
    pub wanted_by: WantedBy,
    /// The tensors, in order of their names.
    pub wanted: Vec<Wanted>,
    /// The objects that own them, where that is known.
    pub(super) objects: Option<ObjectGraph>,
}

/// Who asks for tensors.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WantedBy {
    /// A checkpoint: its tensors are to be replaced.
    Checkpoint,
    /// The saver of a graph, of which this is the op that restores.
    Saver {
        /// The name of the node.
        restore_op: String,
        /// Whether it has ops that read V1 checkpoints alone.
        only_v1: bool,
    },
    /// The variables that a graph lists, for which TensorFlow would make a saver.
    Collection,
    /// All variables of a graph.
    Nodes,
}

impl Target {
    /// Reads what a path means: a MetaGraph (`.meta`), a GraphDef (`.pb`, `.pbtxt`), a SavedModel, or a
    /// checkpoint as [`Checkpoint::open`] takes it. A file of another name that is no checkpoint may be a
    /// graph as well.
    ///
    /// Errors: `DATA_LOSS` for files that are not what they are called; `NOT_FOUND` for tags that no
    /// MetaGraph has; those of importing a graph, and of [`Checkpoint::open`].
    pub fn open(path: &Path, options: &TargetOptions) -> Result<Target, Error> {
        let tags = options.tags.as_deref();
        if is_graph(path) {
            return Target::of_graph(path, GraphFile::read(path, tags)?);
        }
        match Checkpoint::open(path) {
            Ok(checkpoint) => Target::of_checkpoint(&checkpoint),
            Err(error) if path.is_file() => match GraphFile::read(path, tags) {
                Ok(graph) => Target::of_graph(path, graph),
                Err(_) => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// What a file with a graph wants that has been read already.
    ///
    /// Errors: as [`Target::open`].
    pub fn of_file(file: file::GraphFile, options: &TargetOptions) -> Result<Target, Error> {
        let path = file.path.clone();
        Target::of_graph(&path, GraphFile::of(file, options.tags.as_deref())?)
    }

    /// The tensors of a checkpoint, but for the object graph.
    ///
    /// Errors: those of [`Checkpoint::object_graph`].
    pub fn of_checkpoint(checkpoint: &Checkpoint) -> Result<Target, Error> {
        let tensors = checkpoint.tensors().iter().filter(|info| !is_object_graph(&info.name));
        let wanted = tensors.map(|info| Wanted {
            dtype: info.dtype,
            shape: PartialShape::from(&info.shape),
            assignment: Assignment::Checked,
            ..Wanted::new(info.name.to_vec())
        });
        let mut wanted: Vec<_> = wanted.collect();
        wanted.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Target {
            found: checkpoint.found().into(),
            wanted_by: WantedBy::Checkpoint,
            wanted,
            objects: checkpoint.object_graph()?,
        })
    }

    fn of_graph(path: &Path, file: GraphFile) -> Result<Target, Error> {
        let found = format!("{} ({})", path.display(), file.what);
        let own = file.own_checkpoint.and_then(|prefix| BundleReader::open(&prefix).ok());
        let objects = own.and_then(|reader| reader.object_graph().ok().flatten());
        let target = |wanted_by, wanted| Target { found, wanted_by, wanted, objects };
        let restore_op = file.saver_def.map(|def| def.restore_op_name).unwrap_or_default();
        if let Some(restored) = restored_by(&file.graph, &restore_op, path)?
            && restored.n_ops > 0
            && restored.n_computed == 0
        {
            let only_v1 = restored.n_old_ops > 0;
            let wanted_by = WantedBy::Saver { restore_op, only_v1 };
            return Ok(target(wanted_by, restored.wanted.into_sorted()));
        }
        match file.variables {
            Some(variables) => {
                let wanted = of_collection(&file.graph, &variables)?;
                Ok(target(WantedBy::Collection, wanted.into_one_op()))
            }
            None => Ok(target(WantedBy::Nodes, of_nodes(&file.graph).into_one_op())),
        }
    }
}
