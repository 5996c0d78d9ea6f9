//! What a node is fed, against what its op wants.

use crate::{Error, Node, NodeId, Output, PortType};

/// A node that feeds others, or is fed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    pub(crate) name: &'a str,
    pub(crate) input_types: &'a [PortType],
    /// `None` for unknown ops.
    pub(crate) output_types: Option<&'a [PortType]>,
}

impl<'a> From<&'a Node> for Source<'a> {
    fn from(node: &'a Node) -> Source<'a> {
        Source {
            name: &node.name,
            input_types: &node.input_types,
            output_types: node.output_types.as_deref(),
        }
    }
}

impl Source<'_> {
    /// Checks that the node has an output of this index; nothing is known of unknown ops.
    pub(crate) fn check_output(&self, consumer: &str, index: u32) -> Result<(), Error> {
        match self.output_types {
            Some(outputs) if port(outputs, index).is_none() => Err(Error::InvalidOutput {
                node: consumer.to_owned(),
                source_node: self.name.to_owned(),
                index,
                n_outputs: outputs.len(),
                hint: "",
            }),
            _ => Ok(()),
        }
    }

    /// Checks that an output of `source` may feed the input at `index`.
    pub(crate) fn check_input(
        &self,
        index: usize,
        source: &Source<'_>,
        source_index: u32,
    ) -> Result<(), Error> {
        let expected = self.input_types.get(index);
        let got = source.output_types.and_then(|types| port(types, source_index));
        match (expected, got) {
            (Some(expected), Some(got)) if !expected.accepts(got) => Err(Error::InputType {
                node: self.name.to_owned(),
                index,
                got,
                source_node: source.name.to_owned(),
                source_index,
                expected: *expected,
            }),
            _ => Ok(()),
        }
    }
}

fn port(types: &[PortType], index: u32) -> Option<PortType> {
    usize::try_from(index).ok().and_then(|index| types.get(index)).copied()
}

/// Checks that the outputs exist that feed a node.
pub(crate) fn check_outputs<'b>(
    node: &str,
    inputs: &[Output],
    sources: impl Fn(NodeId) -> Option<Source<'b>>,
) -> Result<(), Error> {
    for input in inputs {
        if let Some(source) = sources(input.node) {
            source.check_output(node, input.index)?;
        }
    }
    Ok(())
}

/// Checks that a node is fed the types that its op wants.
pub(crate) fn check_types<'b>(
    node: Source<'_>,
    inputs: &[Output],
    sources: impl Fn(NodeId) -> Option<Source<'b>>,
) -> Result<(), Error> {
    for (index, input) in inputs.iter().enumerate() {
        if let Some(source) = sources(input.node) {
            node.check_input(index, &source, input.index)?;
        }
    }
    Ok(())
}
