//! The op that fills a table from a text file, one entry a line.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use bytes::Bytes;
use flowkeep_tensor::{Code, DType, Tensor};

use super::initialize::check_initializable;
use super::table::Table;
use crate::kernel::{FileAccess, FileUse, KernelContext, KernelInit, OpKernel, Status};

/// What of a line is a key or a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    WholeLine,
    LineNumber,
    Column(usize),
}

impl Field {
    fn new(index: i64) -> Result<Field, Status> {
        match index {
            -2 => Ok(Field::WholeLine),
            -1 => Ok(Field::LineNumber),
            index => usize::try_from(index).map(Field::Column).map_err(|_| {
                Status::invalid_argument(format!("{index} names no column and is below -2"))
            }),
        }
    }

    /// Checks that this can be a `what` ("Key" or "Value") of type `dtype`.
    fn check(self, what: &str, expects: &str, dtype: DType) -> Result<(), Status> {
        let lower = what.to_lowercase();
        match self {
            Field::LineNumber if dtype != DType::I64 => Err(Status::invalid_argument(format!(
                "{what} index for line number requires table {lower} dtype of int64, got {dtype}"
            ))),
            Field::WholeLine if dtype != DType::String && !dtype.is_integer() => {
                Err(Status::invalid_argument(format!(
                    "{what} index for whole line requires {expects}, got {dtype}"
                )))
            }
            _ => Ok(()),
        }
    }
}

/// Fills a table from the lines of a file; does nothing to one that is initialized.
///
/// Shapes: `filename` a scalar.
/// Types: line numbers are i64, whole lines strings or integers, columns what the table holds.
/// Errors: `PERMISSION_DENIED` for a file that the graph may not read, `NOT_FOUND` and its like for the
/// file; `INVALID_ARGUMENT` for an empty line, too few
/// columns, a field that does not parse, or fewer lines than `vocab_size`; `OUT_OF_RANGE` for an
/// empty file; `FAILED_PRECONDITION` for two values of one key.
/// Source: OpDefs `InitializeTableFromTextFile`, `InitializeTableFromTextFileV2`.
struct InitializeFromTextFile {
    lines: LineFormat,
    access: FileAccess,
}

/// How lines become entries.
pub(super) struct LineFormat {
    key: Field,
    value: Field,
    /// Lines to read; `None` for all.
    vocab_size: Option<usize>,
    delimiter: u8,
    /// Added to line numbers.
    offset: i64,
}

pub(super) fn initialize_from_text_file(
    init: &KernelInit<'_>,
) -> Result<Box<dyn OpKernel>, Status> {
    let &[delimiter] = init.attr_str("delimiter")?.as_bytes() else {
        return Err(Status::invalid_argument("delimiter should be only 1 char"));
    };
    let lines = LineFormat {
        key: Field::new(init.attr_int("key_index")?)?,
        value: Field::new(init.attr_int("value_index")?)?,
        vocab_size: usize::try_from(init.attr_int("vocab_size")?).ok(),
        delimiter,
        offset: init.attr_int("offset")?,
    };
    Ok(Box::new(InitializeFromTextFile { lines, access: init.file_access() }))
}

impl OpKernel for InitializeFromTextFile {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let handle = cx.resource(0)?;
        let table = handle.get::<Table>()?;
        check_initializable(handle)?;
        let name = cx.input(1)?;
        let [path] = name.as_strings()? else {
            return Err(Status::invalid_argument(format!(
                "filename should be a single string, but got {}",
                name.shape()
            )));
        };
        let (key_dtype, value_dtype) = (table.key_dtype(), table.value_dtype());
        self.lines.key.check("Key", "string or integer table key", key_dtype)?;
        self.lines.value.check("Value", "table value dtype of integer or string", value_dtype)?;
        if table.is_initialized() {
            return Ok(());
        }
        let path = String::from_utf8_lossy(path);
        self.access.check(FileUse::Read, Path::new(&*path))?;
        let failed = |error: io::Error| io_status(&path, &error);
        let reader = BufReader::new(File::open(Path::new(&*path)).map_err(failed)?);
        let (keys, values) = self.lines.read(&path, reader, key_dtype, value_dtype)?;
        match table.initialize(&keys, &values) {
            // Another run was faster.
            Err(_) if table.is_initialized() => Ok(()),
            result => result,
        }
    }
}

