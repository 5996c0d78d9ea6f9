use std::collections::BTreeMap;
use std::path::Path;

use flowkeep_graph::builder::Scope;
use flowkeep_runtime::Session;

use super::version::Version;
use super::{
    ExportOptions, ExportOutput, ExportedModel, ServingInputReceiver, invalid, meta_graph_options,
    with_default,
};
use crate::constants::{EVAL, SERVING, TRAINING};
use crate::{Error, SavedModelBuilder};

/// What a graph is for: `tf.estimator.ModeKeys`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Training: tag `train`, an output [`ExportOutput::Train`].
    Train,
    /// Evaluation: tag `eval`, an output [`ExportOutput::Eval`].
    Eval,
    /// Serving: tag `serve`, outputs as of [`export_saved_model`](super::export_saved_model).
    Predict,
}

impl Mode {
    /// The tag of its MetaGraph.
    pub fn tag(self) -> &'static str {
        match self {
            Mode::Train => TRAINING,
            Mode::Eval => EVAL,
            Mode::Predict => SERVING,
        }
    }
}

/// A graph of a model, for one of its modes.
#[derive(Debug)]
pub struct ModeGraph<'a> {
    /// What it is for.
    pub mode: Mode,
    /// The graph.
    pub scope: &'a mut Scope,
    /// What is fed.
    pub receiver: &'a ServingInputReceiver,
    /// What it gives, by the keys of signatures; those of training and evaluation are called `train` and
    /// `eval`.
    pub export_outputs: BTreeMap<String, ExportOutput>,
}

/// Writes a model with a MetaGraph for each mode, which share their variables: what
/// `Estimator.experimental_export_all_saved_models` does once it has built the graphs.
///
/// The variables are those of the first graph, with the values that they have in `session`; the graphs are
/// to be in the order of TensorFlow, training before evaluation before serving, since that of training has
/// all variables. All else is as with [`export_saved_model`](super::export_saved_model); `options.saver`
/// is of the first graph.
///
/// Errors: `INVALID_ARGUMENT` for no graphs, and for two of one mode; as
/// [`export_saved_model`](super::export_saved_model).
pub fn export_all_saved_models(
    export_dir_base: impl AsRef<Path>,
    session: &Session,
    graphs: Vec<ModeGraph<'_>>,
    options: ExportOptions<'_>,
) -> Result<ExportedModel, Error> {
    if graphs.is_empty() {
        return Err(invalid(
            "No models for export. Please pass one of the modes train, eval and predict.",
        ));
    }
    let version = Version::new(export_dir_base.as_ref(), options.timestamp)?;
    let mut builder = SavedModelBuilder::new(version.temporary())?;
    let mut saver = options.saver;
    let mut all_excluded = BTreeMap::new();
    let mut modes = Vec::new();
    for ModeGraph { mode, scope, receiver, export_outputs } in graphs {
        if modes.contains(&mode) {
            return Err(invalid(format!("there are two graphs for mode '{}'", mode.tag())));
        }
        let serving_only = mode == Mode::Predict;
        let outputs = if serving_only { with_default(export_outputs)? } else { export_outputs };
        let (mut meta_graph, excluded) =
            meta_graph_options(scope, receiver, &outputs, serving_only)?;
        meta_graph.strip_default_attrs = options.strip_default_attrs;
        all_excluded.extend(excluded);
        match modes.is_empty() {
            true => {
                meta_graph.saver = saver.take();
                builder.add_meta_graph_and_variables(scope, session, &[mode.tag()], meta_graph)?;
            }
            false => builder.add_meta_graph(scope, &[mode.tag()], meta_graph)?,
        }
        modes.push(mode);
    }
    builder.save(options.as_text)?;
    version.copy_extra(&options.assets_extra)?;
    Ok(ExportedModel { dir: version.publish()?, excluded: all_excluded })
}
