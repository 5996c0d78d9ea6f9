//! SavedModels in outline: what is in them, and who calls whom.

use std::collections::HashSet;

use bytes::Bytes;
use prost::{DecodeError, Message};

use super::{FunctionDefLibrary, SavedModel, check};
use crate::pb;

/// Decodes a SavedModel with its nodes in outline.
///
/// Of graphs there are functions, with nothing but their names and nodes; of nodes there are the op and the
/// attributes that hold functions, with nothing but these functions' names; and of nodes that are alike then,
/// there is one. What is left out is checked all the same.
///
/// Errors: as of decoding all of it.
///
/// ```
/// use flowkeep_proto::prost::Message;
/// use flowkeep_proto::{pb, stored, text};
///
/// let parse = text::parse_message::<pb::SavedModel>;
/// let model = parse("meta_graphs { graph_def { node { name: 'a' op: 'A' } node { name: 'b' op: 'A' } } }")?;
/// let outline = stored::outline(model.encode_to_vec().into())?;
/// assert_eq!(outline, parse("meta_graphs { graph_def { node { op: 'A' } } }")?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn outline(bytes: Bytes) -> Result<pb::SavedModel, DecodeError> {
    let model = SavedModel::decode(bytes)?;
    let mut meta_graphs = Vec::with_capacity(model.meta_graphs.len());
    for meta_graph in model.meta_graphs {
        let (mut def, graph) = meta_graph.into_parts();
        def.graph_def = graph.map(of_graph).transpose()?;
        meta_graphs.push(def);
    }
    let saved_model_schema_version = model.saved_model_schema_version;
    Ok(pb::SavedModel { saved_model_schema_version, meta_graphs })
}

/// As [`pb::GraphDef`], but that nodes and functions are bytes.
#[derive(Clone, PartialEq, Message)]
struct GraphDef {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    node: Vec<Bytes>,
    #[prost(message, optional, tag = "2")]
    library: Option<FunctionDefLibrary>,
    #[prost(int32, tag = "3")]
    version: i32,
    #[prost(message, optional, tag = "4")]
    versions: Option<pb::VersionDef>,
    #[prost(message, optional, tag = "5")]
    debug_info: Option<pb::GraphDebugInfo>,
}

fn of_graph(bytes: Bytes) -> Result<pb::GraphDef, DecodeError> {
    let GraphDef { node, library, version, versions, debug_info } = GraphDef::decode(bytes)?;
    let nodes = node
        .into_iter()
        .map(|bytes| plain::<pb::NodeDef>(bytes, check::is_node))
        .collect::<Result<Vec<_>, _>>()?;
    let library = match library {
        None => None,
        Some(library) => {
            let (mut def, functions) = library.into_parts();
            def.function = functions.into_iter().map(of_function).collect::<Result<Vec<_>, _>>()?;
            Some(def)
        }
    };
    #[expect(deprecated, reason = "the field is kept as it was read")]
    Ok(pb::GraphDef {
        node: of_nodes(nodes.iter().map(|bytes| &bytes[..])),
        library,
        version,
        versions,
        debug_info,
    })
}

fn of_function(bytes: Bytes) -> Result<pb::FunctionDef, DecodeError> {
    let bytes = plain::<pb::FunctionDef>(bytes, check::is_function)?;
    let signature = records(&bytes).filter(|(number, _)| *number == 1).fold(
        None,
        |signature: Option<pb::OpDef>, (_, bytes)| {
            let name = text(bytes, 1).or(signature.map(|signature| signature.name));
            Some(pb::OpDef { name: name.unwrap_or_default(), ..Default::default() })
        },
    );
    let nodes = records(&bytes).filter(|(number, _)| *number == 3).map(|(_, bytes)| bytes);
    Ok(pb::FunctionDef { signature, node_def: of_nodes(nodes), ..Default::default() })
}

/// A message in the form that everybody writes, in which `is_plain` knows it; other forms are written anew.
///
/// Errors: as of decoding it.
fn plain<M: Message + Default>(
    bytes: Bytes,
    is_plain: fn(&[u8]) -> bool,
) -> Result<Bytes, DecodeError> {
    if is_plain(&bytes) { Ok(bytes) } else { Ok(M::decode(bytes)?.encode_to_vec().into()) }
}

/// The outlines of nodes, each once.
fn of_nodes<'a>(nodes: impl Iterator<Item = &'a [u8]>) -> Vec<pb::NodeDef> {
    let mut found = Vec::new();
    // A model may have many of either kind.
    let (mut simple, mut others) = (HashSet::new(), HashSet::new());
    for node in nodes {
        let mut op = &[][..];
        let mut def = pb::NodeDef::default();
        for (number, bytes) in records(node) {
            match number {
                2 => op = bytes,
                5 => {
                    let value = last(bytes, 2).and_then(functions);
                    if let Some(value) = value {
                        let key = text(bytes, 1).unwrap_or_default();
                        def.attr.insert(key, pb::AttrValue { value: Some(value) });
                    }
                }
                _ => {}
            }
        }
        if def.attr.is_empty() && !simple.insert(op) {
            continue;
        }
        def.op = String::from_utf8_lossy(op).into_owned();
        if def.attr.is_empty() || others.insert(def.encode_to_vec()) {
            found.push(def);
        }
    }
    found
}

