use std::collections::HashSet;
use std::path::Path;

use flowkeep_bundle::{BundleWriter, CheckpointReader, Error as BundleError, WriterOptions};
use flowkeep_graph::Graph;

use super::Saver;
use super::restore::{Job, RestoreOptions};
use crate::Error;

impl Saver {
    /// Writes a bundle of what this Saver would restore of a checkpoint, without a session: no variable
    /// has to fit into memory. Gives how many tensors it has.
    ///
    /// Tensors are copied as they are stored, whole or in slices, one after the other, and compared with
    /// their checksums; they get the keys that the graph asks for, also where the checkpoint is of
    /// objects. The checkpoint may be of either format.
    ///
    /// Errors: as [`Saver::restore`], but for those of the session; those of writing.
    pub fn copy_checkpoint(
        &self,
        graph: &Graph,
        from: impl AsRef<Path>,
        to: impl AsRef<Path>,
    ) -> Result<usize, Error> {
        let Some(job) = Job::new(self, graph, from.as_ref(), RestoreOptions::default())? else {
            return Ok(0);
        };
        let job = job.check()?;
        let mut writer = BundleWriter::create(to.as_ref(), WriterOptions::default())?;
        let mut seen = HashSet::new();
        // Slices of one tensor have one key.
        for (wanted, from) in job.restores.wanted.iter().zip(&job.diagnosis.keys) {
            if seen.insert(&*wanted.key) {
                copy(&mut writer, &wanted.key, &job.reader, from)?;
            }
        }
        writer.finish()?;
        Ok(seen.len())
    }
}

fn copy(
    writer: &mut BundleWriter,
    key: &str,
    reader: &CheckpointReader,
    from: &str,
) -> Result<(), BundleError> {
    if let Some(bundle) = reader.as_bundle() {
        return writer.copy(key, bundle, from);
    }
    let entry = reader.entry(from)?;
    if !entry.is_partitioned() {
        return writer.add(key, &reader.tensor(from)?);
    }
    for slice in entry.slices() {
        writer.add_slice(key, &entry.shape, slice, &reader.slice(from, slice)?)?;
    }
    Ok(())
}
