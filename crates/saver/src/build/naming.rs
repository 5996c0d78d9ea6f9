use std::collections::{BTreeMap, HashSet};

use flowkeep_graph::Output;
use flowkeep_graph::builder::{SaveableObject, Scope, Table, Variable};

use super::saveable::Saveable;
use super::text::{python_tensor, python_variable};
use super::{SaveItem, VarList};
use crate::Error;

/// Ops whose outputs count as variables.
const VARIABLE_OPS: [&str; 4] = ["Variable", "VariableV2", "AutoReloadVariable", "ReadVariableOp"];

/// What is saved under a key.
enum Named {
    Tensor(Output),
    /// Slices that a list has, one by one.
    Slices(Vec<Variable>),
    /// Slices that were given as one thing.
    Whole(Vec<Variable>),
    Table(Table),
    Object(SaveableObject),
}

/// What a Saver saves, in order of keys; slices of one key in the order in which they were given.
///
/// Errors: `INVALID_ARGUMENT`, with TensorFlow's texts, for what is no variable, for slices that are
/// none or of different variables, for a key that two variables have and a variable under two keys.
pub(super) fn saveables(scope: &mut Scope, var_list: &VarList) -> Result<Vec<Saveable>, Error> {
    let named = match var_list {
        VarList::List(items) => by_own_names(scope, items)?,
        VarList::Map(items) => {
            items.iter().map(|(key, item)| (key.clone(), of_key(item))).collect()
        }
    };
    let mut saveables: Vec<Saveable> = Vec::new();
    let mut seen = HashSet::new();
    for (key, named) in named {
        let of_this_key = match named {
            Named::Tensor(tensor) if is_variable(scope, tensor) => {
                vec![Saveable::of_tensor(scope, tensor, &key)?]
            }
            Named::Tensor(tensor) => {
                return Err(Error::Saver(format!(
                    "names_to_saveables must be a dict mapping string names to Tensors/Variables. Not a variable: {}",
                    python_tensor(scope, tensor)
                )));
            }
            Named::Slices(slices) | Named::Whole(slices) => of_slices(scope, &slices, &key)?,
            Named::Table(table) => {
                let object = scope.table_saveable(&table, &key)?;
                vec![Saveable::of_object(scope, &object)?]
            }
            Named::Object(object) => vec![Saveable::of_object(scope, &object)?],
        };
        for saveable in of_this_key {
            if saveable.identity().is_some_and(|identity| !seen.insert(identity)) {
                return Err(Error::Saver(format!(
                    "The same saveable will be restored with two names: {}",
                    saveable.name
                )));
            }
            saveables.push(saveable);
        }
    }
    Ok(saveables)
}

fn of_key(item: &SaveItem) -> Named {
    match item {
        SaveItem::Variable(variable) => Named::Tensor(variable.graph_element()),
        SaveItem::Tensor(tensor) => Named::Tensor(*tensor),
        SaveItem::Partitioned(whole) => Named::Whole(whole.parts().to_vec()),
        SaveItem::Slices(slices) => Named::Whole(slices.clone()),
        SaveItem::Table(table) => Named::Table(table.clone()),
        SaveItem::Object(object) => Named::Object((**object).clone()),
    }
}

fn of_slices(scope: &Scope, slices: &[Variable], key: &str) -> Result<Vec<Saveable>, Error> {
    let mut full_name = None;
    let mut saveables = Vec::with_capacity(slices.len());
    for variable in slices {
        let Some(slice) = variable.save_slice() else {
            let variable = python_variable(scope, variable);
            return Err(Error::Saver(format!("Slices must all be slices: {variable}")));
        };
        let first: &str = full_name.get_or_insert(&slice.full_name);
        if first != slice.full_name {
            return Err(Error::Saver(format!(
                "Slices must all be from the same tensor: {first} != {}",
                slice.full_name
            )));
        }
        saveables.push(Saveable::of_slice(scope, variable, slice.spec(), key));
    }
    Ok(saveables)
}

