use std::collections::{BTreeMap, BTreeSet};

use flowkeep_bundle::object_graph::OBJECT_GRAPH_KEY;
use flowkeep_bundle::{Key, ObjectGraph};
use flowkeep_tensor::Tensor;

use crate::rename::replace;
use crate::transfer::{self, Item};
use crate::{Checkpoint, Error, Output, Progress, Selection, Written};

/// What is left out of a pruned checkpoint.
#[derive(Clone, Debug, Default)]
pub struct PruneOptions {
    /// Tensors that are kept; those that are not selected are left out.
    pub selection: Selection,
    /// Whether the slots of optimizers and the scalars that only training needs are left out, too.
    /// The `save_counter` of a `tf.train.Checkpoint` stays: restoring asks for it.
    pub slots: bool,
}

/// Why a tensor is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pruned {
    /// It was not selected.
    ByName,
    /// It is a slot of an optimizer, such as `dense/kernel/Adam`.
    Slot,
    /// It is state of an optimizer, or a counter, that belongs to no variable, such as `beta1_power`.
    TrainingState,
}

/// What a pruned checkpoint has and has not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PruneReport {
    /// The names that are kept, in order.
    pub kept: Vec<Key>,
    /// The names that are left out, in order, and why.
    pub pruned: Vec<(Key, Pruned)>,
    /// What was written; nothing if it was only asked what would be.
    pub written: Written,
}

/// What [`prune`] would keep and leave out; nothing is written.
///
/// Errors: `DATA_LOSS` if the object graph cannot be read.
pub fn plan_prune(from: &Checkpoint, options: &PruneOptions) -> Result<PruneReport, Error> {
    let training = match options.slots {
        true => training_state(from)?,
        false => BTreeMap::new(),
    };
    let mut report = PruneReport::default();
    for info in from.tensors() {
        let name = &info.name;
        let pruned = match training.get(name) {
            _ if name == OBJECT_GRAPH_KEY => None,
            _ if !options.selection.contains(name) => Some(Pruned::ByName),
            pruned => pruned.copied(),
        };
        match pruned {
            Some(pruned) => report.pruned.push((name.clone(), pruned)),
            None => report.kept.push(name.clone()),
        }
    }
    report.kept.sort();
    report.pruned.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(report)
}

/// Writes a checkpoint with some of the tensors of another. The object graph of an object-based
/// checkpoint is kept, without what it says of those that are left out.
///
/// Errors: those of reading and writing.
pub fn prune(
    from: &Checkpoint,
    options: &PruneOptions,
    output: &Output,
    progress: Progress<'_>,
) -> Result<PruneReport, Error> {
    let report = plan_prune(from, options)?;
    let kept: BTreeSet<&Key> = report.kept.iter().collect();
    let mut items = Vec::with_capacity(kept.len());
    for info in from.tensors().iter().filter(|info| kept.contains(&info.name)) {
        items.push(Item::copy(from, info, info.name.clone())?);
    }
    if let Some(graph) = from.object_graph()? {
        let graph = graph.retain_keys(|key| {
            let key = Key::from(key.as_bytes().to_vec());
            match from.get(&key) {
                Some(_) => kept.contains(&key),
                // The tensors of a table have longer names than its attribute.
                None => {
                    kept.range::<Key, _>(&key..).next().is_some_and(|name| name.starts_with(&key))
                }
            }
        });
        replace(&mut items, OBJECT_GRAPH_KEY, Tensor::scalar_string(graph.encode()));
    }
    let written = transfer::write(items, output, progress)?;
    Ok(PruneReport { written, ..report })
}

/// The tensors that only training needs, told by the object graph, or by their names.
fn training_state(from: &Checkpoint) -> Result<BTreeMap<Key, Pruned>, Error> {
    let mut found = BTreeMap::new();
    match from.object_graph()? {
        Some(graph) => add_by_graph(from, &graph, &mut found),
        None => add_by_name(from, &mut found),
    }
    Ok(found)
}

/// The names that TensorFlow 1's optimizers give to slots, after the variable's name and a slash; more
/// slots of the same optimizer have a number behind.
const SLOT_NAMES: &[&str] = &[
    "Adadelta",
    "Adagrad",
    "AdagradDA",
    "Adam",
    "AdaMax",
    "AddSign",
    "Ftrl",
    "LARSOptimizer",
    "LAMB",
    "LazyAdam",
    "Momentum",
    "Nadam",
    "PowerSign",
    "ProximalAdagrad",
    "RMSProp",
    "RMSPropOptimizer",
    "adam_m",
    "adam_v",
    "gradient_squared_accumulator",
    "linear",
    "momentum",
    "rms",
];

/// The last parts of names of scalars that only training needs.
const SCALAR_NAMES: &[&str] = &["beta1_power", "beta2_power", "global_step"];
/// Those that may mean something else outside of an optimizer's scope.
const HYPER_NAMES: &[&str] = &[
    "beta_1",
    "beta_2",
    "decay",
    "epsilon",
    "iter",
    "iterations",
    "learning_rate",
    "momentum",
    "rho",
];
/// Scopes of optimizers, in lower case.
const OPTIMIZER_SCOPES: &[&str] = &[
    "adadelta",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "ftrl",
    "lamb",
    "nadam",
    "optimizer",
    "rmsprop",
    "sgd",
    "training",
];

