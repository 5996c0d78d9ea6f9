//! Parts of a graph as functions.

use flowkeep_graph::Element;
use flowkeep_runtime::{Callable, RunKey};
use flowkeep_tensor::{Code, Tensor};

use super::{LoadedObjects, signatures};
use crate::Error;

/// A part of the graph of a model of TensorFlow 1, from some tensors to others, planned for many calls.
#[derive(Debug)]
pub struct PrunedFunction<'a> {
    callable: Callable<'a>,
    /// Of each thing that was asked for, whether it is a tensor.
    are_tensors: Vec<bool>,
}

impl LoadedObjects {
    /// The part of the graph of a model of TensorFlow 1 that leads from `feeds` to `fetches`; it shares
    /// the state of the signatures. Names are those of tensors (`x:0`) or, among `fetches`, of ops.
    ///
    /// Errors: `INVALID_ARGUMENT` for a model with objects, for feeds that are no tensors, and, with
    /// TensorFlow's text, for fetches that need a placeholder that is not fed; `NOT_FOUND`, with its
    /// text, for names that are not in the graph; ops without a kernel.
    pub fn prune(&self, feeds: &[&str], fetches: &[&str]) -> Result<PrunedFunction<'_>, Error> {
        let session = self.bundle()?.session();
        let graph = session.graph();
        let refuse = |message: String| Error::Model { code: Code::InvalidArgument, message };
        let mut fed = Vec::with_capacity(feeds.len());
        for name in feeds {
            match graph.as_graph_element(name)? {
                Element::Output(output) => fed.push(output.node),
                Element::Node(_) => {
                    return Err(refuse(format!(
                        "All members of argument `feeds` must be tensors. Got name: \"{name}\""
                    )));
                }
            }
        }
        let mut key = RunKey::new(feeds, &[], &[]);
        let mut wanted = Vec::with_capacity(fetches.len());
        let mut are_tensors = Vec::with_capacity(fetches.len());
        for name in fetches {
            let element = graph.as_graph_element(name)?;
            let is_tensor = matches!(element, Element::Output(_));
            let kind = if is_tensor { "Tensor" } else { "Operation" };
            wanted.push((element.node(), format!("<tf.{kind} '{name}'>")));
            are_tensors.push(is_tensor);
            match is_tensor {
                true => key.fetches.push((*name).to_owned()),
                false => key.targets.push((*name).to_owned()),
            }
        }
        match signatures::unfed_placeholder(graph, &fed, &wanted) {
            Some(message) => Err(refuse(message)),
            None => Ok(PrunedFunction { callable: session.callable(&key)?, are_tensors }),
        }
    }
}

impl PrunedFunction<'_> {
    /// Runs with one tensor for each feed; gives one for each fetch, and `None` where that is an op.
    ///
    /// Errors: `INVALID_ARGUMENT` for a wrong number of tensors and for their types; those of the nodes
    /// that run.
    pub fn call(&self, inputs: Vec<Tensor>) -> Result<Vec<Option<Tensor>>, Error> {
        let mut tensors = self.callable.run(inputs)?.into_iter();
        let one = |is_tensor: &bool| if *is_tensor { tensors.next() } else { None };
        Ok(self.are_tensors.iter().map(one).collect())
    }
}
