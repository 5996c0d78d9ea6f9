//! Products by names of axes, diagonals of matrices.
//!
//! Source: `common_shape_fns.cc`, `array_ops.cc`.

use std::collections::HashMap;

use flowkeep_tensor::PartialShape;

use super::InferenceContext;
use super::builtin::ShapeFn;
use super::dims::{Dim, broadcast, merge, merge_dim, with_rank, with_rank_at_least};
use super::values::to_i64;

pub(super) const OPS: &[(&str, ShapeFn)] = &[
    ("Cholesky", square),
    ("Einsum", einsum),
    ("LogMatrixDeterminant", determinants),
    ("MatrixDeterminant", determinants),
    ("MatrixDiag", matrix_diag),
    ("MatrixDiagPart", matrix_diag_part),
    ("MatrixDiagPartV2", matrix_diag_part_of),
    ("MatrixDiagPartV3", matrix_diag_part_of),
    ("MatrixDiagV2", matrix_diag_of),
    ("MatrixDiagV3", matrix_diag_of),
    ("MatrixInverse", square),
    ("MatrixSetDiag", matrix_set_diag),
    ("MatrixSetDiagV2", matrix_set_diag_of),
    ("MatrixSetDiagV3", matrix_set_diag_of),
    ("MatrixSolve", matrix_solve),
    ("MatrixTriangularSolve", matrix_triangular_solve),
    ("Qr", qr),
];

/// Batches of square matrices: the sizes of the batch, and that of each side.
fn squares(shape: &PartialShape) -> Result<Option<(&[Dim], Dim)>, String> {
    let dims = with_rank_at_least(shape, 2)?;
    let Some((batch, [rows, columns])) = dims.and_then(|dims| dims.split_last_chunk::<2>()) else {
        return Ok(None);
    };
    Ok(Some((batch, merge_dim(*rows, *columns)?)))
}

fn square(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    if let Some((batch, size)) = squares(cx.input(0))? {
        cx.set_output(0, PartialShape::new(batch.iter().copied().chain([size, size]).collect()));
    }
    Ok(())
}

fn determinants(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    if let Some((batch, _)) = squares(cx.input(0))? {
        for index in 0..cx.n_outputs() {
            cx.set_output(index, PartialShape::new(batch.to_vec()));
        }
    }
    Ok(())
}

fn matrix_solve(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    solution(cx, merge)
}

fn matrix_triangular_solve(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    solution(cx, broadcast)
}

/// What solves equations; `both` says what the sizes of two batches are together.
fn solution(
    cx: &mut InferenceContext<'_>,
    both: fn(&PartialShape, &PartialShape) -> Result<PartialShape, String>,
) -> Result<(), String> {
    let rhs = with_rank_at_least(cx.input(1), 2)?.and_then(|dims| dims.split_last_chunk::<2>());
    let (Some((batch, size)), Some((rhs_batch, [rows, columns]))) = (squares(cx.input(0))?, rhs)
    else {
        return Ok(());
    };
    let of = |dims: &[Dim]| PartialShape::new(dims.to_vec());
    let batch = both(&of(batch), &of(rhs_batch))?;
    let size = merge_dim(size, *rows)?;
    if let Some(batch) = batch.dims() {
        let dims = batch.iter().copied().chain([size, *columns]);
        cx.set_output(0, PartialShape::new(dims.collect()));
    }
    Ok(())
}

fn qr(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let is_full = cx.attrs().bool("full_matrices") == Ok(true);
    let dims = with_rank_at_least(cx.input(0), 2)?;
    let Some((batch, [rows, columns])) = dims.and_then(|dims| dims.split_last_chunk::<2>()) else {
        return Ok(());
    };
    let inner = if is_full { *rows } else { least(*rows, *columns) };
    for (index, sides) in [[*rows, inner], [inner, *columns]].into_iter().enumerate() {
        cx.set_output(index, PartialShape::new(batch.iter().copied().chain(sides).collect()));
    }
    Ok(())
}

