//! The objects of a TF2 model, as they are stored: nothing is created or run.

use std::collections::BTreeMap;
use std::sync::Arc;

use flowkeep_bundle::object_graph::{Child, SlotVariable};
use flowkeep_proto::pb;
use flowkeep_proto::pb::saved_object::Kind;
use flowkeep_tensor::{Code, DType, PartialShape};

use crate::Error;
use crate::function::{BareConcreteFunction, ConcreteFunction, FunctionSpec};
use crate::structured::{bad, dtype, shape};

mod order;
mod paths;

pub(crate) use order::creation_order;

/// The objects of a TF2 model, checked: every id is that of an object, and there is a root, object 0.
#[derive(Clone, Debug)]
pub struct SavedObjects {
    objects: Vec<SavedObject>,
    concrete_functions: BTreeMap<String, Arc<ConcreteFunction>>,
}

/// An object of a TF2 model.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SavedObject {
    /// What it is.
    pub kind: ObjectKind,
    /// The objects that are its attributes, items or traces.
    pub children: Vec<Child>,
    /// The objects that must be there before it can be.
    pub dependencies: Vec<Child>,
    /// The variables that it keeps for other variables, if it is an optimizer.
    pub slot_variables: Vec<SlotVariable>,
    /// Functions that save and restore its state, by name.
    pub saveable_objects: BTreeMap<String, SaveableFunctions>,
    /// The name under which its class was registered; may be empty.
    pub registered_name: String,
    /// The name under which what saves it was registered; may be empty.
    pub registered_saver: String,
}

/// The objects that are the functions which save and restore a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaveableFunctions {
    /// Gives the tensors of the state.
    pub save_function: usize,
    /// Takes them.
    pub restore_function: usize,
}

/// What an object is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ObjectKind {
    /// An object of a class that is not one of the others: module, layer, list, dict, signature map.
    UserObject {
        /// What it is, such as `trackable_list_wrapper`.
        identifier: String,
        /// What Keras said of it before TensorFlow 2.5; may be empty.
        metadata: String,
    },
    /// A file.
    Asset {
        /// Its place among the MetaGraph's assets.
        index: usize,
    },
    /// A function with its traces.
    Function {
        /// The names of the traces.
        concrete_functions: Vec<String>,
        /// Its arguments in Python.
        spec: FunctionSpec,
    },
    /// A trace.
    BareConcreteFunction(BareConcreteFunction),
    /// A variable. Its value is in the checkpoint.
    Variable(VariableSpec),
    /// A tensor.
    Constant {
        /// The node of the graph that has it.
        operation: String,
    },
    /// A table, an iterator, or something else that functions create.
    Resource {
        /// The device that it is created on; may be empty.
        device: String,
    },
    /// A tensor of another function's graph.
    CapturedTensor {
        /// Its name there.
        name: String,
        /// The function.
        concrete_function: String,
    },
}

/// What a variable is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct VariableSpec {
    /// The name that it was given; not unique.
    pub name: String,
    /// The element type.
    pub dtype: DType,
    /// The shape, as far as it is fixed.
    pub shape: PartialShape,
    /// Whether optimizers are to change it.
    pub trainable: bool,
}

impl SavedObjects {
    /// The objects of a message.
    ///
    /// Errors: `DATA_LOSS` for objects and functions that are not there, for objects of no kind, and for
    /// types, shapes and structures that do not exist.
    pub fn from_proto(def: &pb::SavedObjectGraph) -> Result<SavedObjects, Error> {
        let n_objects = def.nodes.len();
        if n_objects == 0 {
            return Err(bad("object graph has 0 nodes"));
        }
        let objects = def.nodes.iter().enumerate().map(|(id, object)| {
            let decoder = Decoder { id, n_objects, def };
            decoder.object(object)
        });
        let functions = def.concrete_functions.iter().map(|(name, function)| {
            let function = ConcreteFunction::from_proto(name, function, n_objects)?;
            Ok((name.clone(), Arc::new(function)))
        });
        Ok(SavedObjects {
            objects: objects.collect::<Result<_, Error>>()?,
            concrete_functions: functions.collect::<Result<_, Error>>()?,
        })
    }

    /// Objects that are made here, of a model that stores none; the first is the root.
    pub(crate) fn made(
        objects: Vec<SavedObject>,
        concrete_functions: BTreeMap<String, Arc<ConcreteFunction>>,
    ) -> SavedObjects {
        SavedObjects { objects, concrete_functions }
    }

    /// All objects, by id; never empty.
    pub fn objects(&self) -> &[SavedObject] {
        &self.objects
    }

    /// The object of an id.
    pub fn object(&self, id: usize) -> Option<&SavedObject> {
        self.objects.get(id)
    }

    /// The traces of all functions, by name.
    pub fn concrete_functions(&self) -> &BTreeMap<String, Arc<ConcreteFunction>> {
        &self.concrete_functions
    }

    /// The ids of the signatures, by key.
    pub fn signatures(&self) -> BTreeMap<&str, usize> {
        let map = self.objects.first().and_then(|root| root.child("signatures"));
        let map = map.and_then(|id| self.object(id));
        let children = map.into_iter().flat_map(|map| &map.children);
        children.map(|child| (child.local_name.as_str(), child.node_id)).collect()
    }
}

impl SavedObject {
    /// An object of this kind without children.
    pub(crate) fn new(kind: ObjectKind) -> SavedObject {
        SavedObject {
            kind,
            children: Vec::new(),
            dependencies: Vec::new(),
            slot_variables: Vec::new(),
            saveable_objects: BTreeMap::new(),
            registered_name: String::new(),
            registered_saver: String::new(),
        }
    }

