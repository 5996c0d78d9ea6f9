//! What differs between graphs.

use std::path::{Path, PathBuf};

use flowkeep_graph::file::GraphFile;
use flowkeep_graph::view::{
    Change, DiffOptions, FunctionDiff, GraphDiff, MetaGraphDiff, NodeDiff, PartChange,
};
use flowkeep_graph::{Graph, ImportOptions, MetaGraph};
use flowkeep_proto::{pb, text};

fn views() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/graph_views")
}

fn meta_graph_def(name: &str) -> pb::MetaGraphDef {
    GraphFile::open(&views().join(name)).unwrap().into_meta_graph_def(None).unwrap().0
}

fn graph_def(name: &str) -> pb::GraphDef {
    meta_graph_def(name).graph_def.unwrap()
}

fn import(def: &pb::GraphDef) -> Graph {
    Graph::import(def.clone(), &ImportOptions::default()).unwrap()
}

fn diff(a: &pb::GraphDef, b: &pb::GraphDef) -> GraphDiff {
    GraphDiff::new(&import(a), &import(b), &DiffOptions::default())
}

fn parse(source: &str) -> pb::GraphDef {
    text::parse_message(source).unwrap()
}

const GRAPHS: [&str; 6] = ["conv", "dense", "elementwise", "functions", "loop", "values"];

/// The graph with all names in a scope, as an import gives them.
fn in_scope(mut def: pb::GraphDef, scope: &str) -> pb::GraphDef {
    let renamed = |name: &str| match name.strip_prefix('^') {
        Some(name) => format!("^{scope}/{name}"),
        None => format!("{scope}/{name}"),
    };
    for node in &mut def.node {
        node.name = renamed(&node.name);
        node.input.iter_mut().for_each(|input| *input = renamed(input));
        if let Some(pb::AttrValue { value: Some(pb::attr_value::Value::List(list)) }) =
            node.attr.get_mut("_class")
        {
            for class in &mut list.s {
                let old = String::from_utf8(class.to_vec()).unwrap();
                *class =
                    format!("loc:@{scope}/{}", old.strip_prefix("loc:@").unwrap()).into_bytes();
            }
        }
    }
    def
}

#[test]
fn order_form_and_stored_shapes_make_no_difference() {
    for name in GRAPHS {
        let graph = graph_def(&format!("{name}.pb"));
        let mut reversed = graph.clone();
        reversed.node.reverse();
        for other in
            [reversed, graph_def(&format!("{name}.pbtxt")), graph_def(&format!("{name}.meta"))]
        {
            let diff = diff(&graph, &other);
            assert!(diff.is_same(), "{name}: {diff:?}");
            assert_eq!(diff.n_same, graph.node.len());
        }
    }
}

#[test]
fn graphs_in_other_scopes_are_recognized_node_by_node() {
    for name in GRAPHS {
        let graph = graph_def(&format!("{name}.pb"));
        let scoped = in_scope(graph.clone(), "a/b");
        let diff = diff(&graph, &scoped);
        assert_eq!(diff.nodes.len(), graph.node.len(), "{name}");
        for node in &diff.nodes {
            let NodeDiff::Changed { name: new, old_name: Some(old), changes, .. } = node else {
                panic!("{name}: {node:?}");
            };
            assert_eq!(*new, format!("a/b/{old}"), "{name}");
            assert!(changes.is_empty(), "{name}: {node:?}");
        }
        let options = DiffOptions { ignore_names: true, ..DiffOptions::default() };
        assert!(GraphDiff::new(&import(&graph), &import(&scoped), &options).is_same(), "{name}");
    }
}

