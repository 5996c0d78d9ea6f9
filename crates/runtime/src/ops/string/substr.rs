//! Parts of strings.

use bytes::Bytes;
use flowkeep_tensor::{DType, Tensor, bytes_repr};

use super::text::{Unit, continues};
use crate::kernel::{KernelInit, Status};
use crate::ops::args::{self, Built, kernel};
use crate::ops::broadcast::{Broadcast, broadcast_shape};

/// Cuts `len` bytes or characters out of each string, from `pos` on; a negative `pos` counts from
/// the end, and what lies past the end is left out.
///
/// Shapes: `input` and `pos` are broadcast; `len` as `pos`.  Types: string; `pos` and `len` i32 or
/// i64.
/// Errors: `INVALID_ARGUMENT` if a `pos` lies past the end or before the start, or if the shapes do
/// not fit.
/// Source: OpDef `Substr`.
pub(super) fn substr(init: &KernelInit<'_>) -> Built {
    let unit = Unit::of(init)?;
    kernel(move |cx| {
        let (input, pos, len) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
        if pos.shape() != len.shape() {
            return Err(Status::invalid_argument(format!(
                "pos and len should have the same shape, got: {} vs. {}",
                pos.shape(),
                len.shape()
            )));
        }
        let shape = broadcast_shape(input.dims(), pos.dims()).ok_or_else(|| {
            Status::invalid_argument(format!(
                "Incompatible shapes: {} vs. {}",
                input.shape(),
                pos.shape()
            ))
        })?;
        let mut output = Tensor::zeros(DType::String, shape)?;
        let n = output.n_elements();
        if n == 0 {
            return cx.set_output(0, output);
        }
        let walk = Broadcast::new(output.dims(), [input.dims(), pos.dims()]);
        let (strings, starts, lens) = (input.as_strings()?, args::ints(pos)?, args::ints(len)?);
        let parts = output.make_mut_strings()?;
        let mut result = Ok(());
        walk.for_each_row(0, n, |position, [string, start], row| {
            for i in 0..row {
                let step = |idx: usize| if walk.repeats(idx) { 0 } else { i };
                let (string, at) = (&strings[string + step(0)], start + step(1));
                match part(string, starts[at], lens[at], unit) {
                    Some(part) => parts[position + i] = part,
                    None if result.is_ok() => {
                        result = Err(out_of_range(string, starts[at], position + i, unit));
                    }
                    None => {}
                }
            }
        });
        result?;
        cx.set_output(0, output)
    })
}

/// The part of `string`; none if `pos` is outside.
fn part(string: &Bytes, pos: i64, len: i64, unit: Unit) -> Option<Bytes> {
    match unit {
        Unit::Bytes => {
            let start = start(pos, string.len())?;
            // A negative length is a huge one, as in C.
            let len = usize::try_from(len).unwrap_or(usize::MAX);
            Some(string.slice(start..start.saturating_add(len).min(string.len())))
        }
        Unit::Chars => {
            // Where characters start, and the end. Bytes that continue nothing belong to the first.
            let starts = (0..string.len()).filter(|&i| i == 0 || !continues(string[i]));
            let starts: Vec<usize> = starts.chain([string.len()]).collect();
            let n = starts.len() - 1;
            let first = start(pos, n)?;
            let end = first.saturating_add(usize::try_from(len).unwrap_or(0)).min(n);
            Some(string.slice(starts[first]..starts[end]))
        }
    }
}

/// The position that `pos` means among `n` units: the end is one, beyond there is none.
fn start(pos: i64, n: usize) -> Option<usize> {
    match usize::try_from(pos) {
        Ok(pos) => (pos <= n).then_some(pos),
        Err(_) => args::axis(pos, n),
    }
}

fn out_of_range(string: &Bytes, pos: i64, place: usize, unit: Unit) -> Status {
    Status::invalid_argument(match unit {
        Unit::Bytes => {
            let string = bytes_repr(string);
            format!("pos {pos} out of range for string {string} at index {place}")
        }
        Unit::Chars => format!("pos {pos} out of range for string at index {place}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(string: &'static [u8], pos: i64, len: i64, unit: Unit, expected: Option<&[u8]>) {
        let string = Bytes::from_static(string);
        let part = part(&string, pos, len, unit);
        assert_eq!(part.as_deref(), expected, "{string:?} {pos} {len}");
    }

    /// What TensorFlow 2.21 cuts out.
    #[test]
    fn bytes_are_counted_from_both_ends() {
        check(b"hello", 1, 3, Unit::Bytes, Some(b"ell"));
        check(b"ab", 2, 1, Unit::Bytes, Some(b""));
        check(b"ab", 3, 1, Unit::Bytes, None);
        check(b"ab", -2, 1, Unit::Bytes, Some(b"a"));
        check(b"ab", -3, 1, Unit::Bytes, None);
        check(b"hello", 1, -2, Unit::Bytes, Some(b"ello"));
        check(b"abc", i64::MIN, 2, Unit::Bytes, None);
        check(b"abc", 1, i64::MAX, Unit::Bytes, Some(b"bc"));
    }

    #[test]
    fn characters_are_counted_even_in_damaged_text() {
        check("h\u{e9}llo".as_bytes(), 1, 3, Unit::Chars, Some("\u{e9}ll".as_bytes()));
        check("h\u{e9}llo".as_bytes(), -4, 3, Unit::Chars, Some("\u{e9}ll".as_bytes()));
        check("h\u{e9}llo".as_bytes(), 5, 3, Unit::Chars, Some(b""));
        check("h\u{e9}llo".as_bytes(), 6, 3, Unit::Chars, None);
        check("h\u{e9}llo".as_bytes(), -6, 3, Unit::Chars, None);
        check(b"h\xff\xfello", 1, 2, Unit::Chars, Some(b"\xff\xfe"));
        check(b"hello", 1, -2, Unit::Chars, Some(b""));
        check(b"\x80\x80ab", 1, 2, Unit::Chars, Some(b"ab"));
        check(b"\x80\x80ab", -3, 2, Unit::Chars, Some(b"\x80\x80a"));
        check(b"", 0, 2, Unit::Chars, Some(b""));
        check(b"", -1, 2, Unit::Chars, None);
    }
}
