//! Variables that start with what a checkpoint has.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use flowkeep_bundle::{CheckpointReader, latest_checkpoint};
use flowkeep_graph::builder::{PartitionedVariable, Scope, Variable};
use flowkeep_tensor::Shape;

use crate::Error;
use crate::build::{checkpoint_initializer, python_shape};

/// What of a graph is initialized from a key of a checkpoint, or from a scope of it.
#[derive(Clone, Debug)]
pub enum AssignTo {
    /// A variable.
    Variable(Variable),
    /// Slices of one variable.
    Slices(Vec<Variable>),
    /// A variable that [`Scope::get_variable`] made, in one piece or in parts, by its name; or all of a
    /// scope, `layer/`.
    Name(String),
}

impl From<&str> for AssignTo {
    fn from(name: &str) -> AssignTo {
        AssignTo::Name(name.to_owned())
    }
}

impl From<&Variable> for AssignTo {
    fn from(variable: &Variable) -> AssignTo {
        AssignTo::Variable(variable.clone())
    }
}

impl From<&PartitionedVariable> for AssignTo {
    fn from(variable: &PartitionedVariable) -> AssignTo {
        AssignTo::Slices(variable.parts().to_vec())
    }
}

impl From<Vec<Variable>> for AssignTo {
    fn from(slices: Vec<Variable>) -> AssignTo {
        AssignTo::Slices(slices)
    }
}

/// Lets variables start with tensors of a checkpoint: `tf.compat.v1.train.init_from_checkpoint`.
///
/// The map leads from the checkpoint to the graph, as TensorFlow's does: a key to a variable, to a list
/// of slices, or to the name of a variable; a scope to a scope, `old/` to `new/`, of which every
/// variable is to be found; `/` is the root of the checkpoint. A directory stands for its latest
/// checkpoint.
///
/// Initializers are replaced, and run as any other: the checkpoint is read then. Gives the variables
/// that have new ones, with their keys; see [`Scope::set_initializer`] for who still has the old ones.
///
/// ```
/// use std::path::Path;
///
/// use flowkeep_graph::builder::{Initializer, Scope, VariableOptions};
/// use flowkeep_saver::init_from_checkpoint;
///
/// let mut scope = Scope::new();
/// let zeros = VariableOptions::new().shape([4, 3]).initializer(Initializer::Zeros);
/// let w = scope.variable_scope("layer")?.get_variable("w", zeros)?;
/// let checkpoint = Path::new("../../fixtures/bundles/partitioned");
/// let initialized = init_from_checkpoint(&mut scope, checkpoint, [("w", &w)])?;
/// assert_eq!(initialized[0].0, "w");
/// let initializer = scope.graph().node(initialized[0].1.initializer());
/// assert_eq!(initializer.op(), "AssignVariableOp");
/// # Ok::<(), flowkeep_saver::Error>(())
/// ```
///
/// Errors, with TensorFlow's texts: `INVALID_ARGUMENT` for keys that are not there, variables of other
/// shapes, scopes that are mapped to no scope; those of the checkpoint and of the graph. What was done
/// by then stays.
pub fn init_from_checkpoint<K: Into<String>, V: Into<AssignTo>>(
    scope: &mut Scope,
    ckpt_dir_or_file: impl AsRef<Path>,
    assignment_map: impl IntoIterator<Item = (K, V)>,
) -> Result<Vec<(String, Variable)>, Error> {
    let given = ckpt_dir_or_file.as_ref();
    let prefix = prefix_of(given)?;
    let reader = CheckpointReader::open(&prefix)?;
    let mut shapes = BTreeMap::new();
    for (key, entry) in reader.declared() {
        shapes.insert(String::from_utf8_lossy(key.as_ref()).into_owned(), entry?.shape);
    }
    let mut job = Job { scope, given, prefix: &prefix, shapes, done: Vec::new() };
    let mut map: Vec<(String, AssignTo)> =
        assignment_map.into_iter().map(|(key, to)| (key.into(), to.into())).collect();
    map.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (key, to) in map {
        job.assign(&key, to)?;
    }
    Ok(job.done)
}

pub(crate) fn prefix_of(given: &Path) -> Result<PathBuf, Error> {
    if !given.is_dir() {
        return Ok(given.to_owned());
    }
    latest_checkpoint(given, None)?.ok_or_else(|| {
        let error = flowkeep_bundle::Error::NoCheckpointInDirectory {
            dir: given.to_owned(),
            why: String::new(),
        };
        error.into()
    })
}

struct Job<'a> {
    scope: &'a mut Scope,
    /// The path as it was given, and the prefix that it leads to.
    given: &'a Path,
    prefix: &'a Path,
    shapes: BTreeMap<String, Shape>,
    done: Vec<(String, Variable)>,
}

