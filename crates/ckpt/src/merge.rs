use std::collections::HashMap;

use flowkeep_bundle::Key;
use flowkeep_bundle::object_graph::OBJECT_GRAPH_KEY;

use crate::transfer::{self, Item};
use crate::{Checkpoint, Error, Output, Progress, Selection, TensorInfo, Written};

/// What becomes of a tensor that several checkpoints have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnConflict {
    /// It is an error.
    #[default]
    Refuse,
    /// That of the first checkpoint is taken.
    First,
    /// That of the last checkpoint is taken.
    Last,
}

/// How checkpoints are merged.
#[derive(Clone, Debug, Default)]
pub struct MergeOptions {
    /// The tensors that are taken from each.
    pub selection: Selection,
    /// What becomes of a tensor that several have. Slices of one tensor from several checkpoints are no
    /// conflict.
    pub on_conflict: OnConflict,
}

/// Writes a checkpoint with the tensors of several.
///
/// Errors: `INVALID_ARGUMENT`, naming tensors and checkpoints, for conflicts that are to be refused,
/// and for slices of one tensor that disagree or overlap; those of reading and writing.
pub fn merge(
    from: &[Checkpoint],
    options: &MergeOptions,
    output: &Output,
    progress: Progress<'_>,
) -> Result<Written, Error> {
    let mut chosen: Vec<(&Checkpoint, &TensorInfo)> = Vec::new();
    let mut by_name: HashMap<&Key, usize> = HashMap::new();
    let mut conflicts = Vec::new();
    for checkpoint in from {
        let infos = checkpoint.tensors().iter();
        for info in infos.filter(|info| options.selection.contains(&info.name)) {
            let Some(idx) = by_name.get(&info.name).copied() else {
                by_name.insert(&info.name, chosen.len());
                chosen.push((checkpoint, info));
                continue;
            };
            let Some((other, other_info)) = chosen.get_mut(idx) else { continue };
            if info.n_slices > 0 && other_info.n_slices > 0 {
                chosen.push((checkpoint, info));
                continue;
            }
            match options.on_conflict {
                OnConflict::Refuse => conflicts.push(format!(
                    "{} is in {} and in {}",
                    info.name,
                    other.path().display(),
                    checkpoint.path().display()
                )),
                OnConflict::First => {}
                OnConflict::Last => (*other, *other_info) = (checkpoint, info),
            }
        }
    }
    refuse(conflicts)?;
    chosen.sort_by(|(_, a), (_, b)| a.name.cmp(&b.name));
    let items =
        chosen.iter().map(|(checkpoint, info)| Item::copy(checkpoint, info, info.name.clone()));
    transfer::write(items.collect::<Result<_, _>>()?, output, progress)
}

fn refuse(mut conflicts: Vec<String>) -> Result<(), Error> {
    const SHOWN: usize = 10;
    if conflicts.is_empty() {
        return Ok(());
    }
    let hint = match conflicts.iter().any(|what| what.starts_with(OBJECT_GRAPH_KEY)) {
        true => "; object graphs are not merged",
        false => "",
    };
    let more = conflicts.len().saturating_sub(SHOWN);
    conflicts.truncate(SHOWN);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    Err(Error::Invalid(format!("tensor {}{more}{hint}", conflicts.join("; "))))
}
