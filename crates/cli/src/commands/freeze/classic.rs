use std::path::{Path, PathBuf};

use clap::Args;
use flowkeep_graph::file::{GraphFile, GraphMessage, path_meant};
use flowkeep_proto::{pb, text};
use flowkeep_tensor::Code;
use prost::Message as _;

use crate::commands::graph::source::read;
use crate::error::Error;

/// The flags of `freeze_graph` that name files, and those that change nothing here.
#[derive(Args, Debug)]
pub(super) struct Classic {
    /// A GraphDef, as SRC
    #[arg(long, value_name = "FILE", hide = true)]
    input_graph: Option<PathBuf>,
    /// A MetaGraph, as SRC
    #[arg(long, value_name = "FILE", hide = true)]
    input_meta_graph: Option<PathBuf>,
    /// A SavedModel's directory, as SRC
    #[arg(long, value_name = "DIR", hide = true)]
    input_saved_model_dir: Option<PathBuf>,
    /// What restores the variables of a GraphDef, a SaverDef
    #[arg(long, value_name = "FILE", hide = true)]
    input_saver: Option<PathBuf>,
    /// The file to write, as DST
    #[arg(long, value_name = "FILE", hide = true)]
    output_graph: Option<PathBuf>,
    /// Whether inputs are binary; that is told by their content
    #[arg(long, require_equals = true, num_args = 0..=1, default_missing_value = "true", hide = true)]
    input_binary: Option<String>,
    /// The format of the checkpoint; that is told by its content
    #[arg(long, value_name = "1|2", value_parser = version, hide = true)]
    checkpoint_version: Option<String>,
    /// Has no effect, as in TensorFlow
    #[arg(long, hide = true)]
    restore_op_name: Option<String>,
    /// Has no effect, as in TensorFlow
    #[arg(long, hide = true)]
    filename_tensor_name: Option<String>,
    /// Whether to forget the devices that nodes ask for
    #[arg(
        long,
        action = clap::ArgAction::Set,
        require_equals = true,
        num_args = 0..=1,
        default_value = "true",
        default_missing_value = "true",
        value_parser = switch,
        hide = true
    )]
    pub(super) clear_devices: bool,
}

impl Classic {
    /// What is read, with the word that messages have for it, and the file that is written: by flags, or else by
    /// position.
    ///
    /// Errors: what is wrong with the command line, a missing or superfluous path.
    pub(super) fn paths<'a>(
        &'a self,
        paths: &'a [PathBuf],
    ) -> Result<(&'a Path, &'static str, &'a Path), &'static str> {
        let named = [
            (&self.input_meta_graph, "meta graph "),
            (&self.input_saved_model_dir, ""),
            (&self.input_graph, "graph "),
        ];
        let named = named.into_iter().find_map(|(path, what)| Some((path.as_deref()?, what)));
        let mut paths = paths.iter().map(PathBuf::as_path);
        let src = named.or_else(|| Some((paths.next()?, "")));
        let (src, what) =
            src.ok_or("what is to be frozen is missing: give SRC, and the file to write as DST")?;
        let dst = self.output_graph.as_deref().or_else(|| paths.next());
        let dst = dst.ok_or("the file to write is missing: give DST")?;
        match paths.next() {
            Some(_) => Err("there is one path too many"),
            None => Ok((src, what, dst)),
        }
    }

    /// Reads what is to be frozen, and says where it goes.
    ///
    /// Errors: those of [`Classic::paths`]; with TensorFlow's texts, files that are not there.
    pub(super) fn files(&self, paths: &[PathBuf]) -> Result<(GraphFile, PathBuf), Error> {
        let (src, what, dst) = self.paths(paths).map_err(Error::invalid)?;
        if !what.is_empty() {
            must_exist(src, what)?;
        }
        let mut file = read(src)?;
        if let Some(path) = &self.input_saver {
            must_exist(path, "saver ")?;
            let saver = saver_def(path)?;
            if let GraphMessage::GraphDef(graph) = file.message {
                let def = pb::MetaGraphDef {
                    graph_def: Some(*graph),
                    saver_def: Some(saver),
                    ..pb::MetaGraphDef::default()
                };
                file.message = GraphMessage::MetaGraphDef(Box::new(def));
            }
        }
        Ok((file, dst.to_owned()))
    }
}

/// Reads a SaverDef, binary or text.
fn saver_def(path: &Path) -> Result<pb::SaverDef, Error> {
    let bytes =
        std::fs::read(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
    let of_text = std::str::from_utf8(&bytes).ok().and_then(|text| text::parse_message(text).ok());
    let of_bytes = || pb::SaverDef::decode(&*bytes).ok();
    of_text.or_else(of_bytes).ok_or_else(|| Error::Failed {
        code: Code::DataLoss,
        message: format!("{} is no SaverDef, binary or text", path.display()),
    })
}

fn must_exist(path: &Path, what: &str) -> Result<(), Error> {
    match path.exists() || path == Path::new("-") {
        true => Ok(()),
        false => Err(Error::Failed {
            code: Code::NotFound,
            message: format!(
                "Input {what}file '{}' does not exist!{}",
                path.display(),
                path_meant(path)
            ),
        }),
    }
}

fn version(text: &str) -> Result<String, String> {
    match text {
        "1" | "2" => Ok(text.to_owned()),
        _ => Err(format!("Invalid checkpoint version (must be '1' or '2'): {text}")),
    }
}

fn switch(text: &str) -> Result<bool, String> {
    match text.to_lowercase().as_str() {
        "true" | "t" | "1" => Ok(true),
        "false" | "f" | "0" => Ok(false),
        _ => Err("is neither true nor false".to_owned()),
    }
}
