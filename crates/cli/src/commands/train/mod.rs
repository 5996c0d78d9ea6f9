//! `flowkeep train`: goes on with a training that TensorFlow, or this command, has begun.

mod feeds;
mod interrupt;
mod watch;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use flowkeep_bundle::Location;
use flowkeep_bundle::checkpoint_state::meta_graph_filename;
use flowkeep_ckpt::{CurveText, SvgOptions, curves_svg};
use flowkeep_graph::file::{FileError, read_meta_graph_file};
use flowkeep_graph::{ImportMetaGraphOptions, ImportOptions, MetaGraph, builder::Scope};
use flowkeep_runtime::{Registry, Session, SessionOptions};
use flowkeep_saver::train::{TrainOptions, TrainReport, train};
use flowkeep_saver::{Durability, Saver, SaverOptions, import_meta_graph};
use flowkeep_tensor::Code;

use self::watch::Watch;
use super::graph::source::with_meant;
use super::must_have_folder;
use crate::args::Format;
use crate::error::Error;
use crate::render::Page;

/// Train a model from its MetaGraph and a checkpoint, step by step.
///
/// Runs the train op with one batch for each step, saves as it goes, and goes on where it stopped: called
/// again with the same arguments, it does the steps that are missing after the latest checkpoint in
/// `--out`. The first Ctrl-C (or SIGTERM) saves and ends; the second ends at once.
#[derive(Debug, Parser)]
#[command(name = "flowkeep train", bin_name = "flowkeep train", after_help = AFTER_HELP)]
pub(crate) struct Invocation {
    /// The MetaGraph [default: the one beside the checkpoint]
    #[arg(long, value_name = "FILE", required_unless_present = "checkpoint")]
    meta: Option<PathBuf>,
    /// The checkpoint to begin with: a prefix, or a directory for its latest [default: initial values]
    #[arg(long, value_name = "PREFIX_OR_DIR")]
    checkpoint: Option<PathBuf>,
    /// What a step runs: a node, or a collection of nodes
    #[arg(long = "op", value_name = "NAME", required = true, value_delimiter = ',')]
    ops: Vec<String>,
    /// A tensor to print and to draw
    #[arg(long = "fetch", value_name = "TENSOR", value_delimiter = ',')]
    fetches: Vec<String>,
    /// The batches: arrays called like tensors, the first axis counting steps, from the start again
    /// after the last
    #[arg(long, value_name = "FILE.npz")]
    feed: Vec<PathBuf>,
    /// How many steps, counted from the checkpoint or the initial values
    #[arg(long, value_name = "N")]
    steps: u64,
    /// Save checkpoints here, and go on with the latest of them
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Save after each K steps, and not at the end only
    #[arg(long, value_name = "K", requires = "out")]
    save_every: Option<u64>,
    /// Save after each so many seconds
    #[arg(long, value_name = "SECONDS", requires = "out", value_parser = seconds)]
    save_secs: Option<Duration>,
    /// What initializes variables without a checkpoint [default: the init op, or the node init]
    #[arg(long, value_name = "NODE")]
    init_op: Option<String>,
    /// Draw what was fetched as a picture
    #[arg(long, value_name = "FILE.svg")]
    curve: Option<PathBuf>,
    /// The columns that the curve in the terminal may take
    #[arg(long, value_name = "N", default_value_t = CurveText::default().width)]
    width: usize,
    /// Draw without characters beyond ASCII
    #[arg(long)]
    ascii: bool,
    /// Threads to run on [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Do not wait for the disk when saving: a power failure may then damage checkpoints
    #[arg(long)]
    no_sync: bool,
    /// How to print results; json prints a line for each step
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    /// Print neither progress nor notes
    #[arg(long, short)]
    quiet: bool,
}

const AFTER_HELP: &str = "\
Examples:
  Go on with a training of TensorFlow for 1000 steps:
    flowkeep train --meta train/model.ckpt-10.meta --checkpoint train --op train_op --fetch loss:0 \\
      --feed batches.npz --steps 1000 --out more --save-every 100
  Begin anew, and draw the loss:
    flowkeep train --meta model.meta --op train --fetch loss:0 --feed batches.npz --steps 1000 \\
      --out train --curve loss.svg

Exit status: 0 success, also after a Ctrl-C that saved; 2 wrong command line; otherwise 10 plus
TensorFlow's error code.";

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