/// Two placeholders, a product, and what is made of it.
const NET: &str = r#"
    node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }
    node { name: "w" op: "Const" attr { key: "dtype" value { type: DT_FLOAT } }
           attr { key: "value" value { tensor { dtype: DT_FLOAT tensor_shape { dim { size: 2 } dim { size: 2 } }
                  float_val: 0.5 } } } }
    node { name: "go" op: "NoOp" }
    node { name: "mm" op: "MatMul" input: ["x", "w", "^go"] attr { key: "T" value { type: DT_FLOAT } } }
    node { name: "y" op: "Relu" input: "mm" attr { key: "T" value { type: DT_FLOAT } } }
    node { name: "z" op: "Neg" input: "y" attr { key: "T" value { type: DT_FLOAT } } device: "/cpu:0" }
    versions { producer: 27 }"#;

/// The differences after a change of the text.
fn after(from: &str, to: &str) -> GraphDiff {
    assert!(NET.contains(from), "{from}");
    diff(&parse(NET), &parse(&NET.replace(from, to)))
}

#[test]
fn each_change_of_a_node_is_told() {
    let only = |diff: GraphDiff| match &diff.nodes[..] {
        [NodeDiff::Changed { name, old_name: None, changes, .. }] => {
            (name.clone(), changes.clone())
        }
        other => panic!("{other:?}"),
    };
    let op = |old: &str, new: &str| vec![Change::Op { old: old.into(), new: new.into() }];
    assert_eq!(only(after("Relu", "Relu6")), ("y".into(), op("Relu", "Relu6")));

    let (name, changes) = only(after("\"/cpu:0\"", "\"/gpu:0\""));
    let device = Change::Device { old: "/cpu:0".into(), new: "/gpu:0".into() };
    assert_eq!((&*name, changes), ("z", vec![device]));

    let input = Change::Input { index: 0, old: Some("y:0".into()), new: Some("mm:0".into()) };
    assert_eq!(only(after("input: \"y\"", "input: \"mm\"")), ("z".into(), vec![input]));

    let waits = Change::ControlInputs { removed: vec!["go".into()], added: vec![] };
    assert_eq!(only(after(", \"^go\"", "")), ("mm".into(), vec![waits]));

    let transposed = r#""^go"] attr { key: "transpose_a" value { b: true } }"#;
    let (name, changes) = only(after("\"^go\"]", transposed));
    let [Change::Attr { name: attr, old: Some(old), new: Some(new) }] = &changes[..] else {
        panic!("{changes:?}");
    };
    assert_eq!((&*name, &**attr), ("mm", "transpose_a"));
    assert_eq!((old.as_bool(), new.as_bool()), (Some(false), Some(true)));

    let own = r#""^go"] attr { key: "_mark" value { i: 3 } }"#;
    let (_, changes) = only(after("\"^go\"]", own));
    assert!(matches!(&changes[..], [Change::Attr { old: None, new: Some(_), .. }]), "{changes:?}");
}

#[test]
fn what_is_written_differently_and_means_the_same_is_the_same() {
    let explicit = r#""^go"] attr { key: "transpose_a" value { b: false } }"#;
    assert!(after("\"^go\"]", explicit).is_same());
    assert!(after("float_val: 0.5", "float_val: [0.5, 0.5]").is_same());
    let content = r#"tensor_content: "\000\000\000?\000\000\000?\000\000\000?\000\000\000?""#;
    assert!(after("float_val: 0.5", content).is_same());
    assert!(!after("float_val: 0.5", "float_val: [0.5, 0.25]").is_same());
    assert!(after("input: \"mm\"", "input: \"mm:0\"").is_same());
}

