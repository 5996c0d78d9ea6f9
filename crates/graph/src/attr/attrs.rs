use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use flowkeep_proto::pb;
use flowkeep_tensor::{DType, PartialShape, Tensor};

use super::{Attr, FuncRef, TensorAttr};
use crate::Error;

type Entry = (Arc<str>, Attr);

/// Attributes by name, sorted; shared by clones.
///
/// The typed accessors ([`Attrs::int`], [`Attrs::types`], …) give TensorFlow's errors for an
/// attribute that is absent or of another kind.
#[derive(Clone, PartialEq, Default)]
pub struct Attrs(Option<Arc<[Entry]>>);

impl Attrs {
    /// The attributes of a message.
    pub fn from_proto(map: BTreeMap<String, pb::AttrValue>) -> Attrs {
        let mut builder = AttrsBuilder::with_capacity(map.len());
        for (name, value) in map {
            builder.push_sorted(name.into(), Attr::from_proto(value));
        }
        builder.finish()
    }

    /// The attributes in the form of a message.
    pub fn to_proto(&self) -> BTreeMap<String, pb::AttrValue> {
        self.iter().map(|(name, attr)| (name.to_owned(), attr.to_proto())).collect()
    }

    /// The value of an attribute.
    pub fn get(&self, name: &str) -> Option<&Attr> {
        let entries = self.entries();
        let idx = entries.binary_search_by(|(other, _)| (**other).cmp(name)).ok()?;
        entries.get(idx).map(|(_, attr)| attr)
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Attr)> {
        self.entries().iter().map(|(name, attr)| (&**name, attr))
    }

    /// The number of attributes.
    pub fn len(&self) -> usize {
        self.entries().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries().is_empty()
    }

    /// A copy in which `name` has another value.
    pub fn with(&self, name: &str, attr: Attr) -> Attrs {
        let mut builder = AttrsBuilder::from(self);
        builder.set(name, attr);
        builder.finish()
    }

    fn entries(&self) -> &[Entry] {
        self.0.as_deref().unwrap_or_default()
    }

    fn typed<'a, T>(
        &'a self,
        name: &str,
        expected: &'static str,
        value: impl FnOnce(&'a Attr) -> Option<T>,
    ) -> Result<T, Error> {
        let attr = self.get(name).ok_or_else(|| Error::NoSuchAttr { attr: name.to_owned() })?;
        value(attr).ok_or_else(|| Error::AttrKind {
            attr: name.to_owned(),
            expected,
            got: attr.kind_name(),
        })
    }

    /// The string attribute `name`. Errors: absent, or of another kind.
    pub fn str(&self, name: &str) -> Result<&Bytes, Error> {
        self.typed(name, "string", Attr::as_str)
    }

    /// The integer attribute `name`. Errors: absent, or of another kind.
    pub fn int(&self, name: &str) -> Result<i64, Error> {
        self.typed(name, "int", Attr::as_int)
    }

    /// The float attribute `name`. Errors: absent, or of another kind.
    pub fn float(&self, name: &str) -> Result<f32, Error> {
        self.typed(name, "float", Attr::as_float)
    }

    /// The boolean attribute `name`. Errors: absent, or of another kind.
    pub fn bool(&self, name: &str) -> Result<bool, Error> {
        self.typed(name, "bool", Attr::as_bool)
    }

    /// The type attribute `name`. Errors: absent, or of another kind.
    pub fn dtype(&self, name: &str) -> Result<DType, Error> {
        self.typed(name, "type", Attr::as_type)
    }

    /// The shape attribute `name`. Errors: absent, of another kind, or an impossible shape.
    pub fn shape(&self, name: &str) -> Result<PartialShape, Error> {
        self.typed(name, "shape", Attr::as_shape)
    }

    /// The tensor attribute `name`, decoded. Errors: absent, of another kind, or as
    /// [`TensorAttr::tensor`].
    pub fn tensor(&self, name: &str) -> Result<Tensor, Error> {
        self.typed(name, "tensor", Attr::as_tensor)?.tensor().map_err(|error| Error::AttrValue {
            attr: name.to_owned(),
            code: error.code(),
            message: error.to_string(),
        })
    }

