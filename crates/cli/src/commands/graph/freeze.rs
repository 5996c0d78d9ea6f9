use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowkeep_ckpt::plan::{Plan, PlanValues, Target, TargetOptions};
use flowkeep_ckpt::{Checkpoint, Sizes, counted};
use flowkeep_graph::file::GraphFile;
use flowkeep_graph::transform::{
    FreezeOptions, FreezeReport, VariableInfo, VariableValues, extract_sub_graph, freeze,
    prune_library,
};
use flowkeep_graph::{Graph, InputRef, MetaGraph};
use flowkeep_runtime::{Session, SessionOptions};
use flowkeep_saved_model::{LoadOptions, SavedModelBundle, variable_of};
use flowkeep_tensor::Tensor;
use serde_json::{Value, json};

use super::Context;
use super::edit::{Edit, Outputs, Report, list, transformed};
use crate::error::Error;

/// Make constants of variables, with the values of a checkpoint
///
/// The graph is cut to what the outputs need. Handles of variables are followed into functions. What
/// restores the variables goes, and of a SavedModel the checkpoint and the objects. Variables that no
/// checkpoint restores and that the model initializes itself stay.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  flowkeep graph freeze saved_model frozen_model
  flowkeep graph freeze --checkpoint model.ckpt-100 model.ckpt-100.meta frozen.meta --outputs logits
  flowkeep graph freeze --checkpoint weights.safetensors graph.pb frozen.pb --outputs y --keep step")]
pub(super) struct Args {
    #[command(flatten)]
    edit: Edit,
    /// The checkpoint, or a file of another tool [default: that of the SavedModel]
    #[arg(long, value_name = "PATH")]
    checkpoint: Option<PathBuf>,
    #[command(flatten)]
    outputs: Outputs,
    /// Freeze these variables only, by the names of their nodes
    #[arg(long, value_name = "NODE,NODE,...", value_delimiter = ',')]
    only: Vec<String>,
    /// Let these variables be
    #[arg(long, value_name = "NODE,NODE,...", value_delimiter = ',')]
    keep: Vec<String>,
}

impl Args {
    pub(super) fn run(&self, cx: &mut Context<'_>) -> Result<u8, Error> {
        let file = self.edit.open()?;
        let source = file.clone();
        // What is missing altogether is said first.
        values_of(&source, self.checkpoint.as_deref())?;
        self.edit.run_on(file, cx, |meta_graph| {
            let choice = Choice {
                outputs: self.outputs.nodes(&meta_graph)?,
                only: &self.only,
                keep: &self.keep,
                initializers: &[],
            };
            let checkpoint = self.checkpoint.as_deref();
            let frozen = freeze_model(&source, checkpoint, self.edit.tags(), meta_graph, choice)?;
            let (lines, data) = (frozen.lines(), frozen.data());
            let without_variables = frozen.is_without_checkpoint();
            Ok((frozen.meta_graph.into(), Report { lines, data, without_variables }))
        })
    }
}

/// What of a graph stays, and which of its variables become constants.
pub(in crate::commands) struct Choice<'a> {
    /// The nodes that the graph is for.
    pub(in crate::commands) outputs: Vec<String>,
    /// These variables only, if there are any.
    pub(in crate::commands) only: &'a [String],
    /// Variables that stay.
    pub(in crate::commands) keep: &'a [String],
    /// Nodes that are run before, once variables have the checkpoint's values.
    pub(in crate::commands) initializers: &'a [String],
}

/// A MetaGraph whose variables are constants, and how that came.
pub(in crate::commands) struct Frozen {
    pub(in crate::commands) meta_graph: MetaGraph,
    pub(in crate::commands) report: FreezeReport,
    /// The variables that the model initializes itself.
    own: BTreeSet<String>,
    /// What the values are from.
    from: String,
    removed_functions: Vec<Arc<str>>,
}

