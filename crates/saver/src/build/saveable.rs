use flowkeep_graph::builder::{DeviceSpec, Operand, SaveableObject, Scope, Variable};
use flowkeep_graph::{NodeId, Output};
use flowkeep_tensor::{DType, PartialShape, Tensor};

use crate::Error;

/// A variable, a slice of one, or an object of several tensors, with the keys under which they are saved.
#[derive(Clone, Debug)]
pub(super) struct Saveable {
    pub(super) name: String,
    pub(super) specs: Vec<Spec>,
    pub(super) device: String,
    form: Form,
}

/// A tensor that is saved.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    pub(super) key: String,
    /// The slice, as [`SaveSlice::spec`](flowkeep_graph::builder::SaveSlice::spec) has it; empty for all.
    pub(super) slice_spec: String,
    pub(super) dtype: DType,
    shape: PartialShape,
}

/// What is saved, and what is assigned to.
#[derive(Clone, Debug)]
enum Form {
    /// A reference, and the tensor that is saved for it.
    Ref { handle: Output, saved: Output, is_slice: bool },
    /// A resource, by the read that is there.
    Resource { handle: Output, read: Output },
    /// A slice that is a resource, which is read anew where it is saved.
    ResourceSlice(Variable),
    /// Whatever restores itself.
    Object(Box<SaveableObject>),
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
        let spec = Spec {
            key: key.to_owned(),
            slice_spec: String::new(),
            dtype: dtype.ok_or_else(|| Error::NotAVariable(node.name().to_owned()))?,
            shape: scope.shape(tensor).clone(),
        };
        let device = node.device().to_owned();
        Ok(Saveable { name: key.to_owned(), specs: vec![spec], device, form })
    }

    /// A slice.
    pub(super) fn of_slice(scope: &Scope, slice: &Variable, spec: String, key: &str) -> Saveable {
        let handle = slice.handle();
        let form = if slice.is_resource() {
            Form::ResourceSlice(slice.clone())
        } else {
            Form::Ref { handle, saved: slice.snapshot(), is_slice: true }
        };
        let spec = Spec {
            key: key.to_owned(),
            slice_spec: spec,
            dtype: slice.dtype(),
            shape: slice.shape().clone(),
        };
        let device = scope.graph().node(handle.node).device().to_owned();
        Saveable { name: key.to_owned(), specs: vec![spec], device, form }
    }

    /// An object, whose tensors have to be on one device.
    pub(super) fn of_object(scope: &Scope, object: &SaveableObject) -> Result<Saveable, Error> {
        let name = object.name().to_owned();
        let (mut specs, mut device) = (Vec::with_capacity(object.specs().len()), None);
        for spec in object.specs() {
            let node = scope.graph().get(spec.tensor.node);
            let dtype = node.and_then(|node| node.output_dtype(spec.tensor.index));
            let (Some(node), Some(dtype)) = (node, dtype) else {
                return Err(Error::NotAVariable(name));
            };
            let canonical = node.device().parse::<DeviceSpec>()?.to_string();
            if *device.get_or_insert_with(|| canonical.clone()) != canonical {
                return Err(Error::Saver(format!(
                    "All tensors of a saveable object must be on the same device: {name}"
                )));
            }
            specs.push(Spec {
                key: spec.name.clone(),
                slice_spec: spec.slice_spec.clone(),
                dtype,
                shape: scope.shape(spec.tensor).clone(),
            });
        }
        let form = Form::Object(Box::new(object.clone()));
        Ok(Saveable { name, specs, device: device.unwrap_or_default(), form })
    }

    /// What tells the same thing under two keys: TensorFlow takes slices and wholes for different ones.
    /// `None` of objects that do not say what they are.
    pub(super) fn identity(&self) -> Option<(Output, bool)> {
        match &self.form {
            Form::Ref { handle, is_slice, .. } => Some((*handle, *is_slice)),
            Form::Resource { read, .. } => Some((*read, false)),
            Form::ResourceSlice(variable) => Some((variable.handle(), true)),
            Form::Object(object) => object.op().map(|op| (op, false)),
        }
    }

    /// The device, in its canonical form.
    pub(super) fn device(&self) -> Result<String, Error> {
        Ok(self.device.parse::<DeviceSpec>()?.to_string())
    }

    /// The tensors to save; a slice that is a resource is read by new nodes, on its device and then on
    /// the CPU.
    pub(super) fn tensors(&self, scope: &mut Scope) -> Result<Vec<Output>, Error> {
        let variable = match &self.form {
            Form::Ref { saved, .. } => return Ok(vec![*saved]),
            Form::Resource { read, .. } => return Ok(vec![*read]),
            Form::Object(object) => {
                return Ok(object.specs().iter().map(|spec| spec.tensor).collect());
            }
            Form::ResourceSlice(variable) => variable,
        };
        let mut scope = scope.device(&self.device)?;
        let read = {
            let mut inner = scope.name_scope("Read")?;
            inner.op("DisableCopyOnRead").input(variable.handle()).build()?;
            let read = inner.op("ReadVariableOp").input(variable.handle());
            read.attr("dtype", flowkeep_graph::Attr::Type(variable.dtype())).build_one()?
        };
        let value = scope.op("Identity").input(read).build_one()?;
        Ok(vec![scope.device("/device:CPU:0")?.op("Identity").input(value).build_one()?])
    }

    /// The shapes of what is restored, as far as they are known when the graph is built, else when it
    /// runs.
    pub(super) fn shapes_to_restore(&self, scope: &mut Scope) -> Result<Vec<Operand>, Error> {
        // A slice that is a resource is read here too, as TensorFlow does it.
        let tensors = self.tensors(scope)?;
        let mut shapes = Vec::with_capacity(tensors.len());
        for (spec, tensor) in self.specs.iter().zip(tensors) {
            shapes.push(match spec.shape.to_shape() {
                None => scope.shape_of(tensor)?.into(),
                Some(shape) => {
                    let sizes = shape.dims().iter();
                    let sizes = sizes.map(|size| i32::try_from(*size).unwrap_or(i32::MAX));
                    Tensor::from_elements(sizes.collect::<Vec<i32>>()).into()
                }
            });
        }
        Ok(shapes)
    }

    /// Adds what restores from the tensors that were read, in the shapes that are given.
    pub(super) fn restore(
        &self,
        scope: &mut Scope,
        restored: &[Output],
        shapes: Option<Vec<Operand>>,
    ) -> Result<NodeId, Error> {
        if let Form::Object(object) = &self.form {
            return Ok(object.restore(scope, restored, shapes.as_deref())?);
        }
        let Some(value) = restored.first().copied() else {
            return Err(Error::NotAVariable(self.name.clone()));
        };
        let validate_shape = shapes.is_none();
        let shape = shapes.and_then(|shapes| shapes.into_iter().next());
        let value = match shape {
            Some(shape) => scope.op("Reshape").input(value).input(shape).build_one()?,
            None => value,
        };
        let handle = match &self.form {
            Form::Ref { handle, .. } => {
                let is_known = self.specs.iter().all(|spec| spec.shape.to_shape().is_some());
                let validate = validate_shape && is_known;
                let assign = scope.op("Assign").input(*handle).input(value);
                let assign = assign.attr("validate_shape", flowkeep_graph::Attr::Bool(validate));
                return Ok(assign.build()?);
            }
            Form::Resource { handle, .. } => *handle,
            Form::ResourceSlice(variable) => variable.handle(),
            Form::Object(_) => return Err(Error::NotAVariable(self.name.clone())),
        };
        let mut scope = scope.device(&self.device)?;
        let value = scope.op("Identity").input(value).build_one()?;
        Ok(scope.op("AssignVariableOp").input(handle).input(value).build()?)
    }
}
