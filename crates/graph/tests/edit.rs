//! Edits of graphs: what they change and what they leave, and which ends are refused.

use std::collections::BTreeMap;

use flowkeep_graph::{Attr, Error, Graph, GraphEdit, ImportOptions, NodeId, NodeSpec};
use flowkeep_proto::{pb, text};
use flowkeep_tensor::DType;

/// `x` feeds `i`, which feeds `y` and, with `i` again, `z`; `z` waits for `i` and `w`.
const CHAIN: &str = "
    node { name: 'x' op: 'Placeholder' attr { key: 'dtype' value { type: DT_FLOAT } } }
    node { name: 'i' op: 'Identity' input: 'x' attr { key: 'T' value { type: DT_FLOAT } } }
    node { name: 'y' op: 'Neg' input: 'i' attr { key: 'T' value { type: DT_FLOAT } }
      attr { key: '_class' value { list { s: ['loc:@i', 'loc:@x', 'other'] } } } }
    node { name: 'w' op: 'NoOp' }
    node { name: 'z' op: 'AddV2' input: ['i', 'i', '^i', '^w'] attr { key: 'T' value { type: DT_FLOAT } } }
    versions { producer: 2474 }";

fn import(text: &str) -> Graph {
    Graph::import(text::parse_message(text).unwrap(), &ImportOptions::default()).unwrap()
}

fn edit() -> GraphEdit {
    GraphEdit::new(import(CHAIN))
}

fn id(edit: &GraphEdit, name: &str) -> NodeId {
    edit.find(name).unwrap()
}

/// The inputs of all nodes, in the order of the nodes.
fn inputs(graph: &Graph) -> Vec<(String, String)> {
    graph.to_graph_def().node.into_iter().map(|node| (node.name, node.input.join(" "))).collect()
}

fn pairs(inputs: &[(&str, &str)]) -> Vec<(String, String)> {
    inputs.iter().map(|(name, inputs)| (name.to_string(), inputs.to_string())).collect()
}

#[test]
fn an_edit_without_changes_gives_the_same_graph() {
    assert_eq!(edit().finish().unwrap().to_graph_def(), import(CHAIN).to_graph_def());
}

#[test]
fn a_node_is_spliced_out() {
    let mut edit = edit();
    let (x, i) = (id(&edit, "x"), id(&edit, "i"));
    edit.replace_output(i.output(0), x.output(0));
    edit.replace_control(i, &[x]);
    edit.set_attr(id(&edit, "y"), "_class", Attr::Unset);
    edit.remove(i);
    let graph = edit.finish().unwrap();
    assert_eq!(inputs(&graph), pairs(&[("x", ""), ("y", "x"), ("w", ""), ("z", "x x ^w ^x")]));
    assert_eq!(graph.node_by_name("i"), None);
    assert_eq!(graph.node_by_name("z"), Some(NodeId(3)));
}

#[test]
fn a_node_is_put_between() {
    let mut edit = edit();
    let i = id(&edit, "i");
    let spec = NodeSpec::new("between", "Exp").attr("T", Attr::Type(DType::F32));
    let between = edit.add(spec.input(i.output(0)));
    edit.replace_output(i.output(0), between.output(0));
    edit.set_input(between, 0, i.output(0));
    let graph = edit.finish().unwrap();
    assert_eq!(
        inputs(&graph),
        pairs(&[
            ("x", ""),
            ("i", "x"),
            ("w", ""),
            ("between", "i"),
            ("y", "between"),
            ("z", "between between ^i ^w"),
        ])
    );
    assert_eq!(graph.nodes()[3].output_dtype(0), Some(DType::F32));
}

