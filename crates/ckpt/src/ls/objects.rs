use std::collections::HashMap;

use flowkeep_bundle::object_graph::VARIABLE_VALUE;
use flowkeep_bundle::{Key, ObjectGraph};

use super::sort::SortBy;
use super::sum::Totals;
use super::{ListOptions, Listing, type_name};
use crate::text::{Align, Columns, TextOptions, shown};
use crate::{Checkpoint, Error, TensorInfo};

/// What stands in keys between the path of an object and the name of a value.
const ATTRIBUTES: &str = "/.ATTRIBUTES/";

/// Tensors of an object-based checkpoint, by the objects that own them.
#[derive(Debug)]
#[non_exhaustive]
pub struct ObjectListing<'a> {
    /// The tensors, in the order of their keys that was asked for.
    pub rows: Vec<ObjectRow<'a>>,
    /// Those that cannot be told of, with the reason.
    pub damaged: Vec<(&'a Key, &'a Error)>,
    /// What the tensors come to.
    pub totals: Totals,
    pub(super) sort: SortBy,
    pub(super) reverse: bool,
}

/// A tensor and the object that owns it.
#[derive(Debug)]
#[non_exhaustive]
pub struct ObjectRow<'a> {
    /// What is known of the tensor; its name is the checkpoint key.
    pub info: &'a TensorInfo,
    /// The object; `None` for the object graph itself, and for what a registered saver wrote.
    pub object: Option<ObjectPlace>,
}

/// Where a tensor belongs in the graph of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectPlace {
    /// The object's number.
    pub node_id: usize,
    /// The path to the object, as keys have it; `None` if there is none, or it is absurdly long.
    pub path: Option<String>,
    /// The name of the value, such as `VARIABLE_VALUE`.
    pub attribute: String,
    /// The name of the variable in a graph; empty if it is not a variable's.
    pub full_name: String,
    /// What it is to another variable, if it is a slot variable of an optimizer.
    pub slot: Option<SlotOf>,
}

/// What a slot variable is kept for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlotOf {
    /// Which slot it is, such as `m`.
    pub slot_name: String,
    /// The number of the variable's object.
    pub variable: usize,
    /// The number of the optimizer's object.
    pub optimizer: usize,
}

impl<'a> ObjectListing<'a> {
    /// Lists tensors by their objects; `None` if the checkpoint is name-based. The selection is by
    /// keys.
    ///
    /// Errors: those of [`Checkpoint::object_graph`].
    pub fn new(
        checkpoint: &'a Checkpoint,
        options: &ListOptions,
    ) -> Result<Option<ObjectListing<'a>>, Error> {
        let Some(graph) = checkpoint.object_graph()? else { return Ok(None) };
        let Listing { rows, damaged, totals, sort, reverse } = Listing::new(checkpoint, options);
        let mut places = Places::new(&graph, checkpoint);
        let rows = rows.into_iter().map(|row| ObjectRow {
            info: row.info,
            object: row.info.name.as_str().and_then(|key| places.of(key)),
        });
        Ok(Some(ObjectListing { rows: rows.collect(), damaged, totals, sort, reverse }))
    }

    /// As a table with a line of titles, followed by the totals: paths of objects, or keys where
    /// there is no object, and the names of variables in a graph where these say more.
    pub fn text(&self, options: &TextOptions) -> String {
        use Align::{Left, Right};
        let mut columns = Columns::new(&[Left, Left, Left, Right, Left, Left]);
        let titles = ["object", "type", "shape", "bytes", "slot", "full name"];
        columns.push(titles.map(str::to_owned).to_vec());
        for row in &self.rows {
            let slot = row.object.as_ref().and_then(|object| object.slot.as_ref());
            let full_name = row.object.as_ref().map_or("", |object| &object.full_name);
            let size = row.info.len_bytes;
            columns.push(vec![
                shown(row.label().as_bytes()),
                type_name(row.info).to_owned(),
                row.info.shape.to_string(),
                size.map_or("?".into(), |len| options.sizes.text(len)),
                slot.map(|slot| shown(slot.slot_name.as_bytes())).unwrap_or_default(),
                shown(full_name.as_bytes()),
            ]);
        }
        let mut out = String::new();
        columns.write(&mut out);
        for (name, error) in &self.damaged {
            out.push_str(&format!(
                "{}  damaged: {}\n",
                shown(name),
                shown(error.to_string().as_bytes())
            ));
        }
        out.push_str(&self.totals.text(options));
        out
    }
}

impl ObjectRow<'_> {
    /// The path to the object.
    pub fn path(&self) -> Option<&str> {
        self.object.as_ref().and_then(|object| object.path.as_deref())
    }

    /// Which of the object's tensors it is, as the key has it: `table-keys`; `None` for the value of
    /// a variable.
    pub fn entry_name(&self) -> Option<&str> {
        let object = self.object.as_ref().filter(|object| object.path.is_some())?;
        let key = self.info.name.as_str()?;
        let name = key.rsplit_once(ATTRIBUTES).map_or(&*object.attribute, |(_, name)| name);
        (name != VARIABLE_VALUE).then_some(name)
    }

    /// What to show for it: the path, with the name of the tensor if it is not a variable's value; or
    /// the key.
    pub fn label(&self) -> String {
        match (self.path(), self.entry_name()) {
            (None, _) => self.info.name.to_string(),
            (Some(path), None) => path.into(),
            (Some(path), Some(name)) => format!("{path} ({name})"),
        }
    }
}

/// Finds the objects of tensors.
struct Places<'g> {
    graph: &'g ObjectGraph,
    slots: HashMap<usize, SlotOf>,
    /// How many bytes of paths there may still be: paths are about as long as keys, but those of a
    /// hostile graph could be as long as the graph, each.
    budget: usize,
}

impl<'g> Places<'g> {
    fn new(graph: &'g ObjectGraph, checkpoint: &Checkpoint) -> Places<'g> {
        let mut slots = HashMap::new();
        for (optimizer, node) in graph.nodes().iter().enumerate() {
            for slot in &node.slot_variables {
                let slot_of = SlotOf {
                    slot_name: slot.slot_name.clone(),
                    variable: slot.original_variable,
                    optimizer,
                };
                slots.entry(slot.slot_variable).or_insert(slot_of);
            }
        }
        let len_keys: usize = checkpoint.tensors().iter().map(|info| info.name.len()).sum();
        Places { graph, slots, budget: len_keys.saturating_mul(16).saturating_add(1 << 20) }
    }

    fn of(&mut self, key: &str) -> Option<ObjectPlace> {
        if self.budget == 0 {
            return None;
        }
        let variable = self.graph.attribute_of_entry(key)?;
        let len = variable.path.as_ref().map_or(0, String::len);
        let path = variable.path.filter(|_| len <= self.budget);
        self.budget = self.budget.saturating_sub(len);
        Some(ObjectPlace {
            node_id: variable.node_id,
            path,
            attribute: variable.attribute.name.clone(),
            full_name: variable.attribute.full_name.clone(),
            slot: self.slots.get(&variable.node_id).cloned(),
        })
    }
}
