use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Instant;

use flowkeep_tensor::{Code, DType, Meter, Shape};

use crate::exec::Host;
use crate::kernel::{Place, Status};
use crate::plan::Step;
use crate::{CancellationToken, Error, NodeStats, RunMetadata, RunOptions, Value};

/// One run: what it shares with others, when it must stop, what it records.
pub struct Run {
    pub(crate) host: Arc<Host>,
    limits: Option<Limits>,
    sizes: Option<Sizes>,
    recorder: Option<Recorder>,
}

/// Limits on tensors.
struct Sizes {
    max_tensor_bytes: Option<usize>,
    /// Counts those of the run that are there.
    meter: Option<Arc<Meter>>,
}

struct Limits {
    deadline: Option<Instant>,
    token: Option<CancellationToken>,
}

impl Run {
    pub(crate) fn new(host: Arc<Host>, options: &RunOptions) -> Run {
        let started = Instant::now();
        let limits = Limits {
            // A time that no clock reaches is none.
            deadline: options.timeout.and_then(|timeout| started.checked_add(timeout)),
            token: options.cancellation.clone(),
        };
        let sizes = Sizes {
            max_tensor_bytes: options.max_tensor_bytes,
            meter: options.max_live_bytes.map(|max| Arc::new(Meter::new(max))),
        };
        let has_sizes = sizes.max_tensor_bytes.is_some() || sizes.meter.is_some();
        let is_limited = limits.deadline.is_some() || limits.token.is_some();
        let recorder = Recorder { started, records: Mutex::default() };
        Run {
            host,
            limits: is_limited.then_some(limits),
            sizes: has_sizes.then_some(sizes),
            recorder: options.trace.then_some(recorder),
        }
    }

    /// Whether the next step may start.
    ///
    /// Errors: `CANCELLED`, `DEADLINE_EXCEEDED`.
    #[inline]
    pub(super) fn check(&self) -> Result<(), Error> {
        let Some(limits) = &self.limits else { return Ok(()) };
        if limits.token.as_ref().is_some_and(CancellationToken::is_cancelled) {
            return Err(Error::request(Code::Cancelled, "Step was cancelled"));
        }
        if limits.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            let message = "Timed out waiting for notification";
            return Err(Error::request(Code::DeadlineExceeded, message));
        }
        Ok(())
    }

    /// What counts the bytes of the run's tensors, if they are limited.
    #[inline]
    pub(crate) fn meter(&self) -> Option<&Arc<Meter>> {
        self.sizes.as_ref()?.meter.as_ref()
    }

    /// Counts what the run is given for itself.
    ///
    /// Errors: `RESOURCE_EXHAUSTED`.
    pub(crate) fn charge_feeds(&self, feeds: &mut [Value]) -> Result<(), Error> {
        let Some(meter) = self.meter() else { return Ok(()) };
        for (idx, feed) in feeds.iter_mut().enumerate() {
            if let Value::Host(tensor) = feed
                && let Err(error) = meter.charge(tensor)
            {
                let status = Status::from(error);
                return Err(Error::request(status.code(), format!("feed {idx}: {status}")));
            }
        }
        Ok(())
    }

    /// Whether the run may have a tensor of this type and shape.
    ///
    /// Errors: `RESOURCE_EXHAUSTED`.
    #[inline]
    pub(crate) fn check_room(&self, dtype: DType, dims: &[usize]) -> Result<(), Status> {
        match &self.sizes {
            Some(sizes) => sizes.check_room(dtype, &Shape::new(dims)),
            None => Ok(()),
        }
    }

    /// Whether what a step gave may be so large.
    ///
    /// Errors: `RESOURCE_EXHAUSTED`.
    #[inline]
    pub(super) fn check_sizes(
        &self,
        values: &mut [Option<Value>],
        outputs: &[Place],
    ) -> Result<(), Status> {
        match &self.sizes {
            Some(sizes) => sizes.check(values, outputs),
            None => Ok(()),
        }
    }

    /// Runs `step` by `run`, and notes when and where if that is wanted.
    #[inline]
    pub(super) fn record<R>(&self, step: &Step, run: impl FnOnce() -> R) -> R {
        match &self.recorder {
            None => run(),
            Some(recorder) => recorder.record(step, run),
        }
    }

    /// Whether a trace was asked for.
    pub(super) fn is_traced(&self) -> bool {
        self.recorder.is_some()
    }

    /// Notes how many bytes lived at once, and how many are weights.
    pub(super) fn note_memory(&self, peak_live_bytes: usize, weight_bytes: usize) {
        if let Some(recorder) = &self.recorder {
            let mut records = recorder.records.lock().unwrap_or_else(PoisonError::into_inner);
            records.peak_live_bytes = Some(peak_live_bytes);
            records.weight_bytes = weight_bytes;
        }
    }

    /// What was recorded so far.
    pub(crate) fn metadata(&self) -> RunMetadata {
        let Some(recorder) = &self.recorder else { return RunMetadata::default() };
        let mut records = recorder.records.lock().unwrap_or_else(PoisonError::into_inner);
        RunMetadata {
            step_stats: std::mem::take(&mut records.stats),
            peak_live_bytes: records.peak_live_bytes,
            weight_bytes: records.weight_bytes,
        }
    }
}

impl Sizes {
    fn check_room(&self, dtype: DType, shape: &Shape) -> Result<(), Status> {
        let len_bytes = dtype.size_bytes().map(|size| size.saturating_mul(shape.n_elements()));
        if let Some(len_bytes) = len_bytes {
            self.check_tensor(dtype, shape, len_bytes)?;
        }
        self.meter.as_ref().map_or(Ok(()), |meter| Ok(meter.check(dtype, shape)?))
    }

    fn check_tensor(&self, dtype: DType, shape: &Shape, len_bytes: usize) -> Result<(), Status> {
        match self.max_tensor_bytes {
            Some(max) if len_bytes > max => Err(Status::resource_exhausted(format!(
                "a tensor of type {dtype} and shape {shape} has {len_bytes} bytes, more than the {max} that are allowed \
                 (max_tensor_bytes)"
            ))),
            _ => Ok(()),
        }
    }

    fn check(&self, values: &mut [Option<Value>], outputs: &[Place]) -> Result<(), Status> {
        for output in outputs {
            let Some(Value::Host(tensor)) = &mut values[output.index()] else { continue };
            self.check_tensor(tensor.dtype(), tensor.shape(), tensor.len_bytes())?;
            if let Some(meter) = &self.meter {
                meter.charge(tensor)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("host", &self.host).finish_non_exhaustive()
    }
}

struct Recorder {
    started: Instant,
    records: Mutex<Records>,
}

#[derive(Default)]
struct Records {
    stats: Vec<NodeStats>,
    threads: Vec<ThreadId>,
    peak_live_bytes: Option<usize>,
    weight_bytes: usize,
}

impl Recorder {
    fn record<R>(&self, step: &Step, run: impl FnOnce() -> R) -> R {
        let start = self.started.elapsed();
        let result = run();
        let end = self.started.elapsed();
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let id = thread::current().id();
        let known = records.threads.iter().position(|known| *known == id);
        let thread = known.unwrap_or_else(|| {
            records.threads.push(id);
            records.threads.len() - 1
        });
        let (node, op) = (step.name.clone(), step.op.clone());
        records.stats.push(NodeStats { node, op, start, end, thread });
        result
    }
}
