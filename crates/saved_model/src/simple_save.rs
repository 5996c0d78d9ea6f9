use std::path::{Path, PathBuf};

use flowkeep_graph::builder::Scope;
use flowkeep_graph::{NodeId, collection_keys};
use flowkeep_runtime::Session;

use crate::constants::{DEFAULT_SERVING_SIGNATURE_DEF_KEY, SERVING};
use crate::{Error, MetaGraphOptions, NamedTensors, SavedModelBuilder, predict_signature_def};

/// Writes a graph with one signature, `serving_default`, and the values that its variables have in a
/// session, as a SavedModel for serving: `tf.compat.v1.saved_model.simple_save`. Gives the path of
/// `saved_model.pb`.
///
/// Assets are those of the collection `asset_filepaths`; `legacy_init_op` is run once the variables are
/// restored, which a model with tables needs. Nodes forget the devices that they ask for.
///
/// Errors: as [`predict_signature_def`], [`SavedModelBuilder::new`] and
/// [`SavedModelBuilder::add_meta_graph_and_variables`].
pub fn simple_save(
    scope: &mut Scope,
    session: &Session,
    export_dir: impl AsRef<Path>,
    inputs: impl Into<NamedTensors>,
    outputs: impl Into<NamedTensors>,
    legacy_init_op: Option<NodeId>,
) -> Result<PathBuf, Error> {
    let signature = predict_signature_def(scope, inputs, outputs)?;
    let options = MetaGraphOptions {
        assets: scope.collections().get(collection_keys::ASSET_FILEPATHS).to_vec(),
        legacy_init_op,
        clear_devices: true,
        ..MetaGraphOptions::default()
    };
    let mut builder = SavedModelBuilder::new(export_dir)?;
    builder.add_meta_graph_and_variables(
        scope,
        session,
        &[SERVING],
        options.signature(DEFAULT_SERVING_SIGNATURE_DEF_KEY, signature),
    )?;
    builder.save(false)
}
