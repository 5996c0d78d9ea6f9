//! `flowkeep sig`: what a model offers, edited without TensorFlow.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use clap::{Parser, Subcommand};
use flowkeep_graph::MetaGraph;
use flowkeep_graph::file::GraphMessage;
use flowkeep_graph::view::Shapes;
use flowkeep_saved_model::constants::{
    CLASSIFY_METHOD_NAME, PREDICT_METHOD_NAME, REGRESS_METHOD_NAME,
};
use flowkeep_saved_model::surgery::{self, InObjects, NewSignature};
use flowkeep_tensor::Code;
use serde_json::json;

use super::graph::Context;
use super::graph::edit::{Edit, Report};
use super::graph::source::shape_provider;
use crate::args::Format;
use crate::error::Error;

/// Add, rename and remove signatures and tags of a model.
///
/// SRC is a MetaGraph, a SavedModel or its directory; DST is written as what SRC is, with all that belongs to
/// it. Models of TensorFlow 2 have their signatures a second time, for `tf.saved_model.load`; these follow
/// as far as they can, and what cannot is said.
#[derive(Debug, Parser)]
#[command(name = "flowkeep sig", bin_name = "flowkeep sig", after_help = EXAMPLES)]
pub(crate) struct Invocation {
    /// How to print results
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    /// Print no notes
    #[arg(long, short, global = true)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  flowkeep sig add model out embed --input image=x:0 --output embedding=hidden:0
  flowkeep sig rename model out serving_default classify
  flowkeep sig rename-input model out serving_default inputs image
  flowkeep sig remove model out train_step
  flowkeep sig tags model out serve,gpu --tags serve
  flowkeep sig tags model out --add gpu --remove tpu

Exit status: 0 success, 2 wrong command line, otherwise 10 plus TensorFlow's error code.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Add a signature; types and shapes are those of the graph
    Add {
        #[command(flatten)]
        edit: Edit,
        /// The key of the signature
        key: String,
        /// An input, and the tensor that takes it
        #[arg(long = "input", value_name = "KEY=TENSOR", value_parser = pair)]
        inputs: Vec<(String, String)>,
        /// An output, and the tensor that has it
        #[arg(long = "output", value_name = "KEY=TENSOR", required = true, value_parser = pair)]
        outputs: Vec<(String, String)>,
        /// What it is for: predict, classify, regress, or any other name
        #[arg(long, default_value = "predict", value_name = "NAME")]
        method: String,
    },
    /// Offer a signature under a second key
    Copy {
        #[command(flatten)]
        edit: Edit,
        /// The key of the signature
        key: String,
        /// The other key
        second: String,
    },
    /// Say what a signature is for
    Method {
        #[command(flatten)]
        edit: Edit,
        /// The key of the signature
        key: String,
        /// predict, classify, regress, or any other name
        method: String,
    },
    /// Remove signatures
    Remove {
        #[command(flatten)]
        edit: Edit,
        /// The keys of the signatures
        #[arg(required = true)]
        keys: Vec<String>,
    },
    /// Give a signature another key
    Rename {
        #[command(flatten)]
        edit: Edit,
        old: String,
        new: String,
    },
    /// Give an input of a signature another key
    RenameInput {
        #[command(flatten)]
        edit: Edit,
        /// The key of the signature
        key: String,
        old: String,
        new: String,
    },
    /// Give an output of a signature another key
    RenameOutput {
        #[command(flatten)]
        edit: Edit,
        /// The key of the signature
        key: String,
        old: String,
        new: String,
    },
    /// Give a MetaGraph other tags, or some more, or fewer
    Tags {
        #[command(flatten)]
        edit: Edit,
        /// All tags that it has from now on
        #[arg(value_name = "TAG,TAG,...", value_delimiter = ',', required_unless_present_any = ["add", "remove"])]
        new: Vec<String>,
        /// Tags that it has as well
        #[arg(long, value_name = "TAG,TAG,...", value_delimiter = ',', conflicts_with = "new")]
        add: Vec<String>,
        /// Tags that it has no more
        #[arg(long, value_name = "TAG,TAG,...", value_delimiter = ',', conflicts_with = "new")]
        remove: Vec<String>,
    },
}