#[test]
fn nodes_are_added_removed_and_renamed() {
    let names = |diff: &GraphDiff| -> Vec<String> {
        let shown = diff.nodes.iter().map(|node| match node {
            NodeDiff::Added { name, op } => format!("+{name} {op}"),
            NodeDiff::Removed { name, op } => format!("-{name} {op}"),
            NodeDiff::Changed { name, old_name, changes, .. } => {
                format!("{}>{name} {}", old_name.as_deref().unwrap_or(""), changes.len())
            }
        });
        shown.collect()
    };
    let relu = |name: &str| {
        format!(
            r#"node {{ name: "{name}" op: "Relu" input: "z" attr {{ key: "T" value {{ type: DT_FLOAT }} }} }} versions"#
        )
    };
    assert_eq!(names(&after("versions", &relu("more"))), ["+more Relu"]);
    let both = diff(&parse(&NET.replace("versions", &relu("more"))), &parse(NET));
    assert_eq!(names(&both), ["-more Relu"]);

    // What is fed by a node that is renamed is fed by the same node.
    let renamed = NET.replace("\"mm\"", "\"product\"");
    assert_eq!(names(&diff(&parse(NET), &parse(&renamed))), ["mm>product 0"]);
    // A name that another node has now is no reason to take one for the other.
    let swapped = NET.replace("\"y\"", "\"t\"").replace("\"z\"", "\"y\"").replace("\"t\"", "\"z\"");
    assert_eq!(names(&diff(&parse(NET), &parse(&swapped))), ["z>y 0", "y>z 0"]);
    // A node that stands in the same place is the same, even if it has changed.
    let other = NET.replace("\"w\"", "\"weights\"").replace("0.5", "0.75");
    assert_eq!(names(&diff(&parse(NET), &parse(&other))), ["w>weights 1"]);
    // Of two that nothing tells apart, neither is the one that was there.
    let two = format!("{NET} node {{ name: 'a' op: 'NoOp' }}");
    let other_two =
        format!("{NET} node {{ name: 'p' op: 'NoOp' }} node {{ name: 'q' op: 'NoOp' }}");
    assert_eq!(names(&diff(&parse(&two), &parse(&other_two))), ["-a NoOp", "+p NoOp", "+q NoOp"]);
}

#[test]
fn versions_devices_and_attributes_may_be_left_out() {
    let other = NET.replace("producer: 27", "producer: 28 bad_consumers: 9");
    let found = diff(&parse(NET), &parse(&other));
    let versions = [
        ("producer", "27".to_owned(), "28".to_owned()),
        ("bad_consumers", "[]".to_owned(), "[9]".to_owned()),
    ];
    assert_eq!(found.versions, versions);
    let other = other
        .replace("\"/cpu:0\"", "\"/gpu:0\"")
        .replace("\"^go\"]", "\"^go\"] attr { key: '_mark' value { i: 3 } }");
    let options = DiffOptions {
        ignore_versions: true,
        ignore_devices: true,
        ignore_attrs: vec!["_mark".into()],
        ..DiffOptions::default()
    };
    assert!(GraphDiff::new(&import(&parse(NET)), &import(&parse(&other)), &options).is_same());
}

/// The graph with the numbers at the ends of all functions' names raised.
fn renumbered(def: &pb::GraphDef) -> pb::GraphDef {
    let mut source = text::print_message(def).unwrap();
    for function in &def.library.as_ref().unwrap().function {
        let name = &function.signature.as_ref().unwrap().name;
        let (base, number) = name.rsplit_once('_').unwrap();
        let number: u32 = number.parse().unwrap();
        source = source.replace(&format!("\"{name}\""), &format!("\"{base}_{}\"", number + 5000));
    }
    parse(&source)
}

#[test]
fn functions_are_recognized_whatever_their_numbers_are() {
    let graph = graph_def("functions.meta");
    let other = renumbered(&graph);
    let found = diff(&graph, &other);
    assert!(found.nodes.is_empty(), "{:?}", found.nodes);
    assert_eq!(found.functions.len(), graph.library.as_ref().unwrap().function.len());
    for function in &found.functions {
        let FunctionDiff::Changed { old_name: Some(_), changes, nodes, .. } = function else {
            panic!("{function:?}");
        };
        assert!(changes.is_empty() && nodes.is_empty(), "{function:?}");
    }
    let options = DiffOptions { ignore_names: true, ..DiffOptions::default() };
    assert!(GraphDiff::new(&import(&graph), &import(&other), &options).is_same());
}

