//! Map entries in the deterministic binary form that TensorFlow writes.
//!
//! It writes key and value of each entry, also where they are zero or empty, which the encoder of our
//! messages leaves out. Text keys are sorted byte by byte, but in Python, where one key is the beginning
//! of another, the longer one comes first: `Tidx` before `T`; and numbers come in descending order.

use std::cmp::Ordering;

use flowkeep_proto::prost::Name as MessageName;
use flowkeep_proto::prost::encoding::encode_varint;

use super::records::{Fault, Records, Value};
use Field::{Map, Message};
use Kind::{Bytes, Fixed64, Varint};

/// A message below which there may be maps, by its name.
type Name = &'static str;

/// A field that is such a message, or a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Message(Name),
    /// A map: the kinds of its keys and values, and what message the values are, if there may be maps
    /// below those.
    Map(Kind, Kind, Option<Name>),
}

/// How keys and values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Text, or a message.
    Bytes,
    Varint,
    Fixed64,
}

/// The fields that matter of the messages of graphs, sorted by message.
const FIELDS: &[(Name, &[(u32, Field)])] = &[
    ("AssetFileDef", &[(1, Message("TensorInfo"))]),
    ("AttrDef", &[(3, Message("AttrValue")), (7, Message("AttrValue"))]),
    ("ArgAttrs", &[(1, map_of("AttrValue"))]),
    ("AttrValue", &[(1, Message("AttrValue.ListValue")), (10, Message("NameAttrList"))]),
    ("AttrValue.ListValue", &[(9, Message("NameAttrList"))]),
    ("CompositeTensor", &[(1, Message("TypeSpecProto")), (2, Message("TensorInfo"))]),
    ("DictValue", &[(1, map_of("StructuredValue"))]),
    (
        "FunctionDef",
        &[
            (1, Message("OpDef")),
            (3, Message("NodeDef")),
            (4, TEXT_MAP),
            (5, map_of("AttrValue")),
            (6, TEXT_MAP),
            (7, Map(Varint, Bytes, Some("ArgAttrs"))),
            (8, Map(Varint, Varint, None)),
        ],
    ),
    ("FunctionDefLibrary", &[(1, Message("FunctionDef"))]),
    ("FunctionSpec", &[(1, Message("StructuredValue")), (5, Message("StructuredValue"))]),
    (
        "GraphDef",
        &[
            (1, Message("NodeDef")),
            (2, Message("FunctionDefLibrary")),
            (5, Message("GraphDebugInfo")),
        ],
    ),
    (
        "GraphDebugInfo",
        &[
            (2, TEXT_MAP),
            (4, Map(Fixed64, Bytes, None)),
            (5, Map(Bytes, Fixed64, None)),
            (6, Map(Fixed64, Bytes, None)),
        ],
    ),
    ("ListValue", &[(1, Message("StructuredValue"))]),
    ("MetaInfoDef", &[(2, Message("OpList")), (8, TEXT_MAP)]),
    (
        "MetaGraphDef",
        &[
            (1, Message("MetaInfoDef")),
            (2, Message("GraphDef")),
            (4, TEXT_MAP),
            (5, map_of("SignatureDef")),
            (6, Message("AssetFileDef")),
            (7, Message("SavedObjectGraph")),
        ],
    ),
    ("NameAttrList", &[(2, map_of("AttrValue"))]),
    ("NamedTupleValue", &[(2, Message("PairValue"))]),
    ("NodeDef", &[(5, map_of("AttrValue"))]),
    ("OpDef", &[(4, Message("AttrDef"))]),
    ("OpList", &[(1, Message("OpDef"))]),
    ("PairValue", &[(2, Message("StructuredValue"))]),
    ("SavedBareConcreteFunction", &[(4, Message("FunctionSpec"))]),
    ("SavedConcreteFunction", &[(3, Message("StructuredValue")), (4, Message("StructuredValue"))]),
    ("SavedFunction", &[(2, Message("FunctionSpec"))]),
    ("SavedModel", &[(2, Message("MetaGraphDef"))]),
    (
        "SavedObject",
        &[(6, Message("SavedFunction")), (8, Message("SavedBareConcreteFunction")), (11, TEXT_MAP)],
    ),
    ("SavedObjectGraph", &[(1, Message("SavedObject")), (2, map_of("SavedConcreteFunction"))]),
    ("SignatureDef", &[(1, map_of("TensorInfo")), (2, map_of("TensorInfo")), (4, TEXT_MAP)]),
    (
        "StructuredValue",
        &[
            (34, Message("TypeSpecProto")),
            (51, Message("ListValue")),
            (52, Message("TupleValue")),
            (53, Message("DictValue")),
            (54, Message("NamedTupleValue")),
        ],
    ),
    ("TensorInfo", &[(5, Message("CompositeTensor"))]),
    ("TupleValue", &[(1, Message("StructuredValue"))]),
    ("TypeSpecProto", &[(2, Message("StructuredValue"))]),
];

