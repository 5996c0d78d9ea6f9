//! TensorFlow's protobuf messages and their text format.

#![forbid(unsafe_code)]

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

pub mod text;
