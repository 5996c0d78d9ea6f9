//! Checking a bundle whole: every checksum, and what lies where.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use flowkeep_tensor::DType;

use crate::parallel::{default_threads, in_parallel};
use crate::{BundleReader, Entry, Error, Key, crc32c, slice_key, slices};

/// Bytes that a thread reads and checks in one go.
const CHUNK_LEN: u64 = 1 << 20;
/// Chunks that a thread takes at a time, one after the other in a file.
const STRETCH_LEN: u64 = 16 * CHUNK_LEN;

/// How a bundle is checked.
#[derive(Clone, Copy)]
pub struct VerifyOptions<'a> {
    /// The most threads; by default those of the machine.
    pub threads: usize,
    /// Called, by any thread, with each number of bytes that has been checked.
    pub progress: Option<&'a (dyn Fn(u64) + Sync)>,
}

impl Default for VerifyOptions<'_> {
    fn default() -> Self {
        VerifyOptions { threads: default_threads(), progress: None }
    }
}

impl std::fmt::Debug for VerifyOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerifyOptions").field("threads", &self.threads).finish_non_exhaustive()
    }
}

/// What is wrong with a bundle, and what is odd about it.
#[derive(Debug)]
#[non_exhaustive]
pub struct VerifyReport {
    /// The number of tensors, each counted once however it is stored.
    pub n_tensors: usize,
    /// The bytes that were compared with checksums.
    pub n_bytes: u64,
    /// Tensors that cannot be read, with the reason; the key of a slice is that of the slice.
    pub damaged: Vec<(Key, Error)>,
    /// What a bundle may have and TensorFlow's writer does not make.
    pub oddities: Vec<Oddity>,
}

/// Something that is allowed in a bundle, but unusual.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Oddity {
    /// Bytes of a data file that belong to no tensor.
    Gap {
        /// The number of the data file.
        shard: u32,
        /// The first byte.
        offset: u64,
        /// The number of bytes.
        len: u64,
    },
    /// Bytes of a data file that belong to two tensors.
    Shared {
        /// The number of the data file.
        shard: u32,
        /// The first byte.
        offset: u64,
        /// The number of bytes.
        len: u64,
        /// The tensors.
        keys: [Key; 2],
    },
    /// A stored slice that its tensor does not list.
    StraySlice {
        /// The slice's key.
        key: Key,
    },
}

impl VerifyReport {
    /// Whether every tensor can be read.
    pub fn is_sound(&self) -> bool {
        self.damaged.is_empty()
    }
}

/// A stretch of a value that a thread checks.
struct Stretch<'a> {
    value: &'a (Key, Entry),
    number: usize,
    at: u64,
    len: u64,
}

impl BundleReader {
    /// Reads everything and compares it with its checksums; looks for slices that overlap or are
    /// missing, and for bytes that belong to no tensor or to two.
    ///
    /// The index was checked when it was opened. Damage is not an error but part of the report.
    pub fn verify(&self, options: VerifyOptions<'_>) -> VerifyReport {
        let mut report =
            VerifyReport { n_tensors: 0, n_bytes: 0, damaged: Vec::new(), oddities: Vec::new() };
        let mut values = self.values(&mut report);
        values.sort_by_key(|(_, entry)| (entry.shard, entry.offset, entry.size));
        self.verify_values(&values, options, &mut report);
        self.look_for_gaps(&values, &mut report.oddities);
        report.damaged.sort_by(|(a, _), (b, _)| a.cmp(b));
        report
    }

