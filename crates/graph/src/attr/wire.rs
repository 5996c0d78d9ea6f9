//! Attributes from and to their messages.

use std::sync::Arc;

use bytes::Bytes;
use flowkeep_proto::pb;
use flowkeep_proto::pb::attr_value::{ListValue, Value};
use flowkeep_tensor::{DType, PartialShape, REF_OFFSET};

use super::{Attr, AttrList, Attrs, FuncRef, TensorAttr};

impl Attr {
    /// The value of a message.
    pub fn from_proto(proto: pb::AttrValue) -> Attr {
        let Some(value) = proto.value else { return Attr::Unset };
        let raw = |value| Attr::Raw(Arc::new(pb::AttrValue { value: Some(value) }));
        match value {
            Value::S(value) => Attr::Str(value),
            Value::I(value) => Attr::Int(value),
            Value::F(value) => Attr::Float(value),
            Value::B(value) => Attr::Bool(value),
            Value::Type(number) => {
                value_type(number).map_or_else(|| raw(Value::Type(number)), Attr::Type)
            }
            Value::Shape(shape) => {
                exact_shape(&shape).map_or_else(|| raw(Value::Shape(shape)), Attr::Shape)
            }
            Value::Tensor(tensor) => Attr::Tensor((*tensor).into()),
            Value::Placeholder(name) => Attr::Placeholder(name.into()),
            Value::Func(func) => Attr::Func(Arc::new(FuncRef::from_proto(func))),
            Value::List(list) => list_from_proto(*list),
        }
    }

    /// The value in the form of a message.
    pub fn to_proto(&self) -> pb::AttrValue {
        let value = match self {
            Attr::Unset => return pb::AttrValue { value: None },
            Attr::Raw(proto) => return (**proto).clone(),
            Attr::Str(value) => Value::S(value.clone()),
            Attr::Int(value) => Value::I(*value),
            Attr::Float(value) => Value::F(*value),
            Attr::Bool(value) => Value::B(*value),
            Attr::Type(dtype) => Value::Type(dtype.number()),
            Attr::Shape(shape) => Value::Shape(shape.to_proto()),
            Attr::Tensor(tensor) => Value::Tensor(tensor.proto().clone().into()),
            Attr::Placeholder(name) => Value::Placeholder(name.to_string()),
            Attr::Func(func) => Value::Func(func.to_proto()),
            Attr::List(list) => Value::List(list_to_proto(list).into()),
        };
        pb::AttrValue { value: Some(value) }
    }
}

impl FuncRef {
    /// The reference of a message.
    pub fn from_proto(proto: pb::NameAttrList) -> FuncRef {
        FuncRef { name: proto.name.into(), attrs: Attrs::from_proto(proto.attr) }
    }

    /// The reference in the form of a message.
    pub fn to_proto(&self) -> pb::NameAttrList {
        pb::NameAttrList { name: self.name.to_string(), attr: self.attrs.to_proto() }
    }
}

/// The list; raw when it has several kinds, or elements that are not valid.
fn list_from_proto(list: ListValue) -> Attr {
    let raw =
        |list| Attr::Raw(Arc::new(pb::AttrValue { value: Some(Value::List(Box::new(list))) }));
    let list = match n_kinds(&list) {
        0 => AttrList::Empty,
        1 if !list.s.is_empty() => AttrList::Str(list.s.into_iter().map(Bytes::from).collect()),
        1 if !list.i.is_empty() => AttrList::Int(list.i.into()),
        1 if !list.f.is_empty() => AttrList::Float(list.f.into()),
        1 if !list.b.is_empty() => AttrList::Bool(list.b.into()),
        1 if !list.tensor.is_empty() => {
            AttrList::Tensor(list.tensor.into_iter().map(TensorAttr::from).collect())
        }
        1 if !list.func.is_empty() => {
            AttrList::Func(list.func.into_iter().map(FuncRef::from_proto).collect())
        }
        1 if !list.r#type.is_empty() => {
            match list.r#type.iter().map(|number| value_type(*number)).collect() {
                Some(types) => AttrList::Type(types),
                None => return raw(list),
            }
        }
        1 => match list.shape.iter().map(exact_shape).collect() {
            Some(shapes) => AttrList::Shape(shapes),
            None => return raw(list),
        },
        _ => return raw(list),
    };
    Attr::List(list)
}

fn list_to_proto(list: &AttrList) -> ListValue {
    let mut proto = ListValue::default();
    match list {
        AttrList::Empty => {}
        AttrList::Str(values) => proto.s = values.iter().map(|value| value.to_vec()).collect(),
        AttrList::Int(values) => proto.i = values.to_vec(),
        AttrList::Float(values) => proto.f = values.to_vec(),
        AttrList::Bool(values) => proto.b = values.to_vec(),
        AttrList::Type(values) => {
            proto.r#type = values.iter().map(|dtype| dtype.number()).collect()
        }
        AttrList::Shape(values) => {
            proto.shape = values.iter().map(PartialShape::to_proto).collect()
        }
        AttrList::Tensor(values) => {
            proto.tensor = values.iter().map(|tensor| tensor.proto().clone()).collect()
        }
        AttrList::Func(values) => proto.func = values.iter().map(FuncRef::to_proto).collect(),
    }
    proto
}

/// How many kinds of elements a list has.
pub(crate) fn n_kinds(list: &ListValue) -> usize {
    [
        list.s.is_empty(),
        list.i.is_empty(),
        list.f.is_empty(),
        list.b.is_empty(),
        list.r#type.is_empty(),
        list.shape.is_empty(),
        list.tensor.is_empty(),
        list.func.is_empty(),
    ]
    .into_iter()
    .filter(|is_empty| !is_empty)
    .count()
}

