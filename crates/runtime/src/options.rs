use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How one run is done.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RunOptions {
    /// How long the run may take; then no further node starts and the run fails with
    /// `DEADLINE_EXCEEDED`. Default: as long as it takes.
    pub timeout: Option<Duration>,
    /// What can stop the run from outside, with `CANCELLED`.
    pub cancellation: Option<CancellationToken>,
    /// Whether [`RunMetadata`] says when each node ran. Default: no, at no cost.
    pub trace: bool,
    /// The most bytes that any one output of a node may have; with more, the run fails with
    /// `RESOURCE_EXHAUSTED` at that node: where kernels ask their context for memory, before it is taken, else the
    /// tensor was there for a moment. Default: any number.
    pub max_tensor_bytes: Option<usize>,
    /// The most bytes that the run's tensors may have at once: those that nodes made and that are still
    /// there, and feeds that nobody else holds. Memory that several share counts once; weights do not count,
    /// nor does what lies in a mapped file, nor single elements of up to eight bytes. With more, the run fails
    /// with `RESOURCE_EXHAUSTED` at the node that makes them, as for `max_tensor_bytes`. What is there at once
    /// depends on the times of nodes where several run side by side. Default: any number.
    pub max_live_bytes: Option<usize>,
    /// The most bytes that all fetched tensors together may have; with more, the run fails with
    /// `RESOURCE_EXHAUSTED`. Default: any number.
    pub max_fetched_bytes: Option<usize>,
}

impl RunOptions {
    /// The same options with a time limit.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> RunOptions {
        RunOptions { timeout: Some(timeout), ..self }
    }

    /// The same options with a token that can stop the run.
    #[must_use]
    pub fn with_cancellation(self, token: CancellationToken) -> RunOptions {
        RunOptions { cancellation: Some(token), ..self }
    }

    /// The same options with a limit on the size of every output of a node.
    #[must_use]
    pub fn with_max_tensor_bytes(self, n: usize) -> RunOptions {
        RunOptions { max_tensor_bytes: Some(n), ..self }
    }

    /// The same options with a limit on the size of all tensors that are there at once.
    #[must_use]
    pub fn with_max_live_bytes(self, n: usize) -> RunOptions {
        RunOptions { max_live_bytes: Some(n), ..self }
    }

    /// The same options with a limit on the size of what is fetched.
    #[must_use]
    pub fn with_max_fetched_bytes(self, n: usize) -> RunOptions {
        RunOptions { max_fetched_bytes: Some(n), ..self }
    }

    /// The same options, with a trace of all nodes.
    #[must_use]
    pub fn with_trace(self) -> RunOptions {
        RunOptions { trace: true, ..self }
    }
}

/// Stops the runs that were given it, from any thread and for good. Clones are the same token.
#[derive(Clone, Debug, Default)]
pub struct CancellationToken(Arc<AtomicBool>);

impl CancellationToken {
    /// A token that stops nothing yet.
    pub fn new() -> CancellationToken {
        CancellationToken::default()
    }

    /// Stops all runs with this token: nodes that run end, no further one starts.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether [`CancellationToken::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a run says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunMetadata {
    /// Each node that ran, in the order in which they ended; empty unless a trace was asked for.
    pub step_stats: Vec<NodeStats>,
    /// The most bytes that tensors took at once, weights apart, which is the least that these nodes
    /// need in this order. Only of a traced run by the [`SerialExecutor`](crate::exec::SerialExecutor), of
    /// a graph without loops and calls.
    pub peak_live_bytes: Option<usize>,
    /// The bytes of the weights that were read, under the same conditions: outputs of constants and of
    /// variables.
    pub weight_bytes: usize,
}

/// When and where a node ran. A node in a loop has one for each iteration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeStats {
    /// The node's name, with those of the calls that lead to it.
    pub node: Arc<str>,
    /// The node's op.
    pub op: Arc<str>,
    /// When it started, after the start of the run.
    pub start: Duration,
    /// When it ended, after the start of the run.
    pub end: Duration,
    /// The thread, by the order in which threads first took part in the run.
    pub thread: usize,
}
