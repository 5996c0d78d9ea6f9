//! Inputs of `flowkeep run`: from files, Python literals and `tf.train.Example`s to tensors.
//!
//! What a flag gives is read first ([`Given`]); it becomes a tensor once the signature tells the type,
//! by the rules by which TensorFlow's session takes values that are fed.

mod array;
mod cast;
mod csv;
mod examples;
mod exprs;
mod feed;
mod files;
mod json_examples;
mod literal;
mod made;
mod numbers;
mod wanted;

use flowkeep_ckpt::interchange::npy::Array;

use crate::args::Flags;
use crate::error::Error;
use crate::python::Value;

pub(crate) use feed::{check_kind, to_tensor};
pub(crate) use made::make;
pub(crate) use wanted::listed;

/// An input as it was given, before the type that it is wanted in is known.
#[derive(Clone, Debug)]
pub(crate) enum Given {
    /// A Python value.
    Literal(Value),
    /// The content of a `.npy` file, or of a member of a `.npz` file.
    Array(Array),
    /// The content of a `.json` file.
    Json(serde_json::Value),
    /// The content of a `.csv` file.
    Csv(csv::Table),
}

impl Given {
    /// The type and shape of what was given, in NumPy's words; `None` where that has neither.
    fn described(&self) -> Option<String> {
        let (name, shape) = match self {
            Given::Array(array) => (array.descr().name(), array.shape().clone()),
            Given::Literal(value) => {
                let (name, shape) = literal::kind(value)?;
                (name.to_owned(), shape)
            }
            Given::Json(_) | Given::Csv(_) => return None,
        };
        Some(format!("{name} of shape {}", feed::tuple(&(&shape).into())))
    }
}

/// All inputs by key, and what the user should be told about them.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    pub(crate) given: Vec<(String, Given)>,
    pub(crate) warnings: Vec<String>,
}

impl Inputs {
    /// Reads the inputs of `--inputs`, `--input_exprs` and `--input_examples`.
    ///
    /// A key given by several flags is taken from the last of them.
    pub(crate) fn read(flags: &Flags) -> Result<Inputs, Error> {
        let mut inputs = Inputs::default();
        let files = files::parse(&flags.inputs)?;
        let exprs = exprs::parse(&flags.input_exprs)?;
        let examples = examples::parse(&flags.input_examples)?;
        for (key, source) in files {
            let given = source.read(&mut inputs.warnings)?;
            inputs.set(key, given);
        }
        for (key, value) in exprs {
            if inputs.contains(&key) {
                inputs.warnings.push(format!(
                    "input_key {key} has been specified with both --inputs and --input_exprs options. Value in \
                     --input_exprs will be used."
                ));
            }
            inputs.set(key, Given::Literal(value));
        }
        for (key, value) in examples {
            if inputs.contains(&key) {
                inputs.warnings.push(format!(
                    "input_key {key} has been specified in multiple options. Value in --input_examples will be used."
                ));
            }
            inputs.set(key, Given::Literal(value));
        }
        Ok(inputs)
    }

    fn contains(&self, key: &str) -> bool {
        self.given.iter().any(|(known, _)| known == key)
    }

    fn set(&mut self, key: String, given: Given) {
        set(&mut self.given, key, given);
    }
}

/// Sets a key's value as a Python dict does: a known key keeps its place.
fn set<T>(entries: &mut Vec<(String, T)>, key: String, value: T) {
    match entries.iter_mut().find(|(known, _)| *known == key) {
        Some((_, known)) => *known = value,
        None => entries.push((key, value)),
    }
}

#[cfg(test)]
mod tests;
