//! Objects that say themselves what of them is saved and how it is restored.

use std::fmt;
use std::sync::Arc;

use super::{Operand, Scope};
use crate::{CollectionItem, Error, NodeId, Output, collection_keys};

/// A tensor of a [`SaveableObject`]: TensorFlow's `SaveSpec`.
#[derive(Clone, Debug, PartialEq)]
pub struct SaveSpec {
    /// What is saved.
    pub tensor: Output,
    /// The slice of a whole that it is, as [`SaveSlice::spec`](super::SaveSlice::spec) has it; empty for all.
    pub slice_spec: String,
    /// The key in the checkpoint.
    pub name: String,
}

impl SaveSpec {
    /// A whole tensor under a key.
    pub fn new(tensor: Output, name: impl Into<String>) -> SaveSpec {
        SaveSpec { tensor, slice_spec: String::new(), name: name.into() }
    }
}

/// What adds the node that restores an object from the tensors that were read for it. With a Saver that
/// reshapes, it gets the shape of each tensor too.
type Restore =
    dyn Fn(&mut Scope, &[Output], Option<&[Operand]>) -> Result<NodeId, Error> + Send + Sync;

/// Something other than a variable that Savers save: tensors, and how to restore from them. TensorFlow's
/// `SaveableObject`.
///
/// Savers that are told no variables save those of the collection `saveable_objects` too.
///
/// ```
/// use flowkeep_graph::builder::{SaveSpec, SaveableObject, Scope, VariableOptions};
///
/// let mut scope = Scope::new();
/// let v = scope.with_op_name("v").variable(VariableOptions::new().initializer([1.0f32, 2.0]))?;
/// let value = scope.read(&v)?;
/// let half = scope.mul(value, 0.5f32)?;
/// let saveable = SaveableObject::new("halved", vec![SaveSpec::new(half, "halved")], move |scope, tensors, _| {
///     let doubled = scope.mul(tensors[0], 2.0f32)?;
///     scope.assign(&v, doubled)
/// });
/// scope.add_saveable_object(saveable);
/// assert_eq!(scope.collections().get("saveable_objects").len(), 1);
/// # Ok::<(), flowkeep_graph::Error>(())
/// ```
#[derive(Clone)]
pub struct SaveableObject {
    name: String,
    specs: Vec<SaveSpec>,
    op: Option<Output>,
    restore: Arc<Restore>,
}

impl SaveableObject {
    /// An object under a name, which says where in the order of all it is saved.
    ///
    /// `restore` gets a tensor for each of `specs`, and gives the node that runs when they have been
    /// restored.
    pub fn new(
        name: impl Into<String>,
        specs: Vec<SaveSpec>,
        restore: impl Fn(&mut Scope, &[Output], Option<&[Operand]>) -> Result<NodeId, Error>
        + Send
        + Sync
        + 'static,
    ) -> SaveableObject {
        SaveableObject { name: name.into(), specs, op: None, restore: Arc::new(restore) }
    }

    /// Says what is saved, so that no Saver saves it twice.
    pub fn with_op(mut self, op: Output) -> SaveableObject {
        self.op = Some(op);
        self
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tensors that are saved, with their keys.
    pub fn specs(&self) -> &[SaveSpec] {
        &self.specs
    }

    /// What is saved, if [`SaveableObject::with_op`] said it.
    pub fn op(&self) -> Option<Output> {
        self.op
    }

    /// Adds what restores the object from these tensors, one for each of the specs.
    ///
    /// Errors: those of the object's own function.
    pub fn restore(
        &self,
        scope: &mut Scope,
        tensors: &[Output],
        shapes: Option<&[Operand]>,
    ) -> Result<NodeId, Error> {
        (self.restore)(scope, tensors, shapes)
    }
}

impl fmt::Debug for SaveableObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SaveableObject")
            .field("name", &self.name)
            .field("specs", &self.specs)
            .field("op", &self.op)
            .finish_non_exhaustive()
    }
}

/// Objects are the same if they are restored by the same function.
impl PartialEq for SaveableObject {
    fn eq(&self, other: &SaveableObject) -> bool {
        Arc::ptr_eq(&self.restore, &other.restore)
    }
}

impl Scope {
    /// Puts an object into the collection `saveable_objects`.
    pub fn add_saveable_object(&mut self, saveable: SaveableObject) {
        self.add_to_collection(
            collection_keys::SAVEABLE_OBJECTS,
            CollectionItem::Saveable(Box::new(saveable)),
        );
    }
}
