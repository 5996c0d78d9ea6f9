//! Inputs from `.csv` files: a row for each first index, or one column by the name in the header.

use flowkeep_tensor::{DType, PartialShape, Shape, Tensor};

use super::cast::Elements;
use crate::error::Error;

/// The cells of a file, row by row; all rows have as many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    /// Whether the first row is known to be none of names.
    without_header: bool,
}

impl Table {
    /// Reads cells between commas and line breaks; those in double quotes may hold both. With `column`, only the
    /// one below that name of the first row.
    ///
    /// Errors: `INVALID_ARGUMENT` for rows of other lengths, quotes that do not end, a name that is not there.
    pub(super) fn parse(text: &str, column: Option<&str>) -> Result<Table, Error> {
        let mut rows = rows(text)?;
        let n_columns = rows.first().map_or(0, Vec::len);
        if let Some((idx, row)) = rows.iter().enumerate().find(|(_, row)| row.len() != n_columns) {
            return Err(Error::invalid(format!(
                "row {} has {} columns, the first one {n_columns}",
                idx + 1,
                row.len()
            )));
        }
        let Some(column) = column else { return Ok(Table { rows, without_header: false }) };
        let header = rows.first().map(Vec::as_slice).unwrap_or_default();
        let Some(at) = header.iter().position(|name| name.trim() == column) else {
            return Err(Error::invalid(format!(
                "has no column \"{column}\"; but {}",
                header.join(", ")
            )));
        };
        let rows = rows.drain(..).skip(1).map(|mut row| vec![row.swap_remove(at)]).collect();
        Ok(Table { rows, without_header: true })
    }

    /// The tensor of the cells: `[rows]` where the input has one dimension, or none is known and there is one
    /// column; else `[rows, columns]`, the columns taken apart for the further dimensions of the input. A first
    /// row of names is left out where numbers are wanted.
    ///
    /// Errors: `INVALID_ARGUMENT` for cells that are no numbers.
    pub(super) fn to_tensor(
        &self,
        dtype: DType,
        shape: &PartialShape,
        warnings: &mut Vec<String>,
    ) -> Result<Tensor, Error> {
        let is_number = |cell: &String| super::numbers::float(cell).is_some();
        let is_header = !self.without_header
            && dtype != DType::String
            && self.rows.len() > 1
            && self.rows.first().is_some_and(|row| !row.iter().any(is_number));
        let rows = self.rows.get(usize::from(is_header)..).unwrap_or_default();
        let n_columns = rows.first().map_or(0, Vec::len);
        let shape = shape_of(rows.len(), n_columns, shape);
        let cells: Vec<String> = rows.iter().flatten().map(|cell| cell.trim().to_owned()).collect();
        if dtype == DType::String {
            let cells = rows.iter().flatten().map(|cell| cell.clone().into()).collect();
            return Ok(Tensor::from_strings(shape, cells)?);
        }
        Elements::Text(cells).cast(&shape, dtype, warnings)
    }
}

fn shape_of(n_rows: usize, n_columns: usize, wanted: &PartialShape) -> Shape {
    let plain = Shape::from([n_rows, n_columns]);
    match wanted.dims() {
        Some([]) if n_rows * n_columns == 1 => Shape::SCALAR,
        Some([_]) if n_columns == 1 => Shape::from([n_rows]),
        Some([_]) if n_rows == 1 => Shape::from([n_columns]),
        None if n_columns == 1 => Shape::from([n_rows]),
        Some([_, rest @ ..]) if rest.len() > 1 => {
            let rest: Option<Vec<usize>> =
                rest.iter().map(|dim| usize::try_from((*dim)?).ok()).collect();
            let shape = rest.map(|rest| Shape::new(&[&[n_rows][..], &rest].concat()));
            let fits = |shape: &Shape| shape.checked_n_elements() == plain.checked_n_elements();
            shape.filter(fits).unwrap_or(plain)
        }
        _ => plain,
    }
}

fn rows(text: &str) -> Result<Vec<Vec<String>>, Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let mut chars = text.chars().peekable();
    let mut is_quoted = false;
    while let Some(c) = chars.next() {
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' if is_quoted => is_quoted = false,
            '"' if cell.is_empty() => is_quoted = true,
            ',' if !is_quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !is_quoted && chars.peek() == Some(&'\n') => {}
            '\n' if !is_quoted => {
                // Empty lines are no rows.
                if !row.is_empty() || !cell.is_empty() {
                    row.push(std::mem::take(&mut cell));
                    rows.push(std::mem::take(&mut row));
                }
            }
            c => cell.push(c),
        }
    }
    if is_quoted {
        return Err(Error::invalid("a quoted cell does not end"));
    }
    if !row.is_empty() || !cell.is_empty() {
        row.push(cell);
        rows.push(row);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(
        text: &str,
        column: Option<&str>,
        dtype: DType,
        dims: Option<&[Option<u64>]>,
    ) -> Tensor {
        let shape = match dims {
            Some(dims) => PartialShape::new(dims.to_vec()),
            None => PartialShape::unknown(),
        };
        Table::parse(text, column).unwrap().to_tensor(dtype, &shape, &mut Vec::new()).unwrap()
    }

    #[test]
    fn rows_are_the_first_dimension() {
        let two: &[Option<u64>] = &[None, Some(2)];
        for text in ["1,2\n3,4\n", "a,b\r\n1, 2\r\n3,4e0", "1,2\n\n3,\"4\""] {
            let tensor = tensor(text, None, DType::F32, Some(two));
            assert_eq!(tensor.dims(), [2, 2], "{text:?}");
            assert_eq!(tensor.as_slice::<f32>().unwrap(), [1.0, 2.0, 3.0, 4.0], "{text:?}");
        }
    }

    #[test]
    fn the_input_decides_how_columns_lie() {
        let dims = |text, dims: Option<&[Option<u64>]>| {
            tensor(text, None, DType::I64, dims).dims().to_vec()
        };
        assert_eq!(dims("1\n2\n3", Some(&[None])), [3]);
        assert_eq!(dims("1,2,3", Some(&[None])), [3]);
        assert_eq!(dims("1\n2", Some(&[None, Some(1)])), [2, 1]);
        assert_eq!(dims("1\n2", None), [2]);
        assert_eq!(dims("7", Some(&[])), [0usize; 0]);
        assert_eq!(dims("1,2,3,4\n5,6,7,8", Some(&[None, Some(2), Some(2)])), [2, 2, 2]);
    }

    #[test]
    fn columns_are_found_by_name() {
        let text = "age,name\n1,\"a, \"\"b\"\"\"\n2,c\n";
        let names = tensor(text, Some("name"), DType::String, Some(&[None]));
        assert_eq!(names.as_strings().unwrap(), [&b"a, \"b\""[..], b"c"]);
        let ages = tensor(text, Some("age"), DType::I32, Some(&[None, Some(1)]));
        assert_eq!(ages.as_slice::<i32>().unwrap(), [1, 2]);
        let error = Table::parse(text, Some("size")).unwrap_err().to_string();
        assert_eq!(error, "has no column \"size\"; but age, name");
    }

    #[test]
    fn bad_files_are_named() {
        assert!(
            Table::parse("1,2\n3", None).unwrap_err().to_string().contains("row 2 has 1 columns")
        );
        assert!(Table::parse("\"1", None).is_err());
        let table = Table::parse("1,x\n2,y", None).unwrap();
        let shape = PartialShape::unknown();
        assert!(table.to_tensor(DType::F32, &shape, &mut Vec::new()).is_err());
    }
}
