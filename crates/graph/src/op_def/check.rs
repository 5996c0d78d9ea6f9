//! Attributes of a node against the definition of its op.

use std::collections::BTreeMap;
use std::sync::Arc;

use flowkeep_proto::pb;
use flowkeep_proto::pb::attr_value::Value;
use flowkeep_tensor::{DType, REF_OFFSET};

use super::{AttrDef, ElementKind, OpDef};
use crate::attr::AttrsBuilder;
use crate::{Attr, AttrList, Attrs, Error};

impl OpDef {
    /// The attributes of a node, checked, with the defaults of those it does not set.
    ///
    /// Attributes that the definition does not declare are kept as they are; so is one that stands
    /// for an attribute of the enclosing function.
    ///
    /// Errors: `INVALID_ARGUMENT` for values of another kind, below the minimum or not among the
    /// allowed ones, and for attributes that must be set and are not.
    pub fn complete_attrs<N>(
        &self,
        node: &str,
        attrs: impl IntoIterator<Item = (N, Attr)>,
    ) -> Result<Attrs, Error>
    where
        N: AsRef<str> + Into<Arc<str>>,
    {
        let sorted: BTreeMap<Arc<str>, Attr> =
            attrs.into_iter().map(|(name, attr)| (name.into(), attr)).collect();
        self.complete_sorted_attrs(node, sorted, &mut AttrsBuilder::default(), None)
    }

    /// As [`OpDef::complete_attrs`], of attributes that are sorted by name and there once each, in a
    /// builder whose memory is used again.
    pub(crate) fn complete_sorted_attrs<N>(
        &self,
        node: &str,
        attrs: impl IntoIterator<Item = (N, Attr)>,
        builder: &mut AttrsBuilder,
        known: Option<&Attrs>,
    ) -> Result<Attrs, Error>
    where
        N: AsRef<str> + Into<Arc<str>>,
    {
        builder.clear();
        let mut is_complete = true;
        let mut fill_in = |def: &AttrDef, builder: &mut AttrsBuilder| match &def.default {
            Some(default) => builder.push_sorted(def.name.clone(), default.clone()),
            None => is_complete = false,
        };
        let mut defs =
            self.by_name.iter().filter_map(|idx| self.attrs.get(usize::from(*idx))).peekable();
        for (name, attr) in attrs {
            while let Some(def) = defs.next_if(|def| *def.name < *name.as_ref()) {
                fill_in(def, builder);
            }
            match defs.next_if(|def| *def.name == *name.as_ref()) {
                Some(def) => {
                    def.check(&attr)
                        .map_err(|what| self.mismatch(node, &format!("{what}\n\t; "), true))?;
                    builder.push_sorted(def.name.clone(), attr);
                }
                None => builder.push_sorted(name.into(), attr),
            }
        }
        defs.for_each(|def| fill_in(def, builder));
        let attrs = builder.take(known);
        if is_complete {
            return Ok(attrs);
        }
        let missing = self.attrs.iter().filter(|def| attrs.get(&def.name).is_none());
        let missing: Vec<String> = missing.map(|def| format!("'{}'", def.name)).collect();
        let plural = if missing.len() == 1 { "" } else { "s" };
        let what = format!("NodeDef missing attr{plural} {} from ", missing.join(", "));
        Err(self.mismatch(node, &what, false))
    }

    /// The error for a node that does not have the number of data inputs that `ports` lists.
    pub(crate) fn arity_error(
        &self,
        node: &str,
        expected: &[super::PortType],
        n_inputs: usize,
    ) -> Error {
        let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
        let what = format!(
            "NodeDef expected inputs '{}' do not match {n_inputs} inputs specified; ",
            expected.join(", ")
        );
        self.mismatch(node, &what, false)
    }

    fn mismatch(&self, node: &str, what: &str, node_first: bool) -> Error {
        let message = if node_first {
            format!("{what}NodeDef: {{{{node {node}}}}}; {self}")
        } else {
            format!("{what}{self}; NodeDef: {{{{node {node}}}}}")
        };
        Error::NodeDef { node: node.to_owned(), message }
    }
}

