use std::collections::HashSet;

use flowkeep_bundle::{Key, ObjectGraph};
use flowkeep_tensor::Shape;

use super::is_object_graph;
use super::lookup::{Lookup, Names, full_name};
use super::target::{Target, WantedBy};
use super::wanted::{Assignment, Wanted};
use crate::{Checkpoint, Error, Format, TensorInfo, nearest};

/// The most names that are given for one that is missing.
const MAX_NEAREST: usize = 3;

/// What restoring a checkpoint would do.
#[derive(Debug)]
#[non_exhaustive]
pub struct Plan<'a> {
    /// What would become of each tensor that is wanted, in order of names.
    pub items: Vec<PlanItem<'a>>,
    /// Tensors of the checkpoint that nothing asks for, in its order.
    pub unused: Vec<&'a TensorInfo>,
    /// By which names tensors were looked up.
    pub names: Names,
    pub(super) from: &'a Checkpoint,
    pub(super) to: &'a Target,
    /// Whether the checkpoint is object-based, which is known if something is missing.
    pub(super) objects: Option<ObjectGraph>,
}

/// What would become of a tensor that is wanted.
#[derive(Debug)]
#[non_exhaustive]
pub struct PlanItem<'a> {
    /// What is wanted.
    pub wanted: &'a Wanted,
    /// The tensor of the checkpoint, if there is one.
    pub source: Option<&'a TensorInfo>,
    /// What would become of it.
    pub outcome: Outcome,
    /// What is said if it is missing, or damaged.
    pub(super) why: Option<String>,
    /// Whether the checkpoint is a V1 checkpoint.
    pub(super) is_v1: bool,
}

/// What would become of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It is restored as it is.
    Restored,
    /// It has another shape with as many elements, and the saver brings it into that of the variable.
    Reshaped,
    /// The checkpoint has no such tensor.
    Missing {
        /// Tensors with names like it, the most likely first.
        nearest: Vec<Nearest>,
    },
    /// The checkpoint has one, but it cannot be told what it is.
    Damaged,
    /// The checkpoint has another one under this name.
    Mismatch {
        /// Whether it is of another type.
        dtype: bool,
        /// Whether it has another shape.
        shape: bool,
        /// Whether the shapes are different and have as many elements, so that a saver that reshapes
        /// would restore it.
        reshape_fits: bool,
    },
}

/// A tensor whose name is like one that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Nearest {
    /// Its name: the one by which it would be looked up, see [`Plan::names`].
    pub name: String,
    /// Whether it has the type and the shape that are wanted.
    pub fits: bool,
}

impl<'a> Plan<'a> {
    /// Compares what a checkpoint has with what is wanted.
    ///
    /// Errors: those of [`Checkpoint::object_graph`], which is only looked at if something is missing.
    pub fn new(from: &'a Checkpoint, to: &'a Target) -> Result<Plan<'a>, Error> {
        let Lookup { names, sources, objects } = Lookup::new(from, to)?;
        let used: HashSet<&Key> = sources.iter().flatten().map(|info| &info.name).collect();
        // The object graph of a name-based checkpoint is not missed where full names stand in for it.
        let is_item =
            |wanted: &Wanted| names != Names::FullNamesOfTarget || !is_object_graph(&wanted.name);
        let mut suggest = Suggest::new(from, to, names, objects.as_ref(), &used);
        let items = to.wanted.iter().zip(sources).filter(|(wanted, _)| is_item(wanted));
        let is_v1 = from.format() == Format::V1;
        let items = items.map(|(wanted, source)| match source {
            Some(info) => {
                PlanItem { wanted, source, outcome: outcome(wanted, info), why: None, is_v1 }
            }
            None => {
                let is_damaged = from.damaged().iter().any(|(name, _)| *name == wanted.name);
                let why = from.info(&wanted.name).err().map(|error| error.to_string());
                let outcome = match is_damaged {
                    true => Outcome::Damaged,
                    false => Outcome::Missing { nearest: suggest.nearest(wanted) },
                };
                PlanItem { wanted, source: None, outcome, why, is_v1 }
            }
        });
        let items = items.collect();
        let unused = from.tensors().iter();
        let unused =
            unused.filter(|info| !is_object_graph(&info.name) && !used.contains(&info.name));
        Ok(Plan { items, unused: unused.collect(), names, from, to, objects })
    }

    /// Whether everything that is wanted is restored.
    pub fn ok(&self) -> bool {
        self.items.iter().all(PlanItem::ok) && !self.is_for_v1_only()
    }

    /// Whether the saver reads V1 checkpoints alone, and this is none.
    pub(super) fn is_for_v1_only(&self) -> bool {
        let only_v1 = matches!(self.to.wanted_by, WantedBy::Saver { only_v1: true, .. });
        // TensorFlow falls back to a new saver for checkpoints of objects.
        only_v1 && self.from.format() != Format::V1 && self.names == Names::Same
    }
}

