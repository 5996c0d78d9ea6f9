//! One module per command.

pub(crate) mod bench;
mod call;
pub(crate) mod check;
pub(crate) mod ckpt;
pub(crate) mod convert;
pub(crate) mod explain;
pub(crate) mod freeze;
pub(crate) mod freeze_model;
pub(crate) mod graph;
pub(crate) mod ops;
pub(crate) mod run;
pub(crate) mod scan;
pub(crate) mod show;
pub(crate) mod sig;
pub(crate) mod train;

use std::path::Path;

use flowkeep_bundle::checkpoint_state::checkpoint_exists;
use flowkeep_graph::transform::VariableInfo;
use flowkeep_graph::{MetaGraph, Node, mistyped, op_def};
use flowkeep_saved_model::SavedModel;
use flowkeep_saved_model::constants::{
    DEFAULT_SERVING_SIGNATURE_DEF_KEY, INIT_OP_SIGNATURE_KEY, SERVING, VARIABLES_DIRECTORY,
    VARIABLES_FILENAME,
};

use flowkeep_tensor::Code;

use crate::error::Error;

/// The tags of `--tag_set`, trimmed; empty ones are left out.
fn tags_of(tag_set: &str) -> Vec<&str> {
    tag_set.split(',').map(str::trim).filter(|tag| !tag.is_empty()).collect()
}

fn no_tags() -> Error {
    Error::invalid("tag_set must contain at least one non-empty item.")
}

/// The tags to load: those of `--tag_set`, else the only sensible choice, which is the only
/// MetaGraph or the one tagged `serve`.
///
/// Errors: an empty `--tag_set`; `NOT_FOUND`, listing the tag sets, when there is a choice.
fn choose_tags(model: &SavedModel, tag_set: Option<&str>) -> Result<Vec<String>, Error> {
    let owned = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect();
    match (tag_set, &model.tag_sets()[..]) {
        (Some(tag_set), _) => match tags_of(tag_set) {
            tags if tags.is_empty() => Err(no_tags()),
            tags => {
                model.find(&tags)?;
                Ok(owned(&tags))
            }
        },
        (None, [only]) => Ok(only.to_vec()),
        (None, _) => {
            model.find(&[SERVING])?;
            Ok(owned(&[SERVING]))
        }
    }
}

/// Checks that there is a folder for a file that a flag names, before any work is done for it.
///
/// Errors: `NOT_FOUND`.
fn must_have_folder(path: &Path, flag: &str) -> Result<(), Error> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder.filter(|folder| !folder.is_dir()) {
        None => Ok(()),
        Some(folder) => Err(Error::Failed {
            code: Code::NotFound,
            message: format!("there is no folder {} for {flag}", folder.display()),
        }),
    }
}

/// The op that a name that is none was probably meant to be, as the end of a sentence.
fn op_meant(name: &str) -> String {
    let near = op_def::names().filter_map(|op| Some((mistyped(name, op)?, op)));
    near.min().map(|(_, op)| format!("; did you mean {op}?")).unwrap_or_default()
}

/// What to say of a model whose variables were never written: it has some, and no checkpoint.
fn never_written(meta_graph: &MetaGraph, dir: &Path) -> Option<String> {
    let prefix = dir.join(VARIABLES_DIRECTORY).join(VARIABLES_FILENAME);
    let is_variable = |node: &Node| VariableInfo::of(node).is_some();
    let has_variables = || meta_graph.graph.nodes().iter().any(is_variable);
    (!checkpoint_exists(&prefix) && has_variables()).then(|| {
        let prefix = prefix.display();
        format!("the model's variables were never written: there is no checkpoint {prefix}")
    })
}

/// The key of the signature to call: that of `--signature_def`, else the model's only one, else the
/// default.
fn choose_signature<'k>(key: Option<&str>, keys: impl Iterator<Item = &'k String>) -> String {
    if let Some(key) = key {
        return key.to_owned();
    }
    let mut callable = keys.filter(|key| *key != INIT_OP_SIGNATURE_KEY);
    match (callable.next(), callable.next()) {
        (Some(only), None) => only.clone(),
        _ => DEFAULT_SERVING_SIGNATURE_DEF_KEY.to_owned(),
    }
}
