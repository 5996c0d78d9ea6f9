//! What TensorFlow's C++ loader asks of a graph before it makes a session of it.

use bytes::Bytes;
use flowkeep_proto::pb::attr_value::Value;
use flowkeep_proto::{pb, stored};
use flowkeep_tensor::Code;
use prost::Message;

use crate::Error;

/// As many dimensions as a tensor may have.
const MAX_RANK: usize = 254;

/// Checks that the tensors that nodes start from, at the top and in functions, have shapes that tensors have, and that
/// each Const has one.
///
/// `stored` are functions that are apart from the graph.
///
/// Errors, with TensorFlow's texts: `FAILED_PRECONDITION`, for numbers of elements that do not fit an int64 too, of which
/// TensorFlow dies.
pub(crate) fn validate_saved_tensors(
    graph: &pb::GraphDef,
    stored: &[stored::Function],
) -> Result<(), Error> {
    let functions = graph.library.iter().flat_map(|library| &library.function);
    let in_functions = functions.flat_map(|function| &function.node_def);
    graph.node.iter().chain(in_functions).try_for_each(validate)?;
    let doubtful = stored.iter().filter(|function| !has_only_good_tensors(function));
    doubtful
        .map(stored::Function::decoded)
        .try_for_each(|def| def.node_def.iter().try_for_each(validate))
}

/// Whether nothing of a function would be refused, found out without decoding all of it.
fn has_only_good_tensors(function: &stored::Function) -> bool {
    let Ok(Nodes { node_def }) = Nodes::decode(function.as_bytes().clone()) else { return false };
    node_def.iter().all(|node| {
        let mut values = node.attr.iter().filter(|attr| attr.key == "value").peekable();
        (values.peek().is_some() || node.op != "Const")
            && values.filter_map(|attr| attr.value.as_ref()?.tensor.as_ref()).all(|tensor| {
                tensor
                    .tensor_shape
                    .as_ref()
                    .is_none_or(|shape| n_elements(shape).is_ok_and(|n| n >= 0))
            })
    })
}

/// What is looked at of a [`pb::FunctionDef`], its nodes, their attributes, and tensors among these.
#[derive(Clone, PartialEq, Message)]
struct Nodes {
    #[prost(message, repeated, tag = "3")]
    node_def: Vec<Node>,
}

#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(bytes = "bytes", tag = "2")]
    op: Bytes,
    #[prost(message, repeated, tag = "5")]
    attr: Vec<Attr>,
}

#[derive(Clone, PartialEq, Message)]
struct Attr {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(message, optional, tag = "2")]
    value: Option<AttrValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AttrValue {
    #[prost(message, optional, tag = "8")]
    tensor: Option<TensorProto>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorProto {
    #[prost(message, optional, tag = "2")]
    tensor_shape: Option<pb::TensorShapeProto>,
}

fn validate(node: &pb::NodeDef) -> Result<(), Error> {
    let refuse = |message: String| {
        let message = format!("Saved model contains node \"{}\" {message}", node.name);
        Err(Error::Model { code: Code::FailedPrecondition, message })
    };
    match node.attr.get("value").map(|attr| &attr.value) {
        None if node.op == "Const" => {
            refuse("which is a constant tensor but no value has been provided".to_owned())
        }
        Some(Some(Value::Tensor(tensor))) => {
            let n_elements = match &tensor.tensor_shape {
                Some(shape) => n_elements(shape),
                None => Ok(1),
            };
            match n_elements {
                Ok(0..) => Ok(()),
                Ok(n) => refuse(format!(
                    "(op \"{}\") which initializes from a tensor with {n} elements",
                    node.op
                )),
                Err(what) => refuse(format!(
                    "(op \"{}\") which initializes from a tensor with {what}",
                    node.op
                )),
            }
        }
        _ => Ok(()),
    }
}

/// The number of elements; -1 if it is not known, as TensorFlow counts.
fn n_elements(shape: &pb::TensorShapeProto) -> Result<i64, &'static str> {
    if shape.unknown_rank {
        return Ok(-1);
    }
    if shape.dim.len() > MAX_RANK {
        return Err("more than 254 dimensions");
    }
    if shape.dim.iter().any(|dim| dim.size < 0) {
        return Ok(-1);
    }
    if shape.dim.iter().any(|dim| dim.size == 0) {
        return Ok(0);
    }
    let n = shape.dim.iter().try_fold(1i64, |n, dim| n.checked_mul(dim.size));
    n.ok_or("more elements than an int64 counts")
}

#[cfg(test)]
mod tests {
    use flowkeep_proto::text;

    use super::*;

    const NO_VALUE: &str = "which is a constant tensor but no value has been provided";
    const NOT_KNOWN: &str = "(op \"Const\") which initializes from a tensor with -1 elements";

    /// What TensorFlow 2.21's loader says of each, where it says anything.
    #[test]
    fn tensors_are_refused_as_by_tensorflow() {
        let of_shape = |shape: &str| {
            format!(
                "attr {{ key: 'value' value {{ tensor {{ dtype: DT_FLOAT tensor_shape {{ {shape} }} float_val: 1 }} }} }}"
            )
        };
        let large = "dim { size: 4611686018427387904 }";
        let cases = [
            (String::new(), Some(NO_VALUE)),
            (of_shape("dim { size: -1 }"), Some(NOT_KNOWN)),
            (of_shape("dim { size: -2 }"), Some(NOT_KNOWN)),
            (of_shape("dim { size: -1 } dim { size: -3 }"), Some(NOT_KNOWN)),
            (of_shape("unknown_rank: true"), Some(NOT_KNOWN)),
            (of_shape(large), None),
            (of_shape(&format!("dim {{ size: 0 }} {large} {large}")), None),
            (of_shape("dim { size: 3 }"), None),
            (
                of_shape(&format!("{large} dim {{ size: 4 }}")),
                Some(
                    "(op \"Const\") which initializes from a tensor with more elements than an int64 counts",
                ),
            ),
            (
                of_shape(&"dim { size: 1 }".repeat(300)),
                Some(
                    "(op \"Const\") which initializes from a tensor with more than 254 dimensions",
                ),
            ),
            ("attr { key: 'value' value { i: 1 } }".to_owned(), None),
        ];
        for (attr, refused) in cases {
            let node = format!("name: 'c' op: 'Const' {attr}");
            for graph in [
                format!("node {{ {node} }}"),
                format!(
                    "library {{ function {{ signature {{ name: 'f' }} node_def {{ {node} }} }} }}"
                ),
            ] {
                let graph: pb::GraphDef = text::parse_message(&graph).unwrap();
                let functions = graph.library.iter().flat_map(|library| &library.function);
                let stored = functions.map(|def| stored::Function::new(def.encode_to_vec().into()));
                let stored = stored.collect::<Result<Vec<_>, _>>().unwrap();
                let refused = refused.map(|text| format!("Saved model contains node \"c\" {text}"));
                let nodes = pb::GraphDef { library: None, ..graph.clone() };
                for error in [
                    validate_saved_tensors(&graph, &[]).err(),
                    validate_saved_tensors(&nodes, &stored).err(),
                ] {
                    assert_eq!(error.as_ref().map(Error::to_string), refused, "{attr}");
                    assert!(error.is_none_or(|error| error.code() == Code::FailedPrecondition));
                }
                if refused.is_none() {
                    assert!(stored.iter().all(has_only_good_tensors), "{attr}");
                }
            }
        }
    }
}
