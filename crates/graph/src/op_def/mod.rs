//! What ops mean: their arguments, attributes and traits.

use std::sync::Arc;

use flowkeep_proto::pb;
use flowkeep_tensor::{DType, REF_OFFSET};

use crate::{Attr, Error};

mod check;
mod display;
mod ports;
mod table;

pub(crate) use ports::PortTypes;
pub use ports::{PortType, Ports};
pub use table::{definition, is_known, lookup, names};

/// The definition of an op, or the signature of a function.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OpDef {
    /// The op's name, such as `MatMul`.
    pub name: Arc<str>,
    /// Data inputs in order.
    pub inputs: Box<[ArgDef]>,
    /// Data outputs in order.
    pub outputs: Box<[ArgDef]>,
    /// Attributes in the order of the definition.
    pub attrs: Box<[AttrDef]>,
    /// Of a function's signature: the names of its control outputs.
    pub control_outputs: Box<[Box<str>]>,
    /// Whether two nodes with equal inputs may differ: never folded, never merged.
    pub is_stateful: bool,
    /// Whether the inputs may be swapped.
    pub is_commutative: bool,
    /// Whether it is a sum or the like, the parts of which may be grouped freely.
    pub is_aggregate: bool,
    /// Whether it may be given a reference variable that has no value yet.
    pub allows_uninitialized_input: bool,
    /// Whether it talks to other processes.
    pub is_distributed_communication: bool,
    /// From which version of graphs on the op is gone, and why.
    pub deprecation: Option<Deprecation>,
    /// The places of the attributes, sorted by name and once each.
    by_name: Box<[u16]>,
}

/// An input or output of an op.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ArgDef {
    /// Its name within the op.
    pub name: Box<str>,
    /// Where its type, or types, come from.
    pub ty: ArgType,
    /// The `int` attribute that says how many tensors it is; without one it is one tensor, or a
    /// list that [`ArgType::TypeListAttr`] describes.
    pub number_attr: Option<Box<str>>,
    /// Whether it is a reference to a variable, not a value.
    pub is_ref: bool,
}

/// Where the type of an argument comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArgType {
    /// Always this type.
    Fixed(DType),
    /// The type that this `type` attribute names.
    TypeAttr(Box<str>),
    /// One tensor for each type that this `list(type)` attribute lists.
    TypeListAttr(Box<str>),
    /// The definition names no type. Only signatures of damaged functions do that.
    Missing,
}

/// The declaration of an attribute.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AttrDef {
    /// Its name within the op.
    pub name: Arc<str>,
    /// The kind of its values.
    pub kind: AttrKind,
    /// The value of nodes that set none; without one it must be set.
    pub default: Option<Attr>,
    /// The least value of an `int`, the least length of a list.
    pub minimum: Option<i64>,
    /// The list of the types or strings that are allowed; without one all are.
    pub allowed: Option<Attr>,
}

/// The kind of an attribute's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttrKind {
    /// One value, or an element of the list.
    pub element: ElementKind,
    /// Whether it is a list.
    pub is_list: bool,
}

/// The kind of a single value of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementKind {
    /// Any bytes.
    Str,
    /// 64-bit signed.
    Int,
    /// 32-bit float.
    Float,
    /// Truth value.
    Bool,
    /// Data type.
    Type,
    /// Perhaps partly known shape.
    Shape,
    /// Tensor.
    Tensor,
    /// Function with attributes.
    Func,
    /// A kind that this reader does not know. Only signatures of damaged functions have it.
    Unknown,
}

/// From when on and why an op is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deprecation {
    /// The first version of graphs that may not use the op.
    pub version: i32,
    /// What to use instead.
    pub explanation: Box<str>,
}

impl OpDef {
    /// The definition of a message. Nothing is refused: what makes no sense is noticed when it is
    /// needed.
    pub fn from_proto(def: &pb::OpDef) -> OpDef {
        let attrs: Box<[AttrDef]> = def.attr.iter().map(AttrDef::from_proto).collect();
        OpDef {
            by_name: by_name(&attrs),
            name: def.name.as_str().into(),
            inputs: def.input_arg.iter().map(ArgDef::from_proto).collect(),
            outputs: def.output_arg.iter().map(ArgDef::from_proto).collect(),
            attrs,
            control_outputs: def.control_output.iter().map(|name| name.as_str().into()).collect(),
            is_stateful: def.is_stateful,
            is_commutative: def.is_commutative,
            is_aggregate: def.is_aggregate,
            allows_uninitialized_input: def.allows_uninitialized_input,
            is_distributed_communication: def.is_distributed_communication,
            deprecation: def.deprecation.as_ref().map(|deprecation| Deprecation {
                version: deprecation.version,
                explanation: deprecation.explanation.as_str().into(),
            }),
        }
    }

