use bytes::Bytes;
use flowkeep_proto::prost::{DecodeError, Message};
use flowkeep_proto::{pb, text};

use super::maps::as_tensorflow_writes;
use super::{FileError, Form, Kind, MAX_LEN};

/// What a file with a graph holds, decoded.
#[derive(Clone, Debug, PartialEq)]
pub enum GraphMessage {
    /// A graph.
    GraphDef(Box<pb::GraphDef>),
    /// A graph with what is needed to use it.
    MetaGraphDef(Box<pb::MetaGraphDef>),
    /// Any number of MetaGraphs.
    SavedModel(Box<pb::SavedModel>),
}

impl GraphMessage {
    /// Decodes a binary message; constants are views of `bytes`.
    pub(super) fn decode(kind: Kind, bytes: Bytes) -> Result<GraphMessage, DecodeError> {
        Ok(match kind {
            Kind::GraphDef => GraphMessage::GraphDef(Box::new(Message::decode(bytes)?)),
            Kind::MetaGraphDef => GraphMessage::MetaGraphDef(Box::new(Message::decode(bytes)?)),
            Kind::SavedModel => GraphMessage::SavedModel(Box::new(Message::decode(bytes)?)),
        })
    }

    /// The kind of the message.
    pub fn kind(&self) -> Kind {
        match self {
            GraphMessage::GraphDef(_) => Kind::GraphDef,
            GraphMessage::MetaGraphDef(_) => Kind::MetaGraphDef,
            GraphMessage::SavedModel(_) => Kind::SavedModel,
        }
    }

    /// The message as TensorFlow writes it: deterministic binary, or text with maps sorted by key.
    ///
    /// Of a GraphDef these are the bytes of `tf.io.write_graph`.
    ///
    /// Errors: `RESOURCE_EXHAUSTED` for messages of 2 GiB and more.
    pub fn to_bytes(&self, form: Form) -> Result<Vec<u8>, FileError> {
        match self {
            GraphMessage::GraphDef(message) => to_bytes(&**message, self.kind(), form),
            GraphMessage::MetaGraphDef(message) => to_bytes(&**message, self.kind(), form),
            GraphMessage::SavedModel(message) => to_bytes(&**message, self.kind(), form),
        }
    }
}

pub(super) fn to_bytes(
    message: &impl Message,
    kind: Kind,
    form: Form,
) -> Result<Vec<u8>, FileError> {
    let len = u64::try_from(message.encoded_len()).unwrap_or(u64::MAX);
    if len > MAX_LEN {
        return Err(FileError::MessageTooLarge { message: kind.full_name(), len });
    }
    let wire = message.encode_to_vec();
    match form {
        // What was just encoded consists of records.
        Form::Binary => Ok(as_tensorflow_writes(kind.name(), &wire).unwrap_or(wire)),
        Form::Text => Ok(text::print(&kind.full_name(), &wire)?.into_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_two_gibibytes_are_not_written() {
        // The memory is never touched.
        let content = Bytes::from(vec![0; 1 << 30]);
        let node = || {
            let tensor = pb::TensorProto { tensor_content: content.clone(), ..Default::default() };
            let value = pb::attr_value::Value::Tensor(Box::new(tensor));
            let mut node = pb::NodeDef { name: "c".into(), ..Default::default() };
            node.attr.insert("value".into(), pb::AttrValue { value: Some(value) });
            node
        };
        let graph = pb::GraphDef { node: vec![node(), node()], ..Default::default() };
        let error = GraphMessage::GraphDef(Box::new(graph)).to_bytes(Form::Binary).unwrap_err();
        assert_eq!(error.code(), flowkeep_tensor::Code::ResourceExhausted);
        // Each node has 40 bytes around its content.
        let len = 2 * ((1u64 << 30) + 40);
        let text =
            format!("Message tensorflow.GraphDef exceeds maximum protobuf size of 2GB: {len}");
        assert_eq!(error.to_string(), text);
    }
}
