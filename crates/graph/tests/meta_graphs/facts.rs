//! What the cases show.

use std::collections::BTreeSet;

use flowkeep_graph::builder::Scope;
use flowkeep_graph::{Error, WarningKind};
use serde_json::Value;

use super::compare::compare;
use super::play::{Said, play};
use super::{golden, meta_graph, strings};

/// Whether a step went as TensorFlow's did; of errors, whether the case goes on.
fn check(step: &Value, said: Result<Said, Error>, want: &Value) -> Result<bool, String> {
    let said = match (said, want["error"].as_str()) {
        (Ok(said), None) => said,
        (Err(error), Some(want)) => {
            return match error.to_string() {
                text if text == want || differs_knowingly(&text, want) => Ok(false),
                text => Err(format!("error {text}\n  instead {want}")),
            };
        }
        // TensorFlow has come to refuse versions that its own old builds have.
        (Ok(_), Some("Invalid version: '0.12.head'")) => return Ok(false),
        (Ok(_), Some(want)) => return Err(format!("no error, instead {want}")),
        (Err(error), None) => return Err(format!("error {error}")),
    };
    let dropped: BTreeSet<&str> = said
        .warnings
        .iter()
        .filter(|warning| !matches!(warning.kind, WarningKind::OldForm(_)))
        .map(|warning| warning.collection.as_str())
        .collect();
    let want_dropped = strings(&want["warnings"]);
    if dropped != want_dropped.iter().map(String::as_str).collect() {
        return Err(format!("warnings {dropped:?}\n  instead {want_dropped:?}"));
    }
    let mut want_ok = want["ok"].clone();
    if let Some(exported) = said.exported {
        let want = meta_graph(&want_ok["meta_graph"].take());
        want_ok.as_object_mut().unwrap().remove("meta_graph");
        compare(&exported, &want, step["strip_default_attrs"] == true)?;
    }
    if said.ok != want_ok {
        return Err(format!("{}\n  instead {want_ok}", said.ok));
    }
    Ok(true)
}

/// Errors that are told in other words: those of Python's decoder, and of a saver, whose text Python
/// prints with shorter numbers.
fn differs_knowingly(got: &str, want: &str) -> bool {
    let saver = "saver_def must specify the ";
    (got.contains("is not UTF-8") && want.contains("codec can't decode"))
        || (got.starts_with(saver) && got.split(':').next() == want.split(':').next())
}

/// Plays the cases whose names fit.
fn play_cases(fits: impl Fn(&str) -> bool) {
    let golden = golden();
    let mut wrong = Vec::new();
    for case in golden["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        if !fits(name) {
            continue;
        }
        let mut scope = Scope::new();
        let steps = case["steps"].as_array().unwrap().iter();
        for (idx, (step, want)) in steps.zip(case["said"].as_array().unwrap()).enumerate() {
            let said = play(&mut scope, step, &golden["sources"]);
            match check(step, said, want) {
                Ok(true) => {}
                Ok(false) => break,
                Err(what) => {
                    wrong.push(format!("{name}, step {idx}: {what}"));
                    break;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} cases\n{}", wrong.len(), wrong.join("\n"));
}

/// Says what a part of the cases shows; the first pattern that a case's name fits counts.
macro_rules! facts {
    ($($fact:ident: $($pattern:literal),+;)+) => {
        const PATTERNS: &[&[&str]] = &[$(&[$($pattern),+]),+];

        $(#[test]
        fn $fact() {
            let own: &[&str] = &[$($pattern),+];
            play_cases(|name| PATTERNS.iter().find(|patterns| fits(name, patterns)) == Some(&own));
        })+
    };
}

fn fits(name: &str, patterns: &[&str]) -> bool {
    patterns.iter().any(|pattern| name.contains(pattern))
}

facts! {
    trainability_of_old_writers_is_that_of_collections: "older_";
    the_kind_of_a_collection_is_that_of_its_first_item: "kinds:", "first item";
    strings_that_are_no_text_are_for_the_root_only: "blanks:";
    variables_of_old_collections_are_restored_as_tensors: "compat:";
    imported_nodes_follow_the_devices_and_dependencies_of_scopes: "imported on", "imported after";
    loops_and_conditionals_get_scopes_and_frames: "contexts:";
    queue_runners_name_queues_in_their_scope: "queues";
    the_ops_of_called_functions_are_listed: "functions:";
    partitioned_variables_keep_their_slices: "partitioned:";
    savers_are_cleared_but_for_the_one_of_the_metagraph: "savers";
    attributes_that_only_the_writer_knows_go_with_its_defaults: "resource.newer";
    stored_shapes_narrow_what_is_known_and_may_not_contradict_it: "resource.narrowed", "resource.bad_shape";
    versions_become_those_of_both_graphs: "resource.older_graph";
    savers_get_the_scope_and_must_name_their_ops: "saver_without", "resource.no_saver";
    messages_that_name_nothing_are_errors: "reference.", "resource.";
    unbound_inputs_are_listed_and_asked_for: "outside", "waits", "inputs", "control from";
    devices_are_kept_merged_or_cleared: "devices";
    defaults_are_stripped_on_demand: "defaults stripped";
    a_given_graph_is_exported_in_place_of_the_built_one: "from a GraphDef";
    imports_are_numbered_and_follow_name_scopes: "twice", "within", "slash";
    a_scope_is_exported_by_what_names_begin_with: "from scope", "a scope moves";
    what_is_exported_is_imported_again: "exported again", "under a scope";
    collections_and_the_writer_are_chosen: "collections", "writer";
    elements_are_returned: "elements";
    imported_variables_are_not_got_by_name: "imported variables";
}

#[test]
fn every_case_shows_some_fact() {
    let golden = golden();
    let cases = golden["cases"].as_array().unwrap().iter();
    let names = cases.map(|case| case["name"].as_str().unwrap());
    let rest: Vec<&str> =
        names.filter(|name| !PATTERNS.iter().any(|patterns| fits(name, patterns))).collect();
    assert!(rest.is_empty(), "{rest:?}");
}
