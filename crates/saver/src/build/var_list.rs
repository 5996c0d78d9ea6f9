use std::collections::BTreeMap;

use flowkeep_graph::Output;
use flowkeep_graph::builder::{PartitionedVariable, SaveableObject, Table, Variable};

/// Which variables a Saver saves, and under which keys.
///
/// ```
/// use flowkeep_graph::builder::{Initializer, Scope, VariableOptions};
/// use flowkeep_saver::{Saver, SaverConfig, VarList};
///
/// let mut scope = Scope::new();
/// let zeros = VariableOptions::new().shape([2]).initializer(Initializer::Zeros);
/// let v1 = scope.get_variable("v1", zeros.clone())?;
/// let v2 = scope.get_variable("v2", zeros)?;
/// let both = VarList::list([&v1, &v2]);
/// let renamed = VarList::map([("weights", &v2)]);
/// for (var_list, name) in [(both, "save/Const:0"), (renamed, "save_1/Const:0")] {
///     let saver = Saver::new(&mut scope, SaverConfig::of(var_list))?;
///     assert_eq!(saver.as_saver_def().unwrap().filename_tensor_name, name);
/// }
/// # Ok::<(), flowkeep_saver::Error>(())
/// ```
#[derive(Clone, Debug)]
pub enum VarList {
    /// Under their own names. Slices of one variable go under the name of the whole.
    List(Vec<SaveItem>),
    /// Under these keys.
    Map(BTreeMap<String, SaveItem>),
}

/// Something that is saved.
#[derive(Clone, Debug)]
pub enum SaveItem {
    /// A variable. In a list, one that is a slice counts as such; under a key of its own it is whole.
    Variable(Variable),
    /// A partitioned variable, in slices of the whole.
    Partitioned(PartitionedVariable),
    /// Slices of one variable.
    Slices(Vec<Variable>),
    /// A tensor that is a variable: the output of `VariableV2`, or of a `ReadVariableOp`.
    Tensor(Output),
    /// A table, whose keys and values are exported by nodes of the Saver's own. TensorFlow gives it no
    /// name in a list: there it is saved as `-keys` and `-values`.
    Table(Table),
    /// An object, under the keys that it has itself.
    Object(Box<SaveableObject>),
}

impl VarList {
    /// These, under their own names.
    pub fn list<T: Into<SaveItem>>(items: impl IntoIterator<Item = T>) -> VarList {
        VarList::List(items.into_iter().map(Into::into).collect())
    }

    /// These, under these keys.
    pub fn map<K: Into<String>, T: Into<SaveItem>>(
        items: impl IntoIterator<Item = (K, T)>,
    ) -> VarList {
        VarList::Map(items.into_iter().map(|(key, item)| (key.into(), item.into())).collect())
    }

    /// Whether there is nothing to save.
    pub fn is_empty(&self) -> bool {
        match self {
            VarList::List(items) => items.is_empty(),
            VarList::Map(items) => items.is_empty(),
        }
    }
}

impl From<Variable> for SaveItem {
    fn from(variable: Variable) -> SaveItem {
        SaveItem::Variable(variable)
    }
}

impl From<&Variable> for SaveItem {
    fn from(variable: &Variable) -> SaveItem {
        SaveItem::Variable(variable.clone())
    }
}

impl From<PartitionedVariable> for SaveItem {
    fn from(variable: PartitionedVariable) -> SaveItem {
        SaveItem::Partitioned(variable)
    }
}

impl From<&PartitionedVariable> for SaveItem {
    fn from(variable: &PartitionedVariable) -> SaveItem {
        SaveItem::Partitioned(variable.clone())
    }
}

impl From<Vec<Variable>> for SaveItem {
    fn from(slices: Vec<Variable>) -> SaveItem {
        SaveItem::Slices(slices)
    }
}

impl From<&Table> for SaveItem {
    fn from(table: &Table) -> SaveItem {
        SaveItem::Table(table.clone())
    }
}

impl From<SaveableObject> for SaveItem {
    fn from(saveable: SaveableObject) -> SaveItem {
        SaveItem::Object(Box::new(saveable))
    }
}

impl From<Output> for SaveItem {
    fn from(tensor: Output) -> SaveItem {
        SaveItem::Tensor(tensor)
    }
}
