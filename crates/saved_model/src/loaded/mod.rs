//! Models as objects: variables, functions and tables, as `tf.saved_model.load` gives them.
//!
//! Models of TensorFlow 1 have a graph and signatures ([`graph`], [`signatures`], [`prune`]). In those of
//! TensorFlow 2, each object that functions capture has one value: a variable, the handle of a resource, a tensor.
//! The graph of the session holds, for every trace, one call with a placeholder for each argument; the
//! values of captures are fed. So functions and signatures share their state, and nothing needs a name
//! of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use flowkeep_graph::{Function, Library};
use flowkeep_proto::pb;
use flowkeep_proto::stored::Stored;
use flowkeep_runtime::resource::{ResourceHandle, ResourceManager, Variable};
use flowkeep_runtime::{Session, SessionOptions, Value};
use flowkeep_saver::Verify;
use flowkeep_tensor::{Code, Tensor};

use crate::access::confine;
use crate::assets::{asset_path, path_tensor};
use crate::checkpoint::Checkpoint;
use crate::objects::{ObjectKind, SavedObjects, VariableSpec, creation_order};
use crate::structured::bad;
use crate::{Error, SavedModel, SavedModelBundle};

mod call;
mod calls;
mod constants;
mod graph;
mod prune;
mod restore;
mod signatures;

use calls::Calls;
use constants::Constants;
pub use prune::PrunedFunction;

/// How the objects of a model are loaded.
#[derive(Clone, Debug)]
pub struct ObjectLoadOptions {
    /// How the session runs that functions are called in; files are as [`LoadOptions::session`] says.
    ///
    /// [`LoadOptions::session`]: crate::LoadOptions::session
    pub session: SessionOptions,
    /// Whether the checkpoint is mapped instead of read; as [`LoadOptions::mmap`]. Default: true.
    ///
    /// [`LoadOptions::mmap`]: crate::LoadOptions::mmap
    pub mmap: bool,
    /// When its tensors are compared with their checksums; as [`LoadOptions::verify`]. Default: at first
    /// use.
    ///
    /// [`LoadOptions::verify`]: crate::LoadOptions::verify
    pub verify: Verify,
    /// The tags that the model must have, or those of the MetaGraph to load, if it has several; empty for
    /// whatever the only one has. Default: empty.
    pub tags: Vec<String>,
    /// Whether variables may be missing from the checkpoint. They have no value then. Default: false.
    pub allow_partial_checkpoint: bool,
    /// Whether to leave the checkpoint alone: no variable has a value then. Default: false.
    pub skip_checkpoint: bool,
    /// Whether to run nothing: tables are not created, and functions that use them cannot be called.
    /// Default: false.
    pub skip_initialization: bool,
    /// The paths (`root.a.b`) of the objects to load, with all that these lead to; empty for all.
    /// Default: empty.
    pub node_filters: Vec<String>,
}

impl Default for ObjectLoadOptions {
    fn default() -> ObjectLoadOptions {
        ObjectLoadOptions {
            session: SessionOptions::default(),
            mmap: true,
            verify: Verify::AtFirstUse,
            tags: Vec::new(),
            allow_partial_checkpoint: false,
            skip_checkpoint: false,
            skip_initialization: false,
            node_filters: Vec::new(),
        }
    }
}

/// The objects of a model with their state: variables can be read and assigned, functions called.
///
/// Calls may be concurrent; all share the state.
///
/// ```no_run
/// use flowkeep_saved_model::{LoadedObjects, ObjectLoadOptions};
/// use flowkeep_tensor::Tensor;
///
/// let model = LoadedObjects::load("models/encoder/1", ObjectLoadOptions::default())?;
/// let x = Tensor::from_vec([1, 2], vec![1.0f32, 2.0])?;
/// let y = model.call("encoder.__call__", &[x.into()], &[("training", false.into())])?;
/// println!("{y}, with {:?}", model.value("encoder.kernel")?.dims());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct LoadedObjects {
    objects: SavedObjects,
    program: Program,
    calls: Calls,
    /// What functions that capture an object get, by object.
    values: Vec<Option<Value>>,
    variables: BTreeMap<usize, Arc<Variable>>,
    /// Why resources could not be created, by object: ops without a kernel.
    missing: BTreeMap<usize, String>,
    /// The objects that were asked for; `None` for all.
    wanted: Option<BTreeSet<usize>>,
    info: pb::meta_graph_def::MetaInfoDef,
}