impl PlanItem<'_> {
    /// Whether it is restored.
    pub fn ok(&self) -> bool {
        matches!(self.outcome, Outcome::Restored | Outcome::Reshaped)
    }
}

fn outcome(wanted: &Wanted, info: &TensorInfo) -> Outcome {
    let dtype = wanted.dtype.is_some() && wanted.dtype != info.dtype;
    let shape = !wanted.shape.matches(&info.shape);
    let wanted_shape = wanted.shape.to_shape();
    let reshape_fits = shape && wanted_shape.is_some_and(|shape| same_count(&shape, &info.shape));
    match (dtype, shape) {
        (false, false) => Outcome::Restored,
        (false, true) if reshape_fits && wanted.assignment == Assignment::Reshaped => {
            Outcome::Reshaped
        }
        _ => Outcome::Mismatch { dtype, shape, reshape_fits },
    }
}

fn same_count(a: &Shape, b: &Shape) -> bool {
    let n = a.checked_n_elements();
    n.is_some() && n == b.checked_n_elements()
}

/// Finds names that are like those that are missing.
struct Suggest<'a> {
    from: &'a Checkpoint,
    to: &'a Target,
    names: Names,
    /// By the names that are looked up, the keys.
    full_names: Vec<(&'a str, &'a str)>,
    used: &'a HashSet<&'a Key>,
    index: nearest::Names<'a>,
}

impl<'a> Suggest<'a> {
    fn new(
        from: &'a Checkpoint,
        to: &'a Target,
        names: Names,
        objects: Option<&'a ObjectGraph>,
        used: &'a HashSet<&'a Key>,
    ) -> Suggest<'a> {
        let mut full_names: Vec<(&str, &str)> = match objects {
            Some(objects) if names == Names::FullNamesOfSource => {
                let attributes = objects.nodes().iter().flat_map(|node| &node.attributes);
                let attributes = attributes.filter(|attribute| !attribute.full_name.is_empty());
                attributes.map(|one| (&*one.full_name, &*one.checkpoint_key)).collect()
            }
            _ => Vec::new(),
        };
        full_names.sort_unstable();
        let index = match names {
            Names::FullNamesOfSource => {
                nearest::Names::new(full_names.iter().map(|(name, _)| *name))
            }
            _ => {
                let names = from.tensors().iter().filter(|info| !is_object_graph(&info.name));
                nearest::Names::new(names.filter_map(|info| info.name.as_str()))
            }
        };
        Suggest { from, to, names, full_names, used, index }
    }

    fn nearest(&mut self, wanted: &Wanted) -> Vec<Nearest> {
        let full_name = match (self.names, &self.to.objects) {
            (Names::FullNamesOfTarget, Some(objects)) => full_name(objects, wanted),
            _ => None,
        };
        let Some(name) = full_name.as_deref().or(wanted.name.as_str()) else { return Vec::new() };
        let found = self.index.nearest(name).into_iter();
        let found = found.map(|(name, likeness)| {
            let at = self.full_names.partition_point(|(other, _)| *other < name);
            let key = match self.full_names.get(at) {
                Some((other, key)) if *other == name => key,
                _ => name,
            };
            let info = self.from.get(key);
            let fits = info.is_some_and(|info| outcome(wanted, info) == Outcome::Restored);
            let is_used = info.is_some_and(|info| self.used.contains(&info.name));
            (is_used, !fits, likeness, name)
        });
        let mut found: Vec<_> = found.collect();
        found.sort_by_key(|(is_used, misfits, likeness, _)| (*is_used, *misfits, *likeness));
        found.truncate(MAX_NEAREST);
        let found = found.into_iter();
        found.map(|(_, misfits, _, name)| Nearest { name: name.into(), fits: !misfits }).collect()
    }
}