    /// The function attribute `name`. Errors: absent, or of another kind.
    pub fn func(&self, name: &str) -> Result<&FuncRef, Error> {
        self.typed(name, "func", Attr::as_func)
    }

    /// The attribute `name`, a list of strings. Errors: absent, or of another kind.
    pub fn strs(&self, name: &str) -> Result<&[Bytes], Error> {
        self.typed(name, "list(string)", Attr::as_strs)
    }

    /// The attribute `name`, a list of integers. Errors: absent, or of another kind.
    pub fn ints(&self, name: &str) -> Result<&[i64], Error> {
        self.typed(name, "list(int)", Attr::as_ints)
    }

    /// The attribute `name`, a list of floats. Errors: absent, or of another kind.
    pub fn floats(&self, name: &str) -> Result<&[f32], Error> {
        self.typed(name, "list(float)", Attr::as_floats)
    }

    /// The attribute `name`, a list of truth values. Errors: absent, or of another kind.
    pub fn bools(&self, name: &str) -> Result<&[bool], Error> {
        self.typed(name, "list(bool)", Attr::as_bools)
    }

    /// The attribute `name`, a list of types. Errors: absent, or of another kind.
    pub fn types(&self, name: &str) -> Result<&[DType], Error> {
        self.typed(name, "list(type)", Attr::as_types)
    }

    /// The attribute `name`, a list of shapes. Errors: absent, of another kind, or an impossible shape.
    pub fn shapes(&self, name: &str) -> Result<Vec<PartialShape>, Error> {
        self.typed(name, "list(shape)", Attr::as_shapes)
    }

    /// The attribute `name`, a list of tensors. Errors: absent, or of another kind.
    pub fn tensors(&self, name: &str) -> Result<&[TensorAttr], Error> {
        self.typed(name, "list(tensor)", Attr::as_tensors)
    }

    /// The attribute `name`, a list of functions. Errors: absent, or of another kind.
    pub fn funcs(&self, name: &str) -> Result<&[FuncRef], Error> {
        self.typed(name, "list(func)", Attr::as_funcs)
    }
}

impl fmt::Debug for Attrs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<N: Into<Arc<str>>> FromIterator<(N, Attr)> for Attrs {
    /// Collects attributes in any order; of two with one name the last counts.
    fn from_iter<I: IntoIterator<Item = (N, Attr)>>(entries: I) -> Attrs {
        let mut builder = AttrsBuilder::default();
        for (name, attr) in entries {
            builder.set(name, attr);
        }
        builder.finish()
    }
}

/// Attributes being put together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AttrsBuilder(Vec<Entry>);

impl AttrsBuilder {
    /// A builder with room for `n` attributes.
    pub fn with_capacity(n: usize) -> AttrsBuilder {
        AttrsBuilder(Vec::with_capacity(n))
    }

    /// The value that an attribute has so far.
    pub fn get(&self, name: &str) -> Option<&Attr> {
        let idx = self.position(name).ok()?;
        self.0.get(idx).map(|(_, attr)| attr)
    }

    /// Gives an attribute a value, instead of the one it may have.
    pub fn set(&mut self, name: impl Into<Arc<str>>, attr: Attr) {
        let name = name.into();
        match self.position(&name) {
            Ok(idx) => {
                if let Some(entry) = self.0.get_mut(idx) {
                    entry.1 = attr;
                }
            }
            Err(idx) => self.0.insert(idx, (name, attr)),
        }
    }

    /// Forgets an attribute; gives the value that it had.
    pub fn remove(&mut self, name: &str) -> Option<Attr> {
        let idx = self.position(name).ok()?;
        Some(self.0.remove(idx).1)
    }

    /// The attributes.
    pub fn finish(self) -> Attrs {
        Attrs((!self.0.is_empty()).then(|| self.0.into()))
    }