/// The names of the functions in a message [`pb::AttrValue`].
fn functions(value: &[u8]) -> Option<pb::attr_value::Value> {
    use pb::attr_value::{ListValue, Value};
    let function = |bytes| {
        let name = text(bytes, 1).unwrap_or_default();
        pb::NameAttrList { name, ..Default::default() }
    };
    // It holds one thing, the last that it names.
    match records(value).last()? {
        (10, bytes) => Some(Value::Func(function(bytes))),
        (1, list) => {
            let func: Vec<_> = records(list)
                .filter(|(number, _)| *number == 9)
                .map(|(_, bytes)| function(bytes))
                .collect();
            let value = ListValue { func, ..Default::default() };
            (!value.func.is_empty()).then(|| Value::List(Box::new(value)))
        }
        _ => None,
    }
}

/// A text of a message, as it is there last.
fn text(message: &[u8], number: u64) -> Option<String> {
    last(message, number).map(|text| String::from_utf8_lossy(text).into_owned())
}

fn last(message: &[u8], number: u64) -> Option<&[u8]> {
    records(message).filter(|(found, _)| *found == number).last().map(|(_, bytes)| bytes)
}

/// The numbers and contents of the fields of a checked message that have a length; and of the others nothing
/// but their numbers.
fn records(mut rest: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    std::iter::from_fn(move || {
        let key = check::varint(&mut rest)?;
        let content = match key & 7 {
            0 => check::varint(&mut rest).map(|_| &[][..])?,
            1 => rest.split_off(..8).map(|_| &[][..])?,
            5 => rest.split_off(..4).map(|_| &[][..])?,
            2 => {
                let len = usize::try_from(check::varint(&mut rest)?).ok()?;
                rest.split_off(..len)?
            }
            _ => return None,
        };
        Some((key >> 3, content))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::parse_message;

    fn outlined(text: &str) -> pb::SavedModel {
        let model: pb::SavedModel = parse_message(text).unwrap();
        outline(model.encode_to_vec().into()).unwrap()
    }

    #[test]
    fn an_outline_names_ops_and_functions() {
        let nodes = "@ { name: 'a' op: 'PartitionedCall' input: 'x' attr { key: 'f' value { func { name: 'g' attr { key: 'T' value { i: 1 } } } } } attr { key: 'Tin' value { list { type: DT_FLOAT } } } }
             @ { name: 'b' op: 'Case' attr { key: 'branches' value { list { func { name: 'g' } func { name: 'h' } } } } }
             @ { name: 'c' op: 'PartitionedCall' attr { key: 'f' value { func { name: 'g' } } } }
             @ { name: 'd' op: 'f' attr { key: 'T' value { type: DT_FLOAT } } }
             @ { name: 'e' op: 'PartitionedCall' attr { key: 'f' value { func { name: 'h' } } } }
             @ { name: 'f' op: 'f' attr { key: 'x' value { b: true } } attr { key: 'y' value { f: 2 } } attr { key: 'z' value { s: 'z' } } }
             @ { op: 'PartitionedCall' }";
        let outlines = "@ { op: 'PartitionedCall' attr { key: 'f' value { func { name: 'g' } } } }
             @ { op: 'Case' attr { key: 'branches' value { list { func { name: 'g' } func { name: 'h' } } } } }
             @ { op: 'f' } @ { op: 'PartitionedCall' attr { key: 'f' value { func { name: 'h' } } } }
             @ { op: 'PartitionedCall' }";
        let model = |nodes: &str, rest: &str| {
            let with = |field: &str| nodes.replace('@', field);
            format!(
                "saved_model_schema_version: 1
                 meta_graphs {{ meta_info_def {{ tags: 'serve' }} graph_def {{ {} version: 3 versions {{ producer: 5 }}
                   library {{ gradient {{ function_name: 'f' }} function {{ signature {{ name: 'f' }} {} {rest} }} function {{ }} }} }}
                   signature_def {{ key: 's' value {{ method_name: 'm' }} }} object_graph_def {{ nodes {{ }} }} }}
                 meta_graphs {{ graph_def {{ }} }} meta_graphs {{ }}",
                with("node"),
                with("node_def"),
            )
        };
        let whole = model(nodes, "ret { key: 'y' value: 'a' } attr { key: 'a' value { i: 1 } }");
        let expected: pb::SavedModel = parse_message(model(outlines, "")).unwrap();
        assert_eq!(outlined(&whole), expected);
        assert_eq!(outlined(&model(outlines, "")), expected);
    }

    #[test]
    fn whatever_is_no_model_is_refused() {
        let model: pb::SavedModel = parse_message(
            "meta_graphs { graph_def { node { name: 'a' op: 'A' attr { key: 'f' value { func { name: 'f' } } } }
               library { function { signature { name: 'f' } node_def { op: 'B' input: 'x' device: 'd' } attr { key: 'v' value { list { i: [1, 2] } } } } } } }",
        )
        .unwrap();
        let bytes = model.encode_to_vec();
        for at in 0..bytes.len() {
            for change in [0x80, 0x01, 0x04] {
                let mut bytes = bytes.clone();
                bytes[at] ^= change;
                let whole = pb::SavedModel::decode(&bytes[..]);
                assert_eq!(whole.is_ok(), outline(bytes.into()).is_ok(), "byte {at}");
            }
        }
    }

    #[test]
    fn a_graph_in_parts_is_one() {
        let part = |op: &str| {
            let text = format!("meta_graphs {{ graph_def {{ node {{ op: '{op}' }} }} }}");
            let model: pb::SavedModel = parse_message(text).unwrap();
            model.meta_graphs[0].encode_to_vec()
        };
        let both = [part("A"), part("B"), part("A")].concat();
        let mut bytes = vec![0x12];
        prost::encoding::encode_varint(both.len() as u64, &mut bytes);
        bytes.extend(both);
        let expected = "meta_graphs { graph_def { node { op: 'A' } node { op: 'B' } } }";
        assert_eq!(outline(bytes.into()).unwrap(), parse_message(expected).unwrap());
    }
}
