//! From a ragged tensor to a padded one.

use flowkeep_tensor::Tensor;

use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{self, Built, ints, kernel, product};
use crate::ops::cells::{Cell, Move, copy, fill_from};

/// How one level of rows is given.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Partition {
    /// The number of rows, before row ids.
    FirstDim,
    /// The row of each value.
    RowIds,
    /// Where each row ends.
    Splits,
}

/// A dense tensor of the rows of a ragged one, cut off or padded with a default.
///
/// Shapes: `shape [k]` of which dimensions may be -1, or `-1` alone, `values [n, r..]`, `default_value` that is
/// broadcast
/// to `[r..]`, row partitions → `[rows, most, .., r..]`.  Types: `T` any; partitions and shape i32 or i64.
/// Errors: `INVALID_ARGUMENT` for shapes that do not fit, and partitions that do not fit the values.
/// Source: OpDef `RaggedTensorToTensor`.
pub(super) fn ragged_tensor_to_tensor(init: &KernelInit<'_>) -> Built {
    let mut kinds = Vec::new();
    for kind in init.attr_strs("row_partition_types")? {
        kinds.push(match kind {
            "FIRST_DIM_SIZE" => Partition::FirstDim,
            "VALUE_ROWIDS" => Partition::RowIds,
            "ROW_SPLITS" => Partition::Splits,
            _ => {
                return Err(Status::invalid_argument(format!(
                    "Unknown string for partition info type: {kind}"
                )));
            }
        });
    }
    kernel(move |cx| {
        let output = padded(cx, &kinds)?;
        cx.set_output(0, output)
    })
}

fn padded(cx: &KernelContext<'_>, kinds: &[Partition]) -> Result<Tensor, Status> {
    let error = |message: String| Err(Status::invalid_argument(message));
    let (shape, values, default) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    if values.shape().rank() == 0 {
        return error("values must have at least one dimension".into());
    }
    if cx.n_inputs() - 3 != kinds.len() || kinds.is_empty() {
        return error(format!(
            "{} row partitions do not fit {} types",
            cx.n_inputs() - 3,
            kinds.len()
        ));
    }
    let parts: Vec<Vec<i64>> =
        (3..cx.n_inputs()).map(|idx| ints(cx.input(idx)?)).collect::<Result<_, Status>>()?;
    let Some(first) = parts[0].first() else {
        return error(
            "Invalid first partition input. Tensor requires at least one element.".into(),
        );
    };
    let first = match kinds[0] {
        Partition::FirstDim => *first,
        Partition::Splits => parts[0].len() as i64 - 1,
        Partition::RowIds => return error("Cannot handle VALUE_ROWIDS in first dimension.".into()),
    };
    let skipped = usize::from(kinds[0] == Partition::FirstDim);
    let levels: Vec<(Partition, &[i64])> =
        kinds.iter().copied().zip(parts.iter().map(Vec::as_slice)).skip(skipped).collect();
    let mut dims = vec![first];
    dims.extend(levels.iter().map(|level| most(*level)));
    let inner = &values.dims()[1..];
    dims.extend(inner.iter().map(|dim| *dim as i64));
    merge(&mut dims, shape, levels.len() + 1)?;
    let default_dims = default.dims();
    for (back, (got, wanted)) in default_dims.iter().rev().zip(inner.iter().rev()).enumerate() {
        if got != wanted && *got != 1 {
            let back = back + 1;
            return error(format!(
                "default_value.shape={} and rt_input.flat_values.shape={} are incompatible: \
                 default_value.shape[-{back}] = {got} but rt_input.flat_values.shape[-{back}] = {wanted}",
                default.shape(),
                values.shape()
            ));
        }
    }
    if default_dims.len() > inner.len() {
        return error(format!(
            "default_value.shape={} and rt_input.flat_values.shape={} are incompatible: default_value.rank = {}  \
             must be less than rt_input.flat_values.rank = {}",
            default.shape(),
            values.shape(),
            default_dims.len(),
            values.shape().rank()
        ));
    }
    let shape = args::shape(&dims)?;
    // Wrapping, since without an element no place is used.
    let stride = |dims: &[i64]| dims.iter().fold(1i64, |n, dim| n.wrapping_mul(*dim));
    let n_cells = stride(&dims[1..=levels.len()]);
    let rows = (0..first.min(dims[0])).map(|row| Some(row.wrapping_mul(n_cells)));
    // Rows beyond the first dimension have no place.
    let rows = rows.chain((dims[0]..first).map(|_| None));
    let mut places: Vec<Option<i64>> = Vec::new();
    let n_rows = usize::try_from(first).unwrap_or(0);
    places
        .try_reserve_exact(n_rows)
        .map_err(|_| Status::resource_exhausted(format!("{first} rows are too many")))?;
    places.extend(rows);
    for (at, (kind, part)) in levels.iter().enumerate() {
        let step = stride(&dims[at + 2..=levels.len()]);
        let most = match levels.get(at + 1) {
            Some((Partition::Splits, next)) => next.len().saturating_sub(1),
            // Row ids may leave rows out, but not without end.
            Some((_, next)) => next.len().max(1 << 20),
            None => values.dims()[0],
        };
        places = match kind {
            Partition::Splits => of_splits(&places, part, dims[at + 1], step, most)?,
            _ => of_row_ids(&places, part, dims[at + 1], step)?,
        };
    }
    if places.len() > values.dims()[0] {
        return error(format!(
            "the row partitions name {} values, but there are {}",
            places.len(),
            values.dims()[0]
        ));
    }
    let job = Pad { places: &places, len: product(inner), default_dims, inner };
    fill_from(values.dtype(), &[values, default], shape, job)
}

