//! Nodes and tensors are found by name as in TensorFlow, and fail to be with its words.
//!
//! `fixtures/graphs/lookups.json` holds a graph, names, and what TensorFlow says to each.

use flowkeep_graph::{Element, Error, Graph, ImportOptions};
use flowkeep_proto::text;
use flowkeep_tensor::Code;
use serde_json::Value;

fn file() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/graphs/lookups.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The answer in the form of the file.
fn told(graph: &Graph, answer: Result<Element, Error>) -> Value {
    match answer {
        Ok(Element::Node(id)) => serde_json::json!({ "found": graph.node(id).name() }),
        Ok(Element::Output(output)) => {
            serde_json::json!({ "found": graph.tensor_name(output).to_string() })
        }
        Err(error) => {
            let class = match error.code() {
                Code::InvalidArgument => "ValueError",
                Code::NotFound => "KeyError",
                code => panic!("unexpected {code}"),
            };
            serde_json::json!({ "class": class, "message": error.to_string() })
        }
    }
}

#[test]
fn answers_are_tensorflows() {
    let file = file();
    let def = text::parse_message(file["graph"].as_str().unwrap()).unwrap();
    let graph = Graph::import(def, &ImportOptions::default()).unwrap();
    let names = file["names"].as_array().unwrap();
    assert!(names.len() > 40, "{} names", names.len());
    for row in names {
        let name = row["name"].as_str().unwrap();
        let operation = graph.get_operation_by_name(name).map(Element::Node);
        assert_eq!(told(&graph, operation), row["operation"], "{name:?}");
        let tensor = graph.get_tensor_by_name(name).map(Element::Output);
        assert_eq!(told(&graph, tensor), row["tensor"], "{name:?}");
        assert_eq!(told(&graph, graph.as_graph_element(name)), row["either"], "{name:?}");
    }
}

#[test]
fn outputs_of_unknown_ops_are_there() {
    let def = text::parse_message("node { name: 'u' op: 'Nonesuch' }").unwrap();
    let graph = Graph::import(def, &ImportOptions::default()).unwrap();
    assert_eq!(graph.get_tensor_by_name("u:7").unwrap().index, 7);
    assert!(graph.get_tensor_by_name("u:-1").is_err());
}