#[test]
fn consumers_are_those_of_now() {
    let mut edit = edit();
    let [x, i, y, z] = ["x", "i", "y", "z"].map(|name| id(&edit, name));
    assert_eq!(edit.consumers(i), [y, z]);
    assert_eq!(edit.consumers(i), [y, z]);
    edit.set_inputs(y, [x.output(0)]);
    assert_eq!((edit.consumers(i), edit.consumers(x)), (vec![z], vec![i, y]));
    edit.replace_output(i.output(0), x.output(0));
    assert_eq!((edit.consumers(i), edit.consumers(x)), (vec![z], vec![i, y, z]));
    edit.set_control_inputs(z, [y]);
    assert_eq!((edit.consumers(i), edit.consumers(y)), (vec![], vec![z]));
    let n = edit.add(NodeSpec::new("n", "NoOp").control_input(i));
    assert_eq!(edit.consumers(i), [n]);
    edit.remove(n);
    assert_eq!(edit.consumers(i), []);
}

#[test]
fn inputs_and_colocation_follow_a_new_name() {
    let mut edit = edit();
    let [x, i] = ["x", "i"].map(|name| id(&edit, name));
    edit.rename(i, "interim");
    edit.rename(i, "x");
    edit.rename(x, "i");
    assert_eq!((edit.find("x"), edit.find("i"), edit.find("interim")), (Some(i), Some(x), None));
    let graph = edit.finish().unwrap();
    assert_eq!(
        inputs(&graph),
        pairs(&[("i", ""), ("x", "i"), ("y", "x"), ("w", ""), ("z", "x x ^w ^x")])
    );
    let class = graph.node(graph.node_by_name("y").unwrap()).attrs().strs("_class").unwrap();
    assert_eq!(class, ["loc:@x", "loc:@i", "other"]);
}

#[test]
fn classes_that_are_set_name_new_names() {
    let mut edit = edit();
    let [x, i, y] = ["x", "i", "y"].map(|name| id(&edit, name));
    edit.rename(x, "a");
    edit.rename(i, "x");
    let class = edit.node(y).unwrap().attr("_class").unwrap().clone();
    let Attr::List(flowkeep_graph::AttrList::Str(class)) = class else { panic!() };
    edit.set_attr(
        y,
        "_class",
        Attr::List(flowkeep_graph::AttrList::Str([class[1].clone()].into())),
    );
    let graph = edit.finish().unwrap();
    assert_eq!(graph.nodes()[2].attrs().strs("_class").unwrap(), ["loc:@x"]);
}

#[test]
fn other_ops_attributes_and_devices_are_settled_at_the_end() {
    let mut edit = edit();
    let [x, y] = ["x", "y"].map(|name| id(&edit, name));
    edit.set_op(y, "MatMul");
    edit.set_inputs(y, [x.output(0), x.output(0)]);
    edit.set_attr(y, "transpose_a", Attr::Bool(true));
    edit.set_device(y, "/cpu:0");
    edit.set_attr(x, "_note", Attr::Int(1));
    let graph = edit.finish().unwrap();
    let y = graph.node(graph.node_by_name("y").unwrap());
    assert_eq!((y.op(), y.device(), y.input_types().len()), ("MatMul", "/cpu:0", 2));
    assert!(y.attrs().bool("transpose_a").unwrap() && !y.attrs().bool("transpose_b").unwrap());
    assert_eq!(graph.nodes()[0].attrs().int("_note").unwrap(), 1);
    let mut edit = GraphEdit::new(graph);
    edit.remove_attr(NodeId(0), "_note");
    edit.remove_attr(edit.find("y").unwrap(), "transpose_a");
    let graph = edit.finish().unwrap();
    assert_eq!(graph.nodes()[0].attr("_note"), None);
    let y = graph.node(graph.node_by_name("y").unwrap());
    assert!(!y.attrs().bool("transpose_a").unwrap());
}

#[test]
fn a_loop_is_built_with_ids_that_are_yet_to_come() {
    let mut edit = edit();
    let t = |name: &str, op: &str| NodeSpec::new(name, op).attr("T", Attr::Type(DType::F32));
    let x = id(&edit, "x");
    let enter =
        edit.add(t("e", "Enter").input(x.output(0)).attr("frame_name", Attr::Str("f".into())));
    let merge = edit.next_id();
    let next = NodeId(merge.0 + 1);
    edit.add(t("m", "Merge").inputs([enter.output(0), next.output(0)]).attr("N", Attr::Int(2)));
    assert_eq!(edit.add(t("n", "NextIteration").input(merge.output(0))), next);
    let graph = edit.finish().unwrap();
    assert_eq!(inputs(&graph)[6..], pairs(&[("m", "e n"), ("n", "m")]));
}