/// The status of a failed file operation, in TensorFlow's words.
pub(super) fn io_status(path: &str, error: &io::Error) -> Status {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    Status::new(Code::of_io(error), format!("{path}; {text}"))
}

impl LineFormat {
    /// Each line a key, its number the value.
    pub(super) fn whole_lines(vocab_size: Option<usize>) -> LineFormat {
        let (key, value) = (Field::WholeLine, Field::LineNumber);
        LineFormat { key, value, vocab_size, delimiter: b'\t', offset: 0 }
    }

    /// The keys and values of a file, as vectors.
    pub(super) fn read(
        &self,
        path: &str,
        mut reader: impl BufRead,
        key_dtype: DType,
        value_dtype: DType,
    ) -> Result<(Tensor, Tensor), Status> {
        let mut keys = Cells::new(key_dtype)?;
        let mut values = Cells::new(value_dtype)?;
        let mut line = Vec::new();
        let (mut position, mut n) = (0, 0);
        while self.vocab_size.is_none_or(|size| n < size) {
            line.clear();
            let n_bytes =
                reader.read_until(b'\n', &mut line).map_err(|error| io_status(path, &error))?;
            if n_bytes == 0 {
                break;
            }
            position += n_bytes;
            if line.last() == Some(&b'\n') {
                line.pop();
            }
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            if line.is_empty() {
                return Err(Status::invalid_argument(format!(
                    "Invalid content in {path}: empty line found at position {position}."
                )));
            }
            let columns = self.columns(path, n, &line)?;
            keys.push(self.key, n, self.offset, &line, &columns)?;
            values.push(self.value, n, self.offset, &line, &columns)?;
            n += 1;
        }
        match self.vocab_size {
            Some(size) if n < size => Err(Status::invalid_argument(format!(
                "Invalid vocab_size in {path}: expected {size} but got {n}"
            ))),
            None if n == 0 => Err(Status::out_of_range("Read less bytes than requested")),
            _ => Ok((keys.into_tensor()?, values.into_tensor()?)),
        }
    }

    /// The columns of a line; none where no field is one.
    fn columns<'a>(&self, path: &str, n: usize, line: &'a [u8]) -> Result<Vec<&'a [u8]>, Status> {
        let needed = |field| match field {
            Field::Column(idx) => idx.saturating_add(1),
            Field::WholeLine | Field::LineNumber => 0,
        };
        let n_needed = needed(self.key).max(needed(self.value));
        if n_needed == 0 {
            return Ok(Vec::new());
        }
        let columns: Vec<&[u8]> = line.split(|byte| *byte == self.delimiter).collect();
        if columns.len() < n_needed {
            return Err(Status::invalid_argument(format!(
                "Invalid number of columns in {path} line {n} ({}) : expected at least {n_needed} \
                 got {}",
                String::from_utf8_lossy(line),
                columns.len()
            )));
        }
        Ok(columns)
    }
}

/// The keys or the values read so far.
enum Cells {
    I32(Vec<i32>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Strings(Vec<Bytes>),
}

impl Cells {
    fn new(dtype: DType) -> Result<Cells, Status> {
        Ok(match dtype {
            DType::I32 => Cells::I32(Vec::new()),
            DType::I64 => Cells::I64(Vec::new()),
            DType::F32 => Cells::F32(Vec::new()),
            DType::F64 => Cells::F64(Vec::new()),
            DType::String => Cells::Strings(Vec::new()),
            _ => {
                let message = format!("Data type {dtype} not supported.");
                return Err(Status::invalid_argument(message));
            }
        })
    }