/// The names of axes of each factor and of the result; an ellipsis is one `.`.
fn axes_of(equation: &str) -> Option<(Vec<Vec<char>>, Vec<char>)> {
    let equation = equation.replace("...", ".").replace(' ', "");
    let (inputs, output) = equation.split_once("->")?;
    Some((inputs.split(',').map(|axes| axes.chars().collect()).collect(), output.chars().collect()))
}

fn einsum(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let equation = cx.attrs().str("equation").map(|text| String::from_utf8_lossy(text));
    let axes = equation.ok().and_then(|equation| axes_of(&equation));
    let Some((inputs, output)) = axes else { return Ok(()) };
    if inputs.len() != cx.n_inputs() {
        return Ok(());
    }
    let mut sizes: HashMap<char, Dim> = HashMap::new();
    let mut batch = PartialShape::new(Vec::new());
    for (index, axes) in inputs.iter().enumerate() {
        let place = axes.iter().position(|axis| *axis == '.');
        let dims: Vec<Dim> = match place {
            None => with_rank(cx.input(index), axes.len())?,
            Some(_) => match with_rank_at_least(cx.input(index), axes.len() - 1)? {
                Some(dims) => dims.to_vec(),
                None => {
                    batch = PartialShape::unknown();
                    for axis in axes.iter().filter(|axis| **axis != '.') {
                        sizes.entry(*axis).or_insert(None);
                    }
                    continue;
                }
            },
        };
        let n_batch = (dims.len() + 1).saturating_sub(axes.len());
        let (before, rest) = dims.split_at_checked(place.unwrap_or(dims.len())).unwrap_or_default();
        let (of_batch, behind) = match place {
            Some(_) => rest.split_at_checked(n_batch).unwrap_or_default(),
            None => (&[][..], rest),
        };
        batch = broadcast(&batch, &PartialShape::new(of_batch.to_vec()))?;
        let named = axes.iter().filter(|axis| **axis != '.');
        for (axis, dim) in named.zip(before.iter().chain(behind)) {
            let size = sizes.entry(*axis).or_insert(None);
            *size = merge_dim(*size, *dim)?;
        }
    }
    let mut dims = Vec::with_capacity(output.len());
    for axis in output {
        match (axis, batch.dims()) {
            ('.', Some(batch)) => dims.extend_from_slice(batch),
            ('.', None) => return Ok(()),
            (axis, _) => dims.push(sizes.get(&axis).copied().flatten()),
        }
    }
    cx.set_output(0, PartialShape::new(dims));
    Ok(())
}

fn matrix_diag(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let Some(dims) = with_rank_at_least(cx.input(0), 1)? else { return Ok(()) };
    let size = dims.last().copied().flatten();
    cx.set_output(0, PartialShape::new(dims.iter().copied().chain([size]).collect()));
    Ok(())
}

fn matrix_diag_part(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let Some(dims) = with_rank_at_least(cx.input(0), 2)? else { return Ok(()) };
    let Some((batch, [rows, columns])) = dims.split_last_chunk::<2>() else { return Ok(()) };
    let size = least(*rows, *columns);
    cx.set_output(0, PartialShape::new(batch.iter().copied().chain([size]).collect()));
    Ok(())
}

/// The lesser of two sizes; 0 is less than any.
fn least(a: Dim, b: Dim) -> Dim {
    match (a, b) {
        (Some(0), _) | (_, Some(0)) => Some(0),
        (a, b) => Some(a?.min(b?)),
    }
}

/// The lowest and the highest diagonal of a band, if they are known.
fn band(cx: &mut InferenceContext<'_>, index: usize) -> Result<Option<[i64; 2]>, String> {
    let Some(value) = cx.constant(index) else { return Ok(None) };
    match *to_i64(&value) {
        [only] => Ok(Some([only, only])),
        [low, high] if low <= high => Ok(Some([low, high])),
        [low, high] => {
            Err(format!("lower_diag_index is greater than upper_diag_index: {low} > {high}"))
        }
        _ => Err("diag_index must be a scalar or a vector with one or two elements.".to_owned()),
    }
}

