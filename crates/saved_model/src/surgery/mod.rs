//! Surgery on what a model offers: signatures are added, renamed and removed, without TensorFlow.
//!
//! A signature is told in up to two places: among the signatures of the MetaGraph, where loaders of
//! TensorFlow 1, TF Serving and this crate look, and, in models of TensorFlow 2, among the objects, where
//! `tf.saved_model.load` looks. Both are changed; where the objects cannot follow, the functions say so.

mod objects;
mod restore;

use std::collections::BTreeMap;

use flowkeep_graph::view::Shapes;
use flowkeep_graph::{Encoding, MetaGraph, Output, Signature, TensorInfo};
use flowkeep_tensor::Code;

use crate::Error;
use crate::constants::PREDICT_METHOD_NAME;
use crate::suggest::nearest;
use objects::Side;

pub use restore::restore_captured_variables;

/// Whether the objects of a model say of a signature what its MetaGraph says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InObjects {
    /// They do, or there are none, or they never had the signature.
    Same,
    /// They do not: `tf.saved_model.load` sees what was there before.
    Before,
    /// They have no such signature: `tf.saved_model.load` does not see it.
    Absent,
}

/// What a new signature is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSignature {
    /// Keys of inputs, and the tensors (`x:0`) that take them.
    pub inputs: BTreeMap<String, String>,
    /// Keys of outputs, and the tensors that have them.
    pub outputs: BTreeMap<String, String>,
    /// The method.
    pub method_name: String,
}

impl Default for NewSignature {
    /// A signature for `predict` without inputs and outputs.
    fn default() -> NewSignature {
        NewSignature {
            inputs: BTreeMap::new(),
            outputs: BTreeMap::new(),
            method_name: PREDICT_METHOD_NAME.to_owned(),
        }
    }
}

/// Adds a signature; types and shapes are those of the tensors in the graph.
///
/// The objects of a model cannot have it, since they call functions and not parts of the graph.
///
/// Errors: `ALREADY_EXISTS`; `INVALID_ARGUMENT` for a signature without outputs; as
/// [`Graph::get_tensor_by_name`](flowkeep_graph::Graph::get_tensor_by_name).
pub fn add_signature(
    meta_graph: &mut MetaGraph,
    key: &str,
    new: &NewSignature,
    shapes: &Shapes,
) -> Result<InObjects, Error> {
    must_be_free(meta_graph, key)?;
    if new.outputs.is_empty() {
        return Err(Error::Model {
            code: Code::InvalidArgument,
            message: format!("signature \"{key}\" would have no output"),
        });
    }
    let infos = |tensors: &BTreeMap<String, String>| {
        let info = |(key, name): (&String, &String)| {
            let output = meta_graph.graph.get_tensor_by_name(&with_index(name))?;
            Ok((key.clone(), tensor_info(meta_graph, output, shapes)))
        };
        tensors.iter().map(info).collect::<Result<BTreeMap<_, _>, Error>>()
    };
    let signature = Signature {
        inputs: infos(&new.inputs)?,
        outputs: infos(&new.outputs)?,
        method_name: new.method_name.clone(),
        defaults: BTreeMap::new(),
    };
    meta_graph.signatures.insert(key.to_owned(), signature);
    Ok(match objects::has_map(meta_graph) {
        true => InObjects::Absent,
        false => InObjects::Same,
    })
}

/// Gives a signature another key.
///
/// Errors: `NOT_FOUND`; `ALREADY_EXISTS`.
pub fn rename_signature(meta_graph: &mut MetaGraph, old: &str, new: &str) -> Result<(), Error> {
    must_be_there(meta_graph, old)?;
    must_be_free(meta_graph, new)?;
    if let Some(signature) = meta_graph.signatures.remove(old) {
        meta_graph.signatures.insert(new.to_owned(), signature);
    }
    objects::rename(meta_graph, old, new);
    Ok(())
}

/// Offers a signature under a second key as well.
///
/// Errors: `NOT_FOUND`; `ALREADY_EXISTS`.
pub fn copy_signature(meta_graph: &mut MetaGraph, from: &str, to: &str) -> Result<(), Error> {
    must_be_there(meta_graph, from)?;
    must_be_free(meta_graph, to)?;
    if let Some(signature) = meta_graph.signatures.get(from).cloned() {
        meta_graph.signatures.insert(to.to_owned(), signature);
    }
    objects::copy(meta_graph, from, to);
    Ok(())
}

