use std::io::Read;

use bytes::Bytes;
use flowkeep_tensor::{DType, Shape, Tensor, TensorSlice};

use super::data::{CHUNK_LEN, DataFile, Extent};
use super::index::{IndexBuilder, Stored};
use crate::crc32c;
use crate::key::text;
use crate::value::{plain, strings, variants};
use crate::{BundleReader, Error, Variant};

/// Writes one data file of a bundle; see [`BundleWriter`](crate::BundleWriter), whose parts these
/// are. Several may be used at once, each by a thread of its own.
///
/// Values lie in the file in the order in which they are added. After an error of the system the
/// bundle cannot be finished; after all others it is as it was before the call.
pub struct ShardWriter {
    number: u32,
    data: DataFile,
    index: IndexBuilder,
    alignment: u64,
}

/// A tensor, or a slice of one, that is to be stored.
struct Target {
    /// The key of the value.
    key: Vec<u8>,
    /// The whole tensor, if the value is a slice of it.
    full: Option<(Vec<u8>, Shape, TensorSlice)>,
}

impl ShardWriter {
    pub(super) fn new(number: u32, data: DataFile, alignment: u64) -> ShardWriter {
        ShardWriter { number, data, index: IndexBuilder::default(), alignment }
    }

    pub(super) fn into_parts(self) -> (DataFile, IndexBuilder) {
        (self.data, self.index)
    }

    /// The bytes of all values that were added.
    pub fn len_bytes(&self) -> u64 {
        self.data.len()
    }

    /// Adds a tensor.
    ///
    /// Errors: `INVALID_ARGUMENT` if the key is empty or was added before; what the storage reports.
    pub fn add(&mut self, key: impl AsRef<[u8]>, tensor: &Tensor) -> Result<(), Error> {
        let target = self.whole(key.as_ref(), tensor.dtype())?;
        self.put_tensor(target, tensor)
    }

    /// Adds a slice of a tensor of shape `full_shape`. A slice that covers all of it is stored as
    /// a whole tensor.
    ///
    /// Errors: as [`ShardWriter::add`]; `INTERNAL` if the slice does not fit `full_shape`, or the
    /// tensor has not the slice's shape; `INVALID_ARGUMENT` if another slice of the tensor was added
    /// with another type or full shape, or `full_shape` is too large for any tensor.
    pub fn add_slice(
        &mut self,
        key: impl AsRef<[u8]>,
        full_shape: &Shape,
        slice: &TensorSlice,
        tensor: &Tensor,
    ) -> Result<(), Error> {
        let target = self.part(key.as_ref(), tensor.dtype(), full_shape, slice)?;
        let shape = slice.shape_in(full_shape)?;
        if shape != *tensor.shape() {
            let message = format!(
                "a tensor of shape {} is not slice {slice} of one of shape {full_shape}",
                tensor.shape()
            );
            return Err(flowkeep_tensor::Error::SliceMismatch(message).into());
        }
        self.put_tensor(target, tensor)
    }

    /// Adds a tensor whose elements are read, as little-endian bytes in row-major order, without
    /// holding all of them.
    ///
    /// Errors: as [`ShardWriter::add`]; `INVALID_ARGUMENT` if the type has no such form or the shape
    /// is too large; those of the reader, which must have enough bytes and is not read beyond them.
    pub fn add_reader(
        &mut self,
        key: impl AsRef<[u8]>,
        dtype: DType,
        shape: &Shape,
        mut reader: impl Read,
    ) -> Result<(), Error> {
        let target = self.whole(key.as_ref(), dtype)?;
        let len = stored_len(&target.key, dtype, shape)?;
        let start = self.data.len();
        let mut extent = Extent { offset: start, len: 0, crc32c: 0 };
        let mut buffer = Vec::new();
        while extent.len < len {
            let n = (len - extent.len).min(CHUNK_LEN);
            buffer.resize(usize::try_from(n).unwrap_or(usize::MAX), 0);
            let result = reader
                .read_exact(&mut buffer)
                .map_err(|source| Error::Stream { key: target.key.clone(), source });
            plain::to_canonical_form(dtype, &mut buffer);
            let appended = result.and_then(|()| self.data.append(&buffer)).inspect_err(|_| {
                self.data.truncate(start);
            })?;
            extent.crc32c = crc32c::concat(extent.crc32c, appended.crc32c, n);
            extent.len += n;
        }
        self.enter(target, dtype, shape, extent)
    }

