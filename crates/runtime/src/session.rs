use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use flowkeep_graph::Graph;
use flowkeep_linalg::Pool;
use flowkeep_tensor::{Code, Tensor};

use crate::exec::{Executor, Host, ParallelExecutor, Run};
use crate::kernel::{OpKernel, Registry};
use crate::plan::{self, Plan, RunKey};
use crate::resource::ResourceManager;
use crate::{Error, MissingKernel, RunMetadata, RunOptions, Value};

/// The most plans that a session keeps; beyond it, all are dropped and made anew as needed.
const MAX_PLANS: usize = 256;

/// How a session runs: which ops it knows, on how many threads, in which way.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// The ops that can run. Default: [`Registry::standard`].
    pub registry: Registry,
    /// Threads in all, the caller's among them; 0 means one for each core. Default: 0.
    pub threads: usize,
    /// How steps are run. Default: [`ParallelExecutor`].
    pub executor: Arc<dyn Executor>,
}

impl Default for SessionOptions {
    fn default() -> SessionOptions {
        SessionOptions {
            registry: Registry::standard(),
            threads: 0,
            executor: Arc::new(ParallelExecutor),
        }
    }
}

/// A graph that can be run, with the state that its runs leave behind.
///
/// Runs may be concurrent: each has its own values, all share the resources.
pub struct Session {
    graph: Arc<Graph>,
    registry: Registry,
    executor: Arc<dyn Executor>,
    host: Arc<Host>,
    plans: Mutex<HashMap<RunKey, Arc<Plan>>>,
    kernels: Arc<KernelCache>,
}

/// The kernels that keep state between runs, by node path.
pub(crate) type KernelCache = Mutex<HashMap<Arc<str>, Arc<dyn OpKernel>>>;

impl Session {
    /// A session on `graph`. Nothing is run or allocated yet.
    pub fn new(graph: Arc<Graph>, options: SessionOptions) -> Session {
        let host = Host { resources: ResourceManager::default(), pool: Pool::new(options.threads) };
        Session {
            graph,
            registry: options.registry,
            executor: options.executor,
            host: Arc::new(host),
            plans: Mutex::default(),
            kernels: Arc::default(),
        }
    }

    /// A session on a graph that this one's has grown into, with the same state: variables, tables and
    /// whatever else runs of either have left behind.
    ///
    /// `registry` has the ops that can run, those of the new nodes among them; the executor and the
    /// threads stay.
    ///
    /// Errors: `INVALID_ARGUMENT` if the nodes of this session's graph are not the first ones of
    /// `graph`.
    pub fn extended(&self, graph: Arc<Graph>, registry: Registry) -> Result<Session, Error> {
        let mut nodes = graph.nodes().iter();
        let is_grown = self.graph.nodes().iter().all(|old| {
            nodes.next().is_some_and(|new| new.name() == old.name() && new.op() == old.op())
        });
        if !is_grown {
            let message = "the session is not of this graph, nor of one that grew into it";
            return Err(Error::request(Code::InvalidArgument, message.to_owned()));
        }
        Ok(Session {
            graph,
            registry,
            executor: self.executor.clone(),
            host: self.host.clone(),
            plans: Mutex::default(),
            kernels: self.kernels.clone(),
        })
    }

    /// The ops that can run.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The graph.
    pub fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    /// The resources that runs have made.
    pub fn resources(&self) -> &ResourceManager {
        &self.host.resources
    }

    /// Runs what `fetches` and `targets` need, with the values in `feeds` in place of those tensors.
    ///
    /// Names are TensorFlow's: `x:0` or `x` for a tensor, `x` for a target.
    ///
    /// Errors: `INVALID_ARGUMENT` or `NOT_FOUND` for names that are not in the graph,
    /// `UNIMPLEMENTED` listing all nodes that have no kernel, or the error of the node that failed.
    pub fn run(
        &self,
        feeds: &[(&str, Tensor)],
        fetches: &[&str],
        targets: &[&str],
    ) -> Result<Vec<Tensor>, Error> {
        Ok(self.run_with_options(feeds, fetches, targets, &RunOptions::default())?.0)
    }

    /// As [`Session::run`], with limits on time and sizes, a way to stop it, or a trace of what ran.
    ///
    /// Errors: also `DEADLINE_EXCEEDED`, `CANCELLED` and `RESOURCE_EXHAUSTED`.
    pub fn run_with_options(
        &self,
        feeds: &[(&str, Tensor)],
        fetches: &[&str],
        targets: &[&str],
        options: &RunOptions,
    ) -> Result<(Vec<Tensor>, RunMetadata), Error> {
        self.run_plan(self.plan(&key_of(feeds, fetches, targets))?, feeds, options)
    }

    /// As [`Session::run_with_options`], for what is run once: its plan is not kept.
    ///
    /// Errors: as [`Session::run_with_options`].
    pub fn run_once(
        &self,
        feeds: &[(&str, Tensor)],
        fetches: &[&str],
        targets: &[&str],
        options: &RunOptions,
    ) -> Result<(Vec<Tensor>, RunMetadata), Error> {
        let key = key_of(feeds, fetches, targets);
        let plan = plan::build(&self.graph, &key, &self.registry, &self.kernels)?;
        self.run_plan(Arc::new(plan), feeds, options)
    }

    fn run_plan(
        &self,
        plan: Arc<Plan>,
        feeds: &[(&str, Tensor)],
        options: &RunOptions,
    ) -> Result<(Vec<Tensor>, RunMetadata), Error> {
        let feeds = feeds.iter().map(|(_, tensor)| tensor.clone()).collect();
        Callable { session: self, plan }.run_with_options(feeds, options)
    }

