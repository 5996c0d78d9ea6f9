//! What is said of bytes that are damaged.

use flowkeep_proto::prost::DecodeError;
use flowkeep_proto::text::{Fault, find_fault};

use super::Kind;

/// What helps against damage, as the end of a sentence about a file.
pub const COPY_AGAIN: &str = "copy it again from where it is whole";

/// What is wrong with bytes that do not decode as a message, where, and what to do.
///
/// ```
/// use flowkeep_graph::file::{Kind, damage};
/// use flowkeep_proto::pb;
/// use flowkeep_proto::prost::Message as _;
///
/// // A node of four bytes, of which two are left.
/// let cut = b"\x0a\x04\x0a\x02";
/// let error = pb::GraphDef::decode(&cut[..]).unwrap_err();
/// let what = "it breaks off after 4 bytes of at least 6; copy it again from where it is whole";
/// assert_eq!(damage(Kind::GraphDef, cut, &error), what);
/// ```
pub fn damage(kind: Kind, bytes: &[u8], error: &DecodeError) -> String {
    let reason = match find_fault(&kind.full_name(), bytes) {
        Some(fault @ Fault::Cut { .. }) => fault.to_string(),
        Some(fault @ Fault::Malformed { .. }) => format!("{fault} ({error})"),
        None => error.to_string(),
    };
    format!("{reason}; {COPY_AGAIN}")
}
