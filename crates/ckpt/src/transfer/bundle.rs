//! Writing V2 checkpoints.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flowkeep_bundle::{BundleWriter, Key, NewTensor, ShardWriter, WriterOptions};
use flowkeep_tensor::{Tensor, TensorSlice};

use super::{Compute, Content, Item, Open, Output, Progress, advance};
use crate::elements::{Elements, to_machine_order};
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
        // Where several data files are written at once, they share the threads.
        threads: (output.threads / parts.len().max(1)).max(1),
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
            put_all(shard, items, progress)
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

/// Writes items in their order: what can be computed stretch by stretch many at a time, all else one by
/// one.
fn put_all(
    shard: &mut ShardWriter,
    items: Vec<Item<'_>>,
    progress: Progress<'_>,
) -> Result<(), Error> {
    let mut batch = Batch::default();
    for item in items {
        let (len, name) = (item.len_bytes, item.name.clone());
        match prepare(item) {
            Prepared::Computed(tensor, open) => {
                batch.add(tensor, open);
                if batch.is_full() {
                    batch.put(shard, progress)?;
                }
                continue;
            }
            Prepared::Value(tensor) => {
                batch.put(shard, progress)?;
                shard.add(name, &tensor)?;
            }
            Prepared::Copy { from, source } => {
                batch.put(shard, progress)?;
                copy(shard, &name, from, &source)?;
            }
        }
        advance(progress, len);
    }
    batch.put(shard, progress)
}

/// How an item will be written.
enum Prepared<'a> {
    Computed(NewTensor, Open<'a>),
    Value(Tensor),
    Copy { from: &'a Checkpoint, source: Key },
}

fn prepare(item: Item<'_>) -> Prepared<'_> {
    let Item { name, dtype, shape, content, .. } = item;
    let tensor = NewTensor::new(&name[..], dtype, shape);
    match content {
        Content::Value(tensor) => Prepared::Value(tensor),
        Content::Compute(open) => Prepared::Computed(tensor, open),
        Content::Part(slice, open) => {
            Prepared::Computed(NewTensor { slice: Some(slice), ..tensor }, open)
        }
        // Plain elements in one piece of another bundle are as good as computed.
        Content::Copy { from, name: source }
            if dtype.size_bytes().is_some()
                && from.as_bundle().is_some_and(|reader| !reader.header().is_foreign())
                && from.get(&source).is_some_and(|info| info.n_slices == 0) =>
        {
            let open = move || -> Result<Box<dyn Compute + '_>, Error> {
                Ok(Box::new(Stored(from.elements(&source)?)))
            };
            Prepared::Computed(tensor, Box::new(open))
        }
        Content::Copy { from, name: source } => Prepared::Copy { from, source },
    }
}

/// Elements as they are stored.
struct Stored<'a>(Elements<'a>);

impl Compute for Stored<'_> {
    fn fill(&self, at: u64, out: &mut [u8]) -> Result<(), Error> {
        self.0.read_at(at, out)
    }

    fn finish(&self) -> Result<(), Error> {
        self.0.finish()
    }
}

/// The most tensors, and bytes, that are begun before the first is finished.
const MAX_BATCH: usize = 4096;
const MAX_BATCH_LEN: u64 = 1 << 30;

/// Tensors that are computed together.
#[derive(Default)]
struct Batch<'a> {
    tensors: Vec<NewTensor>,
    sources: Vec<Source<'a>>,
    len: u64,
}

/// Where the elements of a tensor come from, opened when the first of them is asked for and closed after
/// the last.
struct Source<'a> {
    state: Mutex<State<'a>>,
    /// The bytes that are not computed yet.
    n_left: AtomicU64,
}

enum State<'a> {
    New(Open<'a>),
    Opened(Arc<dyn Compute + 'a>),
    Closed,
}

impl<'a> Batch<'a> {
    fn add(&mut self, tensor: NewTensor, open: Open<'a>) {
        let shape = match &tensor.slice {
            Some(slice) => slice.shape_in(&tensor.shape).unwrap_or(tensor.shape.clone()),
            None => tensor.shape.clone(),
        };
        let len = shape.n_elements() as u64 * tensor.dtype.size_bytes().unwrap_or(1) as u64;
        self.len = self.len.saturating_add(len);
        let state = Mutex::new(State::New(open));
        self.sources.push(Source { state, n_left: AtomicU64::new(len) });
        self.tensors.push(tensor);
    }

    fn is_full(&self) -> bool {
        self.tensors.len() >= MAX_BATCH || self.len >= MAX_BATCH_LEN
    }

    fn put(&mut self, shard: &mut ShardWriter, progress: Progress<'_>) -> Result<(), Error> {
        let Batch { tensors, sources, .. } = std::mem::take(self);
        shard.add_many(&tensors, |number, at, out: &mut [u8]| {
            let Some(source) = sources.get(number) else { return Ok(()) };
            let compute = source.open()?;
            compute.fill(at, out)?;
            to_machine_order(tensors[number].dtype, out);
            let len = out.len() as u64;
            if source.n_left.fetch_sub(len, Ordering::AcqRel) == len {
                *source.lock() = State::Closed;
                compute.finish()?;
            }
            advance(progress, len);
            Ok::<_, Error>(())
        })?;
        // Of tensors without elements none was asked for.
        for source in sources {
            let state = source.state.into_inner().unwrap_or_else(PoisonError::into_inner);
            if let State::New(open) = state {
                open()?.finish()?;
            }
        }
        Ok(())
    }
}

impl<'a> Source<'a> {
    fn lock(&self) -> MutexGuard<'_, State<'a>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> Result<Arc<dyn Compute + 'a>, Error> {
        let mut state = self.lock();
        match std::mem::replace(&mut *state, State::Closed) {
            State::New(open) => {
                let opened: Arc<dyn Compute + 'a> = open()?.into();
                *state = State::Opened(Arc::clone(&opened));
                Ok(opened)
            }
            State::Opened(opened) => {
                *state = State::Opened(Arc::clone(&opened));
                Ok(opened)
            }
            State::Closed => Err(Error::Invalid("a tensor was asked for once too often".into())),
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
