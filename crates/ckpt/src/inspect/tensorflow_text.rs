use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::str::Utf8Error;

use flowkeep_bundle::{Error, table};
use flowkeep_tensor::Code;

/// TensorFlow's text for an error; ours says more, where it lies for instance.
pub(super) fn of(error: &Error) -> String {
    match error {
        Error::Index { path, source: table::Error::Corrupt { what, offset } } => {
            let what = of_table(what);
            match is_in_data(path, *offset) {
                true => of_header(path, &format!("failed to seek to header entry): {what}")),
                false => what.into(),
            }
        }
        Error::Header { path, what } if what == "index has no header" => {
            of_header(path, "failed to seek to header entry)")
        }
        Error::Header { path, what } if what == "header is not parseable" => {
            of_header(path, "unable to parse header): Entry for key  not parseable.")
        }
        Error::V1Table { path, source: table::Error::Corrupt { what, offset } } => {
            if is_in_data(path, *offset) {
                return of_v1_header(path);
            }
            let what = of_table(what);
            let is_short = what == SHORT_READ;
            let code = if is_short { Code::OutOfRange } else { Code::DataLoss };
            of_v1_table(path, &format!("{}: {what}", code.name()))
        }
        Error::V1Table { path, source: source @ table::Error::Io(_) } => {
            let shown = path.display();
            of_v1_table(path, &format!("{}: {shown}; {source}", source.code().name()))
        }
        Error::Header { path, what } if what.starts_with("Failed to find the saved tensor") => {
            of_v1_header(path)
        }
        Error::Version { what } if what.starts_with("Checkpoint min consumer") => {
            format!("{what} for TensorFlow {VERSION}.  Please upgrade TensorFlow.")
        }
        Error::Version { what } if what.starts_with("Checkpoint producer") => {
            format!("{what} {VERSION}.  Please regenerate your checkpoint.")
        }
        Error::KeyNotFound { key } => of_missing_name(&String::from_utf8_lossy(key)),
        Error::ShortRead { .. } => SHORT_READ.into(),
        Error::Checksum { prefix, shard, size, stored, calculated, .. } => format!(
            "TensorBundle at {} shard {shard} ({size} bytes): Checksum does not match: stored \
             {stored} vs. calculated on the restored bytes {calculated}",
            prefix.display()
        ),
        Error::Entry { what, .. } | Error::Value { what, .. } => what.clone(),
        Error::Invalid { what, .. } => match what.rsplit_once(" (tensor ") {
            Some((what, _)) => what.into(),
            None => what.clone(),
        },
        _ => error.to_string(),
    }
}

/// The TensorFlow whose texts these are.
const VERSION: &str = "2.21.0";

const SHORT_READ: &str = "Read less bytes than requested";

fn of_header(path: &Path, what: &str) -> String {
    format!(
        "Unable to read file ({}). Perhaps the file is corrupt or was produced by a newer version \
         of TensorFlow with format changes ({what}",
        path.display()
    )
}

fn of_v1_header(path: &Path) -> String {
    format!(
        "Failed to find the saved tensor slices at the beginning of the checkpoint file: {}",
        path.display()
    )
}

fn of_v1_table(path: &Path, what: &str) -> String {
    format!(
        "Unable to open table file {}: {what}: perhaps your file is in a different file format and \
         you need to use a different restore operator?",
        path.display()
    )
}

/// The key of a slice has zero bytes, at which the text ends.
pub(super) fn of_missing_name(key: &str) -> String {
    let text = format!("Key {key} not found in checkpoint");
    text.split('\0').next().unwrap_or_default().into()
}

fn of_table(what: &str) -> &str {
    if what == "truncated block read" { SHORT_READ } else { what }
}

/// Whether a place in a table is in one of its blocks of data: these TensorFlow reads when it looks
/// for the header, and what comes behind them before that.
fn is_in_data(path: &Path, offset: u64) -> bool {
    index_block_at(path).is_some_and(|at| offset < at)
}

/// Where the index block begins, by the last of the numbers but one in the footer of a table; `None` if
/// no block can begin there.
fn index_block_at(path: &Path) -> Option<u64> {
    let mut footer = [0; 48];
    let mut file = File::open(path).ok()?;
    let footer_at = file.seek(SeekFrom::End(-48)).ok()?;
    file.read_exact(&mut footer).ok()?;
    let mut bytes = footer.iter();
    let mut varint = || {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = bytes.next()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    };
    let (_, _) = (varint()?, varint()?);
    varint().filter(|at| *at <= footer_at)
}

/// Python's text for bytes that are not UTF-8.
pub(super) fn of_decoding(bytes: &[u8], error: Utf8Error) -> String {
    let start = error.valid_up_to();
    let first = bytes.get(start).copied().unwrap_or_default();
    let len = error.error_len().unwrap_or(bytes.len() - start);
    let what = match (error.error_len(), first) {
        (None, _) => "unexpected end of data",
        (Some(_), 0xc2..=0xf4) => "invalid continuation byte",
        (Some(_), _) => "invalid start byte",
    };
    if len == 1 {
        return format!(
            "'utf-8' codec can't decode byte 0x{first:02x} in position {start}: {what}"
        );
    }
    let last = start + len - 1;
    format!("'utf-8' codec can't decode bytes in position {start}-{last}: {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What CPython 3.11 says.
    #[test]
    fn bytes_that_are_not_text_are_told_as_python_tells() {
        for (bytes, expected) in [
            (&b"ab\xff"[..], "byte 0xff in position 2: invalid start byte"),
            (b"\x80x", "byte 0x80 in position 0: invalid start byte"),
            (b"a\xc3(", "byte 0xc3 in position 1: invalid continuation byte"),
            (b"a\xe2\x82(", "bytes in position 1-2: invalid continuation byte"),
            (b"a\xe2\x82", "bytes in position 1-2: unexpected end of data"),
            (b"a\xf0", "byte 0xf0 in position 1: unexpected end of data"),
            (b"\xed\xa0\x80", "byte 0xed in position 0: invalid continuation byte"),
            (b"\xc0\x80", "byte 0xc0 in position 0: invalid start byte"),
        ] {
            let error = std::str::from_utf8(bytes).unwrap_err();
            let expected = format!("'utf-8' codec can't decode {expected}");
            assert_eq!(of_decoding(bytes, error), expected);
        }
    }
}
