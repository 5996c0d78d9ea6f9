use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowkeep_bundle::source::Source;
use flowkeep_graph::{ImportOptions, MetaGraph, Signature};
use flowkeep_runtime::{
    Callable, MissingKernel, RunKey, RunMetadata, RunOptions, Session, SessionOptions,
};
use flowkeep_saver::Verify;
use flowkeep_tensor::Tensor;

use crate::access::confine;
use crate::assets::{asset_path, path_tensor};
use crate::checkpoint::Checkpoint;
use crate::constants::{
    INIT_OP_SIGNATURE_KEY, LEGACY_INIT_OP_KEY, MAIN_OP_KEY, VARIABLES_DIRECTORY, VARIABLES_FILENAME,
};
use crate::import::only_init_op;
use crate::validate::validate_saved_tensors;
use crate::{Error, SavedModel, object_restore, signature};

/// How a SavedModel is loaded.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// How its session runs; the saver's ops are added to the registry.
    ///
    /// The graph reads no files but the model's and writes none, unless the registry has a
    /// [`FileAccess`](flowkeep_runtime::kernel::FileAccess) that says otherwise.
    pub session: SessionOptions,
    /// Whether the checkpoint, and `saved_model.pb`, are mapped instead of read. Default: true.
    ///
    /// A mapped weight that lies aligned in its file costs no memory of its own, nor does a function that is not
    /// called. In exchange, nobody may shorten or overwrite the files while the model is loaded.
    pub mmap: bool,
    /// When the checkpoint's tensors are compared with their checksums. Default: at first use, so that
    /// a model loads in the time that its graph takes, whatever its size, and the first call pays for
    /// the weights that it reads.
    ///
    /// A server that must not take a damaged model into service says [`Verify::AtLoad`]. What is not
    /// mapped is always compared at load.
    pub verify: Verify,
    /// Limits of the runs that restore variables and initialize the model. Default: none.
    pub run: RunOptions,
}

impl Default for LoadOptions {
    fn default() -> LoadOptions {
        let (session, run) = (SessionOptions::default(), RunOptions::default());
        LoadOptions { session, mmap: true, verify: Verify::AtFirstUse, run }
    }
}

/// A SavedModel with a session: variables restored, init op run, signatures ready to be called.
pub struct SavedModelBundle {
    session: Session,
    meta_graph: MetaGraph,
    checkpoint: Checkpoint,
    /// The file that the graph comes from, if it is mapped.
    file: Option<Arc<dyn Source>>,
    run: RunOptions,
}

impl SavedModelBundle {
    /// Opens `dir`, imports the MetaGraph with exactly these tags, restores its variables from
    /// `variables/variables` and runs its init op with the paths of its assets.
    ///
    /// Errors: those of [`SavedModel::open`], of importing the graph, and of the nodes that run.
    pub fn load(
        dir: impl AsRef<Path>,
        tags: &[&str],
        options: LoadOptions,
    ) -> Result<SavedModelBundle, Error> {
        let model = SavedModel::open_with(dir.as_ref(), options.mmap)?;
        let bundle = SavedModelBundle::prepare(model, tags, options)?;
        bundle.initialize(dir)?;
        Ok(bundle)
    }

    /// Restores the variables of a prepared model and runs its init op: the second half of loading.
    ///
    /// Errors: those of the nodes that run.
    pub fn initialize(&self, dir: impl AsRef<Path>) -> Result<(), Error> {
        let assets = self.asset_feeds(dir.as_ref())?;
        let prefix = dir.as_ref().join(VARIABLES_DIRECTORY).join(VARIABLES_FILENAME);
        // A model without variables has a saver all the same; reading a variable that was never restored
        // says so by itself.
        if has_checkpoint(&prefix) {
            self.restore(prefix, &assets)?;
        }
        if let Some(op) = self.init_op()? {
            self.run_targets(&[&op], &assets)?;
        }
        self.release_file();
        Ok(())
    }

