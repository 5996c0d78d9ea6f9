//! Target `safetensors`: opens a file made of the input and reads everything in it.
//!
//! ```text
//! 1 byte mode | file
//! ```
//!
//! Mode 0 takes the file as it is. Mode 1 takes it for a header, of which the length is put in front
//! and a kilobyte of elements behind.
//!
//! The tests of the checkpoint toolkit include this file to replay inputs.

use std::path::Path;
use std::sync::Arc;

use flowkeep_bundle::ReaderOptions;
use flowkeep_bundle::source::BytesSource;
use flowkeep_ckpt::interchange::{Format, Reader};

const N_ELEMENTS: usize = 1024;

/// Runs the target on one input; panics if the reader breaks its word.
pub fn run(input: &[u8]) {
    let Some((mode, file)) = input.split_first() else { return };
    let file = match mode % 2 {
        0 => file.to_vec(),
        _ => [&(file.len() as u64).to_le_bytes()[..], file, &[1; N_ELEMENTS]].concat(),
    };
    let data_len = file.len();
    let source = Arc::new(BytesSource::new(file));
    let options = ReaderOptions::default();
    let path = Path::new("x.safetensors");
    let Ok(reader) = Reader::from_source(path, Format::Safetensors, source, options) else {
        return;
    };
    let total: u64 = reader.members().iter().map(|member| member.len_bytes).sum();
    assert!(total <= data_len as u64, "tensors do not share bytes");
    for member in reader.members().iter().take(100) {
        assert_eq!(reader.member(&member.name), Some(member));
        match reader.tensor(&member.name) {
            Ok(tensor) => {
                assert_eq!((Some(tensor.dtype()), tensor.shape()), (member.dtype, &member.shape));
            }
            Err(error) => assert!(member.dtype.is_none(), "{error}"),
        }
    }
}
