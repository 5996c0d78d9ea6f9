//! Variables by name.

use std::collections::HashMap;

use flowkeep_tensor::{DType, PartialShape, Shape};

use super::create_variable::{Initial, NewVariable, is_compatible, known_shape};
use super::initializer::InitialShape;
use super::partition::slices;
use super::random::shape_operand;
use super::text::python_shape;
use super::{
    Initializer, Operand, PartitionedVariable, Reuse, SaveSlice, Scope, Variable, VariableOptions,
};
use crate::Error;

/// The variables that were got by name.
#[derive(Clone, Debug, Default)]
pub(super) struct VariableStore {
    pub(super) whole: HashMap<String, Variable>,
    pub(super) partitioned: HashMap<String, PartitionedVariable>,
}

/// What [`Scope::get_variable_or_parts`] gets.
#[derive(Clone, Debug)]
pub enum VariableOrParts {
    /// A variable in one piece.
    Whole(Variable),
    /// A variable in parts.
    Parts(PartitionedVariable),
}

/// What the scope and the options say together.
struct Asked {
    reuse: Reuse,
    dtype: DType,
    initializer: Option<Initializer>,
    use_resource: bool,
    options: VariableOptions,
}

const BAD_INITIALIZER: &str = "The initializer passed is not valid. It should be a callable with no arguments and the \
     shape should not be provided or an instance of `tf.keras.initializers.*' and `shape` should be fully defined.";

impl Scope {
    /// The variable that is called `name` in the current variable scope: `tf.compat.v1.get_variable`.
    ///
    /// Whether it is created or there already is what the scope's [`Reuse`] says.
    ///
    /// Errors, with TensorFlow's texts: `INVALID_ARGUMENT` when it is there and should not be, or the
    /// other way round; when it is there with another shape or type; without a shape; and as
    /// [`Scope::variable`]. Also when the variable is partitioned:
    /// [`Scope::get_variable_or_parts`] gets those.
    pub fn get_variable(
        &mut self,
        name: &str,
        options: VariableOptions,
    ) -> Result<Variable, Error> {
        match self.get_variable_or_parts(name, options)? {
            VariableOrParts::Whole(variable) => Ok(variable),
            VariableOrParts::Parts(variable) => {
                let message = format!("variable '{}' is partitioned", variable.name());
                Err(Error::Variable { name: variable.name, message })
            }
        }
    }

    /// The partitioned variable that is called `name` in the current variable scope.
    ///
    /// Errors: as [`Scope::get_variable`]; `INVALID_ARGUMENT` when it is not partitioned.
    pub fn get_partitioned_variable(
        &mut self,
        name: &str,
        options: VariableOptions,
    ) -> Result<PartitionedVariable, Error> {
        match self.get_variable_or_parts(name, options)? {
            VariableOrParts::Parts(variable) => Ok(variable),
            VariableOrParts::Whole(variable) => {
                let name = self.graph.node(variable.op()).name().to_owned();
                Err(Error::Variable {
                    message: format!("variable '{name}' is not partitioned"),
                    name,
                })
            }
        }
    }

    /// The variable that is called `name` in the current variable scope, in one piece or in parts as
    /// the options and the scope say.
    ///
    /// Errors: as [`Scope::get_variable`].
    pub fn get_variable_or_parts(
        &mut self,
        name: &str,
        options: VariableOptions,
    ) -> Result<VariableOrParts, Error> {
        let scope = self.current_variable_scope();
        let name = scope.full_name(name);
        let (reuse, defaults) = (scope.reuse(), scope.defaults().clone());
        let mut root = self.name_scope("")?;
        if let (Some(dtype), Some(Initializer::Value(value))) =
            (options.dtype, &options.initializer)
        {
            root.check_initial_type(&name, value.clone(), dtype)?;
        }
        let asked = Asked {
            reuse,
            dtype: options.dtype.or(defaults.dtype).unwrap_or(DType::F32),
            initializer: options.initializer.clone().or(defaults.initializer),
            use_resource: options
                .use_resource
                .or(defaults.use_resource)
                .unwrap_or(root.resource_variables),
            options: VariableOptions {
                partitioner: options.partitioner.or(defaults.partitioner),
                caching_device: options.caching_device.or(defaults.caching_device),
                ..options
            },
        };
        let is_scalar = asked.options.shape.as_ref().is_some_and(|shape| shape.rank() == Some(0));
        let in_parts = match asked.options.partitioner {
            Some(_) => !is_scalar,
            None => reuse == Reuse::Yes && root.variables.partitioned.contains_key(&name),
        };
        if in_parts {
            return root.get_parts(&name, asked).map(VariableOrParts::Parts);
        }
        if root.variables.whole.contains_key(&format!("{name}/part_0")) {
            return Err(refused(
                &name,
                format!(
                    "No partitioner was provided, but a partitioned version of the variable was found: {name}/part_0. \
                     Perhaps a variable of the same name was already created with partitioning?"
                ),
            ));
        }
        root.get_whole(&name, &asked, None).map(VariableOrParts::Whole)
    }

