//! Tensors that are stored in slices: putting together what is asked for.

use bytes::Bytes;
use flowkeep_tensor::{DType, Shape, Tensor, TensorSlice};

use crate::Error;
use crate::overlap::Ranges;
use crate::region::{Place, for_each_run};

/// A tensor that is stored in slices, which do not overlap.
pub(crate) struct Partitioned<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) dtype: DType,
    pub(crate) slices: &'a [TensorSlice],
    /// What each slice covers.
    pub(crate) ranges: &'a [Ranges],
}

/// Where the slices of a tensor are.
pub(crate) trait SliceStore {
    /// A slice whose place is known.
    type Found;

    /// Finds the slice of this index.
    fn find(&self, idx: usize) -> Result<Self::Found, Error>;

    /// Checks that so many bytes exist as these slices are said to have, before memory is taken.
    fn check_room(&self, found: &[&Self::Found]) -> Result<(), Error>;

    /// Reads a slice: a tensor of the slice's shape.
    fn read(&self, found: &Self::Found) -> Result<Tensor, Error>;
}

/// A stored slice that has elements of what is asked for.
struct Part<F> {
    found: F,
    /// The elements in common, relative to the stored slice and to what is asked for.
    region: Region,
}

/// Where the elements in common lie.
struct Region {
    lens: Vec<usize>,
    from: Vec<usize>,
    to: Vec<usize>,
}

/// Reads `slice` of a tensor; `wanted` is what the slice covers.
pub(crate) fn read<S: SliceStore>(
    store: &S,
    tensor: &Partitioned<'_>,
    slice: &TensorSlice,
    wanted: &Ranges,
) -> Result<Tensor, Error> {
    if let Some(idx) = tensor.slices.iter().position(|stored| stored == slice) {
        return store.read(&store.find(idx)?);
    }
    let shape = region_shape(wanted)?;
    let mut parts = Vec::new();
    let mut n_covered = 0usize;
    for (idx, stored) in tensor.ranges.iter().enumerate() {
        let Some(region) = intersect(stored, wanted) else { continue };
        n_covered = n_covered.saturating_add(region.lens.iter().product());
        parts.push(Part { found: store.find(idx)?, region });
    }
    if n_covered != shape.n_elements() {
        let (key, slice) = (tensor.key.to_vec(), slice.to_string());
        return Err(Error::InsufficientSlices { key, slice });
    }
    if let [part] = parts.as_slice() {
        return cut_region(store.read(&part.found)?, &shape, &part.region);
    }
    store.check_room(&parts.iter().map(|part| &part.found).collect::<Vec<_>>())?;
    match tensor.dtype {
        DType::String => gather_strings(store, &shape, &parts),
        dtype => gather_plain(store, dtype, &shape, &parts),
    }
}

/// The `ranges` of `tensor`, copied out; or the tensor itself if that is all of it.
pub(crate) fn cut(tensor: Tensor, ranges: &Ranges) -> Result<Tensor, Error> {
    let shape = region_shape(ranges)?;
    let zeros = vec![0; shape.rank()];
    let starts = ranges.iter().map(|(start, _)| index(*start)).collect::<Vec<_>>();
    let region = Region { lens: shape.dims().to_vec(), from: starts, to: zeros };
    cut_region(tensor, &shape, &region)
}

/// The region of `tensor`, which is all of what is asked for.
fn cut_region(tensor: Tensor, shape: &Shape, region: &Region) -> Result<Tensor, Error> {
    if shape == tensor.shape() {
        return Ok(tensor);
    }
    if tensor.dtype() == DType::String {
        let mut strings = vec![Bytes::new(); shape.n_elements()];
        copy_strings(&tensor, region, shape, &mut strings)?;
        return Ok(Tensor::from_strings(shape, strings)?);
    }
    Tensor::from_fill(tensor.dtype(), shape, |out| copy_plain(&tensor, region, shape, out))
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

fn gather_plain<S: SliceStore>(
    store: &S,
    dtype: DType,
    shape: &Shape,
    parts: &[Part<S::Found>],
) -> Result<Tensor, Error> {
    Tensor::from_fill(dtype, shape, |out| {
        for part in parts {
            let tensor = store.read(&part.found)?;
            copy_plain(&tensor, &part.region, shape, out)?;
        }
        Ok(())
    })
}

fn gather_strings<S: SliceStore>(
    store: &S,
    shape: &Shape,
    parts: &[Part<S::Found>],
) -> Result<Tensor, Error> {
    let mut out = vec![Bytes::new(); shape.n_elements()];
    for part in parts {
        let tensor = store.read(&part.found)?;
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
