//! Restoring checkpoints.

use std::collections::HashSet;
use std::path::Path;

use flowkeep_bundle::checkpoint_state::checkpoint_exists;
use flowkeep_bundle::{CheckpointReader, Error as BundleError};
use flowkeep_graph::{Graph, NodeId};
use flowkeep_runtime::Session;
use flowkeep_tensor::{Code, Tensor, TensorSlice};

use super::Saver;
use super::save::filename_tensor;
use crate::Error;
use crate::restore::{Diagnosis, RestoreFailure, RestoreProblem, Restores, Wanted, diagnose};

/// How a checkpoint is restored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RestoreOptions {
    /// Whether a resource takes a value of its own shape only. TensorFlow lets it take any, also one of
    /// another shape than the graph says.
    pub strict_shapes: bool,
}

/// What was restored.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RestoreReport {
    /// The variables that were restored, in order of the graph.
    pub restored: Vec<RestoredVariable>,
    /// What was not, of a partial restore.
    pub skipped: Vec<RestoreProblem>,
    /// Keys of the checkpoint that nothing was restored from.
    pub unused: Vec<String>,
}

/// A variable that was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoredVariable {
    /// The variable.
    pub variable: String,
    /// The key that the graph asks for.
    pub key: String,
    /// The key that it was restored from: another one if the one of graph and checkpoint is of objects
    /// and the other is not.
    pub from_key: String,
}

impl Saver {
    /// Restores all variables from a checkpoint of either format. They need not have values before.
    ///
    /// What the graph wants is compared with what the checkpoint has first, so that either all is
    /// restored, or nothing is and the error says everything that is wrong, in TensorFlow's words. An
    /// object-based checkpoint, as `tf.train.Checkpoint` writes it, is restored by the names that its
    /// variables had; a graph that restores objects takes a name-based checkpoint in the same way.
    ///
    /// Errors: `INVALID_ARGUMENT` if there is no such checkpoint; `NOT_FOUND` and `INVALID_ARGUMENT`,
    /// as [`Error::Restore`], if it does not fit; those of the session and of damaged checkpoints.
    pub fn restore(
        &self,
        session: &Session,
        save_path: impl AsRef<Path>,
    ) -> Result<RestoreReport, Error> {
        self.restore_with(session, save_path, RestoreOptions::default())
    }

    /// Restores all variables, with options.
    ///
    /// Errors: as [`Saver::restore`].
    pub fn restore_with(
        &self,
        session: &Session,
        save_path: impl AsRef<Path>,
        options: RestoreOptions,
    ) -> Result<RestoreReport, Error> {
        let Some(job) = Job::new(self, session.graph(), save_path.as_ref(), options)? else {
            return Ok(RestoreReport::default());
        };
        let job = job.check()?;
        let mut feeds = vec![(job.filename.to_owned(), filename_tensor(save_path.as_ref()))];
        if job.diagnosis.is_renamed {
            feeds.extend(job.restores.feeds(session.graph(), &job.diagnosis.keys)?);
        }
        let feeds: Vec<(&str, Tensor)> =
            feeds.iter().map(|(name, value)| (&**name, value.clone())).collect();
        session.run(&feeds, &[], &[job.restore_op]).map_err(|source| match source.code() {
            Code::NotFound | Code::InvalidArgument => Error::RestoreRun { source },
            _ => source.into(),
        })?;
        Ok(job.report())
    }

    /// Restores those variables that a checkpoint fits, and says which it does not.
    ///
    /// Shapes of resources count, as with [`RestoreOptions::strict_shapes`].
    ///
    /// Errors: as [`Saver::restore`], but for variables that do not fit.
    pub fn restore_partial(
        &self,
        session: &Session,
        save_path: impl AsRef<Path>,
    ) -> Result<RestoreReport, Error> {
        let strict = RestoreOptions { strict_shapes: true };
        let Some(job) = Job::new(self, session.graph(), save_path.as_ref(), strict)? else {
            return Ok(RestoreReport::default());
        };
        job.assign(session)?;
        Ok(job.report())
    }

    /// As [`Saver::restore`], with a checkpoint that is read here and not by the nodes of the graph: the
    /// session need not be allowed to read files.
    ///
    /// Errors: as [`Saver::restore`].
    pub fn restore_values(
        &self,
        session: &Session,
        save_path: impl AsRef<Path>,
    ) -> Result<RestoreReport, Error> {
        let options = RestoreOptions::default();
        let Some(job) = Job::new(self, session.graph(), save_path.as_ref(), options)? else {
            return Ok(RestoreReport::default());
        };
        let job = job.check()?;
        job.assign(session)?;
        Ok(job.report())
    }
}

/// A checkpoint that is to be restored, and what is known of that.
pub(super) struct Job<'a> {
    pub(super) reader: CheckpointReader,
    pub(super) restores: Restores,
    pub(super) diagnosis: Diagnosis,
    filename: &'a str,
    restore_op: &'a str,
}

