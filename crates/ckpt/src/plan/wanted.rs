use std::collections::BTreeMap;

use flowkeep_bundle::Key;
use flowkeep_tensor::{DType, PartialShape, TensorSlice};

/// A tensor that is to be restored, for one variable, for the parts of one, or for several.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Wanted {
    /// The name under which it is looked for.
    pub name: Key,
    /// Its type; `None` if that cannot be told.
    pub dtype: Option<DType>,
    /// Its shape, of a partitioned variable the full one, as far as it is known.
    pub shape: PartialShape,
    /// The slices of it that are asked for; none if it is wanted whole.
    pub slices: Vec<TensorSlice>,
    /// The nodes of the graph that it is for, in order.
    pub variables: Vec<String>,
    /// The same nodes, each with the slice that it takes, if it does not take all.
    pub(super) placed: Vec<(String, Option<TensorSlice>)>,
    /// What becomes of a value of another shape.
    pub assignment: Assignment,
    /// The numbers of the ops that ask for it, one for each slice.
    pub(super) ops: Vec<usize>,
    /// The type of the first tensor that the first of these ops restores.
    pub(super) first_dtype: Option<DType>,
}

/// What TensorFlow does to a value that does not have the shape of its variable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Assignment {
    /// The variable takes it, and has that shape from then on: a resource variable, or an op that
    /// nothing is known of.
    #[default]
    Unchecked,
    /// It is brought into the variable's shape, if it has as many elements.
    Reshaped,
    /// It is refused.
    Checked,
}

impl Wanted {
    pub(super) fn new(name: impl Into<Vec<u8>>) -> Wanted {
        Wanted {
            name: Key::from(name.into()),
            dtype: None,
            shape: PartialShape::unknown(),
            slices: Vec::new(),
            variables: Vec::new(),
            placed: Vec::new(),
            assignment: Assignment::default(),
            ops: vec![0],
            first_dtype: None,
        }
    }
}

/// Tensors by their names, with those of the same name put together.
#[derive(Debug, Default)]
pub(super) struct WantedSet(BTreeMap<Key, Wanted>);

impl WantedSet {
    /// Adds a tensor; what it leaves open of one that is there stays, and the stricter assignment.
    pub(super) fn add(&mut self, mut wanted: Wanted) {
        let slice = wanted.slices.first();
        let placed = wanted.variables.iter().map(|name| (name.clone(), slice.cloned()));
        wanted.placed = placed.collect();
        let Some(known) = self.0.get_mut(&wanted.name) else {
            self.0.insert(wanted.name.clone(), wanted);
            return;
        };
        known.dtype = known.dtype.or(wanted.dtype);
        if known.shape.rank().is_none() {
            known.shape = wanted.shape;
        }
        known.slices.extend(wanted.slices);
        known.ops.extend(wanted.ops);
        known.variables.extend(wanted.variables);
        known.placed.extend(wanted.placed);
        known.assignment = known.assignment.max(wanted.assignment);
    }

    /// All tensors, in order of their names.
    pub(super) fn into_sorted(self) -> Vec<Wanted> {
        let mut wanted: Vec<Wanted> = self.0.into_values().collect();
        for wanted in &mut wanted {
            wanted.variables.sort_unstable();
            wanted.variables.dedup();
        }
        wanted
    }

    /// All tensors, in order of their names, as the only op of a saver asks for them.
    pub(super) fn into_one_op(self) -> Vec<Wanted> {
        let mut wanted = self.into_sorted();
        let first_dtype = wanted.first().and_then(|first| first.dtype);
        wanted.iter_mut().for_each(|wanted| wanted.first_dtype = first_dtype);
        wanted
    }
}