impl Invocation {
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Does what is asked for and gives the exit status.
    pub(crate) fn run(&self, out: &mut dyn Write) -> Result<u8, Error> {
        let cx = &mut Context { format: self.format, quiet: self.quiet, out };
        match &self.command {
            Command::Add { edit, key, inputs, outputs, method } => {
                let new = NewSignature {
                    inputs: unique(inputs)?,
                    outputs: unique(outputs)?,
                    method_name: method_name(method).to_owned(),
                };
                run(edit, cx, format!("{key} added"), |meta_graph| {
                    let shapes = Shapes::new(&meta_graph.graph, Some(&shape_provider()));
                    let seen = surgery::add_signature(meta_graph, key, &new, &shapes)?;
                    Ok(note(seen, key))
                })
            }
            Command::Copy { edit, key, second } => {
                run(edit, cx, format!("{key} is {second} as well"), |meta_graph| {
                    Ok(surgery::copy_signature(meta_graph, key, second).map(|()| None)?)
                })
            }
            Command::Method { edit, key, method } => {
                run(edit, cx, format!("{key} is for {}", method_name(method)), |meta_graph| {
                    let method = method_name(method);
                    Ok(surgery::set_method_name(meta_graph, key, method).map(|()| None)?)
                })
            }
            Command::Remove { edit, keys } => {
                run(edit, cx, format!("{} removed", keys.join(", ")), |meta_graph| {
                    for key in keys {
                        surgery::remove_signature(meta_graph, key)?;
                    }
                    Ok(None)
                })
            }
            Command::Rename { edit, old, new } => {
                run(edit, cx, format!("{old} => {new}"), |meta_graph| {
                    Ok(surgery::rename_signature(meta_graph, old, new).map(|()| None)?)
                })
            }
            Command::RenameInput { edit, key, old, new } => {
                run(edit, cx, format!("input of {key}: {old} => {new}"), |meta_graph| {
                    Ok(note(surgery::rename_input(meta_graph, key, old, new)?, key))
                })
            }
            Command::RenameOutput { edit, key, old, new } => {
                run(edit, cx, format!("output of {key}: {old} => {new}"), |meta_graph| {
                    Ok(note(surgery::rename_output(meta_graph, key, old, new)?, key))
                })
            }
            Command::Tags { edit, new, add, remove } => {
                let file = edit.open()?;
                let (def, _) = file.clone().into_meta_graph_def(edit.tags())?;
                let old = def.meta_info_def.map(|info| info.tags).unwrap_or_default();
                let tags = new_tags(&old, new, add, remove)?;
                if is_taken(&file.message, &old, &tags) {
                    return Err(Error::Failed {
                        code: Code::AlreadyExists,
                        message: format!(
                            "there is a MetaGraph with the tags {} already, and loaders take the first one",
                            tags.join(",")
                        ),
                    });
                }
                let done = format!("tags: {}", tags.join(","));
                let data = json!({"what": done, "note": null});
                edit.run_on(file, cx, |mut meta_graph| {
                    meta_graph.tags = tags;
                    Ok((meta_graph.into(), Report { lines: vec![done], data, ..Report::default() }))
                })
            }
        }
    }
}

/// The tags that a MetaGraph gets, each once, in the order given.
///
/// Errors: `NOT_FOUND` for a tag to remove that it has not; `INVALID_ARGUMENT` if none is left.
fn new_tags(
    old: &[String],
    new: &[String],
    add: &[String],
    remove: &[String],
) -> Result<Vec<String>, Error> {
    let trimmed = |tags: &[String]| -> Vec<String> {
        tags.iter().map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()).collect()
    };
    let remove = trimmed(remove);
    if let Some(missing) = remove.iter().find(|tag| !old.contains(tag)) {
        return Err(Error::Failed {
            code: Code::NotFound,
            message: format!("the MetaGraph has no tag {missing}; but {}", old.join(", ")),
        });
    }
    let start = if new.is_empty() { old.to_vec() } else { trimmed(new) };
    let mut tags: Vec<String> = Vec::new();
    for tag in start.into_iter().chain(trimmed(add)) {
        if !tags.contains(&tag) && !remove.contains(&tag) {
            tags.push(tag);
        }
    }
    match tags.is_empty() {
        true => {
            Err(Error::invalid("a MetaGraph without tags is found by no loader that names some"))
        }
        false => Ok(tags),
    }
}

