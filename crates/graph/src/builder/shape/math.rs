//! Products of matrices, reductions, ranges.

use flowkeep_tensor::{DType, PartialShape, Tensor};

use super::InferenceContext;
use super::builtin::ShapeFn;
use super::dims::{
    Dim, axis, broadcast, merge_dim, scalar, with_rank, with_rank_at_least, with_rank_at_most,
};
use super::values::to_i64;

pub(super) const OPS: &[(&str, ShapeFn)] = &[
    ("All", reduction),
    ("Any", reduction),
    ("ArgMax", arg_extreme),
    ("ArgMin", arg_extreme),
    ("BatchMatMul", batch_mat_mul),
    ("BatchMatMulV2", batch_mat_mul),
    ("BatchMatMulV3", batch_mat_mul),
    ("EuclideanNorm", reduction),
    ("MatMul", mat_mul),
    ("Max", reduction),
    ("Mean", reduction),
    ("Min", reduction),
    ("Prod", reduction),
    ("Range", range),
    ("Sum", reduction),
];

/// Rows and columns of a matrix, turned if need be.
fn turned([rows, columns]: [Dim; 2], is_turned: bool) -> [Dim; 2] {
    if is_turned { [columns, rows] } else { [rows, columns] }
}

fn mat_mul(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let matrix = |index, attr| {
        let dims = with_rank(cx.input(index), 2)?;
        let dims = dims.first_chunk().copied().unwrap_or_default();
        Ok::<_, String>(turned(dims, cx.attrs().bool(attr) == Ok(true)))
    };
    let [rows, inner] = matrix(0, "transpose_a")?;
    let [other, columns] = matrix(1, "transpose_b")?;
    merge_dim(inner, other)?;
    cx.set_output(0, PartialShape::new(vec![rows, columns]));
    Ok(())
}

fn batch_mat_mul(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let split = |index, attr| {
        let Some(dims) = with_rank_at_least(cx.input(index), 2)? else {
            return Ok::<_, String>(None);
        };
        let Some((batch, matrix)) = dims.split_last_chunk::<2>() else { return Ok(None) };
        let batch = PartialShape::new(batch.to_vec());
        Ok(Some((batch, turned(*matrix, cx.attrs().bool(attr) == Ok(true)))))
    };
    let (a, b) = (split(0, "adj_x")?, split(1, "adj_y")?);
    let (Some((a_batch, [rows, inner])), Some((b_batch, [other, columns]))) = (a, b) else {
        return Ok(());
    };
    merge_dim(inner, other)?;
    let batch = broadcast(&a_batch, &b_batch)?;
    let mut dims = batch.dims().unwrap_or_default().to_vec();
    dims.extend([rows, columns]);
    cx.set_output(0, PartialShape::new(dims));
    Ok(())
}

fn reduction(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    with_rank_at_most(cx.input(1), 1)?;
    let keep_dims = cx.attrs().bool("keep_dims") == Ok(true);
    let axes = cx.constant(1);
    let (Some(axes), Some(dims)) = (axes, cx.input(0).dims()) else {
        if let (true, Some(rank)) = (keep_dims, cx.input(0).rank()) {
            cx.set_output(0, PartialShape::new(vec![None; rank]));
        }
        return Ok(());
    };
    let mut reduced = vec![false; dims.len()];
    for index in to_i64(&axes) {
        let place = axis(index, dims.len()).and_then(|place| reduced.get_mut(place));
        *place.ok_or_else(|| {
            format!("Invalid reduction dimension {index} for input with {} dimensions.", dims.len())
        })? = true;
    }
    let mut left = Vec::with_capacity(dims.len());
    for (dim, is_reduced) in dims.iter().zip(reduced) {
        match (is_reduced, keep_dims) {
            (false, _) => left.push(*dim),
            (true, true) => left.push(Some(1)),
            (true, false) => {}
        }
    }
    cx.set_output(0, PartialShape::new(left));
    Ok(())
}

fn arg_extreme(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    with_rank(cx.input(1), 0)?;
    let Some(dims) = cx.input(0).dims() else { return Ok(()) };
    if dims.len() <= 1 {
        cx.set_output(0, scalar());
        return Ok(());
    }
    let Some(index) = cx.constant(1).and_then(|value| to_i64(&value).first().copied()) else {
        cx.set_output(0, PartialShape::new(vec![None; dims.len() - 1]));
        return Ok(());
    };
    let rank = dims.len();
    let place = axis(index, rank).ok_or_else(|| {
        format!(
            "Dimension ({index}) must be in the range [-{rank}, {rank}), where {rank} is the number of dimensions in \
             the input."
        )
    })?;
    let mut left = dims.to_vec();
    left.remove(place);
    cx.set_output(0, PartialShape::new(left));
    Ok(())
}

fn range(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    for (index, what) in ["start", "limit", "delta"].into_iter().enumerate() {
        with_rank(cx.input(index), 0).map_err(|text| format!("{text}\n\t for '{what}' input"))?;
    }
    let values = [0, 1, 2].map(|index| cx.constant(index));
    let n = match &values {
        [Some(start), Some(limit), Some(delta)] => match start.dtype() {
            DType::F32 | DType::F64 => steps_of_floats(start, limit, delta)?,
            _ => steps([start, limit, delta].map(|value| to_i64(value).first().copied()))?,
        },
        _ => None,
    };
    cx.set_output(0, PartialShape::new(vec![n]));
    Ok(())
}

/// How many steps of size `delta` lead from `start` to `limit`.
fn steps(values: [Option<i64>; 3]) -> Result<Option<u64>, String> {
    let [Some(start), Some(limit), Some(delta)] = values else { return Ok(None) };
    check_direction(start, limit, delta, 0)?;
    Ok(Some(start.abs_diff(limit).div_ceil(delta.unsigned_abs())))
}

/// As [`steps`], in the precision of the type.
fn steps_of_floats(start: &Tensor, limit: &Tensor, delta: &Tensor) -> Result<Option<u64>, String> {
    let n = if start.dtype() == DType::F32 {
        let value = |tensor: &Tensor| tensor.to_scalar::<f32>().unwrap_or(f32::NAN);
        let (start, limit, delta) = (value(start), value(limit), value(delta));
        check_direction(start, limit, delta, 0.0)?;
        f64::from(((limit - start) / delta).abs().ceil())
    } else {
        let value = |tensor: &Tensor| tensor.to_scalar::<f64>().unwrap_or(f64::NAN);
        let (start, limit, delta) = (value(start), value(limit), value(delta));
        check_direction(start, limit, delta, 0.0)?;
        ((limit - start) / delta).abs().ceil()
    };
    #[expect(clippy::as_conversions, reason = "a whole number, of which the range is asked first")]
    let whole = (0.0..9e15).contains(&n).then_some(n as u64);
    Ok(whole)
}

fn check_direction<T: PartialOrd + std::fmt::Display>(
    start: T,
    limit: T,
    delta: T,
    zero: T,
) -> Result<(), String> {
    if delta > zero && start > limit {
        return Err(format!("Requires start <= limit when delta > 0: {start}/{limit}"));
    }
    if delta < zero && start < limit {
        return Err(format!("Requires start >= limit when delta < 0: {start}/{limit}"));
    }
    if delta == zero { Err("Requires delta != 0".to_owned()) } else { Ok(()) }
}
