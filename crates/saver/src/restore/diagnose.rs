use std::collections::HashSet;

use flowkeep_bundle::{CheckpointEntry, CheckpointReader};
use flowkeep_graph::Graph;
use flowkeep_tensor::{Code, Shape, Tensor, TensorSlice};

use super::nearest::nearest;
use super::renamed::{Naming, OBJECT_GRAPH_KEY, naming};
use super::{ObjectMismatch, RestoreProblem, Restores, Wanted};

/// The most pairs of names that are compared to find those that may be meant.
const MAX_PAIRS: usize = 1_000_000;

/// What restoring a checkpoint would meet with.
pub(crate) struct Diagnosis {
    /// The key in the checkpoint for each tensor that is wanted.
    pub(crate) keys: Vec<String>,
    /// Whether some of these are not those of the graph.
    pub(crate) is_renamed: bool,
    /// What does not fit, for each tensor that is wanted.
    pub(crate) problems: Vec<Option<RestoreProblem>>,
    pub(crate) objects: Option<ObjectMismatch>,
    /// Keys of the checkpoint that nothing is restored from.
    pub(crate) unused: Vec<String>,
}

/// Compares what a graph wants with what a checkpoint has; with `strict`, also the shapes of
/// resources, which take values of any shape.
pub(crate) fn diagnose(reader: &CheckpointReader, restores: &Restores, strict: bool) -> Diagnosis {
    let same = || restores.wanted.iter().map(|wanted| wanted.key.clone()).collect();
    let mut keys: Vec<String> = same();
    let (mut is_renamed, mut objects) = (false, None);
    if keys.iter().any(|key| !reader.contains(key.as_bytes())) {
        match naming(reader, restores) {
            Naming::Same => {}
            Naming::Renamed(renamed) => (keys, is_renamed) = (renamed, true),
            Naming::Mismatch(mismatch, renamed) => {
                (keys, is_renamed, objects) = (renamed, true, Some(mismatch));
            }
        }
    }
    let theirs: Vec<String> =
        reader.keys().map(|key| String::from_utf8_lossy(key.as_ref()).into_owned()).collect();
    let mut n_pairs = 0;
    let problems = restores.wanted.iter().zip(&keys).map(|(wanted, key)| {
        if !reader.contains(key.as_bytes()) {
            let n_names = if n_pairs < MAX_PAIRS { theirs.len() } else { 0 };
            n_pairs += n_names;
            let nearest = nearest(key, theirs.iter().take(n_names).map(String::as_str));
            return Some(RestoreProblem::Missing { key: key.clone(), nearest });
        }
        match reader.entry(key) {
            Ok(entry) => compare(wanted, key, &entry, strict),
            Err(error) => Some(unreadable(key, error.to_string(), error.code())),
        }
    });
    let problems = problems.collect();
    let used: HashSet<&str> = keys.iter().map(String::as_str).collect();
    let is_unused = |key: &String| !used.contains(&**key) && key != OBJECT_GRAPH_KEY;
    let unused = theirs.iter().filter(|key| is_unused(key)).cloned().collect();
    Diagnosis { keys, is_renamed, problems, objects, unused }
}

fn unreadable(key: &str, what: String, code: Code) -> RestoreProblem {
    RestoreProblem::Unreadable { key: key.to_owned(), what, code }
}

fn compare(
    wanted: &Wanted,
    key: &str,
    entry: &CheckpointEntry,
    strict: bool,
) -> Option<RestoreProblem> {
    let found = &entry.shape;
    if wanted.dtype != entry.dtype {
        return Some(RestoreProblem::DType {
            key: key.to_owned(),
            expected: wanted.dtype,
            found: entry.dtype,
        });
    }
    let read = match TensorSlice::parse_spec(&wanted.slice_spec) {
        Ok(None) => found.clone(),
        Ok(Some((expected, slice))) if expected == *found => match slice.shape_in(found) {
            Ok(shape) => shape,
            Err(error) => return Some(unreadable(key, error.to_string(), error.code())),
        },
        Ok(Some((expected, _))) => {
            let (key, found) = (key.to_owned(), found.clone());
            return Some(RestoreProblem::SliceShape { key, expected, found });
        }
        Err(error) => return Some(unreadable(key, error.to_string(), error.code())),
    };
    wanted.assigned.iter().find_map(|assigned| {
        let (key, variable) = (key.to_owned(), assigned.variable.clone());
        let known = assigned.shape.to_shape();
        if assigned.is_reshaped {
            let expected = known.filter(|shape: &Shape| shape.n_elements() != read.n_elements())?;
            return Some(RestoreProblem::NElements {
                key,
                variable,
                expected,
                found: read.clone(),
            });
        }
        let counts = assigned.is_checked || strict;
        (counts && !assigned.shape.matches(&read)).then(|| RestoreProblem::Shape {
            key,
            variable,
            expected: assigned.shape.clone(),
            found: read.clone(),
        })
    })
}

impl Restores {
    /// The feeds that make the nodes of a graph read these keys.
    pub(crate) fn feeds(
        &self,
        graph: &Graph,
        keys: &[String],
    ) -> Result<Vec<(String, Tensor)>, flowkeep_tensor::Error> {
        let feeds = self.readers.iter().map(|reader| {
            let keys = keys.get(reader.wanted.clone()).unwrap_or_default();
            let strings: Vec<_> = keys.iter().map(|key| key.clone().into_bytes().into()).collect();
            let shape = if reader.is_vector { Shape::from([keys.len()]) } else { Shape::from([]) };
            let value = Tensor::from_strings(shape, strings)?;
            Ok((graph.tensor_name(reader.keys).to_string(), value))
        });
        feeds.collect()
    }
}
