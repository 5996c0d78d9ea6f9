//! Graphs that are built node by node are checked as imported ones are.

use flowkeep_graph::builder::Scope;
use flowkeep_graph::view::{PathOptions, Paths};
use flowkeep_graph::{
    Attr, AttrList, Error, Function, GRAPH_DEF_VERSION, Graph, GraphEdit, ImportOptions, NodeId,
    NodeSpec, Output,
};
use flowkeep_proto::{pb, text};
use flowkeep_tensor::{DType, PartialShape};

fn placeholder(graph: &mut Graph, name: &str, dtype: DType) -> Output {
    let spec = NodeSpec::new(name, "Placeholder").attr("dtype", Attr::Type(dtype));
    graph.add_node(spec).unwrap().output(0)
}

fn unary(name: &str, op: &str, input: Output) -> NodeSpec {
    NodeSpec::new(name, op).input(input).attr("T", Attr::Type(DType::F32))
}

fn exported(graph: &Graph, name: &str) -> pb::NodeDef {
    graph.node_def(graph.node(graph.node_by_name(name).unwrap()))
}

#[test]
fn a_new_graph_is_of_this_version() {
    let graph = Graph::new();
    let def: pb::GraphDef = text::parse_message("versions { producer: 2474 }").unwrap();
    assert_eq!(graph.to_graph_def(), def);
    assert_eq!(graph.producer(), GRAPH_DEF_VERSION);
}

#[test]
fn what_is_added_is_what_import_would_make_of_it() {
    let mut graph = Graph::new();
    let x = placeholder(&mut graph, "x", DType::F32);
    let y = placeholder(&mut graph, "y", DType::F32);
    let spec = NodeSpec::new("m", "MatMul")
        .inputs([x, y])
        .control_inputs([y.node, x.node, y.node])
        .attr("T", Attr::Type(DType::F32))
        .attr("_class", Attr::List(AttrList::Str([bytes::Bytes::from("loc:@x")].into())))
        .device("/device:CPU:0");
    let m = graph.add_node(spec).unwrap();
    assert_eq!(graph.node(m).control_inputs(), [x.node, y.node]);
    assert_eq!(graph.node(m).output_dtype(0), Some(DType::F32));
    assert!(!graph.node(m).attrs().bool("transpose_b").unwrap());

    let again = Graph::import(graph.to_graph_def(), &ImportOptions::default()).unwrap();
    assert_eq!(again.to_graph_def(), graph.to_graph_def());
}

#[test]
fn a_copied_node_keeps_all_that_is_stored_of_it() {
    let def: pb::GraphDef = text::parse_message(
        "node { name: 'n' op: 'NoOp' device: '/cpu:0' attr { key: '_x' value { i: 3 } }
           experimental_debug_info { original_node_names: 'o' } experimental_type { type_id: TFT_UNSET args {} } }",
    )
    .unwrap();
    let original = Graph::import(def, &ImportOptions::default()).unwrap();
    let mut graph = Graph::new();
    graph.add_node(NodeSpec::from(&original.nodes()[0])).unwrap();
    assert_eq!(graph.to_graph_def().node, original.to_graph_def().node);
}

#[test]
fn wrong_nodes_are_refused_and_change_nothing() {
    let mut graph = Graph::new();
    let x = placeholder(&mut graph, "x", DType::F32);
    let i = placeholder(&mut graph, "i", DType::I32);
    let class =
        |target: &str| Attr::List(AttrList::Str([bytes::Bytes::from(target.to_owned())].into()));
    for (spec, error) in [
        (unary("x", "Neg", x), "Duplicate node name in graph: 'x'"),
        (unary("_n", "Neg", x), "Node '_n': Node name contains invalid characters"),
        (unary("n", "", x), "Node 'n' does not specify an operation"),
        (
            unary("n", "Neg", i),
            "Input 0 of node n was passed int32 from i:0 incompatible with expected float.",
        ),
        (
            unary("n", "Neg", x.node.output(1)),
            "Node 'n': Connecting to invalid output 1 of source node x which has 1 outputs.",
        ),
        (unary("n", "Neg", NodeId(7).output(0)), "Node 'n': Unknown input node '#7'"),
        (unary("n", "Neg", x).control_input(NodeId(8)), "Node 'n': Unknown input node '#8'"),
        (
            unary("n", "Neg", x).attr("_class", class("loc:@zz")),
            "Node 'n' expects to be colocated with unknown node 'zz'",
        ),
        (
            unary("n", "BatchSelfAdjointEig", x),
            "Op BatchSelfAdjointEig is not available in GraphDef version 2474. It has been removed in version 11. \
             Use SelfAdjointEigV2 instead..",
        ),
    ] {
        let before = graph.to_graph_def();
        assert_eq!(graph.add_node(spec).unwrap_err().to_string(), error);
        assert_eq!(graph.to_graph_def(), before);
        assert_eq!(graph.node_by_name("n"), None);
    }
    let missing = NodeSpec::new("n", "Neg").input(x);
    assert!(matches!(graph.add_node(missing), Err(Error::NodeDef { .. })));
    let own = unary("n", "Neg", x).attr("_class", class("loc:@n"));
    graph.add_node(own).unwrap();
}

