//! Target `v1_open`: opens a V1 checkpoint made of the input and reads everything in it.
//!
//! ```text
//! 1 byte mode | fixed16 length of the first part | first part | second part
//! ```
//!
//! In mode 0 the parts are files, the second only if it is not empty. Checksums keep most changes to
//! files from going far, so in mode 1 the parts are contents of data blocks, each of which gets a
//! sound table around it; and in mode 2 the first part is the record of the empty key, the second
//! that of several slices of the tensor `v`.
//!
//! The tests of the bundle crate include this file to replay inputs.

use std::sync::Arc;

use flowkeep_bundle::source::{BytesSource, Source};
use flowkeep_bundle::table::TableWriter;
use flowkeep_bundle::{ReaderOptions, V1Reader, slice_key};
use flowkeep_tensor::{Tensor, TensorSlice};

use crate::bundle_open::{split, table_around};

/// The slices of `v` that mode 2 has a record for.
const SLICES: [&str; 6] = ["", "-", "0,1", "1,1", "-:-", "0,2"];

/// Runs the target on one input; panics if the reader breaks its word.
pub fn run(input: &[u8]) {
    let Some((mode, first, second)) = split(input) else { return };
    let mut files = match mode % 3 {
        0 => vec![first.to_vec(), second.to_vec()],
        1 => vec![table_around(first), table_around(second)],
        _ => vec![file(first, second)],
    };
    if second.is_empty() {
        files.truncate(1);
    }
    let sources = files.into_iter().map(|file| Arc::new(BytesSource::new(file)) as Arc<dyn Source>);
    let options = ReaderOptions { verify: mode % 2 == 0, ..ReaderOptions::default() };
    let reader = match V1Reader::from_sources(sources, options) {
        Ok(reader) => reader,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let keys: Vec<_> = reader.keys().take(1000).collect();
    assert!(keys.is_sorted_by(|a, b| a < b), "keys ascend");
    for (key, entry) in reader.entries().take(1000) {
        assert!(reader.contains(&key));
        let result = reader.tensor(&key);
        match (entry, result) {
            (Ok(entry), Ok(tensor)) => {
                assert_eq!((tensor.dtype(), tensor.shape()), (entry.dtype, &entry.shape));
                assert_eq!(entry.slices.len(), entry.files.len());
                for slice in entry.slices.iter().take(4) {
                    check_slice(&reader, &key, &tensor, slice);
                }
            }
            (Err(entry), Ok(_)) => panic!("a tensor without an entry: {entry}"),
            (_, Err(error)) => assert!(!error.to_string().is_empty()),
        }
    }
}

/// A slice of a tensor that was read as a whole can be read, and has the same first element.
fn check_slice(reader: &V1Reader, key: &[u8], tensor: &Tensor, slice: &TensorSlice) {
    let part = reader.slice(key, slice).expect("the whole tensor was read");
    assert_eq!(*part.shape(), slice.shape_in(tensor.shape()).unwrap());
    if part.n_elements() == tensor.n_elements() {
        assert_eq!(&part, tensor);
    }
}

/// The file with a value for the empty key, and another for all slices.
fn file(meta: &[u8], record: &[u8]) -> Vec<u8> {
    let slices = SLICES.iter().map(|slice| slice.parse().unwrap());
    let mut keys: Vec<_> = slices.map(|slice| slice_key::encode(b"v", &slice)).collect();
    keys.sort();
    let mut table = TableWriter::new(Vec::new());
    table.add(b"", meta).unwrap();
    keys.iter().for_each(|key| table.add(key, record).unwrap());
    table.finish().unwrap()
}
