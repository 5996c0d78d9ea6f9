//! Variant tensors: values of types that only their ops know.
//!
//! ```text
//! per element   varint64 len | VariantTensorDataProto bytes[len] | fixed32 masked checksum
//! ```
//!
//! One checksum runs over the whole tensor: each length as a number of eight bytes, the message, then
//! the stored form of the checksum so far.

use bytes::Bytes;
use flowkeep_proto::pb;
use flowkeep_tensor::Code;
use prost::Message;

use super::Value;
use crate::coding::{Decoder, put_varint};
use crate::{Error, crc32c};

/// An element of a variant tensor, as it is stored: the serialized `VariantTensorDataProto` of a
/// list, an optional value or whatever else, which need not be known to be copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant(Bytes);

impl Variant {
    /// The variant of a serialized `VariantTensorDataProto`, which is not looked at.
    pub fn from_bytes(message: Bytes) -> Variant {
        Variant(message)
    }

    /// The serialized message.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// The message.
    ///
    /// Errors: `DATA_LOSS` if it is none.
    pub fn decode(&self) -> Result<pb::VariantTensorDataProto, Error> {
        pb::VariantTensorDataProto::decode(self.0.clone()).map_err(|_| Error::Invalid {
            code: Code::DataLoss,
            what: "a variant's VariantTensorDataProto is not parseable".into(),
        })
    }
}

impl From<&pb::VariantTensorDataProto> for Variant {
    fn from(message: &pb::VariantTensorDataProto) -> Variant {
        Variant(message.encode_to_vec().into())
    }
}

impl Value<'_> {
    /// Reads variants, which share the bytes that were read.
    pub(crate) fn read_variants(&self) -> Result<Vec<Variant>, Error> {
        self.check_place()?;
        if self.swapped {
            let what = "variants of a bundle of the other byte order cannot be read".to_owned();
            return Err(Error::Invalid { code: Code::Unimplemented, what });
        }
        let bytes = self.read_stored()?;
        let (variants, checksum) =
            decode(&bytes, self.entry.shape.n_elements()).map_err(|what| self.damaged(what))?;
        self.check(checksum)?;
        Ok(variants)
    }
}

fn decode(bytes: &Bytes, n: usize) -> Result<(Vec<Variant>, u32), String> {
    // A length and a checksum each.
    if n > bytes.len() / 5 {
        return Err(format!("{n} variants do not fit into {} bytes", bytes.len()));
    }
    let mut variants = Vec::with_capacity(n);
    let mut decoder = Decoder::new(bytes);
    let mut crc = 0;
    for idx in 0..n {
        let len =
            decoder.varint64().ok_or_else(|| format!("length of variant {idx} is malformed"))?;
        let message = usize::try_from(len).ok().and_then(|len| decoder.take(len));
        let message =
            message.ok_or_else(|| format!("length {len} of variant {idx} is beyond the value"))?;
        let stored = decoder.take(4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
        let stored = stored.ok_or_else(|| format!("variant {idx} has no checksum"))?;
        crc = crc32c::extend(crc32c::extend(crc, &len.to_le_bytes()), message);
        let expected = crc32c::unmask(u32::from_le_bytes(stored));
        if expected != crc {
            return Err(format!(
                "The checksum after variant {idx} does not match: expected {expected} but actual is {crc}"
            ));
        }
        crc = crc32c::extend(crc, &stored);
        variants.push(Variant(bytes.slice_ref(message)));
    }
    match decoder.rest().len() {
        0 => Ok((variants, crc)),
        rest => Err(format!("{rest} bytes follow the last variant")),
    }
}

/// The stored form of variants and its checksum.
pub(crate) fn encode(variants: &[Variant]) -> (Vec<u8>, u32) {
    let mut out = Vec::new();
    let mut crc = 0;
    for Variant(message) in variants {
        let len = u64::try_from(message.len()).unwrap_or(u64::MAX);
        put_varint(&mut out, len);
        out.extend_from_slice(message);
        crc = crc32c::extend(crc32c::extend(crc, &len.to_le_bytes()), message);
        let stored = crc32c::mask(crc).to_le_bytes();
        out.extend_from_slice(&stored);
        crc = crc32c::extend(crc, &stored);
    }
    (out, crc)
}

#[cfg(test)]
mod tests {
    use flowkeep_tensor::DType;

    use super::*;

    /// A scalar that is a list of two float vectors, from the format's worked example.
    fn worked_example() -> Vec<u8> {
        let mut bytes = vec![0x52, 0x0a, 0x16];
        bytes.extend_from_slice(b"tensorflow::TensorList");
        bytes.extend_from_slice(&[0x12, 0x10, 0x00, 0x01]);
        bytes.extend_from_slice(&[0xff; 9]);
        bytes.extend_from_slice(&[0x01, 0x12, 0x02, 0x08, 0x02]);
        for value in [[0, 0, 0x80, 0x3f, 0, 0, 0, 0x40], [0, 0, 0x40, 0x40, 0, 0, 0x80, 0x40]] {
            bytes.extend_from_slice(&[
                0x1a, 0x12, 0x08, 0x01, 0x12, 0x04, 0x12, 0x02, 0x08, 0x02, 0x2a, 0x08,
            ]);
            bytes.extend_from_slice(&value);
        }
        bytes.extend_from_slice(&[0x69, 0x15, 0x45, 0x8e]);
        bytes
    }

    #[test]
    fn the_worked_example_is_read_and_written() {
        let bytes = worked_example();
        let (variants, checksum) = decode(&bytes.clone().into(), 1).unwrap();
        assert_eq!(crc32c::mask(checksum), 0xa3e2_0009);
        let message = variants[0].decode().unwrap();
        assert_eq!(message.type_name, "tensorflow::TensorList");
        assert_eq!((message.tensors.len(), message.tensors[1].dtype), (2, DType::F32.number()));
        assert_eq!(encode(&variants), (bytes, checksum));
    }

    #[test]
    fn damaged_variants_are_refused() {
        let bytes = worked_example();
        for len in 0..bytes.len() {
            assert!(decode(&bytes[..len].to_vec().into(), 1).is_err(), "{len}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&bytes.into(), 1).is_err(), "{bit}");
        }
        assert!(decode(&bytes.clone().into(), 0).is_err());
        assert!(decode(&bytes.clone().into(), 2).is_err());
        let error = decode(&bytes.into(), usize::MAX).unwrap_err();
        assert_eq!(error, format!("{} variants do not fit into 87 bytes", usize::MAX));
        let huge = [&[0xff; 9][..], &[1, 0, 0, 0]].concat();
        assert_eq!(
            decode(&huge.into(), 1).unwrap_err(),
            "length 18446744073709551615 of variant 0 is beyond the value"
        );
    }
}