    /// Plans once what is then run often.
    ///
    /// Errors: as [`Session::run`], but for those of nodes.
    pub fn callable(&self, key: &RunKey) -> Result<Callable<'_>, Error> {
        Ok(Callable { session: self, plan: self.plan(key)? })
    }

    /// The plan of `key`, made once.
    ///
    /// Errors: as [`Session::callable`].
    pub fn plan(&self, key: &RunKey) -> Result<Arc<Plan>, Error> {
        if let Some(plan) = self.plans.lock().unwrap_or_else(PoisonError::into_inner).get(key) {
            return Ok(plan.clone());
        }
        let plan = Arc::new(plan::build(&self.graph, key, &self.registry, &self.kernels)?);
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if plans.len() >= MAX_PLANS {
            plans.clear();
        }
        Ok(plans.entry(key.clone()).or_insert(plan).clone())
    }

    /// The nodes that `key` needs and that no kernel can run, before anything is run.
    ///
    /// Errors: as [`Session::callable`], but for `UNIMPLEMENTED`.
    pub fn missing_kernels(&self, key: &RunKey) -> Result<Vec<MissingKernel>, Error> {
        match self.plan(key) {
            Ok(_) => Ok(Vec::new()),
            Err(Error::Unsupported(missing)) => Ok(missing),
            Err(error) => Err(error),
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("executor", &self.executor)
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

fn key_of(feeds: &[(&str, Tensor)], fetches: &[&str], targets: &[&str]) -> RunKey {
    let names: Vec<&str> = feeds.iter().map(|(name, _)| *name).collect();
    RunKey::new(&names, fetches, targets)
}

/// A planned run: feeds in, fetches out, any number of times and from any thread.
#[derive(Debug)]
pub struct Callable<'a> {
    session: &'a Session,
    plan: Arc<Plan>,
}

impl Callable<'_> {
    /// Runs with one tensor for each feed of the key; gives one for each fetch.
    ///
    /// Errors: `INVALID_ARGUMENT` for a wrong number of feeds; that of the node that failed;
    /// `UNIMPLEMENTED` if a fetch is a resource handle.
    pub fn run(&self, feeds: Vec<Tensor>) -> Result<Vec<Tensor>, Error> {
        Ok(self.run_with_options(feeds, &RunOptions::default())?.0)
    }

    /// As [`Callable::run`], with limits on time and sizes, a way to stop it, or a trace of what ran.
    ///
    /// Errors: also `DEADLINE_EXCEEDED`, `CANCELLED` and `RESOURCE_EXHAUSTED`.
    pub fn run_with_options(
        &self,
        feeds: Vec<Tensor>,
        options: &RunOptions,
    ) -> Result<(Vec<Tensor>, RunMetadata), Error> {
        let run = Arc::new(Run::new(self.session.host.clone(), options));
        let values = self.execute(feeds.into_iter().map(Value::Host).collect(), &run)?;
        let tensor = |(value, name): (Value, &Arc<str>)| match value {
            // What was restored and not looked at yet is checked before it is given away.
            Value::Host(tensor) => match tensor.check() {
                Ok(()) => Ok(tensor),
                Err(error) => Err(Error::Fetch { name: name.to_string(), status: error.into() }),
            },
            Value::Resource(_) | Value::Variant(_) | Value::Ref(_) => Err(Error::request(
                Code::Unimplemented,
                format!("{name} is of type {}, which has no value to fetch", value.dtype()),
            )),
        };
        let tensors = values.into_iter().zip(&self.plan.fetches).map(tensor);
        let tensors: Vec<Tensor> = tensors.collect::<Result<_, _>>()?;
        if let Some(max) = options.max_fetched_bytes {
            let n = tensors.iter().fold(0usize, |n, tensor| n.saturating_add(tensor.len_bytes()));
            if n > max {
                let message = format!(
                    "the fetched tensors have {n} bytes, more than the {max} that are allowed (max_fetched_bytes)"
                );
                return Err(Error::request(Code::ResourceExhausted, message));
            }
        }
        Ok((tensors, run.metadata()))
    }

    /// As [`Callable::run`], with feeds and fetches that need not be tensors: handles to resources,
    /// variants.
    ///
    /// Errors: as [`Callable::run`], but that any fetch has a value.
    pub fn run_values(&self, feeds: Vec<Value>) -> Result<Vec<Value>, Error> {
        let run = Arc::new(Run::new(self.session.host.clone(), &RunOptions::default()));
        self.execute(feeds, &run)
    }

    fn execute(&self, mut feeds: Vec<Value>, run: &Arc<Run>) -> Result<Vec<Value>, Error> {
        if feeds.len() != self.plan.feeds.len() {
            let message = format!("expected {} feeds, got {}", self.plan.feeds.len(), feeds.len());
            return Err(Error::request(Code::InvalidArgument, message));
        }
        for (value, feed) in feeds.iter().zip(&self.plan.feed_types) {
            if feed.is_some_and(|dtype| dtype != value.dtype()) {
                let expected = feed.map(|dtype| dtype.name()).unwrap_or_default();
                let message =
                    format!("Type mismatch: actual {} vs. expect {expected}", value.dtype());
                return Err(Error::request(Code::InvalidArgument, message));
            }
        }
        run.charge_feeds(&mut feeds)?;
        self.session.executor.execute(&self.plan, feeds, run)
    }
}