    fn push(
        &mut self,
        field: Field,
        n: usize,
        offset: i64,
        line: &[u8],
        columns: &[&[u8]],
    ) -> Result<(), Status> {
        let text = match (field, &mut *self) {
            (Field::LineNumber, Cells::I64(cells)) => {
                cells.push(offset.wrapping_add(i64::try_from(n).unwrap_or(i64::MAX)));
                return Ok(());
            }
            (Field::Column(idx), _) => columns.get(idx).copied().unwrap_or_default(),
            (Field::WholeLine | Field::LineNumber, _) => line,
        };
        match self {
            Cells::I32(cells) => cells.push(parse(text, n, "int32")?),
            Cells::I64(cells) => cells.push(parse(text, n, "int64")?),
            Cells::F32(cells) => cells.push(parse(text, n, "float")?),
            Cells::F64(cells) => cells.push(parse(text, n, "double")?),
            Cells::Strings(cells) => cells.push(Bytes::copy_from_slice(text)),
        }
        Ok(())
    }

    fn into_tensor(self) -> Result<Tensor, Status> {
        Ok(match self {
            Cells::I32(cells) => Tensor::from_elements(cells),
            Cells::I64(cells) => Tensor::from_elements(cells),
            Cells::F32(cells) => Tensor::from_elements(cells),
            Cells::F64(cells) => Tensor::from_elements(cells),
            Cells::Strings(cells) => Tensor::from_strings([cells.len()], cells)?,
        })
    }
}

fn parse<T: std::str::FromStr>(text: &[u8], n: usize, dtype: &str) -> Result<T, Status> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.trim_ascii().parse().ok());
    number.ok_or_else(|| {
        let text = String::from_utf8_lossy(text);
        Status::invalid_argument(format!("Field {text} in line {n} is not a valid {dtype}."))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        text: &[u8],
        key: i64,
        value: i64,
        vocab_size: Option<usize>,
        dtypes: (DType, DType),
    ) -> Result<(Tensor, Tensor), Status> {
        let (key, value) = (Field::new(key)?, Field::new(value)?);
        let format = LineFormat { key, value, vocab_size, delimiter: b' ', offset: 1 };
        format.read("v.txt", text, dtypes.0, dtypes.1)
    }

    const WORDS: (DType, DType) = (DType::String, DType::I64);

    #[test]
    fn lines_get_their_number_plus_the_offset() {
        let (keys, values) = read(b"a x\r\nb\rc\nd", -2, -1, None, WORDS).unwrap();
        assert_eq!(keys.as_strings().unwrap(), ["a x", "b\rc", "d"]);
        assert_eq!(values.as_slice::<i64>().unwrap(), [1, 2, 3]);
    }

    #[test]
    fn columns_are_split_and_parsed() {
        let text = b"a  1.5 \nb inf x\n";
        let dtypes = (DType::String, DType::F32);
        let status = read(text, 0, 1, None, dtypes).unwrap_err();
        assert_eq!(status.message(), "Field  in line 0 is not a valid float.");
        let (keys, values) = read(b"a 1.5\nb inf x\n", 0, 1, None, dtypes).unwrap();
        assert_eq!(keys.as_strings().unwrap(), ["a", "b"]);
        assert_eq!(values.as_slice::<f32>().unwrap(), [1.5, f32::INFINITY]);
        let status = read(text, 0, 5, None, dtypes).unwrap_err();
        assert_eq!(
            status.message(),
            "Invalid number of columns in v.txt line 0 (a  1.5 ) : expected at least 6 got 4"
        );
    }

    #[test]
    fn whole_lines_may_be_integers() {
        let (keys, _) = read(b"10\n 20 \n", -2, -1, None, (DType::I64, DType::I64)).unwrap();
        assert_eq!(keys.as_slice::<i64>().unwrap(), [10, 20]);
    }

    #[test]
    fn vocab_size_bounds_what_is_read() {
        let (keys, _) = read(b"a\nb\n\n", -2, -1, Some(2), WORDS).unwrap();
        assert_eq!(keys.n_elements(), 2);
        let status = read(b"a\nb\n\n", -2, -1, None, WORDS).unwrap_err();
        let message = "Invalid content in v.txt: empty line found at position 5.";
        assert_eq!((status.code(), status.message()), (Code::InvalidArgument, message));
        let status = read(b"a\nb\n", -2, -1, Some(3), WORDS).unwrap_err();
        assert_eq!(status.message(), "Invalid vocab_size in v.txt: expected 3 but got 2");
        assert_eq!(read(b"", -2, -1, None, WORDS).unwrap_err().code(), Code::OutOfRange);
    }
}