/// A map from text to text, or to messages without maps.
const TEXT_MAP: Field = Map(Bytes, Bytes, None);

/// A map from text to messages of this name.
const fn map_of(name: Name) -> Field {
    Map(Bytes, Bytes, Some(name))
}

/// How the entries of a map are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Python,
    Cpp,
}

/// The bytes that TensorFlow's C++ gives for a message when they are to be the same each time, of which
/// it makes hashes. Its files, which Python writes, have the entries of maps in another order.
pub fn deterministic_bytes<M: MessageName>(message: &M) -> Vec<u8> {
    let wire = message.encode_to_vec();
    // What was just encoded consists of records.
    in_order(M::NAME, &wire, Order::Cpp).unwrap_or(wire)
}

/// The message as TensorFlow's Python writes it. `wire` must be what our encoder makes, which has the entries of
/// a map one after another.
pub(super) fn as_tensorflow_writes(name: Name, wire: &[u8]) -> Result<Vec<u8>, Fault> {
    in_order(name, wire, Order::Python)
}

fn in_order(name: &str, wire: &[u8], order: Order) -> Result<Vec<u8>, Fault> {
    let fields = FIELDS.iter().find(|(other, _)| *other == name).map_or(&[][..], |(_, all)| *all);
    let mut out = Vec::with_capacity(wire.len());
    // The entries of a map, until another field comes.
    let mut entries: (u32, Vec<Entry<'_>>) = (0, Vec::new());
    let mut records = Records::new(wire);
    while let Some((record, raw)) = records.next_raw() {
        let (number, value) = record?;
        let field = fields.iter().find(|(other, _)| *other == number).map(|(_, field)| *field);
        if entries.0 != number {
            flush(&mut entries, order, &mut out);
        }
        match (field, value) {
            (Some(Message(name)), Value::Bytes(bytes)) => {
                put(number, &in_order(name, bytes, order)?, &mut out);
            }
            (Some(Map(key, value, name)), Value::Bytes(bytes)) => {
                entries.0 = number;
                entries.1.push(Entry::new(key, value, name, bytes, order)?);
            }
            _ => out.extend_from_slice(raw),
        }
    }
    flush(&mut entries, order, &mut out);
    Ok(out)
}

/// An entry of a map.
struct Entry<'w> {
    key: Key<'w>,
    wire: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Key<'w> {
    Text(&'w [u8]),
    Number(u64),
}

impl<'w> Entry<'w> {
    fn new(
        key_kind: Kind,
        value_kind: Kind,
        name: Option<Name>,
        wire: &'w [u8],
        order: Order,
    ) -> Result<Entry<'w>, Fault> {
        let mut key = match key_kind {
            Bytes => Key::Text(&[]),
            Varint | Fixed64 => Key::Number(0),
        };
        let (mut raw_key, mut raw_value) = (zero(1, key_kind), zero(2, value_kind));
        let mut records = Records::new(wire);
        while let Some((record, raw)) = records.next_raw() {
            match (record?, name) {
                ((1, value), _) => {
                    raw_key = raw.to_vec();
                    match value {
                        Value::Bytes(text) => key = Key::Text(text),
                        Value::Varint(number) | Value::Fixed64(number) => key = Key::Number(number),
                        Value::Fixed32 => {}
                    }
                }
                ((2, Value::Bytes(bytes)), Some(name)) => {
                    raw_value.clear();
                    put(2, &in_order(name, bytes, order)?, &mut raw_value);
                }
                _ => raw_value = raw.to_vec(),
            }
        }
        raw_key.append(&mut raw_value);
        Ok(Entry { key, wire: raw_key })
    }
}

