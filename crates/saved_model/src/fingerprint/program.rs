use bytes::Bytes;
use flowkeep_graph::file::deterministic_bytes;
use flowkeep_proto::pb;
use flowkeep_proto::pb::attr_value::Value;
use flowkeep_runtime::fingerprint64;
use flowkeep_tensor::DType;

use super::hash::without_number;

/// Of a graph, without what varies from export to export and from machine to machine.
pub(super) fn graph_def_program_hash(graph: Option<&pb::GraphDef>) -> u64 {
    let graph = graph.cloned().unwrap_or_default();
    let program = pb::GraphDef {
        node: graph.node.into_iter().map(regular).collect(),
        library: Some(pb::FunctionDefLibrary::default()),
        versions: Some(pb::VersionDef::default()),
        ..graph
    };
    fingerprint64(&deterministic_bytes(&program))
}

/// A node without the numbers of functions, what a call says of machines, and texts, which may be paths.
fn regular(mut node: pb::NodeDef) -> pb::NodeDef {
    match &*node.op {
        "PartitionedCall" | "StatefulPartitionedCall" => {
            if let Some(Value::Func(function)) = value(&mut node, "f") {
                function.name = without_number(&function.name).to_owned();
            }
            if let Some(Value::S(config)) = value(&mut node, "config_proto") {
                *config = Bytes::new();
            }
        }
        "Const" => {
            let dtype = value(&mut node, "dtype");
            if matches!(dtype, Some(Value::Type(number)) if *number == DType::String.number()) {
                node.attr.insert("value".to_owned(), pb::AttrValue::default());
            }
        }
        _ => {}
    }
    node
}

fn value<'n>(node: &'n mut pb::NodeDef, attr: &str) -> Option<&'n mut Value> {
    node.attr.get_mut(attr)?.value.as_mut()
}
