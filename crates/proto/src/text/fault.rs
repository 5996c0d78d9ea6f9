//! Where bytes stop being the message that they are to be.

use std::fmt;

use super::MAX_DEPTH;
use super::descriptor::{FieldDef, Kind, MessageDef, Pool, Scalar};
use super::records::fits;
use super::wire::{Reader, TRUNCATED, Value};

/// What is wrong with bytes that are to be a message, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// They end in the middle of a record.
    Cut {
        /// How many bytes there are.
        len: usize,
        /// How many there are to be at the least.
        wanted: u64,
    },
    /// They are whole, and something in them is no part of such a message.
    Malformed {
        /// The first byte of the innermost record that is wrong.
        at: usize,
        /// The name of the message that this record is to belong to, with its package.
        message: String,
    },
}

/// A sentence without an end: `it breaks off after 3 bytes of at least 5`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Cut { len, wanted } => {
                write!(f, "it breaks off after {len} bytes of at least {wanted}")
            }
            Fault::Malformed { at, message } => {
                write!(f, "byte {at} begins no field of a {message}")
            }
        }
    }
}

/// Looks for what keeps bytes from being a message of that name, written with its package.
///
/// `None` if there is nothing, or nothing that this search, which goes no deeper than [`MAX_DEPTH`], can place.
///
/// ```
/// use flowkeep_proto::text::{Fault, find_fault};
///
/// // A node with a name of four bytes, of which two are left.
/// let cut = find_fault("tensorflow.NodeDef", b"\x0a\x04no");
/// assert_eq!(cut, Some(Fault::Cut { len: 4, wanted: 6 }));
/// ```
pub fn find_fault(full_name: &str, wire: &[u8]) -> Option<Fault> {
    let pool = Pool::get();
    let def = pool.find(full_name.as_bytes())?;
    let mut reader = Reader::new(wire);
    loop {
        let rest = reader.rest();
        match reader.record() {
            Ok(None) => break,
            Ok(Some(_)) => {}
            Err(TRUNCATED) => {
                let missing = Reader::new(rest).missing();
                let len = u64::try_from(wire.len()).unwrap_or(u64::MAX);
                return Some(Fault::Cut { len: wire.len(), wanted: len.saturating_add(missing) });
            }
            Err(_) => break,
        }
    }
    let (at, def) = malformed(pool, def, wire, 0)?;
    Some(Fault::Malformed { at, message: def.full_name.clone() })
}

/// The place of the innermost record that is wrong, and the message that it is in.
fn malformed<'p>(
    pool: &'p Pool,
    def: &'p MessageDef,
    wire: &[u8],
    depth: usize,
) -> Option<(usize, &'p MessageDef)> {
    let mut reader = Reader::new(wire);
    let offset = |reader: &Reader<'_>| wire.len().saturating_sub(reader.rest().len());
    loop {
        let start = offset(&reader);
        let (number, value) = match reader.record() {
            Ok(None) => return None,
            Ok(Some(record)) => record,
            Err(_) => return Some((start, def)),
        };
        let Some((_, field)) = def.field_by_number(number) else { continue };
        if !fits(field, &value) || !is_text(field, &value) {
            return Some((start, def));
        }
        let (Kind::Message(id) | Kind::Map(id), Value::Bytes(bytes)) = (field.kind, &value) else {
            continue;
        };
        if depth < MAX_DEPTH
            && let Some((at, inner)) =
                malformed(pool, pool.message(id), bytes, depth.saturating_add(1))
        {
            let content = offset(&reader).saturating_sub(bytes.len());
            return Some((content.saturating_add(at), inner));
        }
    }
}

/// Whether a value is UTF-8, if it must be.
fn is_text(field: &FieldDef, value: &Value<'_>) -> bool {
    let must = field.kind == Kind::Scalar(Scalar::String) && field.is_utf8;
    !must || str::from_utf8(value.bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::pb;

    fn graph() -> Vec<u8> {
        let node = |name: &str| pb::NodeDef {
            name: name.into(),
            op: "Placeholder".into(),
            attr: [("dtype".into(), pb::AttrValue::default())].into(),
            ..Default::default()
        };
        let node = vec![node("first"), node("second")];
        let versions = Some(pb::VersionDef { producer: 5, ..Default::default() });
        pb::GraphDef { node, versions, ..Default::default() }.encode_to_vec()
    }

    #[test]
    fn a_sound_message_has_no_fault() {
        assert_eq!(find_fault("tensorflow.GraphDef", &graph()), None);
        assert_eq!(find_fault("tensorflow.GraphDef", b""), None);
        assert_eq!(find_fault("tensorflow.NoSuchMessage", b"\x07"), None);
    }

    #[test]
    fn whatever_a_decoder_refuses_of_a_cut_message_is_placed() {
        let bytes = graph();
        for len in 0..bytes.len() {
            let (cut, _) = bytes.split_at(len);
            match (pb::GraphDef::decode(cut), find_fault("tensorflow.GraphDef", cut)) {
                (Ok(_), None) => {}
                (Err(_), Some(Fault::Cut { len: found, wanted })) => {
                    let all = u64::try_from(bytes.len()).unwrap();
                    assert!(found == len && wanted > u64::try_from(len).unwrap() && wanted <= all);
                }
                other => panic!("{len} {other:?}"),
            }
        }
    }

    #[test]
    fn the_innermost_record_is_the_one_that_is_wrong() {
        let mut bytes = graph();
        let at = bytes.windows(5).position(|window| window == b"dtype").unwrap();
        // The length of the key of an attribute.
        bytes[at - 1] = 100;
        assert!(pb::GraphDef::decode(&*bytes).is_err());
        let fault = find_fault("tensorflow.GraphDef", &bytes).unwrap();
        let message = "tensorflow.NodeDef.AttrEntry".to_owned();
        assert_eq!(fault, Fault::Malformed { at: at - 2, message });
        assert_eq!(
            fault.to_string(),
            format!("byte {} begins no field of a tensorflow.NodeDef.AttrEntry", at - 2)
        );
        let mut bytes = graph();
        let at = bytes.windows(5).position(|window| window == b"first").unwrap();
        bytes[at] = 0xff;
        assert!(pb::GraphDef::decode(&*bytes).is_err());
        let message = "tensorflow.NodeDef".to_owned();
        let fault = find_fault("tensorflow.GraphDef", &bytes);
        assert_eq!(fault, Some(Fault::Malformed { at: at - 2, message }));
    }
}