/// Freezes the variables of a MetaGraph of `file`, with the values of a checkpoint or of the SavedModel's own.
///
/// Errors: those of reading the checkpoint and of [`freeze`].
pub(in crate::commands) fn freeze_model(
    file: &GraphFile,
    checkpoint: Option<&Path>,
    tags: Option<&[String]>,
    meta_graph: MetaGraph,
    choice: Choice<'_>,
) -> Result<Frozen, Error> {
    let path = values_of(file, checkpoint)?;
    let from = Checkpoint::open(&path)?;
    let options = TargetOptions { tags: tags.map(<[String]>::to_vec) };
    let target = Target::of_file(file.clone(), &options)?;
    let plan = Plan::new(&from, &target)?;
    let mut values = Values {
        checkpoint: &path,
        ran: Ran::Nothing,
        plan: PlanValues::new(&plan),
        model: file.dir.clone().filter(|_| checkpoint.is_none()),
        tags,
        bundle: OnceCell::new(),
    };
    values.run(&meta_graph, choice.initializers)?;
    let own = values.initialized_by_itself(&meta_graph, &choice.outputs)?;
    let mut options = FreezeOptions::new(choice.outputs);
    let set = |names: &[String]| names.iter().cloned().collect::<BTreeSet<_>>();
    options.allow = (!choice.only.is_empty()).then(|| set(choice.only));
    options.deny = set(choice.keep);
    options.deny.extend(own.iter().cloned());
    let (meta_graph, report) = transformed(meta_graph, |graph| freeze(graph, &values, &options))?;
    let (mut meta_graph, removed_functions) = transformed(meta_graph, prune_library)?;
    // They would have a reader look for variables.
    meta_graph.object_graph_def = None;
    Ok(Frozen { meta_graph, report, own, from: from.found().to_string(), removed_functions })
}

/// Where the values of variables are: in the checkpoint that is given, or in the SavedModel's own.
fn values_of(file: &GraphFile, checkpoint: Option<&Path>) -> Result<PathBuf, Error> {
    let path = checkpoint.map(Path::to_owned).or_else(|| file.variables());
    path.ok_or_else(|| Error::invalid("the values of variables are missing: give --checkpoint"))
}

impl Frozen {
    /// Whether no checkpoint is needed any more: what stays initializes itself.
    pub(in crate::commands) fn is_without_checkpoint(&self) -> bool {
        self.report.kept.iter().all(|name| self.own.contains(&**name))
    }

    /// What was done, a line for each thing.
    pub(in crate::commands) fn lines(&self) -> Vec<String> {
        let report = &self.report;
        let size = u64::try_from(report.len_bytes()).unwrap_or(u64::MAX);
        let mut lines = vec![format!(
            "{} frozen, {}; {} removed",
            counted(report.frozen.len(), "variable"),
            Sizes::Human.text(size),
            counted(report.removed.len(), "node")
        )];
        let named = |what: &str, names: &[Arc<str>]| {
            let names: Vec<&str> = names.iter().map(|name| &**name).collect();
            (!names.is_empty()).then(|| format!("{what}: {}", names.join(", ")))
        };
        lines.extend(named("still variables", &report.kept));
        lines.extend(named("waits for nothing any more", &report.freed));
        lines
    }

    /// What was done, as data.
    pub(in crate::commands) fn data(&self) -> Value {
        let report = &self.report;
        let frozen = report.frozen.iter().map(|variable| {
            json!({
                "name": &*variable.name,
                "dtype": variable.dtype.python_name(),
                "shape": variable.shape.dims(),
                "bytes": variable.len_bytes,
            })
        });
        json!({
            "from": self.from,
            "frozen": frozen.collect::<Vec<_>>(),
            "kept": list(&report.kept),
            "freed": list(&report.freed),
            "removed": list(&report.removed),
            "removed_functions": list(&self.removed_functions),
        })
    }
}

/// The values of variables: those of a checkpoint, as a plan has it, or else those that a SavedModel has
/// once it is loaded.
struct Values<'a> {
    checkpoint: &'a Path,
    plan: PlanValues<'a>,
    /// The directory of the model, if it may be loaded.
    model: Option<PathBuf>,
    tags: Option<&'a [String]>,
    bundle: OnceCell<SavedModelBundle>,
    /// Where nodes were run that may have changed them.
    ran: Ran,
}