/// A field that is zero or empty.
fn zero(number: u32, kind: Kind) -> Vec<u8> {
    let mut out = Vec::new();
    match kind {
        Bytes => put(number, &[], &mut out),
        Varint => {
            encode_varint(u64::from(number) << 3, &mut out);
            out.push(0);
        }
        Fixed64 => {
            encode_varint(u64::from(number) << 3 | 1, &mut out);
            out.extend([0; 8]);
        }
    }
    out
}

/// Appends a field that is text or a message.
fn put(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    encode_varint(u64::from(number) << 3 | 2, out);
    encode_varint(u64::try_from(bytes.len()).unwrap_or(u64::MAX), out);
    out.extend_from_slice(bytes);
}

fn flush((number, entries): &mut (u32, Vec<Entry<'_>>), order: Order, out: &mut Vec<u8>) {
    entries.sort_by(|a, b| match (a.key, b.key) {
        (Key::Text(a), Key::Text(b)) if order == Order::Cpp => a.cmp(b),
        (Key::Number(a), Key::Number(b)) if order == Order::Cpp => a.cmp(&b),
        (Key::Text(a), Key::Text(b)) => compare(a, b),
        (Key::Number(a), Key::Number(b)) => b.cmp(&a),
        // All keys of a map are of one kind.
        _ => Ordering::Equal,
    });
    entries.drain(..).for_each(|entry| put(*number, &entry.wire, out));
}

/// Byte by byte; of two keys that agree as far as they go, the longer one is first.
fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let differing = a.iter().zip(b).map(|(a, b)| a.cmp(b)).find(|ordering| ordering.is_ne());
    differing.unwrap_or_else(|| b.len().cmp(&a.len()))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use flowkeep_proto::pb;
    use flowkeep_proto::prost::Message as _;
    use prost_types::field_descriptor_proto::Type;
    use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};

    use super::*;

    /// Messages by their names with outer messages, but without package.
    fn messages() -> BTreeMap<String, DescriptorProto> {
        let path = "../proto/src/gen/descriptors.bin";
        let set = FileDescriptorSet::decode(&*std::fs::read(path).unwrap()).unwrap();
        let mut messages = BTreeMap::new();
        let mut todo: Vec<(String, DescriptorProto)> = Vec::new();
        for file in set.file {
            let package = file.package().to_owned();
            todo.extend(file.message_type.into_iter().map(|def| (package.clone(), def)));
        }
        while let Some((scope, def)) = todo.pop() {
            let name = format!("{scope}.{}", def.name());
            todo.extend(def.nested_type.iter().map(|nested| (name.clone(), nested.clone())));
            messages.insert(name, def);
        }
        messages
    }

    /// The name under which the table has a message.
    fn short(name: &str) -> String {
        match name.strip_prefix("tensorflow.").unwrap() {
            // There is a message of that name outside of AttrValue, too.
            "AttrValue.ListValue" => "AttrValue.ListValue".into(),
            name => name.rsplit('.').next().unwrap().into(),
        }
    }

    #[test]
    fn the_table_has_all_fields_below_which_there_are_maps() {
        let messages = messages();
        let type_name = |field: &FieldDescriptorProto| {
            let is_message = field.r#type() == Type::Message;
            is_message.then(|| field.type_name().trim_start_matches('.').to_owned())
        };
        let is_entry = |name: &str| messages[name].options.as_ref().is_some_and(|o| o.map_entry());
        let kind = |field: &FieldDescriptorProto| match field.r#type() {
            Type::String | Type::Bytes | Type::Message => Bytes,
            Type::Fixed64 => Fixed64,
            Type::Int32 | Type::Int64 | Type::Uint32 | Type::Uint64 => Varint,
            other => panic!("{other:?}"),
        };
        // The messages below which there is a map.
        let mut above: BTreeSet<&str> = BTreeSet::new();
        loop {
            let more = messages.iter().filter(|(name, def)| {
                let mut children = def.field.iter().filter_map(type_name);
                !above.contains(name.as_str())
                    && children.any(|child| above.contains(child.as_str()) || is_entry(&child))
            });
            let more: Vec<&str> = more.map(|(name, _)| name.as_str()).collect();
            if more.is_empty() {
                break;
            }
            above.extend(more);
        }
        let mut seen = BTreeSet::new();
        let mut todo: Vec<String> = ["GraphDef", "MetaGraphDef", "SavedModel"]
            .map(|name| format!("tensorflow.{name}"))
            .to_vec();
        while let Some(name) = todo.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            let mut expected = Vec::new();
            for field in &messages[&name].field {
                let number = u32::try_from(field.number()).unwrap();
                let Some(child) = type_name(field) else { continue };
                let shown = if is_entry(&child) {
                    let [key, value] = &messages[&child].field[..] else { panic!("{child}") };
                    let name = type_name(value).filter(|name| above.contains(name.as_str()));
                    let shown = name.as_deref().map(short);
                    todo.extend(name);
                    format!("Map({:?}, {:?}, {shown:?})", kind(key), kind(value))
                } else if above.contains(child.as_str()) {
                    todo.push(child.clone());
                    format!("Message({:?})", short(&child))
                } else {
                    continue;
                };
                expected.push((number, shown));
            }
            let name = short(&name);
            let (_, found) = FIELDS.iter().find(|(other, _)| *other == name).unwrap();
            let found: Vec<_> = found.iter().map(|(n, field)| (*n, format!("{field:?}"))).collect();
            assert_eq!(found, expected, "{name}");
        }
        assert_eq!(seen.len(), FIELDS.len());
    }

    // The bytes that TensorFlow 2.21's Python gives for these messages.
    #[test]
    fn entries_are_written_as_tensorflow_writes_them() {
        let numbers = [0, 1, 200, 7].map(|number| (number, number));
        let function = pb::FunctionDef {
            resource_arg_unique_id: numbers.into(),
            arg_attr: [(0, pb::function_def::ArgAttrs::default())].into(),
            ret: [("ab", ""), ("a", "x")].map(|(k, v)| (k.into(), v.into())).into(),
            ..Default::default()
        };
        let wire = as_tensorflow_writes("FunctionDef", &function.encode_to_vec()).unwrap();
        let expected = b"\"\x06\x0a\x02ab\x12\x00\"\x06\x0a\x01a\x12\x01x:\x04\x08\x00\x12\x00\
            B\x06\x08\xc8\x01\x10\xc8\x01B\x04\x08\x07\x10\x07B\x04\x08\x01\x10\x01B\x04\x08\x00\x10\x00";
        assert_eq!(wire, expected);
        let expected = b"\"\x06\x0a\x01a\x12\x01x\"\x06\x0a\x02ab\x12\x00:\x04\x08\x00\x12\x00\
            B\x04\x08\x00\x10\x00B\x04\x08\x01\x10\x01B\x04\x08\x07\x10\x07B\x06\x08\xc8\x01\x10\xc8\x01";
        assert_eq!(deterministic_bytes(&function), expected);
        let line = pb::graph_debug_info::FileLineCol { line: Some(1), ..Default::default() };
        let info = pb::GraphDebugInfo {
            frames_by_id: [(0, line.clone()), (1 << 40, line)].into(),
            name_to_trace_id: [("f".to_owned(), 0)].into(),
            ..Default::default()
        };
        let wire = as_tensorflow_writes("GraphDebugInfo", &info.encode_to_vec()).unwrap();
        let expected = b"\"\x0d\x09\0\0\0\0\0\x01\0\0\x12\x02\x10\x01\"\x0d\x09\0\0\0\0\0\0\0\0\x12\x02\x10\x01\
            *\x0c\x0a\x01f\x11\0\0\0\0\0\0\0\0";
        assert_eq!(wire, expected);
    }
}