type Change = fn(&mut GraphEdit, BTreeMap<&str, NodeId>);

#[test]
fn wrong_ends_are_refused() {
    let cases: &[(Change, &str)] = &[
        (|edit, id| edit.remove(id["x"]), "Node 'i': Unknown input node 'x'"),
        (|edit, id| edit.remove(id["w"]), "Node 'z': Unknown input node '^w'"),
        (
            |edit, id| edit.set_inputs(id["y"], [NodeId(77).output(0)]),
            "Node 'y': Unknown input node '#77'",
        ),
        (
            |edit, id| {
                edit.replace_output(id["i"].output(0), id["x"].output(0));
                edit.replace_control(id["i"], &[]);
                edit.remove(id["i"]);
            },
            "Node 'y' expects to be colocated with unknown node 'i'",
        ),
        (|edit, id| edit.rename(id["y"], "x"), "Node 'x' is not unique"),
        (
            |edit, id| edit.rename(id["y"], "a b"),
            "Node 'a b': Node name contains invalid characters",
        ),
        (
            |edit, _| {
                edit.add(NodeSpec::new("x", "NoOp"));
            },
            "Node 'x' is not unique",
        ),
        (
            |edit, _| {
                edit.add(NodeSpec::new("new", ""));
            },
            "Node 'new' does not specify an operation",
        ),
        (
            |edit, id| edit.set_attr(id["x"], "dtype", Attr::Type(DType::I32)),
            "Input 0 of node i was passed int32 from x:0 incompatible with expected float.",
        ),
        (
            |edit, id| edit.set_input(id["y"], 0, id["w"].output(0)),
            "Node 'y': Connecting to invalid output 0 of source node w which has 0 outputs.",
        ),
        (|edit, id| edit.set_input(id["i"], 0, id["z"].output(0)), "3 nodes in a cycle"),
    ];
    for (change, error) in cases {
        let mut edit = edit();
        let ids: BTreeMap<String, NodeId> =
            edit.iter().map(|(id, node)| (node.name().to_owned(), id)).collect();
        change(&mut edit, ids.iter().map(|(name, id)| (name.as_str(), *id)).collect());
        let got = edit.finish().unwrap_err().to_string();
        assert!(got.starts_with(error), "{got}, not {error}");
    }
}

#[test]
fn names_that_were_taken_for_a_while_are_free_again() {
    let mut edit = edit();
    let new = edit.add(NodeSpec::new("x", "NoOp"));
    edit.remove(new);
    assert_eq!(edit.finish().unwrap().node_by_name("x"), Some(NodeId(0)));
}

#[test]
fn calls_are_checked_against_another_library() {
    let library = |dtype: &str| {
        format!(
            "library {{ function {{ signature {{ name: 'f' input_arg {{ name: 'x' type: {dtype} }} }} }} }}"
        )
    };
    let graph =
        import(&format!("{CHAIN} node {{ name: 'c' op: 'f' input: 'x' }} {}", library("DT_FLOAT")));
    let mut edit = GraphEdit::new(graph);
    edit.set_library(import(&library("DT_INT32")).library().clone());
    assert!(matches!(edit.finish(), Err(Error::InputType { .. })));
}

#[test]
fn what_is_around_the_nodes_stays() {
    let def: pb::GraphDef = text::parse_message(format!(
        "{CHAIN} library {{ function {{ signature {{ name: 'f' }} }} }} version: 3
         debug_info {{ files: 'a.py' }}"
    ))
    .unwrap();
    let graph = Graph::import(def, &ImportOptions::default()).unwrap();
    let mut edit = GraphEdit::new(graph.clone());
    edit.retain(|_, node| node.name() == "x");
    let got = edit.finish().unwrap().to_graph_def();
    let mut want = graph.to_graph_def();
    want.node.truncate(1);
    assert_eq!(got, want);
}
