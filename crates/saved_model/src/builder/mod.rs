//! [`SavedModelBuilder`]: graphs that were built, with the values of their variables, into SavedModels.
//!
//! Modules in reading order: `check` (signatures), `assets`, `ops` (what is run when a model is loaded),
//! `place` (where files are until all of them are there).

mod assets;
mod check;
mod ops;
mod place;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowkeep_graph::builder::Scope;
use flowkeep_graph::file::{Form, GraphMessage};
use flowkeep_graph::{CollectionItem, Element, ExportOptions, NodeId, Signature};
use flowkeep_proto::pb;
use flowkeep_runtime::Session;
use flowkeep_saver::{SaveOptions, Saver, SaverConfig};
use flowkeep_tensor::Code;
use prost::Message;

use self::assets::Assets;
use self::place::Place;
use crate::constants::{
    ASSETS_DIRECTORY, ASSETS_KEY, FINGERPRINT_FILENAME, INIT_OP_SIGNATURE_KEY,
    SAVED_MODEL_FILENAME_PB, SAVED_MODEL_FILENAME_PBTXT, SAVED_MODEL_SCHEMA_VERSION, TRAIN_OP_KEY,
    TRAIN_OP_SIGNATURE_KEY, VARIABLES_DIRECTORY, VARIABLES_FILENAME,
};
use crate::{Error, Fingerprint, fingerprint};

/// Writes a SavedModel, as `tf.compat.v1.saved_model.Builder`: one MetaGraph with the values of its
/// variables, then any number of others that share variables and assets.
///
/// Files are collected beside the directory, which is there, with all of them, when
/// [`SavedModelBuilder::save`] returns; a reader never sees half a model, and of a builder that is
/// dropped without saving nothing is left. The same model gives the same bytes.
///
/// ```
/// use std::sync::Arc;
///
/// use flowkeep_graph::builder::{Scope, VariableOptions};
/// use flowkeep_runtime::{Session, SessionOptions};
/// use flowkeep_saved_model::{
///     LoadOptions, MetaGraphOptions, SavedModelBuilder, SavedModelBundle, constants, predict_signature_def,
/// };
/// use flowkeep_tensor::{DType, Tensor};
///
/// let mut scope = Scope::new();
/// let x = scope.with_op_name("x").placeholder(DType::F32, [None])?;
/// let a = scope.with_op_name("a").variable(VariableOptions::new().initializer(0.5f32))?;
/// let y = scope.with_op_name("y").mul(x, &a)?;
/// let init = scope.global_variables_initializer()?;
/// let session = Session::new(Arc::new(scope.graph().clone()), SessionOptions::default());
/// session.run(&[], &[], &[scope.graph().node(init).name()])?;
///
/// let dir = tempfile::tempdir()?;
/// let dir = dir.path().join("half/1");
/// let signature = predict_signature_def(&scope, [("x", x)], [("y", y)])?;
/// let mut builder = SavedModelBuilder::new(&dir)?;
/// let options = MetaGraphOptions::default().signature("serving_default", signature);
/// builder.add_meta_graph_and_variables(&mut scope, &session, &[constants::SERVING], options)?;
/// builder.save(false)?;
///
/// let bundle = SavedModelBundle::load(&dir, &["serve"], LoadOptions::default())?;
/// let y = bundle.call("serving_default", &[("x", Tensor::from_vec([2], vec![1.0f32, 3.0])?)])?;
/// assert_eq!(y[0].1.as_slice::<f32>()?, [0.5, 1.5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SavedModelBuilder {
    place: Place,
    message: pb::SavedModel,
    has_saved_variables: bool,
    /// The names of assets that were copied; a later one of the same name is taken to be the same.
    copied_assets: BTreeSet<String>,
}

