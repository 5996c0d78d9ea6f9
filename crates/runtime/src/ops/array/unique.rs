//! The distinct elements of a tensor, and where they are.

use std::borrow::Cow;
use std::collections::HashMap;

use bytes::Bytes;
use flowkeep_tensor::{DType, Shape, Tensor};

use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{self, Built, dims_tensor, int_vector, kernel, product};
use crate::ops::cells::{Cell, Move, copy, fill_from};

/// Gives the distinct elements in the order of their first occurrence.
///
/// Shapes: `x [N]` → `y [U]`, `idx [N]` (for each element its number in `y`), and with counts
/// `count [U]`. The V2 forms take `axis [0]` (as above) or `[1]`: `x [.., N, ..]` → `y [.., U, ..]`, of
/// which the slices along the axis are distinct.  Types: `T` any; `out_idx` i32 or i64. No NaN is
/// equal to another; 0 and -0 are equal.
/// Errors: `INVALID_ARGUMENT` for other ranks and axes.
/// Source: OpDefs `Unique`, `UniqueV2`, `UniqueWithCounts`, `UniqueWithCountsV2`.
pub(super) fn unique(init: &KernelInit<'_>) -> Built {
    let (index_type, has_axis) = (init.attr_type("out_idx")?, init.n_inputs() > 1);
    let has_counts = init.n_outputs() > 2;
    kernel(move |cx| {
        let input = cx.input(0)?;
        let axis = axis_of(cx, input, has_axis)?;
        let dims = input.dims();
        let (outer, n, inner) = (product(&dims[..axis]), dims[axis], product(&dims[axis + 1..]));
        let sizes = [if input.n_elements() == 0 { 0 } else { outer }, n, inner];
        let found = match input.dtype() {
            DType::String => distinct(strings(input.as_strings()?, sizes), n),
            dtype => distinct(plain(dtype, input.as_bytes()?, sizes), n),
        };
        let shape: Vec<usize> = [&dims[..axis], &[found.first.len()], &dims[axis + 1..]].concat();
        let job = Slices { sizes, chosen: &found.first };
        let output = fill_from(input.dtype(), &[input], Shape::from(shape), job)?;
        let numbers = dims_tensor(&found.number, index_type)?;
        let counts = dims_tensor(&found.count, index_type)?;
        cx.set_output(0, output)?;
        cx.set_output(1, numbers)?;
        if has_counts { cx.set_output(2, counts) } else { Ok(()) }
    })
}

fn axis_of(cx: &KernelContext<'_>, input: &Tensor, has_axis: bool) -> Result<usize, Status> {
    let rank = input.shape().rank();
    let axes = if has_axis { int_vector(cx.input(1)?, "axis")? } else { Vec::new() };
    match axes[..] {
        [] if rank == 1 => Ok(0),
        [] => Err(Status::invalid_argument("unique expects a 1D vector.")),
        [axis] => args::axis(axis, rank)
            .ok_or_else(|| Status::invalid_argument(format!("axis has to be between [0, {rank})"))),
        _ => Err(Status::invalid_argument(
            "axis does not support input tensors larger than 1 elements",
        )),
    }
}

/// What is known of `n` slices.
struct Found {
    /// The first slice of each kind.
    first: Vec<usize>,
    /// The kind of each slice.
    number: Vec<usize>,
    /// How many there are of each kind.
    count: Vec<usize>,
}

/// Tells slices apart by their keys; those without one are like no other.
fn distinct<'a>(keys: impl Fn(usize) -> Option<Cow<'a, [u8]>>, n: usize) -> Found {
    let mut found = Found { first: Vec::new(), number: Vec::new(), count: Vec::new() };
    let mut kinds: HashMap<Cow<'a, [u8]>, usize> = HashMap::new();
    for i in 0..n {
        let next = found.first.len();
        let kind = match keys(i) {
            Some(key) => *kinds.entry(key).or_insert(next),
            None => next,
        };
        if kind == next {
            found.first.push(i);
            found.count.push(0);
        }
        found.number.push(kind);
        found.count[kind] += 1;
    }
    found
}

