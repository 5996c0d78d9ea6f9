//! What the text format needs to know of messages, taken from the committed descriptors.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    FileDescriptorSet,
};

use super::names::Names;
use super::wire::Shape;

/// Full name of the message that has a text form of its own.
const ANY: &str = "google.protobuf.Any";

/// All messages and enums this crate knows. They refer to each other by their place here.
#[derive(Debug, Default)]
pub(super) struct Pool {
    messages: Vec<MessageDef>,
    message_names: Names,
    enums: Vec<EnumDef>,
    /// What a place that no one has stands for.
    nothing: (MessageDef, EnumDef),
}

/// A message's place in the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MessageId(usize);

/// An enum's place in the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EnumId(usize);

/// A message.
#[derive(Debug, Default)]
pub(super) struct MessageDef {
    pub(super) full_name: String,
    /// Sorted by number.
    pub(super) fields: Vec<FieldDef>,
    field_names: Names,
    pub(super) oneofs: Vec<String>,
    /// Names that fields no longer have.
    reserved: Vec<String>,
    /// Whether it is `google.protobuf.Any`.
    pub(super) is_any: bool,
}

/// A field of a message.
#[derive(Debug)]
pub(super) struct FieldDef {
    pub(super) name: String,
    pub(super) number: u32,
    pub(super) kind: Kind,
    pub(super) is_repeated: bool,
    /// Repeated values are written as one record.
    pub(super) is_packed: bool,
    /// Set and default differ.
    pub(super) has_presence: bool,
    /// Whether a string must be UTF-8; in messages of old syntax it need not.
    pub(super) is_utf8: bool,
    /// Index of the oneof it belongs to; none for the oneof that stands for `optional`.
    pub(super) oneof_idx: Option<usize>,
    /// The bit that stands for the field in a set of its message's fields.
    pub(super) bit: u64,
    /// The set of the other members of its oneof.
    pub(super) rivals: u64,
}

/// The type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Scalar(Scalar),
    Enum(EnumId),
    Message(MessageId),
    /// Repeated messages of a key and a value.
    Map(MessageId),
}

/// A scalar type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalar {
    Double,
    Float,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Bool,
    String,
    Bytes,
}

/// An enum.
#[derive(Debug, Default)]
pub(super) struct EnumDef {
    pub(super) full_name: String,
    /// Places in `values`.
    value_names: Names,
    values: Vec<(String, i32)>,
    /// The first name of each number, by number.
    by_number: Vec<(i32, usize)>,
}

impl Pool {
    /// The pool of the committed descriptors.
    pub(super) fn get() -> &'static Self {
        static POOL: LazyLock<Pool> = LazyLock::new(|| {
            let descriptors = include_bytes!("../gen/descriptors.bin");
            let set = FileDescriptorSet::decode(descriptors.as_slice());
            // The descriptors are part of the program, and a test decodes them.
            Pool::new(&set.unwrap_or_default())
        });
        &POOL
    }

    fn new(set: &FileDescriptorSet) -> Self {
        let mut found = Found::default();
        for file in &set.file {
            for message in &file.message_type {
                found.add_message(file, file.package(), message);
            }
            for def in &file.enum_type {
                found.add_enum(file.package(), def);
            }
        }
        let names = found.messages.iter().map(|(_, name, _)| name.as_str());
        let message_names = Names::new(names);
        let define = |(is_proto3, name, def): &(bool, String, &DescriptorProto)| {
            MessageDef::new(&found, *is_proto3, name.clone(), def)
        };
        Self {
            messages: found.messages.iter().map(define).collect(),
            message_names,
            enums: found.enums.iter().map(|(name, def)| EnumDef::new(name, def)).collect(),
            nothing: Default::default(),
        }
    }

    /// The message of that name, written with its package.
    pub(super) fn find(&self, full_name: &[u8]) -> Option<&MessageDef> {
        self.messages.get(self.message_names.get(full_name)?)
    }

    pub(super) fn message(&self, id: MessageId) -> &MessageDef {
        self.messages.get(id.0).unwrap_or(&self.nothing.0)
    }

    pub(super) fn enum_def(&self, id: EnumId) -> &EnumDef {
        self.enums.get(id.0).unwrap_or(&self.nothing.1)
    }
}

