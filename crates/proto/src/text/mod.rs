//! Protobuf text format, driven by descriptors: text to wire bytes and back.
//!
//! [`parse`] and [`merge`] read what any of TensorFlow's readers takes: the Python one
//! (`google.protobuf.text_format`) and the C++ one. What both refuse is refused at the line and
//! column and in the words of the Python reader. They take
//!
//! * comments from `#` to the end of the line; one optional `,` or `;` after a field;
//! * `name: value`, `name { .. }`, `name: { .. }`, `name < .. >`, lists `name: [a, b]`;
//! * string literals in either quote, concatenated when adjacent, with escapes `\n`, `\101`,
//!   `\x41`, `\u0041`, `\U00000041`; any other escape stands for itself;
//! * integers in decimal, `0x` hexadecimal, `0b` binary, leading-zero and `0o` octal, each within the
//!   range of its type; floats with exponent or `f`, `inf`, `nan`; enum values by name or number;
//!   `true`, `t`, `1` and their opposites;
//! * map entries as messages `{ key: .. value: .. }`;
//! * `google.protobuf.Any` as `[type.googleapis.com/tensorflow.AssetFileDef] { .. }`.
//!
//! Unknown fields are errors. Messages may nest [`MAX_DEPTH`] deep, which bounds the stack. What is
//! made from a text is at most five times as long.
//!
//! [`print()`] writes what `text_format.MessageToString` writes, to the byte: fields by number, maps
//! by key, floats in the fewest digits that read back.
//!
//! The page `docs/text_format.md` has the grammar and the few known differences.
//!
//! # Parts
//!
//! In reading order: `descriptor` (what is known of messages) and `names`; `wire` (records); `lexer`,
//! `place`; `integer`, `float`, `literal` (values as they are spelled), `python` (words for errors);
//! `parser`, `value`, `any`, `skip`, `canonical`; `records` (a message's records by field), `printer`,
//! `spell`, `decimal`; `fault` ([`find_fault`], where damaged bytes stop being a message).
//!
//! Invariant: no code here knows a message but `Any`. What it knows comes from the descriptors that
//! `cargo xtask codegen` puts beside the generated types.

#![cfg_attr(
    not(test),
    deny(
        clippy::as_conversions,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::unwrap_used
    )
)]

use bytes::Bytes;
use prost::{Message, Name};

mod any;
mod canonical;
mod decimal;
mod descriptor;
mod error;
mod fault;
mod float;
mod integer;
mod lexer;
mod literal;
mod names;
mod parser;
mod place;
mod printer;
mod python;
mod records;
mod skip;
mod spell;
mod value;
mod wire;

pub use self::error::{ParseError, PrintError};
pub use self::fault::{Fault, find_fault};

use self::parser::Repeats;

/// How deep messages may nest, in text and, for [`print()`], on the wire.
///
/// Generated types decode messages of the same depth and no deeper.
pub const MAX_DEPTH: usize = 100;

/// How messages are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PrintOptions {
    /// All on one line, with a space after each field and bracket but the last.
    pub as_one_line: bool,
}

/// Reads a message from text and gives its wire form.
///
/// `full_name` is the name of the message with its package, `tensorflow.GraphDef`. Fields stand
/// in the order of the text. A singular field given twice, and a second member of a oneof, are
/// errors, as for TensorFlow's `text_format.Parse`; it is what SavedModels are read with.
///
/// Text that is not UTF-8 is read as TensorFlow's C++ reader does: bytes in literals stand for
/// themselves.
///
/// Errors: the text is not a message of that name, or no such message is known.
pub fn parse(full_name: &str, text: impl AsRef<[u8]>) -> Result<Vec<u8>, ParseError> {
    parser::parse(full_name, text.as_ref(), Repeats::Refused)
}

/// Reads a message from text as [`parse`] does, but the last of a repeated singular field wins.
///
/// So does TensorFlow's `text_format.Merge`, with which it reads graphs, MetaGraphs and the
/// `checkpoint` file. Errors: as for [`parse`].
pub fn merge(full_name: &str, text: impl AsRef<[u8]>) -> Result<Vec<u8>, ParseError> {
    parser::parse(full_name, text.as_ref(), Repeats::LastWins)
}

/// Reads a message of type `M` from text; see [`parse`].
pub fn parse_message<M: Message + Name + Default>(text: impl AsRef<[u8]>) -> Result<M, ParseError> {
    let wire = parse(&M::full_name(), text)?;
    // As every large message is decoded, so that there is one decoder of each in a program.
    M::decode(Bytes::from(wire)).map_err(|error| ParseError::at_start(error.to_string()))
}

/// Merges text into `message`; see [`merge`].
///
/// After an error `message` is as it was.
pub fn merge_message<M: Message + Name>(
    message: &mut M,
    text: impl AsRef<[u8]>,
) -> Result<(), ParseError> {
    let wire = merge(&M::full_name(), text)?;
    message.merge(Bytes::from(wire)).map_err(|error| ParseError::at_start(error.to_string()))
}

/// Writes the text form of a message given in wire form.
///
/// Fields come in the order of their numbers, map entries in the order of their keys; unknown
/// fields are left out. An `Any` of a known type is written in its expanded form.
///
/// Errors: `wire` is not a message of that name, or no such message is known.
pub fn print(full_name: &str, wire: &[u8]) -> Result<String, PrintError> {
    print_with(full_name, wire, PrintOptions::default())
}

/// Writes the text form of a message given in wire form; see [`print()`].
pub fn print_with(
    full_name: &str,
    wire: &[u8],
    options: PrintOptions,
) -> Result<String, PrintError> {
    printer::print(full_name, wire, options)
}

/// Writes the text form of `message`; see [`print()`].
pub fn print_message<M: Message + Name>(message: &M) -> Result<String, PrintError> {
    print_message_with(message, PrintOptions::default())
}

/// Writes the text form of `message`; see [`print()`].
pub fn print_message_with<M: Message + Name>(
    message: &M,
    options: PrintOptions,
) -> Result<String, PrintError> {
    print_with(&M::full_name(), &message.encode_to_vec(), options)
}
