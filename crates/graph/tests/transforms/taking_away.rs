//! Nodes, devices and attributes that go.

use std::sync::Arc;

use flowkeep_graph::transform::{
    clear_devices, remove_new_default_attrs, remove_training_nodes, strip_default_attrs,
};
use flowkeep_graph::{Graph, ImportOptions};
use flowkeep_proto::{pb, text};

use crate::fixture::{Suite, import, summary};

#[test]
fn what_training_leaves_is_removed_as_by_tensorflow() {
    Suite::open("remove_training_nodes").check(|case| {
        let graph = case.graph();
        let versions = graph.versions().cloned();
        let (graph, _) = remove_training_nodes(graph, &case.strs("protected"))?;
        assert_eq!(graph.versions(), versions.as_ref());
        // TensorFlow forgets these.
        let mut def = graph.to_graph_def();
        (def.versions, def.library) = (None, None);
        Ok(def)
    });
}

#[test]
fn a_check_goes_and_its_consumers_take_its_input() {
    let graph = import(
        "node { name: 'x' op: 'Placeholder' attr { key: 'dtype' value { type: DT_FLOAT } } }
         node { name: 'check' op: 'CheckNumerics' input: 'x' attr { key: 'T' value { type: DT_FLOAT } }
           attr { key: 'message' value { s: '' } } }
         node { name: 'again' op: 'CheckNumerics' input: 'check' attr { key: 'T' value { type: DT_FLOAT } }
           attr { key: 'message' value { s: '' } } }
         node { name: 'y' op: 'Neg' input: ['again', '^check'] attr { key: 'T' value { type: DT_FLOAT } }
           attr { key: '_class' value { list { s: ['loc:@x', 'loc:@check'] } } } }
         node { name: 'z' op: 'Identity' input: ['y'] attr { key: 'T' value { type: DT_FLOAT } }
           attr { key: '_class' value { list { s: ['loc:@again'] } } } }",
    );
    let (graph, report) = remove_training_nodes(graph, &["z"]).unwrap();
    assert_eq!(summary(&graph), ["x = Placeholder()", "y = Neg(x)", "z = Identity(y)"]);
    assert_eq!(graph.nodes()[1].attrs().strs("_class").unwrap(), ["loc:@x"]);
    assert!(graph.nodes()[2].attr("_class").is_none());
    assert_eq!(report.removed, [Arc::from("check"), "again".into()]);
    assert_eq!(report.spliced, []);
}

#[test]
fn defaults_go_as_in_tensorflow() {
    Suite::open("strip_default_attrs").check(|case| {
        let mut def = case.def.clone();
        let report = strip_default_attrs(&mut def);
        assert!(report.removed.iter().any(|removed| removed.function.is_none()));
        // The comparison fills defaults in: these are compared as they are.
        let want = case.output().unwrap();
        let attrs = |def: &pb::GraphDef| -> Vec<Vec<String>> {
            let functions = def.library.iter().flat_map(|library| &library.function);
            let nodes = functions.flat_map(|function| &function.node_def).chain(&def.node);
            nodes.map(|node| node.attr.keys().cloned().collect()).collect()
        };
        assert_eq!(attrs(&def), attrs(&want), "{}", case.name());
        Ok(def)
    });
}

#[test]
fn a_graph_without_defaults_is_the_same_graph() {
    for case in Suite::open("strip_default_attrs").cases() {
        let mut def = case.def.clone();
        strip_default_attrs(&mut def);
        let graph = Graph::import(def, &ImportOptions::default()).unwrap();
        assert_eq!(graph.to_graph_def().node, case.graph().to_graph_def().node, "{}", case.name());
    }
}

#[test]
fn attributes_of_newer_writers_go_where_they_have_their_default() {
    let producer = text::parse_message(
        "op { name: 'Neg' attr { name: 'T' type: 'type' default_value { type: DT_FLOAT } }
           attr { name: 'a' type: 'int' default_value { i: 7 } } attr { name: 'b' type: 'int' } }
         op { name: 'Unheard' attr { name: 'a' type: 'int' default_value { i: 7 } } }",
    )
    .unwrap();
    let mut def: pb::GraphDef = text::parse_message(
        "node { name: 'default' op: 'Neg' attr { key: 'T' value { type: DT_FLOAT } } attr { key: 'a' value { i: 7 } }
           attr { key: 'b' value { i: 1 } } }
         node { name: 'other' op: 'Neg' attr { key: 'a' value { i: 8 } } }
         node { name: 'unheard' op: 'Unheard' attr { key: 'a' value { i: 7 } } }
         library { function { signature { name: 'f' } node_def { name: 'n' op: 'Neg' attr { key: 'a' value { i: 7 } } } } }",
    )
    .unwrap();
    let report = remove_new_default_attrs(&mut def, &producer);
    let removed: Vec<_> = report
        .removed
        .iter()
        .map(|removed| (removed.function.as_deref(), removed.node.as_str(), removed.attr.as_str()))
        .collect();
    assert_eq!(removed, [(None, "default", "a"), (Some("f"), "n", "a")]);
    assert_eq!(def.node[0].attr.keys().collect::<Vec<_>>(), ["T", "b"]);
    assert_eq!(def.node[1].attr.len(), 1);
}

#[test]
fn devices_go_in_functions_too() {
    let suite = Suite::open("strip_default_attrs");
    let (mut n_nodes, mut n_functions) = (0, 0);
    for case in suite.cases() {
        let (graph, report) = clear_devices(case.graph()).unwrap();
        let def = graph.to_graph_def();
        let mut want = case.def.clone();
        want.node.iter_mut().for_each(|node| node.device.clear());
        for function in want.library.iter_mut().flat_map(|library| &mut library.function) {
            function.node_def.iter_mut().for_each(|node| node.device.clear());
        }
        crate::normal::assert_same(case.name(), def, want);
        n_nodes += report.nodes.len();
        n_functions += report.functions.len();
    }
    assert!(n_nodes > 10 && n_functions > 0, "{n_nodes} nodes, {n_functions} functions");
}