/// What a set of files declares, in the order of the places that it gets.
#[derive(Default)]
struct Found<'a> {
    /// Whether the syntax is proto3, the full name, the declaration.
    messages: Vec<(bool, String, &'a DescriptorProto)>,
    message_ids: BTreeMap<String, MessageId>,
    enums: Vec<(String, &'a EnumDescriptorProto)>,
    enum_ids: BTreeMap<String, EnumId>,
    map_entries: Vec<MessageId>,
}

impl<'a> Found<'a> {
    fn add_message(&mut self, file: &FileDescriptorProto, scope: &str, def: &'a DescriptorProto) {
        let full_name = format!("{scope}.{}", def.name());
        let id = MessageId(self.messages.len());
        self.message_ids.insert(full_name.clone(), id);
        if def.options.as_ref().is_some_and(|options| options.map_entry()) {
            self.map_entries.push(id);
        }
        self.messages.push((file.syntax() == "proto3", full_name.clone(), def));
        for nested in &def.nested_type {
            self.add_message(file, &full_name, nested);
        }
        for nested in &def.enum_type {
            self.add_enum(&full_name, nested);
        }
    }

    fn add_enum(&mut self, scope: &str, def: &'a EnumDescriptorProto) {
        let full_name = format!("{scope}.{}", def.name());
        self.enum_ids.insert(full_name.clone(), EnumId(self.enums.len()));
        self.enums.push((full_name, def));
    }

    /// None for a group, which no message of ours has.
    fn kind(&self, def: &FieldDescriptorProto) -> Option<Kind> {
        let name = def.type_name().trim_start_matches('.');
        Some(Kind::Scalar(match def.r#type() {
            Type::Double => Scalar::Double,
            Type::Float => Scalar::Float,
            Type::Int32 => Scalar::Int32,
            Type::Int64 => Scalar::Int64,
            Type::Uint32 => Scalar::Uint32,
            Type::Uint64 => Scalar::Uint64,
            Type::Sint32 => Scalar::Sint32,
            Type::Sint64 => Scalar::Sint64,
            Type::Fixed32 => Scalar::Fixed32,
            Type::Fixed64 => Scalar::Fixed64,
            Type::Sfixed32 => Scalar::Sfixed32,
            Type::Sfixed64 => Scalar::Sfixed64,
            Type::Bool => Scalar::Bool,
            Type::String => Scalar::String,
            Type::Bytes => Scalar::Bytes,
            Type::Enum => return self.enum_ids.get(name).copied().map(Kind::Enum),
            Type::Message => {
                let id = self.message_ids.get(name).copied()?;
                let is_map = self.map_entries.contains(&id);
                return Some(if is_map { Kind::Map(id) } else { Kind::Message(id) });
            }
            Type::Group => return None,
        }))
    }
}

impl MessageDef {
    fn new(found: &Found<'_>, is_proto3: bool, full_name: String, def: &DescriptorProto) -> Self {
        let mut fields: Vec<FieldDef> =
            def.field.iter().filter_map(|field| FieldDef::new(found, is_proto3, field)).collect();
        fields.sort_by_key(|field| field.number);
        for (field, idx) in fields.iter_mut().zip(0..) {
            field.bit = 1u64.checked_shl(idx).unwrap_or(0);
        }
        let members: Vec<_> = fields.iter().map(|field| (field.oneof_idx, field.bit)).collect();
        for field in fields.iter_mut().filter(|field| field.oneof_idx.is_some()) {
            let is_rival =
                |(oneof, bit): &&(_, u64)| *oneof == field.oneof_idx && *bit != field.bit;
            field.rivals = members.iter().filter(is_rival).fold(0, |set, (_, bit)| set | bit);
        }
        Self {
            is_any: full_name == ANY,
            full_name,
            field_names: Names::new(fields.iter().map(|field| field.name.as_str())),
            fields,
            oneofs: def.oneof_decl.iter().map(|oneof| oneof.name().to_owned()).collect(),
            reserved: def.reserved_name.clone(),
        }
    }