/// How a MetaGraph is added to a SavedModel: the arguments of `add_meta_graph_and_variables` and
/// `add_meta_graph`.
#[derive(Debug, Default)]
pub struct MetaGraphOptions<'a> {
    /// Signatures by key: `signature_def_map`.
    pub signatures: BTreeMap<String, Signature>,
    /// Constants with the paths of files that are to be part of the model, such as what is in the
    /// collection `asset_filepaths`: `assets_collection` and `assets_list`.
    pub assets: Vec<CollectionItem>,
    /// Where the MetaGraph lists its assets, and its train op.
    pub asset_form: AssetForm,
    /// The node to run once the variables are restored, put into the collection `saved_model_main_op`.
    pub main_op: Option<NodeId>,
    /// The older name of [`MetaGraphOptions::main_op`], which counts only without that.
    pub legacy_init_op: Option<NodeId>,
    /// The node to run once the variables are restored, named by the signature
    /// `__saved_model_init_op`.
    pub init_op: Option<NodeId>,
    /// The node or tensor that trains; it is only named.
    pub train_op: Option<Element>,
    /// Whether to forget the devices that nodes ask for.
    pub clear_devices: bool,
    /// Whether to leave out attributes that have the default of their op, so that older readers
    /// understand the graph.
    pub strip_default_attrs: bool,
    /// What saves and restores the variables. Without one, a new Saver of all variables, sharded, is
    /// added to the graph.
    pub saver: Option<&'a mut Saver>,
}

/// Where a MetaGraph lists its assets and its train op. Loaders read both forms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AssetForm {
    /// In the collections `saved_model_assets` and `saved_model_train_op`, as TensorFlow's public
    /// builder.
    #[default]
    Collection,
    /// In the field `asset_file_def`, and in the signature `__saved_model_train_op`, as TensorFlow 2.
    AssetFileDef,
}

/// Where the values of variables are.
enum Values<'a> {
    Session(&'a Session),
    /// In a checkpoint of this prefix.
    Checkpoint(&'a Path),
    /// In the model already.
    Shared,
}

impl MetaGraphOptions<'_> {
    /// With one more signature.
    pub fn signature(mut self, key: &str, signature: Signature) -> Self {
        self.signatures.insert(key.to_owned(), signature);
        self
    }
}

impl SavedModelBuilder {
    /// A builder of a SavedModel in this directory, which need not exist. Directories above it are made.
    ///
    /// Errors: `ALREADY_EXISTS`, with TensorFlow's text, for a directory that is not empty; those of the
    /// system.
    pub fn new(export_dir: impl AsRef<Path>) -> Result<SavedModelBuilder, Error> {
        Ok(SavedModelBuilder {
            place: Place::new(export_dir.as_ref())?,
            message: pb::SavedModel {
                saved_model_schema_version: SAVED_MODEL_SCHEMA_VERSION,
                ..Default::default()
            },
            has_saved_variables: false,
            copied_assets: BTreeSet::new(),
        })
    }

    /// The directory of the SavedModel, in full.
    pub fn export_dir(&self) -> &Path {
        self.place.dir()
    }

    /// Adds the graph of `scope` as a MetaGraph with these tags, and saves the values that its variables
    /// have in `session`. To be called once, and first.
    ///
    /// The session is of the graph of `scope`, or of what that was before more nodes were added; it need
    /// not know the ops of savers. As in TensorFlow, the graph gets the nodes of a Saver, and its
    /// collections get the assets and the main op; of a call that fails they may stay.
    ///
    /// Errors, with TensorFlow's texts: `FAILED_PRECONDITION` when variables are saved already, when the
    /// graph has a main op, and for variables without values; `INVALID_ARGUMENT` for signatures that are
    /// not complete and for assets that are no constant strings; those of savers and files.
    pub fn add_meta_graph_and_variables(
        &mut self,
        scope: &mut Scope,
        session: &Session,
        tags: &[&str],
        options: MetaGraphOptions<'_>,
    ) -> Result<(), Error> {
        self.must_be_first()?;
        self.add(scope, Values::Session(session), tags, options)?;
        self.has_saved_variables = true;
        Ok(())
    }

