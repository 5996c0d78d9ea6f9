//! Attribute values, and sorted maps of them.

use std::sync::Arc;

use bytes::Bytes;
use flowkeep_proto::pb;
use flowkeep_tensor::{DType, PartialShape, Tensor};

mod attrs;
mod display;
mod wire;

pub use attrs::{Attrs, AttrsBuilder};
pub(crate) use wire::n_kinds;

/// The value of an attribute of a node, a function or a function reference.
///
/// Cloning is cheap: lists, tensors and functions are shared. [`Attr::from_proto`] and
/// [`Attr::to_proto`] are inverse to each other: what the checked variants cannot hold exactly is
/// an [`Attr::Raw`].
#[derive(Clone, Debug, PartialEq)]
pub enum Attr {
    /// No value. For an attribute of a list kind that is the empty list.
    Unset,
    /// `string`: any bytes.
    Str(Bytes),
    /// `int`.
    Int(i64),
    /// `float`.
    Float(f32),
    /// `bool`.
    Bool(bool),
    /// `type`.
    Type(DType),
    /// `shape`.
    Shape(PartialShape),
    /// `tensor`.
    Tensor(TensorAttr),
    /// `func`.
    Func(Arc<FuncRef>),
    /// In a function body: the value of the named attribute of the call.
    Placeholder(Arc<str>),
    /// A list of one of the kinds above.
    List(AttrList),
    /// A wire value outside of the above: a reference type or one that is unknown or invalid, a
    /// shape with labelled or impossible dimensions, a list of mixed kinds.
    Raw(Arc<pb::AttrValue>),
}

/// A list value of an attribute. The empty list has no kind.
#[derive(Clone, Debug, PartialEq)]
pub enum AttrList {
    /// The empty list, of whichever kind.
    Empty,
    /// `list(string)`.
    Str(Arc<[Bytes]>),
    /// `list(int)`.
    Int(Arc<[i64]>),
    /// `list(float)`.
    Float(Arc<[f32]>),
    /// `list(bool)`.
    Bool(Arc<[bool]>),
    /// `list(type)`.
    Type(Arc<[DType]>),
    /// `list(shape)`.
    Shape(Arc<[PartialShape]>),
    /// `list(tensor)`.
    Tensor(Arc<[TensorAttr]>),
    /// `list(func)`.
    Func(Arc<[FuncRef]>),
}

impl Attr {
    /// Whether this is the same value, bit by bit, of a kind that is told at little cost.
    fn is_plainly(&self, other: &Attr) -> bool {
        match (self, other) {
            (Attr::Unset, Attr::Unset) => true,
            (Attr::Str(this), Attr::Str(other)) => this == other,
            (Attr::Int(this), Attr::Int(other)) => this == other,
            (Attr::Float(this), Attr::Float(other)) => this.to_bits() == other.to_bits(),
            (Attr::Bool(this), Attr::Bool(other)) => this == other,
            (Attr::Type(this), Attr::Type(other)) => this == other,
            (Attr::Shape(this), Attr::Shape(other)) => this == other,
            (Attr::List(this), Attr::List(other)) => match (this, other) {
                (AttrList::Empty, AttrList::Empty) => true,
                (AttrList::Str(this), AttrList::Str(other)) => this == other,
                (AttrList::Int(this), AttrList::Int(other)) => this == other,
                (AttrList::Bool(this), AttrList::Bool(other)) => this == other,
                (AttrList::Type(this), AttrList::Type(other)) => this == other,
                (AttrList::Shape(this), AttrList::Shape(other)) => this == other,
                _ => false,
            },
            _ => false,
        }
    }
}

