//! Other names for nodes and functions, and what follows them.

use std::collections::BTreeMap;
use std::sync::Arc;

use flowkeep_graph::transform::{NameMap, RenameRules, rename};
use flowkeep_graph::{Error, Graph, ImportOptions, MetaGraph};
use flowkeep_proto::pb;
use flowkeep_proto::text;
use prost::Message;

use crate::fixture::{Suite, import, summary};

/// Everything moves below `s`.
fn below_s(name: &str) -> Option<String> {
    Some(format!("s/{name}"))
}

fn with_suffix(name: &str) -> Option<String> {
    (!name.starts_with("__forward")).then(|| format!("{name}_2"))
}

#[test]
fn inputs_and_colocation_follow_nodes() {
    for case in Suite::open("extract_sub_graph").cases().step_by(8) {
        let rules = RenameRules { nodes: &below_s, ..Default::default() };
        let (graph, names) = rename(case.graph(), rules).unwrap();
        assert_eq!(names.nodes.len(), graph.len());
        assert!(names.functions.is_empty());
        // The same by hand, on the message.
        let mut want = case.graph().to_graph_def();
        for node in &mut want.node {
            if node.op == "VariableV2" {
                let shared_name = node.attr.get_mut("shared_name").unwrap();
                shared_name.value = Some(pb::attr_value::Value::S(node.name.clone().into()));
            }
            node.name = format!("s/{}", node.name);
            for input in &mut node.input {
                *input = names.renamed(input).unwrap();
            }
            node.input.sort_by_key(|input| input.starts_with('^').then(|| input.clone()));
            if let Some(class) = node.attr.get_mut("_class")
                && let Some(pb::attr_value::Value::List(list)) = &mut class.value
            {
                for class in &mut list.s {
                    *class = names.renamed(std::str::from_utf8(class).unwrap()).unwrap().into();
                }
            }
        }
        crate::normal::assert_same(case.name(), graph.to_graph_def(), want);
    }
}

#[test]
fn calls_follow_functions() {
    let suite = Suite::open("strip_default_attrs");
    let case = suite.cases().find(|case| case.name() == "functions").unwrap();
    let rules = RenameRules { functions: &with_suffix, ..Default::default() };
    let (graph, names) = rename(case.graph(), rules).unwrap();
    assert!(names.functions.len() > 8, "{}", names.functions.len());
    let mut text = text::print_message(&graph.to_graph_def()).unwrap();
    for (old, new) in &names.functions {
        assert!(!text.contains(&format!("\"{old}\"")), "{old} is still named");
        text = text.replace(&format!("\"{new}\""), &format!("\"{old}\""));
    }
    let back: pb::GraphDef = text::parse_message(&text).unwrap();
    crate::normal::assert_same("functions", back, case.def.clone());
}

const LIBRARY: &str = "
    node { name: 'call' op: 'f' }
    node { name: 'grad' op: 'SomeOpOfAnotherRelease'
      attr { key: 'f' value { func { name: 'f' attr { key: 'g' value { func { name: 'h' } } } } } } }
    library {
      function { signature { name: 'f' } node_def { name: 'n' op: 'h' }
        attr { key: 'backward_function_name' value { s: 'h' } } attr { key: 'other' value { s: 'h' } } }
      function { signature { name: 'h' } }
      gradient { function_name: 'f' gradient_func: 'h' }
      registered_gradients { gradient_func: 'h' registered_op_type: 'h' } }";

#[test]
fn calls_by_name_nested_attributes_and_gradients_follow_functions() {
    let rules = RenameRules { functions: &with_suffix, ..Default::default() };
    let (graph, _) = rename(import(LIBRARY), rules).unwrap();
    let want = LIBRARY
        .replace("op: 'f'", "op: 'f_2'")
        .replace("op: 'h'", "op: 'h_2'")
        .replace("name: 'f'", "name: 'f_2'")
        .replace("name: 'h'", "name: 'h_2'")
        .replace("gradient_func: 'h'", "gradient_func: 'h_2'")
        .replace(
            "'backward_function_name' value { s: 'h' }",
            "'backward_function_name' value { s: 'h_2' }",
        );
    assert_eq!(graph.to_graph_def(), import(&want).to_graph_def());
}