    /// As [`SavedModelBuilder::add_meta_graph_and_variables`], with the values that variables have in a
    /// checkpoint, by its prefix, instead of a session: no variable has to fit into memory.
    ///
    /// Of the checkpoint, what the Saver restores is copied ([`Saver::copy_checkpoint`]).
    ///
    /// Errors: as [`SavedModelBuilder::add_meta_graph_and_variables`]; `INVALID_ARGUMENT` if there is no
    /// such checkpoint; one that names everything that the Saver wants and the checkpoint has not.
    pub fn add_meta_graph_and_checkpoint(
        &mut self,
        scope: &mut Scope,
        checkpoint: impl AsRef<Path>,
        tags: &[&str],
        options: MetaGraphOptions<'_>,
    ) -> Result<(), Error> {
        self.must_be_first()?;
        self.add(scope, Values::Checkpoint(checkpoint.as_ref()), tags, options)?;
        self.has_saved_variables = true;
        Ok(())
    }

    fn must_be_first(&self) -> Result<(), Error> {
        match self.has_saved_variables {
            false => Ok(()),
            true => Err(wrong_order(
                "Graph state including variables and assets has already been saved. Please invoke `add_meta_graph()` \
                 instead.",
            )),
        }
    }

    /// Adds the graph of `scope` as one more MetaGraph, which shares variables and assets with the first
    /// one.
    ///
    /// An asset of a name that was copied before is taken to be the same file, as in TensorFlow.
    ///
    /// Errors, with TensorFlow's texts: `FAILED_PRECONDITION` when no variables were saved; as
    /// [`SavedModelBuilder::add_meta_graph_and_variables`].
    pub fn add_meta_graph(
        &mut self,
        scope: &mut Scope,
        tags: &[&str],
        options: MetaGraphOptions<'_>,
    ) -> Result<(), Error> {
        if !self.has_saved_variables {
            return Err(wrong_order(
                "Graph state including variables and assets has not been saved yet. Please invoke \
                 `add_meta_graph_and_variables()` first.",
            ));
        }
        self.add(scope, Values::Shared, tags, options)
    }

    fn add(
        &mut self,
        scope: &mut Scope,
        values: Values<'_>,
        tags: &[&str],
        options: MetaGraphOptions<'_>,
    ) -> Result<(), Error> {
        let MetaGraphOptions { mut signatures, asset_form, train_op, .. } = options;
        check::check_signatures(&signatures)?;
        let assets = Assets::of(scope, &options.assets)?;
        self.copy(&assets)?;
        ops::add_main_op(scope, options.main_op.or(options.legacy_init_op))?;
        ops::add_op_signature(
            scope,
            &mut signatures,
            options.init_op.map(Element::Node),
            INIT_OP_SIGNATURE_KEY,
        )?;
        match asset_form {
            AssetForm::Collection => {
                assets
                    .collection_items()
                    .for_each(|item| scope.add_to_collection(ASSETS_KEY, item));
                if let Some(op) = train_op {
                    scope.add_to_collection(TRAIN_OP_KEY, ops::item_of(op));
                }
            }
            AssetForm::AssetFileDef => {
                ops::add_op_signature(scope, &mut signatures, train_op, TRAIN_OP_SIGNATURE_KEY)?;
            }
        }
        let mut new_saver;
        let saver = match options.saver {
            Some(saver) => saver,
            None => {
                let config =
                    SaverConfig { sharded: true, allow_empty: true, ..SaverConfig::default() };
                new_saver = Saver::new(scope, config)?;
                &mut new_saver
            }
        };
        match values {
            Values::Session(session) => self.save_variables(saver, scope, session)?,
            Values::Checkpoint(prefix) => {
                _ = saver.copy_checkpoint(scope.graph(), prefix, self.prefix()?)?;
            }
            Values::Shared => {}
        }
        let mut export = ExportOptions::default();
        export.clear_devices = options.clear_devices;
        export.strip_default_attrs = options.strip_default_attrs;
        let mut def = saver.export_meta_graph(scope, export)?.meta_graph_def;
        if asset_form == AssetForm::AssetFileDef {
            def.asset_file_def = assets.defs;
        }
        let tags = tags.iter().map(|tag| (*tag).to_owned());
        def.meta_info_def.get_or_insert_default().tags.extend(tags);
        let signatures =
            signatures.iter().map(|(key, signature)| (key.clone(), signature.to_proto()));
        def.signature_def = signatures.collect();
        self.message.meta_graphs.push(def);
        Ok(())
    }