/// An item of a list, with lists in it laid flat.
enum Item<'a> {
    Variable(&'a Variable),
    Partitioned(&'a str, &'a [Variable]),
    Tensor(Output),
    Table(&'a Table),
    Object(&'a SaveableObject),
}

/// The keys of what is given as a list.
fn by_own_names(scope: &mut Scope, items: &[SaveItem]) -> Result<BTreeMap<String, Named>, Error> {
    let graph = scope.graph();
    let mut flat: Vec<(String, Item<'_>)> = Vec::new();
    for item in items {
        match item {
            SaveItem::Variable(variable) => {
                flat.push((variable.name(graph), Item::Variable(variable)));
            }
            SaveItem::Slices(slices) => {
                flat.extend(slices.iter().map(|slice| (slice.name(graph), Item::Variable(slice))));
            }
            SaveItem::Partitioned(whole) => {
                let item = Item::Partitioned(whole.name(), whole.parts());
                flat.push((whole.name().to_owned(), item));
            }
            SaveItem::Tensor(tensor) => {
                flat.push((graph.tensor_name(*tensor).to_string(), Item::Tensor(*tensor)));
            }
            SaveItem::Table(table) => flat.push((table.name().to_owned(), Item::Table(table))),
            SaveItem::Object(object) => flat.push((object.name().to_owned(), Item::Object(object))),
        }
    }
    flat.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut named = BTreeMap::new();
    for (_, item) in flat {
        add(scope, &mut named, &item)?;
    }
    Ok(named)
}

fn add(
    scope: &mut Scope,
    named: &mut BTreeMap<String, Named>,
    item: &Item<'_>,
) -> Result<(), Error> {
    let (name, value) = match item {
        // An object takes the place of whatever else has its name.
        Item::Object(object) => {
            named.insert(object.name().to_owned(), Named::Object((*object).clone()));
            return Ok(());
        }
        Item::Table(table) => {
            let object = scope.table_saveable(table, "")?;
            named.insert(String::new(), Named::Object(object));
            return Ok(());
        }
        Item::Variable(variable) => match variable.save_slice() {
            None => of_tensor(scope, variable.graph_element())?,
            Some(slice) => {
                let slices = named.entry(slice.full_name.clone());
                return match slices.or_insert_with(|| Named::Slices(Vec::new())) {
                    Named::Slices(slices) => {
                        slices.push((*variable).clone());
                        Ok(())
                    }
                    _ => Err(Error::Saver(format!(
                        "Mixing slices and non-slices with the same name: {}",
                        slice.full_name
                    ))),
                };
            }
        },
        Item::Partitioned(name, parts) => ((*name).to_owned(), Named::Whole(parts.to_vec())),
        Item::Tensor(tensor) => of_tensor(scope, *tensor)?,
    };
    match named.contains_key(&name) {
        true => Err(Error::Saver(format!("At least two variables have the same name: {name}"))),
        false => {
            named.insert(name, value);
            Ok(())
        }
    }
}

/// The name of a variable: that of its node, or of the resource that is read.
fn of_tensor(scope: &Scope, tensor: Output) -> Result<(String, Named), Error> {
    if !is_variable(scope, tensor) {
        return Err(Error::Saver(format!(
            "Variable to save is not a Variable: {}",
            python_tensor(scope, tensor)
        )));
    }
    let graph = scope.graph();
    let node = graph.node(tensor.node);
    let node = match node.inputs().first() {
        Some(handle) if node.op() == "ReadVariableOp" => graph.node(handle.node),
        _ => node,
    };
    Ok((node.name().to_owned(), Named::Tensor(tensor)))
}

fn is_variable(scope: &Scope, tensor: Output) -> bool {
    let node = scope.graph().get(tensor.node);
    node.is_some_and(|node| VARIABLE_OPS.contains(&node.op()))
}
