//! The text format against what TensorFlow's readers and printer make of the same input.

mod fuzz_replay;
mod hostile;
mod printing;
mod reading;
mod types;

use std::fs;
use std::path::{Path, PathBuf};

use flowkeep_proto::pb;
use flowkeep_proto::prost::{Message, Name};
use flowkeep_proto::text;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

/// A file of fixtures/text_format.
fn fixture(name: &str) -> String {
    fs::read_to_string(fixtures().join("text_format").join(name)).unwrap()
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).unwrap());
    digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

/// Checks both directions against files, and that reading undoes printing.
#[track_caller]
fn check_file<M: Message + Name + Default + PartialEq>(name: &str) {
    let wire = fs::read(fixtures().join(format!("text_format/{name}.pb"))).unwrap();
    let printed = fixture(&format!("{name}.pbtxt"));
    let message = M::decode(wire.as_slice()).unwrap();
    assert!(text::parse_message::<M>(&printed).unwrap() == message);
    let mut merged = M::default();
    text::merge_message(&mut merged, &printed).unwrap();
    assert!(merged == message);
    assert_eq!(text::print_message(&message).unwrap(), printed);
    assert_eq!(text::print(&M::full_name(), &wire).unwrap(), printed);
}

#[test]
fn files_that_tensorflow_writes_are_read_and_printed_to_the_byte() {
    check_file::<pb::GraphDef>("graph_def");
    check_file::<pb::MetaGraphDef>("meta_graph_def");
    check_file::<pb::CheckpointState>("checkpoint_state");
    check_file::<pb::SavedModel>("saved_model");
}

#[test]
fn a_saved_model_has_its_maps_in_any_order() {
    let ordered: pb::SavedModel = text::parse_message(fixture("saved_model.pbtxt")).unwrap();
    let any_order = fixture("saved_model_any_order.pbtxt");
    assert_ne!(any_order, fixture("saved_model.pbtxt"));
    assert!(text::parse_message::<pb::SavedModel>(&any_order).unwrap() == ordered);
}

#[test]
fn unknown_message_names_are_refused() {
    let error = text::parse("tensorflow.Nope", "").unwrap_err();
    assert_eq!(error.to_string(), "1:1 : Type tensorflow.Nope not found in descriptor pool");
    assert!(text::parse("GraphDef", "").is_err());
    let error = text::print("tensorflow.Nope", &[]).unwrap_err();
    assert_eq!(error.to_string(), "message type \"tensorflow.Nope\" is not known");
}

#[test]
fn merging_keeps_what_the_text_does_not_set() {
    let mut state = pb::CheckpointState {
        model_checkpoint_path: "old".to_owned(),
        all_model_checkpoint_paths: vec!["a".to_owned()],
        last_preserved_timestamp: 5.0,
        ..Default::default()
    };
    text::merge_message(&mut state, "all_model_checkpoint_paths: 'b'").unwrap();
    assert_eq!(state.model_checkpoint_path, "old");
    assert_eq!(state.all_model_checkpoint_paths, ["a", "b"]);
    // What is zero in the text is set to zero.
    text::merge_message(&mut state, "last_preserved_timestamp: 0 model_checkpoint_path: ''")
        .unwrap();
    assert_eq!((state.last_preserved_timestamp, state.model_checkpoint_path.as_str()), (0.0, ""));

    let before = state.clone();
    text::merge_message(&mut state, "model_checkpoint_path: 'x' nope: 1").unwrap_err();
    assert_eq!(state, before);
}
