//! Nodes and tensors by name, for those who take names from a user.

use crate::{Error, Graph, Node, NodeId, Output, TensorName};

mod edits;
mod meant;

pub use edits::{edit_distance, mistyped};

/// A node or a tensor of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Element {
    /// A node.
    Node(NodeId),
    /// A tensor.
    Output(Output),
}

impl Element {
    /// The node, or the node whose output the tensor is.
    pub fn node(self) -> NodeId {
        match self {
            Element::Node(node) => node,
            Element::Output(output) => output.node,
        }
    }

    /// The tensor, if this is one.
    pub fn output(self) -> Option<Output> {
        if let Element::Output(output) = self { Some(output) } else { None }
    }
}

impl Graph {
    /// The tensor that a name names; `x` is the same as `x:0`, as in feeds and fetches of a session.
    ///
    /// Errors, with TensorFlow's texts: `INVALID_ARGUMENT` for a malformed name; `NOT_FOUND` when
    /// there is no such node, or it does not have the output. Any output of an unknown op is found.
    pub fn output(&self, name: &str) -> Result<Output, Error> {
        let TensorName { node, index } = name.parse()?;
        let missing = |why: String| {
            Error::NoSuchElement(format!(
                "The name '{name}' refers to a Tensor which does not exist. {why}"
            ))
        };
        let id = self.node_by_name(&node).ok_or_else(|| {
            missing(format!("The operation, '{node}', does not exist in the graph."))
        })?;
        match self.get(id).and_then(Node::n_outputs) {
            Some(n_outputs) if usize::try_from(index).is_ok_and(|index| index >= n_outputs) => {
                Err(missing(format!(
                    "The operation, '{node}', exists but only has {n_outputs} outputs."
                )))
            }
            _ => Ok(Output { node: id, index }),
        }
    }

    /// The node that a name names.
    ///
    /// Errors, with TensorFlow's texts: `INVALID_ARGUMENT` for the name of a tensor; `NOT_FOUND`
    /// when there is no such node.
    pub fn get_operation_by_name(&self, name: &str) -> Result<NodeId, Error> {
        if name.contains(':') {
            let name = quoted(name);
            return Err(Error::BadName(format!(
                "Name {name} appears to refer to a Tensor, not a Operation."
            )));
        }
        self.node_by_name(name).ok_or_else(|| {
            let name = quoted(name);
            Error::NoSuchElement(format!(
                "The name {name} refers to an Operation not in the graph."
            ))
        })
    }

    /// The tensor that a name `node:index` names; unlike [`Graph::output`] it takes no less.
    ///
    /// As in Python the index may be signed, and count from the last output backwards.
    ///
    /// Errors, with TensorFlow's texts: `INVALID_ARGUMENT` for a malformed name and the name of a
    /// node; `NOT_FOUND` when there is no such node, or it does not have the output.
    pub fn get_tensor_by_name(&self, name: &str) -> Result<Output, Error> {
        let quoted_name = quoted(name);
        let form = "Tensor names must be of the form \"<op_name>:<output_index>\".";
        let mut parts = name.split(':');
        let node = parts.next().unwrap_or_default();
        let Some(index) = parts.next() else {
            let what = match self.node_by_name(name) {
                Some(_) => "refers to an Operation, not a Tensor",
                None => "looks like an (invalid) Operation name, not a Tensor",
            };
            return Err(Error::BadName(format!("The name {quoted_name} {what}. {form}")));
        };
        let index = PythonInt::parse(index).filter(|_| parts.next().is_none()).ok_or_else(|| {
            Error::BadName(format!(
                "The name {quoted_name} looks a like a Tensor name, but is not a valid one. {form}"
            ))
        })?;
        let missing = |why: String| {
            Error::NoSuchElement(format!(
                "The name {quoted_name} refers to a Tensor which does not exist. The operation, {}, {why}",
                quoted(node)
            ))
        };
        let id = self
            .node_by_name(node)
            .ok_or_else(|| missing("does not exist in the graph.".to_owned()))?;
        let n_outputs = self.get(id).and_then(Node::n_outputs);
        let found = index.of(n_outputs).map(|index| id.output(index));
        found.ok_or_else(|| {
            missing(format!("exists but only has {} outputs.", n_outputs.unwrap_or_default()))
        })
    }

    /// The node or the tensor that a name names: with a colon it is a tensor's.
    ///
    /// Errors: as [`Graph::get_tensor_by_name`] and [`Graph::get_operation_by_name`].
    pub fn as_graph_element(&self, name: &str) -> Result<Element, Error> {
        if name.contains(':') {
            self.get_tensor_by_name(name).map(Element::Output)
        } else {
            self.get_operation_by_name(name).map(Element::Node)
        }
    }
}

/// A number as Python's `int` reads it from a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PythonInt {
    is_negative: bool,
    /// Far too big ones are all the same.
    magnitude: u32,
}

impl PythonInt {
    fn parse(text: &str) -> Option<PythonInt> {
        let text = text.trim();
        let (is_negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let is_group =
            |group: &str| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit());
        if !digits.split('_').all(is_group) {
            return None;
        }
        let digits = digits.replace('_', "");
        Some(PythonInt { is_negative, magnitude: digits.parse().unwrap_or(u32::MAX) })
    }

    /// The output that is meant among so many; of an unknown op all are there, but none is the last.
    fn of(self, n_outputs: Option<usize>) -> Option<u32> {
        let magnitude = usize::try_from(self.magnitude).ok()?;
        match (n_outputs, self.is_negative && magnitude > 0) {
            (Some(n), false) => (magnitude < n).then_some(self.magnitude),
            (Some(n), true) => u32::try_from(n.checked_sub(magnitude)?).ok(),
            (None, is_negative) => (!is_negative).then_some(self.magnitude),
        }
    }
}

/// The name in quotes, as Python writes strings.
fn quoted(name: &str) -> String {
    let quote = if name.contains('\'') && !name.contains('"') { '"' } else { '\'' };
    let mut text = String::with_capacity(name.len() + 2);
    text.push(quote);
    for letter in name.chars() {
        match letter {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            _ if letter == quote => text.extend(['\\', letter]),
            _ if letter.is_control() => text.push_str(&format!("\\x{:02x}", u32::from(letter))),
            _ => text.push(letter),
        }
    }
    text.push(quote);
    text
}
