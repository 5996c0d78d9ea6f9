//! Target `bundle_open`: opens a bundle made of the input and reads everything in it.
//!
//! ```text
//! 1 byte mode | fixed16 length of the index | index | data file
//! ```
//!
//! Mode 0 takes the index as it is. Checksums keep most changes to it from going far, so mode 1
//! takes the index for the contents of a data block and puts a sound table around it; checksums of
//! tensors are then not compared, either.
//!
//! The tests of the bundle crate include this file to replay inputs.

use std::io;
use std::sync::Arc;

use flowkeep_bundle::source::{BytesSource, Source};
use flowkeep_bundle::{BundleReader, ReaderOptions};

/// Runs the target on one input; panics if the reader breaks its word.
pub fn run(input: &[u8]) {
    let Some((mode, index, data)) = split(input) else { return };
    let framed = mode % 2 == 1;
    let index = if framed { table_around(index) } else { index.to_vec() };
    let options = ReaderOptions { verify: !framed, ..ReaderOptions::default() };
    let data = BytesSource::new(data.to_vec());
    let shard = move |number: u32, _: u32| -> io::Result<Arc<dyn Source>> {
        if number > 3 {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Arc::new(data.clone()))
    };
    let Ok(reader) = BundleReader::from_sources(&BytesSource::new(index), shard, options) else {
        return;
    };
    let keys: Vec<_> = reader.keys().take(1000).collect();
    assert!(keys.is_sorted_by(|a, b| a < b), "keys ascend");
    for (key, entry) in reader.entries().take(1000) {
        assert!(reader.contains(&key));
        let result = reader.tensor(&key);
        match (entry, result) {
            (Ok(entry), Ok(tensor)) => {
                assert_eq!((tensor.dtype(), tensor.shape()), (entry.dtype, &entry.shape));
                for slice in entry.slices.iter().take(4) {
                    let _ = reader.slice(&key, slice);
                }
            }
            (Err(entry), Ok(_)) => panic!("a tensor without an entry: {entry}"),
            (_, Err(error)) => assert!(!error.to_string().is_empty()),
        }
    }
}

/// Cuts an input into its mode, index and data file.
pub fn split(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (mode, rest) = input.split_first()?;
    let (len, rest) = rest.split_first_chunk()?;
    let (index, data) = rest.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
    Some((*mode, index, data))
}

/// The input that stands for these parts; `None` if the index is too long for it.
pub fn join(mode: u8, index: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    let len = u16::try_from(index.len()).ok()?;
    Some([&[mode][..], &len.to_le_bytes(), index, data].concat())
}

/// The table with this one data block.
pub fn table_around(block: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let data = put_block(&mut out, block);
    let metaindex = put_block(&mut out, &[0, 0, 0, 0, 1, 0, 0, 0]);
    // One entry: no shared bytes, a long key, the handle; then the one restart.
    let key = [0xff; 16];
    let handle_len = u8::try_from(data.len()).unwrap();
    let mut entry = vec![0, 16, handle_len];
    entry.extend_from_slice(&key);
    entry.extend_from_slice(&data);
    entry.extend_from_slice(&[0, 0, 0, 0, 1, 0, 0, 0]);
    let index = put_block(&mut out, &entry);
    let mut footer = [metaindex, index].concat();
    footer.resize(40, 0);
    out.extend_from_slice(&footer);
    out.extend_from_slice(&0xdb47_7524_8b80_fb57u64.to_le_bytes());
    out
}

/// Appends a block with its trailer and returns its handle.
fn put_block(out: &mut Vec<u8>, block: &[u8]) -> Vec<u8> {
    let mut handle = varint(out.len());
    handle.extend(varint(block.len()));
    let start = out.len();
    out.extend_from_slice(block);
    out.push(0);
    let checksum = crc32c::crc32c(&out[start..]);
    out.extend_from_slice(&checksum.rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes());
    handle
}

fn varint(mut value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}