    /// The field of that name.
    pub(super) fn field(&self, name: &[u8]) -> Option<&FieldDef> {
        self.fields.get(self.field_names.get(name)?)
    }

    /// The field with that number, and its index in `fields`.
    pub(super) fn field_by_number(&self, number: u32) -> Option<(usize, &FieldDef)> {
        let idx = self.fields.binary_search_by_key(&number, |field| field.number).ok()?;
        self.fields.get(idx).map(|field| (idx, field))
    }

    /// Whether a field once had that name.
    pub(super) fn is_reserved(&self, name: &[u8]) -> bool {
        self.reserved.iter().any(|reserved| reserved.as_bytes() == name)
    }
}

impl FieldDef {
    /// None for a field of a kind that no message of ours has.
    fn new(found: &Found<'_>, is_proto3: bool, def: &FieldDescriptorProto) -> Option<Self> {
        let kind = found.kind(def)?;
        let is_repeated = def.label() == Label::Repeated;
        let is_packed = def.options.as_ref().and_then(|options| options.packed);
        let is_message = matches!(kind, Kind::Message(_) | Kind::Map(_));
        let oneof_idx = def.oneof_index.and_then(|idx| usize::try_from(idx).ok());
        let mut field = Self {
            name: def.name().to_owned(),
            number: u32::try_from(def.number()).ok()?,
            kind,
            is_repeated,
            is_packed: is_repeated && is_packed.unwrap_or(is_proto3),
            has_presence: !is_repeated && (!is_proto3 || is_message || oneof_idx.is_some()),
            is_utf8: is_proto3,
            oneof_idx: oneof_idx.filter(|_| !def.proto3_optional()),
            bit: 0,
            rivals: 0,
        };
        field.is_packed &= field.shape() != Shape::Bytes;
        Some(field)
    }

    /// The scalar that one value is in wire form.
    pub(super) fn scalar(&self) -> Scalar {
        match self.kind {
            Kind::Scalar(scalar) => scalar,
            Kind::Enum(_) => Scalar::Int32,
            Kind::Message(_) | Kind::Map(_) => Scalar::Bytes,
        }
    }

    /// The shape of one value in wire form.
    pub(super) fn shape(&self) -> Shape {
        match self.scalar() {
            Scalar::Double | Scalar::Fixed64 | Scalar::Sfixed64 => Shape::Bits64,
            Scalar::Float | Scalar::Fixed32 | Scalar::Sfixed32 => Shape::Bits32,
            Scalar::String | Scalar::Bytes => Shape::Bytes,
            _ => Shape::Varint,
        }
    }
}

impl EnumDef {
    fn new(full_name: &str, def: &EnumDescriptorProto) -> Self {
        let values: Vec<_> =
            def.value.iter().map(|value| (value.name().to_owned(), value.number())).collect();
        let mut by_number: Vec<_> = values.iter().map(|(_, number)| *number).zip(0..).collect();
        by_number.sort();
        by_number.dedup_by_key(|(number, _)| *number);
        Self {
            full_name: full_name.to_owned(),
            value_names: Names::new(values.iter().map(|(name, _)| name.as_str())),
            values,
            by_number,
        }
    }

    /// The number of the value of that name.
    pub(super) fn number(&self, name: &[u8]) -> Option<i32> {
        self.values.get(self.value_names.get(name)?).map(|(_, number)| *number)
    }

