use std::collections::{BTreeMap, HashMap};

use flowkeep_tensor::{DType, PartialShape, Tensor};

use crate::{Attr, Error, Node};

/// Where the values of variables come from: a checkpoint, a session, a map.
pub trait VariableValues {
    /// The value of a variable; `None` if there is none.
    ///
    /// Errors: whatever keeps the value from being read, as [`Error::Outside`].
    fn value(&self, variable: &VariableInfo<'_>) -> Result<Option<Tensor>, Error>;
}

/// A variable whose value is asked for.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct VariableInfo<'a> {
    /// The node's name.
    pub name: &'a str,
    /// The name that it shares its state by, which is what savers call it: the attribute
    /// `shared_name`, or the node's name where that is empty.
    pub shared_name: &'a str,
    /// The container that its state is in; empty for the default one.
    pub container: &'a str,
    /// The type of its elements.
    pub dtype: DType,
    /// Whether it is a resource variable, not a reference variable.
    pub is_resource: bool,
    /// The node.
    pub node: &'a Node,
}

impl<'a> VariableInfo<'a> {
    /// What a node says of the variable that it is; `None` for nodes that are none.
    pub fn of(node: &'a Node) -> Option<VariableInfo<'a>> {
        let is_resource = match node.op() {
            "VarHandleOp" => true,
            "Variable" | "VariableV2" => false,
            _ => return None,
        };
        let text = |attr: &str| {
            let text = node.attr(attr).and_then(Attr::as_str);
            text.and_then(|text| std::str::from_utf8(text).ok()).filter(|text| !text.is_empty())
        };
        Some(VariableInfo {
            name: node.name(),
            shared_name: text("shared_name").unwrap_or(node.name()),
            container: text("container").unwrap_or_default(),
            dtype: node.attrs().dtype("dtype").ok()?,
            is_resource,
            node,
        })
    }

    /// Its shape as far as it is known.
    pub fn shape(&self) -> PartialShape {
        self.node.attr("shape").and_then(Attr::as_shape).unwrap_or_else(PartialShape::unknown)
    }
}

/// Values by the name of the node or, failing that, the name that its state is shared by.
impl VariableValues for HashMap<String, Tensor> {
    fn value(&self, variable: &VariableInfo<'_>) -> Result<Option<Tensor>, Error> {
        Ok(self.get(variable.name).or_else(|| self.get(variable.shared_name)).cloned())
    }
}

/// Values by the name of the node or, failing that, the name that its state is shared by.
impl VariableValues for BTreeMap<String, Tensor> {
    fn value(&self, variable: &VariableInfo<'_>) -> Result<Option<Tensor>, Error> {
        Ok(self.get(variable.name).or_else(|| self.get(variable.shared_name)).cloned())
    }
}