    /// The attributes, which are no longer in the builder; its memory stays. If `known` are the same, they are
    /// shared with these.
    pub(crate) fn take(&mut self, known: Option<&Attrs>) -> Attrs {
        if let Some(known) = known.filter(|known| self.is_plainly(known)) {
            self.0.clear();
            return known.clone();
        }
        Attrs((!self.0.is_empty()).then(|| self.0.drain(..).collect()))
    }

    /// Whether these are the same as others, bit by bit, as far as that is told at little cost.
    fn is_plainly(&self, others: &Attrs) -> bool {
        let others = others.entries();
        self.0.len() == others.len()
            && self.0.iter().zip(others).all(|((name, attr), (other_name, other))| {
                *name == *other_name && attr.is_plainly(other)
            })
    }

    /// Forgets all attributes.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds an attribute whose name sorts behind all others.
    pub(crate) fn push_sorted(&mut self, name: Arc<str>, attr: Attr) {
        debug_assert!(self.0.last().is_none_or(|(last, _)| *last < name));
        self.0.push((name, attr));
    }

    fn position(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| (**other).cmp(name))
    }
}

impl IntoIterator for AttrsBuilder {
    type Item = (Arc<str>, Attr);
    type IntoIter = std::vec::IntoIter<(Arc<str>, Attr)>;

    /// Names and values, sorted by name.
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl From<&Attrs> for AttrsBuilder {
    fn from(attrs: &Attrs) -> AttrsBuilder {
        AttrsBuilder(attrs.entries().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_found_by_name_whatever_the_order() {
        let attrs: Attrs =
            [("b", Attr::Int(2)), ("a", Attr::Int(1)), ("b", Attr::Int(3))].into_iter().collect();
        assert_eq!(attrs.len(), 2);
        assert_eq!(attrs.int("a").unwrap(), 1);
        assert_eq!(attrs.int("b").unwrap(), 3);
        assert_eq!(
            attrs.with("c", Attr::Bool(true)).iter().map(|(name, _)| name).collect::<String>(),
            "abc"
        );
    }

    #[test]
    fn attributes_are_shared_with_those_that_are_the_same_to_the_bit() {
        let known: Attrs = [("a", Attr::Float(0.0)), ("b", Attr::Int(1))].into_iter().collect();
        let take = |entries: [(&str, Attr); 2]| {
            let mut builder = AttrsBuilder::default();
            entries.into_iter().for_each(|(name, attr)| builder.set(name, attr));
            let attrs = builder.take(Some(&known));
            assert_eq!(builder, AttrsBuilder::default());
            let is_shared = std::ptr::eq(attrs.entries(), known.entries());
            (attrs, is_shared)
        };
        assert!(take([("a", Attr::Float(0.0)), ("b", Attr::Int(1))]).1);
        for (a, b) in [(Attr::Float(-0.0), Attr::Int(1)), (Attr::Float(0.0), Attr::Int(2))] {
            let (attrs, is_shared) = take([("a", a.clone()), ("b", b.clone())]);
            assert!(!is_shared);
            assert_eq!((attrs.get("a"), attrs.get("b")), (Some(&a), Some(&b)));
        }
        assert!(!take([("a", Attr::Float(0.0)), ("c", Attr::Int(1))]).1);
    }

    #[test]
    fn absent_and_mistyped_attributes_say_so() {
        let attrs: Attrs = [("a", Attr::Int(1))].into_iter().collect();
        assert_eq!(attrs.int("b").unwrap_err().code(), flowkeep_tensor::Code::NotFound);
        assert_eq!(
            attrs.dtype("a").unwrap_err().to_string(),
            "AttrValue had value with type 'int' when 'type' expected\n\t for attr 'a'"
        );
    }

    #[test]
    fn a_list_without_value_is_empty() {
        let attrs: Attrs = [("a", Attr::Unset)].into_iter().collect();
        assert_eq!(attrs.ints("a").unwrap(), &[] as &[i64]);
        assert!(attrs.shapes("a").unwrap().is_empty());
        assert!(attrs.int("a").is_err());
    }
}
