//! Target `npz`: opens an archive or array made of the input and reads everything in it.
//!
//! ```text
//! 1 byte mode | file
//! ```
//!
//! Mode 0 takes the file for an archive as it is. Checksums keep most changes to it from going far,
//! so mode 1 leaves them uncompared. Mode 2 takes the file for an array, and mode 3 for the member of
//! an archive whose directory is sound.
//!
//! The tests of the checkpoint toolkit include this file to replay inputs.

use std::path::Path;
use std::sync::Arc;

use flowkeep_bundle::ReaderOptions;
use flowkeep_bundle::source::BytesSource;
use flowkeep_ckpt::interchange::{Format, Reader};
use flowkeep_tensor::DType;

/// Runs the target on one input; panics if the reader breaks its word.
pub fn run(input: &[u8]) {
    let Some((mode, file)) = input.split_first() else { return };
    let (format, file) = match mode % 4 {
        2 => (Format::Npy, file.to_vec()),
        3 => (Format::Npz, archive_of(file)),
        _ => (Format::Npz, file.to_vec()),
    };
    let options = ReaderOptions { verify: mode % 4 != 1, ..ReaderOptions::default() };
    let source = Arc::new(BytesSource::new(file));
    let Ok(reader) = Reader::from_source(Path::new("x.npy"), format, source, options) else {
        return;
    };
    for member in reader.members().iter().take(100) {
        assert_eq!(reader.member(&member.name), Some(member));
        match reader.tensor(&member.name) {
            Ok(tensor) => {
                assert_eq!((Some(tensor.dtype()), tensor.shape()), (member.dtype, &member.shape));
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
        for dtype in [DType::QI8, DType::I4, DType::F8E4M3FN] {
            let _ = reader.tensor_as(&member.name, dtype);
        }
    }
}

/// The archive with this one member, stored, whose checksum is right.
fn archive_of(content: &[u8]) -> Vec<u8> {
    let name = b"x.npy";
    let common = [
        &45u16.to_le_bytes()[..],
        &[0; 8],
        &crc32(content).to_le_bytes(),
        &(content.len() as u32).to_le_bytes(),
        &(content.len() as u32).to_le_bytes(),
        &(name.len() as u16).to_le_bytes(),
        &[0; 2],
    ]
    .concat();
    let local = [b"PK\x03\x04", &common[..], name, content].concat();
    let central = [b"PK\x01\x02\x2d\x00", &common[..], &[0; 14], name].concat();
    let end = [
        &b"PK\x05\x06\0\0\0\0\x01\0\x01\0"[..],
        &(central.len() as u32).to_le_bytes(),
        &(local.len() as u32).to_le_bytes(),
        &[0; 2],
    ]
    .concat();
    [local, central, end].concat()
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    };
    !bytes.iter().fold(!0, step)
}