fn matrix_diag_part_of(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let band = band(cx, 1)?;
    let dims = with_rank_at_least(cx.input(0), 2)?;
    let Some((batch, [rows, columns])) = dims.and_then(|dims| dims.split_last_chunk::<2>()) else {
        return Ok(());
    };
    let Some([low, high]) = band else { return Ok(()) };
    let mut dims = batch.to_vec();
    if low < high {
        dims.push(u64::try_from(high - low + 1).ok());
    }
    let shortened = |size: Dim, by: i64| {
        let size = i64::try_from(size?).ok()?.checked_add(by)?;
        u64::try_from(size).ok()
    };
    let size = shortened(*rows, high.min(0)).zip(shortened(*columns, -low.max(0)));
    dims.push(size.map(|(rows, columns)| rows.min(columns)));
    cx.set_output(0, PartialShape::new(dims));
    Ok(())
}

fn matrix_diag_of(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let band = band(cx, 1)?;
    let size = |cx: &mut InferenceContext<'_>, index| {
        let value = cx.constant(index).and_then(|value| to_i64(&value).first().copied());
        value.and_then(|value| u64::try_from(value).ok())
    };
    let (rows, columns) = (size(cx, 2), size(cx, 3));
    let Some(dims) = with_rank_at_least(cx.input(0), 1)? else { return Ok(()) };
    let Some([low, high]) = band else { return Ok(()) };
    let n_diagonal = if low == high { 1 } else { 2 };
    let Some((batch, diagonal)) =
        dims.len().checked_sub(n_diagonal).and_then(|place| dims.split_at_checked(place))
    else {
        return Ok(());
    };
    let longest = diagonal.last().copied().flatten().and_then(|size| i64::try_from(size).ok());
    let least = |shift: i64| u64::try_from(longest? + shift).ok();
    let (least_rows, least_columns) = (least(-high.min(0)), least(low.max(0)));
    let (rows, columns) = match (rows, columns) {
        (None, None) => {
            let size = least_rows.zip(least_columns).map(|(a, b)| a.max(b));
            (size, size)
        }
        (Some(rows), None) => (Some(rows), least_columns),
        (None, Some(columns)) => (least_rows, Some(columns)),
        sizes => sizes,
    };
    cx.set_output(0, PartialShape::new(batch.iter().copied().chain([rows, columns]).collect()));
    Ok(())
}

fn matrix_set_diag(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let Some(dims) = with_rank_at_least(cx.input(0), 2)? else {
        if let Some(diagonal) = with_rank_at_least(cx.input(1), 1)? {
            let batch = diagonal.split_last().map(|(_, batch)| batch).unwrap_or_default();
            let dims = batch.iter().copied().chain([None, None]);
            cx.set_output(0, PartialShape::new(dims.collect()));
        }
        return Ok(());
    };
    let mut dims = dims.to_vec();
    if let Some(diagonal) = with_rank_at_least(cx.input(1), 1)? {
        let n_batch = diagonal.len().saturating_sub(1);
        for (dim, other) in dims.iter_mut().zip(diagonal.iter().take(n_batch)) {
            *dim = merge_dim(*dim, *other)?;
        }
    }
    cx.set_output(0, PartialShape::new(dims));
    Ok(())
}

fn matrix_set_diag_of(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let band = band(cx, 2)?;
    let n_behind = if band.is_some_and(|[low, high]| low < high) { 2 } else { 1 };
    let input = cx.input(0);
    with_rank_at_least(input, 2)?;
    let batch = with_rank_at_least(cx.input(1), 1)?
        .and_then(|dims| dims.get(..dims.len().checked_sub(n_behind)?))
        .filter(|_| input.to_shape().is_none());
    let known = batch.map(|batch| {
        let dims = batch.iter().copied().chain([None, None]);
        merge(input, &PartialShape::new(dims.collect()))
    });
    cx.set_output(0, known.transpose()?.unwrap_or_else(|| input.clone()));
    Ok(())
}