impl Invocation {
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Does what is asked for.
    pub(crate) fn run(&self, out: &mut dyn Write) -> Result<(), Error> {
        self.check_places()?;
        let path = self.meta_path()?;
        let (graph, mut saver) = open(&path)?;
        let named = |name: &String| self.nodes(&path, &graph, name);
        let mut options = TrainOptions::default();
        options.train_ops = self.ops.iter().map(named).collect::<Result<Vec<_>, _>>()?.concat();
        options.fetches.clone_from(&self.fetches);
        options.n_steps = self.steps;
        options.checkpoint.clone_from(&self.checkpoint);
        options.init_op.clone_from(&self.init_op);
        options.model_dir.clone_from(&self.out);
        options.save_every_steps = self.save_every;
        options.save_every = self.save_secs;
        for name in &self.fetches {
            let found = graph.graph.get_tensor_by_name(name);
            found.map_err(|error| not_found(&path, &graph, name, &error))?;
        }
        let (mut batches, notes) = feeds::read(&self.feed, &graph.graph)?;
        notes.iter().for_each(|text| self.note(text));
        if self.out.is_none() {
            self.note("nothing will be saved, for there is no --out");
        }
        options.stop = Some(interrupt::catch()?);

        let session = self.session(&graph);
        let mut watch = Watch::new(self, out);
        let report =
            train(&session, &mut saver, &options, &mut batches, &mut |event| watch.on(event));
        let curves = watch.finish()?;
        for error in saver.take_deletion_errors() {
            self.note(format!("cannot delete an old checkpoint: {error}"));
        }
        // What was reached is drawn also if the next step failed.
        if let Some(path) = &self.curve {
            let options = SvgOptions {
                title: self.fetches.join(", "),
                subtitle: path_of(&self.out).unwrap_or_else(|| path.display().to_string()),
                ..SvgOptions::default()
            };
            fs::write(path, curves_svg(&curves, &options))
                .map_err(|source| Error::Io { path: path.clone(), source })?;
        }
        if self.format == Format::Text {
            let text = CurveText { width: self.width, ascii: self.ascii, ..CurveText::default() };
            let mut page = Page(out);
            for curve in curves.iter().filter(|curve| curve.points().len() > 1) {
                page.line(curve.name())?;
                page.text(curve.to_text(&text))?;
            }
        }
        let report = report.map_err(|error| fed(error.into()))?;
        match self.format {
            Format::Text => Page(out).line(summary(&report))?,
            Format::Json => self.note(summary(&report)),
        }
        Ok(())
    }

    /// Checks that there is room for what is written at the end, before any work is done for it.
    fn check_places(&self) -> Result<(), Error> {
        if let Some(dir) = self.out.as_deref().filter(|dir| dir.exists() && !dir.is_dir()) {
            return Err(Error::Failed {
                code: Code::AlreadyExists,
                message: format!("{} is no directory, and --out wants one", dir.display()),
            });
        }
        match &self.curve {
            Some(path) => must_have_folder(path, "--curve"),
            None => Ok(()),
        }
    }

    /// The MetaGraph that is given, or the one beside the checkpoint.
    fn meta_path(&self) -> Result<PathBuf, Error> {
        match (&self.meta, &self.checkpoint) {
            (Some(path), _) => Ok(path.clone()),
            (None, Some(path)) => {
                let prefix = Location::find(path).map_err(flowkeep_saver::Error::from)?.prefix;
                let meta = meta_graph_filename(&prefix, "meta");
                match meta.is_file() {
                    true => Ok(meta),
                    false => Err(Error::Failed {
                        code: Code::NotFound,
                        message: format!(
                            "there is no {} beside the checkpoint; give the MetaGraph with --meta",
                            meta.display()
                        ),
                    }),
                }
            }
            (None, None) => Err(Error::invalid("there is neither --meta nor --checkpoint")),
        }
    }

    /// The nodes that `--op` means: a collection has several.
    fn nodes(&self, path: &Path, graph: &MetaGraph, name: &str) -> Result<Vec<String>, Error> {
        if graph.graph.node_by_name(name).is_some() {
            return Ok(vec![name.to_owned()]);
        }
        match graph.node_list(name) {
            [] => graph
                .graph
                .get_operation_by_name(name)
                .map(|node| vec![graph.graph.node(node).name().to_owned()])
                .map_err(|error| match not_found(path, graph, name, &error) {
                    Error::Failed { code, message } => {
                        Error::Failed { code, message: message + &collections(graph) }
                    }
                    other => other,
                }),
            names => Ok(names.iter().map(|name| node_of(name).to_owned()).collect()),
        }
    }