    /// A session on the MetaGraph with exactly these tags, with nothing restored or run: enough to
    /// ask what is missing.
    ///
    /// Errors: as [`SavedModel::meta_graph`]; `FAILED_PRECONDITION`, with the text of TensorFlow's C++ loader, for a Const
    /// without a value and for tensors of nodes whose shapes are not known.
    pub fn prepare(
        model: SavedModel,
        tags: &[&str],
        options: LoadOptions,
    ) -> Result<SavedModelBundle, Error> {
        let mut session = options.session;
        let mut import = ImportOptions::default();
        import.op_defs = session.registry.op_defs().to_vec();
        confine(&mut session.registry, model.dir());
        if let Some((graph, functions)) = model.find(tags).ok().and_then(|idx| model.graph(idx)) {
            validate_saved_tensors(graph, functions)?;
        }
        let file = model.file();
        let meta_graph = model.meta_graph_with(tags, &import)?;
        let checkpoint = Checkpoint { mmap: options.mmap, verify: options.verify };
        checkpoint.register(&mut session.registry);
        let session = Session::new(meta_graph.graph.clone(), session);
        let bundle = SavedModelBundle { session, meta_graph, checkpoint, file, run: options.run };
        bundle.release_file();
        Ok(bundle)
    }

    /// Lets go of memory of the mapped file: its functions are read again when they are planned.
    fn release_file(&self) {
        if let Some(file) = &self.file {
            file.advise_unused(0, file.len());
        }
    }

    /// The session that holds the model's state.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// What was imported.
    pub fn meta_graph(&self) -> &MetaGraph {
        &self.meta_graph
    }

    /// The signature of this key.
    ///
    /// Errors: `NOT_FOUND`, listing the keys that are there.
    pub fn signature(&self, key: &str) -> Result<&Signature, Error> {
        signature::find(&self.meta_graph, key)
    }

    /// Calls a signature with inputs by key; gives all its outputs, sorted by key.
    ///
    /// Inputs that are not given are not fed, as some have defaults in the graph.
    /// Errors: `NOT_FOUND` for the signature, `INVALID_ARGUMENT` for keys, types and shapes that are
    /// not the signature's, and those of the nodes that run.
    pub fn call(
        &self,
        key: &str,
        inputs: &[(&str, Tensor)],
    ) -> Result<Vec<(String, Tensor)>, Error> {
        let keys: Vec<_> = inputs.iter().map(|(key, _)| *key).collect();
        self.callable(key, &keys)?.call(inputs.iter().map(|(_, tensor)| tensor.clone()).collect())
    }