    /// Fails when an initial value is not of the type that is asked for.
    ///
    /// TensorFlow turns the value into a tensor to find out its type, and leaves that in the graph.
    fn check_initial_type(
        &mut self,
        name: &str,
        value: Operand,
        dtype: DType,
    ) -> Result<(), Error> {
        let found = self.tensor(value, "Const")?;
        let found = self.graph.get(found.node).and_then(|node| node.output_dtype(found.index));
        match found {
            Some(found) if found != dtype => Err(refused(
                name,
                format!(
                    "Initializer type '<dtype: '{}'>' and explicit dtype '<dtype: '{}'>' don't match.",
                    found.python_name(),
                    dtype.python_name()
                ),
            )),
            _ => Ok(()),
        }
    }

    fn get_whole(
        &mut self,
        name: &str,
        asked: &Asked,
        slice: Option<SaveSlice>,
    ) -> Result<Variable, Error> {
        let is_value = matches!(asked.initializer, Some(Initializer::Value(_)));
        let shape = asked.options.shape.as_ref();
        if is_value && shape.is_some() {
            return Err(refused(
                name,
                "If initializer is a constant, do not specify shape.".to_owned(),
            ));
        }
        if let Some(found) = self.variables.whole.get(name) {
            return check_found(name, found, asked).map(|()| found.clone());
        }
        if asked.reuse == Reuse::Yes {
            return Err(refused(
                name,
                format!(
                    "Variable {name} does not exist, or was not created with tf.get_variable(). Did you mean to set \
                     reuse=tf.AUTO_REUSE in VarScope?"
                ),
            ));
        }
        let initial = match asked.initializer.clone() {
            Some(Initializer::Value(operand)) => Initial::Value(operand),
            initializer => {
                let initializer = match initializer {
                    Some(initializer) => initializer,
                    None => default_initializer(name, shape, asked.dtype)?,
                };
                let shape =
                    known_shape(shape).ok_or_else(|| refused(name, BAD_INITIALIZER.to_owned()))?;
                let full_shape = match &slice {
                    Some(slice) => slice.full_shape.clone(),
                    None => shape.clone(),
                };
                Initial::Made(initializer, InitialShape { shape, full_shape, dtype: asked.dtype })
            }
        };
        let new = NewVariable {
            initial,
            shape: shape.cloned(),
            options: &asked.options,
            use_resource: asked.use_resource,
            slice,
        };
        let variable = self.with_op_name(name).create_variable(new)?;
        self.variables.whole.insert(name.to_owned(), variable.clone());
        Ok(variable)
    }

    fn get_parts(&mut self, name: &str, asked: Asked) -> Result<PartitionedVariable, Error> {
        if self.variables.whole.contains_key(name) {
            return Err(refused(
                name,
                format!(
                    "A partitioner was provided, but an unpartitioned version of the variable was found: {name}.  \
                     Perhaps a variable of the same name was already created without partitioning?"
                ),
            ));
        }
        let mut shape = asked.options.shape.clone().unwrap_or_else(PartialShape::unknown);
        if let Some(Initializer::Value(Operand::Output(value))) = &asked.initializer {
            let merged = super::shape::merged(&shape, self.shape(*value));
            shape = merged.map_err(|what| refused(name, what))?;
        }
        let cut = match &asked.options.partitioner {
            Some(partitioner) => Some(partitioner.partitions(name, &shape, asked.dtype)?),
            None => None,
        };
        let found = self.variables.partitioned.get(name);
        if let Some(found) = found {
            let partitions = cut.as_ref().map(|(_, partitions)| &partitions[..]);
            return check_parts_found(name, found, &asked, &shape, partitions)
                .map(|()| found.clone());
        }
        let missing = || {
            refused(
                name,
                format!(
                    "PartitionedVariable {name} does not exist, or was not created with tf.get_variable(). Did you \
                     mean to set reuse=False or reuse=tf.AUTO_REUSE in VarScope?"
                ),
            )
        };
        let (shape, partitions) = match cut {
            Some(cut) if asked.reuse != Reuse::Yes => cut,
            _ => return Err(missing()),
        };
        self.create_parts(name, asked, shape, partitions)
    }