impl AttrList {
    /// The number of elements.
    pub fn len(&self) -> usize {
        match self {
            AttrList::Empty => 0,
            AttrList::Str(values) => values.len(),
            AttrList::Int(values) => values.len(),
            AttrList::Float(values) => values.len(),
            AttrList::Bool(values) => values.len(),
            AttrList::Type(values) => values.len(),
            AttrList::Shape(values) => values.len(),
            AttrList::Tensor(values) => values.len(),
            AttrList::Func(values) => values.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A tensor in its stored form, shared, and decoded when asked.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorAttr(Arc<pb::TensorProto>);

impl TensorAttr {
    /// The stored form.
    pub fn proto(&self) -> &pb::TensorProto {
        &self.0
    }

    /// The tensor; a view of the stored bytes where that is possible.
    ///
    /// Errors: `INVALID_ARGUMENT` when the stored form contradicts itself, `RESOURCE_EXHAUSTED` when
    /// it claims more elements than can be held, `UNIMPLEMENTED` for resources and variants.
    pub fn tensor(&self) -> Result<Tensor, flowkeep_tensor::Error> {
        Tensor::try_from(&*self.0)
    }
}

impl From<pb::TensorProto> for TensorAttr {
    fn from(proto: pb::TensorProto) -> TensorAttr {
        TensorAttr(Arc::new(proto))
    }
}

/// A function, or an op, by name, with attributes to instantiate it with.
#[derive(Clone, Debug, PartialEq)]
pub struct FuncRef {
    /// The name of the function.
    pub name: Arc<str>,
    /// Its attributes.
    pub attrs: Attrs,
}

impl Attr {
    /// The name of this value's kind, such as `list(int)`; lists without elements are `list(any)`.
    pub fn kind_name(&self) -> &'static str {
        match self {
            Attr::Unset => "<no value>",
            Attr::Str(_) => "string",
            Attr::Int(_) => "int",
            Attr::Float(_) => "float",
            Attr::Bool(_) => "bool",
            Attr::Type(_) => "type",
            Attr::Shape(_) => "shape",
            Attr::Tensor(_) => "tensor",
            Attr::Func(_) => "func",
            Attr::Placeholder(_) => "placeholder",
            Attr::List(list) => match list {
                AttrList::Empty => "list(any)",
                AttrList::Str(_) => "list(string)",
                AttrList::Int(_) => "list(int)",
                AttrList::Float(_) => "list(float)",
                AttrList::Bool(_) => "list(bool)",
                AttrList::Type(_) => "list(type)",
                AttrList::Shape(_) => "list(shape)",
                AttrList::Tensor(_) => "list(tensor)",
                AttrList::Func(_) => "list(func)",
            },
            Attr::Raw(value) => wire::raw_kind_name(value),
        }
    }

    /// The string, if this is one.
    pub fn as_str(&self) -> Option<&Bytes> {
        if let Attr::Str(value) = self { Some(value) } else { None }
    }

    /// The integer, if this is one.
    pub fn as_int(&self) -> Option<i64> {
        if let Attr::Int(value) = self { Some(*value) } else { None }
    }

    /// The float, if this is one.
    pub fn as_float(&self) -> Option<f32> {
        if let Attr::Float(value) = self { Some(*value) } else { None }
    }

    /// The truth value, if this is one.
    pub fn as_bool(&self) -> Option<bool> {
        if let Attr::Bool(value) = self { Some(*value) } else { None }
    }

    /// The data type, if this is a valid one.
    pub fn as_type(&self) -> Option<DType> {
        if let Attr::Type(value) = self { Some(*value) } else { None }
    }

    /// The shape, if this is a valid one; labels of dimensions are left out.
    pub fn as_shape(&self) -> Option<PartialShape> {
        match self {
            Attr::Shape(value) => Some(value.clone()),
            Attr::Raw(value) => match &value.value {
                Some(pb::attr_value::Value::Shape(shape)) => wire::lenient_shape(shape),
                _ => None,
            },
            _ => None,
        }
    }

    /// The stored tensor, if this is one.
    pub fn as_tensor(&self) -> Option<&TensorAttr> {
        if let Attr::Tensor(value) = self { Some(value) } else { None }
    }

    /// The function, if this is one.
    pub fn as_func(&self) -> Option<&FuncRef> {
        if let Attr::Func(value) = self { Some(value) } else { None }
    }

    /// The strings, if this is a list of strings; no value and the empty list are that too.
    pub fn as_strs(&self) -> Option<&[Bytes]> {
        match self {
            Attr::List(AttrList::Str(values)) => Some(values),
            _ => self.is_empty_list().then_some(&[]),
        }
    }

    /// The integers, if this is a list of integers; no value and the empty list are that too.
    pub fn as_ints(&self) -> Option<&[i64]> {
        match self {
            Attr::List(AttrList::Int(values)) => Some(values),
            _ => self.is_empty_list().then_some(&[]),
        }
    }

    /// The floats, if this is a list of floats; no value and the empty list are that too.
    pub fn as_floats(&self) -> Option<&[f32]> {
        match self {
            Attr::List(AttrList::Float(values)) => Some(values),
            _ => self.is_empty_list().then_some(&[]),
        }
    }

    /// The truth values, if this is a list of them; no value and the empty list are that too.
    pub fn as_bools(&self) -> Option<&[bool]> {
        match self {
            Attr::List(AttrList::Bool(values)) => Some(values),
            _ => self.is_empty_list().then_some(&[]),
        }
    }

    /// The data types, if this is a list of valid types; no value and the empty list are that too.
    pub fn as_types(&self) -> Option<&[DType]> {
        match self {
            Attr::List(AttrList::Type(values)) => Some(values),
            _ => self.is_empty_list().then_some(&[]),
        }
    }

    /// The shapes, if this is a list of valid shapes (labels of dimensions are left out); no value
    /// and the empty list are that too.
    pub fn as_shapes(&self) -> Option<Vec<PartialShape>> {
        match self {
            Attr::List(AttrList::Shape(values)) => Some(values.to_vec()),
            Attr::Raw(value) => match &value.value {
                Some(pb::attr_value::Value::List(list))
                    if wire::n_kinds(list) == 1 && !list.shape.is_empty() =>
                {
                    list.shape.iter().map(wire::lenient_shape).collect()
                }
                _ => None,
            },
            _ => self.is_empty_list().then(Vec::new),
        }
    }

    /// The stored tensors, if this is a list of tensors; no value and the empty list are that too.
    pub fn as_tensors(&self) -> Option<&[TensorAttr]> {
        match self {
            Attr::List(AttrList::Tensor(values)) => Some(values),
            _ => self.is_empty_list().then_some(&[]),
        }
    }

    /// The functions, if this is a list of functions; no value and the empty list are that too.
    pub fn as_funcs(&self) -> Option<&[FuncRef]> {
        match self {
            Attr::List(AttrList::Func(values)) => Some(values),
            _ => self.is_empty_list().then_some(&[]),
        }
    }

    fn is_empty_list(&self) -> bool {
        matches!(self, Attr::Unset | Attr::List(AttrList::Empty))
    }
}