    /// Saves the values that variables have in a session.
    fn save_variables(
        &self,
        saver: &mut Saver,
        scope: &Scope,
        session: &Session,
    ) -> Result<(), Error> {
        let mut registry = session.registry().clone();
        if registry.get("SaveV2").is_none() {
            flowkeep_saver::register(&mut registry);
        }
        let session = session.extended(Arc::new(scope.graph().clone()), registry)?;
        let prefix = self.prefix()?;
        let options =
            SaveOptions { write_meta_graph: false, write_state: false, ..SaveOptions::default() };
        saver.save(&session, prefix, &options)?;
        Ok(())
    }

    /// The prefix of the model's checkpoint, whose directory is made.
    fn prefix(&self) -> Result<PathBuf, Error> {
        Ok(self.place.create_dir(VARIABLES_DIRECTORY)?.join(VARIABLES_FILENAME))
    }

    /// Copies the files of assets that are there and were not copied before.
    fn copy(&mut self, assets: &Assets) -> Result<(), Error> {
        if assets.files.is_empty() {
            return Ok(());
        }
        let dir = self.place.create_dir(ASSETS_DIRECTORY)?;
        for (name, source) in &assets.files {
            if source.exists() && !self.copied_assets.contains(name) {
                self.place.copy(source, &dir.join(name))?;
                self.copied_assets.insert(name.clone());
            }
        }
        Ok(())
    }

    /// Writes the message, binary or as text, and gives its path: the SavedModel is there from then on.
    /// Beside the binary one are its hashes, `fingerprint.pb`.
    ///
    /// May be called again, for the other form or after more MetaGraphs were added.
    ///
    /// Errors: `RESOURCE_EXHAUSTED` for messages of 2 GiB and more; `ALREADY_EXISTS` if something has
    /// come to the model's place meanwhile; those of the system.
    pub fn save(&mut self, as_text: bool) -> Result<PathBuf, Error> {
        let (name, form) = match as_text {
            false => (SAVED_MODEL_FILENAME_PB, Form::Binary),
            true => (SAVED_MODEL_FILENAME_PBTXT, Form::Text),
        };
        let bytes = self.bytes_of_message(form)?;
        if !as_text {
            let index = fingerprint::read(&fingerprint::index_path(self.place.root()))?;
            let fingerprint = Fingerprint::of(&self.message, index.as_deref());
            self.place.write(FINGERPRINT_FILENAME, &fingerprint.to_proto().encode_to_vec())?;
        }
        self.place.write(name, &bytes)?;
        self.place.publish()?;
        Ok(self.place.dir().join(name))
    }

    fn bytes_of_message(&mut self, form: Form) -> Result<Vec<u8>, Error> {
        let message = GraphMessage::SavedModel(Box::new(std::mem::take(&mut self.message)));
        let bytes = message.to_bytes(form);
        if let GraphMessage::SavedModel(message) = message {
            self.message = *message;
        }
        Ok(bytes?)
    }
}

fn wrong_order(message: &str) -> Error {
    Error::Build { code: Code::FailedPrecondition, message: message.to_owned() }
}