/// By the names that TensorFlow 1 gives: a slot is called as its variable, and more.
fn add_by_name(from: &Checkpoint, found: &mut BTreeMap<Key, Pruned>) {
    for info in from.tensors() {
        let Some(name) = info.name.as_str() else { continue };
        let (stem, last) = name.rsplit_once('/').unwrap_or(("", name));
        // Slots of a second optimizer, or a second slot of one, end in a number.
        let base = match last.rsplit_once('_') {
            Some((base, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => base,
            _ => last,
        };
        if SLOT_NAMES.contains(&base) && slot_owner(from, stem) {
            found.insert(info.name.clone(), Pruned::Slot);
            continue;
        }
        let is_state = SCALAR_NAMES.contains(&base)
            || HYPER_NAMES.contains(&base) && is_scope_of_optimizer(stem);
        if is_state && info.n_elements() == 1 {
            found.insert(info.name.clone(), Pruned::TrainingState);
        }
    }
}

/// Whether a slot's name without its last part is that of a variable; TensorFlow puts the name of the
/// optimizer's scope before it, or that of the variable's scope twice.
fn slot_owner(from: &Checkpoint, stem: &str) -> bool {
    let mut rest = Some(stem);
    while let Some(name) = rest.filter(|name| !name.is_empty()) {
        if from.get(name).is_some() {
            return true;
        }
        rest = name.split_once('/').map(|(_, rest)| rest);
    }
    false
}

fn is_scope_of_optimizer(scope: &str) -> bool {
    let mut parts = scope.split('/').map(str::to_ascii_lowercase);
    parts.any(|part| {
        OPTIMIZER_SCOPES.contains(&part.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_'))
    })
}

/// By the object graph: slot variables, and what belongs to an optimizer.
fn add_by_graph(from: &Checkpoint, graph: &ObjectGraph, found: &mut BTreeMap<Key, Pruned>) {
    let nodes = graph.nodes();
    let mut slots = BTreeSet::new();
    let mut optimizers = BTreeSet::new();
    for (id, node) in nodes.iter().enumerate() {
        slots.extend(node.slot_variables.iter().map(|slot| slot.slot_variable));
        if !node.slot_variables.is_empty() && id != 0 {
            optimizers.insert(id);
        }
        // Keras 3 keeps slots among the optimizer's own variables.
        for child in &node.children {
            if matches!(&*child.local_name, "optimizer" | "_optimizer") {
                optimizers.insert(child.node_id);
            }
        }
    }
    // What an optimizer leads to and nothing else does.
    let others = reachable(graph, &[0], &optimizers);
    let within: BTreeSet<usize> =
        reachable(graph, &optimizers.iter().copied().collect::<Vec<_>>(), &BTreeSet::new())
            .difference(&others)
            .copied()
            .collect();
    let names: BTreeSet<&Key> = from.tensors().iter().map(|info| &info.name).collect();
    let mut insert = |key: &str, pruned| {
        let key = Key::from(key.as_bytes().to_vec());
        // The tensors of a table have longer names than its attribute.
        for name in names.range::<Key, _>(&key..).take_while(|name| name.starts_with(&key)) {
            found.entry((*name).clone()).or_insert(pruned);
        }
    };
    for (id, node) in nodes.iter().enumerate() {
        for attribute in &node.attributes {
            if slots.contains(&id) {
                insert(&attribute.checkpoint_key, Pruned::Slot);
            } else if within.contains(&id) {
                insert(&attribute.checkpoint_key, Pruned::TrainingState);
            }
        }
    }
    // The root may be an optimizer itself; what it leads to is everything.
    let Some(root) = nodes.first() else { return };
    for child in &root.children {
        let name = &*child.local_name;
        let is_state = SCALAR_NAMES.contains(&name)
            || HYPER_NAMES.contains(&name) && !root.slot_variables.is_empty();
        let attributes = nodes.get(child.node_id).filter(|_| is_state);
        for attribute in attributes.map(|node| node.attributes.as_slice()).unwrap_or_default() {
            insert(&attribute.checkpoint_key, Pruned::TrainingState);
        }
    }
}

/// The nodes that can be reached from some without going through others.
fn reachable(graph: &ObjectGraph, from: &[usize], barred: &BTreeSet<usize>) -> BTreeSet<usize> {
    let mut seen = BTreeSet::new();
    let mut stack: Vec<usize> = from.to_vec();
    while let Some(id) = stack.pop() {
        if barred.contains(&id) || !seen.insert(id) {
            continue;
        }
        let children = graph.nodes().get(id).map(|node| node.children.as_slice());
        stack.extend(children.unwrap_or_default().iter().map(|child| child.node_id));
    }
    seen
}
