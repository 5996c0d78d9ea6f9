//! Indices from text.

use std::str::FromStr;

use super::{IndexItem, TensorIndex, bad, check_count};
use crate::Error;

impl FromStr for TensorIndex {
    type Err = Error;

    /// Parses NumPy's form, without the brackets: integers, slices such as `1:10:3` and `...`, joined
    /// by commas; blanks do not count, and one comma may stand at the end.
    ///
    /// Errors: `INVALID_ARGUMENT` for anything else; as [`TensorIndex::new`].
    fn from_str(text: &str) -> Result<TensorIndex, Error> {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(bad("an index cannot be empty"));
        }
        let items = trimmed.strip_suffix(',').unwrap_or(trimmed);
        // One item may be the ellipsis.
        check_count(items.matches(',').count())?;
        let item = |part: &str| {
            let part = part.trim();
            item(part)?.ok_or_else(|| {
                bad(format!(
                    "only integers, slices (`:`) and ellipsis (`...`) are valid indices, but got '{part}' in '{text}'"
                ))
            })
        };
        TensorIndex::new(items.split(',').map(item).collect::<Result<_, _>>()?)
    }
}

/// One item, or `None` if the text is none.
fn item(text: &str) -> Result<Option<IndexItem>, Error> {
    if text == "..." {
        return Ok(Some(IndexItem::Ellipsis));
    }
    if text.contains(':') {
        return Ok(slice(text));
    }
    let Some(number) = integer(text) else { return Ok(None) };
    let idx = i64::try_from(number)
        .map_err(|_| bad(format!("cannot fit '{text}' into an index-sized integer")))?;
    Ok(Some(IndexItem::At(idx)))
}

/// A slice; as in Python its numbers are clipped to what an index can be.
fn slice(text: &str) -> Option<IndexItem> {
    let mut numbers = [None; 3];
    for (nth, part) in text.split(':').enumerate() {
        let number = numbers.get_mut(nth)?;
        let part = part.trim();
        if !part.is_empty() {
            let clipped = integer(part)?.clamp(i64::MIN.into(), i64::MAX.into());
            *number = i64::try_from(clipped).ok();
        }
    }
    let [start, stop, step] = numbers;
    Some(IndexItem::Slice { start, stop, step })
}

/// An integer with an optional sign, held within what an `i128` holds.
fn integer(text: &str) -> Option<i128> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let magnitude = digits.bytes().fold(0i128, |value, digit| {
        value.saturating_mul(10).saturating_add(i128::from(digit - b'0'))
    });
    Some(if text.starts_with('-') { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_print_as_they_parse() {
        let cases = [
            ("0:3,:", "0:3,:"),
            (" -1 ,", "-1"),
            ("...,0", "...,0"),
            ("::2,1:10:3", "::2,1:10:3"),
            ("::-1", "::-1"),
            ("1::", "1:"),
            ("+4 : -2\t:\n+1", "4:-2:1"),
            ("007", "7"),
            ("-9223372036854775808", "-9223372036854775808"),
            (":99999999999999999999999999999999999999999", ":9223372036854775807"),
        ];
        for (text, printed) in cases {
            let index: TensorIndex = text.parse().unwrap();
            assert_eq!(index.to_string(), printed);
            assert_eq!(printed.parse::<TensorIndex>().unwrap(), index);
        }
        assert_eq!(TensorIndex::new(Vec::new()).unwrap(), "...".parse().unwrap());
    }

    #[test]
    fn other_text_is_refused() {
        let not_an_item = |part: &str, text: &str| {
            format!(
                "only integers, slices (`:`) and ellipsis (`...`) are valid indices, but got '{part}' in '{text}'"
            )
        };
        let cases = [
            ("", "an index cannot be empty".into()),
            (" \n", "an index cannot be empty".into()),
            (",", not_an_item("", ",")),
            ("0,,1", not_an_item("", "0,,1")),
            ("0,,", not_an_item("", "0,,")),
            ("x", not_an_item("x", "x")),
            ("0, None", not_an_item("None", "0, None")),
            ("[0]", not_an_item("[0]", "[0]")),
            ("1.0", not_an_item("1.0", "1.0")),
            ("--1", not_an_item("--1", "--1")),
            ("-", not_an_item("-", "-")),
            ("1:2:3:4", not_an_item("1:2:3:4", "1:2:3:4")),
            ("1:x", not_an_item("1:x", "1:x")),
            ("....", not_an_item("....", "....")),
            ("٣", not_an_item("٣", "٣")),
            (
                "9223372036854775808",
                "cannot fit '9223372036854775808' into an index-sized integer".into(),
            ),
            ("...,...", "an index can only have a single ellipsis ('...')".into()),
            ("0,1:2:-0", "slice step cannot be zero".into()),
        ];
        for (text, message) in cases {
            let error = text.parse::<TensorIndex>().unwrap_err();
            assert_eq!(error.to_string(), message, "{text:?}");
            assert_eq!(error.code(), crate::Code::InvalidArgument);
        }
    }

    #[test]
    fn long_text_is_refused_before_it_is_stored() {
        let error = "0,".repeat(1 << 20).parse::<TensorIndex>().unwrap_err();
        assert_eq!(error.to_string(), "1048575 dimensions were indexed, more than 254");
        assert!("9".repeat(1 << 20).parse::<TensorIndex>().is_err());
        assert!(format!(":{}", "9".repeat(1 << 20)).parse::<TensorIndex>().is_ok());
        let most = format!("...{}", ",0".repeat(254));
        assert_eq!(most.parse::<TensorIndex>().unwrap().items().len(), 255);
        assert!(format!("{most},0").parse::<TensorIndex>().is_err());
    }
}
