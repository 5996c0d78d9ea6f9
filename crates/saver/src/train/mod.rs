//! [`train`]: runs a train op step by step, saves as it goes, and goes on where it stopped.
//!
//! Modules in reading order: `options` ([`TrainOptions`]), `batches` ([`Batches`]: what is fed),
//! `begin` (what variables start with), `counter` (which step it is), `pace` (when it is time to save).

mod batches;
mod begin;
mod counter;
mod options;
mod pace;

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use flowkeep_runtime::{RunKey, Session};
use flowkeep_tensor::Tensor;

pub use self::batches::{Batches, NoBatches, StackedBatches};
pub use self::options::TrainOptions;

use self::begin::Begun;
use self::counter::Counter;
use self::pace::Pace;
use crate::{Error, SaveOptions, Saver};

/// The name of checkpoints in a model directory, before the step.
const CHECKPOINT_NAME: &str = "model.ckpt";

/// What happens in a training, as it is told to whoever watches.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum TrainEvent<'a> {
    /// Variables have values.
    Begun {
        /// The checkpoint that they came from; `None` if they were initialized.
        restored: Option<&'a Path>,
        /// The step that they are of.
        step: i64,
        /// The step to reach.
        last_step: i64,
    },
    /// A step was done.
    Step {
        /// Its number: what `global_step` is after it.
        step: i64,
        /// What was fetched, in order of [`TrainOptions::fetches`].
        values: &'a [Tensor],
    },
    /// A checkpoint was written.
    Saved {
        /// Its prefix.
        prefix: &'a Path,
        /// The step that it is of.
        step: i64,
    },
}

/// What a training has done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrainReport {
    /// The step that it began with.
    pub first_step: i64,
    /// The step that it ended with.
    pub last_step: i64,
    /// How often the train op ran.
    pub n_runs: u64,
    /// Whether it was stopped before its last step.
    pub stopped: bool,
    /// The last checkpoint that it wrote.
    pub saved: Option<PathBuf>,
    /// How long the steps took, without what came before the first.
    pub elapsed: Duration,
}