    /// The declaration of an attribute.
    pub fn attr(&self, name: &str) -> Option<&AttrDef> {
        self.attrs.iter().find(|attr| &*attr.name == name)
    }

    /// Fails when graphs of version `producer` may no longer use the op.
    ///
    /// Errors: `UNIMPLEMENTED`, with TensorFlow's text.
    pub fn check_deprecation(&self, producer: i32) -> Result<(), Error> {
        match &self.deprecation {
            Some(deprecation) if producer >= deprecation.version => Err(Error::DeprecatedOp {
                op: self.name.to_string(),
                producer,
                version: deprecation.version,
                explanation: deprecation.explanation.to_string(),
            }),
            _ => Ok(()),
        }
    }
}

/// The places of attributes, sorted by name; of two with one name the first counts.
fn by_name(attrs: &[AttrDef]) -> Box<[u16]> {
    let mut places: Vec<(&str, u16)> =
        attrs.iter().zip(0..=u16::MAX).map(|(def, place)| (&*def.name, place)).collect();
    places.sort_unstable();
    places.dedup_by_key(|(name, _)| *name);
    places.into_iter().map(|(_, place)| place).collect()
}

impl ArgDef {
    /// Whether the argument may be any number of tensors.
    pub fn is_list(&self) -> bool {
        self.number_attr.is_some() || matches!(self.ty, ArgType::TypeListAttr(_))
    }

    fn from_proto(def: &pb::op_def::ArgDef) -> ArgDef {
        let attr = |name: &String| (!name.is_empty()).then(|| name.as_str().into());
        let ty = if let Some(name) = attr(&def.type_list_attr) {
            ArgType::TypeListAttr(name)
        } else if let Some(name) = attr(&def.type_attr) {
            ArgType::TypeAttr(name)
        } else {
            DType::from_number(def.r#type).map_or(ArgType::Missing, ArgType::Fixed)
        };
        let is_ref = def.is_ref || def.r#type > REF_OFFSET;
        ArgDef { name: def.name.as_str().into(), ty, number_attr: attr(&def.number_attr), is_ref }
    }
}

impl AttrDef {
    fn from_proto(def: &pb::op_def::AttrDef) -> AttrDef {
        AttrDef {
            name: def.name.as_str().into(),
            kind: AttrKind::from_name(&def.r#type),
            default: def.default_value.clone().map(Attr::from_proto),
            minimum: def.has_minimum.then_some(def.minimum),
            allowed: def.allowed_values.clone().map(Attr::from_proto),
        }
    }
}

impl AttrKind {
    fn from_name(name: &str) -> AttrKind {
        let list = name.strip_prefix("list(").and_then(|name| name.strip_suffix(')'));
        let element = match list.unwrap_or(name) {
            "string" => ElementKind::Str,
            "int" => ElementKind::Int,
            "float" => ElementKind::Float,
            "bool" => ElementKind::Bool,
            "type" => ElementKind::Type,
            "shape" => ElementKind::Shape,
            "tensor" => ElementKind::Tensor,
            "func" => ElementKind::Func,
            _ => ElementKind::Unknown,
        };
        AttrKind { element, is_list: list.is_some() }
    }

    /// The name that definitions use, such as `list(int)`.
    pub fn name(self) -> &'static str {
        match (self.element, self.is_list) {
            (ElementKind::Str, false) => "string",
            (ElementKind::Int, false) => "int",
            (ElementKind::Float, false) => "float",
            (ElementKind::Bool, false) => "bool",
            (ElementKind::Type, false) => "type",
            (ElementKind::Shape, false) => "shape",
            (ElementKind::Tensor, false) => "tensor",
            (ElementKind::Func, false) => "func",
            (ElementKind::Str, true) => "list(string)",
            (ElementKind::Int, true) => "list(int)",
            (ElementKind::Float, true) => "list(float)",
            (ElementKind::Bool, true) => "list(bool)",
            (ElementKind::Type, true) => "list(type)",
            (ElementKind::Shape, true) => "list(shape)",
            (ElementKind::Tensor, true) => "list(tensor)",
            (ElementKind::Func, true) => "list(func)",
            (ElementKind::Unknown, _) => "<unknown kind>",
        }
    }
}