    /// The name of the value of that number.
    pub(super) fn name(&self, number: i32) -> Option<&str> {
        let found = self.by_number.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        let (_, idx) = self.by_number.get(found)?;
        self.values.get(*idx).map(|(name, _)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_that_is_declared_is_there() {
        let set = FileDescriptorSet::decode(&include_bytes!("../gen/descriptors.bin")[..]).unwrap();
        let pool = Pool::get();
        let mut declared: Vec<(String, &DescriptorProto)> = Vec::new();
        for file in &set.file {
            declared.extend(file.message_type.iter().map(|def| (file.package().to_owned(), def)));
        }
        let mut n_messages = 0;
        while let Some((scope, def)) = declared.pop() {
            let full_name = format!("{scope}.{}", def.name());
            let found = pool.find(full_name.as_bytes()).unwrap();
            assert_eq!(found.full_name, full_name);
            assert_eq!(found.fields.len(), def.field.len(), "{full_name}");
            // A set of fields is the bits of one number.
            assert!(found.fields.len() <= 64, "{full_name}");
            for field in &def.field {
                let found = found.field(field.name().as_bytes()).unwrap();
                assert_eq!(
                    (found.number as i32, found.name.as_str()),
                    (field.number(), field.name())
                );
            }
            declared.extend(def.nested_type.iter().map(|def| (full_name.clone(), def)));
            n_messages += 1;
        }
        assert_eq!(n_messages, pool.messages.len());
        assert!(pool.find(b"google.protobuf.Any").unwrap().is_any);
        assert!(pool.find(b"tensorflow.Nope").is_none());
    }

    #[test]
    fn presence_and_packing_follow_the_syntax_of_the_file() {
        let pool = Pool::get();
        let field = |message: &str, name: &str| {
            pool.find(message.as_bytes()).unwrap().field(name.as_bytes()).unwrap()
        };
        assert!(!field("tensorflow.NodeDef", "name").has_presence);
        assert!(field("tensorflow.AttrValue", "i").has_presence);
        assert!(field("tensorflow.GraphDebugInfo.FileLineCol", "line").has_presence);
        let chunk_index = field("tensorflow.proto_splitter.ChunkedMessage", "chunk_index");
        assert!(chunk_index.has_presence && chunk_index.oneof_idx.is_none());
        assert_eq!(chunk_index.rivals, 0);
        assert!(field("tensorflow.TensorProto", "int_val").is_packed);
        assert!(!field("tensorflow.TensorProto", "string_val").is_packed);
        assert!(field("tensorflow.GraphDebugInfo.StackTrace", "frame_id").is_packed);
        assert!(matches!(field("tensorflow.NodeDef", "attr").kind, Kind::Map(_)));
    }

    #[test]
    fn members_of_a_oneof_know_their_rivals() {
        let def = Pool::get().find(b"tensorflow.AttrValue").unwrap();
        let all = def.fields.iter().fold(0, |set, field| set | field.bit);
        for field in &def.fields {
            assert_eq!(field.rivals | field.bit, all);
            assert_eq!(field.rivals & field.bit, 0);
        }
    }

    #[test]
    fn enums_know_their_names_both_ways() {
        let def = Pool::get().find(b"tensorflow.AttrValue").unwrap().field(b"type").unwrap();
        let Kind::Enum(id) = def.kind else { panic!("{def:?}") };
        let data_type = Pool::get().enum_def(id);
        assert_eq!(data_type.number(b"DT_FLOAT"), Some(1));
        assert_eq!(data_type.name(1), Some("DT_FLOAT"));
        assert_eq!(data_type.number(b"DT_NOPE"), None);
        assert_eq!(data_type.name(77), None);
    }

    #[test]
    fn names_that_were_given_up_are_known() {
        let def = Pool::get().find(b"tensorflow.SavedObject").unwrap();
        assert!(def.is_reserved(b"attributes") && !def.is_reserved(b"children"));
    }
}
