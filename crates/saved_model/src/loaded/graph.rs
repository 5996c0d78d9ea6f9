//! Models of TensorFlow 1 as objects, as `tf.saved_model.load` gives them: the root has `signatures`,
//! `variables` and `asset_paths`, and its graph can be pruned.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use flowkeep_bundle::checkpoint_state::checkpoint_exists;
use flowkeep_bundle::object_graph::Child;
use flowkeep_graph::transform::VariableInfo;
use flowkeep_graph::{Graph, InputRef, MetaGraph, collection_keys as keys};
use flowkeep_proto::pb;
use flowkeep_proto::pb::collection_def::Kind;
use flowkeep_runtime::resource::{ResourceManager, Variable};
use flowkeep_runtime::{RunOptions, Value};
use flowkeep_saver::Saver;
use flowkeep_tensor::Code;
use prost::Message;

use super::calls::Calls;
use super::{LoadedObjects, ObjectLoadOptions, Program, signatures};
use crate::constants::{VARIABLES_DIRECTORY, VARIABLES_FILENAME};
use crate::function::BareConcreteFunction;
use crate::import::no_such_tags;
use crate::loader::has_checkpoint;
use crate::objects::{ObjectKind, SavedObject, SavedObjects, VariableSpec};
use crate::structured::bad;
use crate::variable::variable_of;
use crate::{Error, LoadOptions, SavedModel, SavedModelBundle};

/// Loads the MetaGraph with these tags, or the only one.
///
/// Restores its variables and runs its init op, or, where there is none, the initializers of local
/// variables and tables, as TensorFlow does.
pub(super) fn load(model: SavedModel, options: ObjectLoadOptions) -> Result<LoadedObjects, Error> {
    let dir = model.dir().to_owned();
    let tags = tags(&model, &options.tags)?;
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    let load = LoadOptions {
        session: options.session,
        mmap: options.mmap,
        verify: options.verify,
        run: RunOptions::default(),
    };
    let bundle = SavedModelBundle::prepare(model, &tags, load)?;
    let assets = bundle.asset_feeds(&dir)?;
    let mut made = Made::new();
    let calls = made.signatures(bundle.meta_graph())?;
    let variables = made.variables(bundle.meta_graph(), bundle.session().resources())?;
    let list = made.list("asset_paths");
    let mut paths = BTreeMap::new();
    let mut known = BTreeSet::new();
    for (name, path) in &assets {
        if known.insert(name) {
            let index = paths.len();
            let id = made.add(list, index.to_string(), ObjectKind::Asset { index });
            paths.insert(id, path.clone());
        }
    }
    let mut values = vec![None; made.objects.len()];
    for (id, path) in paths {
        if let Some(place) = values.get_mut(id) {
            *place = Some(Value::Host(path));
        }
    }

    let prefix = dir.join(VARIABLES_DIRECTORY).join(VARIABLES_FILENAME);
    if !options.skip_checkpoint && has_checkpoint(&prefix) {
        bundle.restore(prefix, &assets)?;
    }
    if !options.skip_initialization {
        let ops = match bundle.init_op()? {
            Some(op) => vec![op],
            None => local_initializers(bundle.meta_graph())?,
        };
        let ops: Vec<&str> = ops.iter().map(String::as_str).collect();
        if !ops.is_empty() {
            bundle.run_targets(&ops, &assets)?;
        }
    }
    let mut info = bundle.meta_graph().meta_info_def.clone().unwrap_or_default();
    info.tags = bundle.meta_graph().tags.clone();
    Ok(LoadedObjects {
        objects: SavedObjects::made(made.objects, made.functions),
        program: Program::Graph(Box::new(bundle)),
        calls,
        values,
        variables,
        missing: BTreeMap::new(),
        wanted: None,
        info,
    })
}

impl LoadedObjects {
    /// The graph of a model of TensorFlow 1; `None` for one that has objects of its own, whose graph is
    /// made of calls.
    pub fn graph(&self) -> Option<&Arc<Graph>> {
        self.program.bundle().map(|bundle| bundle.session().graph())
    }

    /// Restores the variables of a model of TensorFlow 1 from another checkpoint, by its prefix; its files are
    /// read wherever they are.
    ///
    /// Errors: `INVALID_ARGUMENT` for a model with objects; `NOT_FOUND`, with TensorFlow's text, for a
    /// checkpoint that is not there; as [`Saver::restore`].
    pub fn restore(&self, prefix: impl AsRef<Path>) -> Result<(), Error> {
        let (bundle, prefix) = (self.bundle()?, prefix.as_ref());
        if !checkpoint_exists(prefix) {
            return Err(Error::Model {
                code: Code::NotFound,
                message: format!(
                    "Unsuccessful TensorSliceReader constructor: Failed to find any matching files for {}",
                    prefix.display()
                ),
            });
        }
        // The graph itself may not read what is not the model's.
        if let Some(saver) = Saver::from_meta_graph(bundle.meta_graph())? {
            saver.restore_values(bundle.session(), prefix)?;
        }
        Ok(())
    }

    /// The model of TensorFlow 1 that this is.
    pub(super) fn bundle(&self) -> Result<&SavedModelBundle, Error> {
        self.program.bundle().ok_or_else(|| Error::Model {
            code: Code::InvalidArgument,
            message: "the model has objects of its own (it is of TensorFlow 2), no graph to prune or restore".into(),
        })
    }
}