    /// Adds a tensor whose elements are computed, as little-endian bytes in row-major order, without
    /// holding all of them.
    ///
    /// `fill` is given the place of a stretch of bytes, from 0 on, and the stretch to be filled. It
    /// may be called for stretches in any order and by several threads at once; all begin, and all
    /// but the last end, at multiples of 512 KiB.
    ///
    /// Errors: as [`ShardWriter::add`]; `INVALID_ARGUMENT` if the type has no such form or the shape
    /// is too large; those of `fill`.
    pub fn add_with<E: From<Error> + Send>(
        &mut self,
        key: impl AsRef<[u8]>,
        dtype: DType,
        shape: &Shape,
        fill: impl Fn(u64, &mut [u8]) -> Result<(), E> + Sync,
    ) -> Result<(), E> {
        let target = self.whole(key.as_ref(), dtype)?;
        self.put_with(target, dtype, shape, fill)
    }

    /// Adds a slice of a tensor of shape `full_shape`, with elements as for
    /// [`ShardWriter::add_with`].
    ///
    /// Errors: as [`ShardWriter::add_slice`] and [`ShardWriter::add_with`].
    pub fn add_slice_with<E: From<Error> + Send>(
        &mut self,
        key: impl AsRef<[u8]>,
        dtype: DType,
        full_shape: &Shape,
        slice: &TensorSlice,
        fill: impl Fn(u64, &mut [u8]) -> Result<(), E> + Sync,
    ) -> Result<(), E> {
        let target = self.part(key.as_ref(), dtype, full_shape, slice)?;
        let shape = slice.shape_in(full_shape).map_err(Error::from)?;
        self.put_with(target, dtype, &shape, fill)
    }

    /// Adds a tensor of variants.
    ///
    /// Errors: as [`ShardWriter::add`]; `INVALID_ARGUMENT` if the shape holds another number of
    /// elements.
    pub fn add_variants(
        &mut self,
        key: impl AsRef<[u8]>,
        shape: &Shape,
        variants: &[Variant],
    ) -> Result<(), Error> {
        let target = self.whole(key.as_ref(), DType::Variant)?;
        if shape.checked_n_elements() != Some(variants.len()) {
            let (shape, n_elements) = (shape.clone(), variants.len());
            return Err(flowkeep_tensor::Error::LengthMismatch { shape, n_elements }.into());
        }
        let (bytes, crc32c) = variants::encode(variants);
        let extent = self.data.append(&bytes)?;
        self.enter(target, DType::Variant, shape, Extent { crc32c, ..extent })
    }

    /// Copies a tensor of another bundle, whole or in slices as it is stored there, under a new key.
    ///
    /// The bytes are copied as they are, whatever their type, and compared with their checksum.
    /// Errors: those of reading, as [`BundleReader::tensor`]; those of [`ShardWriter::add`].
    pub fn copy(
        &mut self,
        key: impl AsRef<[u8]>,
        reader: &BundleReader,
        from: impl AsRef<[u8]>,
    ) -> Result<(), Error> {
        let (key, from) = (key.as_ref(), from.as_ref());
        let entry = reader.entry(from)?;
        if !entry.is_partitioned() {
            let target = self.whole(key, entry.dtype)?;
            return self.put_copy(target, reader, from);
        }
        for slice in &entry.slices {
            let target = self.part(key, entry.dtype, &entry.shape, slice)?;
            self.put_copy(target, reader, &crate::slice_key::encode(from, slice))?;
        }
        Ok(())
    }

    /// Where a whole tensor goes.
    fn whole(&self, key: &[u8], dtype: DType) -> Result<Target, Error> {
        self.index.check(key, dtype)?;
        Ok(Target { key: key.to_vec(), full: None })
    }

    /// Where a slice of a tensor goes.
    fn part(
        &self,
        name: &[u8],
        dtype: DType,
        full_shape: &Shape,
        slice: &TensorSlice,
    ) -> Result<Target, Error> {
        if slice.shape_in(full_shape)? == *full_shape {
            return self.whole(name, dtype);
        }
        // Readers refuse what could not be stored whole.
        len_bytes(name, full_shape, dtype.size_bytes().unwrap_or(1))?;
        let key = self.index.check_slice(name, dtype, full_shape, slice)?;
        Ok(Target { key, full: Some((name.to_vec(), full_shape.clone(), slice.clone())) })
    }

