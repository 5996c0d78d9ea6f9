//! The op `LoadAndRemapMatrix`: a matrix whose rows and columns have moved.

use std::collections::BTreeMap;

use flowkeep_bundle::{BundleReader, Error};
use flowkeep_runtime::kernel::{FileAccess, FileUse, KernelContext, KernelInit, OpKernel, Status};
use flowkeep_tensor::{Code, DType, Shape, Tensor, TensorSlice};

use super::args::{path, text};
use super::{Built, status};
use crate::SaverOptions;

/// Reads a matrix of a checkpoint, with its rows and columns in another order, and fills what it does
/// not have with other values.
///
/// Inputs: the prefix and the name (one string each), for each row of the result that of the
/// checkpoint (i64 `[num_rows]`, below 0 for none), the same for columns (i64 `[num_cols]`, or empty
/// for all as they are), and the values for what is missing, row by row (f32). Output: f32
/// `[num_rows, num_cols]`.
///
/// With `max_rows_in_memory`, no more rows than that are read at a time.
///
/// Errors: `PERMISSION_DENIED` for a prefix that the graph may not read; `NOT_FOUND` for a missing
/// checkpoint or name; `INVALID_ARGUMENT` for what is no matrix of floats, for vectors of other sizes,
/// for too few or too many values, and for a column that is not there; `INTERNAL` for such a row;
/// `UNIMPLEMENTED` for a row or column that is wanted twice; `DATA_LOSS` for corrupt files.
/// Source: OpDef `LoadAndRemapMatrix`.
struct LoadAndRemapMatrix {
    num_rows: usize,
    num_cols: usize,
    /// `None` for all.
    max_rows: Option<u64>,
    options: SaverOptions,
    access: FileAccess,
}

pub(super) fn build(init: &KernelInit<'_>) -> Built {
    let size = |name: &str| {
        let value = init.attr_int(name)?;
        usize::try_from(value)
            .map_err(|_| Status::invalid_argument(format!("{name} is {value}, which is below 0")))
    };
    Ok(Box::new(LoadAndRemapMatrix {
        num_rows: size("num_rows")?,
        num_cols: size("num_cols")?,
        max_rows: u64::try_from(init.attr_int("max_rows_in_memory")?).ok().filter(|n| *n > 0),
        options: SaverOptions::for_kernel(init),
        access: init.file_access(),
    }))
}

impl OpKernel for LoadAndRemapMatrix {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let rows = self.rows(cx.input(2)?)?;
        let cols = self.cols(cx.input(3)?)?;
        let (prefix, name) = (one_string(cx.input(0)?)?, one_string(cx.input(1)?)?);
        let prefix = path(prefix)?;
        self.access.check(FileUse::Read, prefix)?;
        let options = self.options.reader(cx.pool().threads());
        let reader = BundleReader::open_with(prefix, options).map_err(|error| match error {
            Error::NoCheckpoint { .. } => Status::new(
                Code::NotFound,
                format!("{}.index; No such file or directory", prefix.display()),
            ),
            error => status(error),
        })?;
        let n_cols = self.stored_columns(&reader, name, cols.is_some())?;
        let mut matrix = self.with_missing(rows, cols.as_deref(), cx.input(4)?)?;
        for span in spans(&ids(rows)?, self.max_rows) {
            let spec: TensorSlice = format!("{},{}:-", span.first, span.len()).parse()?;
            let stored = reader.slice(name, &spec).map_err(status)?;
            let stored = stored.as_slice::<f32>()?;
            for (old, new) in &span.rows {
                let at = usize::try_from(old - span.first).unwrap_or(usize::MAX);
                let from =
                    stored.get(at.saturating_mul(n_cols)..).and_then(|rest| rest.get(..n_cols));
                let to = matrix.get_mut(new * self.num_cols..(new + 1) * self.num_cols);
                let (Some(from), Some(to)) = (from, to) else { continue };
                copy_row(from, to, cols.as_deref())?;
            }
        }
        let shape = Shape::from([self.num_rows, self.num_cols]);
        cx.set_output(0, Tensor::from_vec(shape, matrix)?)
    }
}