#[test]
fn removed_ops_are_allowed_in_graphs_of_old_versions() {
    let mut graph = Graph::new();
    graph.set_versions(Some(pb::VersionDef { producer: 10, ..Default::default() }));
    let x = placeholder(&mut graph, "x", DType::F32);
    graph.add_node(unary("n", "BatchSelfAdjointEig", x)).unwrap();
}

#[test]
fn functions_are_called_once_they_are_there() {
    let function = |op: &str| {
        let def: pb::FunctionDef = text::parse_message(format!(
            "signature {{ name: 'f' input_arg {{ name: 'x' type: DT_FLOAT }} output_arg {{ name: 'y' type: DT_FLOAT }} }}
             node_def {{ name: 'n' op: '{op}' input: 'x' attr {{ key: 'T' value {{ type: DT_FLOAT }} }} }}
             ret {{ key: 'y' value: 'n:y:0' }}"
        ))
        .unwrap();
        Function::new(def)
    };
    let mut graph = Graph::new();
    graph.add_function(function("Neg")).unwrap();
    graph.add_function(function("Neg")).unwrap();
    assert_eq!(
        graph.add_function(function("Exp")).unwrap_err().to_string(),
        "Cannot add function 'f' because a different function with the same name already exists."
    );
    assert_eq!(graph.to_graph_def().library.unwrap().function.len(), 1);
    let x = placeholder(&mut graph, "x", DType::F32);
    let i = placeholder(&mut graph, "i", DType::I32);
    let call = graph.add_node(NodeSpec::new("call", "f").input(x)).unwrap();
    assert_eq!(graph.node(call).output_dtype(0), Some(DType::F32));
    assert!(graph.add_node(NodeSpec::new("wrong", "f").input(i)).is_err());
}

/// A loop with both inputs of its Merge from the Enter, and the NextIteration that is to feed it.
fn open_loop() -> (Graph, NodeId, Output) {
    let mut graph = Graph::new();
    let x = placeholder(&mut graph, "x", DType::F32);
    let enter = unary("enter", "Enter", x).attr("frame_name", Attr::Str("f".into()));
    let enter = graph.add_node(enter).unwrap().output(0);
    let merge = unary("merge", "Merge", enter).input(enter).attr("N", Attr::Int(2));
    let merge = graph.add_node(merge).unwrap();
    let next = graph.add_node(unary("next", "NextIteration", merge.output(0))).unwrap();
    (graph, merge, next.output(0))
}

#[test]
fn a_loop_is_closed_from_next_iteration_to_merge() {
    let (mut graph, merge, next) = open_loop();
    graph.close_loop(merge, 1, next).unwrap();
    assert_eq!(exported(&graph, "merge").input, ["enter", "next"]);
    let again = Graph::import(graph.to_graph_def(), &ImportOptions::default()).unwrap();
    assert_eq!(again.to_graph_def(), graph.to_graph_def());
}

#[test]
fn loops_are_closed_nowhere_else() {
    let (mut graph, merge, next) = open_loop();
    let back_edge = "had a back edge, but only Merge nodes can have back edges.";
    let int = placeholder(&mut graph, "i", DType::I32);
    let int = NodeSpec::new("next_i", "NextIteration").input(int).attr("T", Attr::Type(DType::I32));
    let int = graph.add_node(int).unwrap().output(0);
    for (merge, input, next, error) in [
        (next.node, 0, next, format!("Node 'next' {back_edge}")),
        (merge, 0, merge.output(0), format!("Node 'merge' {back_edge}")),
        (merge, 2, next, "Node 'merge' has no input 2".to_owned()),
        (NodeId(99), 0, next, "Node '': Unknown input node '#99'".to_owned()),
        (
            merge,
            1,
            int,
            "Input 1 of node merge was passed int32 from next_i:0 incompatible with expected float."
                .to_owned(),
        ),
        (
            merge,
            1,
            next.node.output(1),
            "Node 'merge': Connecting to invalid output 1 of source node next which has 1 outputs.".to_owned(),
        ),
    ] {
        assert_eq!(graph.close_loop(merge, input, next).unwrap_err().to_string(), error);
    }
    graph.close_loop(merge, 0, next).unwrap();
    let error = graph.close_loop(merge, 1, next).unwrap_err();
    assert_eq!(error, Error::Cycle { n_nodes: 1 });
    assert_eq!(exported(&graph, "merge").input, ["next", "enter"]);
}