impl Job<'_> {
    fn assign(&mut self, key: &str, to: AssignTo) -> Result<(), Error> {
        let name = match to {
            AssignTo::Variable(variable) => return self.one_to_one(key, &variable),
            AssignTo::Slices(slices) => return self.slices(key, &slices),
            AssignTo::Name(name) => name,
        };
        match self.stored(&name) {
            Some(Stored::Whole(variable)) => self.one_to_one(key, &variable),
            Some(Stored::Parts(parts)) => self.slices(key, &parts),
            None => self.scope_to_scope(key, &name),
        }
    }

    /// A variable of the store, in one piece or in parts.
    fn stored(&self, name: &str) -> Option<Stored> {
        let all: BTreeMap<&str, &Variable> = self.scope.stored_variables().collect();
        if let Some(variable) = all.get(name) {
            return Some(Stored::Whole((*variable).clone()));
        }
        let parts =
            (0..).map_while(|idx| all.get(&*format!("{name}/part_{idx}")).copied().cloned());
        let parts: Vec<Variable> = parts.collect();
        (!parts.is_empty()).then_some(Stored::Parts(parts))
    }

    fn one_to_one(&mut self, key: &str, variable: &Variable) -> Result<(), Error> {
        let found = self.found(key)?;
        if !variable.shape().matches(found) {
            return Err(Error::Saver(format!(
                "Shape of variable {} ({}) doesn't match with shape of tensor {key} ({:?}) from checkpoint reader.",
                variable.name(self.scope.graph()),
                python_shape(variable.shape()),
                found.dims()
            )));
        }
        self.initialize(key, variable, None)
    }

    fn slices(&mut self, key: &str, slices: &[Variable]) -> Result<(), Error> {
        self.found(key)?;
        self.initialize_slices(key, slices)
    }

    fn found(&self, key: &str) -> Result<&Shape, Error> {
        self.shapes.get(key).ok_or_else(|| {
            let shapes = self.shapes.iter();
            let shapes = shapes.map(|(key, shape)| format!("'{key}': {:?}", shape.dims()));
            let shapes = shapes.collect::<Vec<_>>().join(", ");
            let given = self.given.display();
            Error::Saver(format!("Tensor {key} is not found in {given} checkpoint {{{shapes}}}"))
        })
    }

    fn initialize_slices(&mut self, key: &str, slices: &[Variable]) -> Result<(), Error> {
        let mut full_name: Option<String> = None;
        for variable in slices {
            let name = variable.name(self.scope.graph());
            let slice = variable.save_slice().ok_or_else(|| {
                Error::Saver(format!("variable {name} is no slice of a partitioned variable"))
            })?;
            let first = full_name.get_or_insert_with(|| slice.full_name.clone());
            if *first != slice.full_name {
                return Err(Error::Saver(format!(
                    "Slices must all be from the same tensor: {first} != {}",
                    slice.full_name
                )));
            }
            self.initialize(key, variable, Some(slice.spec()))?;
        }
        Ok(())
    }

    /// Restores a tensor into a variable, or a slice of it, when that is initialized.
    fn initialize(
        &mut self,
        key: &str,
        variable: &Variable,
        slice: Option<String>,
    ) -> Result<(), Error> {
        let (restored, assign) =
            checkpoint_initializer(self.scope, self.prefix, key, variable, slice)?;
        let renewed = self.scope.set_initializer(variable, assign, restored)?;
        self.done.push((key.to_owned(), renewed));
        Ok(())
    }

    fn scope_to_scope(&mut self, key: &str, to: &str) -> Result<(), Error> {
        let scopes = to.rsplit_once('/').map_or("", |(scopes, _)| scopes);
        if !key.ends_with('/') {
            return Err(Error::Saver(format!(
                "Assignment map with scope only name {scopes} should map to scope only {key}. Should be 'scope/': \
                 'other_scope/'."
            )));
        }
        let head = if scopes.is_empty() { String::new() } else { format!("{scopes}/") };
        let names = self.scope.stored_variables().map(|(name, _)| name);
        let names = names.filter(|name| name.starts_with(&head));
        let names: BTreeSet<String> = names
            .map(|name| name.split_once("/part_").map_or(name, |(whole, _)| whole).to_owned())
            .collect();
        for name in names {
            // A name without a scope stays whole, but for the letter that TensorFlow takes for a slash.
            let rest = name.get(scopes.len()..).unwrap_or_default();
            let rest = if to == "/" { rest } else { without_first(rest) };
            let full = if key == "/" { rest.to_owned() } else { format!("{key}{rest}") };
            let full = full.strip_suffix('/').unwrap_or(&full);
            if !self.shapes.contains_key(full) {
                return Err(Error::Saver(format!(
                    "Tensor {full} ({} in {key}) is not found in {} checkpoint",
                    without_first(name.get(scopes.len()..).unwrap_or_default()),
                    self.given.display()
                )));
            }
            match self.stored(&name) {
                Some(Stored::Whole(variable)) => self.initialize(full, &variable, None)?,
                Some(Stored::Parts(parts)) => self.initialize_slices(full, &parts)?,
                None => {}
            }
        }
        Ok(())
    }
}

enum Stored {
    Whole(Variable),
    Parts(Vec<Variable>),
}

fn without_first(text: &str) -> &str {
    let mut rest = text.chars();
    rest.next();
    rest.as_str()
}
