//! Images in other sizes, and their gradients; tensors in parts; products with sparse matrices.

use flowkeep_tensor::PartialShape;

use super::InferenceContext;
use super::builtin::ShapeFn;
use super::dims::{Dim, with_rank, with_rank_at_least};

pub(super) const OPS: &[(&str, ShapeFn)] = &[
    ("DynamicPartition", dynamic_partition),
    ("ResizeBicubic", resized),
    ("ResizeBicubicGrad", second),
    ("ResizeBilinear", resized),
    ("ResizeBilinearGrad", second),
    ("ResizeNearestNeighbor", resized),
    ("ResizeNearestNeighborGrad", resized),
    ("ScaleAndTranslate", resized),
    ("ScaleAndTranslateGrad", second),
    ("SparseSegmentMean", segments),
    ("SparseSegmentMeanWithNumSegments", segments),
    ("SparseSegmentSqrtN", segments),
    ("SparseSegmentSqrtNWithNumSegments", segments),
    ("SparseSegmentSum", segments),
    ("SparseSegmentSumWithNumSegments", segments),
    ("SparseTensorDenseMatMul", sparse_mat_mul),
];

/// An image of the size that the second input says.
fn resized(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let image = with_rank(cx.input(0), 4)?;
    let size = cx.constant_as_shape(1)?;
    let size: Vec<Dim> = size.dims().map_or_else(|| vec![None; 2], <[Dim]>::to_vec);
    let [batch, _, _, channels] = image[..] else { return Ok(()) };
    let dims = [batch].into_iter().chain(size).chain([channels]);
    cx.set_output(0, PartialShape::new(dims.collect()));
    Ok(())
}

fn second(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    cx.set_output(0, cx.input(1).clone());
    Ok(())
}

/// Rows of which nobody knows how many there are.
fn dynamic_partition(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let (data, partitions) = (cx.input(0).dims(), cx.input(1).rank());
    let rest = data.zip(partitions).and_then(|(data, rank)| data.get(rank..)).map(<[Dim]>::to_vec);
    let n = cx.attrs().int("num_partitions").unwrap_or(0);
    let Some(rest) = rest else { return Ok(()) };
    for index in (0..).take(usize::try_from(n).unwrap_or(0)) {
        let dims = std::iter::once(None).chain(rest.iter().copied());
        cx.set_output(index, PartialShape::new(dims.collect()));
    }
    Ok(())
}

/// As many rows as there are segments, if that is said.
fn segments(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let Some(data) = with_rank_at_least(cx.input(0), 1)? else { return Ok(()) };
    let n = match cx.n_inputs() {
        4 => cx.constant(3).and_then(|n| super::values::to_i64(&n).first().copied()),
        _ => None,
    };
    let n = n.and_then(|n| u64::try_from(n).ok());
    let dims = std::iter::once(n).chain(data.iter().skip(1).copied());
    cx.set_output(0, PartialShape::new(dims.collect()));
    Ok(())
}

fn sparse_mat_mul(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let sparse = with_rank(&cx.constant_as_shape(2)?, 2)?;
    let dense = with_rank(cx.input(3), 2)?;
    let row = usize::from(cx.attrs().bool("adjoint_a") == Ok(true));
    let col = usize::from(cx.attrs().bool("adjoint_b") != Ok(true));
    let dim = |dims: &[Dim], index: usize| dims.get(index).copied().flatten();
    cx.set_output(0, PartialShape::new(vec![dim(&sparse, row), dim(&dense, col)]));
    Ok(())
}
