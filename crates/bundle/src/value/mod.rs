//! Values of single entries: from the bytes of a data file to a tensor.
//!
//! `plain` has elements that lie as they are; `strings` has lengths and contents; `variants` has
//! messages. Each reads, and gives the bytes for writing.

mod checksum;
pub(crate) mod plain;
pub(crate) mod strings;
pub(crate) mod variants;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use flowkeep_tensor::{DType, Tensor};

use crate::source::Source;
use crate::{Entry, Error, crc32c};

/// A data file that is open.
pub(crate) struct Shard {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) path: PathBuf,
    pub(crate) prefix: PathBuf,
}

/// A value to be read: an entry and the data file that it points into.
pub(crate) struct Value<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) entry: &'a Entry,
    pub(crate) shard: &'a Shard,
    /// Whether elements must be swapped.
    pub(crate) swapped: bool,
    /// Whether checksums are compared.
    pub(crate) verify: bool,
    /// The most threads that work on a large value.
    pub(crate) n_threads: usize,
}

impl Value<'_> {
    /// Reads the tensor. The entry is one of a tensor stored whole.
    pub(crate) fn read(&self) -> Result<Tensor, Error> {
        self.check_place()?;
        match self.entry.dtype {
            DType::String => self.read_strings(),
            dtype if dtype.size_bytes().is_some() => self.read_plain(),
            dtype => {
                Err(Error::UnsupportedType { key: self.key.to_vec(), dtype: dtype.to_string() })
            }
        }
    }

    /// Checks that the value lies within its data file.
    pub(crate) fn check_place(&self) -> Result<(), Error> {
        let (Entry { offset, size, .. }, len) = (self.entry, self.shard.source.len());
        // The place of an empty value is never looked at.
        if *size == 0 || offset.checked_add(*size).is_some_and(|end| end <= len) {
            return Ok(());
        }
        let (path, key) = (self.shard.path.clone(), self.key.to_vec());
        Err(Error::ShortRead { path, key, offset: *offset, size: *size, len })
    }

    /// The bytes as they are stored.
    fn read_stored(&self) -> Result<Bytes, Error> {
        self.shard.source.read_at(self.place(), self.len()?).map_err(|error| self.io(error))
    }

    /// Where to read; an empty value may claim to lie anywhere.
    fn place(&self) -> u64 {
        if self.entry.size == 0 { 0 } else { self.entry.offset }
    }

    /// The length of the value in bytes.
    fn len(&self) -> Result<usize, Error> {
        usize::try_from(self.entry.size).map_err(|_| self.damaged("does not fit into memory"))
    }

    /// The same value, to be compared with its checksum whatever was asked for.
    pub(crate) fn verified(self) -> Self {
        Value { verify: true, n_threads: 1, ..self }
    }

    /// The checksum `crc`, extended by a stretch of the stored bytes. The value lies within its data
    /// file; `buffer` is scratch.
    pub(crate) fn extend_checksum(
        &self,
        crc: u32,
        at: u64,
        len: u64,
        buffer: &mut Vec<u8>,
    ) -> Result<u32, Error> {
        let len = usize::try_from(len).map_err(|_| self.damaged("does not fit into memory"))?;
        if self.shard.source.has_views() {
            let offset = self.place().saturating_add(at);
            let bytes = self.shard.source.read_at(offset, len).map_err(|error| self.io(error))?;
            return Ok(crc32c::extend(crc, &bytes));
        }
        buffer.resize(len, 0);
        self.read_part(at, buffer)?;
        Ok(crc32c::extend(crc, buffer))
    }

    /// Reads a stretch of the stored bytes. The value lies within its data file.
    pub(crate) fn read_part(&self, at: u64, out: &mut [u8]) -> Result<(), Error> {
        let offset = self.place().saturating_add(at);
        self.shard.source.read_into(offset, out).map_err(|error| self.io(error))
    }

    /// Compares the checksum of plain bytes with the stored one, unless that is not asked for.
    pub(crate) fn check(&self, calculated: u32) -> Result<(), Error> {
        if !self.verify || calculated == self.entry.crc32c {
            return Ok(());
        }
        Err(Error::Checksum {
            prefix: self.shard.prefix.clone(),
            path: self.shard.path.clone(),
            shard: self.entry.shard,
            key: self.key.to_vec(),
            offset: self.entry.offset,
            size: self.entry.size,
            stored: self.entry.crc32c,
            calculated,
        })
    }

    fn check_bytes(&self, bytes: &[u8]) -> Result<(), Error> {
        if self.verify { self.check(checksum::of(bytes, self.n_threads)) } else { Ok(()) }
    }

    fn damaged(&self, what: impl Into<String>) -> Error {
        let (path, key) = (self.shard.path.clone(), self.key.to_vec());
        Error::Value { path, key, offset: self.entry.offset, what: what.into() }
    }

    fn io(&self, source: io::Error) -> Error {
        Error::Io { path: self.shard.path.clone(), source }
    }
}
