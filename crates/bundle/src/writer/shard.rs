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

/// A tensor that is to be added, or a slice of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTensor {
    /// The key of the tensor.
    pub key: Vec<u8>,
    /// The type of its elements.
    pub dtype: DType,
    /// Its shape; of a slice, that of the whole tensor.
    pub shape: Shape,
    /// The slice, if it is one.
    pub slice: Option<TensorSlice>,
}

impl NewTensor {
    /// A whole tensor.
    pub fn new(key: impl Into<Vec<u8>>, dtype: DType, shape: impl Into<Shape>) -> NewTensor {
        NewTensor { key: key.into(), dtype, shape: shape.into(), slice: None }
    }
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
        let target = whole(&self.index, key.as_ref(), tensor.dtype())?;
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
        let target = part(&self.index, key.as_ref(), tensor.dtype(), full_shape, slice)?;
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
        let target = whole(&self.index, key.as_ref(), dtype)?;
        let len = stored_len(&target.key, dtype, shape)?;
        let start = self.data.len();
        let mut extent = Extent { offset: start, len: 0, crc32c: 0 };
        let mut joined = crc32c::Joined::new();
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
            joined.add(appended.crc32c, n);
            extent.crc32c = joined.crc();
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
        let tensor = NewTensor::new(key.as_ref(), dtype, shape.clone());
        self.add_many(&[tensor], |_, at, out: &mut [u8]| fill(at, out))
    }

    /// Adds tensors, and slices of tensors, whose elements are computed, with several threads at work on
    /// all of them together.
    ///
    /// As [`ShardWriter::add_with`], but `fill` is first given the number of the tensor in the list.
    /// Errors: as [`ShardWriter::add_with`] and [`ShardWriter::add_slice`]; none of the tensors is then
    /// added.
    pub fn add_many<E: From<Error> + Send>(
        &mut self,
        tensors: &[NewTensor],
        fill: impl Fn(usize, u64, &mut [u8]) -> Result<(), E> + Sync,
    ) -> Result<(), E> {
        // What the tensors of the list would do to each other.
        let mut together = IndexBuilder::default();
        let (mut targets, mut lens) = (Vec::new(), Vec::new());
        for tensor in tensors {
            let NewTensor { key, dtype, shape, slice } = tensor;
            let target = match slice {
                None => whole(&self.index, key, *dtype)?,
                Some(slice) => part(&self.index, key, *dtype, shape, slice)?,
            };
            let stored_shape = match slice {
                None => shape.clone(),
                Some(slice) => slice.shape_in(shape).map_err(Error::from)?,
            };
            match &target.full {
                None => together.check(&target.key, *dtype)?,
                Some((name, shape, slice)) => {
                    together.check_slice(name, *dtype, shape, slice)?;
                }
            }
            lens.push(stored_len(&target.key, *dtype, &stored_shape)?);
            let nowhere = Stored { shard: 0, offset: 0, size: 0, masked_crc32c: 0 };
            enter(&mut together, &target, *dtype, &stored_shape, nowhere);
            targets.push((target, *dtype, stored_shape));
        }
        let start = self.data.len();
        let extents = self.data.append_many(&lens, self.alignment, |number, at, out| {
            fill(number, at, out)?;
            let dtype = tensors.get(number).map_or(DType::U8, |tensor| tensor.dtype);
            plain::to_canonical_form(dtype, out);
            Ok::<_, E>(())
        });
        let extents = extents.inspect_err(|_| self.data.truncate(start))?;
        for ((target, dtype, shape), extent) in targets.into_iter().zip(extents) {
            let stored = self.stored(extent);
            enter(&mut self.index, &target, dtype, &shape, stored);
        }
        Ok(())
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
        let target = whole(&self.index, key.as_ref(), DType::Variant)?;
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
            let target = whole(&self.index, key, entry.dtype)?;
            return self.put_copy(target, reader, from);
        }
        for slice in &entry.slices {
            let target = part(&self.index, key, entry.dtype, &entry.shape, slice)?;
            self.put_copy(target, reader, &crate::slice_key::encode(from, slice))?;
        }
        Ok(())
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
        if entry.dtype == DType::String || reader.header().is_foreign() {
            return self.put_tensor(target, &reader.tensor(from)?);
        }
        let start = self.data.len();
        let shard = reader.shard(entry.shard)?;
        let value = reader.value(from, &entry, &shard);
        value.check_place()?;
        let read = |_: usize, at: u64, out: &mut [u8]| value.read_part(at, out);
        let extents = self.data.append_many(&[entry.size], 1, read);
        let extents = extents.inspect_err(|_| self.data.truncate(start))?;
        let [extent] = extents[..] else { return Ok(()) };
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
        if self.alignment > 1 {
            self.data.pad(self.alignment)?;
        }
        let stored = self.stored(extent);
        enter(&mut self.index, &target, dtype, shape, stored);
        Ok(())
    }

    fn stored(&self, extent: Extent) -> Stored {
        Stored {
            shard: self.number,
            offset: extent.offset,
            size: extent.len,
            masked_crc32c: crc32c::mask(extent.crc32c),
        }
    }
}

/// Where a whole tensor goes.
fn whole(index: &IndexBuilder, key: &[u8], dtype: DType) -> Result<Target, Error> {
    index.check(key, dtype)?;
    Ok(Target { key: key.to_vec(), full: None })
}

/// Where a slice of a tensor goes.
fn part(
    index: &IndexBuilder,
    name: &[u8],
    dtype: DType,
    full_shape: &Shape,
    slice: &TensorSlice,
) -> Result<Target, Error> {
    if slice.shape_in(full_shape)? == *full_shape {
        return whole(index, name, dtype);
    }
    // Readers refuse what could not be stored whole.
    len_bytes(name, full_shape, dtype.size_bytes().unwrap_or(1))?;
    let key = index.check_slice(name, dtype, full_shape, slice)?;
    Ok(Target { key, full: Some((name.to_vec(), full_shape.clone(), slice.clone())) })
}

/// Writes a value, which has been checked, into an index.
fn enter(index: &mut IndexBuilder, target: &Target, dtype: DType, shape: &Shape, stored: Stored) {
    if let Some((name, full_shape, slice)) = &target.full {
        index.add_to_full(name, dtype, full_shape, slice);
    }
    index.add(target.key.clone(), dtype, shape, stored);
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