/// The keys of slices of strings: their lengths and bytes.
fn strings<'a>(
    values: &'a [Bytes],
    [outer, n, inner]: [usize; 3],
) -> impl Fn(usize) -> Option<Cow<'a, [u8]>> {
    move |i| {
        if (outer, inner) == (1, 1) {
            return Some(Cow::Borrowed(&values[i]));
        }
        let mut key = Vec::new();
        for block in 0..outer {
            for value in &values[(block * n + i) * inner..][..inner] {
                key.extend(value.len().to_le_bytes());
                key.extend_from_slice(value);
            }
        }
        Some(Cow::Owned(key))
    }
}

/// The keys of slices of numbers: their bytes, but for floats that equal others or not themselves.
fn plain<'a>(
    dtype: DType,
    bytes: &'a [u8],
    [outer, n, inner]: [usize; 3],
) -> impl Fn(usize) -> Option<Cow<'a, [u8]>> {
    let width = dtype.size_bytes().unwrap_or(1);
    let float = Float::of(dtype);
    move |i| {
        let slice = |block: usize| &bytes[(block * n + i) * inner * width..][..inner * width];
        let mut key = match outer {
            1 => Cow::Borrowed(slice(0)),
            _ => Cow::Owned((0..outer).flat_map(slice).copied().collect()),
        };
        if let Some(float) = float {
            for at in (0..key.len()).step_by(float.width) {
                match float.kind(&key[at..at + float.width]) {
                    Kind::Nan => return None,
                    Kind::NegativeZero => key.to_mut()[at..at + float.width].fill(0),
                    Kind::Other => {}
                }
            }
        }
        Some(key)
    }
}

/// The layout of a float type (complex numbers are two).
#[derive(Clone, Copy)]
struct Float {
    width: usize,
    mantissa_bits: u32,
}

enum Kind {
    Nan,
    NegativeZero,
    Other,
}

impl Float {
    fn of(dtype: DType) -> Option<Float> {
        let (width, mantissa_bits) = match dtype {
            DType::F16 => (2, 10),
            DType::BF16 => (2, 7),
            DType::F32 | DType::Complex64 => (4, 23),
            DType::F64 | DType::Complex128 => (8, 52),
            _ => return None,
        };
        Some(Float { width, mantissa_bits })
    }

    fn kind(self, bytes: &[u8]) -> Kind {
        let bits = bytes.iter().rev().fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
        let sign = 1u64 << (self.width * 8 - 1);
        let infinity = (sign - 1) >> self.mantissa_bits << self.mantissa_bits;
        match bits & (sign - 1) {
            0 if bits == sign => Kind::NegativeZero,
            size if size > infinity => Kind::Nan,
            _ => Kind::Other,
        }
    }
}

/// Copies slices along the middle dimension.
struct Slices<'a> {
    sizes: [usize; 3],
    chosen: &'a [usize],
}

impl Move for Slices<'_> {
    fn run<C: Cell>(self, from: &[&[C]], to: &mut [C]) -> Result<(), Status> {
        let [_, n, inner] = self.sizes;
        let Some(from) = from.first().filter(|from| !from.is_empty()) else { return Ok(()) };
        let blocks = from.chunks(n * inner).zip(to.chunks_mut(self.chosen.len() * inner));
        for (from, to) in blocks {
            for (to, i) in to.chunks_mut(inner).zip(self.chosen) {
                copy(&from[i * inner..][..inner], to);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_alike_and_nans_are_not() {
        let values = [0.0f32, -0.0, f32::NAN, f32::NAN, f32::INFINITY, f32::INFINITY, 1.0];
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        let found = distinct(plain(DType::F32, &bytes, [1, 7, 1]), 7);
        assert_eq!(found.number, [0, 0, 1, 2, 3, 3, 4]);
        assert_eq!(found.count, [2, 1, 1, 2, 1]);
        assert_eq!(found.first, [0, 2, 3, 4, 6]);
    }
}