/// Removes a signature. What it needs of the graph stays.
///
/// Errors: `NOT_FOUND`.
pub fn remove_signature(meta_graph: &mut MetaGraph, key: &str) -> Result<(), Error> {
    must_be_there(meta_graph, key)?;
    meta_graph.signatures.remove(key);
    objects::remove(meta_graph, key);
    Ok(())
}

/// Says for which method a signature is; objects do not tell.
///
/// Errors: `NOT_FOUND`.
pub fn set_method_name(
    meta_graph: &mut MetaGraph,
    key: &str,
    method_name: &str,
) -> Result<(), Error> {
    must_be_there(meta_graph, key)?;
    if let Some(signature) = meta_graph.signatures.get_mut(key) {
        method_name.clone_into(&mut signature.method_name);
    }
    Ok(())
}

/// Gives an input of a signature another key.
///
/// Errors: `NOT_FOUND` for the signature; `INVALID_ARGUMENT` for the input; `ALREADY_EXISTS`.
pub fn rename_input(
    meta_graph: &mut MetaGraph,
    key: &str,
    old: &str,
    new: &str,
) -> Result<InObjects, Error> {
    let signature = signature_mut(meta_graph, key)?;
    let before: Vec<String> = signature.inputs.keys().cloned().collect();
    rename_key(&mut signature.inputs, old, new, "input")?;
    if let Some(default) = signature.defaults.remove(old) {
        signature.defaults.insert(new.to_owned(), default);
    }
    Ok(objects::rename_value(meta_graph, key, Side::Inputs, &before, old, new))
}

/// Gives an output of a signature another key.
///
/// Errors: as [`rename_input`].
pub fn rename_output(
    meta_graph: &mut MetaGraph,
    key: &str,
    old: &str,
    new: &str,
) -> Result<InObjects, Error> {
    let signature = signature_mut(meta_graph, key)?;
    let before: Vec<String> = signature.outputs.keys().cloned().collect();
    rename_key(&mut signature.outputs, old, new, "output")?;
    Ok(objects::rename_value(meta_graph, key, Side::Outputs, &before, old, new))
}

fn must_be_there(meta_graph: &MetaGraph, key: &str) -> Result<(), Error> {
    match meta_graph.signatures.contains_key(key) {
        true => Ok(()),
        false => Err(Error::no_such_signature(key, meta_graph.signatures.keys())),
    }
}

fn must_be_free(meta_graph: &MetaGraph, key: &str) -> Result<(), Error> {
    match meta_graph.signatures.contains_key(key) {
        false => Ok(()),
        true => Err(already("signature", key)),
    }
}

fn already(what: &str, key: &str) -> Error {
    Error::Model {
        code: Code::AlreadyExists,
        message: format!("there is a{} {what} \"{key}\" already", vowel(what)),
    }
}

fn vowel(word: &str) -> &'static str {
    match word.starts_with(['a', 'e', 'i', 'o', 'u']) {
        true => "n",
        false => "",
    }
}

fn signature_mut<'a>(meta_graph: &'a mut MetaGraph, key: &str) -> Result<&'a mut Signature, Error> {
    let missing = Error::no_such_signature(key, meta_graph.signatures.keys());
    meta_graph.signatures.get_mut(key).ok_or(missing)
}

fn rename_key(
    infos: &mut BTreeMap<String, TensorInfo>,
    old: &str,
    new: &str,
    what: &str,
) -> Result<(), Error> {
    if infos.contains_key(new) {
        return Err(already(what, new));
    }
    let Some(info) = infos.remove(old) else {
        let keys: Vec<String> = infos.keys().map(|key| format!("\"{key}\"")).collect();
        let meant = nearest(old, infos.keys().map(String::as_str));
        let meant = meant.map(|key| format!("; did you mean \"{key}\"?")).unwrap_or_default();
        return Err(Error::Model {
            code: Code::InvalidArgument,
            message: format!("there is no {what} \"{old}\" among {}{meant}", keys.join(", ")),
        });
    };
    infos.insert(new.to_owned(), info);
    Ok(())
}

/// `x` means `x:0`.
fn with_index(name: &str) -> String {
    match name.contains(':') {
        true => name.to_owned(),
        false => format!("{name}:0"),
    }
}

fn tensor_info(meta_graph: &MetaGraph, output: Output, shapes: &Shapes) -> TensorInfo {
    let graph = &meta_graph.graph;
    let types = graph.node(output.node).output_types().unwrap_or_default();
    TensorInfo {
        encoding: Encoding::Dense(graph.tensor_name(output).to_string()),
        dtype: usize::try_from(output.index).ok().and_then(|index| types.get(index).copied()),
        shape: shapes.get(output),
    }
}
