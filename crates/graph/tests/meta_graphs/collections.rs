//! Collections of MetaGraphs and of scopes, item by item.

use flowkeep_graph::builder::{Initializer, Scope, VariableOptions};
use flowkeep_graph::collection_keys::{GLOBAL_VARIABLES, TRAIN_OP, TRAINABLE_VARIABLES};
use flowkeep_graph::{
    CollectionItem, ExportOptions, ImportMetaGraphOptions, ImportOptions, MetaGraph, Node,
    WarningKind,
};
use flowkeep_proto::pb;
use flowkeep_tensor::{DType, Tensor};

use super::compare::compare;
use super::{golden, meta_graph};

fn source(name: &str) -> pb::MetaGraphDef {
    meta_graph(&golden()["sources"][name])
}

/// A scope with one variable, `layer/w`.
fn layer() -> Scope {
    let mut scope = Scope::new();
    let ones = VariableOptions::new().shape([2]).initializer(Initializer::Ones);
    scope.variable_scope("layer").unwrap().get_variable("w", ones).unwrap();
    scope
}

#[test]
fn an_imported_metagraph_has_the_items_of_its_collections() {
    let meta_graph = MetaGraph::import(source("kinds"), &ImportOptions::default()).unwrap();
    let (collections, warnings) = meta_graph.items().unwrap();
    assert!(warnings.is_empty());
    assert_eq!(collections.get("ints"), [CollectionItem::Int(1), CollectionItem::Int(-2)]);
    assert_eq!(
        collections.get("floats"),
        [CollectionItem::Float(0.5), CollectionItem::Float(1.25)]
    );
    assert_eq!(collections.get("bytes").len(), 2);
    let names = |items: &[CollectionItem]| -> Vec<Option<String>> {
        items.iter().map(|item| item.name(&meta_graph.graph)).collect()
    };
    let nodes = meta_graph.collection("nodes").unwrap();
    assert_eq!(names(&nodes)[..2], [Some("s/a:0".to_owned()), Some("b:0".to_owned())]);
    assert_eq!(meta_graph.collection("none").unwrap(), []);
}

#[test]
fn items_of_every_kind_survive_being_taken_out_and_put_back() {
    for name in ["kinds", "resource", "reference", "partitioned", "queues", "savers", "cached"] {
        let mut meta_graph = MetaGraph::import(source(name), &ImportOptions::default()).unwrap();
        let before = meta_graph.collections.clone();
        let (items, _) = meta_graph.items().unwrap();
        for (key, items) in items.iter() {
            meta_graph.set_collection(key, items).unwrap();
        }
        assert_eq!(meta_graph.collections, before, "{name}");
    }
}

#[test]
fn a_collection_of_a_metagraph_takes_items_like_its_first_one() {
    let mut meta_graph = MetaGraph::import(source("kinds"), &ImportOptions::default()).unwrap();
    meta_graph.add_to_collection("ints", CollectionItem::Int(7)).unwrap();
    assert_eq!(meta_graph.collection("ints").unwrap().len(), 3);
    let before = meta_graph.collections.clone();
    let error = meta_graph.add_to_collection("ints", CollectionItem::Float(0.5)).unwrap_err();
    assert!(error.to_string().starts_with("Issue encountered when serializing ints.\n"), "{error}");
    assert_eq!(meta_graph.collections, before);
    meta_graph.set_collection("ints", &[]).unwrap();
    assert!(!meta_graph.collections.contains_key("ints"));
}

#[test]
fn a_collection_by_reference_is_changed_in_place() {
    let mut scope = layer();
    let before = scope.collections().get(GLOBAL_VARIABLES).to_vec();
    scope.collections_mut().get_mut(GLOBAL_VARIABLES).clear();
    scope.collections_mut().get_mut("new").extend(before.clone());
    assert!(scope.get_collection(GLOBAL_VARIABLES, None).is_empty());
    assert_eq!(scope.get_collection("new", Some("layer")), before);
    let fits = |name: &str| name.ends_with("w:0");
    assert_eq!(scope.collections().matching("new", fits, scope.graph()), before);
}

#[test]
fn a_dropped_collection_is_told_of_and_the_others_are_exported() {
    let mut scope = layer();
    scope.add_to_collection("mixed", CollectionItem::Int(1));
    scope.add_to_collection("mixed", CollectionItem::Str("a".into()));
    let exported = scope.export_meta_graph(&ExportOptions::default()).unwrap();
    let [warning] = &exported.warnings[..] else { panic!("{:?}", exported.warnings) };
    assert_eq!(warning.collection, "mixed");
    let reason = "Expected an int, got a string";
    assert_eq!(warning.kind, WarningKind::Dropped(reason.to_owned()));
    let keys: Vec<&String> = exported.meta_graph_def.collection_def.keys().collect();
    assert_eq!(keys, [TRAINABLE_VARIABLES, GLOBAL_VARIABLES]);
}