#[test]
fn names_that_clash_or_are_none_are_refused() {
    let graph =
        || import("node { name: 'a' op: 'NoOp' } node { name: 'b' op: 'NoOp' input: '^a' }");
    let nodes = |rule: &dyn Fn(&str) -> Option<String>| {
        rename(graph(), RenameRules { nodes: rule, ..Default::default() })
    };
    let same = |_: &str| Some("c".to_owned());
    assert_eq!(nodes(&same).unwrap_err(), Error::DuplicateNode { node: "c".to_owned() });
    let bad = |_: &str| Some("a b".to_owned());
    assert_eq!(nodes(&bad).unwrap_err(), Error::NodeName { node: "a b".to_owned() });
    let swap = |name: &str| Some(if name == "a" { "b" } else { "a" }.to_owned());
    assert_eq!(summary(&nodes(&swap).unwrap().0), ["b = NoOp()", "a = NoOp(^b)"]);

    let functions = |_: &str| Some("k".to_owned());
    let rules = RenameRules { functions: &functions, ..Default::default() };
    let error = rename(import(LIBRARY), rules).unwrap_err();
    assert_eq!(error, Error::DuplicateFunction("k".to_owned()));
    let op = |name: &str| (name == "f").then(|| "NoOp".to_owned());
    let rules = RenameRules { functions: &op, ..Default::default() };
    assert!(
        rename(import(LIBRARY), rules)
            .unwrap_err()
            .to_string()
            .contains("an op with the same name")
    );
}

fn names(nodes: &[(&str, &str)]) -> NameMap {
    let mut map = NameMap::default();
    map.nodes = nodes.iter().map(|(old, new)| (old.to_string(), new.to_string())).collect();
    map
}

#[test]
fn every_form_of_a_name_is_renamed() {
    let names = names(&[("a/b", "c"), ("x", "y/z")]);
    for (old, new) in [
        ("a/b", Some("c")),
        ("a/b:0", Some("c:0")),
        ("^x", Some("^y/z")),
        ("loc:@x", Some("loc:@y/z")),
        ("x:12", Some("y/z:12")),
        ("a", None),
        ("a/b/c", None),
        ("", None),
        ("y/z", None),
    ] {
        assert_eq!(names.renamed(old).as_deref(), new, "{old}");
    }
}

/// A MetaGraph in which everything that can name `v` does.
fn meta_graph() -> MetaGraph {
    let def: pb::MetaGraphDef = text::parse_message(
        "graph_def { node { name: 'v' op: 'NoOp' } }
         saver_def { filename_tensor_name: 'v:0' save_tensor_name: 'w:0' restore_op_name: 'v' }
         collection_def { key: 'train_op' value { node_list { value: ['v', 'w'] } } }
         collection_def { key: 'words' value { bytes_list { value: 'v' } } }
         signature_def { key: 's' value { inputs { key: 'v' value { name: 'v:1' } }
           outputs { key: 'o' value { coo_sparse { values_tensor_name: 'v:0' indices_tensor_name: 'w:0' dense_shape_tensor_name: 'v:2' } } } } }
         asset_file_def { tensor_info { name: 'v:0' } filename: 'v' }
         object_graph_def {
           nodes { function { concrete_functions: ['f', 'g'] } } nodes { bare_concrete_function { concrete_function_name: 'f' } }
           nodes { constant { operation: 'v' } }
           concrete_functions { key: 'f' value { bound_inputs: 1 } } }
         meta_info_def { function_aliases { key: 'f' value: 'alias' } }",
    )
    .unwrap();
    let mut meta_graph = MetaGraph::import(def, &ImportOptions::default()).unwrap();
    let mut add = |key: &str, message: Vec<u8>| {
        let list = pb::collection_def::BytesList { value: vec![message] };
        let kind = Some(pb::collection_def::Kind::BytesList(list));
        meta_graph.collections.insert(key.to_owned(), pb::CollectionDef { kind });
    };
    add("variables", text::parse_message::<pb::VariableDef>(
        "variable_name: 'v:0' initializer_name: 'v' snapshot_name: 'v:0' initial_value_name: 'w:0' save_slice_info_def { full_name: 'v' }",
    ).unwrap().encode_to_vec());
    add("while_context", text::parse_message::<pb::WhileContextDef>(
        "context_name: 'v' pivot_name: 'v:0' loop_exit_names: 'v:0' values_def { values: ['v:0', 'w:0'] external_values { key: 'v:0' value: 'v:1' } }
         nested_contexts { cond_ctxt { pred_name: 'v:0' pivot_name: 'w:0' } }",
    ).unwrap().encode_to_vec());
    add(
        "queue_runners",
        text::parse_message::<pb::QueueRunnerDef>(
            "queue_name: 'v' enqueue_op_name: ['w', 'v'] close_op_name: 'w' cancel_op_name: 'v'",
        )
        .unwrap()
        .encode_to_vec(),
    );
    add("savers", meta_graph.saver_def.as_ref().unwrap().encode_to_vec());
    meta_graph
}