impl<'a> Job<'a> {
    /// Reads what fits, and runs what assigns it.
    fn assign(&self, session: &Session) -> Result<(), Error> {
        let graph = session.graph();
        let (mut feeds, mut targets) = (Vec::new(), Vec::new());
        for (wanted, key) in self.fitting() {
            let value = match TensorSlice::parse_spec(&wanted.slice_spec)? {
                Some((_, slice)) => self.reader.slice(key, &slice)?,
                None => self.reader.tensor(key)?,
            };
            feeds.push((graph.tensor_name(wanted.output).to_string(), value));
            targets.extend(wanted.assigned.iter().map(|assigned| graph.node(assigned.op).name()));
        }
        let feeds: Vec<(&str, Tensor)> =
            feeds.iter().map(|(name, value)| (&**name, value.clone())).collect();
        if !targets.is_empty() {
            session.run(&feeds, &[], &targets)?;
        }
        Ok(())
    }

    /// `None` for a Saver of no variables.
    pub(super) fn new(
        saver: &'a Saver,
        graph: &Graph,
        path: &Path,
        options: RestoreOptions,
    ) -> Result<Option<Job<'a>>, Error> {
        let Some(def) = &saver.saver_def else {
            let what = "`build()` should be called before restore if defer_build==True";
            let not_built = || Error::NotReady(what.to_owned());
            return if saver.is_built { Ok(None) } else { Err(not_built()) };
        };
        let reader = open(path)?;
        let restore_op = graph.get_operation_by_name(&def.restore_op_name)?;
        let restores = Restores::of(graph, restore_op);
        let diagnosis = diagnose(&reader, &restores, options.strict_shapes);
        Ok(Some(Job {
            reader,
            restores,
            diagnosis,
            filename: &def.filename_tensor_name,
            restore_op: &def.restore_op_name,
        }))
    }

    /// The job, if everything fits.
    ///
    /// Errors: all that does not, as [`Error::Restore`].
    pub(super) fn check(self) -> Result<Job<'a>, Error> {
        let problems: Vec<_> = self.diagnosis.problems.iter().flatten().cloned().collect();
        if problems.is_empty() {
            return Ok(self);
        }
        let (path, format) = (self.reader.path().to_owned(), self.reader.format());
        let objects = self.diagnosis.objects;
        Err(Box::new(RestoreFailure::new(path, format, problems, objects)).into())
    }

    /// What can be restored, with its key in the checkpoint. Of an object that wants several tensors,
    /// such as a table, all have to fit.
    fn fitting(&self) -> impl Iterator<Item = (&Wanted, &str)> {
        let keys = self.diagnosis.keys.iter().map(String::as_str);
        let all = self.restores.wanted.iter().zip(keys).zip(&self.diagnosis.problems);
        let misfits = all.clone().filter(|(_, problem)| problem.is_some());
        let broken: HashSet<NodeId> = misfits
            .flat_map(|((wanted, _), _)| wanted.assigned.iter().map(|assigned| assigned.op))
            .collect();
        let is_whole = move |wanted: &Wanted| {
            wanted.assigned.iter().all(|assigned| !broken.contains(&assigned.op))
        };
        all.filter(move |((wanted, _), problem)| problem.is_none() && is_whole(wanted))
            .map(|(wanted, _)| wanted)
    }

    fn report(self) -> RestoreReport {
        let mut restored = Vec::new();
        for (wanted, from_key) in self.fitting() {
            restored.extend(wanted.assigned.iter().map(|assigned| RestoredVariable {
                variable: assigned.variable.clone(),
                key: wanted.key.clone(),
                from_key: from_key.to_owned(),
            }));
        }
        let skipped = self.diagnosis.problems.into_iter().flatten().collect();
        RestoreReport { restored, skipped, unused: self.diagnosis.unused }
    }
}

/// Opens the checkpoint of a prefix.
fn open(path: &Path) -> Result<CheckpointReader, Error> {
    let refused = |why| Error::NotACheckpoint { path: path.to_owned(), why };
    if let Some(prefix) = prefix_of_file(path) {
        return Err(refused(format!(
            "; that is a file of a checkpoint, whose prefix is {}",
            prefix.display()
        )));
    }
    if !checkpoint_exists(path) {
        let why = if path.is_dir() { "; it is a directory" } else { "" };
        return Err(refused(why.to_owned()));
    }
    match CheckpointReader::open(path) {
        Err(BundleError::NoCheckpoint { .. }) => Err(refused(String::new())),
        opened => Ok(opened?),
    }
}

/// The prefix of a checkpoint of which the path is one of the files.
fn prefix_of_file(path: &Path) -> Option<std::path::PathBuf> {
    let text = path.to_str()?;
    let prefix = [".index", ".meta"].into_iter().find_map(|suffix| text.strip_suffix(suffix));
    let prefix = prefix.or_else(|| {
        let (prefix, shard) = text.rsplit_once(".data-")?;
        shard.contains("-of-").then_some(prefix)
    });
    let prefix = Path::new(prefix?);
    checkpoint_exists(prefix).then(|| prefix.to_owned())
}
