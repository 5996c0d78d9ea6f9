//! Rows of elements of one type: what a table keeps of its keys and of its values.

use bytes::Bytes;
use flowkeep_tensor::{DType, Shape, Tensor};

use crate::kernel::Status;
use crate::ops::args::product;

/// Rows of elements of one type.
#[derive(Debug)]
pub(super) enum Column {
    Plain { dtype: DType, row_bytes: usize, bytes: Vec<u8> },
    Strings { row_len: usize, values: Vec<Bytes> },
}

impl Column {
    /// No rows yet, of shape `row` each.
    ///
    /// Errors: `UNIMPLEMENTED` for types without plain elements other than strings.
    pub(super) fn new(dtype: DType, row: &Shape) -> Result<Column, Status> {
        let row_len = product(row.dims());
        if dtype == DType::String {
            return Ok(Column::Strings { row_len, values: Vec::new() });
        }
        let too_large = || flowkeep_tensor::Error::TooLarge { dtype, shape: row.clone() };
        let size = dtype.size_bytes().ok_or(flowkeep_tensor::Error::NotPlain(dtype))?;
        let row_bytes = row_len.checked_mul(size).ok_or_else(too_large)?;
        Ok(Column::Plain { dtype, row_bytes, bytes: Vec::new() })
    }

    /// The number of rows; 0 when they are empty.
    pub(super) fn n_rows(&self) -> usize {
        match self {
            Column::Plain { row_bytes, bytes, .. } => bytes.len().checked_div(*row_bytes),
            Column::Strings { row_len, values } => values.len().checked_div(*row_len),
        }
        .unwrap_or(0)
    }

    /// Adds row `n` of `from`.
    pub(super) fn push(&mut self, from: &Tensor, n: usize) -> Result<(), Status> {
        match self {
            Column::Plain { row_bytes, bytes, .. } => {
                bytes.extend_from_slice(&from.as_bytes()?[n * *row_bytes..][..*row_bytes]);
            }
            Column::Strings { row_len, values } => {
                values.extend_from_slice(&from.as_strings()?[n * *row_len..][..*row_len]);
            }
        }
        Ok(())
    }

    /// Replaces row `row` by row `n` of `from`.
    pub(super) fn set(&mut self, row: usize, from: &Tensor, n: usize) -> Result<(), Status> {
        match self {
            Column::Plain { row_bytes, bytes, .. } => {
                let from = &from.as_bytes()?[n * *row_bytes..][..*row_bytes];
                bytes[row * *row_bytes..][..*row_bytes].copy_from_slice(from);
            }
            Column::Strings { row_len, values } => {
                let from = &from.as_strings()?[n * *row_len..][..*row_len];
                values[row * *row_len..][..*row_len].clone_from_slice(from);
            }
        }
        Ok(())
    }

    /// Removes row `row`; the last one takes its place.
    pub(super) fn swap_remove(&mut self, row: usize) {
        match self {
            Column::Plain { row_bytes, bytes, .. } => {
                let last = bytes.len().saturating_sub(*row_bytes);
                bytes.copy_within(last.., row * *row_bytes);
                bytes.truncate(last);
            }
            Column::Strings { row_len, values } => {
                let last = values.len().saturating_sub(*row_len);
                for i in 0..*row_len {
                    values.swap(row * *row_len + i, last + i);
                }
                values.truncate(last);
            }
        }
    }

    /// The texts of two values if they differ: row `row`, and row `n` of `from`.
    pub(super) fn difference(
        &self,
        row: usize,
        from: &Tensor,
        n: usize,
    ) -> Result<Option<(String, String)>, Status> {
        let mut other = match self {
            Column::Plain { dtype, row_bytes, .. } => {
                Column::Plain { dtype: *dtype, row_bytes: *row_bytes, bytes: Vec::new() }
            }
            Column::Strings { row_len, .. } => {
                Column::Strings { row_len: *row_len, values: Vec::new() }
            }
        };
        other.push(from, n)?;
        let same = match (self, &other) {
            (Column::Plain { row_bytes, bytes, .. }, Column::Plain { bytes: new, .. }) => {
                bytes[row * row_bytes..][..*row_bytes] == new[..]
            }
            (Column::Strings { row_len, values }, Column::Strings { values: new, .. }) => {
                values[row * row_len..][..*row_len] == new[..]
            }
            _ => false,
        };
        Ok((!same).then(|| (self.text(row), other.text(0))))
    }

