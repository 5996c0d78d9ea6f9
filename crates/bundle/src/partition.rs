//! Tensors that are stored in slices: putting together what is asked for.

use bytes::Bytes;
use flowkeep_tensor::{DType, Shape, Tensor, TensorSlice};

use crate::overlap::{Ranges, find_overlap};
use crate::region::{Place, for_each_run};
use crate::{BundleReader, Entry, Error, slice_key};

/// A stored slice that has elements of what is asked for.
struct Part {
    key: Vec<u8>,
    entry: Entry,
    /// The elements in common, relative to the stored slice and to what is asked for.
    region: Region,
}

/// Where the elements in common lie.
struct Region {
    lens: Vec<usize>,
    from: Vec<usize>,
    to: Vec<usize>,
}

/// Reads `slice` of the partitioned tensor `key`; `ranges` is what the slice covers.
pub(crate) fn read(
    reader: &BundleReader,
    key: &[u8],
    entry: &Entry,
    slice: &TensorSlice,
    ranges: &Ranges,
) -> Result<Tensor, Error> {
    let stored = entry.slices.iter().map(|stored| stored.resolve(&entry.shape));
    let stored = stored.collect::<Result<Vec<_>, _>>()?;
    if let Some((a, b)) = find_overlap(&stored) {
        let name =
            |idx: usize| entry.slices.get(idx).map(TensorSlice::to_string).unwrap_or_default();
        return Err(
            reader.bad_entry(key, format!("Overlapping slices: {} and {}", name(a), name(b)))
        );
    }
    if entry.slices.contains(slice) {
        let (key, entry) = slice_entry(reader, key, entry, slice)?;
        return reader.read_value(&key, &entry);
    }

    let shape = region_shape(ranges)?;
    let mut parts = Vec::new();
    let mut n_covered = 0usize;
    for (stored_slice, stored) in entry.slices.iter().zip(&stored) {
        let Some(region) = intersect(stored, ranges) else { continue };
        n_covered = n_covered.saturating_add(region.lens.iter().product());
        let (key, entry) = slice_entry(reader, key, entry, stored_slice)?;
        parts.push(Part { key, entry, region });
    }
    if n_covered != shape.n_elements() {
        let (key, slice) = (key.to_vec(), slice.to_string());
        return Err(Error::InsufficientSlices { key, slice });
    }
    check_bytes_exist(reader, key, entry.dtype, &parts)?;
    match entry.dtype {
        DType::String => gather_strings(reader, &shape, &parts),
        dtype => gather_plain(reader, dtype, &shape, &parts),
    }
}

/// The `ranges` of `tensor`, copied out; or the tensor itself if that is all of it.
pub(crate) fn cut(tensor: Tensor, ranges: &Ranges) -> Result<Tensor, Error> {
    let shape = region_shape(ranges)?;
    if shape == *tensor.shape() {
        return Ok(tensor);
    }
    let zeros = vec![0; shape.rank()];
    let starts = ranges.iter().map(|(start, _)| index(*start)).collect::<Vec<_>>();
    let region = Region { lens: shape.dims().to_vec(), from: starts, to: zeros };
    if tensor.dtype() == DType::String {
        let mut strings = vec![Bytes::new(); shape.n_elements()];
        copy_strings(&tensor, &region, &shape, &mut strings)?;
        return Ok(Tensor::from_strings(shape, strings)?);
    }
    Tensor::from_fill(tensor.dtype(), &shape, |out| copy_plain(&tensor, &region, &shape, out))
}

/// The entry of a slice, which must be what the tensor's own entry says.
pub(crate) fn slice_entry(
    reader: &BundleReader,
    name: &[u8],
    full: &Entry,
    slice: &TensorSlice,
) -> Result<(Vec<u8>, Entry), Error> {
    let key = slice_key::encode(name, slice);
    let entry = reader.entry(&key)?;
    let shape = slice.shape_in(&full.shape)?;
    if entry.dtype != full.dtype || entry.shape != shape || entry.is_partitioned() {
        return Err(reader.bad_entry(
            &key,
            format!(
                "slice {slice} of {} is stored with type {} and shape {}, not {} and {shape}",
                String::from_utf8_lossy(name),
                entry.dtype,
                entry.shape,
                full.dtype
            ),
        ));
    }
    Ok((key, entry))
}