enum Ran {
    Nothing,
    /// In a session of the graph.
    Session(Box<Session>),
    /// In that of the loaded model.
    Model,
}

impl Values<'_> {
    /// The variables that are assigned in what `outputs` need, and that nothing restores.
    fn initialized_by_itself(
        &self,
        meta_graph: &MetaGraph,
        outputs: &[String],
    ) -> Result<BTreeSet<String>, Error> {
        let (graph, _) = extract_sub_graph(Graph::clone(&meta_graph.graph), outputs)?;
        let assigned = graph.nodes().iter().filter(|node| node.op().starts_with("Assign"));
        let targets = assigned.filter_map(|node| graph.get(node.inputs().first()?.node));
        let targets = targets.filter(|node| {
            VariableInfo::of(node).is_some_and(|variable| !self.plan.knows(&variable))
        });
        Ok(targets.map(|node| node.name().to_owned()).collect())
    }

    /// Runs nodes, with the variables as they are in the checkpoint.
    ///
    /// Errors: `NOT_FOUND`, with TensorFlow's text, for nodes that are not in the graph; those of the nodes.
    fn run(&mut self, meta_graph: &MetaGraph, nodes: &[String]) -> Result<(), Error> {
        if nodes.is_empty() {
            return Ok(());
        }
        for node in nodes {
            meta_graph.graph.as_graph_element(node)?;
        }
        let targets: Vec<&str> = nodes.iter().map(|node| InputRef::parse(node).node()).collect();
        if let Some(dir) = &self.model {
            let run = self.bundle(dir)?.session().run(&[], &[], &targets);
            run.map_err(flowkeep_saved_model::Error::from)?;
            self.ran = Ran::Model;
            return Ok(());
        }
        let mut options = SessionOptions::default();
        flowkeep_saver::register(&mut options.registry);
        let session = Session::new(meta_graph.graph.clone(), options);
        for info in meta_graph.graph.nodes().iter().filter_map(VariableInfo::of) {
            if let Some(value) = self.plan.value(&info)? {
                let assigned = variable_of(session.resources(), &info)?.assign(value);
                assigned.map_err(|status| Error::Failed {
                    code: status.code(),
                    message: format!("variable '{}': {status}", info.name),
                })?;
            }
        }
        let run = session.run(&[], &[], &targets);
        run.map_err(flowkeep_saved_model::Error::from)?;
        self.ran = Ran::Session(Box::new(session));
        Ok(())
    }

    fn bundle(&self, dir: &PathBuf) -> Result<&SavedModelBundle, flowkeep_saved_model::Error> {
        if let Some(bundle) = self.bundle.get() {
            return Ok(bundle);
        }
        let tags: Vec<&str> = match self.tags {
            Some(tags) => tags.iter().map(String::as_str).collect(),
            None => vec!["serve"],
        };
        let bundle = SavedModelBundle::load(dir, &tags, LoadOptions::default())?;
        Ok(self.bundle.get_or_init(|| bundle))
    }
}

impl VariableValues for Values<'_> {
    fn value(&self, variable: &VariableInfo<'_>) -> Result<Option<Tensor>, flowkeep_graph::Error> {
        let of_checkpoint = |error: flowkeep_graph::Error| flowkeep_graph::Error::Outside {
            code: error.code(),
            message: format!("{}: {error}", self.checkpoint.display()),
        };
        let now = match (&self.ran, self.bundle.get()) {
            (Ran::Session(session), _) => session.value(variable)?,
            (Ran::Model, Some(bundle)) => bundle.session().value(variable)?,
            _ => None,
        };
        if let Some(value) = now {
            return Ok(Some(value));
        }
        if let Some(value) = self.plan.value(variable).map_err(of_checkpoint)? {
            return Ok(Some(value));
        }
        let Some(dir) = &self.model else { return Ok(None) };
        match self.bundle(dir) {
            Ok(bundle) => bundle.session().value(variable),
            Err(error) => Err(flowkeep_graph::Error::Outside {
                code: error.code(),
                message: format!("variable '{}' has no value: {error}", variable.name),
            }),
        }
    }
}
