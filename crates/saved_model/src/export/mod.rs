//! Models into numbered directories, as TensorFlow's Estimators export them.
//!
//! Modules in reading order: `receiver` ([`ServingInputReceiver`]: what is fed, and which features that
//! gives), `outputs` ([`ExportOutput`]: what a model gives, and as which signatures), `parse` (features out
//! of serialized examples), `version` (the directory), `all` (graphs for several modes).

mod all;
mod outputs;
mod parse;
mod receiver;
mod version;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use flowkeep_graph::builder::Scope;
use flowkeep_graph::collection_keys;
use flowkeep_runtime::Session;
use flowkeep_saver::Saver;
use flowkeep_tensor::Code;

pub use self::all::{Mode, ModeGraph, export_all_saved_models};
pub use self::outputs::{ExportOutput, SignatureDefs, Supervised, build_all_signature_defs};
pub use self::parse::{FeatureSpec, parse_example};
pub use self::receiver::{
    ServingInputReceiver, build_parsing_serving_input_receiver, build_raw_serving_input_receiver,
};

use crate::constants::{DEFAULT_SERVING_SIGNATURE_DEF_KEY, SERVING};
use crate::main_op::tables_initializer;
use crate::{Error, MetaGraphOptions, SavedModelBuilder};

/// How a model is exported.
#[derive(Debug)]
pub struct ExportOptions<'a> {
    /// Files to put below `assets.extra`: where each goes, and where it is.
    pub assets_extra: BTreeMap<String, PathBuf>,
    /// Whether to write `saved_model.pbtxt` instead of `saved_model.pb`.
    pub as_text: bool,
    /// Whether to leave out attributes that have the default of their op. Default: true.
    pub strip_default_attrs: bool,
    /// The number of the directory; by default the seconds since 1970.
    pub timestamp: Option<u64>,
    /// What saves the variables; without one, a new Saver of all of them.
    pub saver: Option<&'a mut Saver>,
}

impl Default for ExportOptions<'_> {
    fn default() -> Self {
        ExportOptions {
            assets_extra: BTreeMap::new(),
            as_text: false,
            strip_default_attrs: true,
            timestamp: None,
            saver: None,
        }
    }
}

/// A model that was exported.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportedModel {
    /// Its directory.
    pub dir: PathBuf,
    /// Outputs that became no signatures, by key, and why.
    pub excluded: BTreeMap<String, String>,
}

/// Writes a model for serving into the directory `<export_dir_base>/<seconds since 1970>`, or of the next
/// number that is free: what `Estimator.export_saved_model` does once it has built the graph.
///
/// The only output is the default one, also under the key `serving_default`. Local variables and tables
/// are initialized when the model is loaded; assets are those of the collection `asset_filepaths`. The
/// directory is called `temp-<number>` until all files are there.
///
/// Errors, with TensorFlow's texts: `INVALID_ARGUMENT` for several outputs none of which is called
/// `serving_default`, and for a place of an extra file that is not below `assets.extra`; as
/// [`SavedModelBuilder::add_meta_graph_and_variables`]; those of the system.
pub fn export_saved_model(
    export_dir_base: impl AsRef<Path>,
    scope: &mut Scope,
    session: &Session,
    receiver: &ServingInputReceiver,
    export_outputs: BTreeMap<String, ExportOutput>,
    options: ExportOptions<'_>,
) -> Result<ExportedModel, Error> {
    let export_outputs = with_default(export_outputs)?;
    let (mut meta_graph, excluded) = meta_graph_options(scope, receiver, &export_outputs, true)?;
    meta_graph.strip_default_attrs = options.strip_default_attrs;
    meta_graph.saver = options.saver;
    let version = version::Version::new(export_dir_base.as_ref(), options.timestamp)?;
    let mut builder = SavedModelBuilder::new(version.temporary())?;
    builder.add_meta_graph_and_variables(scope, session, &[SERVING], meta_graph)?;
    builder.save(options.as_text)?;
    version.copy_extra(&options.assets_extra)?;
    Ok(ExportedModel { dir: version.publish()?, excluded })
}

/// A MetaGraph with the signatures of outputs, which initializes local variables and tables; and what
/// became no signature.
fn meta_graph_options<'a>(
    scope: &mut Scope,
    receiver: &ServingInputReceiver,
    export_outputs: &BTreeMap<String, ExportOutput>,
    serving_only: bool,
) -> Result<(MetaGraphOptions<'a>, BTreeMap<String, String>), Error> {
    let SignatureDefs { signatures, excluded } =
        build_all_signature_defs(scope, receiver, export_outputs, serving_only)?;
    let local_variables = scope.local_variables_initializer()?;
    let tables = tables_initializer(scope)?;
    let main_op = scope.group([local_variables, tables])?;
    let assets = scope.collections().get(collection_keys::ASSET_FILEPATHS).to_vec();
    let main_op = Some(main_op);
    Ok((MetaGraphOptions { signatures, assets, main_op, ..MetaGraphOptions::default() }, excluded))
}

/// The outputs with one that is the default.
fn with_default(
    mut outputs: BTreeMap<String, ExportOutput>,
) -> Result<BTreeMap<String, ExportOutput>, Error> {
    if outputs.contains_key(DEFAULT_SERVING_SIGNATURE_DEF_KEY) {
        return Ok(outputs);
    }
    if outputs.len() > 1 {
        return Err(invalid(
            "Multiple export_outputs were provided, but none of them is specified as the default.  Do this by naming one \
             of them with signature_constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY.",
        ));
    }
    if let Some(only) = outputs.values().next().cloned() {
        outputs.insert(DEFAULT_SERVING_SIGNATURE_DEF_KEY.to_owned(), only);
    }
    Ok(outputs)
}

fn invalid(message: impl Into<String>) -> Error {
    Error::Build { code: Code::InvalidArgument, message: message.into() }
}
