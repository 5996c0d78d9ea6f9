//! What the text format needs to know of messages, taken from the committed descriptors.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    FileDescriptorSet,
};

/// Full name of the message that has a text form of its own.
pub(super) const ANY: &str = "google.protobuf.Any";

/// All messages and enums this crate knows.
#[derive(Debug, Default)]
pub(super) struct Pool {
    messages: BTreeMap<String, MessageDef>,
    enums: BTreeMap<String, EnumDef>,
}

/// A message.
#[derive(Debug)]
pub(super) struct MessageDef {
    pub(super) full_name: String,
    /// Sorted by number.
    pub(super) fields: Vec<FieldDef>,
    field_idx_by_name: BTreeMap<String, usize>,
    pub(super) oneofs: Vec<String>,
    pub(super) is_map_entry: bool,
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
    /// Index of the oneof it belongs to; none for the oneof that stands for `optional`.
    pub(super) oneof_idx: Option<usize>,
}

/// The type of a field; named types by full name.
#[derive(Debug)]
pub(super) enum Kind {
    Scalar(Scalar),
    Enum(String),
    Message(String),
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
#[derive(Debug)]
pub(super) struct EnumDef {
    pub(super) full_name: String,
    number_by_name: BTreeMap<String, i32>,
    /// The first name of each number.
    name_by_number: BTreeMap<i32, String>,
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
        let mut pool = Self::default();
        for file in &set.file {
            for message in &file.message_type {
                pool.add_message(file, file.package(), message);
            }
            for enum_type in &file.enum_type {
                pool.add_enum(file.package(), enum_type);
            }
        }
        pool
    }

    fn add_message(&mut self, file: &FileDescriptorProto, scope: &str, def: &DescriptorProto) {
        let full_name = format!("{scope}.{}", def.name());
        for nested in &def.nested_type {
            self.add_message(file, &full_name, nested);
        }
        for enum_type in &def.enum_type {
            self.add_enum(&full_name, enum_type);
        }
        let message = MessageDef::new(file.syntax() == "proto3", full_name.clone(), def);
        self.messages.insert(full_name, message);
    }

    fn add_enum(&mut self, scope: &str, def: &EnumDescriptorProto) {
        let full_name = format!("{scope}.{}", def.name());
        let mut number_by_name = BTreeMap::new();
        let mut name_by_number = BTreeMap::new();
        for value in &def.value {
            number_by_name.insert(value.name().to_owned(), value.number());
            name_by_number.entry(value.number()).or_insert_with(|| value.name().to_owned());
        }
        let def = EnumDef { full_name: full_name.clone(), number_by_name, name_by_number };
        self.enums.insert(full_name, def);
    }

    /// The message of that name, written with its package.
    pub(super) fn message(&self, full_name: &str) -> Option<&MessageDef> {
        self.messages.get(full_name)
    }

    /// The enum of that name, written with its package.
    pub(super) fn enum_def(&self, full_name: &str) -> Option<&EnumDef> {
        self.enums.get(full_name)
    }
}

impl MessageDef {
    fn new(is_proto3: bool, full_name: String, def: &DescriptorProto) -> Self {
        let mut fields: Vec<FieldDef> =
            def.field.iter().filter_map(|field| FieldDef::new(is_proto3, field)).collect();
        fields.sort_by_key(|field| field.number);
        let field_idx_by_name =
            fields.iter().enumerate().map(|(idx, field)| (field.name.clone(), idx)).collect();
        Self {
            full_name,
            fields,
            field_idx_by_name,
            oneofs: def.oneof_decl.iter().map(|oneof| oneof.name().to_owned()).collect(),
            is_map_entry: def.options.as_ref().is_some_and(|options| options.map_entry()),
        }
    }

    /// The field of that name.
    pub(super) fn field(&self, name: &str) -> Option<&FieldDef> {
        self.fields.get(*self.field_idx_by_name.get(name)?)
    }

    /// The index in `fields` of the field with that number.
    pub(super) fn field_idx(&self, number: u32) -> Option<usize> {
        self.fields.binary_search_by_key(&number, |field| field.number).ok()
    }
}

