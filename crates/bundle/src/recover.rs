//! Opening what is left of a bundle whose index is damaged.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::reader::{OpenShard, with_suffix};
use crate::source::{self, BytesSource, FileSource, Source};
use crate::storage::FileStorage;
use crate::table::recover::{RecoveredTable, recover};
use crate::table::{self, TableWriter};
use crate::writer::publish::data_files;
use crate::{BundleHeader, BundleReader, Entry, Error, Key, ReaderOptions};

/// What is left of a bundle.
#[derive(Debug)]
#[non_exhaustive]
pub struct Recovered {
    /// A reader of the tensors that the index still has.
    pub reader: BundleReader,
    /// What is damaged in the index, in words; empty if it is sound.
    pub damage: Vec<String>,
    /// Tensors for whose entry no checksum stands. The bytes of one that can be read are what was
    /// written, as the entry has their checksum; its name, type and shape may be damaged.
    pub uncertain: BTreeSet<Key>,
}

impl BundleReader {
    /// Opens a bundle although its index may be damaged: each block of it is read by itself, entries
    /// of damaged blocks as far as they make sense, and where the header is lost, the number of data
    /// files is that of the files that are there.
    ///
    /// Errors: `NOT_FOUND` without an index or, if its header is lost, without data files;
    /// `INVALID_ARGUMENT` if it asks for a reader of another version; what the system reports.
    pub fn recover(prefix: &Path, options: ReaderOptions) -> Result<Recovered, Error> {
        let path = with_suffix(prefix, ".index");
        let file = FileSource::open(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Error::NoCheckpoint { prefix: prefix.into() },
            _ => Error::Io { path: path.clone(), source },
        })?;
        let n_shards = || count_of_data_files(prefix);
        let open_shard = move |_: u32, _: u32, path: &Path| -> io::Result<_> {
            source::open(path, options.mmap)
        };
        recover_from(prefix.into(), &file, n_shards, Box::new(open_shard), options)
    }

    /// As [`BundleReader::recover`], with bytes that come from elsewhere, as for
    /// [`BundleReader::from_sources`]; `n_shards` is the number of data files to be taken for true
    /// if the header is lost.
    ///
    /// Errors: as [`BundleReader::recover`].
    pub fn recover_from_sources(
        index: &dyn Source,
        n_shards: u32,
        open_shard: impl Fn(u32, u32) -> io::Result<Arc<dyn Source>> + Send + Sync + 'static,
        options: ReaderOptions,
    ) -> Result<Recovered, Error> {
        let open_shard = move |shard: u32, n_shards: u32, _: &Path| open_shard(shard, n_shards);
        let prefix = "<sources>".into();
        recover_from(prefix, index, || Ok(n_shards), Box::new(open_shard), options)
    }
}

fn recover_from(
    prefix: PathBuf,
    index: &dyn Source,
    n_shards: impl FnOnce() -> Result<u32, Error>,
    open_shard: Box<OpenShard>,
    options: ReaderOptions,
) -> Result<Recovered, Error> {
    let path = with_suffix(&prefix, ".index");
    let len = usize::try_from(index.len()).unwrap_or(usize::MAX);
    let mut table = recover(&index.read_at(0, len).map_err(Error::io(&path))?);
    let mut damage: Vec<_> = table.damage.drain(..).map(|error| error.to_string()).collect();

    let header = table.entries.remove(&b""[..]).map(|(bytes, _)| bytes);
    let header = header.and_then(|bytes| Some((BundleHeader::decode(&bytes).ok()?, bytes)));
    let (n_shards, header) = match header {
        Some((header, bytes)) => (header.n_shards, bytes.to_vec()),
        None => {
            let n_shards = n_shards()?;
            damage.push(format!("the header is lost; there are {n_shards} data files"));
            (n_shards, BundleHeader::encode(n_shards))
        }
    };
    let (content, uncertain) =
        sound_table(table, &header, n_shards).map_err(|source| Error::Table { path, source })?;
    let reader = BundleReader::new(prefix, &BytesSource::new(content), open_shard, options)?;
    Ok(Recovered { reader, damage, uncertain })
}

