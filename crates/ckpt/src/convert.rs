use flowkeep_bundle::Key;
use flowkeep_bundle::object_graph::OBJECT_GRAPH_KEY;

use crate::transfer::{self, Item};
use crate::{Checkpoint, Error, Format, Output, Progress, Selection, Written};

/// What is converted.
#[derive(Clone, Debug, Default)]
pub struct ConvertOptions {
    /// The tensors.
    pub selection: Selection,
    /// Whether tensors that the format cannot hold, and those that are damaged, are left out. Off by
    /// default: they are then an error.
    pub skip: bool,
}

/// Writes the tensors of a checkpoint in another format, or the same.
///
/// Slices stay slices in checkpoints, and are put together in other files. The object graph of an
/// object-based checkpoint is no tensor: files of other tools go without, and the result says so.
///
/// Errors: `UNIMPLEMENTED`, naming tensor and type, for what the format cannot hold; `ALREADY_EXISTS`;
/// those of reading and writing.
pub fn convert(
    from: &Checkpoint,
    options: &ConvertOptions,
    output: &Output,
    progress: Progress<'_>,
) -> Result<Written, Error> {
    let (items, left_out) = select(from, options, output.format)?;
    let written = transfer::write(items, output, progress)?;
    Ok(Written { left_out, ..written })
}

/// The bytes that [`convert`] will write, for a progress bar.
///
/// Errors: as [`convert`], before anything is written.
pub fn convert_len(
    from: &Checkpoint,
    options: &ConvertOptions,
    format: Format,
) -> Result<u64, Error> {
    let (items, _) = select(from, options, format)?;
    Ok(items.iter().fold(0, |sum, item| sum.saturating_add(item.len_bytes)))
}

type Selected<'a> = (Vec<Item<'a>>, Vec<(Key, String)>);

fn select<'a>(
    from: &'a Checkpoint,
    options: &ConvertOptions,
    format: Format,
) -> Result<Selected<'a>, Error> {
    let (mut items, mut left_out) = (Vec::new(), Vec::new());
    for (name, error) in from.damaged() {
        if options.selection.contains(name) {
            match options.skip {
                true => left_out.push((name.clone(), error.to_string())),
                false => {
                    return Err(Error::Damaged {
                        tensor: name.to_string(),
                        what: error.to_string(),
                    });
                }
            }
        }
    }
    for info in from.tensors().iter().filter(|info| options.selection.contains(&info.name)) {
        if info.name == OBJECT_GRAPH_KEY && matches!(format, Format::File(_)) {
            left_out.push((info.name.clone(), "it is the object graph, not a tensor".into()));
            continue;
        }
        if info.dtype.is_some_and(|dtype| format.holds(dtype)) {
            items.push(Item::copy(from, info, info.name.clone())?);
            continue;
        }
        let what = format!("format {format} has no tensors of type {}", info.stored_type);
        match options.skip {
            true => left_out.push((info.name.clone(), what)),
            false => return Err(Error::Unsupported(format!("tensor {}: {what}", info.name))),
        }
    }
    Ok((items, left_out))
}
