//! Writing the files of other tools.

use flowkeep_bundle::Durability;

use super::{Content, Item, Output, Progress, advance};
use crate::Error;
use crate::interchange::{self, TensorSpec, WriterOptions};

pub(super) fn write(
    items: Vec<Item<'_>>,
    format: interchange::Format,
    output: &Output,
    progress: Progress<'_>,
) -> Result<(), Error> {
    let mut specs = Vec::with_capacity(items.len());
    for item in &items {
        let name = item.name.as_str().ok_or_else(|| {
            Error::Unsupported(format!("tensor {} has a name that is not UTF-8", item.name))
        })?;
        if matches!(item.content, Content::Part(..)) {
            let what = format!("a file of format {format} has no slices, as of tensor {name}");
            return Err(Error::Unsupported(what));
        }
        specs.push(TensorSpec::new(name, item.dtype, &item.shape));
    }
    let options = WriterOptions {
        overwrite: output.overwrite,
        sync: output.durability == Durability::Synced,
        ..WriterOptions::default()
    };
    // The format may want them in another order than they came in.
    let mut items: std::collections::HashMap<String, Item<'_>> =
        items.into_iter().filter_map(|item| Some((item.name.as_str()?.to_owned(), item))).collect();
    interchange::write(&output.path, format, &specs, &options, |spec| {
        let item = items.remove(&spec.name);
        let item =
            item.ok_or_else(|| Error::Invalid(format!("{} was asked for twice", spec.name)))?;
        let len = item.len_bytes;
        let tensor = item.into_tensor();
        advance(progress, len);
        tensor
    })
}
