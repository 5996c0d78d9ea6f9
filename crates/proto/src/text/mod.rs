//! Protobuf text format, driven by descriptors: text to wire bytes and back.
//!
//! [`parse`] and [`merge`] read what TensorFlow's Python reader (`google.protobuf.text_format`)
//! takes, and refuse what it refuses with the same text, at the same line and column:
//!
//! * comments from `#` to the end of the line; one optional `,` or `;` after a field;
//! * `name: value`, `name { .. }`, `name: { .. }`, `name < .. >`, lists `name: [a, b]`;
//! * string literals in either quote, concatenated when adjacent, with escapes `\n`, `\101`,
//!   `\x41`, `\u0041`, `\U00000041`;
//! * integers in decimal, `0x` hexadecimal and leading-zero octal; floats with exponent or `f`,
//!   `inf`, `nan`; enum values by name or number; `true`, `t`, `1` and their opposites;
//! * map entries as messages `{ key: .. value: .. }`;
//! * `google.protobuf.Any` as `[type.googleapis.com/tensorflow.AssetFileDef] { .. }`.
//!
//! Unknown fields are errors. Messages may nest [`MAX_DEPTH`] deep, which bounds the stack, and
//! what is made from a text is at most a small multiple of its length.
//!
//! [`print()`] writes what `text_format.MessageToString` writes: fields by number, maps by key.
//!
//! Invariant: no code here knows a message. What it knows comes from the descriptors that
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

mod descriptor;
mod error;
mod lexer;
mod literal;
mod parser;
mod printer;
mod spell;
mod wire;

pub use self::error::{ParseError, PrintError};

use self::parser::Repeats;

/// How deep messages may nest, in text and, for [`print()`], on the wire.
///
/// Generated types decode messages of the same depth and no deeper.
pub const MAX_DEPTH: usize = 100;

/// Reads a message from text and gives its wire form.
///
/// `full_name` is the name of the message with its package, `tensorflow.GraphDef`. Fields stand
/// in the order of the text. A singular field given twice, and a second member of a oneof, are
/// errors, as for TensorFlow's `text_format.Parse`; it is what SavedModels are read with.
///
/// Errors: the text is not a message of that name, or no such message is known.
pub fn parse(full_name: &str, text: &str) -> Result<Vec<u8>, ParseError> {
    parser::parse(full_name, text, Repeats::Refused)
}

/// Reads a message from text as [`parse`] does, but the last of a repeated singular field wins.
///
/// So does TensorFlow's `text_format.Merge`, with which it reads graphs, MetaGraphs and the
/// `checkpoint` file. Errors: as for [`parse`].
pub fn merge(full_name: &str, text: &str) -> Result<Vec<u8>, ParseError> {
    parser::parse(full_name, text, Repeats::LastWins)
}

/// Reads a message of type `M` from text; see [`parse`].
pub fn parse_message<M: Message + Name + Default>(text: &str) -> Result<M, ParseError> {
    let wire = parse(&M::full_name(), text)?;
    // As every large message is decoded, so that there is one decoder of each in a program.
    M::decode(Bytes::from(wire)).map_err(|error| ParseError::at_start(error.to_string()))
}

/// Merges text into `message`; see [`merge`].
///
/// After an error `message` is as it was.
pub fn merge_message<M: Message + Name>(message: &mut M, text: &str) -> Result<(), ParseError> {
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
    printer::print(full_name, wire)
}

/// Writes the text form of `message`; see [`print()`].
pub fn print_message<M: Message + Name>(message: &M) -> Result<String, PrintError> {
    print(&M::full_name(), &message.encode_to_vec())
}
