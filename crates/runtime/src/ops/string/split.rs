//! Strings taken apart.

use bytes::Bytes;
use flowkeep_tensor::Tensor;

use super::text::is_space;
use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{Built, kernel};

/// Splits each string at a separator, or at white space where the separator is empty.
///
/// Pieces between separators may be empty, those between white space are not. With a positive
/// `maxsplit` the last piece is the unsplit rest after so many pieces; with 0 nothing is split.
/// Shapes: `input [N]`, `sep []` → a sparse matrix of pieces, a row for each string.  Types: string.
/// Errors: `INVALID_ARGUMENT` for other ranks.
/// Source: OpDef `StringSplitV2`.
pub(super) fn string_split_v2(init: &KernelInit<'_>) -> Built {
    let maxsplit = init.attr_int("maxsplit")?;
    kernel(move |cx| {
        let sep = scalar(cx, "sep")?;
        pieces_of(cx, |string, add| match maxsplit {
            0 => add(string),
            _ if sep.is_empty() => split_at_space(string, maxsplit, add),
            _ => split_at(string, &sep, maxsplit, add),
        })
    })
}

/// Splits each string at every byte of `delimiter`, or into bytes where it is empty.
///
/// Empty pieces are left out if `skip_empty` is set, and an empty string has none.
/// Shapes: `input [N]`, `delimiter []` → a sparse matrix of pieces, a row for each string.
/// Errors: `INVALID_ARGUMENT` for other ranks.
/// Source: OpDef `StringSplit`.
pub(super) fn string_split(init: &KernelInit<'_>) -> Built {
    let skip_empty = init.attr_bool("skip_empty")?;
    kernel(move |cx| {
        let delimiter = scalar(cx, "delimiter")?;
        pieces_of(cx, |string, add| {
            if string.is_empty() {
                return;
            }
            if delimiter.is_empty() {
                return string.chunks(1).for_each(add);
            }
            let pieces = string.split(|byte| delimiter.contains(byte));
            pieces.filter(|piece| !(skip_empty && piece.is_empty())).for_each(add);
        })
    })
}

fn scalar(cx: &KernelContext<'_>, name: &str) -> Result<Bytes, Status> {
    let tensor = cx.input(1)?;
    match tensor.as_strings()? {
        [string] if tensor.shape().is_scalar() => Ok(string.clone()),
        _ => Err(Status::invalid_argument(format!(
            "{name} must be a scalar, got shape: {}",
            tensor.shape()
        ))),
    }
}

/// Sets the outputs to the pieces that `split` adds for each string.
fn pieces_of(
    cx: &mut KernelContext<'_>,
    split: impl Fn(&[u8], &mut dyn FnMut(&[u8])),
) -> Result<(), Status> {
    let input = cx.input(0)?;
    let &[n_rows] = input.dims() else {
        return Err(Status::invalid_argument(format!(
            "input must be a vector, got shape: {}",
            input.shape()
        )));
    };
    let (mut indices, mut values, mut n_cols) = (Vec::new(), Vec::new(), 0);
    for (row, string) in input.as_strings()?.iter().enumerate() {
        let mut col = 0;
        split(string, &mut |piece| {
            indices.extend([row as i64, col]);
            values.push(string.slice_ref(piece));
            col += 1;
        });
        n_cols = n_cols.max(col);
    }
    let n = values.len();
    cx.set_output(0, Tensor::from_vec([n, 2], indices)?)?;
    cx.set_output(1, Tensor::from_strings([n], values)?)?;
    cx.set_output(2, Tensor::from_elements(vec![n_rows as i64, n_cols]))
}

fn split_at_space(string: &[u8], maxsplit: i64, add: &mut dyn FnMut(&[u8])) {
    let mut rest = trim_start(string);
    let mut n = 0;
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| is_space(*byte)).unwrap_or(rest.len());
        add(&rest[..end]);
        rest = trim_start(&rest[end..]);
        n += 1;
        if n == maxsplit {
            return add(rest);
        }
    }
}

fn split_at(string: &[u8], sep: &[u8], maxsplit: i64, add: &mut dyn FnMut(&[u8])) {
    let mut rest = string;
    let mut n = 0;
    while n != maxsplit
        && let Some(at) = rest.windows(sep.len()).position(|window| window == sep)
    {
        add(&rest[..at]);
        rest = &rest[at + sep.len()..];
        n += 1;
    }
    add(rest);
}

fn trim_start(string: &[u8]) -> &[u8] {
    let start = string.iter().position(|byte| !is_space(*byte)).unwrap_or(string.len());
    &string[start..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(string: &str, sep: &str, maxsplit: i64, expected: &[&str]) {
        let mut pieces = Vec::new();
        let add: &mut dyn FnMut(&[u8]) = &mut |piece| pieces.push(piece.to_vec());
        match sep {
            "" => split_at_space(string.as_bytes(), maxsplit, add),
            _ => split_at(string.as_bytes(), sep.as_bytes(), maxsplit, add),
        }
        let expected: Vec<Vec<u8>> =
            expected.iter().map(|piece| piece.as_bytes().to_vec()).collect();
        assert_eq!(pieces, expected, "{string:?} at {sep:?}");
    }

    /// What TensorFlow 2.21 makes of them.
    #[test]
    fn strings_are_split_as_in_tensorflow() {
        check(" x  y\t\nz ", "", -1, &["x", "y", "z"]);
        check(" x  y z w ", "", 2, &["x", "y", "z w "]);
        check("a ", "", 1, &["a", ""]);
        check(" ", "", 1, &[]);
        check("a,b,,c", ",", -1, &["a", "b", "", "c"]);
        check("a,b,,c", ",", 1, &["a", "b,,c"]);
        check("", ",", -1, &[""]);
        check("abcab", "ab", -2, &["", "c", ""]);
        check("a,", ",", 1, &["a", ""]);
    }
}