    fn create_parts(
        &mut self,
        name: &str,
        asked: Asked,
        shape: Shape,
        partitions: Vec<usize>,
    ) -> Result<PartitionedVariable, Error> {
        let mut asked = asked;
        let whole = asked.initializer.clone();
        let mut parts = Vec::new();
        for (idx, slice) in slices(name, &shape, &partitions).into_iter().enumerate() {
            let part_name = format!("{name}/part_{idx}");
            let scope_name = format!("{part_name}/PartitionedInitializer");
            let mut inner = self.name_scope(&scope_name)?;
            (asked.initializer, asked.options.shape) = match &whole {
                Some(Initializer::Value(operand)) => {
                    let value = inner.tensor(operand.clone(), "Const")?;
                    let offset = Shape::from(&slice.offset[..]);
                    let taken = inner.op("Slice").input(value);
                    let taken =
                        taken.input(shape_operand(&offset)?).input(shape_operand(&slice.shape)?);
                    (Some(Initializer::Value(taken.build_one()?.into())), None)
                }
                Some(initializer) => {
                    (Some(initializer.clone()), Some(PartialShape::from(&slice.shape)))
                }
                None => {
                    let full = PartialShape::from(&shape);
                    let initializer = default_initializer(name, Some(&full), asked.dtype)?;
                    (Some(initializer), Some(PartialShape::from(&slice.shape)))
                }
            };
            drop(inner);
            parts.push(self.get_whole(&part_name, &asked, Some(slice))?);
        }
        let variable = PartitionedVariable {
            name: name.to_owned(),
            shape,
            dtype: asked.dtype,
            parts,
            partitions,
        };
        self.variables.partitioned.insert(name.to_owned(), variable.clone());
        Ok(variable)
    }
}

/// Fails when a variable that is there is not what is asked for.
fn check_found(name: &str, found: &Variable, asked: &Asked) -> Result<(), Error> {
    if asked.reuse == Reuse::No {
        return Err(refused(
            name,
            format!(
                "Variable {name} already exists, disallowed. Did you mean to set reuse=True or reuse=tf.AUTO_REUSE in \
                 VarScope?"
            ),
        ));
    }
    if let Some(shape) = &asked.options.shape
        && !is_compatible(shape, found.shape())
    {
        return Err(refused(
            name,
            format!(
                "Trying to share variable {name}, but specified shape {} and found shape {}.",
                python_shape(shape),
                python_shape(found.shape())
            ),
        ));
    }
    if asked.dtype != found.dtype() {
        let suffix = if found.is_resource() { "" } else { "_ref" };
        return Err(refused(
            name,
            format!(
                "Trying to share variable {name}, but specified dtype {} and found dtype {}{suffix}.",
                asked.dtype.python_name(),
                found.dtype().python_name()
            ),
        ));
    }
    Ok(())
}

/// Fails when a partitioned variable that is there is not what is asked for.
fn check_parts_found(
    name: &str,
    found: &PartitionedVariable,
    asked: &Asked,
    shape: &PartialShape,
    partitions: Option<&[usize]>,
) -> Result<(), Error> {
    if asked.reuse == Reuse::No {
        return Err(refused(
            name,
            format!(
                "Partitioned variable with name {name} already exists. Did you mean to set reuse=True or \
                 reuse=tf.AUTO_REUSE in VarScope?"
            ),
        ));
    }
    let sharing = format!("Trying to reuse partitioned variable {name}, but specified");
    let found_shape = PartialShape::from(found.shape());
    if !is_compatible(shape, &found_shape) {
        let (wanted, found) = (python_shape(shape), python_shape(&found_shape));
        return Err(refused(name, format!("{sharing} shape {wanted} and found shape {found}.")));
    }
    if asked.dtype != found.dtype() {
        let (wanted, found) = (asked.dtype.python_name(), found.dtype().python_name());
        return Err(refused(name, format!("{sharing} dtype {wanted} and found dtype {found}.")));
    }
    match partitions {
        Some(partitions) if partitions != found.partitions() => Err(refused(
            name,
            format!(
                "{sharing} partitions {partitions:?} and found partitions {:?}.",
                found.partitions()
            ),
        )),
        _ => Ok(()),
    }
}

/// The initializer of a variable that is given none.
fn default_initializer(
    name: &str,
    shape: Option<&PartialShape>,
    dtype: DType,
) -> Result<Initializer, Error> {
    if shape.is_none() {
        return Err(refused(
            name,
            format!(
                "Variable {name} did not get an initializer, so its `shape` argument must be specified."
            ),
        ));
    }
    Initializer::default_for(dtype).ok_or_else(|| {
        refused(
            name,
            format!(
                "An initializer for variable {name} of <dtype: '{}'> is required",
                dtype.python_name()
            ),
        )
    })
}

fn refused(name: &str, message: String) -> Error {
    Error::Variable { name: name.to_owned(), message }
}