    /// The first element of a row, for messages.
    pub(super) fn text(&self, row: usize) -> String {
        match self {
            Column::Strings { row_len, values } => values
                .get(row * row_len)
                .map_or(String::new(), |value| String::from_utf8_lossy(value).into_owned()),
            Column::Plain { dtype, row_bytes, bytes } => {
                let element = bytes.get(row * row_bytes..).unwrap_or_default();
                match dtype {
                    DType::Bool => element.first().map_or(0, |byte| *byte).to_string(),
                    DType::F32 => leading(element).map_or(0.0, f32::from_ne_bytes).to_string(),
                    DType::F64 => leading(element).map_or(0.0, f64::from_ne_bytes).to_string(),
                    _ => self.int(row).to_string(),
                }
            }
        }
    }

    /// The first element of a row of integers.
    pub(super) fn int(&self, row: usize) -> i64 {
        match self {
            Column::Plain { dtype: DType::I32, row_bytes, bytes } => {
                let element = bytes.get(row * row_bytes..).unwrap_or_default();
                leading(element).map_or(0, i32::from_ne_bytes).into()
            }
            Column::Plain { row_bytes, bytes, .. } => {
                let element = bytes.get(row * row_bytes..).unwrap_or_default();
                leading(element).map_or(0, i64::from_ne_bytes)
            }
            Column::Strings { .. } => 0,
        }
    }

    /// The tensor of all rows.
    pub(super) fn tensor(&self, shape: Shape) -> Result<Tensor, Status> {
        match self {
            Column::Plain { dtype, bytes, .. } => {
                Ok(Tensor::from_fill(*dtype, shape, |out| -> Result<(), flowkeep_tensor::Error> {
                    out.copy_from_slice(bytes);
                    Ok(())
                })?)
            }
            Column::Strings { values, .. } => Ok(Tensor::from_strings(shape, values.clone())?),
        }
    }

    /// The tensor of the given rows, or of a row of `default` where there is none.
    pub(super) fn pick(
        &self,
        shape: Shape,
        rows: &[Option<usize>],
        default: &Tensor,
        default_row: impl Fn(usize) -> usize,
    ) -> Result<Tensor, Status> {
        match self {
            Column::Plain { dtype, row_bytes: len, bytes } => {
                let default = default.as_bytes()?;
                let fill = |out: &mut [u8]| -> Result<(), flowkeep_tensor::Error> {
                    for (n, (out, row)) in out.chunks_mut((*len).max(1)).zip(rows).enumerate() {
                        out.copy_from_slice(match row {
                            Some(row) => &bytes[row * len..][..*len],
                            None => &default[default_row(n) * len..][..*len],
                        });
                    }
                    Ok(())
                };
                Ok(Tensor::from_fill(*dtype, shape, fill)?)
            }
            Column::Strings { row_len: len, values } => {
                let default = default.as_strings()?;
                let too_large = || flowkeep_tensor::Error::TooLarge {
                    dtype: DType::String,
                    shape: shape.clone(),
                };
                let mut out = Vec::new();
                out.try_reserve_exact(shape.n_elements()).map_err(|_| too_large())?;
                for (n, row) in rows.iter().enumerate() {
                    out.extend_from_slice(match row {
                        Some(row) => &values[row * len..][..*len],
                        None => &default[default_row(n) * len..][..*len],
                    });
                }
                Ok(Tensor::from_strings(shape, out)?)
            }
        }
    }
}

fn leading<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.first_chunk().copied()
}
