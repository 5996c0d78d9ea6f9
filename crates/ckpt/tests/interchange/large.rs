//! Archives beyond what 16 and 32 bits can count, without the disk that they would take.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use flowkeep_bundle::source::Source;
use flowkeep_ckpt::interchange::{Format, Reader, TensorSpec, write_to};
use flowkeep_ckpt::{Error, ReaderOptions};
use flowkeep_tensor::{DType, Tensor};

use crate::common::{open, written};

#[test]
fn archives_have_more_than_65535_members() {
    for n in [65_534, 65_535, 65_536, 70_000] {
        let names: Vec<_> = (0..n).map(|idx| format!("layer_{idx}/kernel")).collect();
        let scalar = |idx: &usize| Tensor::scalar(*idx as i32);
        let specs: Vec<_> =
            names.iter().map(|name| TensorSpec::new(name, DType::I32, [])).collect();
        let mut content = Vec::new();
        let mut numbers = 0..n;
        write_to(&mut content, Format::Npz, &specs, &[], |_| {
            Ok::<_, Error>(scalar(&numbers.next().unwrap()))
        })
        .unwrap();
        let reader = open(Format::Npz, content).unwrap();
        assert_eq!(reader.members().len(), n);
        for idx in [0, 1, 65_533, n - 1] {
            assert_eq!(reader.tensor(&names[idx]).unwrap(), scalar(&idx));
        }
    }
}

/// A file with long stretches of zeros, which are not stored.
#[derive(Default)]
struct Sparse {
    pieces: Vec<(u64, Bytes)>,
    len: u64,
}

/// Longer pieces are taken for zeros.
const LONG: usize = 1 << 20;

impl Write for Sparse {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() < LONG {
            self.pieces.push((self.len, Bytes::copy_from_slice(bytes)));
        } else {
            assert!(bytes.iter().step_by(997).all(|byte| *byte == 0));
        }
        self.len += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Source for Sparse {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let end = offset + len as u64;
        assert!(len < LONG && end <= self.len);
        let mut out = vec![0; len];
        for (at, piece) in &self.pieces {
            let (from, to) = (offset.max(*at), end.min(at + piece.len() as u64));
            if from < to {
                let piece = &piece[(from - at) as usize..(to - at) as usize];
                out[(from - offset) as usize..(to - offset) as usize].copy_from_slice(piece);
            }
        }
        Ok(out.into())
    }
}

#[test]
fn archives_are_longer_than_4_gib() {
    let long = Tensor::zeros(DType::U8, [(1 << 32) + 5]).unwrap();
    let shorter = Tensor::zeros(DType::F32, [1 << 28]).unwrap();
    let last = Tensor::from_elements(vec![1i16, 2, 3]);
    let tensors = [("shorter", shorter), ("long", long), ("last", last)];
    let specs = tensors
        .iter()
        .map(|(name, tensor)| TensorSpec::new(*name, tensor.dtype(), tensor.shape().clone()));
    let specs: Vec<_> = specs.collect();
    for format in [Format::Npz, Format::Safetensors] {
        let mut file = Sparse::default();
        write_to(&mut file, format, &specs, &[], |spec| {
            let (_, tensor) = tensors.iter().find(|(name, _)| *name == spec.name).unwrap();
            Ok::<_, Error>(tensor.clone())
        })
        .unwrap();
        assert!(file.len > 5 << 30);
        let options = ReaderOptions::default();
        let reader = Reader::from_source(Path::new("x"), format, Arc::new(file), options).unwrap();
        for (name, tensor) in &tensors {
            let member = reader.member(name).unwrap();
            assert_eq!((&member.shape, member.dtype), (tensor.shape(), Some(tensor.dtype())));
        }
        assert_eq!(reader.tensor("last").unwrap(), tensors[2].1, "{format}");
    }
}

#[test]
fn numbers_beyond_16_bits_are_not_taken_for_others() {
    // The signature of a 64-bit record in the data of the last member, right before the directory.
    let decoy =
        Tensor::from_elements(b"PK\x06\x07 and PK\x06\x06 and PK\x05\x06 and more of it".to_vec());
    let content = written(Format::Npz, &[("x", decoy.clone())]).unwrap();
    assert_eq!(open(Format::Npz, content).unwrap().tensor("x").unwrap(), decoy);
}