impl LoadAndRemapMatrix {
    fn rows<'a>(&self, rows: &'a Tensor) -> Result<&'a [i64], Status> {
        if rows.shape().rank() != 1 {
            return Err(Status::invalid_argument(format!(
                "The `row_remapping` tensor must be 1-D, got a tensor of shape {}",
                rows.shape()
            )));
        }
        let rows = rows.as_slice::<i64>()?;
        if rows.len() != self.num_rows {
            return Err(Status::invalid_argument(format!(
                "Size of row_remapping is {} instead of being equal to num_rows={}",
                rows.len(),
                self.num_rows
            )));
        }
        Ok(rows)
    }

    /// The columns that are wanted; `None` for all as they are.
    fn cols(&self, cols: &Tensor) -> Result<Option<Vec<i64>>, Status> {
        if cols.shape().rank() != 1 {
            return Err(Status::invalid_argument(format!(
                "The `col_remapping` tensor must be 1-D, got a tensor of shape {}",
                cols.shape()
            )));
        }
        let cols = cols.as_slice::<i64>()?;
        if cols.is_empty() {
            return Ok(None);
        }
        if cols.len() != self.num_cols {
            return Err(Status::invalid_argument(format!(
                "Provided col_remapping, but its size is {} instead of being equal to num_cols={}",
                cols.len(),
                self.num_cols
            )));
        }
        ids(cols)?;
        Ok(Some(cols.to_vec()))
    }

    /// How many columns the stored matrix has.
    fn stored_columns(
        &self,
        reader: &BundleReader,
        name: &[u8],
        is_remapped: bool,
    ) -> Result<usize, Status> {
        let entry = reader.entry(name).map_err(status)?;
        let (name, shape) = (text(name), &entry.shape);
        if entry.dtype != DType::F32 {
            return Err(Status::invalid_argument(format!(
                "Tensor {name} has invalid type {} instead of expected type float",
                entry.dtype
            )));
        }
        let &[_, n_cols] = shape.dims() else {
            return Err(Status::invalid_argument(format!(
                "Tensor {name} has shape {shape} of invalid rank {} instead of expected shape of rank 2.",
                shape.rank()
            )));
        };
        if !is_remapped && n_cols != self.num_cols {
            return Err(Status::invalid_argument(format!(
                "Tensor {name} has shape {shape}, where the size of its 2nd dimension is {n_cols} instead of being \
                 equal to num_cols={}",
                self.num_cols
            )));
        }
        Ok(n_cols)
    }

    /// The matrix with what is missing filled in, and zeros elsewhere.
    fn with_missing(
        &self,
        rows: &[i64],
        cols: Option<&[i64]>,
        values: &Tensor,
    ) -> Result<Vec<f32>, Status> {
        let values = values.as_slice::<f32>()?;
        let n_elements = self.num_rows.checked_mul(self.num_cols);
        let (n_rows, n_cols) = (n_present(rows), cols.map_or(self.num_cols, n_present));
        // Only what is read or given is paid for: no more than the inputs are large.
        let n_missing = n_elements.map(|n| n - n_rows * n_cols);
        let Some(n_elements) = n_elements.filter(|_| n_missing <= Some(values.len())) else {
            return Err(Status::invalid_argument(format!(
                "initializing_values contained {} elements, but more missing values remain.",
                values.len()
            )));
        };
        let mut matrix = vec![0.0; n_elements];
        let mut n_used = 0;
        for (row, cells) in rows.iter().zip(matrix.chunks_mut(self.num_cols.max(1))) {
            for (idx, cell) in cells.iter_mut().enumerate() {
                let is_there = *row >= 0 && cols.is_none_or(|cols| cols.get(idx) >= Some(&0));
                if !is_there {
                    *cell = values.get(n_used).copied().unwrap_or_default();
                    n_used += 1;
                }
            }
        }
        if n_used < values.len() {
            return Err(Status::invalid_argument(format!(
                "initializing_values contained {} elements, but only {n_used} elements were used to fill in missing \
                 values.",
                values.len()
            )));
        }
        Ok(matrix)
    }
}

fn one_string(tensor: &Tensor) -> Result<&[u8], Status> {
    match tensor.as_strings()? {
        [only] => Ok(only),
        strings => {
            Err(Status::invalid_argument(format!("one string is wanted, got {}", strings.len())))
        }
    }
}

fn n_present(ids: &[i64]) -> usize {
    ids.iter().filter(|id| **id >= 0).count()
}

/// The new place of each old one, in order of these.
fn ids(remapping: &[i64]) -> Result<BTreeMap<u64, usize>, Status> {
    let mut ids = BTreeMap::new();
    for (new, old) in remapping.iter().enumerate() {
        let Ok(old) = u64::try_from(*old) else { continue };
        if let Some(first) = ids.insert(old, new) {
            return Err(Status::unimplemented(format!(
                "Old ID {old} is mapped to both new ID {first} and {new}, which is not supported."
            )));
        }
    }
    Ok(ids)
}

/// Rows that are read together.
struct Span {
    first: u64,
    /// Which rows of it go where.
    rows: Vec<(u64, usize)>,
}

impl Span {
    fn len(&self) -> u64 {
        self.rows.last().map_or(0, |(last, _)| last - self.first + 1)
    }
}

fn spans(ids: &BTreeMap<u64, usize>, max_rows: Option<u64>) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for (old, new) in ids {
        match spans.last_mut() {
            Some(span) if max_rows.is_none_or(|max| old - span.first < max) => {
                span.rows.push((*old, *new));
            }
            _ => spans.push(Span { first: *old, rows: vec![(*old, *new)] }),
        }
    }
    spans
}

fn copy_row(from: &[f32], to: &mut [f32], cols: Option<&[i64]>) -> Result<(), Status> {
    let Some(cols) = cols else {
        to.copy_from_slice(from);
        return Ok(());
    };
    for (cell, col) in to.iter_mut().zip(cols) {
        let Ok(col) = usize::try_from(*col) else { continue };
        *cell = *from.get(col).ok_or_else(|| {
            let n_cols = from.len();
            Status::invalid_argument(format!(
                "col_remapping wants column {col} of a matrix of {n_cols} columns"
            ))
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_in_spans_of_so_many() {
        let ids = ids(&[7, -1, 0, 1, 3]).unwrap();
        let of = |max_rows| -> Vec<(u64, u64)> {
            spans(&ids, max_rows).iter().map(|span| (span.first, span.len())).collect()
        };
        assert_eq!(of(None), [(0, 8)]);
        assert_eq!(of(Some(2)), [(0, 2), (3, 1), (7, 1)]);
        assert_eq!(of(Some(4)), [(0, 4), (7, 1)]);
    }
}
