//! `flowkeep freeze`: a graph without variables and functions, of whatever has them.

mod classic;
mod frozen;

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser};
use flowkeep_graph::file::{GraphMessage, path_meant, write_atomically};
use serde_json::{Value, json};

use super::graph::edit::To;
use crate::args::Format;
use crate::error::Error;
use crate::render::{self, Page};

use classic::Classic;
pub(super) use frozen::{Wanted, frozen};

/// Make a graph without variables of a model and its checkpoint.
///
/// SRC is a SavedModel, a MetaGraph or a GraphDef; DST becomes a GraphDef. The graph is cut to what the outputs
/// need, functions are put in the place of their calls, and the names of inputs and outputs stay. 'flowkeep graph
/// freeze' writes what SRC is, and keeps the rest of it.
#[derive(Debug, Parser)]
#[command(name = "flowkeep freeze", bin_name = "flowkeep freeze", after_help = EXAMPLES)]
pub(crate) struct Invocation {
    /// A SavedModel's directory, a MetaGraph or a GraphDef (- for standard input), and the file to write
    #[arg(value_names = ["SRC", "DST"], num_args = 0..=2)]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    classic: Classic,
    /// The tags of the SavedModel's MetaGraph
    #[arg(long, alias = "saved-model-tags", value_name = "TAG,TAG,...", value_delimiter = ',')]
    tags: Option<Vec<String>>,
    /// The signature that the graph is for [default: the only one, or serving_default]
    #[arg(long, alias = "signature-def", value_name = "KEY")]
    signature: Option<String>,
    /// The checkpoint, or a file of another tool [default: that of the SavedModel]
    #[arg(long, alias = "input-checkpoint", value_name = "PATH")]
    checkpoint: Option<PathBuf>,
    /// The nodes that the graph is for, in the place of a signature's outputs
    #[arg(long, alias = "output-node-names", value_name = "NODE,NODE,...", value_delimiter = ',')]
    outputs: Vec<String>,
    /// Freeze these variables only, by the names of their nodes
    #[arg(
        long,
        alias = "variable-names-whitelist",
        value_name = "NODE,NODE,...",
        value_delimiter = ','
    )]
    only: Vec<String>,
    /// Let these variables be
    #[arg(
        long,
        alias = "variable-names-denylist",
        value_name = "NODE,NODE,...",
        value_delimiter = ','
    )]
    keep: Vec<String>,
    /// Run these nodes first, once variables have their values of the checkpoint
    #[arg(long, alias = "initializer-nodes", value_name = "NODE,NODE,...", value_delimiter = ',')]
    initializers: Vec<String>,
    /// Keep the devices that nodes ask for
    #[arg(long)]
    keep_devices: bool,
    /// Leave functions and their calls as they are
    #[arg(long)]
    keep_functions: bool,
    /// The form to write
    #[arg(long, value_enum, value_name = "FORM", default_value = "binary")]
    to: To,
    /// Replace what is there
    #[arg(long)]
    overwrite: bool,
    /// How to print results
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

const EXAMPLES: &str = "\
Examples:
  flowkeep freeze saved_model frozen.pb
  flowkeep freeze saved_model frozen.pb --tags serve --signature regress
  flowkeep freeze model.ckpt-100.meta frozen.pb --checkpoint model.ckpt-100 --outputs logits

The flags of freeze_graph are understood as well, those that name files too:
  flowkeep freeze --input_graph=g.pbtxt --input_checkpoint=model.ckpt-100 --output_graph=f.pb ...

Exit status: 0 success, 2 wrong command line, otherwise 10 plus TensorFlow's error code.";

impl Invocation {
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Checks what the parser of the command line cannot: a path may be given by a flag or by its position.
    ///
    /// Errors: a missing or superfluous path.
    pub(crate) fn checked(self) -> Result<Invocation, clap::Error> {
        match self.classic.paths(&self.paths) {
            Ok(_) => Ok(self),
            Err(what) => Err(Invocation::command().error(ErrorKind::WrongNumberOfValues, what)),
        }
    }