#[test]
fn the_rest_of_a_meta_graph_follows() {
    let mut got = meta_graph();
    let mut names = names(&[("v", "n")]);
    names.functions = BTreeMap::from([("f".to_owned(), "h".to_owned())]);
    names.apply_to(&mut got).unwrap();
    let def = got.to_meta_graph_def();
    let saver = def.saver_def.unwrap();
    assert_eq!(
        [&saver.filename_tensor_name, &saver.save_tensor_name, &saver.restore_op_name],
        ["n:0", "w:0", "n"]
    );
    assert_eq!(got.node_list("train_op"), ["n", "w"]);
    let message = |key: &str| match &got.collections[key].kind {
        Some(pb::collection_def::Kind::BytesList(list)) => {
            bytes::Bytes::from(list.value[0].clone())
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(message("words"), "v");
    assert_eq!(pb::SaverDef::decode(message("savers")).unwrap(), saver);
    let variable = pb::VariableDef::decode(message("variables")).unwrap();
    assert_eq!(
        text::print_message(&variable).unwrap().split_whitespace().collect::<Vec<_>>().join(" "),
        "variable_name: \"n:0\" initializer_name: \"n\" snapshot_name: \"n:0\" \
         save_slice_info_def { full_name: \"v\" } initial_value_name: \"w:0\""
    );
    let context = pb::WhileContextDef::decode(message("while_context")).unwrap();
    assert_eq!(
        text::print_message(&context).unwrap().split_whitespace().collect::<Vec<_>>().join(" "),
        "context_name: \"v\" pivot_name: \"n:0\" loop_exit_names: \"n:0\" \
         values_def { values: \"n:0\" values: \"w:0\" external_values { key: \"n:0\" value: \"n:1\" } } \
         nested_contexts { cond_ctxt { pred_name: \"n:0\" pivot_name: \"w:0\" } }"
    );
    let runner = pb::QueueRunnerDef::decode(message("queue_runners")).unwrap();
    assert_eq!(
        (runner.queue_name, runner.enqueue_op_name),
        ("n".into(), vec!["w".into(), "n".into()])
    );
    let signature = &def.signature_def["s"];
    assert!(text::print_message(signature).unwrap().contains("name: \"n:1\""));
    assert!(!text::print_message(signature).unwrap().contains("\"v:"));
    assert_eq!(got.asset_files[0].tensor_name, "n:0");
    assert_eq!(got.asset_files[0].filename, "v");
    let objects = text::print_message(&got.object_graph_def.unwrap()).unwrap();
    assert!(!objects.contains("\"f\"") && !objects.contains("\"v\""), "{objects}");
    assert_eq!(got.meta_info_def.unwrap().function_aliases["h"], "alias");
}

#[test]
fn a_collection_that_does_not_decode_leaves_the_meta_graph_as_it_was() {
    let mut meta_graph = meta_graph();
    let list = pb::collection_def::BytesList { value: vec![vec![0xff]] };
    let kind = Some(pb::collection_def::Kind::BytesList(list));
    meta_graph.collections.insert("variables".to_owned(), pb::CollectionDef { kind });
    let before = meta_graph.to_meta_graph_def();
    let error = names(&[("v", "n")]).apply_to(&mut meta_graph).unwrap_err();
    assert!(error.to_string().starts_with("collection variables: "), "{error}");
    assert_eq!(meta_graph.to_meta_graph_def(), before);
    let _: Arc<Graph> = meta_graph.graph;
}