/// The length of the longest row.
fn most((kind, part): (Partition, &[i64])) -> i64 {
    match kind {
        Partition::Splits => {
            part.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).max().unwrap_or(0).max(0)
        }
        _ => part.chunk_by(|a, b| a == b).map(<[i64]>::len).max().unwrap_or(0) as i64,
    }
}

/// Sets dimensions to those that are asked for.
fn merge(dims: &mut [i64], shape: &Tensor, n_ragged: usize) -> Result<(), Status> {
    let error = |message: String| Err(Status::invalid_argument(message));
    let wanted = ints(shape)?;
    if shape.shape().rank() == 0 {
        return match wanted[..] {
            [-1] => Ok(()),
            _ => error(
                "The only valid scalar shape tensor is the fully unknown shape specified as -1."
                    .into(),
            ),
        };
    }
    if let Some(negative) = wanted.iter().find(|dim| **dim < -1) {
        return error(format!("Dimension {negative} must be >= -1"));
    }
    let text = || {
        let dims = wanted.iter().map(|dim| if *dim < 0 { "?".into() } else { dim.to_string() });
        format!("[{}]", dims.collect::<Vec<String>>().join(","))
    };
    if wanted.len() != dims.len() {
        return error(format!(
            "rt_input.shape and shape={} are incompatible: rt_input.rank = {} but shape.rank = {}",
            text(),
            dims.len(),
            wanted.len()
        ));
    }
    for (at, (dim, wanted)) in dims.iter_mut().zip(&wanted).enumerate() {
        if at >= n_ragged && *wanted >= 0 && wanted != dim {
            return error(format!(
                "rt_input.shape and shape={} are incompatible: rt_input.shape[{at}] = {dim} but shape[{at}] = \
                 {wanted}",
                text()
            ));
        }
        if *wanted >= 0 {
            *dim = *wanted;
        }
    }
    Ok(())
}

/// The places of the values of rows that end at splits.
fn of_splits(
    rows: &[Option<i64>],
    splits: &[i64],
    width: i64,
    step: i64,
    most: usize,
) -> Result<Vec<Option<i64>>, Status> {
    let error = |message: String| Err(Status::invalid_argument(message));
    if splits.len() > rows.len() + 1 {
        return error(format!("{} row splits do not fit {} rows", splits.len(), rows.len()));
    }
    let mut places = Vec::new();
    for (row, pair) in rows.iter().zip(splits.windows(2)) {
        let n = pair[1].saturating_sub(pair[0]).max(0);
        if usize::try_from(n).is_ok_and(|n| n > most.saturating_sub(places.len())) {
            return error(match places.len() as i64 + n == pair[1] {
                true => format!("the row splits reach {}, but there are {most} values", pair[1]),
                false => "Invalid row split size.".into(),
            });
        }
        places.extend((0..n).map(|at| {
            row.filter(|_| at < width).map(|row| row.wrapping_add(at.wrapping_mul(step)))
        }));
    }
    match splits.last() {
        Some(last) if usize::try_from(*last) != Ok(places.len()) => {
            error("Invalid row split size.".into())
        }
        _ => Ok(places),
    }
}

/// The places of values whose rows are named.
fn of_row_ids(
    rows: &[Option<i64>],
    ids: &[i64],
    width: i64,
    step: i64,
) -> Result<Vec<Option<i64>>, Status> {
    let mut places = Vec::with_capacity(ids.len());
    let mut name = "current_value_rowid";
    for run in ids.chunk_by(|a, b| a == b) {
        let id = run[0];
        let row = usize::try_from(id).ok().and_then(|id| rows.get(id)).ok_or_else(|| {
            Status::invalid_argument(format!(
                "Got {name}={id} which is not less than {}",
                rows.len()
            ))
        })?;
        name = "next_value_rowid";
        let places_of_row = (0..run.len() as i64).map(|at| {
            row.filter(|_| at < width).map(|row| row.wrapping_add(at.wrapping_mul(step)))
        });
        places.extend(places_of_row);
    }
    Ok(places)
}

/// Puts each value to its place, and the default elsewhere.
struct Pad<'a> {
    places: &'a [Option<i64>],
    len: usize,
    default_dims: &'a [usize],
    inner: &'a [usize],
}

impl Pad<'_> {
    /// Where in the default element `at` of a value is.
    fn default_at(&self, at: usize) -> usize {
        let (mut rest, mut place, mut stride) = (at, 0, 1);
        let dims = self.inner.iter().rev().zip(self.default_dims.iter().rev());
        for (dim, default) in dims {
            if *default > 1 {
                place += rest % dim * stride;
            }
            rest /= dim;
            stride *= default;
        }
        place
    }
}

impl Move for Pad<'_> {
    fn run<C: Cell>(self, from: &[&[C]], to: &mut [C]) -> Result<(), Status> {
        let [values, default] = from else { return Ok(()) };
        if self.len == 0 || to.is_empty() {
            return Ok(());
        }
        let element: Vec<C> =
            (0..self.len).map(|at| default[self.default_at(at)].clone()).collect();
        to.chunks_mut(self.len).for_each(|to| copy(&element, to));
        for (i, place) in self.places.iter().enumerate() {
            if let Some(place) = place {
                let to = &mut to[*place as usize * self.len..][..self.len];
                copy(&values[i * self.len..][..self.len], to);
            }
        }
        Ok(())
    }
}