#[test]
fn a_variable_in_two_collections_is_one_variable_after_import() {
    let def = layer().export_meta_graph(&ExportOptions::default()).unwrap().meta_graph_def;
    let mut scope = Scope::new();
    scope.import_meta_graph(def, &ImportMetaGraphOptions::under("t")).unwrap();
    let of = |key| scope.collections().variables(key).next().unwrap().clone();
    assert_eq!(of(GLOBAL_VARIABLES), of(TRAINABLE_VARIABLES));
    assert_eq!(of(GLOBAL_VARIABLES).name(scope.graph()), "t/layer/w:0");
}

#[test]
fn an_import_that_fails_leaves_the_scope_as_it_was() {
    let mut scope = layer();
    let before = scope.export_meta_graph(&ExportOptions::default()).unwrap().meta_graph_def;
    for name in ["resource.bad_op", "reference.no_variable", "queues.no_queue"] {
        let options = ImportMetaGraphOptions::under("t");
        scope.import_meta_graph(source(name), &options).unwrap_err();
        let after = scope.export_meta_graph(&ExportOptions::default()).unwrap().meta_graph_def;
        assert_eq!(after, before, "{name}");
    }
    let imported = scope.import_meta_graph(source("resource"), &ImportMetaGraphOptions::under("t"));
    assert_eq!(imported.unwrap().scope, "t/", "the scope is not taken");
}

#[test]
fn loops_that_are_imported_twice_enter_frames_of_their_own() {
    let mut scope = Scope::new();
    for _ in 0..2 {
        scope.import_meta_graph(source("contexts"), &ImportMetaGraphOptions::under("t")).unwrap();
    }
    let frame = |node: &Node| node.attrs().str("frame_name").unwrap().clone();
    let enters = scope.graph().nodes().iter().filter(|node| node.op() == "Enter");
    for node in enters {
        let tower = node.name().split('/').next().unwrap();
        assert!(frame(node).starts_with(format!("{tower}/").as_bytes()), "{}", node.name());
    }
}

#[test]
fn nodes_that_are_built_after_an_import_are_told_apart_from_imported_ones() {
    let def = layer().export_meta_graph(&ExportOptions::default()).unwrap().meta_graph_def;
    let mut scope = Scope::new();
    scope.import_meta_graph(def, &ImportMetaGraphOptions::default()).unwrap();
    let zeros = VariableOptions::new().shape([2]).initializer(Initializer::Zeros);
    let v = scope.variable_scope("layer").unwrap().get_variable("w", zeros).unwrap();
    assert_eq!(v.name(scope.graph()), "layer/w_1:0");
    let init = scope.global_variables_initializer().unwrap();
    assert_eq!(scope.graph().node(init).control_inputs().len(), 2, "old and new are initialized");
    scope.add_to_collection(TRAIN_OP, init);
    let exported = scope.export_meta_graph(&ExportOptions::default()).unwrap();
    assert_eq!(exported.variables.len(), 2);
}

#[test]
fn a_scope_that_is_built_here_is_exported_as_by_tensorflow() {
    // As `devices` of fixtures/meta_graph/generate.py.
    let mut scope = Scope::new();
    let v = {
        let mut inner = scope.device("/job:ps/cpu:0").unwrap();
        let options = VariableOptions::new().shape([2]).use_resource(false);
        inner.get_variable("s/v", options).unwrap()
    };
    let (a, b) = {
        let mut inner = scope.device("/gpu:1").unwrap();
        let value = || Tensor::from_elements(vec![1.0f32, 2.0]);
        let a = inner.with_op_name("s/a").constant(value()).unwrap();
        (a, inner.with_op_name("b").constant(value()).unwrap())
    };
    scope.colocate_with(a).unwrap().with_op_name("s/c").identity(b).unwrap();
    {
        let mut inner = scope.colocate_with(v.op()).unwrap();
        inner.colocate_with(b).unwrap().with_op_name("s/d").identity(a).unwrap();
    }
    scope.colocate_with(b).unwrap().with_op_name("s/e").identity(a).unwrap();
    let exported = scope.export_meta_graph(&ExportOptions::default()).unwrap();
    compare(&exported.meta_graph_def, &source("devices"), false).unwrap();

    // As `waits`.
    let mut scope = Scope::new();
    let a = scope.with_op_name("a").placeholder(DType::F32, [Some(2)]).unwrap();
    {
        let mut inner = scope.name_scope("s").unwrap();
        let mut inner = inner.control_dependencies([a.node]).unwrap();
        let value = Tensor::from_elements(vec![1.0f32, 2.0]);
        inner.with_op_name("b").constant(value).unwrap();
    }
    let exported = scope.export_meta_graph(&ExportOptions::default()).unwrap();
    compare(&exported.meta_graph_def, &source("waits"), false).unwrap();
    let exported = scope.export_meta_graph(&ExportOptions::of_scope("s")).unwrap();
    compare(&exported.meta_graph_def, &source("scoped.waits"), false).unwrap();
}
