//! The table of ops in `crates/graph`, made from the list of ops that TensorFlow registers.
//!
//! `fixtures/op_list.pb.gz` is a compressed `OpList` message without descriptions. The table is the
//! message itself, after a check of what the look-up relies on: nothing but definitions, sorted by
//! name, each once.

use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;

use flate2::read::GzDecoder;
use protox::prost::encoding::{WireType, decode_key, decode_varint};

use crate::TaskResult;

/// Writes the table, or with `check` fails when the committed one is not what would be written.
pub(crate) fn run(check: bool) -> TaskResult {
    let mut list = Vec::new();
    GzDecoder::new(File::open(crate::root().join("fixtures/op_list.pb.gz"))?)
        .read_to_end(&mut list)?;
    check_sorted(&list)?;
    let path = path();
    if fs::read(&path).is_ok_and(|present| present == list) {
        return Ok(());
    }
    if check {
        return Err(format!("{} is stale: run `cargo xtask codegen`", path.display()).into());
    }
    Ok(fs::write(path, list)?)
}

fn path() -> PathBuf {
    crate::root().join("crates/graph/src/op_def/ops.pb")
}

/// Checks that a message is a list of definitions with rising names.
fn check_sorted(list: &[u8]) -> TaskResult {
    let mut rest = list;
    let mut last: &[u8] = b"";
    while !rest.is_empty() {
        let def = first_field(&mut rest)?;
        let name = first_field(&mut &*def)?;
        if name <= last {
            return Err(format!("op {:?} is out of order", String::from_utf8_lossy(name)).into());
        }
        last = name;
    }
    Ok(())
}

/// The content of field 1, which `message` starts with; `message` moves behind it.
fn first_field<'a>(message: &mut &'a [u8]) -> Result<&'a [u8], Box<dyn std::error::Error>> {
    let (number, wire_type) = decode_key(message)?;
    let len = usize::try_from(decode_varint(message)?)?;
    match message.split_at_checked(len) {
        Some((content, rest)) if number == 1 && wire_type == WireType::LengthDelimited => {
            *message = rest;
            Ok(content)
        }
        _ => Err("the op list is not a list of definitions".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A list of definitions that say nothing but their names.
    fn list(names: &[&str]) -> Vec<u8> {
        let field = |content: &[u8]| [&[0x0a, content.len() as u8], content].concat();
        names.iter().flat_map(|name| field(&field(name.as_bytes()))).collect()
    }

    #[test]
    fn committed_table_is_the_op_list() {
        run(true).unwrap();
    }

    #[test]
    fn lists_in_disorder_are_refused() {
        check_sorted(&list(&["A", "B", "_C"])).unwrap();
        assert!(check_sorted(&list(&["B", "A"])).is_err());
        assert!(check_sorted(&list(&["A", "A"])).is_err());
        assert!(check_sorted(&[0x12, 0]).is_err());
        assert!(check_sorted(&[0x0a, 9]).is_err());
    }
}
