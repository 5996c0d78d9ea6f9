//! Texts and messages that ask for trouble: nothing panics, nesting and memory are bounded.

use std::fs;

use flowkeep_proto::pb;
use flowkeep_proto::prost::{Message, encoding};
use flowkeep_proto::text;

use crate::{fixture, fixtures};

#[test]
fn every_prefix_of_a_text_is_read_or_refused() {
    let state = fixture("checkpoint_state.pbtxt");
    for end in 0..state.len() {
        if let Ok(wire) = text::parse("tensorflow.CheckpointState", &state.as_bytes()[..end]) {
            assert!(wire.len() <= end);
        }
    }
    let graph = fixture("graph_def.pbtxt");
    for end in (0..graph.len()).step_by(37) {
        let _ = text::parse("tensorflow.GraphDef", &graph.as_bytes()[..end]);
    }
}

#[test]
fn every_prefix_of_a_message_is_printed_or_refused() {
    let wire = fs::read(fixtures().join("text_format/saved_model.pb")).unwrap();
    for end in 0..wire.len() {
        let _ = text::print("tensorflow.SavedModel", &wire[..end]);
    }
}

#[test]
fn damaged_texts_are_read_or_refused() {
    let text = fixture("saved_model.pbtxt").into_bytes();
    let replacements = b"{}<>[]:\"'\\#,;-.0x\n\xff";
    for (round, at) in (0..text.len()).step_by(13).enumerate() {
        let mut damaged = text.clone();
        damaged[at] = replacements[round % replacements.len()];
        if let Ok(wire) = text::parse("tensorflow.SavedModel", &damaged) {
            pb::SavedModel::decode(wire.as_slice()).unwrap();
        }
    }
}

#[test]
fn damaged_messages_are_printed_or_refused() {
    let mut wire = fs::read(fixtures().join("text_format/graph_def.pb")).unwrap();
    for at in (0..wire.len()).step_by(3) {
        let before = wire[at];
        wire[at] ^= 1 << (at % 8);
        if let Ok(printed) = text::print("tensorflow.GraphDef", &wire) {
            let again = text::parse("tensorflow.GraphDef", &printed).unwrap();
            assert_eq!(text::print("tensorflow.GraphDef", &again).unwrap(), printed);
        }
        wire[at] = before;
    }
}

/// `n` messages around each other.
fn nested(n: usize) -> String {
    "args {".repeat(n) + &"}".repeat(n)
}

#[test]
fn messages_nest_as_deep_as_generated_types_decode() {
    let deepest = nested(text::MAX_DEPTH);
    let message: pb::FullTypeDef = text::parse_message(&deepest).unwrap();
    assert_eq!(text::parse_message(text::print_message(&message).unwrap()), Ok(message));

    let error = text::parse("tensorflow.FullTypeDef", nested(text::MAX_DEPTH + 1)).unwrap_err();
    assert_eq!(error.to_string(), "1:606 : Message too deep. Max recursion depth is 100");

    let mut wire = Vec::new();
    for _ in 0..=text::MAX_DEPTH {
        let inner = std::mem::take(&mut wire);
        wire.push(0x12);
        encoding::encode_varint(inner.len() as u64, &mut wire);
        wire.extend(inner);
    }
    let error = text::print("tensorflow.FullTypeDef", &wire).unwrap_err();
    assert_eq!(error.to_string(), "malformed tensorflow.FullTypeDef: messages nest too deep");
}

#[test]
fn nesting_without_an_end_is_refused() {
    let any = "[x/google.protobuf.Any] {";
    for (message, open) in [
        ("tensorflow.FullTypeDef", "args <"),
        ("tensorflow.FullTypeDef", "args: [{"),
        ("google.protobuf.Any", any),
        ("tensorflow.SavedObject", "attributes {"),
        ("tensorflow.SavedObject", "attributes: [["),
        ("tensorflow.AttrValue", "func { attr { value {"),
        ("tensorflow.FullTypeDef", "["),
        ("tensorflow.FullTypeDef", "args"),
    ] {
        assert!(text::parse(message, open.repeat(200_000)).is_err(), "{open}");
    }
}

#[test]
fn what_a_text_becomes_is_bounded_by_its_length() {
    let list = |name: &str, item: &str| format!("{name}: [{}]", [item].repeat(100_000).join(","));
    for (message, text) in [
        ("tensorflow.TensorProto", list("double_val", "0")),
        ("tensorflow.TensorProto", list("float_val", "0")),
        ("tensorflow.TensorProto", list("int_val", "-1")),
        ("tensorflow.TensorProto", list("string_val", "''")),
        ("tensorflow.TensorShapeProto", list("dim", "{}")),
        ("tensorflow.TensorProto", "double_val:0 int_val:0 ".repeat(50_000)),
        ("google.protobuf.Any", "[x/tensorflow.NodeDef]{}".repeat(50_000)),
    ] {
        let wire = text::merge(message, &text).unwrap();
        assert!(wire.len() <= text.len() * 5, "{message}: {} of {}", wire.len(), text.len());
    }
}

/// Each of these is a thing that one reader refuses, to be told if there is an error later.
#[test]
fn odd_things_are_read_in_linear_time() {
    let n = 200_000;
    for (message, text) in [
        ("tensorflow.TensorProto", format!("bool_val: [{}1]", "01,".repeat(n))),
        ("tensorflow.TensorProto", format!("int_val: [{}1]", "- 1,".repeat(n))),
        ("tensorflow.TensorProto", format!("string_val: [{}'']", r"'\400',".repeat(n))),
        ("tensorflow.AttrValue", format!("list {{ type: [{}1] }}", "- 1,".repeat(n))),
        ("tensorflow.SavedObject", "attributes: 1 ".repeat(n)),
        ("google.protobuf.Any", "[type.googleapis.com/tensorflow.NodeDef]{},".repeat(n / 10)),
    ] {
        assert!(text::parse(message, &text).is_ok(), "{message}");
        let error = text::parse(message, text + " nope: 1").unwrap_err();
        assert!(error.line() == 1 && error.column() < 60, "{error}");
    }
}

#[test]
fn errors_in_long_lines_are_short() {
    let text = format!("name: '{}' nope: 1", "x".repeat(1_000_000));
    let error = text::parse("tensorflow.NodeDef", &text).unwrap_err();
    assert_eq!((error.line(), error.column()), (1, 1_000_010));
    let text = format!("name: '{}' 5", "\u{e9}".repeat(1_000_000));
    let error = text::parse("tensorflow.NodeDef", &text).unwrap_err();
    assert!(error.message().len() < 1000);
}