    /// Does what is asked for and gives the exit status.
    pub(crate) fn run(&self, out: &mut dyn Write) -> Result<u8, Error> {
        let (file, dst) = self.classic.files(&self.paths)?;
        let trimmed = |names: &[String]| -> Vec<String> {
            let names = names.iter().map(|name| name.replace(' ', ""));
            names.filter(|name| !name.is_empty()).collect()
        };
        let (outputs, initializers) = (trimmed(&self.outputs), trimmed(&self.initializers));
        let (only, keep) = (trimmed(&self.only), trimmed(&self.keep));
        if let Some(checkpoint) = self.checkpoint.as_deref() {
            must_exist(checkpoint)?;
        }
        let wanted = Wanted {
            tags: self.tags.as_deref(),
            signature: self.signature.as_deref(),
            checkpoint: self.checkpoint.as_deref(),
            outputs: &outputs,
            only: &only,
            keep: &keep,
            initializers: &initializers,
            keep_devices: self.keep_devices || !self.classic.clear_devices,
            keep_functions: self.keep_functions,
        };
        let frozen = frozen(&file, &wanted)?;
        let form = self.to.form();
        let message = GraphMessage::GraphDef(Box::new(frozen.graph.to_graph_def()));
        write_atomically(&dst, &message.to_bytes(form)?, self.overwrite)?;
        let n_nodes = frozen.graph.nodes().len();
        let dst = dst.display();
        if self.format == Format::Json {
            let names = |infos: &std::collections::BTreeMap<String, flowkeep_graph::TensorInfo>| {
                infos
                    .iter()
                    .map(|(key, info)| (key.clone(), Value::from(info.name())))
                    .collect::<Value>()
            };
            let signature = frozen.signature.as_ref().map(|(key, signature)| {
                json!({"key": key, "inputs": names(&signature.inputs), "outputs": names(&signature.outputs)})
            });
            let written = json!({"path": dst.to_string(), "form": form.name(), "nodes": n_nodes});
            let document = json!({"written": written, "signature": signature, "done": frozen.data});
            return render::json::document(&document, out).map(|()| 0);
        }
        let mut page = Page(out);
        frozen.lines.iter().try_for_each(|line| page.line(line))?;
        if let Some((_, signature)) = &frozen.signature {
            for (role, infos) in [("input", &signature.inputs), ("output", &signature.outputs)] {
                for (key, info) in infos {
                    page.line(format!("{role} {key}: {}", info.name().unwrap_or("(composite)")))?;
                }
            }
        }
        page.line(format!("{dst} (a GraphDef, {}): {n_nodes} nodes", form.name()))?;
        Ok(0)
    }
}

/// Checks that there is something at the path of a checkpoint, or with it as a prefix.
///
/// Errors: `INVALID_ARGUMENT`, with TensorFlow's text.
fn must_exist(checkpoint: &Path) -> Result<(), Error> {
    let is_there = checkpoint.exists()
        || flowkeep_bundle::checkpoint_state::checkpoint_exists(checkpoint)
        || checkpoint == Path::new("-");
    match is_there {
        true => Ok(()),
        false => {
            let meant = path_meant(checkpoint);
            let checkpoint = checkpoint.display();
            Err(Error::invalid(format!("Input checkpoint '{checkpoint}' doesn't exist!{meant}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::args::own;

    #[test]
    fn the_definition_is_consistent() {
        Invocation::command().debug_assert();
    }

    #[test]
    fn the_flags_of_freeze_graph_are_understood() {
        let words = [
            "flowkeep",
            "freeze",
            "m",
            "f",
            "--input_checkpoint=c",
            "--output_node_names=a, b",
            "--variable_names_denylist=v",
            "--saved_model_tags=serve,gpu",
            "--initializer_nodes=init, tables",
        ];
        let parsed = own::<Invocation>(words.map(OsString::from).to_vec()).unwrap();
        assert_eq!(parsed.outputs, ["a", " b"]);
        assert_eq!(parsed.keep, ["v"]);
        assert_eq!(parsed.checkpoint, Some("c".into()));
        assert_eq!(parsed.initializers, ["init", " tables"]);
        assert_eq!(parsed.tags.unwrap(), ["serve", "gpu"]);
    }
}
