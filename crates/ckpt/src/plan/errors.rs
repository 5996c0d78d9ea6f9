//! What TensorFlow says where restoring fails.

use std::collections::HashSet;

use super::compare::{Outcome, Plan, PlanItem};
use super::lookup::Names;
use super::target::WantedBy;
use super::wanted::Assignment;
use crate::Format;

impl Plan<'_> {
    /// The text of the error with which TensorFlow fails to restore a graph, without what it says around
    /// it; `None` if it does not, though a variable may end up in another shape.
    ///
    /// Of several faults, TensorFlow tells of those that it finds first: what is missing, then types,
    /// then shapes; but a V1 checkpoint is read tensor by tensor, and the first that fails is told of.
    /// Of shapes that do not fit, it tells of any: this is the first by name. The ops of a graph know no
    /// names but their own: of [`Plan::names`], only those of an object-based checkpoint are looked at by
    /// TensorFlow's saver.
    pub fn error(&self) -> Option<String> {
        if self.is_for_v1_only() {
            return Some(format!(
                "Unsuccessful TensorSliceReader constructor: Failed to find any matching files for {}",
                self.from.path().display()
            ));
        }
        let is_graph = self.to.wanted_by != WantedBy::Checkpoint;
        if is_graph && matches!(self.names, Names::FullNamesOfTarget | Names::Paths) {
            let errors = self.to.wanted.iter().map(|wanted| self.from.info(&wanted.name).err());
            return errors.flatten().next().map(|error| error.to_string());
        }
        let shapes = || self.items.iter().find_map(PlanItem::shape_error);
        if is_graph && self.from.format() == Format::V1 {
            return self.items.iter().find_map(PlanItem::read_error).or_else(shapes);
        }
        let missing = |item: &&PlanItem<'_>| {
            matches!(item.outcome, Outcome::Missing { .. } | Outcome::Damaged)
        };
        if let Some(first) = self.items.iter().find(missing) {
            return match is_graph && self.objects.is_some() {
                true => Some(self.missing_objects()),
                false => first.error(),
            };
        }
        let slices = || self.items.iter().find_map(PlanItem::slice_error);
        self.type_errors().or_else(slices).or_else(shapes)
    }

    /// What the first op says that is to restore tensors of other types: all of them, and of a
    /// partitioned variable each part.
    fn type_errors(&self) -> Option<String> {
        let errors = self.items.iter().filter_map(|item| Some((item.type_error()?, item.wanted)));
        let errors: Vec<_> = errors
            .flat_map(|(error, wanted)| wanted.ops.iter().map(move |op| (*op, error.clone())))
            .collect();
        let (first, _) = *errors.first()?;
        let of_first = errors.into_iter().filter(|(op, _)| *op == first).map(|(_, error)| error);
        Some(of_first.collect::<Vec<_>>().join("\n"))
    }

    /// The beginning of the text for a saver by names that does not find them among objects.
    fn missing_objects(&self) -> String {
        let by_name = |item: &&PlanItem<'_>| {
            let objects = self.objects.as_ref();
            let name = item.wanted.name.as_str();
            name.is_some_and(|name| objects.is_some_and(|o| o.by_full_name(name).is_some()))
        };
        let (found, missing): (Vec<_>, Vec<_>) = self.items.iter().partition(by_name);
        let names = |items: &[&PlanItem<'_>]| {
            items.iter().map(|item| item.wanted.name.to_string()).collect::<Vec<_>>()
        };
        let attributes = self.objects.iter().flat_map(|o| o.nodes()).flat_map(|n| &n.attributes);
        let found_names: HashSet<_> = names(&found).into_iter().collect();
        let mut unused: Vec<_> = attributes
            .map(|attribute| attribute.full_name.as_str())
            .filter(|name| !found_names.contains(*name))
            .collect();
        unused.sort_unstable();
        unused.dedup();
        format!(
            "Existing variables not in the checkpoint: {}\n\nVariables names when this checkpoint was \
             written which don't exist now: {}\n\n({} variable name(s) did match)\n\nCould not find \
             some variables in the checkpoint (see names above).",
            names(&missing).join(", "),
            unused.join(", "),
            found.len()
        )
    }
}

impl PlanItem<'_> {
    /// What is wrong, in TensorFlow's words where it has some; `None` if it is restored.
    ///
    /// Of a shape that TensorFlow does not look at, these are ours.
    pub fn error(&self) -> Option<String> {
        if self.ok() {
            return None;
        }
        self.read_error().or_else(|| self.shape_error()).or_else(|| {
            let source = self.source?;
            let (wanted, stored) = (&self.wanted.shape, &source.shape);
            Some(format!("the variable would change its shape from {wanted} to {stored}"))
        })
    }

    /// What is wrong before a variable is looked at.
    fn read_error(&self) -> Option<String> {
        let known = self.why.clone().or_else(|| self.type_error());
        known.or_else(|| self.slice_error())
    }

    fn type_error(&self) -> Option<String> {
        let (Outcome::Mismatch { dtype: true, .. }, Some(source), Some(dtype)) =
            (&self.outcome, self.source, self.wanted.dtype)
        else {
            return None;
        };
        let (name, stored) = (&self.wanted.name, &source.stored_type);
        Some(match self.wanted.first_dtype.filter(|_| self.is_v1) {
            None => format!(
                "tensor_name = {name}; expected dtype {dtype} does not equal original dtype {stored}"
            ),
            // Whatever is expected of this one.
            Some(first) => format!(
                "Expected to restore a tensor of type {first}, got a tensor of type {stored} instead: \
                 tensor_name = {name}"
            ),
        })
    }

    fn slice_error(&self) -> Option<String> {
        let source = self.mismatched_shape().filter(|_| !self.wanted.slices.is_empty())?;
        let (name, wanted, stored) = (&self.wanted.name, &self.wanted.shape, &source.shape);
        Some(match self.is_v1 {
            false => format!(
                "tensor_name = {name}; shape in shape_and_slice spec {wanted} does not match the shape \
                 stored in checkpoint: {stored}"
            ),
            true => format!(
                "Shape in shape_and_slice spec does not match the shape in the save file: {wanted}, \
                 save file shape: {stored}"
            ),
        })
    }

    fn shape_error(&self) -> Option<String> {
        let source = self.mismatched_shape().filter(|_| self.wanted.slices.is_empty())?;
        match self.wanted.assignment {
            Assignment::Unchecked => None,
            Assignment::Checked => Some(format!(
                "Assign requires shapes of both tensors to match. lhs shape= {} rhs shape= {}",
                self.wanted.shape, source.shape
            )),
            Assignment::Reshaped => Some(format!(
                "Input to reshape is a tensor with {} values, but the requested shape has {}",
                source.n_elements(),
                self.wanted.shape.to_shape().map_or(0, |shape| shape.n_elements())
            )),
        }
    }

    /// The tensor of the checkpoint, if it has another shape.
    fn mismatched_shape(&self) -> Option<&crate::TensorInfo> {
        match self.outcome {
            Outcome::Mismatch { shape: true, .. } => self.source,
            _ => None,
        }
    }
}
