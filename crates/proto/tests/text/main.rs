//! The text format against what TensorFlow's reader and printer make of the same input.

use flowkeep_proto::pb;
use flowkeep_proto::text;
use prost::{Message, Name};

/// Decodes and encodes: fields in the order of their numbers, maps sorted.
fn canonical_as<M: Message + Name + Default>(wire: &[u8]) -> Vec<u8> {
    M::decode(wire).unwrap().encode_to_vec()
}

fn canonical(name: &str, wire: &[u8]) -> Vec<u8> {
    match name {
        "AttrValue" => canonical_as::<pb::AttrValue>(wire),
        "CheckpointState" => canonical_as::<pb::CheckpointState>(wire),
        "CollectionDef" => canonical_as::<pb::CollectionDef>(wire),
        "Example" => canonical_as::<pb::Example>(wire),
        "FunctionDef" => canonical_as::<pb::FunctionDef>(wire),
        "GraphDebugInfo" => canonical_as::<pb::GraphDebugInfo>(wire),
        "NodeDef" => canonical_as::<pb::NodeDef>(wire),
        "StructuredValue" => canonical_as::<pb::StructuredValue>(wire),
        "TensorProto" => canonical_as::<pb::TensorProto>(wire),
        "TensorShapeProto" => canonical_as::<pb::TensorShapeProto>(wire),
        "TrackableObjectGraph" => canonical_as::<pb::TrackableObjectGraph>(wire),
        _ => panic!("no type for {name}"),
    }
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(part) = chars.next() {
        match (part, part == '\\') {
            (_, false) => out.push(part),
            _ => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('\\') => out.push('\\'),
                other => panic!("escape {other:?}"),
            },
        }
    }
    out
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

#[test]
fn every_case_reads_and_prints_as_in_tensorflow() {
    let mut n_cases = 0;
    for line in include_str!("data/cases.tsv").lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [reader, name, text, outcome, result, printed] = columns[..] else {
            panic!("columns of {line:?}");
        };
        let full_name = format!("tensorflow.{name}");
        let text = unescape(text);
        let read = match reader {
            "parse" => text::parse(&full_name, &text),
            "merge" => text::merge(&full_name, &text),
            _ => panic!("reader {reader}"),
        };
        match (outcome, read) {
            ("ok", Ok(wire)) => {
                let expected = from_hex(result);
                assert_eq!(canonical(name, &wire), canonical(name, &expected), "{text}");
                let printed = unescape(printed);
                assert_eq!(text::print(&full_name, &expected).unwrap(), printed, "{text}");
                assert_eq!(text::print(&full_name, &wire).unwrap(), printed, "{text}");
            }
            ("error", Err(error)) => {
                let expected = unescape(result);
                assert!(expected.is_empty() || error.to_string() == expected, "{text}: {error}");
            }
            (_, read) => panic!("{text}: expected {outcome} {result}, got {read:?}"),
        }
        n_cases += 1;
    }
    assert!(n_cases > 90, "{n_cases}");
}

/// Checks both directions against files, and that reading undoes printing.
#[track_caller]
fn check_file<M: Message + Name + Default + PartialEq>(wire: &[u8], printed: &str) {
    let message = M::decode(wire).unwrap();
    assert!(text::parse_message::<M>(printed).unwrap() == message);
    assert_eq!(text::print_message(&message).unwrap(), printed);
    assert_eq!(text::print(&M::full_name(), wire).unwrap(), printed);
}

#[test]
fn graph_def_of_tensorflow_reads_and_prints() {
    let wire = include_bytes!("data/graph_def.pb");
    check_file::<pb::GraphDef>(wire, include_str!("data/graph_def.pbtxt"));
}

#[test]
fn saved_model_of_tensorflow_reads_and_prints() {
    let wire = include_bytes!("data/saved_model.pb");
    check_file::<pb::SavedModel>(wire, include_str!("data/saved_model.pbtxt"));
}

#[test]
fn checkpoint_state_of_tensorflow_reads_and_prints() {
    let wire = include_bytes!("data/checkpoint_state.pb");
    check_file::<pb::CheckpointState>(wire, include_str!("data/checkpoint_state.pbtxt"));
}

#[test]
fn every_prefix_of_a_text_is_read_or_refused() {
    let text = include_str!("data/checkpoint_state.pbtxt");
    for end in (0..text.len()).filter(|&end| text.is_char_boundary(end)) {
        if let Ok(wire) = text::parse("tensorflow.CheckpointState", &text[..end]) {
            assert!(wire.len() <= end);
        }
    }
    let text = include_str!("data/graph_def.pbtxt");
    for end in (0..text.len()).step_by(7) {
        let _ = text::parse("tensorflow.GraphDef", &text[..end]);
    }
}

#[test]
fn every_prefix_of_a_message_is_printed_or_refused() {
    let wire = include_bytes!("data/saved_model.pb");
    for end in 0..wire.len() {
        let _ = text::print("tensorflow.SavedModel", &wire[..end]);
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
    assert_eq!(text::parse_message(&text::print_message(&message).unwrap()), Ok(message));

    let error = text::parse("tensorflow.FullTypeDef", &nested(text::MAX_DEPTH + 1)).unwrap_err();
    assert_eq!(error.message(), "Message too deep. Max recursion depth is 100");
    let hostile = "args <".repeat(1_000_000);
    assert!(text::parse("tensorflow.FullTypeDef", &hostile).is_err());

    let mut wire = Vec::new();
    for _ in 0..=text::MAX_DEPTH {
        let inner = std::mem::take(&mut wire);
        wire.push(0x12);
        prost::encoding::encode_varint(inner.len() as u64, &mut wire);
        wire.extend(inner);
    }
    let error = text::print("tensorflow.FullTypeDef", &wire).unwrap_err();
    assert_eq!(error.to_string(), "malformed tensorflow.FullTypeDef: messages nest too deep");
}

#[test]
fn unknown_message_names_are_refused() {
    assert!(text::parse("tensorflow.Nope", "").is_err());
    assert!(text::parse("GraphDef", "").is_err());
    let error = text::print("tensorflow.Nope", &[]).unwrap_err();
    assert_eq!(error.to_string(), "message type \"tensorflow.Nope\" is not known");
}

#[test]
fn merging_keeps_what_the_text_does_not_set() {
    let mut state = pb::CheckpointState {
        model_checkpoint_path: "old".to_owned(),
        all_model_checkpoint_paths: vec!["a".to_owned()],
        ..Default::default()
    };
    text::merge_message(&mut state, "all_model_checkpoint_paths: 'b'").unwrap();
    assert_eq!(state.model_checkpoint_path, "old");
    assert_eq!(state.all_model_checkpoint_paths, ["a", "b"]);

    let before = state.clone();
    text::merge_message(&mut state, "model_checkpoint_path: 'x' nope: 1").unwrap_err();
    assert_eq!(state, before);
}

#[test]
fn damaged_texts_are_read_or_refused() {
    let text = include_str!("data/saved_model.pbtxt").as_bytes();
    let replacements = b"{}<>[]:\"'\\#,;-.0x\n\xff";
    for (round, at) in (0..text.len()).step_by(13).enumerate() {
        let mut damaged = text.to_vec();
        damaged[at] = replacements[round % replacements.len()];
        let damaged = String::from_utf8_lossy(&damaged);
        if let Ok(wire) = text::parse("tensorflow.SavedModel", &damaged) {
            pb::SavedModel::decode(wire.as_slice()).unwrap();
        }
    }
}
