//! Names of nodes and tensors, and the strings that name inputs.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// The name of a tensor: a node and one of its outputs.
///
/// Written `node:index`; on input `node` alone means its output 0.
///
/// ```
/// use flowkeep_graph::TensorName;
///
/// let name: TensorName = "dense/BiasAdd".parse()?;
/// assert_eq!(name.to_string(), "dense/BiasAdd:0");
/// # Ok::<(), flowkeep_graph::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TensorName {
    /// The node.
    pub node: String,
    /// Which of its outputs.
    pub index: u32,
}

impl FromStr for TensorName {
    type Err = Error;

    /// Parses `node` or `node:index`.
    ///
    /// Errors: `INVALID_ARGUMENT` when the part after the colon is not an index, or the node is empty.
    fn from_str(text: &str) -> Result<TensorName, Error> {
        let (node, index) = match text.split_once(':') {
            None => (text, Some(0)),
            Some((node, digits)) => (node, parse_index(digits)),
        };
        match index {
            Some(index) if !node.is_empty() => Ok(TensorName { node: node.to_owned(), index }),
            _ => Err(Error::BadName(format!(
                "The name '{text}' looks a like a Tensor name, but is not a valid one. \
                 Tensor names must be of the form \"<op_name>:<output_index>\"."
            ))),
        }
    }
}

impl fmt::Display for TensorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.node, self.index)
    }
}

/// An input of a node as a GraphDef writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputRef<'a> {
    /// An output of a node: `node` (output 0) or `node:index`.
    Data {
        /// The node.
        node: &'a str,
        /// Which of its outputs.
        index: u32,
    },
    /// A node that must run before: `^node`.
    Control(&'a str),
}

impl<'a> InputRef<'a> {
    /// Reads an input string. Every string is one: what is no index belongs to the node's name.
    pub fn parse(input: &'a str) -> InputRef<'a> {
        if let Some(node) = input.strip_prefix('^') {
            return InputRef::Control(node);
        }
        if let Some((node, digits)) = input.rsplit_once(':')
            && !digits.is_empty()
            && digits.bytes().all(|byte| byte.is_ascii_digit())
        {
            // An index beyond 32 bits names no output either way.
            return InputRef::Data { node, index: digits.parse().unwrap_or(u32::MAX) };
        }
        InputRef::Data { node: input, index: 0 }
    }

    /// The node that is named.
    pub fn node(&self) -> &'a str {
        match self {
            InputRef::Data { node, .. } | InputRef::Control(node) => node,
        }
    }
}

/// The input's string, without `:0`.
impl fmt::Display for InputRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InputRef::Data { node, index: 0 } => f.write_str(node),
            InputRef::Data { node, index } => write!(f, "{node}:{index}"),
            InputRef::Control(node) => write!(f, "^{node}"),
        }
    }
}

/// Whether an importer takes `name` as the name of a node.
///
/// Segments parted by `>`, each a letter, digit or dot followed by those and `_`, `-`, `/`. A
/// backslash, which Python's graph builder lets pass, is not among them.
pub fn is_valid_node_name(name: &str) -> bool {
    let mut is_first = true;
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' => is_first = false,
            _ if is_first => return false,
            b'_' | b'-' | b'/' => {}
            b'>' => is_first = true,
            _ => return false,
        }
    }
    !is_first
}

/// An index without sign or superfluous characters.
fn parse_index(digits: &str) -> Option<u32> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensor_names_parse_and_print() {
        for (text, node, index) in [("x", "x", 0), ("x:0", "x", 0), ("a/b:12", "a/b", 12)] {
            let name: TensorName = text.parse().unwrap();
            assert_eq!((name.node.as_str(), name.index), (node, index), "{text}");
        }
        assert_eq!(TensorName { node: "x".into(), index: 3 }.to_string(), "x:3");
    }

    #[test]
    fn malformed_tensor_names_are_refused() {
        for text in ["", ":0", "a:b", "a:", "a:-1", "a:+1", "a:b:0", "a:99999999999"] {
            assert!(text.parse::<TensorName>().is_err(), "{text}");
        }
        assert_eq!(
            "a:b".parse::<TensorName>().unwrap_err().to_string(),
            "The name 'a:b' looks a like a Tensor name, but is not a valid one. \
             Tensor names must be of the form \"<op_name>:<output_index>\"."
        );
    }

    #[test]
    fn input_strings_parse_and_print() {
        for (text, input) in [
            ("x", InputRef::Data { node: "x", index: 0 }),
            ("x:7", InputRef::Data { node: "x", index: 7 }),
            ("x:-1", InputRef::Data { node: "x:-1", index: 0 }),
            ("x:y:2", InputRef::Data { node: "x:y", index: 2 }),
            ("x:", InputRef::Data { node: "x:", index: 0 }),
            ("^x", InputRef::Control("x")),
            ("^x:1", InputRef::Control("x:1")),
        ] {
            assert_eq!(InputRef::parse(text), input);
            assert_eq!(input.to_string(), text);
        }
        assert_eq!(InputRef::parse("x:0").to_string(), "x");
    }
}