/// What is called.
enum Program {
    /// The functions of a TF2 model, by calls in a graph that is made for them.
    Functions(Box<Session>),
    /// The graph of a TF1 model.
    Graph(Box<SavedModelBundle>),
}

impl Program {
    fn bundle(&self) -> Option<&SavedModelBundle> {
        match self {
            Program::Functions(_) => None,
            Program::Graph(bundle) => Some(bundle),
        }
    }
}

impl LoadedObjects {
    /// Opens `dir`, creates the objects, restores their state from the checkpoint, and initializes its
    /// tables. A table that needs an op without a kernel is an error of the functions that use it.
    ///
    /// A model of TensorFlow 1 has no objects; as in TensorFlow, its root is one with `signatures`,
    /// `variables` (those of collections) and `asset_paths`, and its graph can be
    /// [pruned](LoadedObjects::prune). Its init op is run, or, if it has none, the initializers of its
    /// local variables and tables.
    ///
    /// Errors: those of [`SavedModel::open`]; with TensorFlow's texts, `INVALID_ARGUMENT` for tags that
    /// are not the model's, for several MetaGraphs and no tags, and for signatures of TensorFlow 1 that
    /// do not feed a placeholder that they need; `NOT_FOUND` for tags that no MetaGraph of several, or of
    /// TensorFlow 1, has; `DATA_LOSS` for objects that contradict themselves; `NOT_FOUND` for variables that are not
    /// in the checkpoint; those of the functions that create and initialize tables.
    pub fn load(dir: impl AsRef<Path>, options: ObjectLoadOptions) -> Result<LoadedObjects, Error> {
        LoadedObjects::from_saved_model(SavedModel::open(dir.as_ref())?, options)
    }

    /// As [`LoadedObjects::load`], of a model that is opened already.
    ///
    /// Errors: as [`LoadedObjects::load`].
    pub fn from_saved_model(
        model: SavedModel,
        options: ObjectLoadOptions,
    ) -> Result<LoadedObjects, Error> {
        let dir = model.dir().to_owned();
        if !model.holds_objects() {
            return match options.node_filters.as_slice() {
                [] => graph::load(model, options),
                _ => Err(no_filters()),
            };
        }
        let Stored { def, functions } = model.into_stored();
        let mut def = def.meta_graphs.into_iter().next().unwrap_or_default();
        let functions = functions.into_iter().flatten().map(Function::from);
        let objects = SavedObjects::from_proto(&def.object_graph_def.take().unwrap_or_default())?;
        let info = def.meta_info_def.take().unwrap_or_default();
        check_tags(&options.tags, &info.tags, &dir)?;
        let wanted = match options.node_filters.as_slice() {
            [] => None,
            paths => objects.below(paths)?,
        };
        let order = creation_order(&objects, wanted.as_ref())?;
        let graph_def = def.graph_def.take().unwrap_or_default();
        let constants = Constants::new(&graph_def.node);

        let n_objects = objects.objects().len();
        let mut values = vec![None; n_objects];
        let mut variables = BTreeMap::new();
        for id in &order {
            let Some(object) = objects.object(*id) else { continue };
            let value = match &object.kind {
                ObjectKind::Variable(spec) => {
                    let (variable, handle) = new_variable(spec, *id);
                    variables.insert(*id, variable);
                    Value::Resource(handle)
                }
                ObjectKind::Constant { operation } => {
                    Value::Host(constants.tensor(operation, *id)?)
                }
                ObjectKind::Asset { index } => {
                    let asset = def.asset_file_def.get(*index);
                    let asset = asset.ok_or_else(|| no_asset(*id, *index))?;
                    Value::Host(path_tensor(asset_path(&dir, &asset.filename)?))
                }
                _ => continue,
            };
            if let Some(place) = values.get_mut(*id) {
                *place = Some(value);
            }
        }
        let mut library = Library::default();
        for function in functions {
            library.add(function)?;
        }
        library.merge(graph_def.library.unwrap_or_default())?;
        let (calls, graph) = Calls::new(&objects, &library, &values)?;
        let mut session = options.session;
        confine(&mut session.registry, &dir);
        let checkpoint = Checkpoint { mmap: options.mmap, verify: options.verify };
        checkpoint.register(&mut session.registry);
        let session = Session::new(Arc::new(graph), session);
        let mut loaded = LoadedObjects {
            objects,
            program: Program::Functions(Box::new(session)),
            calls,
            values,
            variables,
            missing: BTreeMap::new(),
            wanted,
            info,
        };
        if !options.skip_initialization {
            loaded.create_resources(&order)?;
        }
        if !options.skip_checkpoint {
            restore::restore(&loaded, &dir, checkpoint, options.allow_partial_checkpoint)?;
        }
        if !options.skip_initialization {
            loaded.initialize_resources(&order)?;
        }
        Ok(loaded)
    }

