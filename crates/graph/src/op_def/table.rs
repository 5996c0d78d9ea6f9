//! The table of TensorFlow's ops.
//!
//! `ops.pb` is an `OpList` message sorted by name, made by `cargo xtask codegen`. It is not decoded
//! as a whole: the first look-up finds out where each definition lies, and each definition is
//! decoded when it is first asked for.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::OnceLock;

use bytes::Bytes;
use flowkeep_proto::pb;
use prost::Message;
use prost::encoding::{WireType, decode_key, decode_varint};

use super::OpDef;

static OPS: &[u8] = include_bytes!("ops.pb");

/// One definition: its name, its message, and what that says once someone has asked.
struct Row {
    name: &'static str,
    message: &'static [u8],
    def: OnceLock<OpDef>,
}

/// The definition of TensorFlow's op `name`, or `None` for ops that TensorFlow 2.21 does not have.
pub fn lookup(name: &str) -> Option<&'static OpDef> {
    let row = by_name().get(name)?;
    // The committed table decodes; a test reads every row of it.
    Some(row.def.get_or_init(|| {
        let message = Bytes::from_static(row.message);
        OpDef::from_proto(&pb::OpDef::decode(message).unwrap_or_default())
    }))
}

/// The message that TensorFlow's op `name` is defined by, without documentation.
pub(crate) fn message(name: &str) -> Option<pb::OpDef> {
    pb::OpDef::decode(Bytes::from_static(by_name().get(name)?.message)).ok()
}

/// The names of all ops of the table, sorted.
pub fn names() -> impl ExactSizeIterator<Item = &'static str> {
    rows().iter().map(|row| row.name)
}

fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let mut rows = Vec::with_capacity(OPS.len() / 128);
        let mut rest = OPS;
        while let Some((message, behind)) = field(rest) {
            if let Some(name) = field(message).and_then(|(name, _)| std::str::from_utf8(name).ok())
            {
                rows.push(Row { name, message, def: OnceLock::new() });
            }
            rest = behind;
        }
        rows
    })
}

fn by_name() -> &'static HashMap<&'static str, &'static Row, BuildHasherDefault<Fnv>> {
    static BY_NAME: OnceLock<HashMap<&str, &Row, BuildHasherDefault<Fnv>>> = OnceLock::new();
    BY_NAME.get_or_init(|| rows().iter().map(|row| (row.name, row)).collect())
}

/// The hash FNV-1a, enough for names that nobody chooses to collide.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The content of the length-delimited field at the start of `message`, and what follows it.
fn field(message: &'static [u8]) -> Option<(&'static [u8], &'static [u8])> {
    let mut rest = message;
    let (number, wire_type) = decode_key(&mut rest).ok()?;
    if number != 1 || wire_type != WireType::LengthDelimited {
        return None;
    }
    let len = decode_varint(&mut rest).ok()?;
    rest.split_at_checked(usize::try_from(len).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_complete() {
        let names: Vec<&str> = names().collect();
        assert_eq!(names.len(), 1910);
        assert!(names.is_sorted());
    }

    #[test]
    fn every_op_is_found_and_decodes() {
        let list = pb::OpList::decode(OPS).unwrap();
        assert_eq!(list.op.len(), names().len());
        for def in &list.op {
            let found = lookup(&def.name).unwrap_or_else(|| panic!("{} is not found", def.name));
            assert_eq!(*found, OpDef::from_proto(def));
            assert_eq!(&*found.name, def.name);
        }
    }

    #[test]
    fn unknown_ops_are_not_found() {
        for name in ["", "Foo", "matmul", "MatMul ", "zzz"] {
            assert!(lookup(name).is_none(), "{name}");
        }
    }
}
