//! Strings matched and rewritten by regular expressions.

use bytes::Bytes;
use regex::bytes::Regex;

use flowkeep_tensor::Tensor;

use super::re2;
use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{Built, kernel};

/// Whether each string matches a pattern from start to end.
///
/// Shapes: `input [D..]`, `pattern []` → `[D..]`, bool.
/// Errors: `INVALID_ARGUMENT` for a pattern that is no scalar or no regular expression.
/// Source: OpDef `RegexFullMatch`.
pub(super) fn regex_full_match(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let regex = re2::compile(scalar(cx, 1, "Pattern")?, true)?;
        full_match(cx, &regex)
    })
}

/// As [`regex_full_match`], with the pattern as an attribute.
///
/// Source: OpDef `StaticRegexFullMatch`.
pub(super) fn static_regex_full_match(init: &KernelInit<'_>) -> Built {
    let regex = re2::compile(init.attr_str("pattern")?, true)?;
    kernel(move |cx| full_match(cx, &regex))
}

/// Replaces what matches a pattern, in which `\1` to `\9` stand for groups: all matches, or the first
/// one unless `replace_global` is set.
///
/// Shapes: `input [D..]`, `pattern []`, `rewrite []` → `[D..]`.
/// Errors: as [`regex_full_match`], and if `rewrite` is no scalar.
/// Source: OpDef `RegexReplace`.
pub(super) fn regex_replace(init: &KernelInit<'_>) -> Built {
    let is_global = init.attr_bool("replace_global")?;
    kernel(move |cx| {
        let regex = re2::compile(scalar(cx, 1, "Pattern")?, false)?;
        let rewrite = scalar(cx, 2, "Rewrite")?.to_owned();
        replace(cx, &regex, rewrite.as_bytes(), is_global)
    })
}

/// As [`regex_replace`], with pattern and rewrite as attributes.
///
/// Source: OpDef `StaticRegexReplace`.
pub(super) fn static_regex_replace(init: &KernelInit<'_>) -> Built {
    let is_global = init.attr_bool("replace_global")?;
    let regex = re2::compile(init.attr_str("pattern")?, false)?;
    let rewrite = init.attr_str("rewrite")?.to_owned();
    kernel(move |cx| replace(cx, &regex, rewrite.as_bytes(), is_global))
}

fn scalar<'a>(cx: &'a KernelContext<'_>, idx: usize, name: &str) -> Result<&'a str, Status> {
    let tensor = cx.input(idx)?;
    match tensor.as_strings()? {
        [text] if tensor.shape().is_scalar() => std::str::from_utf8(text)
            .map_err(|_| Status::invalid_argument(format!("{name} must be UTF-8"))),
        _ => Err(Status::invalid_argument(format!(
            "{name} must be scalar, but received {}",
            tensor.shape()
        ))),
    }
}

fn full_match(cx: &mut KernelContext<'_>, regex: &Regex) -> Result<(), Status> {
    let input = cx.input(0)?;
    let matches = input.as_strings()?.iter().map(|text| regex.is_match(text)).collect();
    let output = Tensor::from_vec::<bool>(input.shape().clone(), matches)?;
    cx.set_output(0, output)
}

fn replace(
    cx: &mut KernelContext<'_>,
    regex: &Regex,
    rewrite: &[u8],
    is_global: bool,
) -> Result<(), Status> {
    let mut strings = cx.take_input(0)?;
    for text in strings.make_mut_strings()? {
        if regex.is_match(text) {
            *text = Bytes::from(re2::replace(regex, text, rewrite, is_global));
        }
    }
    cx.set_output(0, strings)
}