    fn put_tensor(&mut self, target: Target, tensor: &Tensor) -> Result<(), Error> {
        let dtype = tensor.dtype();
        let extent = match tensor.as_strings() {
            Ok(strings) => self.append_strings(strings)?,
            Err(_) => {
                let bytes = tensor.as_bytes()?;
                if plain::is_stored_form(dtype) {
                    self.data.append(bytes)?
                } else {
                    let mut bytes = bytes.to_vec();
                    plain::to_stored_form(dtype, &mut bytes);
                    self.data.append(&bytes)?
                }
            }
        };
        self.enter(target, dtype, tensor.shape(), extent)
    }

    fn append_strings(&mut self, values: &[Bytes]) -> Result<Extent, Error> {
        let (head, mut crc32c) = strings::encode_head(values);
        let offset = self.data.append(&head)?.offset;
        for value in values {
            crc32c = crc32c::extend(crc32c, value);
            self.data.append(value).inspect_err(|_| self.data.truncate(offset))?;
        }
        Ok(Extent { offset, len: self.data.len() - offset, crc32c })
    }

    fn put_with<E: From<Error> + Send>(
        &mut self,
        target: Target,
        dtype: DType,
        shape: &Shape,
        fill: impl Fn(u64, &mut [u8]) -> Result<(), E> + Sync,
    ) -> Result<(), E> {
        let len = stored_len(&target.key, dtype, shape)?;
        let extent = self.data.append_with(len, |at, out| {
            fill(at, out)?;
            plain::to_canonical_form(dtype, out);
            Ok::<_, E>(())
        })?;
        Ok(self.enter(target, dtype, shape, extent)?)
    }

    fn put_copy(
        &mut self,
        target: Target,
        reader: &BundleReader,
        from: &[u8],
    ) -> Result<(), Error> {
        let entry = reader.entry(from)?;
        if entry.dtype == DType::Variant {
            let (bytes, crc32c) = variants::encode(&reader.variants(from)?);
            let extent = self.data.append(&bytes)?;
            return self.enter(target, entry.dtype, &entry.shape, Extent { crc32c, ..extent });
        }
        if entry.dtype == DType::String || reader.header().endianness.is_foreign() {
            return self.put_tensor(target, &reader.tensor(from)?);
        }
        let start = self.data.len();
        let shard = reader.shard(entry.shard)?;
        let value = reader.value(from, &entry, &shard);
        value.check_place()?;
        let extent = self.data.append_with(entry.size, |at, out| value.read_part(at, out))?;
        if let Err(error) = value.check(extent.crc32c) {
            self.data.truncate(start);
            return Err(error);
        }
        self.enter(target, entry.dtype, &entry.shape, extent)
    }

    /// Writes a value into the index.
    fn enter(
        &mut self,
        target: Target,
        dtype: DType,
        shape: &Shape,
        extent: Extent,
    ) -> Result<(), Error> {
        let stored = Stored {
            shard: self.number,
            offset: extent.offset,
            size: extent.len,
            masked_crc32c: crc32c::mask(extent.crc32c),
        };
        if self.alignment > 1 {
            self.data.pad(self.alignment)?;
        }
        if let Some((name, full_shape, slice)) = &target.full {
            self.index.add_to_full(name, dtype, full_shape, slice);
        }
        self.index.add(target.key, dtype, shape, stored);
        Ok(())
    }
}

impl std::fmt::Debug for ShardWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShardWriter")
            .field("number", &self.number)
            .field("len_bytes", &self.len_bytes())
            .finish_non_exhaustive()
    }
}

/// The length of a tensor of plain elements in bytes.
fn stored_len(key: &[u8], dtype: DType, shape: &Shape) -> Result<u64, Error> {
    let Some(size) = dtype.size_bytes() else {
        let what = format!("tensor {} has type {dtype}, which has no plain elements", text(key));
        return Err(Error::invalid(what));
    };
    len_bytes(key, shape, size)
}

/// The length in bytes of elements of `size` bytes.
fn len_bytes(key: &[u8], shape: &Shape, size: usize) -> Result<u64, Error> {
    let len = shape.checked_n_elements().and_then(|n| n.checked_mul(size));
    let len = len.and_then(|len| u64::try_from(len).ok()).filter(|len| i64::try_from(*len).is_ok());
    len.ok_or_else(|| Error::invalid(format!("tensor {} of shape {shape} is too large", text(key))))
}
