//! Target `text_format`: reads a text and prints what it is, or prints a message and reads that.
//!
//! ```text
//! 1 byte mode | 1 byte message | text or wire form
//! ```
//!
//! Mode 0 takes the rest for a text, mode 1 for a message. The tests of the proto crate include this
//! file to replay inputs.

use flowkeep_proto::text::{self, PrintOptions};

/// Messages with fields of all kinds.
const MESSAGES: &[&str] = &[
    "tensorflow.NodeDef",
    "tensorflow.SavedModel",
    "tensorflow.TensorProto",
    "google.protobuf.Any",
    "tensorflow.CollectionDef",
    "tensorflow.GraphDebugInfo",
    "tensorflow.FullTypeDef",
    "tensorflow.StructuredValue",
    "tensorflow.FunctionDef",
    "tensorflow.SavedObjectGraph",
    "tensorflow.Example",
    "tensorflow.proto_splitter.ChunkedMessage",
];

/// Runs the target on one input; panics if reading does not undo printing.
pub fn run(input: &[u8]) {
    let [mode, message, rest @ ..] = input else { return };
    let message = MESSAGES[usize::from(*message) % MESSAGES.len()];
    if mode % 2 == 1 {
        if let Ok(printed) = text::print(message, rest) {
            check(message, &printed);
        }
        return;
    }
    let parsed = text::parse(message, rest);
    match &parsed {
        Ok(wire) => {
            assert!(wire.len() <= rest.len() * 5 + 16, "wire form is bounded by the text");
            // What may not stand twice may also stand once.
            assert!(text::merge(message, rest).is_ok());
            match text::print(message, wire) {
                Ok(printed) => check(message, &printed),
                // The text of an Any that was given by its bytes.
                Err(error) => assert!(error.to_string().contains("malformed")),
            }
        }
        Err(error) => {
            let n_lines = rest.iter().filter(|byte| **byte == b'\n').count() + 1;
            assert!((1..=n_lines).contains(&error.line()) && error.column() <= rest.len() + 1);
            assert!(!error.message().is_empty());
        }
    }
}

/// Reads what was printed, on one line as well; panics if that does not print the same.
fn check(message: &str, printed: &str) {
    if !has_plain_urls(printed) {
        return;
    }
    let Some(again) = reread(message, printed) else { return };
    assert_eq!(text::print(message, &again).expect("it was printed before"), printed);
    let options = PrintOptions { as_one_line: true };
    let line = text::print_with(message, &again, options).expect("it was printed before");
    assert!(!line.contains('\n'), "all on one line");
    let again = reread(message, &line).expect("it was read before");
    assert_eq!(text::print(message, &again).expect("it was printed before"), printed);
}

/// Whether the URLs in brackets are made of letters. Others are printed as they are, which may be
/// text of no meaning, or of another.
fn has_plain_urls(printed: &str) -> bool {
    let mut rest = printed;
    while let Some(at) = rest.find(['"', '[']) {
        let (first, inner) = rest[at..].split_at(1);
        if first == "[" {
            let Some((url, after)) = inner.split_once("] {") else { return false };
            let is_plain = |part: char| part.is_ascii_alphanumeric() || "._-/".contains(part);
            if url.starts_with('/') || !url.chars().all(is_plain) {
                return false;
            }
            rest = after;
        } else {
            let mut is_escaped = false;
            let end = inner.find(|part| {
                let is_end = part == '"' && !is_escaped;
                is_escaped = part == '\\' && !is_escaped;
                is_end
            });
            rest = end.map_or("", |end| &inner[end + 1..]);
        }
    }
    true
}

/// Reads what was printed; none if it has a string that is no UTF-8, as messages of old syntax may.
fn reread(message: &str, printed: &str) -> Option<Vec<u8>> {
    match text::parse(message, printed) {
        Ok(wire) => Some(wire),
        Err(error) if error.message().contains("'utf-8' codec can't decode") => None,
        Err(error) => panic!("{error} in what was printed"),
    }
}

/// The input that stands for these parts; none if the message is none of this target's.
pub fn join(mode: u8, message: &str, content: &[u8]) -> Option<Vec<u8>> {
    let idx = MESSAGES.iter().position(|name| *name == message)?;
    Some([&[mode, u8::try_from(idx).ok()?][..], content].concat())
}
