//! The table of TensorFlow's ops.
//!
//! `ops.pb` is an `OpList` message sorted by name, made by `cargo xtask codegen`. It is not decoded
//! as a whole: the first look-up finds out where each definition lies, and each definition is
//! decoded when it is first asked for.

use std::sync::OnceLock;

use bytes::Bytes;
use flowkeep_proto::pb;
use prost::Message;
use prost::encoding::{WireType, decode_key, decode_varint};

use super::OpDef;

static OPS: &[u8] = include_bytes!("ops.pb");

/// One definition: its message, and what that says once someone has asked. Of some 2,000 few are asked for.
struct Row {
    message: &'static [u8],
    def: OnceLock<Box<OpDef>>,
}

impl Row {
    fn name(&self) -> &'static str {
        let name = field(self.message).and_then(|(name, _)| std::str::from_utf8(name).ok());
        name.unwrap_or_default()
    }
}

/// The definition of TensorFlow's op `name`, or `None` for ops that TensorFlow 2.21 does not have.
pub fn lookup(name: &str) -> Option<&'static OpDef> {
    let row = table().get(name)?;
    // The committed table decodes; a test reads every row of it.
    let def = row.def.get_or_init(|| {
        let message = Bytes::from_static(row.message);
        Box::new(OpDef::from_proto(&pb::OpDef::decode(message).unwrap_or_default()))
    });
    Some(def)
}

/// Whether TensorFlow 2.21 has an op of this name.
pub fn is_known(name: &str) -> bool {
    table().get(name).is_some()
}

/// The definition of TensorFlow's op `name` as a message, without descriptions.
pub fn definition(name: &str) -> Option<pb::OpDef> {
    pb::OpDef::decode(table().get(name)?.message).ok()
}

/// The names of all ops of the table, sorted.
pub fn names() -> impl ExactSizeIterator<Item = &'static str> {
    table().rows.iter().map(Row::name)
}

/// All definitions, and where each name is found.
struct Table {
    rows: Box<[Row]>,
    /// One more than the places of rows, each at the hash of its name or at the next ones that were free; 0 where
    /// no row is. Their number is a power of two.
    by_hash: Box<[u16]>,
}

impl Table {
    fn new() -> Table {
        let messages = || {
            let mut rest = OPS;
            std::iter::from_fn(move || {
                let (message, behind) = field(rest)?;
                rest = behind;
                Some(message)
            })
        };
        let mut rows = Vec::with_capacity(messages().count());
        rows.extend(messages().map(|message| Row { message, def: OnceLock::new() }));
        let mut by_hash = vec![0; (2 * rows.len()).next_power_of_two()].into_boxed_slice();
        for (row, place) in rows.iter().zip(1..) {
            let free = probe(row.name(), by_hash.len()).find(|at| by_hash.get(*at) == Some(&0));
            if let Some(at) = free.and_then(|at| by_hash.get_mut(at)) {
                *at = place;
            }
        }
        Table { rows: rows.into_boxed_slice(), by_hash }
    }

    fn get(&self, name: &str) -> Option<&Row> {
        for at in probe(name, self.by_hash.len()) {
            let place = usize::from(*self.by_hash.get(at)?).checked_sub(1)?;
            let row = self.rows.get(place)?;
            if row.name() == name {
                return Some(row);
            }
        }
        None
    }
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(Table::new)
}

/// All places of a table of so many, a power of two, from the one on that is the hash FNV-1a of a name: enough
/// for names that nobody chooses to collide.
fn probe(name: &str, len: usize) -> impl Iterator<Item = usize> {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let first = usize::try_from(hash >> 40).unwrap_or_default();
    (0..len).map(move |step| first.wrapping_add(step) & (len - 1))
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
