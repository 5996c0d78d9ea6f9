//! TensorFlow's protobuf messages, and their text format.
//!
//! [`pb`] has every message that graphs, SavedModels and checkpoints of TensorFlow 2.21 are made
//! of, with every field, so that decoding and encoding loses nothing such a file holds. [`text`]
//! reads and writes their text form: `saved_model.pbtxt`, the file named `checkpoint`.
//!
//! It is not a protobuf implementation, which is [`prost`], and gives the messages no meaning:
//! what a graph is, is the business of the crates above. It opens no files.
//!
//! ```
//! use flowkeep_proto::{pb, text};
//!
//! let graph: pb::GraphDef = text::parse_message(
//!     "node { name: 'x' op: 'Placeholder' attr { key: 'dtype' value { type: DT_FLOAT } } }
//!      node { name: 'y' op: 'Identity' input: ['x'] }  # reads x:0
//!      versions { producer: 2206 }",
//! )?;
//! assert_eq!(graph.node[1].input, ["x"]);
//! let dtype = graph.node[0].attr["dtype"].value.as_ref();
//! assert_eq!(dtype, Some(&pb::attr_value::Value::Type(pb::DataType::DtFloat.into())));
//!
//! let printed = text::print_message(&graph.node[1])?;
//! assert_eq!(printed, "name: \"y\"\nop: \"Identity\"\ninput: \"x\"\n");
//!
//! let error = text::parse_message::<pb::NodeDef>("name: 'x'\nopp: 'y'").unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "2:1 : Message type \"tensorflow.NodeDef\" has no field named \"opp\"."
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Modules
//!
//! * [`pb`]: protobuf package `tensorflow`; nested messages are in modules named after the outer
//!   one, `pb::attr_value::ListValue`.
//! * [`pb::error`], [`pb::proto_splitter`]: the packages inside of it.
//! * [`keras`]: the metadata of Keras 2 models.
//! * [`stored`]: SavedModels whose functions are left in the bytes of the file.
//! * [`text`]: the text format.
//!
//! # Invariants
//!
//! * Names, numbers and types of messages and fields are TensorFlow's. The `.proto` files under
//!   `protos/` are ours otherwise: what they say, and how messages are grouped into files.
//! * `src/gen/` is what `cargo xtask codegen` makes of them, and a test compares. Users of this
//!   crate need neither a proto compiler nor a build script.
//! * Maps are ordered: equal messages encode to equal bytes.
//! * `TensorProto.tensor_content`, `TensorProto.string_val` and `AttrValue.s` are [`bytes::Bytes`],
//!   so large constants that are decoded from a `Bytes` share its memory.
//! * Unknown fields are dropped on the wire, and errors in text.

#![forbid(unsafe_code)]

pub use bytes;
pub use prost;

/// Messages of protobuf package `tensorflow`.
#[expect(missing_docs, reason = "generated; members whose name says all have no comment")]
#[expect(clippy::large_enum_variant, reason = "generated; the layout follows the messages")]
pub mod pb {
    include!("gen/tensorflow.rs");

    /// Package `tensorflow.error`: the canonical status codes.
    pub mod error {
        include!("gen/tensorflow.error.rs");
    }

    /// Package `tensorflow.proto_splitter`: the chunked form of a SavedModel.
    pub mod proto_splitter {
        include!("gen/tensorflow.proto_splitter.rs");
    }
}

/// Messages of the package in which TensorFlow declares the metadata of Keras 2 SavedModels.
pub mod keras {
    include!("gen/third_party.tensorflow.python.keras.protobuf.rs");
}

pub mod stored;
pub mod text;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