/// Trains: restores the latest checkpoint of the model directory, or else what the options name, runs
/// the train op once for each batch, and saves at intervals and at the end.
///
/// A training that was cut off, however, goes on when it is called again with the same options: where
/// the model directory has a checkpoint, it is of a step between the first and the last, and only what
/// is missing is done, with the batches that belong to it. No more is lost than what was done after
/// the last save.
///
/// Steps are those that `global_step` counts, if the graph has one and the train op moves it; else
/// they are counted here, on from the number in the checkpoint's name. The batch of a step is the one
/// whose number is the step's distance from the first.
///
/// `watch` is told what happens; when it breaks, or [`TrainOptions::stop`] is set, the step that is
/// done is saved and the training ends. A step that fails ends it without saving.
///
/// Errors: those of [`Session::callable`] for names, before anything runs; `INVALID_ARGUMENT` without
/// a checkpoint and an init op; `FAILED_PRECONDITION` if the model directory has a checkpoint of a step
/// before the first; those of restoring, of runs, of batches and of saving.
///
/// ```
/// use std::ops::ControlFlow;
/// use std::sync::Arc;
///
/// use flowkeep_graph::builder::{Scope, VariableOptions};
/// use flowkeep_runtime::{Registry, Session, SessionOptions};
/// use flowkeep_saver::train::{NoBatches, TrainOptions, train};
/// use flowkeep_saver::{Saver, SaverConfig};
///
/// let mut scope = Scope::new();
/// let v = scope.with_op_name("v").variable(VariableOptions::new().initializer([1.0f32]))?;
/// let double = scope.assign_add(&v, v.snapshot())?;
/// scope.with_op_name("train").group([double])?;
/// let mut saver = Saver::new(&mut scope, SaverConfig::default())?;
/// scope.with_op_name("init").global_variables_initializer()?;
///
/// let mut registry = Registry::standard();
/// flowkeep_saver::register(&mut registry);
/// let options = SessionOptions { registry, ..SessionOptions::default() };
/// let session = Session::new(Arc::new(scope.into_graph()), options);
///
/// let dir = tempfile::tempdir()?;
/// let mut options = TrainOptions::of("train", 4);
/// options.model_dir = Some(dir.path().join("model"));
/// let report = train(&session, &mut saver, &options, &mut NoBatches, &mut |_| ControlFlow::Continue(()))?;
/// assert!(report.saved.unwrap().ends_with("model.ckpt-4"));
///
/// options.n_steps = 6;
/// let report = train(&session, &mut saver, &options, &mut NoBatches, &mut |_| ControlFlow::Continue(()))?;
/// assert_eq!((report.first_step, report.n_runs), (4, 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn train(
    session: &Session,
    saver: &mut Saver,
    options: &TrainOptions,
    batches: &mut dyn Batches,
    watch: &mut dyn FnMut(TrainEvent<'_>) -> ControlFlow<()>,
) -> Result<TrainReport, Error> {
    let names = batches.names();
    let feeds: Vec<&str> = names.iter().map(String::as_str).collect();
    let fetches: Vec<&str> = options.fetches.iter().map(String::as_str).collect();
    let targets: Vec<&str> = options.train_ops.iter().map(String::as_str).collect();
    let callable = session.callable(&RunKey::new(&feeds, &fetches, &targets))?;
    let counter = Counter::of(session.graph(), saver.collections(), &options.train_ops);

    let Begun { origin, mut step, restored } = begin::begin(session, saver, options, &counter)?;
    let last_step = origin.saturating_add_unsigned(options.n_steps);
    let first_step = step;
    let restored = restored.as_deref();
    let mut stopped = watch(TrainEvent::Begun { restored, step, last_step }).is_break();

    let started = Instant::now();
    let (mut n_runs, mut saved) = (0, None);
    let mut pace = Pace::new(options, step);
    // An op that moves global_step at times only would otherwise never come to an end.
    while step < last_step && n_runs < options.n_steps && !stopped {
        let batch = batches.batch(step.abs_diff(origin))?;
        let values = callable.run(batch)?;
        n_runs += 1;
        step = counter.after(session, step)?;
        stopped = watch(TrainEvent::Step { step, values: &values }).is_break() || is_set(options);
        if pace.is_due(step) {
            saved = save(session, saver, options, step, watch)?;
            pace.saved(step);
        }
    }
    if pace.is_behind(step) {
        saved = save(session, saver, options, step, watch)?.or(saved);
    }
    let stopped = stopped && step < last_step;
    let elapsed = started.elapsed();
    Ok(TrainReport { first_step, last_step: step, n_runs, stopped, saved, elapsed })
}

fn is_set(options: &TrainOptions) -> bool {
    let is_set = |stop: &std::sync::Arc<AtomicBool>| stop.load(Ordering::Relaxed);
    options.stop.as_ref().is_some_and(is_set)
}

/// Saves into the model directory, if there is one.
fn save(
    session: &Session,
    saver: &mut Saver,
    options: &TrainOptions,
    step: i64,
    watch: &mut dyn FnMut(TrainEvent<'_>) -> ControlFlow<()>,
) -> Result<Option<PathBuf>, Error> {
    let Some(dir) = &options.model_dir else { return Ok(None) };
    fs::create_dir_all(dir)
        .map_err(|source| flowkeep_bundle::Error::Io { path: dir.clone(), source })?;
    let saved = saver.save(session, dir.join(CHECKPOINT_NAME), &SaveOptions::at_step(step))?;
    if let Some(prefix) = &saved {
        // Whoever breaks now is heard after the next step.
        let _ = watch(TrainEvent::Saved { prefix, step });
    }
    Ok(saved)
}
