//! The nodes of variables of both forms.

use std::collections::HashSet;

use flowkeep_proto::pb;
use flowkeep_tensor::{DType, PartialShape, Shape};

use super::initializer::InitialShape;
use super::text::python_shape;
use super::variable::Nodes;
use super::{
    Entered, GLOBAL_VARIABLES, Initializer, Operand, PartitionedVariable, SaveSlice, Scope,
    TRAINABLE_VARIABLES, Variable, VariableOptions,
};
use crate::{Attr, Element, Error, Node, NodeId, Output};

/// What a variable that is created is to be, with all defaults decided.
pub(super) struct NewVariable<'a> {
    pub(super) initial: Initial,
    pub(super) shape: Option<PartialShape>,
    pub(super) options: &'a VariableOptions,
    pub(super) use_resource: bool,
    pub(super) slice: Option<SaveSlice>,
}

/// What a variable starts with.
pub(super) enum Initial {
    /// A tensor that is there, or a constant.
    Value(Operand),
    /// What an initializer adds for a shape and a type.
    Made(Initializer, InitialShape),
}

impl Scope {
    /// Adds a variable: `tf.compat.v1.Variable`. [`Scope::with_op_name`] names it.
    ///
    /// Its initial value is [`VariableOptions::initializer`]: a value, or an initializer that
    /// [`VariableOptions::shape`] is given for.
    ///
    /// Errors: `INVALID_ARGUMENT` without an initial value, and as the ops that make it up;
    /// `UNIMPLEMENTED` for one that is made from a reference variable.
    pub fn variable(&mut self, options: VariableOptions) -> Result<Variable, Error> {
        let missing =
            |what: &str| Error::Variable { name: String::new(), message: what.to_owned() };
        let dtype = options.dtype;
        let (initial, shape) = match options.initializer.clone() {
            None => return Err(missing("initial_value must be specified.")),
            Some(Initializer::Value(operand)) => (Initial::Value(operand), options.shape.clone()),
            Some(initializer) => {
                let shape = options.shape.as_ref().and_then(PartialShape::to_shape);
                let shape = shape.ok_or_else(|| {
                    missing("a variable with an initializer needs a shape that is known")
                })?;
                let dtype = dtype.unwrap_or(DType::F32);
                let initial = InitialShape { full_shape: shape.clone(), shape, dtype };
                (Initial::Made(initializer, initial), None)
            }
        };
        let scoped = self.current_variable_scope().defaults().use_resource;
        let use_resource = options.use_resource.or(scoped).unwrap_or(self.resource_variables);
        let new = NewVariable { initial, shape, options: &options, use_resource, slice: None };
        self.create_variable(new)
    }

    /// Adds a variable, with the name that waits for the next op.
    pub(super) fn create_variable(&mut self, new: NewVariable<'_>) -> Result<Variable, Error> {
        let name = self.take_op_name("Variable");
        let mut lifted = self.init_scope();
        let mut inner = lifted.name_scope(&name)?;
        if new.use_resource { inner.resource_variable(new) } else { inner.ref_variable(new) }
    }

    /// The nodes of a reference, in a name scope of its own.
    fn ref_variable(&mut self, new: NewVariable<'_>) -> Result<Variable, Error> {
        let name = self.current_name_scope();
        let target = name.strip_suffix('/').unwrap_or_default().to_owned();
        let NewVariable { initial, shape, options, slice, .. } = new;
        let made = match initial {
            Initial::Value(operand) => {
                let value = self.tensor(operand, "initial_value");
                value.and_then(|value| Ok((value, self.variable_op(value, shape, options)?)))
            }
            Initial::Made(initializer, initial) => self.in_class_scope(&target, |scope| {
                let value = scope.made_initial_value(&initializer, &initial)?;
                Ok((value, scope.variable_op(value, shape, options)?))
            }),
        };
        let (value, op) = made?;
        if !options.may_change_shape && self.shape(value).to_shape().is_none() {
            return Err(Error::Variable {
                name: target,
                message: format!(
                    "initial_value must have a shape specified: {}",
                    self.python_tensor(value)
                ),
            });
        }
        let start = self.guarded(value, &name)?;
        let handle = op.output(0);
        let validate_shape = Attr::Bool(!options.may_change_shape);
        let assign = self.op("Assign").input(handle).input(start);
        let initializer = assign.attr("validate_shape", validate_shape).build()?;
        let mut place = match &options.caching_device {
            Some(device) => self.device_scope(Some(device.clone())),
            None => self.colocate_with(op)?,
        };
        let snapshot = place.op("Identity").input(handle).name("read").build_one()?;
        drop(place);
        let variable = Variable::new(Nodes {
            handle,
            initializer: Element::Node(initializer),
            initial_value: Some(value),
            snapshot,
            cached: None,
            is_resource: false,
            is_initialized: None,
            dtype: self.dtype_of(value),
            shape: self.shape(handle).clone(),
            trainable: options.trainable.unwrap_or(true),
            slice,
            synchronization: pb::VariableSynchronization::default(),
            aggregation: options.aggregation,
        });
        self.collect(&variable, options);
        Ok(variable)
    }