impl FieldDef {
    /// None for a field of a kind that no message of ours has, a group.
    fn new(is_proto3: bool, def: &FieldDescriptorProto) -> Option<Self> {
        let named = || def.type_name().trim_start_matches('.').to_owned();
        let kind = match def.r#type() {
            Type::Double => Kind::Scalar(Scalar::Double),
            Type::Float => Kind::Scalar(Scalar::Float),
            Type::Int32 => Kind::Scalar(Scalar::Int32),
            Type::Int64 => Kind::Scalar(Scalar::Int64),
            Type::Uint32 => Kind::Scalar(Scalar::Uint32),
            Type::Uint64 => Kind::Scalar(Scalar::Uint64),
            Type::Sint32 => Kind::Scalar(Scalar::Sint32),
            Type::Sint64 => Kind::Scalar(Scalar::Sint64),
            Type::Fixed32 => Kind::Scalar(Scalar::Fixed32),
            Type::Fixed64 => Kind::Scalar(Scalar::Fixed64),
            Type::Sfixed32 => Kind::Scalar(Scalar::Sfixed32),
            Type::Sfixed64 => Kind::Scalar(Scalar::Sfixed64),
            Type::Bool => Kind::Scalar(Scalar::Bool),
            Type::String => Kind::Scalar(Scalar::String),
            Type::Bytes => Kind::Scalar(Scalar::Bytes),
            Type::Enum => Kind::Enum(named()),
            Type::Message => Kind::Message(named()),
            Type::Group => return None,
        };
        let is_repeated = def.label() == Label::Repeated;
        let is_packable = match &kind {
            Kind::Scalar(scalar) => !matches!(scalar, Scalar::String | Scalar::Bytes),
            Kind::Enum(_) => true,
            Kind::Message(_) => false,
        };
        let is_packed =
            def.options.as_ref().and_then(|options| options.packed).unwrap_or(is_proto3);
        let is_message = matches!(kind, Kind::Message(_));
        let oneof_idx = def.oneof_index.and_then(|idx| usize::try_from(idx).ok());
        Some(Self {
            name: def.name().to_owned(),
            number: u32::try_from(def.number()).ok()?,
            kind,
            is_repeated,
            is_packed: is_repeated && is_packable && is_packed,
            has_presence: !is_repeated && (!is_proto3 || is_message || oneof_idx.is_some()),
            oneof_idx: oneof_idx.filter(|_| !def.proto3_optional()),
        })
    }
}

impl EnumDef {
    /// The number of the value of that name.
    pub(super) fn number(&self, name: &str) -> Option<i32> {
        self.number_by_name.get(name).copied()
    }

    /// The name of the value of that number.
    pub(super) fn name(&self, number: i32) -> Option<&str> {
        self.name_by_number.get(&number).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_named_type_of_a_field_is_known() {
        let pool = Pool::get();
        assert!(pool.message("tensorflow.SavedModel").is_some());
        assert!(pool.message(ANY).is_some());
        for message in pool.messages.values() {
            for field in &message.fields {
                let is_known = match &field.kind {
                    Kind::Scalar(_) => true,
                    Kind::Enum(name) => pool.enum_def(name).is_some(),
                    Kind::Message(name) => pool.message(name).is_some(),
                };
                assert!(is_known, "{}.{}", message.full_name, field.name);
            }
        }
    }

    #[test]
    fn presence_and_packing_follow_the_syntax_of_the_file() {
        let pool = Pool::get();
        let field = |message, name| pool.message(message).unwrap().field(name).unwrap();
        assert!(!field("tensorflow.NodeDef", "name").has_presence);
        assert!(field("tensorflow.AttrValue", "i").has_presence);
        assert!(field("tensorflow.GraphDebugInfo.FileLineCol", "line").has_presence);
        let chunk_index = field("tensorflow.proto_splitter.ChunkedMessage", "chunk_index");
        assert!(chunk_index.has_presence && chunk_index.oneof_idx.is_none());
        assert!(field("tensorflow.TensorProto", "int_val").is_packed);
        assert!(!field("tensorflow.TensorProto", "string_val").is_packed);
        assert!(field("tensorflow.GraphDebugInfo.StackTrace", "frame_id").is_packed);
    }
}
