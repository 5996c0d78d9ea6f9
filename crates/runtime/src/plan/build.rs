use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use flowkeep_graph::{Graph, NodeId, Output, TensorName};
use flowkeep_tensor::Code;

use crate::Error;
use crate::kernel::Registry;
use crate::plan::expand::{Body, Expander};
use crate::plan::kernels::Kernels;
use crate::plan::prune::Needed;
use crate::plan::schedule::{Fetch, Source, schedule};
use crate::plan::{Plan, RunKey};
use crate::session::KernelCache;

/// The plan of what `key` asks of `graph`.
///
/// Errors: names that are not in the graph, nodes without a kernel (all at once), attributes that
/// a kernel does not take.
pub(crate) fn build(
    graph: &Graph,
    key: &RunKey,
    registry: &Registry,
    kernels: &KernelCache,
) -> Result<Plan, Error> {
    if key.fetches.is_empty() && key.targets.is_empty() {
        return Err(Error::request(
            Code::InvalidArgument,
            "Must specify at least one target to fetch or execute.",
        ));
    }
    let mut feeds = HashMap::new();
    let mut feed_types = Vec::with_capacity(key.feeds.len());
    for (idx, name) in key.feeds.iter().enumerate() {
        let output = find_output(graph, name, "feed")?;
        if feeds.insert(output, Source::Feed(idx)).is_some() {
            let message = format!("Endpoint \"{name}\" fed more than once.");
            return Err(Error::request(Code::InvalidArgument, message));
        }
        feed_types.push(graph.node(output.node).output_dtype(output.index));
    }
    let fetches = key
        .fetches
        .iter()
        .map(|name| find_output(graph, name, "fetch"))
        .collect::<Result<Vec<_>, _>>()?;
    let targets =
        key.targets.iter().map(|name| find_target(graph, name)).collect::<Result<Vec<_>, _>>()?;

    let fed: HashSet<Output> = feeds.keys().copied().collect();
    let needed = Needed::of(graph, &fetches, &targets, &fed);
    let mut expander = Expander::new(graph.library(), Kernels::new(registry, kernels));
    let body =
        Body { graph, path: "", needed: &needed, bound: &feeds, start: None, is_strict: false };
    let values = expander.expand(&body)?;
    let fetches = key.fetches.iter().zip(fetches).map(|(name, output)| {
        Ok(Fetch { name: Arc::from(name.as_str()), source: values.source(output)? })
    });
    let fetches = fetches.collect::<Result<Vec<_>, Error>>()?;
    let done: Vec<usize> = targets.iter().filter_map(|target| values.done(*target)).collect();
    let (mut drafts, bodies) = expander.finish()?;
    // What was asked for runs, whoever reads it.
    done.into_iter().for_each(|step| drafts[step].is_pure = false);
    Ok(Plan { bodies, ..schedule(drafts, feed_types, fetches)? })
}

fn find_output(graph: &Graph, name: &str, role: &str) -> Result<Output, Error> {
    let not_found = |what: &str| {
        Error::request(Code::NotFound, format!("{role} {name} is not in the graph: {what}"))
    };
    let tensor: TensorName = name.parse()?;
    let id = graph.node_by_name(&tensor.node).ok_or_else(|| not_found("there is no such node"))?;
    let node = graph.node(id);
    // The outputs of an unknown op are unknown too; the plan will name the op.
    if let Some(n_outputs) = node.n_outputs().filter(|n| tensor.index as usize >= *n) {
        return Err(not_found(&format!("the node has {n_outputs} outputs")));
    }
    Ok(Output { node: id, index: tensor.index })
}

fn find_target(graph: &Graph, name: &str) -> Result<NodeId, Error> {
    let node = name.split_once(':').map_or(name, |(node, _)| node);
    graph.node_by_name(node).ok_or_else(|| {
        Error::request(
            Code::NotFound,
            format!("PruneForTargets: Some target nodes not found: {name} "),
        )
    })
}