    /// The id of a child; of several of a name, the last.
    pub fn child(&self, local_name: &str) -> Option<usize> {
        let child = self.children.iter().rev().find(|child| child.local_name == local_name);
        child.map(|child| child.node_id)
    }
}

impl ObjectKind {
    /// The name of the kind in the message.
    pub fn name(&self) -> &'static str {
        match self {
            ObjectKind::UserObject { .. } => "user_object",
            ObjectKind::Asset { .. } => "asset",
            ObjectKind::Function { .. } => "function",
            ObjectKind::BareConcreteFunction(_) => "bare_concrete_function",
            ObjectKind::Variable(_) => "variable",
            ObjectKind::Constant { .. } => "constant",
            ObjectKind::Resource { .. } => "resource",
            ObjectKind::CapturedTensor { .. } => "captured_tensor",
        }
    }
}

/// Checks one object of a graph.
struct Decoder<'a> {
    id: usize,
    n_objects: usize,
    def: &'a pb::SavedObjectGraph,
}

type Reference = pb::trackable_object_graph::trackable_object::ObjectReference;

impl Decoder<'_> {
    fn object(&self, object: &pb::SavedObject) -> Result<SavedObject, Error> {
        let slots = object.slot_variables.iter().map(|slot| {
            Ok(SlotVariable {
                original_variable: self.node(slot.original_variable_node_id)?,
                slot_name: slot.slot_name.clone(),
                slot_variable: self.node(slot.slot_variable_node_id)?,
            })
        });
        let saveables = object.saveable_objects.iter().map(|(name, saveable)| {
            let functions = SaveableFunctions {
                save_function: self.node(saveable.save_function)?,
                restore_function: self.node(saveable.restore_function)?,
            };
            Ok((name.clone(), functions))
        });
        Ok(SavedObject {
            kind: self.kind(object.kind.as_ref())?,
            children: self.children(&object.children)?,
            dependencies: self.children(&object.dependencies)?,
            slot_variables: slots.collect::<Result<_, Error>>()?,
            saveable_objects: saveables.collect::<Result<_, Error>>()?,
            registered_name: object.registered_name.clone(),
            registered_saver: object.registered_saver.clone(),
        })
    }

    fn children(&self, children: &[Reference]) -> Result<Vec<Child>, Error> {
        let child = |child: &Reference| {
            Ok(Child { node_id: self.node(child.node_id)?, local_name: child.local_name.clone() })
        };
        children.iter().map(child).collect()
    }

    fn node(&self, id: i32) -> Result<usize, Error> {
        let (own, n_objects) = (self.id, self.n_objects);
        usize::try_from(id).ok().filter(|id| *id < n_objects).ok_or_else(|| {
            bad(format!("object graph: node {own} refers to node {id} of {n_objects} nodes"))
        })
    }

    fn function(&self, name: &str) -> Result<String, Error> {
        match self.def.concrete_functions.contains_key(name) {
            true => Ok(name.to_owned()),
            false => {
                let id = self.id;
                Err(bad(format!(
                    "object graph: node {id} refers to function '{name}', which is not there"
                )))
            }
        }
    }

    #[expect(deprecated, reason = "old models have the metadata of Keras nowhere else")]
    fn kind(&self, kind: Option<&Kind>) -> Result<ObjectKind, Error> {
        Ok(match kind {
            Some(Kind::UserObject(object)) => ObjectKind::UserObject {
                identifier: object.identifier.clone(),
                metadata: object.metadata.clone(),
            },
            Some(Kind::Asset(asset)) => ObjectKind::Asset {
                index: usize::try_from(asset.asset_file_def_index).map_err(|_| {
                    bad(format!("object graph: asset file {}", asset.asset_file_def_index))
                })?,
            },
            Some(Kind::Function(function)) => ObjectKind::Function {
                concrete_functions: function
                    .concrete_functions
                    .iter()
                    .map(|name| self.function(name))
                    .collect::<Result<_, _>>()?,
                spec: match &function.function_spec {
                    Some(spec) => FunctionSpec::from_proto(spec)?,
                    None => FunctionSpec::default(),
                },
            },
            Some(Kind::BareConcreteFunction(function)) => {
                let spec = function.function_spec.as_ref();
                ObjectKind::BareConcreteFunction(BareConcreteFunction {
                    concrete_function: self.function(&function.concrete_function_name)?,
                    argument_keywords: function.argument_keywords.clone(),
                    allowed_positional_arguments: usize::try_from(
                        function.allowed_positional_arguments,
                    )
                    .unwrap_or(0),
                    function_spec: spec.map(FunctionSpec::from_proto).transpose()?,
                })
            }
            Some(Kind::Variable(variable)) => ObjectKind::Variable(VariableSpec {
                name: variable.name.clone(),
                dtype: dtype(variable.dtype)?,
                shape: shape(variable.shape.as_ref())?,
                trainable: variable.trainable,
            }),
            Some(Kind::Constant(constant)) => {
                ObjectKind::Constant { operation: constant.operation.clone() }
            }
            Some(Kind::Resource(resource)) => {
                ObjectKind::Resource { device: resource.device.clone() }
            }
            Some(Kind::CapturedTensor(tensor)) => ObjectKind::CapturedTensor {
                name: tensor.name.clone(),
                concrete_function: tensor.concrete_function.clone(),
            },
            None => {
                let kinds = "['user_object', 'asset', 'function', 'bare_concrete_function', 'variable', \
                             'constant', 'resource', 'captured_tensor']";
                return Err(Error::Model {
                    code: Code::DataLoss,
                    message: format!("Unknown SavedObject type: None. Expected one of {kinds}."),
                });
            }
        })
    }
}
