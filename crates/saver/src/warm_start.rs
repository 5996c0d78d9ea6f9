//! Variables that start with what a checkpoint has, also where their words have changed.
//!
//! Source: `warm_starting_util.py`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use flowkeep_bundle::CheckpointReader;
use flowkeep_graph::builder::{Initializer, Scope, TRAINABLE_VARIABLES, Variable};
use flowkeep_graph::{Attr, CollectionItem, Element, collection_keys};

use crate::init_from_checkpoint::prefix_of;
use crate::remap::{Remap, Vocabularies};
use crate::restore::object_graph;
use crate::{AssignTo, Error, NamePattern, init_from_checkpoint};

/// The vocabulary of a variable with a row or a column for each word: `tf.compat.v1.train.VocabInfo`.
#[derive(Clone, Debug)]
pub struct VocabInfo {
    /// The file of the words that the variable is for, one a line.
    pub new_vocab: String,
    /// How many of them are used.
    pub new_vocab_size: usize,
    /// How many rows or columns there are for words that are in no vocabulary.
    pub num_oov_buckets: usize,
    /// The file of the words that the checkpoint is for.
    pub old_vocab: String,
    /// How many of them were used; `None` for all. Columns are always those of all words.
    pub old_vocab_size: Option<usize>,
    /// What new words start with; `None` for zeros.
    pub backup_initializer: Option<Initializer>,
    /// Whether words are rows, 0, or columns, 1.
    pub axis: usize,
}

impl VocabInfo {
    /// A vocabulary of so many words, each a row, that comes from another one.
    pub fn new(
        new_vocab: impl Into<String>,
        new_vocab_size: usize,
        num_oov_buckets: usize,
        old_vocab: impl Into<String>,
    ) -> VocabInfo {
        VocabInfo {
            new_vocab: new_vocab.into(),
            new_vocab_size,
            num_oov_buckets,
            old_vocab: old_vocab.into(),
            old_vocab_size: None,
            backup_initializer: None,
            axis: 0,
        }
    }
}

/// Which variables are warm-started.
#[derive(Clone, Debug, Default)]
pub enum WarmStartVars {
    /// All that are trainable: TensorFlow's `".*"`.
    #[default]
    Trainable,
    /// Those that are trainable and whose names fit a regular expression: [`NamePattern`].
    Matching(String),
    /// Only those with a vocabulary: TensorFlow's `None`.
    WithVocabulary,
    /// All whose names fit one of these regular expressions, trainable or not: a name stands for all that
    /// begin with it. One that fits two of them is an error, as in TensorFlow.
    Named(Vec<String>),
    /// These.
    These(Vec<Variable>),
}

/// How variables are warm-started: the arguments of `tf.compat.v1.train.warm_start`.
#[derive(Clone, Debug, Default)]
pub struct WarmStart {
    /// Which variables.
    pub vars: WarmStartVars,
    /// Vocabularies by the names of variables.
    pub vocab_info: BTreeMap<String, VocabInfo>,
    /// The keys of variables in the checkpoint, by their names, where these differ.
    pub prev_var_names: BTreeMap<String, String>,
}

