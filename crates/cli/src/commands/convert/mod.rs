//! `flowkeep convert`: a SavedModel of a graph, of a MetaGraph with its checkpoint, or a simpler one of a SavedModel.

mod build;
mod flatten;
mod guess;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use clap::Parser;
use flowkeep_graph::file::Kind;
use flowkeep_graph::{Signature, TensorInfo};
use serde_json::{Value, json};

use super::graph::source::read;
use crate::args::Format;
use crate::error::Error;
use crate::render::{self, Page};

/// Make a SavedModel of a graph, or a simpler one of a SavedModel.
///
/// SRC is a GraphDef without variables, a MetaGraph with its checkpoint, or a SavedModel; DST becomes a SavedModel in
/// the form of TensorFlow 1, which every loader reads. Of a SavedModel, functions are put in the place of their
/// calls, and the objects of TensorFlow 2 go. To get a graph alone, see 'flowkeep freeze'.
#[derive(Debug, Parser)]
#[command(name = "flowkeep convert", bin_name = "flowkeep convert", after_help = EXAMPLES)]
pub(crate) struct Invocation {
    /// A GraphDef, a MetaGraph or a SavedModel's directory; - for standard input
    src: PathBuf,
    /// The directory to write
    dst: PathBuf,
    /// The tags of the SavedModel's MetaGraph
    #[arg(long, alias = "tag-set", value_name = "TAG,TAG,...", value_delimiter = ',')]
    tags: Option<Vec<String>>,
    /// Convert all MetaGraphs of a SavedModel, which go on sharing their variables
    #[arg(long, alias = "all-meta-graphs", conflicts_with_all = ["tags", "new_tags"])]
    all: bool,
    /// The signature to make; of a SavedModel, the one to keep [default: serving_default; all]
    #[arg(long, alias = "signature-def", value_name = "KEY")]
    signature: Option<String>,
    /// Inputs of the signature [default: guessed]
    #[arg(long, value_name = "KEY=TENSOR,...", value_delimiter = ',', value_parser = pair)]
    inputs: Vec<(String, String)>,
    /// Outputs of the signature [default: guessed]
    #[arg(long, value_name = "KEY=TENSOR,...", value_delimiter = ',', value_parser = pair)]
    outputs: Vec<(String, String)>,
    /// What the signature is for: predict, classify, regress, or any other name
    #[arg(long, default_value = "predict", value_name = "NAME")]
    method: String,
    /// The checkpoint [default: of model.ckpt-1.meta, model.ckpt-1; of a SavedModel, its own]
    #[arg(long, value_name = "PATH")]
    checkpoint: Option<PathBuf>,
    /// Make constants of variables
    #[arg(long)]
    freeze: bool,
    /// The tags of the new model [default: serve; of a SavedModel, its own]
    #[arg(long, value_name = "TAG,TAG,...", value_delimiter = ',')]
    new_tags: Option<Vec<String>>,
    /// Replace the SavedModel that is there
    #[arg(long)]
    overwrite: bool,
    /// How to print results
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

const EXAMPLES: &str = "\
Examples:
  flowkeep convert frozen.pb model --inputs image=x:0 --outputs scores=softmax:0
  flowkeep convert model.ckpt-100.meta model --checkpoint model.ckpt-100 --outputs scores=softmax:0
  flowkeep convert tf2_model flat_model --signature serving_default
  flowkeep convert tf2_model frozen_model --freeze
  flowkeep convert exported_by_estimator frozen_model --all --freeze

Exit status: 0 success, 2 wrong command line, otherwise 10 plus TensorFlow's error code. 'convert tensorrt' of
saved_model_cli is not offered.";

/// What was made.
#[derive(Default)]
struct Done {
    made: Vec<Made>,
    /// Whether nobody named the inputs and outputs.
    is_guessed: bool,
    lines: Vec<String>,
    /// What was done, for each MetaGraph.
    data: Vec<Value>,
}

/// A MetaGraph that was made.
struct Made {
    tags: Vec<String>,
    signatures: BTreeMap<String, Signature>,
    n_nodes: usize,
}

impl Made {
    fn signatures(&self) -> Value {
        let infos = |infos: &BTreeMap<String, TensorInfo>| -> Value {
            infos.iter().map(|(key, info)| (key.clone(), Value::from(info.name()))).collect()
        };
        let signatures = self.signatures.iter().map(|(key, signature)| {
            let (inputs, outputs) = (infos(&signature.inputs), infos(&signature.outputs));
            let method = &signature.method_name;
            (key.clone(), json!({"inputs": inputs, "outputs": outputs, "method": method}))
        });
        signatures.collect()
    }
}

impl Invocation {
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Does what is asked for and gives the exit status.
    pub(crate) fn run(&self, out: &mut dyn Write) -> Result<u8, Error> {
        let file = read(&self.src)?;
        let done = match file.message.kind() {
            Kind::SavedModel => flatten::convert(self, file)?,
            Kind::GraphDef | Kind::MetaGraphDef => build::convert(self, file)?,
        };
        let dst = self.dst.display().to_string();
        if self.format == Format::Json {
            let document = match (&done.made[..], &done.data[..]) {
                ([made], [data]) if !self.all => json!({
                    "written": {"path": dst, "nodes": made.n_nodes, "tags": made.tags},
                    "signatures": made.signatures(),
                    "guessed": done.is_guessed,
                    "done": data,
                }),
                (made, data) => {
                    let meta_graphs = made.iter().zip(data).map(|(made, data)| {
                        json!({
                            "nodes": made.n_nodes,
                            "tags": made.tags,
                            "signatures": made.signatures(),
                            "done": data,
                        })
                    });
                    let meta_graphs = meta_graphs.collect::<Vec<_>>();
                    json!({"written": {"path": dst}, "meta_graphs": meta_graphs})
                }
            };
            return render::json::document(&document, out).map(|()| 0);
        }
        let mut page = Page(out);
        done.lines.iter().try_for_each(|line| page.line(line))?;
        for made in &done.made {
            for (key, signature) in &made.signatures {
                let guessed = if done.is_guessed { ", guessed" } else { "" };
                page.line(format!("signature {key} ({}{guessed})", signature.method_name))?;
                for (mark, infos) in [("<-", &signature.inputs), ("->", &signature.outputs)] {
                    for (key, info) in infos {
                        page.line(format!("  {mark} {key}: {}", tensor(info)))?;
                    }
                }
            }
            let tags = made.tags.join(",");
            page.line(format!("{dst} (a SavedModel, {tags}): {} nodes", made.n_nodes))?;
        }
        Ok(0)
    }
}

/// A tensor with type and shape.
fn tensor(info: &TensorInfo) -> String {
    let dtype = info.dtype.map_or("operation", |port| port.dtype.python_name());
    format!("{} {dtype} {}", info.name().unwrap_or("(composite)"), info.shape)
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, tensor) = text.trim().split_once('=').ok_or("is not KEY=TENSOR")?;
    Ok((key.to_owned(), tensor.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use clap::CommandFactory;

    use super::*;
    use crate::args::own;

    #[test]
    fn the_definition_is_consistent() {
        Invocation::command().debug_assert();
    }

    #[test]
    fn tensors_are_named_by_keys() {
        let words = ["flowkeep", "convert", "g", "m", "--inputs=a=x:0, b=y", "--outputs", "c=z:1"];
        let parsed = own::<Invocation>(words.map(OsString::from).to_vec()).unwrap();
        let pair = |key: &str, tensor: &str| (key.to_owned(), tensor.to_owned());
        assert_eq!(parsed.inputs, [pair("a", "x:0"), pair("b", "y")]);
        assert_eq!(parsed.outputs, [pair("c", "z:1")]);
        assert!(
            own::<Invocation>(
                ["flowkeep", "convert", "g", "m", "--inputs=x"].map(OsString::from).to_vec()
            )
            .is_err()
        );
    }
}
