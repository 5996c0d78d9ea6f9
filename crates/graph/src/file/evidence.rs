//! Whether bytes are a message of a kind.

use super::Kind;
use super::records::{Fault, Records, Value};

/// What bytes are, taken as a message of some kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    /// Not a message of the kind.
    Against,
    /// They could be one that says nothing.
    Silent,
    /// They say what only this kind says.
    For,
    /// They did so, until they broke off.
    Cut,
}

/// What the top of a message says of it: records, until one contradicts the kind.
///
/// Takes time linear in the number of nodes, not in the size of their attributes.
pub(super) fn evidence(kind: Kind, message: &[u8]) -> Evidence {
    gather(message, |number, value| of_record(kind, number, value))
}

/// Whether any record of a message that is damaged says what only this kind says.
pub(super) fn begins_as(kind: Kind, message: &[u8]) -> bool {
    Records::new(message)
        .map_while(Result::ok)
        .any(|(number, value)| of_record(kind, number, value) == Evidence::For)
}

fn of_record(kind: Kind, number: u32, value: Value<'_>) -> Evidence {
    match kind {
        Kind::GraphDef => of_graph_def(number, value),
        Kind::MetaGraphDef => of_meta_graph_def(number, value),
        Kind::SavedModel => of_saved_model(number, value),
    }
}

/// All records together: one that contradicts decides, else one that speaks for the kind.
fn gather(message: &[u8], of_record: impl Fn(u32, Value<'_>) -> Evidence) -> Evidence {
    let mut all = Evidence::Silent;
    for record in Records::new(message) {
        match record {
            Ok((number, value)) => match of_record(number, value) {
                Evidence::Against | Evidence::Cut => return Evidence::Against,
                Evidence::Silent => {}
                Evidence::For => all = Evidence::For,
            },
            Err(Fault::Cut) if all == Evidence::For => return Evidence::Cut,
            Err(_) => return Evidence::Against,
        }
    }
    all
}

fn of_graph_def(number: u32, value: Value<'_>) -> Evidence {
    match (number, value) {
        (1, Value::Bytes(node)) => of_node(node),
        (2, Value::Bytes(library)) => gather(library, |number, value| match (number, value) {
            (1, Value::Bytes(function)) => of_function(function),
            (1..=3, value) => silent_if(matches!(value, Value::Bytes(_))),
            _ => Evidence::Silent,
        }),
        (3, value) => silent_if(matches!(value, Value::Varint(_))),
        (4, Value::Bytes(versions)) => gather(versions, |number, value| match (number, value) {
            (1 | 2, Value::Varint(_)) => Evidence::For,
            (1 | 2, _) => Evidence::Against,
            (3, value) => silent_if(matches!(value, Value::Varint(_) | Value::Bytes(_))),
            _ => Evidence::Silent,
        }),
        (1..=5, value) => silent_if(matches!(value, Value::Bytes(_))),
        _ => Evidence::Silent,
    }
}

/// A node with a name and an op is evidence; one that lacks them is none, and is refused later.
fn of_node(node: &[u8]) -> Evidence {
    let (mut has_name, mut has_op) = (false, false);
    for record in Records::new(node) {
        match record {
            Ok((1 | 2, Value::Bytes([]))) => {}
            Ok((1, Value::Bytes(name))) if is_readable(name) => has_name = true,
            Ok((2, Value::Bytes(op))) if is_readable(op) => has_op = true,
            Ok((3..=7, Value::Bytes(_)) | (8.., _)) => {}
            _ => return Evidence::Against,
        }
    }
    if has_name && has_op { Evidence::For } else { Evidence::Silent }
}

/// A function has a signature with a name.
fn of_function(function: &[u8]) -> Evidence {
    gather(function, |number, value| match (number, value) {
        (1, Value::Bytes(signature)) => gather(signature, |number, value| match (number, value) {
            (1, Value::Bytes(name)) if is_readable(name) => Evidence::For,
            (1, _) => Evidence::Against,
            (2..=4, value) => silent_if(matches!(value, Value::Bytes(_))),
            _ => Evidence::Silent,
        }),
        (1..=8, value) => silent_if(matches!(value, Value::Bytes(_))),
        _ => Evidence::Silent,
    })
}

fn of_meta_graph_def(number: u32, value: Value<'_>) -> Evidence {
    match (number, value) {
        (1, Value::Bytes(info)) => gather(info, |number, value| match (number, value) {
            (2, Value::Bytes(list)) => gather(list, |number, value| match (number, value) {
                (1, Value::Bytes(_)) => Evidence::For,
                _ => Evidence::Against,
            }),
            (1 | 4 | 5 | 6, Value::Bytes(text)) if is_readable(text) => Evidence::For,
            (1 | 4 | 5 | 6, Value::Bytes([])) => Evidence::Silent,
            (7, Value::Varint(_)) => Evidence::For,
            (3 | 8, value) => silent_if(matches!(value, Value::Bytes(_))),
            (1..=8, _) => Evidence::Against,
            _ => Evidence::Silent,
        }),
        (2, Value::Bytes(graph)) => evidence(Kind::GraphDef, graph),
        (4 | 5, Value::Bytes(entry)) => gather(entry, |number, value| match (number, value) {
            (1, Value::Bytes(key)) if is_readable(key) => Evidence::For,
            (1 | 2, value) => silent_if(matches!(value, Value::Bytes(_))),
            _ => Evidence::Silent,
        }),
        (1..=7, value) => silent_if(matches!(value, Value::Bytes(_))),
        _ => Evidence::Silent,
    }
}

fn of_saved_model(number: u32, value: Value<'_>) -> Evidence {
    match (number, value) {
        (1, Value::Varint(_)) => Evidence::For,
        (2, Value::Bytes(meta_graph)) => evidence(Kind::MetaGraphDef, meta_graph),
        (1 | 2, _) => Evidence::Against,
        _ => Evidence::Silent,
    }
}

fn silent_if(fits: bool) -> Evidence {
    if fits { Evidence::Silent } else { Evidence::Against }
}

/// Text on one line.
fn is_readable(text: &[u8]) -> bool {
    let text = str::from_utf8(text).unwrap_or_default();
    !text.is_empty() && !text.chars().any(char::is_control)
}