/// Lets variables start with what a checkpoint has under their names: `tf.compat.v1.train.warm_start`.
///
/// A variable with a vocabulary gets the rows, or the columns, of the words that the old vocabulary
/// has, and fresh values for the others; all else is [`init_from_checkpoint`]. Variables of a
/// checkpoint of objects are found by the names that they had.
///
/// ```
/// use flowkeep_graph::builder::{Initializer, Scope, VariableOptions};
/// use flowkeep_saver::{VocabInfo, WarmStart, warm_start};
///
/// let mut scope = Scope::new();
/// let zeros = VariableOptions::new().shape([5, 2]).initializer(Initializer::Zeros);
/// scope.variable_scope("z")?.get_variable("kernel", zeros)?;
/// let vocabulary = VocabInfo::new("new.txt", 4, 1, "old.txt");
/// let settings = WarmStart { vocab_info: [("z/kernel".to_owned(), vocabulary)].into(), ..WarmStart::default() };
/// let names = warm_start(&mut scope, "../../fixtures/savers/whole", &settings)?;
/// assert_eq!(names, ["z/kernel"]);
/// assert!(scope.graph().node_by_name("LoadAndRemapMatrix").is_some());
/// # Ok::<(), flowkeep_saver::Error>(())
/// ```
///
/// Gives the names of the variables.
///
/// Errors, with TensorFlow's texts: `INVALID_ARGUMENT` for settings of variables that are not
/// warm-started, for matrices of other sizes than their vocabularies; as [`NamePattern::new`] and
/// [`init_from_checkpoint`]. What
/// was done by then stays.
pub fn warm_start(
    scope: &mut Scope,
    ckpt_to_initialize_from: impl AsRef<Path>,
    settings: &WarmStart,
) -> Result<Vec<String>, Error> {
    let given = ckpt_to_initialize_from.as_ref();
    let grouped = grouped(scope, &settings.vars)?;
    let names: Vec<String> = grouped.iter().map(|(name, _)| name.clone()).collect();
    let renamed = match settings.prev_var_names.is_empty() {
        true => names_of_objects(given, &names)?,
        false => settings.prev_var_names.clone(),
    };
    let mut plain: Vec<(String, AssignTo)> = Vec::new();
    for (name, variables) in &grouped {
        let key = renamed.get(name).unwrap_or(name);
        if variables.len() > 1 && variables.iter().any(|variable| variable.save_slice().is_none()) {
            return Err(Error::Saver(format!("At least two variables have the same name: {name}")));
        }
        if let Some(info) = settings.vocab_info.get(name) {
            with_vocabulary(scope, given, key, variables, info)?;
        } else if !matches!(settings.vars, WarmStartVars::WithVocabulary) {
            // A key that is wanted a second time waits for no other one.
            if plain.iter().any(|(other, _)| other == key) {
                init_from_checkpoint(scope, given, plain.drain(..))?;
            }
            let to = match &variables[..] {
                [only] => AssignTo::Variable(only.clone()),
                slices => AssignTo::Slices(slices.to_vec()),
            };
            plain.push((key.clone(), to));
        }
    }
    if !plain.is_empty() {
        init_from_checkpoint(scope, given, plain)?;
    }
    check_used("var_name_to_prev_var_name", renamed.keys(), &names)?;
    check_used("var_name_to_vocab_info", settings.vocab_info.keys(), &names)?;
    Ok(names)
}

/// The variables that are meant, parts of one together, each under the name that it is saved by.
fn grouped(scope: &Scope, vars: &WarmStartVars) -> Result<Vec<(String, Vec<Variable>)>, Error> {
    let of_collection = |key: &str, pattern: &str| -> Result<Vec<Variable>, Error> {
        let pattern = NamePattern::new(pattern)?;
        let fits = |name: &str| pattern.matches(name);
        let items = scope.collections().matching(key, fits, scope.graph());
        let variables = items.into_iter().filter_map(|item| match item {
            CollectionItem::Variable(variable) => Some(variable),
            _ => None,
        });
        Ok(variables.collect())
    };
    let variables = match vars {
        WarmStartVars::Trainable | WarmStartVars::WithVocabulary => {
            scope.collections().variables(TRAINABLE_VARIABLES).cloned().collect()
        }
        WarmStartVars::Matching(pattern) => of_collection(TRAINABLE_VARIABLES, pattern)?,
        WarmStartVars::Named(names) => {
            let mut found = Vec::new();
            for name in names {
                found.extend(of_collection(collection_keys::GLOBAL_VARIABLES, name)?);
            }
            found
        }
        WarmStartVars::These(variables) => variables.clone(),
    };
    let mut grouped: Vec<(String, Vec<Variable>)> = Vec::new();
    for variable in variables {
        let name = match variable.save_slice() {
            Some(slice) => slice.full_name.clone(),
            None => scope.graph().node(variable.op()).name().to_owned(),
        };
        match grouped.iter_mut().find(|(other, _)| *other == name) {
            Some((_, group)) => group.push(variable),
            None => grouped.push((name, vec![variable])),
        }
    }
    Ok(grouped)
}

/// The keys of variables in a checkpoint of objects; none in any other.
fn names_of_objects(given: &Path, names: &[String]) -> Result<BTreeMap<String, String>, Error> {
    let reader = CheckpointReader::open(&prefix_of(given)?)?;
    let Some(objects) = object_graph(&reader) else { return Ok(BTreeMap::new()) };
    let mut keys = BTreeMap::new();
    let mut missing = BTreeSet::new();
    for name in names {
        match objects.by_full_name(name) {
            Some(found) => {
                keys.insert(name.clone(), found.attribute.checkpoint_key.clone());
            }
            None => {
                missing.insert(format!("'{name}'"));
            }
        }
    }
    if missing.is_empty() {
        return Ok(keys);
    }
    let missing: Vec<String> = missing.into_iter().collect();
    Err(Error::Saver(format!(
        "Attempting to warm-start from an object-based checkpoint, but found that the checkpoint did not contain values \
         for all variables. The following variables were missing: {{{}}}",
        missing.join(", ")
    )))
}