    /// Everything that is stored in one piece: tensors, and slices of tensors.
    fn values(&self, report: &mut VerifyReport) -> Vec<(Key, Entry)> {
        let mut values = Vec::new();
        let mut slices = BTreeMap::new();
        for (key, entry) in self.all_entries() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    report.damaged.push((key, error));
                    continue;
                }
            };
            if slice_key::decode(&key).is_some() {
                slices.insert(key, entry);
            } else if entry.is_partitioned() {
                report.n_tensors = report.n_tensors.saturating_add(1);
                match self.slices_of(&key, &entry) {
                    Ok(parts) => values.extend(parts),
                    Err(error) => report.damaged.push((key, error)),
                }
            } else {
                report.n_tensors = report.n_tensors.saturating_add(1);
                values.push((key, entry));
            }
        }
        for (key, _) in &values {
            slices.remove(key);
        }
        // Slices of a tensor that is damaged as a whole are looked at all the same.
        for (key, entry) in slices {
            if !self.is_listed(&key) {
                report.oddities.push(Oddity::StraySlice { key: key.clone() });
            }
            values.push((key, entry));
        }
        values
    }

    /// The slices of a partitioned tensor, which must cover it.
    fn slices_of(&self, key: &[u8], entry: &Entry) -> Result<Vec<(Key, Entry)>, Error> {
        slices::ranges_of(self, key, entry)?;
        let parts = entry.slices.iter().map(|slice| {
            let (key, part) = slices::entry_of(self, key, entry, slice)?;
            Ok((Key::from(key), part))
        });
        let parts = parts.collect::<Result<Vec<_>, Error>>()?;
        let n_covered = parts.iter().map(|(_, part)| part.shape.n_elements());
        if n_covered.fold(0, usize::saturating_add) != entry.shape.n_elements() {
            let slice = flowkeep_tensor::TensorSlice::full(entry.shape.rank()).to_string();
            return Err(Error::InsufficientSlices { key: key.to_vec(), slice });
        }
        Ok(parts)
    }

    /// Whether the tensor that a slice's key names lists that slice.
    fn is_listed(&self, key: &[u8]) -> bool {
        let Some((name, slice)) = slice_key::decode(key) else { return false };
        self.entry(name).is_ok_and(|entry| entry.slices.contains(&slice))
    }

    fn verify_values(
        &self,
        values: &[(Key, Entry)],
        options: VerifyOptions<'_>,
        report: &mut VerifyReport,
    ) {
        let mut stretches = Vec::new();
        for (number, value) in values.iter().enumerate() {
            let mut at = 0;
            loop {
                let len = match value.1.dtype.size_bytes() {
                    Some(_) => value.1.size.saturating_sub(at).min(STRETCH_LEN),
                    None => value.1.size,
                };
                stretches.push(Stretch { value, number, at, len });
                at = at.saturating_add(len);
                if at >= value.1.size {
                    break;
                }
            }
        }
        let next = AtomicUsize::new(0);
        let buffers = Mutex::new(Vec::new());
        let result = in_parallel(options.threads, || {
            let mut buffer = lock(&buffers).pop().unwrap_or_default();
            let mut done = Vec::new();
            while let Some(stretch) = stretches.get(next.fetch_add(1, Ordering::Relaxed)) {
                let result = self.checksum_of(stretch, &mut buffer);
                if let Some(progress) = options.progress {
                    progress(stretch.len);
                }
                done.push((stretch.number, stretch.at, stretch.len, result));
            }
            lock(&buffers).push(buffer);
            Ok::<_, std::convert::Infallible>(done)
        });
        let mut checked = result.unwrap_or_default();
        checked.sort_by_key(|(number, at, ..)| (*number, *at));
        report.n_bytes = checked.iter().fold(0, |sum, (_, _, len, _)| sum.saturating_add(*len));

        let mut checked = checked.into_iter().peekable();
        for (number, (key, entry)) in values.iter().enumerate() {
            let mut crc = Ok(Some(crc32c::Joined::new()));
            while let Some((_, _, len, next)) = checked.next_if(|(other, ..)| *other == number) {
                crc = match (crc, next) {
                    (Ok(Some(mut joined)), Ok(Some(next))) => {
                        joined.add(next, len);
                        Ok(Some(joined))
                    }
                    (Ok(_), Ok(_)) => Ok(None),
                    (Err(error), _) | (Ok(_), Err(error)) => Err(error),
                };
            }
            let result = crc.and_then(|crc| match crc {
                Some(joined) => {
                    let shard = self.shard(entry.shard)?;
                    self.value(key, entry, &shard).verified().check(joined.crc())
                }
                None => Ok(()),
            });
            if let Err(error) = result {
                report.damaged.push((key.clone(), error));
            }
        }
    }

    /// The checksum of a stretch of plain elements; `None` for types that are checked otherwise.
    fn checksum_of(
        &self,
        stretch: &Stretch<'_>,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<u32>, Error> {
        let (key, entry) = stretch.value;
        let shard = self.shard(entry.shard)?;
        let value = self.value(key, entry, &shard);
        value.check_place()?;
        match entry.dtype {
            DType::String => value.verified().read().map(|_| None),
            DType::Variant => value.verified().read_variants().map(|_| None),
            _ => {
                let mut crc = 0;
                let end = stretch.at.saturating_add(stretch.len);
                let mut at = stretch.at;
                while at < end {
                    let len = end.saturating_sub(at).min(CHUNK_LEN);
                    crc = value.extend_checksum(crc, at, len, buffer)?;
                    at = at.saturating_add(len);
                }
                Ok(Some(crc))
            }
        }
    }

    /// Looks for bytes of data files that belong to no value or to two; `values` are in the order in
    /// which they lie.
    fn look_for_gaps(&self, values: &[(Key, Entry)], oddities: &mut Vec<Oddity>) {
        let mut values = values.iter().filter(|(_, entry)| entry.size > 0).peekable();
        for shard in 0..self.header().n_shards {
            let mut end = 0u64;
            let mut last: Option<&Key> = None;
            while let Some((key, entry)) = values.next_if(|(_, entry)| entry.shard == shard) {
                let (offset, value_end) = (entry.offset, entry.offset.saturating_add(entry.size));
                if offset > end {
                    let len = offset.saturating_sub(end);
                    oddities.push(Oddity::Gap { shard, offset: end, len });
                } else if let Some(last) = last.filter(|_| offset < end) {
                    let len = end.min(value_end).saturating_sub(offset);
                    let keys = [last.clone(), key.clone()];
                    oddities.push(Oddity::Shared { shard, offset, len, keys });
                }
                if value_end >= end {
                    (end, last) = (value_end, Some(key));
                }
            }
            // A file that is missing and not needed is no gap.
            if let Ok(file) = self.shard(shard)
                && let Some(len) = file.source.len().checked_sub(end).filter(|len| *len > 0)
            {
                oddities.push(Oddity::Gap { shard, offset: end, len });
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