    /// What the objects are.
    pub fn objects(&self) -> &SavedObjects {
        &self.objects
    }

    /// The session that functions are called in.
    pub fn session(&self) -> &Session {
        match &self.program {
            Program::Functions(session) => session,
            Program::Graph(bundle) => bundle.session(),
        }
    }

    /// The version of TensorFlow that wrote the model.
    pub fn tensorflow_version(&self) -> &str {
        &self.info.tensorflow_version
    }

    /// The commit of TensorFlow that wrote the model.
    pub fn tensorflow_git_version(&self) -> &str {
        &self.info.tensorflow_git_version
    }

    /// All variables that were loaded, in the order of their objects; in a model of TensorFlow 1, that of
    /// the collections.
    pub fn variables(&self) -> impl Iterator<Item = &Arc<Variable>> {
        self.variables.values()
    }

    /// The tags of the model.
    pub fn tags(&self) -> &[String] {
        &self.info.tags
    }

    /// Other names of traces, by the names that they have in the library.
    pub fn function_aliases(&self) -> &BTreeMap<String, String> {
        &self.info.function_aliases
    }

    /// The variable that a path leads to; its handle is shared with all functions that capture it.
    ///
    /// Errors: `NOT_FOUND` for a path that leads nowhere or to an object that was not loaded,
    /// `INVALID_ARGUMENT` for another kind of object.
    pub fn variable(&self, path: &str) -> Result<&Arc<Variable>, Error> {
        let id = self.find(path)?;
        self.variables.get(&id).ok_or_else(|| self.is_no("variable", id, path))
    }

    /// The value of the variable, the constant or the asset that a path leads to.
    ///
    /// Errors: as [`LoadedObjects::variable`]; `FAILED_PRECONDITION` for a variable without a value.
    pub fn value(&self, path: &str) -> Result<Tensor, Error> {
        let id = self.find(path)?;
        if let Some(variable) = self.variables.get(&id) {
            return variable.value().ok_or_else(|| {
                let status = variable.uninitialized_resource(ResourceManager::DEFAULT_CONTAINER);
                Error::Model { code: status.code(), message: status.message().to_owned() }
            });
        }
        match self.values.get(id) {
            Some(Some(Value::Host(tensor))) => Ok(tensor.clone()),
            _ => Err(self.is_no("variable", id, path)),
        }
    }

    /// Gives the variable that a path leads to another value, for all functions that capture it.
    ///
    /// Errors: as [`LoadedObjects::variable`]; `INVALID_ARGUMENT` for a value of another type or of a
    /// shape that does not fit.
    pub fn assign(&self, path: &str, value: Tensor) -> Result<(), Error> {
        let variable = self.variable(path)?;
        if !variable.shape().matches(value.shape()) {
            return Err(Error::Model {
                code: Code::InvalidArgument,
                message: format!(
                    "Cannot assign value to variable '{}': Shape mismatch. The variable shape {}, and the assigned \
                     value shape {} are incompatible.",
                    variable.name(),
                    variable.shape(),
                    value.shape()
                ),
            });
        }
        variable.assign(value).map_err(|status| Error::Model {
            code: status.code(),
            message: status.message().to_owned(),
        })
    }