fn with_vocabulary(
    scope: &mut Scope,
    given: &Path,
    key: &str,
    variables: &[Variable],
    info: &VocabInfo,
) -> Result<(), Error> {
    if info.new_vocab.is_empty() || info.new_vocab_size == 0 || info.old_vocab.is_empty() {
        return Err(Error::Saver(
            "Invalid args: Must provide all of [current_vocab_path, current_vocab_size, prev_ckpt, prev_vocab_path}."
                .to_owned(),
        ));
    }
    let mut shapes = Vec::with_capacity(variables.len());
    for variable in variables {
        let shape = variable.shape().to_shape().map(|shape| shape.dims().to_vec());
        let name = variable.name(scope.graph());
        let shape = shape.filter(|shape| shape.len() >= 2);
        shapes.push(shape.ok_or_else(|| {
            Error::Saver(format!("variable {name} with a vocabulary is no matrix of a known shape"))
        })?);
    }
    let n_rows: usize = shapes.iter().filter_map(|shape| shape.first()).sum();
    let prefix = prefix_of(given)?;
    let prefix = prefix.to_string_lossy();
    let zeros = Initializer::Zeros;
    for (variable, shape) in variables.iter().zip(&shapes) {
        let by_columns = match info.axis {
            0 => false,
            1 => true,
            axis => {
                return Err(Error::Saver(format!(
                    "The only supported values for the axis argument are 0 and 1.  Provided axis: {axis}"
                )));
            }
        };
        let n_cols = shape.get(1).copied().unwrap_or_default();
        let remap = Remap {
            prefix: &prefix,
            key,
            vocabularies: Vocabularies {
                new: &info.new_vocab,
                old: &info.old_vocab,
                old_size: info.old_vocab_size.map_or(-1, |n| i64::try_from(n).unwrap_or(i64::MAX)),
            },
            by_columns,
            size: if by_columns {
                [n_rows, info.new_vocab_size]
            } else {
                [info.new_vocab_size, n_cols]
            },
            n_oov: if by_columns { [0, info.num_oov_buckets] } else { [info.num_oov_buckets, 0] },
            backup: info.backup_initializer.as_ref().unwrap_or(&zeros),
        };
        let value = remap.initial_value(scope, shape, offset_of(variable))?;
        let assign = scope.assign(variable, value)?;
        let assigned = match variable.is_resource() {
            true => {
                // TensorFlow's assignment gives the variable as it is afterwards.
                let mut after = scope.control_dependencies([assign])?;
                let read = after.op("ReadVariableOp").input(variable.handle());
                read.attr("dtype", Attr::Type(variable.dtype())).build()?;
                Element::Node(assign)
            }
            false => Element::Output(assign.output(0)),
        };
        let initial_value = variable.initial_value().unwrap_or(value);
        scope.set_initializer(variable, assigned, initial_value)?;
    }
    Ok(())
}

/// The first row of the whole that a part has.
fn offset_of(variable: &Variable) -> usize {
    let Some(slice) = variable.save_slice() else { return 0 };
    let sizes = slice.shape.dims().iter().zip(slice.full_shape.dims());
    let cut = sizes.zip(&slice.offset).find(|((part, whole), _)| part != whole);
    cut.map_or(0, |(_, offset)| *offset)
}

fn check_used<'a>(
    argument: &str,
    given: impl Iterator<Item = &'a String>,
    names: &[String],
) -> Result<(), Error> {
    let quoted = |name: &String| format!("'{name}'");
    let unused: Vec<String> = given.filter(|name| !names.contains(name)).map(quoted).collect();
    if unused.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = names.iter().map(quoted).collect();
    Err(Error::Saver(format!(
        "You provided the following variables in {argument} that were not used: {{{}}}.  Perhaps you misspelled them?  Here \
         is the list of viable variable names: dict_keys([{}])",
        unused.join(", "),
        names.join(", ")
    )))
}
