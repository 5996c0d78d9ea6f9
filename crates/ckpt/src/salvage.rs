use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use flowkeep_bundle::{
    BundleReader, CheckpointFormat, Key, Location, ReaderOptions, Recovered, VerifyOptions,
    slice_key,
};

use crate::transfer::{self, Item};
use crate::{Checkpoint, Error, Output, Written};

/// What could be saved of a damaged checkpoint, and what could not.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Salvaged {
    /// The tensors that were copied, in order.
    pub kept: Vec<Key>,
    /// Tensors among them whose entry no checksum stands for: their bytes are right, but name, type
    /// and shape may not be.
    pub uncertain: Vec<Key>,
    /// The tensors that are lost, with the reason, in order.
    pub lost: Vec<(Key, Error)>,
    /// What is damaged in the index.
    pub index_damage: Vec<String>,
    /// What was written.
    pub written: Written,
}

/// Copies everything that is intact of a checkpoint, and says what is not. Nothing that fails its
/// checksum is copied. `path` is what [`Checkpoint::open`] takes.
///
/// Errors: `NOT_FOUND` if there is no checkpoint, `DATA_LOSS` if nothing of it is intact; those of
/// writing.
pub fn salvage<P: Fn(u64) + Sync>(
    path: &Path,
    options: ReaderOptions,
    output: &Output,
    begin: impl FnOnce(u64) -> P,
) -> Result<Salvaged, Error> {
    let mut salvaged = Salvaged::default();
    let checkpoint = match bundle_at(path) {
        Some(prefix) => {
            let Recovered { reader, damage, uncertain, .. } =
                BundleReader::recover(&prefix, options)?;
            salvaged.index_damage = damage;
            salvaged.uncertain = uncertain.into_iter().collect();
            Checkpoint::from(reader)
        }
        None => Checkpoint::open_with(path, options)?,
    };
    let progress = begin(2 * checkpoint.len_bytes());
    let verify = VerifyOptions { threads: output.threads, progress: Some(&progress) };
    let mut lost: BTreeMap<Key, Error> = BTreeMap::new();
    match checkpoint.as_bundle() {
        Some(reader) => {
            for (key, error) in reader.verify(verify).damaged {
                // With a slice goes its tensor.
                let name = slice_key::decode(&key).map_or(key, |(name, _)| Key::from(name));
                lost.entry(name).or_insert(error.into());
            }
        }
        None => {
            for info in checkpoint.tensors() {
                if let Err(error) = checkpoint.tensor(&info.name) {
                    lost.insert(info.name.clone(), error);
                }
            }
        }
    }
    let mut items = Vec::new();
    for info in checkpoint.tensors().iter().filter(|info| !lost.contains_key(&info.name)) {
        items.push(Item::copy(&checkpoint, info, info.name.clone())?);
        salvaged.kept.push(info.name.clone());
    }
    if items.is_empty() {
        return Err(Error::NothingIntact { found: checkpoint.found().to_owned() });
    }
    salvaged.written = transfer::write(items, output, Some(&progress))?;
    let kept: BTreeSet<&Key> = salvaged.kept.iter().collect();
    salvaged.uncertain.retain(|key| kept.contains(key));
    salvaged.kept.sort();
    salvaged.lost = lost.into_iter().collect();
    Ok(salvaged)
}

/// The prefix, if the path means a V2 checkpoint.
pub(crate) fn bundle_at(path: &Path) -> Option<PathBuf> {
    let location = Location::find(path).ok()?;
    (location.format == CheckpointFormat::V2).then_some(location.prefix)
}