/// Several slices could claim the same bytes and so blow up a small file.
fn check_bytes_exist(
    reader: &BundleReader,
    key: &[u8],
    dtype: DType,
    parts: &[Part],
) -> Result<(), Error> {
    let mut shards: Vec<u32> = parts.iter().map(|part| part.entry.shard).collect();
    shards.sort_unstable();
    shards.dedup();
    let mut available = 0u64;
    for shard in shards {
        available = available.saturating_add(reader.shard(shard)?.source.len());
    }
    let claimed = parts.iter().fold(0u64, |sum, part| sum.saturating_add(part.entry.size));
    if claimed > available {
        return Err(reader.bad_entry(
            key,
            format!(
                "slices of {} of type {dtype} have {claimed} bytes, but their data files {available}",
                String::from_utf8_lossy(key)
            ),
        ));
    }
    Ok(())
}

/// What two ranges have in common, or `None` if that is nothing.
fn intersect(stored: &Ranges, wanted: &Ranges) -> Option<Region> {
    let mut region = Region { lens: Vec::new(), from: Vec::new(), to: Vec::new() };
    for ((stored, stored_len), (wanted, wanted_len)) in stored.iter().zip(wanted) {
        let start = stored.max(wanted);
        let end = stored.saturating_add(*stored_len).min(wanted.saturating_add(*wanted_len));
        region.lens.push(index(end.checked_sub(*start).filter(|len| *len > 0)?));
        region.from.push(index(start.saturating_sub(*stored)));
        region.to.push(index(start.saturating_sub(*wanted)));
    }
    Some(region)
}

fn gather_plain(
    reader: &BundleReader,
    dtype: DType,
    shape: &Shape,
    parts: &[Part],
) -> Result<Tensor, Error> {
    Tensor::from_fill(dtype, shape, |out| {
        for part in parts {
            let tensor = reader.read_value(&part.key, &part.entry)?;
            copy_plain(&tensor, &part.region, shape, out)?;
        }
        Ok(())
    })
}

fn gather_strings(reader: &BundleReader, shape: &Shape, parts: &[Part]) -> Result<Tensor, Error> {
    let mut out = vec![Bytes::new(); shape.n_elements()];
    for part in parts {
        let tensor = reader.read_value(&part.key, &part.entry)?;
        copy_strings(&tensor, &part.region, shape, &mut out)?;
    }
    Ok(Tensor::from_strings(shape, out)?)
}

fn copy_plain(
    tensor: &Tensor,
    region: &Region,
    shape: &Shape,
    out: &mut [u8],
) -> Result<(), Error> {
    let bytes = tensor.as_bytes()?;
    let size = tensor.dtype().size_bytes().unwrap_or(1);
    copy(tensor, region, shape, |from, to, n| {
        let from = bytes.get(from * size..(from + n) * size)?;
        out.get_mut(to * size..(to + n) * size)?.copy_from_slice(from);
        Some(())
    })
}

fn copy_strings(
    tensor: &Tensor,
    region: &Region,
    shape: &Shape,
    out: &mut [Bytes],
) -> Result<(), Error> {
    let strings = tensor.as_strings()?;
    copy(tensor, region, shape, |from, to, n| {
        out.get_mut(to..to + n)?.clone_from_slice(strings.get(from..from + n)?);
        Some(())
    })
}

fn copy(
    tensor: &Tensor,
    region: &Region,
    shape: &Shape,
    run: impl FnMut(usize, usize, usize) -> Option<()>,
) -> Result<(), Error> {
    let from = Place { dims: tensor.dims(), start: &region.from };
    let to = Place { dims: shape.dims(), start: &region.to };
    for_each_run(&region.lens, from, to, run).ok_or_else(|| {
        let message = format!("a slice does not fit into shape {shape}");
        Error::Tensor(flowkeep_tensor::Error::SliceMismatch(message))
    })
}

fn region_shape(ranges: &Ranges) -> Result<Shape, Error> {
    let dims = ranges.iter().map(|(_, len)| index(*len)).collect::<Vec<_>>();
    let shape = Shape::from(dims);
    match shape.checked_n_elements() {
        Some(_) => Ok(shape),
        None => Err(flowkeep_tensor::Error::BadShape(format!("shape {shape} is too large")).into()),
    }
}

/// An index within a tensor's shape, whose dimensions all fit.
fn index(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