#[test]
fn changes_of_functions_are_told() {
    let graph = graph_def("functions.meta");
    let mut other = renumbered(&graph);
    let functions = &mut other.library.as_mut().unwrap().function;
    let find = |functions: &[pb::FunctionDef], part: &str| {
        let name = |f: &pb::FunctionDef| f.signature.as_ref().unwrap().name.clone();
        functions.iter().position(|function| name(function).contains(part)).unwrap()
    };
    // Another op in the one, and another result of the other.
    let square = find(functions, "square");
    functions[square].node_def.iter_mut().find(|node| node.op == "Mul").unwrap().op = "Add".into();
    let unused = find(functions, "unused");
    let ret = functions[unused].ret.values_mut().next().unwrap();
    *ret = "add:z:0".into();
    let options = DiffOptions { ignore_names: true, ..DiffOptions::default() };
    let found = GraphDiff::new(&import(&graph), &import(&other), &options);
    assert!(found.nodes.is_empty());
    let [of_square, of_unused] = &found.functions[..] else { panic!("{:?}", found.functions) };
    let FunctionDiff::Changed { name, nodes, changes, .. } = of_square else { panic!() };
    assert!(name.contains("square") && changes.is_empty(), "{of_square:?}");
    let [NodeDiff::Changed { changes, .. }] = &nodes[..] else { panic!("{nodes:?}") };
    assert_eq!(*changes, [Change::Op { old: "Mul".into(), new: "Add".into() }]);
    let FunctionDiff::Changed { name, nodes, changes, .. } = of_unused else { panic!() };
    assert!(name.contains("unused") && nodes.is_empty(), "{of_unused:?}");
    assert!(matches!(&changes[..], [Change::Result { .. }]), "{changes:?}");

    let mut without = graph.clone();
    let functions = &mut without.library.as_mut().unwrap().function;
    let unused = find(functions, "unused");
    functions.remove(unused);
    let found = diff(&graph, &without);
    assert!(matches!(&found.functions[..], [FunctionDiff::Removed { .. }]), "{found:?}");
    let found = diff(&without, &graph);
    assert!(matches!(&found.functions[..], [FunctionDiff::Added { .. }]), "{found:?}");
}

#[test]
fn parts_of_metagraphs_are_compared_by_key() {
    let def = meta_graph_def("model.saved_model.pb");
    let mut other = def.clone();
    other.signature_def.get_mut("serving_default").unwrap().method_name = "other".into();
    other.signature_def.insert("new".into(), pb::SignatureDef::default());
    other.collection_def.remove("ints");
    other.saver_def = None;
    let import = |def: pb::MetaGraphDef| MetaGraph::import(def, &ImportOptions::default()).unwrap();
    let (a, b) = (import(def), import(other));
    let options = DiffOptions::default();
    assert!(MetaGraphDiff::new(&a, &a, &options).is_same());
    let found = MetaGraphDiff::new(&a, &b, &options);
    assert!(found.graph.is_same() && !found.is_same());
    let parts: Vec<_> =
        found.parts.iter().map(|part| (part.part, part.key.as_deref(), part.change)).collect();
    let expected = [
        ("signature", Some("serving_default"), PartChange::Changed),
        ("signature", Some("new"), PartChange::Added),
        ("collection", Some("ints"), PartChange::Removed),
    ];
    assert_eq!(parts, expected);
}

#[test]
fn a_graph_of_many_alike_nodes_is_compared_in_little_time() {
    let mut source = String::new();
    for idx in 0..20_000 {
        let input = if idx == 0 { String::new() } else { format!("input: '^n{}'", idx / 2) };
        source += &format!(
            "node {{ name: 'n{idx}' op: 'NoOp' {} }}\n",
            if idx / 2 == idx { "" } else { &input }
        );
    }
    let graph = parse(&source);
    let found = diff(&graph, &in_scope(graph.clone(), "s"));
    assert!(
        found.nodes.iter().all(|node| matches!(node, NodeDiff::Changed { old_name: Some(_), .. }))
    );
}