    fn session(&self, graph: &MetaGraph) -> Session {
        let mut registry = Registry::standard();
        let durability = if self.no_sync { Durability::Unsynced } else { Durability::default() };
        let saver = SaverOptions { durability, ..SaverOptions::default() };
        flowkeep_saver::register_with(&mut registry, saver);
        let threads = self.threads.map_or(0, usize::from);
        Session::new(
            Arc::clone(&graph.graph),
            SessionOptions { registry, threads, ..SessionOptions::default() },
        )
    }

    /// Says something beside the results. Nobody is left to tell when that fails.
    fn note(&self, text: impl std::fmt::Display) {
        if !self.quiet {
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }
}

/// Reads a MetaGraph, and gives the Saver that it has, or a new one for all its variables.
fn open(path: &Path) -> Result<(MetaGraph, Saver), Error> {
    let def = read_meta_graph_file(path)?;
    let in_file = |source| FileError::Graph { path: path.to_owned(), source };
    if def.saver_def.is_some() {
        let graph = MetaGraph::import(def, &ImportOptions::default()).map_err(in_file)?;
        if let Some(saver) = Saver::from_meta_graph(&graph)? {
            return Ok((graph, saver));
        }
        return Err(Error::invalid(format!("{} has no Saver", path.display())));
    }
    let collections = def.collection_def.clone();
    let mut scope = Scope::new();
    let (saver, _) = import_meta_graph(&mut scope, def, &ImportMetaGraphOptions::default())?;
    let saver = saver
        .ok_or_else(|| Error::invalid(format!("{} has no variables to train", path.display())))?;
    let graph =
        MetaGraph { graph: Arc::new(scope.into_graph()), collections, ..MetaGraph::default() };
    Ok((graph, saver))
}

fn not_found(path: &Path, graph: &MetaGraph, name: &str, error: &flowkeep_graph::Error) -> Error {
    let what = with_meant(error, &graph.graph, name);
    Error::Failed { code: error.code(), message: format!("{}: {what}", path.display()) }
}

/// The error of a run, with the flag for what was not fed.
fn fed(error: Error) -> Error {
    let message = error.to_string();
    match message.starts_with("You must feed a value for placeholder") {
        true => Error::Failed {
            code: error.code(),
            message: format!(
                "{message}; --feed FILE.npz gives values, as arrays called like tensors"
            ),
        },
        false => error,
    }
}

/// The collections that an op may be, as the end of a message.
fn collections(graph: &MetaGraph) -> String {
    let names = graph.collections.keys().filter(|name| !graph.node_list(name).is_empty());
    let names: Vec<&str> = names.map(String::as_str).collect();
    match names.is_empty() {
        true => String::new(),
        false => format!("; collections of nodes: {}", names.join(", ")),
    }
}

/// The node of a tensor's name, which collections have where a tensor was put there.
fn node_of(name: &str) -> &str {
    name.split(':').next().unwrap_or(name)
}

fn path_of(path: &Option<PathBuf>) -> Option<String> {
    path.as_ref().map(|path| path.display().to_string())
}

fn summary(report: &TrainReport) -> String {
    let seconds = report.elapsed.as_secs_f64();
    let n = report.n_runs;
    let saved = match &report.saved {
        Some(prefix) => format!("; saved {}", prefix.display()),
        None => String::new(),
    };
    if n == 0 && !report.stopped {
        return format!("step {}: all steps were done already", report.last_step);
    }
    let stopped = if report.stopped { "stopped at " } else { "" };
    let steps = if n == 1 { "step" } else { "steps" };
    let rate = if seconds > 0.0 { n as f64 / seconds } else { 0.0 };
    format!(
        "{stopped}step {}: {n} {steps} in {seconds:.2} s ({rate:.1} steps/s){saved}",
        report.last_step
    )
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
    fn mistakes_are_usage_errors() {
        let good = ["train", "--meta=m", "--op=t", "--steps=3"];
        let parse_with = |args: &[&str]| {
            own::<Invocation>(
                [&["flowkeep"], &good[..], args].concat().iter().map(OsString::from).collect(),
            )
        };
        assert!(parse_with(&[]).is_ok());
        assert!(parse_with(&["--out=d", "--save-every=2", "--save_secs=0.5"]).is_ok());
        for args in [["--save-every=2"], ["--save-secs=-1"], ["--threads=0"], ["extra"]] {
            assert!(parse_with(&args).is_err(), "{args:?}");
        }
        for idx in 1..good.len() {
            let args = ["flowkeep"].iter().chain(good.iter().filter(|arg| *arg != &good[idx]));
            assert!(
                own::<Invocation>(args.map(OsString::from).collect()).is_err(),
                "{}",
                good[idx]
            );
        }
    }
}