/// Nodes `x`, `sum = AddN(x)`, `neg = Neg(sum)`, and `y` behind them.
fn sum_of_one() -> (Graph, [Output; 4]) {
    let mut graph = Graph::new();
    let x = placeholder(&mut graph, "x", DType::F32);
    let sum = NodeSpec::new("sum", "AddN").input(x).attr("T", Attr::Type(DType::F32));
    let sum = graph.add_node(sum.attr("N", Attr::Int(1))).unwrap().output(0);
    let neg = graph.add_node(unary("neg", "Neg", sum)).unwrap().output(0);
    let y = placeholder(&mut graph, "y", DType::F32);
    (graph, [x, sum, neg, y])
}

fn names(graph: &Graph) -> Vec<&str> {
    graph.iter().map(|(_, node)| node.name()).collect()
}

#[test]
fn a_node_may_get_inputs_that_were_made_after_it() {
    let (mut graph, [x, sum, neg, y]) = sum_of_one();
    let tan = graph.add_node(unary("tan", "Tan", y)).unwrap().output(0);
    graph.extend_node(sum.node, &[tan], vec![("N", Attr::Int(2))]).unwrap();
    assert_eq!(graph.node(sum.node).inputs(), [x, tan]);
    // Ids stay, and nodes are stored by them; the order is another one.
    assert_eq!(graph.node(neg.node).name(), "neg");
    let by_id: Vec<&str> = graph.nodes().iter().map(|node| node.name()).collect();
    assert_eq!(by_id, ["x", "sum", "neg", "y", "tan"]);
    assert_eq!(names(&graph), ["x", "y", "tan", "sum", "neg"]);
    assert!(graph.iter().all(|(id, node)| graph.node(id).name() == node.name()));
    let abs = graph.add_node(unary("abs", "Abs", neg)).unwrap();
    assert_eq!(graph.iter().last().map(|(id, _)| id), Some(abs));

    let def = graph.to_graph_def();
    assert_eq!(def.node[1].name, "sum");
    assert_eq!(def.node[1].input, ["x", "tan"]);
    let again = Graph::import(def, &ImportOptions::default()).unwrap();
    let order = ["x", "y", "tan", "sum", "neg", "abs"];
    assert_eq!(names(&again), order);

    let (edited, ids) = GraphEdit::new(graph.clone()).finish_with_ids().unwrap();
    assert_eq!(edited.nodes().iter().map(|node| node.name()).collect::<Vec<_>>(), order);
    assert_eq!(ids.get(sum.node).map(|id| edited.node(id).name()), Some("sum"));
    let paths = Paths::between(&graph, "y", "abs", &PathOptions::default()).unwrap();
    assert_eq!((paths.n_paths, paths.paths[0].len()), (1, 5));
}

#[test]
fn shapes_are_known_of_inputs_that_were_made_later() {
    let (mut graph, [_, sum, neg, _]) = sum_of_one();
    let z = NodeSpec::new("z", "Placeholder")
        .attr("dtype", Attr::Type(DType::F32))
        .attr("shape", Attr::Shape(PartialShape::new(vec![Some(2)])));
    let z = graph.add_node(z).unwrap().output(0);
    graph.extend_node(sum.node, &[z], vec![("N", Attr::Int(2))]).unwrap();
    let scope = Scope::from_graph(graph);
    assert_eq!(scope.shape(neg).to_string(), "[2]");
}

#[test]
fn inputs_that_do_not_fit_leave_a_node_as_it_was() {
    let (mut graph, [x, sum, neg, y]) = sum_of_one();
    let whole = placeholder(&mut graph, "i", DType::I32);
    let before = graph.to_graph_def();
    let two = || vec![("N", Attr::Int(2))];
    assert!(matches!(graph.extend_node(sum.node, &[neg], two()), Err(Error::Cycle { .. })));
    assert!(matches!(graph.extend_node(sum.node, &[sum], two()), Err(Error::Cycle { .. })));
    assert!(graph.extend_node(sum.node, &[whole], two()).is_err());
    assert!(graph.extend_node(sum.node, &[y], vec![]).is_err());
    assert!(graph.extend_node(NodeId(9), &[y], two()).is_err());
    assert!(graph.extend_node(sum.node, &[NodeId(9).output(0)], two()).is_err());
    let error = graph.extend_node(x.node, &[], vec![("dtype", Attr::Type(DType::I32))]);
    assert_eq!(error.unwrap_err().to_string(), "Node 'x' would lose some of its outputs");
    assert_eq!(graph.to_graph_def(), before);
    assert_eq!(names(&graph), ["x", "sum", "neg", "y", "i"]);
}
