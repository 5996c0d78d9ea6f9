//! Lines of values with a delimiter between them.

use bytes::Bytes;
use flowkeep_tensor::{DType, Tensor};

use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::string::Readable;

/// Splits each record into fields, and reads each field as its column's type.
///
/// Fields may be quoted, where a quote is written twice; one that is empty, or `na_value`, has the default.
/// Shapes: `records [D..]`, one default for each column, `[1]` or `[]`, or `[0]` where there is none → the columns,
/// `[D..]`.
/// Types: columns f32, f64, i32, i64 or string.
/// Errors: `INVALID_ARGUMENT` for another number of fields, a field that is missing without a default, is no number
/// or is
/// not quoted as it should be.  Source: OpDef `DecodeCSV`.
struct DecodeCsv {
    types: Vec<DType>,
    delimiter: u8,
    use_quotes: bool,
    missing: Bytes,
    /// The columns that are wanted, ascending; all of them if there is none.
    chosen: Vec<usize>,
}

pub(super) fn decode_csv(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    let error = |message: &str| Err(Status::invalid_argument(message));
    let types = init.attr_types("OUT_TYPE")?.to_vec();
    let [delimiter] = *init.attr_str("field_delim")?.as_bytes() else {
        return error("field_delim should be only 1 char");
    };
    let chosen = init.attr_ints("select_cols")?;
    if !chosen.is_empty() && chosen.len() != types.len() {
        return error("select_cols should match output size");
    }
    if chosen.windows(2).any(|pair| pair[0] >= pair[1]) {
        return error("select_cols should be strictly increasing indices");
    }
    let chosen: Result<Vec<usize>, _> =
        chosen.iter().map(|column| usize::try_from(*column)).collect();
    let Ok(chosen) = chosen else {
        return error("select_cols should be non-negative indices");
    };
    let missing = Bytes::copy_from_slice(init.attr_str("na_value")?.as_bytes());
    let use_quotes = init.attr_bool("use_quote_delim")?;
    Ok(Box::new(DecodeCsv { types, delimiter, use_quotes, missing, chosen }))
}

impl OpKernel for DecodeCsv {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        for column in 0..self.types.len() {
            let default = cx.input(column + 1)?;
            if default.shape().rank() > 1 || default.n_elements() > 1 {
                return Err(Status::invalid_argument(format!(
                    "There should only be 1 default per field but field {column} has {}",
                    default.n_elements()
                )));
            }
        }
        let records = cx.input(0)?;
        let mut columns = vec![Vec::new(); self.types.len()];
        for (number, record) in records.as_strings()?.iter().enumerate() {
            let fields = self.fields(record)?;
            if fields.len() != columns.len() {
                return Err(Status::invalid_argument(format!(
                    "Expect {} fields but have {} in record {number}",
                    columns.len(),
                    fields.len()
                )));
            }
            for (column, field) in columns.iter_mut().zip(fields) {
                let is_missing = field.is_empty() || field == self.missing;
                column.push((!is_missing).then_some(field));
            }
        }
        // Of the errors, that of the first record is told.
        let mut first: Option<(usize, Status)> = None;
        let mut outputs = Vec::new();
        for (idx, (dtype, fields)) in self.types.iter().zip(&columns).enumerate() {
            let column = Column { idx, fields, default: cx.input(idx + 1)?, records };
            let output = match dtype {
                DType::F32 => column.numbers::<f32>("float"),
                DType::F64 => column.numbers::<f64>("double"),
                DType::I32 => column.numbers::<i32>("int32"),
                DType::I64 => column.numbers::<i64>("int64"),
                _ => column.strings(),
            };
            match output {
                Ok(output) => outputs.push(output),
                Err((record, _)) if first.as_ref().is_some_and(|first| first.0 <= record) => {}
                Err(error) => first = Some(error),
            }
        }
        if let Some((_, error)) = first {
            return Err(error);
        }
        for (idx, output) in outputs.into_iter().enumerate() {
            cx.set_output(idx, output)?;
        }
        Ok(())
    }
}

/// One column: its fields, of which those that are missing take the default.
struct Column<'a> {
    idx: usize,
    fields: &'a [Option<Bytes>],
    default: &'a Tensor,
    records: &'a Tensor,
}

/// The record that is wrong, and what is wrong with it.
type Wrong = (usize, Status);