impl AttrDef {
    /// Says what is wrong with a value for this attribute.
    fn check(&self, attr: &Attr) -> Result<(), String> {
        if matches!(attr, Attr::Placeholder(_)) {
            return Ok(());
        }
        self.check_kind(attr).map_err(|what| format!("{what}\n\t for attr '{}'", self.name))?;
        self.check_minimum(attr)?;
        self.check_allowed(attr)
    }

    fn check_kind(&self, attr: &Attr) -> Result<(), String> {
        let expected = self.kind.name();
        match attr {
            Attr::Unset | Attr::List(AttrList::Empty) if self.kind.is_list => return Ok(()),
            Attr::Unset => {
                return Err(format!("AttrValue missing value with expected type '{expected}'"));
            }
            _ => {}
        }
        if attr.kind_name() != expected {
            return Err(format!(
                "AttrValue had value with type '{}' when '{expected}' expected",
                attr.kind_name()
            ));
        }
        match attr {
            Attr::Raw(proto) if self.kind.element == ElementKind::Type => check_raw_types(proto),
            _ => Ok(()),
        }
    }

    fn check_minimum(&self, attr: &Attr) -> Result<(), String> {
        let Some(minimum) = self.minimum else { return Ok(()) };
        let (what, value) = match attr {
            Attr::Int(value) => ("Value", *value),
            Attr::Unset => ("Length", 0),
            Attr::List(list) => ("Length", i64::try_from(list.len()).unwrap_or(i64::MAX)),
            _ => return Ok(()),
        };
        if value < minimum {
            return Err(format!(
                "{what} for attr '{}' of {value} must be at least minimum {minimum}",
                self.name
            ));
        }
        Ok(())
    }

    fn check_allowed(&self, attr: &Attr) -> Result<(), String> {
        let refused = match (&self.allowed, attr) {
            (Some(allowed), Attr::Type(dtype)) => refused_type(allowed, &[*dtype]),
            (Some(allowed), Attr::List(AttrList::Type(dtypes))) => refused_type(allowed, dtypes),
            (Some(allowed), Attr::Str(value)) => refused_str(allowed, std::slice::from_ref(value)),
            (Some(allowed), Attr::List(AttrList::Str(values))) => refused_str(allowed, values),
            _ => None,
        };
        match refused {
            None => Ok(()),
            Some((value, allowed)) => Err(format!(
                "Value for attr '{}' of {value} is not in the list of allowed values: {allowed}",
                self.name
            )),
        }
    }
}

/// The first type that is not allowed, and those that are.
fn refused_type(allowed: &Attr, dtypes: &[DType]) -> Option<(String, String)> {
    let allowed = allowed.as_types().unwrap_or_default();
    let refused = dtypes.iter().find(|dtype| !allowed.contains(dtype))?;
    let names: Vec<&str> = allowed.iter().map(|dtype| dtype.name()).collect();
    Some((refused.name().to_owned(), names.join(", ")))
}

/// The first string that is not allowed, and those that are.
fn refused_str(allowed: &Attr, values: &[bytes::Bytes]) -> Option<(String, String)> {
    let allowed = allowed.as_strs().unwrap_or_default();
    let quoted = |value: &bytes::Bytes| format!("\"{}\"", String::from_utf8_lossy(value));
    let refused = values.iter().find(|value| !allowed.contains(value))?;
    Some((quoted(refused), allowed.iter().map(quoted).collect::<Vec<_>>().join(", ")))
}

/// Says which of the types in a raw value is none that an attribute may have.
fn check_raw_types(proto: &pb::AttrValue) -> Result<(), String> {
    let (verb, numbers) = match &proto.value {
        Some(Value::Type(number)) => ("has", std::slice::from_ref(number)),
        Some(Value::List(list)) => ("contains", list.r#type.as_slice()),
        _ => return Ok(()),
    };
    for number in numbers {
        match DType::from_number(*number) {
            Ok(dtype) if *number > REF_OFFSET => {
                return Err(format!("AttrValue must not have reference type value of {dtype}_ref"));
            }
            Ok(_) => {}
            Err(_) if *number == 0 => return Err(format!("AttrValue {verb} invalid DataType")),
            Err(_) => return Err(format!("AttrValue {verb} invalid DataType enum: {number}")),
        }
    }
    Ok(())
}