    /// The object of a path, if it was loaded.
    fn find(&self, path: &str) -> Result<usize, Error> {
        let id = self.objects.find(path)?;
        match &self.wanted {
            Some(wanted) if !wanted.contains(&id) => Err(Error::Model {
                code: Code::NotFound,
                message: format!("object '{path}' was not loaded: no node filter leads to it"),
            }),
            _ => Ok(id),
        }
    }

    /// Whether an object is to be restored.
    fn is_loaded(&self, id: usize) -> bool {
        self.wanted.as_ref().is_none_or(|wanted| wanted.contains(&id))
            && !self.missing.contains_key(&id)
    }

    fn is_no(&self, what: &str, id: usize, path: &str) -> Error {
        let kind = self.objects.object(id).map_or("object", |object| object.kind.name());
        Error::Model {
            code: Code::InvalidArgument,
            message: format!("'{path}' is no {what} but a {kind}"),
        }
    }

    fn create_resources(&mut self, order: &[usize]) -> Result<(), Error> {
        for id in order {
            let Some(object) = self.objects.object(*id) else { continue };
            if !matches!(object.kind, ObjectKind::Resource { .. }) {
                continue;
            }
            let Some(creator) = object.child("_create_resource") else { continue };
            let handle = match self.call_flat_object(creator, Vec::new()) {
                Ok(outputs) => outputs.into_iter().next(),
                // The rest of the model may do without it.
                Err(Error::Run(error @ flowkeep_runtime::Error::Unsupported(_))) => {
                    self.missing.insert(*id, error.to_string());
                    None
                }
                Err(error) => return Err(error),
            };
            if let Some(place) = self.values.get_mut(*id) {
                *place = handle;
            }
        }
        Ok(())
    }

    fn initialize_resources(&self, order: &[usize]) -> Result<(), Error> {
        let is_there = |id: &&usize| !self.missing.contains_key(id);
        for object in order.iter().filter(is_there).filter_map(|id| self.objects.object(*id)) {
            if !matches!(object.kind, ObjectKind::Resource { .. }) {
                continue;
            }
            if let Some(initializer) = object.child("_initialize") {
                self.call_flat_object(initializer, Vec::new())?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for LoadedObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadedObjects")
            .field("n_objects", &self.objects.objects().len())
            .field("n_variables", &self.variables.len())
            .finish_non_exhaustive()
    }
}

fn new_variable(spec: &VariableSpec, id: usize) -> (Arc<Variable>, ResourceHandle) {
    let variable = Arc::new(Variable::new(&*spec.name, spec.dtype, spec.shape.clone()));
    let handle = ResourceHandle::private(format!("{}_{id}", spec.name), variable.clone());
    (variable, handle)
}

fn no_filters() -> Error {
    Error::Model {
        code: Code::InvalidArgument,
        message: "SavedModels saved from Tensorflow 1.x) cannot be loaded with node filters."
            .into(),
    }
}

fn check_tags(wanted: &[String], present: &[String], dir: &Path) -> Result<(), Error> {
    let as_set = |tags: &[String]| tags.iter().cloned().collect::<BTreeSet<String>>();
    if wanted.is_empty() || as_set(wanted) == as_set(present) {
        return Ok(());
    }
    let list = |tags: &[String]| {
        let tags: Vec<String> = tags.iter().map(|tag| format!("'{tag}'")).collect();
        format!("[{}]", tags.join(", "))
    };
    Err(Error::Model {
        code: Code::InvalidArgument,
        message: format!(
            "Got an incompatible argument to `tags`: {}. The SavedModel at {} has one MetaGraph with tags {}. You may \
             omit the argument, pass 'None', or pass matching tags.",
            list(wanted),
            dir.display(),
            list(present)
        ),
    })
}

fn no_asset(id: usize, index: usize) -> Error {
    bad(format!("object graph: node {id} is asset file {index}, which is not there"))
}