/// The tags to load.
fn tags(model: &SavedModel, wanted: &[String]) -> Result<Vec<String>, Error> {
    if !wanted.is_empty() {
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        return match model.find(&wanted) {
            Ok(_) => Ok(wanted.into_iter().map(str::to_owned).collect()),
            Err(_) => Err(no_such_tags(model, &wanted)),
        };
    }
    match model.tag_sets().as_slice() {
        [only] => Ok(only.to_vec()),
        sets => {
            let quoted = |tags: &&[String]| {
                let tags: Vec<String> = tags.iter().map(|tag| format!("'{tag}'")).collect();
                format!("[{}]", tags.join(", "))
            };
            let (n, sets) = (sets.len(), sets.iter().map(quoted).collect::<Vec<_>>().join(", "));
            Err(Error::Model {
                code: Code::InvalidArgument,
                message: format!(
                    "Importing a SavedModel with `tf.saved_model.load` requires a `tags=` argument if there is more \
                     than one MetaGraph. Got `tags=None`, but there are {n} MetaGraphs in the SavedModel with tag \
                     sets: [{sets}]. Pass a `tags=` argument to load this SavedModel."
                ),
            })
        }
    }
}

/// The initializers of local variables and tables.
fn local_initializers(meta_graph: &MetaGraph) -> Result<Vec<String>, Error> {
    let local = variable_defs(meta_graph, keys::LOCAL_VARIABLES)?.into_iter();
    let mut ops: Vec<String> = local.map(|def| def.initializer_name).collect();
    ops.extend_from_slice(meta_graph.node_list(keys::TABLE_INITIALIZERS));
    ops.retain(|op| !op.is_empty());
    Ok(ops)
}

fn variable_defs(meta_graph: &MetaGraph, key: &str) -> Result<Vec<pb::VariableDef>, Error> {
    let collection = meta_graph.collections.get(key);
    let Some(Kind::BytesList(list)) = collection.and_then(|collection| collection.kind.as_ref())
    else {
        return Ok(Vec::new());
    };
    let decode = |bytes: &Vec<u8>| {
        pb::VariableDef::decode(bytes.as_slice())
            .map_err(|error| bad(format!("collection {key}: {error}")))
    };
    list.value.iter().map(decode).collect()
}

/// The objects that are made for a graph.
struct Made {
    objects: Vec<SavedObject>,
    functions: BTreeMap<String, Arc<crate::ConcreteFunction>>,
}

impl Made {
    fn new() -> Made {
        let root = SavedObject::new(user_object("_generic_user_object"));
        Made { objects: vec![root], functions: BTreeMap::new() }
    }

    /// Adds an object below another one; gives its id.
    fn add(&mut self, parent: usize, name: impl Into<String>, kind: ObjectKind) -> usize {
        let id = self.objects.len();
        self.objects.push(SavedObject::new(kind));
        if let Some(parent) = self.objects.get_mut(parent) {
            parent.children.push(Child { node_id: id, local_name: name.into() });
        }
        id
    }

    fn list(&mut self, name: &str) -> usize {
        self.add(0, name, user_object("trackable_list_wrapper"))
    }

    fn signatures(&mut self, meta_graph: &MetaGraph) -> Result<Calls, Error> {
        let map = self.add(0, "signatures", user_object("signature_map"));
        let mut calls = BTreeMap::new();
        for (key, signature) in &meta_graph.signatures {
            let (call, argument_keywords) = signatures::call(key, signature, &meta_graph.graph)?;
            let function = BareConcreteFunction {
                concrete_function: key.clone(),
                allowed_positional_arguments: usize::from(argument_keywords.len() == 1),
                argument_keywords,
                function_spec: None,
            };
            self.add(map, key.as_str(), ObjectKind::BareConcreteFunction(function));
            self.functions.insert(key.clone(), call.function.clone());
            calls.insert(key.clone(), Arc::new(call));
        }
        Ok(Calls::of(calls))
    }

    /// The variables of the collections: global ones, then local ones.
    fn variables(
        &mut self,
        meta_graph: &MetaGraph,
        resources: &ResourceManager,
    ) -> Result<BTreeMap<usize, Arc<Variable>>, Error> {
        let list = self.list("variables");
        let mut known = BTreeSet::new();
        let mut variables = BTreeMap::new();
        for key in [keys::GLOBAL_VARIABLES, keys::LOCAL_VARIABLES] {
            for def in variable_defs(meta_graph, key)? {
                let name = InputRef::parse(&def.variable_name).node();
                let node = meta_graph.graph.node_by_name(name);
                let node = node.and_then(|id| meta_graph.graph.get(id));
                let Some(info) = node.and_then(VariableInfo::of) else { continue };
                if !known.insert(name.to_owned()) {
                    continue;
                }
                let variable = variable_of(resources, &info)?;
                let spec = VariableSpec {
                    name: name.to_owned(),
                    dtype: variable.dtype(),
                    shape: variable.shape().clone(),
                    trainable: def.trainable,
                };
                let index = variables.len().to_string();
                let id = self.add(list, index, ObjectKind::Variable(spec));
                variables.insert(id, variable);
            }
        }
        Ok(variables)
    }
}

fn user_object(identifier: &str) -> ObjectKind {
    ObjectKind::UserObject { identifier: identifier.to_owned(), metadata: String::new() }
}