    /// The node that is a reference.
    fn variable_op(
        &mut self,
        value: Output,
        shape: Option<PartialShape>,
        options: &VariableOptions,
    ) -> Result<NodeId, Error> {
        let known = || {
            if options.may_change_shape {
                PartialShape::unknown()
            } else {
                self.shape(value).clone()
            }
        };
        let shape = shape.unwrap_or_else(known);
        let dtype = self.dtype_of(value);
        let name = self.current_name_scope();
        let op = self.op("VariableV2").attr("shape", Attr::Shape(shape));
        op.attr("dtype", Attr::Type(dtype)).name(&name).build()
    }

    /// The nodes of a resource, in a name scope of its own.
    fn resource_variable(&mut self, new: NewVariable<'_>) -> Result<Variable, Error> {
        let name = self.current_name_scope();
        let target = name.strip_suffix('/').unwrap_or_default().to_owned();
        let NewVariable { initial, shape, options, slice, .. } = new;
        let (value, shape, op) = self.in_class_scope(&target, |scope| {
            let value = match initial {
                Initial::Made(initializer, initial) => {
                    scope.made_initial_value(&initializer, &initial)?
                }
                Initial::Value(operand) => {
                    let mut inner = scope.name_scope("Initializer")?;
                    inner.without_device().tensor(operand, "initial_value")?
                }
            };
            let found = scope.shape(value).clone();
            let shape = match shape {
                None => found,
                Some(wanted) if is_compatible(&wanted, &found) => wanted,
                Some(wanted) => {
                    return Err(Error::Variable {
                        name: target.clone(),
                        message: format!(
                            "In this `tf.Variable` creation, the initial value's shape ({}) is not compatible with \
                             the explicitly supplied `shape` argument ({}).",
                            python_shape(&found),
                            python_shape(&wanted)
                        ),
                    });
                }
            };
            let text = |text: &str| Attr::Str(bytes::Bytes::copy_from_slice(text.as_bytes()));
            let dtype = scope.dtype_of(value);
            let op = scope.op("VarHandleOp").attr("shape", Attr::Shape(shape.clone()));
            let op = op.attr("dtype", Attr::Type(dtype)).attr("shared_name", text(&target));
            let op = op.attr("debug_name", text(&name)).name(&name).build()?;
            Ok((value, shape, op))
        })?;
        let dtype = self.dtype_of(value);
        let handle = op.output(0);
        let device = self.graph.get(op).map_or("", Node::device).parse()?;
        let is_initialized = {
            let mut inner = self.name_scope("IsInitialized")?;
            inner.op("VarIsInitializedOp").input(handle).build_one()?
        };
        let initializer = {
            let mut inner = self.name_scope("Assign")?;
            let assign = inner.current_name_scope();
            let mut inner = inner.without_colocation();
            let mut inner = inner.device_scope(Some(device));
            inner.check_initial_value(&target, value)?;
            inner.op("AssignVariableOp").input(handle).input(value).name(&assign).build()?
        };
        let device = self.graph.get(op).map_or("", Node::device).parse()?;
        let read = |scope: &mut Scope| {
            let op = scope.op("ReadVariableOp").input(handle);
            op.attr("dtype", Attr::Type(dtype)).build_one()
        };
        let (snapshot, cached) = {
            let mut inner = self.name_scope("Read")?;
            let snapshot = read(&mut inner.device_scope(Some(device)))?;
            let cached = match &options.caching_device {
                None => None,
                Some(device) => {
                    let mut inner = inner.without_colocation();
                    let mut inner = inner.device_scope(Some(device.clone()));
                    Some(inner.op("Identity").input(snapshot).build_one()?)
                }
            };
            (snapshot, cached)
        };
        let variable = Variable::new(Nodes {
            handle,
            initializer: Element::Node(initializer),
            initial_value: Some(value),
            snapshot,
            cached,
            is_resource: true,
            is_initialized: Some(is_initialized),
            dtype,
            shape,
            trainable: options.trainable.unwrap_or(true),
            slice,
            synchronization: pb::VariableSynchronization::default(),
            aggregation: options.aggregation,
        });
        self.collect(&variable, options);
        Ok(variable)
    }