/// A table of these entries; uncertain ones only where they could be those of tensors.
fn sound_table(
    recovered: RecoveredTable,
    header: &[u8],
    n_shards: u32,
) -> Result<(Vec<u8>, BTreeSet<Key>), table::Error> {
    let mut uncertain = BTreeSet::new();
    let mut table = TableWriter::new(Vec::new());
    table.add(b"", header)?;
    for (key, (value, certain)) in recovered.entries {
        if !certain {
            if Entry::decode(&key, &value, n_shards).is_err() {
                continue;
            }
            uncertain.insert(Key::from(key.clone()));
        }
        table.add(&key, &value)?;
    }
    Ok((table.finish()?, uncertain))
}

/// The number of data files that most of the files which are there speak of.
fn count_of_data_files(prefix: &Path) -> Result<u32, Error> {
    let files = data_files(&FileStorage, prefix);
    let counts: BTreeSet<u32> = files.iter().map(|(_, _, count)| *count).collect();
    let n_files = |count: &u32| files.iter().filter(|(_, _, other)| other == count).count();
    let count = counts.into_iter().max_by_key(n_files);
    count.ok_or_else(|| Error::MissingShard { path: with_suffix(prefix, ".data-00000-of-00001") })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use flowkeep_tensor::Tensor;

    use super::*;
    use crate::{BundleWriter, WriterOptions};

    fn write(dir: &Path) -> PathBuf {
        let prefix = dir.join("p");
        let options = WriterOptions { n_shards: 2, ..WriterOptions::default() };
        let mut writer = BundleWriter::create(&prefix, options).unwrap();
        for i in 0..40i32 {
            writer.add(format!("tensor{i:02}"), &Tensor::from_elements(vec![i; 3])).unwrap();
        }
        writer.finish().unwrap();
        prefix
    }

    #[test]
    fn whatever_byte_of_the_index_is_damaged_no_tensor_is_read_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let prefix = write(dir.path());
        let path = with_suffix(&prefix, ".index");
        let index = fs::read(&path).unwrap();
        let mut n_read = 0;
        for at in (0..index.len()).step_by(3) {
            let mut damaged = index.clone();
            damaged[at] ^= 0x22;
            fs::write(&path, &damaged).unwrap();
            let recovered = BundleReader::recover(&prefix, ReaderOptions::default()).unwrap();
            for key in recovered.reader.keys() {
                let Ok(tensor) = recovered.reader.tensor(&key) else { continue };
                let values = tensor.as_slice::<i32>().unwrap_or_else(|_| panic!("{at}: {key}"));
                if !recovered.uncertain.contains(&key) {
                    assert_eq!(key.to_string(), format!("tensor{:02}", values[0]), "{at}");
                }
                n_read += 1;
            }
        }
        // On average, damage to the one block costs half of its entries.
        assert!(n_read * 3 > index.len() * 40 / 2, "{n_read} of {}", index.len() * 40 / 3);
    }

    #[test]
    fn a_lost_header_is_made_up_for_by_the_data_files() {
        let dir = tempfile::tempdir().unwrap();
        let prefix = write(dir.path());
        let path = with_suffix(&prefix, ".index");
        let mut index = fs::read(&path).unwrap();
        index[4] = 0xff;
        fs::write(&path, &index).unwrap();
        assert!(BundleReader::open(&prefix).is_err());
        let recovered = BundleReader::recover(&prefix, ReaderOptions::default()).unwrap();
        let [checksum, header] = &recovered.damage[..] else { panic!("{:?}", recovered.damage) };
        assert_eq!(checksum, "block checksum mismatch at byte 0");
        assert_eq!(header, "the header is lost; there are 2 data files");
        assert_eq!(recovered.reader.keys().count(), 40);
        assert_eq!(recovered.uncertain.len(), 40);
        let tensor = recovered.reader.tensor("tensor07").unwrap();
        assert_eq!(tensor.as_slice::<i32>().unwrap(), &[7; 3]);

        let missing = BundleReader::recover(&dir.path().join("q"), ReaderOptions::default());
        assert_eq!(missing.unwrap_err().code().name(), "NOT_FOUND");
    }
}