    /// Prepares a signature for many calls with the same input keys.
    ///
    /// Errors: as [`SavedModelBundle::call`], but for those of tensors and nodes.
    pub fn callable(&self, key: &str, inputs: &[&str]) -> Result<SignatureCallable<'_>, Error> {
        let signature = self.signature(key)?;
        let feeds = inputs
            .iter()
            .map(|key| signature::feed(signature, key))
            .collect::<Result<Vec<_>, _>>()?;
        let fetches = signature::fetches(signature)?;
        let key = RunKey {
            feeds: feeds.iter().map(|feed| feed.tensor_name.clone()).collect(),
            fetches: fetches.iter().map(|(_, name)| name.clone()).collect(),
            targets: Vec::new(),
        };
        let outputs = fetches.into_iter().map(|(key, _)| key).collect();
        let callable = self.session.callable(&key);
        self.release_file();
        Ok(SignatureCallable { callable: callable?, feeds, outputs })
    }

    /// What of loading, and of calling this signature with all its inputs, has no kernel.
    ///
    /// Errors: `NOT_FOUND` for the signature; names of it that are not in the graph.
    pub fn missing_kernels(&self, key: &str) -> Result<Vec<MissingKernel>, Error> {
        let mut missing = self.missing_at_load()?;
        let signature = self.signature(key)?;
        let feeds = signature.inputs.keys().filter_map(|key| signature::feed(signature, key).ok());
        let run = RunKey {
            feeds: feeds.map(|feed| feed.tensor_name).collect(),
            fetches: signature::fetches(signature)?.into_iter().map(|(_, name)| name).collect(),
            targets: Vec::new(),
        };
        missing.extend(self.session.missing_kernels(&run)?);
        missing.sort_by(|a, b| (&a.op, &a.types, &a.node).cmp(&(&b.op, &b.types, &b.node)));
        missing.dedup_by(|a, b| a.op == b.op && a.types == b.types);
        Ok(missing)
    }

    /// What of restoring and of the init op has no kernel.
    fn missing_at_load(&self) -> Result<Vec<MissingKernel>, Error> {
        let mut missing = Vec::new();
        if let Some(saver) =
            self.meta_graph.saver_def.as_ref().filter(|saver| !saver.restore_op_name.is_empty())
        {
            let key = RunKey::new(&[&saver.filename_tensor_name], &[], &[&saver.restore_op_name]);
            missing.extend(self.session.missing_kernels(&key)?);
        }
        if let Some(init_op) = self.init_op()? {
            missing.extend(self.session.missing_kernels(&RunKey::new(&[], &[], &[&init_op]))?);
        }
        Ok(missing)
    }

    /// The asset tensors and the paths that they stand for.
    pub(crate) fn asset_feeds(&self, dir: &Path) -> Result<Vec<(String, Tensor)>, Error> {
        let mut feeds = Vec::new();
        for asset in &self.meta_graph.asset_files {
            let path = asset_path(dir, &asset.filename)?;
            feeds.push((asset.tensor_name.clone(), path_tensor(path)));
        }
        Ok(feeds)
    }

    /// Restores all that the restore op restores, from the checkpoint of this prefix.
    pub(crate) fn restore(
        &self,
        prefix: PathBuf,
        assets: &[(String, Tensor)],
    ) -> Result<(), Error> {
        let Some(saver) = &self.meta_graph.saver_def else { return Ok(()) };
        if saver.restore_op_name.is_empty() {
            return Ok(());
        }
        let missed = object_restore::missed_by_restore_op(&self.meta_graph, &saver.restore_op_name);
        if !missed.is_empty() {
            object_restore::restore(
                &self.session,
                &self.meta_graph,
                &missed,
                &prefix,
                self.checkpoint,
            )?;
            if !object_restore::has_other_state(&self.meta_graph) {
                return Ok(());
            }
        }
        let filename = (saver.filename_tensor_name.clone(), path_tensor(prefix));
        self.run_targets(&[&saver.restore_op_name], std::iter::once(&filename).chain(assets))
    }

    /// The op to run after restoring: that of the signature, else of the collections.
    pub(crate) fn init_op(&self) -> Result<Option<String>, Error> {
        if let Some(signature) = self.meta_graph.signatures.get(INIT_OP_SIGNATURE_KEY) {
            let output = signature
                .outputs
                .get(INIT_OP_SIGNATURE_KEY)
                .or_else(|| signature.outputs.values().next());
            return Ok(output.and_then(|info| info.name()).map(str::to_owned));
        }
        for key in [MAIN_OP_KEY, LEGACY_INIT_OP_KEY] {
            if let Some(op) = only_init_op(self.meta_graph.node_list(key))? {
                return Ok(Some(op.clone()));
            }
        }
        Ok(None)
    }

    pub(crate) fn run_targets<'a>(
        &self,
        targets: &[&str],
        feeds: impl IntoIterator<Item = &'a (String, Tensor)>,
    ) -> Result<(), Error> {
        let mut named: Vec<(&str, Tensor)> = Vec::new();
        for (name, tensor) in feeds {
            // Several assets may name one tensor.
            if !named.iter().any(|(other, _)| other == name) {
                named.push((name, tensor.clone()));
            }
        }
        self.session.run_once(&named, &[], targets, &self.run)?;
        Ok(())
    }
}

impl fmt::Debug for SavedModelBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SavedModelBundle").field("session", &self.session).finish_non_exhaustive()
    }
}

/// A signature planned for many calls.
#[derive(Debug)]
pub struct SignatureCallable<'a> {
    callable: Callable<'a>,
    feeds: Vec<signature::Feed>,
    outputs: Vec<String>,
}

impl SignatureCallable<'_> {
    /// Calls with one tensor for each input key; gives all outputs, sorted by key.
    ///
    /// Errors: `INVALID_ARGUMENT` for types and shapes that are not the signature's, and those of
    /// the nodes that run.
    pub fn call(&self, inputs: Vec<Tensor>) -> Result<Vec<(String, Tensor)>, Error> {
        Ok(self.call_with_options(inputs, &RunOptions::default())?.0)
    }

    /// As [`SignatureCallable::call`], with limits on time and sizes, a way to stop it, or a trace of what ran.
    ///
    /// Errors: also `DEADLINE_EXCEEDED`, `CANCELLED` and `RESOURCE_EXHAUSTED`.
    pub fn call_with_options(
        &self,
        inputs: Vec<Tensor>,
        options: &RunOptions,
    ) -> Result<(Vec<(String, Tensor)>, RunMetadata), Error> {
        for (feed, tensor) in self.feeds.iter().zip(&inputs) {
            feed.check(tensor)?;
        }
        let (outputs, metadata) = self.callable.run_with_options(inputs, options)?;
        Ok((self.outputs.iter().cloned().zip(outputs).collect(), metadata))
    }
}

pub(crate) fn has_checkpoint(prefix: &Path) -> bool {
    let mut index = prefix.as_os_str().to_owned();
    index.push(".index");
    Path::new(&index).exists()
}