impl Column<'_> {
    fn required(&self, record: usize) -> Wrong {
        let message = format!("Field {} is required but missing in record {record}!", self.idx);
        (record, Status::invalid_argument(message))
    }

    fn numbers<T: Readable>(&self, name: &str) -> Result<Tensor, Wrong> {
        let default = self.default.as_slice::<T>().map_err(|error| (0, error.into()))?;
        let number = |(record, field): (usize, &Option<Bytes>)| match field {
            None => default.first().copied().ok_or_else(|| self.required(record)),
            Some(field) => T::read(field).ok_or_else(|| {
                let message = format!(
                    "Field {} in record {record} is not a valid {name}: {}",
                    self.idx,
                    String::from_utf8_lossy(field)
                );
                (record, Status::invalid_argument(message))
            }),
        };
        let numbers = self.fields.iter().enumerate().map(number).collect::<Result<Vec<T>, _>>()?;
        Tensor::from_vec(self.records.shape().clone(), numbers).map_err(|error| (0, error.into()))
    }

    fn strings(&self) -> Result<Tensor, Wrong> {
        let default = self.default.as_strings().map_err(|error| (0, error.into()))?;
        let string = |(record, field): (usize, &Option<Bytes>)| match field {
            Some(field) => Ok(field.clone()),
            None => default.first().cloned().ok_or_else(|| self.required(record)),
        };
        let strings = self.fields.iter().enumerate().map(string).collect::<Result<_, _>>()?;
        Tensor::from_strings(self.records.shape().clone(), strings)
            .map_err(|error| (0, error.into()))
    }
}

impl DecodeCsv {
    /// The fields of a record that are wanted.
    fn fields(&self, record: &Bytes) -> Result<Vec<Bytes>, Status> {
        let mut fields = Vec::new();
        let mut wanted = self.chosen.iter().copied();
        let mut next = wanted.next();
        let mut rest: &[u8] = record;
        let mut column = 0;
        loop {
            // Line ends before a field are skipped.
            let start = rest.iter().position(|byte| !b"\r\n".contains(byte)).unwrap_or(rest.len());
            rest = &rest[start..];
            let is_wanted = self.chosen.is_empty() || next == Some(column);
            if rest.is_empty() {
                if is_wanted && record.last() == Some(&self.delimiter) {
                    fields.push(Bytes::new());
                }
                return Ok(fields);
            }
            let (field, after) = match rest.strip_prefix(b"\"") {
                Some(quoted) if self.use_quotes => self.quoted(quoted)?,
                _ => self.plain(record, rest)?,
            };
            rest = after;
            column += 1;
            if is_wanted {
                fields.push(field);
                next = wanted.next();
                if !self.chosen.is_empty() && next.is_none() {
                    return Ok(fields);
                }
            }
        }
    }

    /// The field that `rest` starts with, and what follows its delimiter.
    fn plain<'a>(&self, record: &Bytes, rest: &'a [u8]) -> Result<(Bytes, &'a [u8]), Status> {
        let end = rest.iter().position(|byte| *byte == self.delimiter).unwrap_or(rest.len());
        let field = &rest[..end];
        let is_bad = |byte: &u8| b"\r\n".contains(byte) || (self.use_quotes && *byte == b'"');
        if field.iter().any(is_bad) {
            let message = "Unquoted fields cannot have quotes/CRLFs inside";
            return Err(Status::invalid_argument(message));
        }
        Ok((record.slice_ref(field), rest.get(end + 1..).unwrap_or_default()))
    }

    /// The field whose first quote was taken from `rest`, and what follows its delimiter.
    fn quoted<'a>(&self, rest: &'a [u8]) -> Result<(Bytes, &'a [u8]), Status> {
        let mut field = Vec::new();
        let mut at = 0;
        while let Some(byte) = rest.get(at) {
            match (byte, rest.get(at + 1)) {
                (b'"', None) => return Ok((field.into(), &[])),
                (b'"', Some(next)) if *next == self.delimiter => {
                    return Ok((field.into(), &rest[at + 2..]));
                }
                (b'"', Some(b'"')) => {
                    field.push(b'"');
                    at += 2;
                }
                (b'"', Some(_)) => {
                    return Err(Status::invalid_argument(
                        "Quote inside a string has to be escaped by another quote",
                    ));
                }
                _ => {
                    field.push(*byte);
                    at += 1;
                }
            }
        }
        let message = "Quoted field has to end with quote followed by delim or end";
        Err(Status::invalid_argument(message))
    }
}
