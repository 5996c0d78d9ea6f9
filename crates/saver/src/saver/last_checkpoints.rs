//! Which checkpoints are kept.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use flowkeep_bundle::checkpoint_state::remove_checkpoint;
use flowkeep_bundle::{CheckpointFormat, Error};

/// The checkpoints that a Saver wrote and has not deleted yet.
#[derive(Debug, Default)]
pub(super) struct LastCheckpoints {
    /// Prefixes and times in seconds, oldest first.
    last: Vec<(PathBuf, f64)>,
    to_be_deleted: VecDeque<(PathBuf, f64)>,
    /// A checkpoint that is written after this time is kept for good.
    next_time: f64,
    seconds: f64,
    errors: Vec<Error>,
}

impl LastCheckpoints {
    /// Starts to count the hours after which a checkpoint is kept.
    pub(super) fn start(&mut self, now: f64, hours: f64) {
        self.seconds = hours * 3600.0;
        self.next_time = now + self.seconds;
    }

    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.last.iter().map(|(path, _)| path.clone()).collect()
    }

    pub(super) fn set(&mut self, last: Vec<(PathBuf, f64)>) {
        self.last = last;
    }

    pub(super) fn take_errors(&mut self) -> Vec<Error> {
        std::mem::take(&mut self.errors)
    }

    /// Notes a checkpoint that was written. At most one, the oldest, is over the limit for it.
    pub(super) fn record(&mut self, path: &Path, now: f64, max_to_keep: i32) {
        let Ok(max_to_keep) = usize::try_from(max_to_keep) else { return };
        if max_to_keep == 0 {
            return;
        }
        self.last.retain(|(other, _)| other.as_os_str() != path.as_os_str());
        self.last.push((path.to_owned(), now));
        if self.last.len() > max_to_keep {
            self.to_be_deleted.push_back(self.last.remove(0));
        }
    }

    /// Deletes the checkpoint that is over the limit, or keeps it for good when it is time for that.
    pub(super) fn maybe_delete(&mut self, format: CheckpointFormat, meta_graph_suffix: &str) {
        let Some((path, time)) = self.to_be_deleted.pop_front() else { return };
        if time > self.next_time {
            self.next_time += self.seconds;
            return;
        }
        if let Err(error) = remove_checkpoint(&path, format, meta_graph_suffix) {
            self.errors.push(error);
        }
    }
}
