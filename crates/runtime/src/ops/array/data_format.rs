//! Ops that turn dimensions of one data format into those of another.

use flowkeep_tensor::DType;

use crate::kernel::{KernelInit, Status};
use crate::ops::args::{Built, kernel};
use crate::ops::cells::{Cell, Move, copy, fill_from};

/// The two formats, as bytes.
///
/// Errors: `INVALID_ARGUMENT` for formats of other lengths.
fn formats(init: &KernelInit<'_>) -> Result<(Vec<u8>, Vec<u8>), Status> {
    let (from, to) = (init.attr_str("src_format")?, init.attr_str("dst_format")?);
    for (what, name, format) in [("Source", "src", from), ("Destination", "dst", to)] {
        if format.len() != 4 && format.len() != 5 {
            return Err(Status::invalid_argument(format!(
                "{what} format must be of length 4 or 5, received {name}_format = {format}"
            )));
        }
    }
    Ok((from.into(), to.into()))
}

/// Numbers of dimensions in `src_format` as those in `dst_format`; negative ones count from the end.
///
/// Shapes: `x [D..]` → `[D..]`.  Types: `T` i32 or i64.
/// Errors: `INVALID_ARGUMENT` for formats that are not of 4 or 5 dimensions.
/// Source: OpDef `DataFormatDimMap`; numbers that are no dimension give what the reference gives.
pub(super) fn dim_map(init: &KernelInit<'_>) -> Built {
    let (from, to) = formats(init)?;
    let place = |letter: &u8| to.iter().position(|other| other == letter).unwrap_or(0);
    let places: Vec<usize> = from.iter().map(place).collect();
    kernel(move |cx| {
        let n = places.len() as i64;
        let map = |dim: i64| {
            let dim = usize::try_from(dim.wrapping_add(n) % n).unwrap_or(usize::MAX);
            places[dim.min(places.len() - 1)]
        };
        let mut x = cx.take_input(0)?;
        match x.dtype() {
            DType::I64 => x.make_mut::<i64>()?.iter_mut().for_each(|x| *x = map(*x) as i64),
            _ => x.make_mut::<i32>()?.iter_mut().for_each(|x| *x = map((*x).into()) as i32),
        }
        cx.set_output(0, x)
    })
}

/// What a vector has for the dimensions of `src_format`, in the order of `dst_format`.
///
/// Shapes: `x [rank]` or `[rank, 2]`, or the same for height, width (and depth) alone → as `x`.  Types: `T`
/// i32 or i64.
/// Errors: `INVALID_ARGUMENT` for other shapes, or formats that are no permutations of each other.
/// Source: OpDef `DataFormatVecPermute`.
pub(super) fn vec_permute(init: &KernelInit<'_>) -> Built {
    let (from, to) = formats(init)?;
    kernel(move |cx| {
        let x = cx.input(0)?;
        let (rank, shape) = (from.len(), x.shape());
        let n_spatial = rank - 2;
        let error = |message: String| Err(Status::invalid_argument(message));
        let per_dim = match *x.dims() {
            [n] if n == rank || n == n_spatial => 1,
            [n, 2] if n == rank || n == n_spatial => 2,
            [_] => {
                return error(format!(
                    "1D input must be of size {n_spatial} or {rank}, but got shape {shape}"
                ));
            }
            [n, _] if n != rank && n != n_spatial => {
                return error(format!(
                    "First dimension of 2D input must be of size {n_spatial} or {rank}, but got \
                     shape {shape}"
                ));
            }
            [_, _] => {
                return error(format!(
                    "Second dimension of 2D input must be of size 2, but got shape {shape}"
                ));
            }
            _ => {
                return error(format!(
                    "input must be a vector or 2D tensor, but got shape {shape}"
                ));
            }
        };
        let only_spatial = x.dims()[0] == n_spatial;
        let used = |format: &[u8]| {
            let is_used = |letter: &u8| {
                !only_spatial || b"HW".contains(letter) || (*letter == b'D' && n_spatial == 3)
            };
            format.iter().copied().filter(is_used).collect::<Vec<u8>>()
        };
        let (used_from, used_to) = (used(&from), used(&to));
        let place = |letter: &u8| used_from.iter().position(|other| other == letter);
        let places: Option<Vec<usize>> = used_to.iter().map(place).collect();
        let is_permutation = |places: &Vec<usize>| {
            places.len() == x.dims()[0] && (0..places.len()).all(|place| places.contains(&place))
        };
        let Some(places) = places.filter(is_permutation) else {
            return error(format!(
                "Destination and source format must determine a permutation, got {} and {}",
                String::from_utf8_lossy(&from),
                String::from_utf8_lossy(&to)
            ));
        };
        let job = Permute { places: &places, per_dim };
        let output = fill_from(x.dtype(), &[x], shape, job)?;
        cx.set_output(0, output)
    })
}

/// Copies rows of `per_dim` cells from the given places.
struct Permute<'a> {
    places: &'a [usize],
    per_dim: usize,
}

impl Move for Permute<'_> {
    fn run<C: Cell>(self, from: &[&[C]], to: &mut [C]) -> Result<(), Status> {
        if let Some(from) = from.first() {
            for (to, place) in to.chunks_exact_mut(self.per_dim).zip(self.places) {
                copy(&from[place * self.per_dim..][..self.per_dim], to);
            }
        }
        Ok(())
    }
}

/// The place of `CPU` among device types, or their number where it is not among them.
///
/// Shapes: → `[]`, i32.  Source: OpDef `DeviceIndex`.
pub(super) fn device_index(init: &KernelInit<'_>) -> Built {
    let names = init.attr_strs("device_names")?;
    let index = names.iter().position(|name| *name == "CPU").unwrap_or(names.len());
    let index = i32::try_from(index)
        .map_err(|_| Status::invalid_argument("there are too many device names"))?;
    kernel(move |cx| cx.set_output(0, flowkeep_tensor::Tensor::scalar(index)))
}
