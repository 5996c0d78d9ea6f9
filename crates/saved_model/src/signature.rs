//! From a signature's keys to the tensors of the graph, with checks that name what is there.

use flowkeep_graph::{MetaGraph, Signature};
use flowkeep_tensor::{Code, DType, PartialShape, Tensor};

use crate::Error;
use crate::suggest::nearest;

/// An input of a signature, ready to be fed.
#[derive(Clone, Debug)]
pub(crate) struct Feed {
    pub(crate) key: String,
    pub(crate) tensor_name: String,
    dtype: Option<DType>,
    shape: PartialShape,
}

impl Feed {
    /// Checks a tensor against the signature.
    pub(crate) fn check(&self, tensor: &Tensor) -> Result<(), Error> {
        let is_type = self.dtype.is_none_or(|dtype| dtype == tensor.dtype());
        if is_type && self.shape.matches(tensor.shape()) {
            return Ok(());
        }
        let dtype = self.dtype.map(DType::python_name).unwrap_or("any type");
        Err(Error::BadInput {
            key: self.key.clone(),
            expected: format!("{dtype} {}", self.shape),
            got: format!("{} {}", tensor.dtype().python_name(), tensor.shape()),
        })
    }
}

pub(crate) fn find<'a>(meta_graph: &'a MetaGraph, key: &str) -> Result<&'a Signature, Error> {
    meta_graph
        .signatures
        .get(key)
        .ok_or_else(|| Error::no_such_signature(key, meta_graph.signatures.keys()))
}

/// The feed of the input `key`.
pub(crate) fn feed(signature: &Signature, key: &str) -> Result<Feed, Error> {
    let info = signature.inputs.get(key).ok_or_else(|| Error::NoSuchInput {
        key: key.to_owned(),
        present: signature.inputs.keys().cloned().collect(),
        nearest: nearest(key, signature.inputs.keys().map(String::as_str)),
    })?;
    let name = info.name().ok_or_else(|| no_tensor("input", key))?;
    Ok(Feed {
        key: key.to_owned(),
        tensor_name: name.to_owned(),
        dtype: info.dtype(),
        shape: info.shape.clone(),
    })
}

/// The output keys, sorted, with the names of their tensors.
pub(crate) fn fetches(signature: &Signature) -> Result<Vec<(String, String)>, Error> {
    let fetch = |(key, info): (&String, &flowkeep_graph::TensorInfo)| {
        let name = info.name().ok_or_else(|| no_tensor("output", key))?;
        Ok((key.clone(), name.to_owned()))
    };
    signature.outputs.iter().map(fetch).collect()
}

fn no_tensor(role: &str, key: &str) -> Error {
    Error::Model {
        code: Code::Unimplemented,
        message: format!(
            "{role} \"{key}\" is a sparse or composite tensor, which cannot be fed or fetched by key yet"
        ),
    }
}