/// Whether another MetaGraph than the one with the tags `old` has the set of tags `new`.
fn is_taken(message: &GraphMessage, old: &[String], new: &[String]) -> bool {
    let set = |tags: &[String]| tags.iter().cloned().collect::<BTreeSet<_>>();
    let GraphMessage::SavedModel(model) = message else { return false };
    let tags = model.meta_graphs.iter().map(|def| def.meta_info_def.as_ref());
    let same = tags.filter(|info| set(info.map_or(&[], |info| &info.tags)) == set(new)).count();
    same > usize::from(set(old) == set(new))
}

/// Edits a MetaGraph; `done` says what was done.
fn run(
    edit: &Edit,
    cx: &mut Context<'_>,
    done: String,
    change: impl FnOnce(&mut MetaGraph) -> Result<Option<String>, Error>,
) -> Result<u8, Error> {
    edit.run(cx, |mut meta_graph| {
        let note = change(&mut meta_graph)?;
        let data = json!({"what": done, "note": note});
        let lines = [Some(done), note].into_iter().flatten().collect();
        Ok((meta_graph.into(), Report { lines, data, ..Report::default() }))
    })
}

/// What to say of a signature that the objects do not tell as the MetaGraph does.
fn note(seen: InObjects, key: &str) -> Option<String> {
    match seen {
        InObjects::Same => None,
        InObjects::Before => Some(format!(
            "the function of {key} cannot follow: tf.saved_model.load sees the old names"
        )),
        InObjects::Absent => {
            Some(format!("tf.saved_model.load does not see {key}: no function computes it"))
        }
    }
}

/// The method that is meant.
fn method_name(name: &str) -> &str {
    match name {
        "predict" => PREDICT_METHOD_NAME,
        "classify" => CLASSIFY_METHOD_NAME,
        "regress" => REGRESS_METHOD_NAME,
        other => other,
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, tensor) = text.split_once('=').ok_or("is not KEY=TENSOR")?;
    Ok((key.to_owned(), tensor.to_owned()))
}

/// Errors: a key that is given twice.
fn unique(pairs: &[(String, String)]) -> Result<BTreeMap<String, String>, Error> {
    let mut map = BTreeMap::new();
    for (key, tensor) in pairs {
        if map.insert(key.clone(), tensor.clone()).is_some() {
            return Err(Error::invalid(format!("{key} is given twice")));
        }
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Invocation::command().debug_assert();
    }

    #[test]
    fn tags_are_set_added_and_removed() {
        let words =
            |text: &str| -> Vec<String> { text.split_terminator(',').map(str::to_owned).collect() };
        let tags = |old: &str, new: &str, add: &str, remove: &str| {
            new_tags(&words(old), &words(new), &words(add), &words(remove))
                .map(|tags| tags.join(","))
        };
        assert_eq!(tags("serve", "a, b,a,", "", "").unwrap(), "a,b");
        assert_eq!(tags("serve,tpu", "", "gpu,serve", "tpu").unwrap(), "serve,gpu");
        assert!(tags("serve", "", "", "nope").is_err() && tags("serve", "", "", "serve").is_err());
        assert!(tags("serve", ",", "", "").is_err());
    }

    #[test]
    fn keys_are_given_once() {
        assert!(pair("x").is_err());
        let x = pair("x=a=b").unwrap();
        assert_eq!(x, ("x".to_owned(), "a=b".to_owned()));
        assert!(unique(&[x.clone(), x]).is_err());
    }
}
