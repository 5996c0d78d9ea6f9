//! Writing V2 checkpoints.

use std::sync::Mutex;

use flowkeep_bundle::{BundleWriter, ShardWriter, WriterOptions};
use flowkeep_tensor::TensorSlice;

use super::{Content, Item, Output, Progress, advance};
use crate::elements::to_machine_order;
use crate::parallel::in_parallel;
use crate::{Checkpoint, Error};

pub(super) fn write(
    items: Vec<Item<'_>>,
    output: &Output,
    progress: Progress<'_>,
) -> Result<(), Error> {
    write_parts(distribute(items, output.n_shards as usize), output, progress)
}

/// Writes the items of each part into a data file of its own.
pub(super) fn write_parts(
    parts: Vec<Vec<Item<'_>>>,
    output: &Output,
    progress: Progress<'_>,
) -> Result<(), Error> {
    let n_shards = u32::try_from(parts.len()).unwrap_or(u32::MAX);
    let options = WriterOptions {
        n_shards,
        durability: output.durability,
        overwrite: output.names,
        alignment: output.alignment,
        // Where several data files are written at once, each has one thread.
        threads: if n_shards > 1 { 1 } else { output.threads },
        ..WriterOptions::default()
    };
    let mut writer = BundleWriter::create(&output.path, options)?;
    let queue: Vec<_> =
        writer.shards().iter_mut().zip(parts).map(|work| Mutex::new(Some(work))).collect();
    in_parallel(
        output.threads,
        queue.len() as u64,
        || (),
        |number, ()| {
            let work =
                queue[number as usize].lock().unwrap_or_else(|error| error.into_inner()).take();
            let Some((shard, items)) = work else { return Ok(()) };
            for item in items {
                let len = item.len_bytes;
                put(shard, item)?;
                advance(progress, len);
            }
            Ok::<_, Error>(())
        },
    )?;
    drop(queue);
    Ok(writer.finish()?)
}

/// More data files than a bundle can have; [`BundleWriter`] refuses them.
const MAX_PARTS: usize = 100_000;

/// Cuts the items into `n` runs of about the same number of bytes.
fn distribute(items: Vec<Item<'_>>, n: usize) -> Vec<Vec<Item<'_>>> {
    let total: u128 = items.iter().map(|item| u128::from(item.len_bytes)).sum();
    let mut parts: Vec<Vec<Item<'_>>> = (0..n.min(MAX_PARTS)).map(|_| Vec::new()).collect();
    let n = parts.len();
    let mut sum = 0u128;
    let last = n.saturating_sub(1);
    for (idx, item) in items.into_iter().enumerate() {
        // The run in which the middle of the item lies; without any bytes, each in turn.
        let middle = 2 * sum + u128::from(item.len_bytes);
        let part = match total {
            0 => idx % n.max(1),
            total => (middle * n as u128 / (2 * total)) as usize,
        };
        sum += u128::from(item.len_bytes);
        if let Some(part) = parts.get_mut(part.min(last)) {
            part.push(item);
        }
    }
    parts
}

fn put(shard: &mut ShardWriter, item: Item<'_>) -> Result<(), Error> {
    let Item { name, dtype, shape, content, .. } = item;
    match content {
        Content::Value(tensor) => Ok(shard.add(name, &tensor)?),
        Content::Copy { from, name: source } => copy(shard, &name, from, &source),
        Content::Part(slice, open) => {
            let compute = open()?;
            shard.add_slice_with(name, dtype, &shape, &slice, |at, out: &mut [u8]| {
                compute.fill(at, out)?;
                to_machine_order(dtype, out);
                Ok::<_, Error>(())
            })?;
            compute.finish()
        }
        Content::Compute(open) => {
            let compute = open()?;
            shard.add_with(name, dtype, &shape, |at, out: &mut [u8]| {
                compute.fill(at, out)?;
                to_machine_order(dtype, out);
                Ok::<_, Error>(())
            })?;
            compute.finish()
        }
    }
}

fn copy(
    shard: &mut ShardWriter,
    name: &[u8],
    from: &Checkpoint,
    source: &[u8],
) -> Result<(), Error> {
    if let Some(reader) = from.as_bundle() {
        return Ok(shard.copy(name, reader, source)?);
    }
    if let Some(reader) = from.as_checkpoint() {
        let entry = reader.entry(source)?;
        if entry.is_partitioned() {
            let slices: Vec<TensorSlice> = entry.slices().cloned().collect();
            for slice in slices {
                let tensor = reader.slice(source, &slice)?;
                shard.add_slice(name, &entry.shape, &slice, &tensor)?;
            }
            return Ok(());
        }
    }
    Ok(shard.add(name, &from.tensor(source)?)?)
}

#[cfg(test)]
mod tests {
    use flowkeep_tensor::{DType, Tensor};

    use super::*;

    fn lens(lens: &[usize], n: usize) -> Vec<Vec<usize>> {
        let items = lens
            .iter()
            .map(|len| Item::value(Vec::new().into(), Tensor::zeros(DType::U8, [*len]).unwrap()));
        let parts = distribute(items.collect(), n);
        parts.iter().map(|part| part.iter().map(|item| item.len_bytes as usize).collect()).collect()
    }

    #[test]
    fn items_are_cut_into_runs_of_like_size() {
        assert_eq!(lens(&[1, 2, 3], 1), [[1, 2, 3]]);
        assert_eq!(lens(&[1, 1, 1, 1], 2), [[1, 1], [1, 1]]);
        assert_eq!(lens(&[5, 1, 1, 1], 2), [vec![5], vec![1, 1, 1]]);
        assert_eq!(lens(&[1, 1, 1, 5], 2), [vec![1, 1, 1], vec![5]]);
        assert_eq!(lens(&[0, 0, 0], 2), [vec![0, 0], vec![0]]);
        assert_eq!(lens(&[7], 3), [vec![], vec![7], vec![]]);
        assert_eq!(lens(&[], 2), [vec![0; 0], vec![]]);
    }
}