/// The name of the kind of a value that no checked variant holds. Of a list of several kinds it is
/// the one that TensorFlow looks at first.
pub(super) fn raw_kind_name(proto: &pb::AttrValue) -> &'static str {
    match &proto.value {
        Some(Value::Type(_)) => "type",
        Some(Value::Shape(_)) => "shape",
        Some(Value::List(list)) => match list {
            list if !list.s.is_empty() => "list(string)",
            list if !list.i.is_empty() => "list(int)",
            list if !list.f.is_empty() => "list(float)",
            list if !list.b.is_empty() => "list(bool)",
            list if !list.r#type.is_empty() => "list(type)",
            list if !list.shape.is_empty() => "list(shape)",
            list if !list.tensor.is_empty() => "list(tensor)",
            _ => "list(func)",
        },
        _ => "<no value>",
    }
}

/// The data type, unless the number is that of a reference type or of none.
fn value_type(number: i32) -> Option<DType> {
    DType::from_number(number).ok().filter(|_| number < REF_OFFSET)
}

/// The shape, if it holds everything the message says.
fn exact_shape(proto: &pb::TensorShapeProto) -> Option<PartialShape> {
    let has_labels = proto.dim.iter().any(|dim| !dim.name.is_empty());
    if has_labels { None } else { lenient_shape(proto) }
}

/// The shape without labels, if it is a possible one.
pub(super) fn lenient_shape(proto: &pb::TensorShapeProto) -> Option<PartialShape> {
    if proto.unknown_rank && !proto.dim.is_empty() {
        return None;
    }
    PartialShape::from_proto(proto).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(sizes: &[i64], label: &str, unknown_rank: bool) -> pb::TensorShapeProto {
        let dim = |size: &i64| pb::tensor_shape_proto::Dim { size: *size, name: label.to_owned() };
        pb::TensorShapeProto { dim: sizes.iter().map(dim).collect(), unknown_rank }
    }

    fn values() -> Vec<Value> {
        let tensor = pb::TensorProto { dtype: 1, float_val: vec![1.5], ..Default::default() };
        let inner = [("T".to_owned(), pb::AttrValue { value: Some(Value::Type(101)) })];
        let func = pb::NameAttrList { name: "f".into(), attr: inner.into_iter().collect() };
        vec![
            Value::S(Bytes::from_static(b"\xff\0")),
            Value::I(i64::MIN),
            Value::F(-0.0),
            Value::B(false),
            Value::Type(1),
            Value::Type(0),
            Value::Type(101),
            Value::Type(-7),
            Value::Shape(shape(&[-1, 0, 3], "", false)),
            Value::Shape(shape(&[2], "batch", false)),
            Value::Shape(shape(&[-2], "", false)),
            Value::Shape(shape(&[], "", true)),
            Value::Shape(shape(&[2], "", true)),
            Value::Tensor(tensor.clone().into()),
            Value::Placeholder("T".into()),
            Value::Func(func.clone()),
            Value::List(Box::default()),
            Value::List(ListValue { s: vec![b"a".to_vec(), vec![]], ..Default::default() }.into()),
            Value::List(ListValue { i: vec![1, 2], ..Default::default() }.into()),
            Value::List(ListValue { f: vec![0.5], ..Default::default() }.into()),
            Value::List(ListValue { b: vec![true, false], ..Default::default() }.into()),
            Value::List(ListValue { r#type: vec![1, 3], ..Default::default() }.into()),
            Value::List(ListValue { r#type: vec![1, 103], ..Default::default() }.into()),
            Value::List(
                ListValue {
                    shape: vec![shape(&[], "", true), shape(&[1], "", false)],
                    ..Default::default()
                }
                .into(),
            ),
            Value::List(
                ListValue { shape: vec![shape(&[1], "x", false)], ..Default::default() }.into(),
            ),
            Value::List(ListValue { tensor: vec![tensor], ..Default::default() }.into()),
            Value::List(ListValue { func: vec![func], ..Default::default() }.into()),
            Value::List(ListValue { i: vec![1], b: vec![true], ..Default::default() }.into()),
        ]
    }

    #[test]
    fn every_message_survives_the_round_trip() {
        assert_eq!(
            Attr::from_proto(pb::AttrValue { value: None }).to_proto(),
            pb::AttrValue { value: None }
        );
        for value in values() {
            let proto = pb::AttrValue { value: Some(value) };
            assert_eq!(Attr::from_proto(proto.clone()).to_proto(), proto);
        }
    }

    #[test]
    fn labelled_shapes_can_be_read() {
        let labelled = Attr::from_proto(pb::AttrValue {
            value: Some(Value::Shape(shape(&[2, -1], "batch", false))),
        });
        assert_eq!(labelled.as_shape().unwrap(), PartialShape::new(vec![Some(2), None]));
        let list = ListValue { shape: vec![shape(&[1], "x", false)], ..Default::default() };
        let list = Attr::from_proto(pb::AttrValue { value: Some(Value::List(list.into())) });
        assert_eq!(list.as_shapes().unwrap(), vec![PartialShape::new(vec![Some(1)])]);
    }

    #[test]
    fn impossible_types_and_shapes_are_no_values() {
        for value in [Value::Type(0), Value::Type(101), Value::Shape(shape(&[-2], "", false))] {
            let attr = Attr::from_proto(pb::AttrValue { value: Some(value) });
            assert_eq!(attr.as_type(), None);
            assert_eq!(attr.as_shape(), None);
        }
    }
}
