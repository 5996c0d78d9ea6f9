use std::path::Path;

use flowkeep_proto::pb;
use prost::Message;

use crate::Error;
use crate::table::Table;

/// The largest number of data files, as their names have five digits.
pub(crate) const MAX_SHARDS: i32 = 99_999;
/// The version of the format that this crate reads.
const CONSUMER: i32 = 1;
/// The version of the format that this crate writes.
pub(crate) const PRODUCER: i32 = 1;

/// The byte order of the tensors in a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endianness {
    /// Least significant byte first; what nearly every machine writes.
    Little,
    /// Most significant byte first.
    Big,
}

impl Endianness {
    /// Whether elements of this order must be swapped on this machine.
    pub(crate) fn is_foreign(self) -> bool {
        let native = if cfg!(target_endian = "big") { Endianness::Big } else { Endianness::Little };
        self != native
    }
}

/// What the index says about the whole bundle: the value of its empty key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BundleHeader {
    /// The number of data files, from 1 to 99,999.
    pub n_shards: u32,
    /// The byte order of the tensors.
    pub endianness: Endianness,
    /// The version of the writer.
    pub producer: i32,
}

/// Why a header is refused.
pub(crate) enum HeaderError {
    Corrupt(String),
    Version(String),
}

impl BundleHeader {
    /// Whether elements have another byte order than on this machine.
    pub fn is_foreign(&self) -> bool {
        self.endianness.is_foreign()
    }

    /// The stored form of the header of a bundle that this crate writes.
    pub(crate) fn encode(n_shards: u32) -> Vec<u8> {
        let version = pb::VersionDef { producer: PRODUCER, ..Default::default() };
        let num_shards = i32::try_from(n_shards).unwrap_or(i32::MAX);
        pb::BundleHeaderProto { num_shards, version: Some(version), ..Default::default() }
            .encode_to_vec()
    }

    /// The header in the index `table`, which is the file `path`.
    pub(crate) fn find(table: &Table, path: &Path) -> Result<BundleHeader, Error> {
        let Some(header) = table.get(b"") else {
            return Err(Error::Header { path: path.into(), what: "index has no header".into() });
        };
        BundleHeader::decode(header).map_err(|error| match error {
            HeaderError::Corrupt(what) => Error::Header { path: path.into(), what },
            HeaderError::Version(what) => Error::Version { what },
        })
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<BundleHeader, HeaderError> {
        let Ok(proto) = pb::BundleHeaderProto::decode(bytes) else {
            return Err(HeaderError::Corrupt("header is not parseable".into()));
        };
        let version = proto.version.unwrap_or_default();
        check_version(&version).map_err(HeaderError::Version)?;
        let n_shards = u32::try_from(proto.num_shards).ok();
        let Some(n_shards) = n_shards.filter(|_| (1..=MAX_SHARDS).contains(&proto.num_shards))
        else {
            return Err(HeaderError::Corrupt(format!(
                "header has num_shards {}, not between 1 and {MAX_SHARDS}",
                proto.num_shards
            )));
        };
        // TensorFlow takes numbers that it does not know for little-endian, too.
        let big = proto.endianness == i32::from(pb::bundle_header_proto::Endianness::Big);
        let endianness = if big { Endianness::Big } else { Endianness::Little };
        Ok(BundleHeader { n_shards, endianness, producer: version.producer })
    }
}

/// Whether a checkpoint of this version can be read; an error has TensorFlow's words.
pub(crate) fn check_version(version: &pb::VersionDef) -> Result<(), String> {
    if version.min_consumer > CONSUMER {
        return Err(format!(
            "Checkpoint min consumer version {} above current version {CONSUMER}",
            version.min_consumer
        ));
    }
    if version.bad_consumers.contains(&CONSUMER) {
        return Err(format!(
            "Checkpoint disallows consumer version {CONSUMER}.  Please upgrade TensorFlow: this version is likely \
             buggy."
        ));
    }
    if version.producer < 0 {
        return Err(format!(
            "Checkpoint producer version {} below min producer 0 supported by TensorFlow",
            version.producer
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Result<BundleHeader, String> {
        BundleHeader::decode(bytes).map_err(|error| match error {
            HeaderError::Corrupt(what) => format!("corrupt: {what}"),
            HeaderError::Version(what) => format!("version: {what}"),
        })
    }

    #[test]
    fn headers_are_read() {
        let header = decode(&[0x08, 0x02, 0x1a, 0x02, 0x08, 0x05]).unwrap();
        assert_eq!(
            header,
            BundleHeader { n_shards: 2, endianness: Endianness::Little, producer: 5 }
        );
        let header = decode(&[0x10, 0x01, 0x08, 0x01]).unwrap();
        assert_eq!((header.endianness, header.producer), (Endianness::Big, 0));
        assert_eq!(decode(&[0x08, 0x01, 0x10, 0x07]).unwrap().endianness, Endianness::Little);
    }

    #[test]
    fn other_versions_and_impossible_counts_are_refused() {
        let cases: [(&[u8], &str); 7] = [
            (&[], "corrupt: header has num_shards 0"),
            (&[0x08, 0xa0, 0x8d, 0x06], "corrupt: header has num_shards 100000"),
            (
                &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
                "corrupt: header has num_shards -1",
            ),
            (&[0x08], "corrupt: header is not parseable"),
            (
                &[0x08, 0x01, 0x1a, 0x02, 0x10, 0x02],
                "version: Checkpoint min consumer version 2 above current version 1",
            ),
            (
                &[0x08, 0x01, 0x1a, 0x03, 0x1a, 0x01, 0x01],
                "version: Checkpoint disallows consumer version 1",
            ),
            (
                &[
                    0x08, 0x01, 0x1a, 0x0b, 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                    0xff, 0x01,
                ],
                "version: Checkpoint producer version -1",
            ),
        ];
        for (bytes, message) in cases {
            let error = decode(bytes).unwrap_err();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
