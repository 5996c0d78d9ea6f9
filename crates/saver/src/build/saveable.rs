use flowkeep_graph::builder::{DeviceSpec, Scope, Variable};
use flowkeep_graph::{NodeId, Output};
use flowkeep_tensor::{DType, PartialShape};

use crate::Error;

/// A variable, or a slice of one, with the key under which it is saved.
#[derive(Clone, Debug)]
pub(super) struct Saveable {
    pub(super) key: String,
    /// The slice, as [`SaveSlice::spec`](flowkeep_graph::builder::SaveSlice::spec) has it; empty for all.
    pub(super) slice_spec: String,
    pub(super) dtype: DType,
    pub(super) device: String,
    pub(super) shape: PartialShape,
    pub(super) form: Form,
}

/// What is saved, and what is assigned to.
#[derive(Clone, Debug)]
pub(super) enum Form {
    /// A reference, and the tensor that is saved for it.
    Ref { handle: Output, saved: Output, is_slice: bool },
    /// A resource, by the read that is there.
    Resource { handle: Output, read: Output },
    /// A slice that is a resource, which is read anew where it is saved.
    ResourceSlice(Variable),
}

impl Saveable {
    /// A tensor that is a variable.
    pub(super) fn of_tensor(scope: &Scope, tensor: Output, key: &str) -> Result<Saveable, Error> {
        let node = scope.graph().node(tensor.node);
        let form = match node.op() {
            "ReadVariableOp" => match node.inputs().first() {
                Some(handle) => Form::Resource { handle: *handle, read: tensor },
                None => return Err(Error::NotAVariable(node.name().to_owned())),
            },
            _ => Form::Ref { handle: tensor, saved: tensor, is_slice: false },
        };
        let dtype = node.output_dtype(tensor.index);
        Ok(Saveable {
            key: key.to_owned(),
            slice_spec: String::new(),
            dtype: dtype.ok_or_else(|| Error::NotAVariable(node.name().to_owned()))?,
            device: node.device().to_owned(),
            shape: scope.shape(tensor).clone(),
            form,
        })
    }

    /// A slice.
    pub(super) fn of_slice(scope: &Scope, slice: &Variable, spec: String, key: &str) -> Saveable {
        let handle = slice.handle();
        let form = if slice.is_resource() {
            Form::ResourceSlice(slice.clone())
        } else {
            Form::Ref { handle, saved: slice.snapshot(), is_slice: true }
        };
        Saveable {
            key: key.to_owned(),
            slice_spec: spec,
            dtype: slice.dtype(),
            device: scope.graph().node(handle.node).device().to_owned(),
            shape: slice.shape().clone(),
            form,
        }
    }

    /// What tells the same thing under two keys: TensorFlow takes slices and wholes for different ones.
    pub(super) fn identity(&self) -> (Output, bool) {
        match &self.form {
            Form::Ref { handle, is_slice, .. } => (*handle, *is_slice),
            Form::Resource { read, .. } => (*read, false),
            Form::ResourceSlice(variable) => (variable.handle(), true),
        }
    }

    /// The device, in its canonical form.
    pub(super) fn device(&self) -> Result<String, Error> {
        Ok(self.device.parse::<DeviceSpec>()?.to_string())
    }

    /// The tensor to save; a slice that is a resource is read by new nodes, on its device and then on
    /// the CPU.
    pub(super) fn tensor(&self, scope: &mut Scope) -> Result<Output, Error> {
        let variable = match &self.form {
            Form::Ref { saved, .. } => return Ok(*saved),
            Form::Resource { read, .. } => return Ok(*read),
            Form::ResourceSlice(variable) => variable,
        };
        let mut scope = scope.device(&self.device)?;
        let read = {
            let mut inner = scope.name_scope("Read")?;
            inner.op("DisableCopyOnRead").input(variable.handle()).build()?;
            let read = inner.op("ReadVariableOp").input(variable.handle());
            read.attr("dtype", flowkeep_graph::Attr::Type(self.dtype)).build_one()?
        };
        let value = scope.op("Identity").input(read).build_one()?;
        Ok(scope.device("/device:CPU:0")?.op("Identity").input(value).build_one()?)
    }

    /// Adds what assigns a restored tensor.
    pub(super) fn assign(
        &self,
        scope: &mut Scope,
        value: Output,
        validate_shape: bool,
    ) -> Result<NodeId, Error> {
        let handle = match &self.form {
            Form::Ref { handle, .. } => {
                let validate = validate_shape && self.shape.to_shape().is_some();
                let assign = scope.op("Assign").input(*handle).input(value);
                let assign = assign.attr("validate_shape", flowkeep_graph::Attr::Bool(validate));
                return Ok(assign.build()?);
            }
            Form::Resource { handle, .. } => *handle,
            Form::ResourceSlice(variable) => variable.handle(),
        };
        let mut scope = scope.device(&self.device)?;
        let value = scope.op("Identity").input(value).build_one()?;
        Ok(scope.op("AssignVariableOp").input(handle).input(value).build()?)
    }
}