    /// What an initializer adds, in a name scope and on no device.
    fn made_initial_value(
        &mut self,
        initializer: &Initializer,
        initial: &InitialShape,
    ) -> Result<Output, Error> {
        let mut inner = self.name_scope("Initializer")?;
        inner.without_device().initial_value(initializer, initial)
    }

    /// Does what makes a node, and before it what is colocated with it.
    fn in_class_scope<T>(
        &mut self,
        target: &str,
        make: impl FnOnce(&mut Scope) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.classes.enter(target);
        let made = make(self);
        self.classes.leave(&mut self.graph);
        made
    }

    fn dtype_of(&self, tensor: Output) -> DType {
        let dtype = self.graph.get(tensor.node).and_then(|node| node.output_dtype(tensor.index));
        dtype.unwrap_or(DType::F32)
    }

    /// Puts a variable into its collections.
    fn collect(&mut self, variable: &Variable, options: &VariableOptions) {
        let mut names: Vec<String> = match &options.collections {
            Some(names) => names.clone(),
            None => vec![GLOBAL_VARIABLES.to_owned()],
        };
        if variable.trainable() && !names.iter().any(|name| name == TRAINABLE_VARIABLES) {
            names.push(TRAINABLE_VARIABLES.to_owned());
        }
        for name in names {
            self.collections.add(&name, variable.clone());
        }
    }

    /// Fails for an initial value that is made from variables that may not be initialized by then.
    ///
    /// TensorFlow puts conditionals in their place, which are built for references only.
    fn check_initial_value(&self, name: &str, value: Output) -> Result<(), Error> {
        let Some(variable) = self.variable_behind(value) else { return Ok(()) };
        Err(Error::Unsupported(format!(
            "the initial value of variable '{name}' is made from variable '{}', which may not be initialized \
             before it",
            self.graph.get(variable).map_or("", Node::name)
        )))
    }

    /// A variable that a value is made from, unless it is known that it can be read.
    pub(super) fn variable_behind(&self, value: Output) -> Option<NodeId> {
        let mut seen = HashSet::new();
        let mut left = vec![value.node];
        while let Some(id) = left.pop() {
            let Some(node) = self.graph.get(id).filter(|_| seen.insert(id)) else { continue };
            match node.op() {
                "IsVariableInitialized" | "VarIsInitializedOp" | "ReadVariableOp" | "If" => {}
                "Variable" | "VariableV2" | "VarHandleOp" => return Some(id),
                _ => left.extend(node.inputs().iter().map(|input| input.node)),
            }
        }
        None
    }

    /// The value of a variable.
    ///
    /// Of a resource that is a new read, in the current name scope and after the current control
    /// dependencies, unless it is cached.
    ///
    /// Errors: as the op.
    pub fn read(&mut self, variable: &Variable) -> Result<Output, Error> {
        if !variable.is_resource() || variable.cached().is_some() {
            return Ok(variable.snapshot());
        }
        let mut inner: Entered<'_> = self.without_colocation();
        let op = inner.op("ReadVariableOp").input(variable.handle());
        op.attr("dtype", Attr::Type(variable.dtype())).build_one()
    }
}

impl Scope {
    /// The value of a partitioned variable, put together: a node that is called like the variable.
    ///
    /// Nodes wait for no control dependencies.
    ///
    /// Errors: as the ops.
    pub fn read_parts(&mut self, variable: &PartitionedVariable) -> Result<Output, Error> {
        let mut free = self.without_control_dependencies();
        let value: Operand = match variable.parts() {
            [only] => only.into(),
            parts => {
                let axis = i32::try_from(variable.axis()).unwrap_or(i32::MAX);
                let mut inner =
                    free.name_scope(&format!("{}/ConcatPartitions/", variable.name()))?;
                inner.with_op_name("concat").concat(parts, axis)?.into()
            }
        };
        let mut root = free.name_scope("")?;
        root.with_op_name(variable.name()).identity(value)
    }
}

/// Whether a tensor can be of both shapes.
pub(super) fn is_compatible(a: &PartialShape, b: &PartialShape) -> bool {
    match (a.dims(), b.dims()) {
        (Some(a), Some(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.is_none() || b.is_none() || a == b)
        }
        _ => true,
    }
}

/// The shape, if it is known.
pub(super) fn known_shape(shape: Option<&PartialShape>) -> Option<Shape> {
    shape.and_then(PartialShape::to_shape)
}
