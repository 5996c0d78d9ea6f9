use flowkeep_proto::pb;
use flowkeep_proto::pb::trackable_object_graph::TrackableObject;
use flowkeep_proto::pb::trackable_object_graph::trackable_object as part;

/// An object of a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectNode {
    /// The objects it refers to.
    pub children: Vec<Child>,
    /// The values it has in the checkpoint.
    pub attributes: Vec<Attribute>,
    /// The slot variables of an optimizer.
    pub slot_variables: Vec<SlotVariable>,
    /// What saves it, if it is not saved by its attributes.
    pub registered_saver: Option<RegisteredSaver>,
    /// Whether it, or an object that can be reached from it, has values in the checkpoint; `None` in
    /// older files.
    pub has_checkpoint_values: Option<bool>,
}

/// A reference from an object to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// The other object.
    pub node_id: usize,
    /// The name by which it is referred to, unescaped; any text.
    pub local_name: String,
}

/// A value that an object has in a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name, such as [`VARIABLE_VALUE`](super::VARIABLE_VALUE).
    pub name: String,
    /// The name of the variable in a graph, by which a name-based checkpoint would know it; empty if
    /// it is not a variable's.
    pub full_name: String,
    /// The key of its tensor, or what the keys of its tensors begin with.
    pub checkpoint_key: String,
}

/// A variable that an optimizer keeps for another variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotVariable {
    /// The variable that it is kept for.
    pub original_variable: usize,
    /// Which of the optimizer's slots it is, such as `m`.
    pub slot_name: String,
    /// The variable itself.
    pub slot_variable: usize,
}

/// A way to save an object that was registered under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredSaver {
    /// The name of the way.
    pub name: String,
    /// The name of the object for it.
    pub object_name: String,
}

impl ObjectNode {
    /// The child of that local name; of several, the last.
    pub fn child(&self, local_name: &str) -> Option<usize> {
        let child = self.children.iter().rev().find(|child| child.local_name == local_name);
        child.map(|child| child.node_id)
    }

    /// The attribute of that name.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    /// The node of a message; the error is an id that is negative.
    pub(super) fn from_proto(object: TrackableObject) -> Result<ObjectNode, i32> {
        let id = |id: i32| usize::try_from(id).map_err(|_| id);
        let child = |child: part::ObjectReference| -> Result<Child, i32> {
            Ok(Child { node_id: id(child.node_id)?, local_name: child.local_name })
        };
        let attribute = |attribute: part::SerializedTensor| Attribute {
            name: attribute.name,
            full_name: attribute.full_name,
            checkpoint_key: attribute.checkpoint_key,
        };
        let slot = |slot: part::SlotVariableReference| -> Result<SlotVariable, i32> {
            Ok(SlotVariable {
                original_variable: id(slot.original_variable_node_id)?,
                slot_name: slot.slot_name,
                slot_variable: id(slot.slot_variable_node_id)?,
            })
        };
        Ok(ObjectNode {
            children: object.children.into_iter().map(child).collect::<Result<_, _>>()?,
            attributes: object.attributes.into_iter().map(attribute).collect(),
            slot_variables: object
                .slot_variables
                .into_iter()
                .map(slot)
                .collect::<Result<_, _>>()?,
            registered_saver: object
                .registered_saver
                .map(|saver| RegisteredSaver { name: saver.name, object_name: saver.object_name }),
            has_checkpoint_values: object.has_checkpoint_values,
        })
    }

    pub(super) fn to_proto(&self) -> TrackableObject {
        // A graph has no more nodes than ids of a message can tell.
        let id = |id: usize| i32::try_from(id).unwrap_or(i32::MAX);
        let child = |child: &Child| part::ObjectReference {
            node_id: id(child.node_id),
            local_name: child.local_name.clone(),
        };
        let attribute = |attribute: &Attribute| part::SerializedTensor {
            name: attribute.name.clone(),
            full_name: attribute.full_name.clone(),
            checkpoint_key: attribute.checkpoint_key.clone(),
        };
        let slot = |slot: &SlotVariable| part::SlotVariableReference {
            original_variable_node_id: id(slot.original_variable),
            slot_name: slot.slot_name.clone(),
            slot_variable_node_id: id(slot.slot_variable),
        };
        TrackableObject {
            children: self.children.iter().map(child).collect(),
            attributes: self.attributes.iter().map(attribute).collect(),
            slot_variables: self.slot_variables.iter().map(slot).collect(),
            registered_saver: self.registered_saver.as_ref().map(|saver| pb::RegisteredSaver {
                name: saver.name.clone(),
                object_name: saver.object_name.clone(),
            }),
            has_checkpoint_values: self.has_checkpoint_values,
        }
    }
}
