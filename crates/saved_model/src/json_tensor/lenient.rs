use std::borrow::Cow;

use serde_json::Value;

use super::Error;

/// Numbers that Serving takes bare, and the strings that stand for them in JSON proper.
const TOKENS: &[(&str, &str)] = &[
    ("-Infinity", "\"-Infinity\""),
    ("-Inf", "\"-Infinity\""),
    ("Infinity", "\"Infinity\""),
    ("Inf", "\"Infinity\""),
    ("-NaN", "\"NaN\""),
    ("NaN", "\"NaN\""),
];

/// Reads JSON as TensorFlow Serving does: a byte-order mark is skipped, and `NaN`, `Inf` and
/// `Infinity`, each with an optional `-`, may stand for numbers.
///
/// Errors: `INVALID_ARGUMENT` if the text is not JSON otherwise, or nests deeper than 127 levels.
pub fn parse(text: &str) -> Result<Value, Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    serde_json::from_str(&quoted(text)).map_err(Error::Parse)
}

/// The text with bare tokens quoted.
fn quoted(text: &str) -> Cow<'_, str> {
    if !text.contains(['N', 'I']) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c == '"' {
            let (string, after) = rest.split_at(string_len(rest));
            out.push_str(string);
            rest = after;
        } else if let Some((token, quoted)) =
            TOKENS.iter().find(|(token, _)| rest.starts_with(token))
        {
            out.push_str(quoted);
            rest = &rest[token.len()..];
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    Cow::Owned(out)
}

/// The length in bytes of the string literal that `text` begins with; all of it when it never ends.
fn string_len(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}
