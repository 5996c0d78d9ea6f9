//! Writing V1 checkpoints.

use flowkeep_bundle::{V1Writer, V1WriterOptions};

use super::{Content, Item, Output, Progress, advance};
use crate::Error;

pub(super) fn write(
    items: Vec<Item<'_>>,
    output: &Output,
    progress: Progress<'_>,
) -> Result<(), Error> {
    if output.n_shards != 1 {
        return Err(Error::Unsupported("V1 checkpoints are written as one file".into()));
    }
    let options = V1WriterOptions { durability: output.durability, ..V1WriterOptions::default() };
    let mut writer = V1Writer::create(&output.path, options)?;
    for item in items {
        let (name, dtype, shape) = (item.name.clone(), item.dtype, item.shape.clone());
        if let Content::Copy { from, name: source } = &item.content
            && let Some(reader) = from.as_checkpoint()
        {
            writer.copy(name, reader, source)?;
            continue;
        }
        let len = item.len_bytes;
        let slice = match &item.content {
            Content::Part(slice, _) => Some(slice.clone()),
            _ => None,
        };
        let tensor = move || {
            let tensor = item.into_tensor().map_err(into_bundle_error);
            advance(progress, len);
            tensor
        };
        match slice {
            Some(slice) => writer.add_slice_with(name, dtype, &shape, &slice, tensor)?,
            None => writer.add_with(name, dtype, &shape, tensor)?,
        }
    }
    Ok(writer.finish()?)
}

/// The writer of the bundle crate knows its own errors only.
fn into_bundle_error(error: Error) -> flowkeep_bundle::Error {
    match error {
        Error::Bundle(error) => error,
        error => flowkeep_bundle::Error::Invalid { code: error.code(), what: error.to_string() },
    }
}
