//! `saved_model.cpb`: a SavedModel in chunks, for messages above two gigabytes.
//!
//! Records of a riegeli file ([`records`]) are pieces of the message: parts that are messages or values of
//! fields, and at last `ChunkMetadata`, which tells where each belongs. They are put together as bytes
//! ([`wire`]), which are then decoded like those of `saved_model.pb`.

mod highway_hash;
mod records;
mod wire;

use bytes::Bytes;
use flowkeep_proto::pb::proto_splitter as splitter;
use flowkeep_tensor::Code;
use prost::Message as _;

use records::Records;
use splitter::field_index::Kind;
use splitter::field_index::map_key::Type;
use wire::{MapKey, Message, Place};

/// How deep a path may lead: protobuf messages that nest deeper are not decoded either.
const MAX_DEPTH: usize = 100;

/// What is wrong with a file in chunks.
#[derive(Debug)]
pub(crate) struct Damage {
    pub(crate) code: Code,
    pub(crate) message: String,
}

impl Damage {
    fn new(message: impl Into<String>) -> Damage {
        Damage { code: Code::DataLoss, message: message.into() }
    }

    fn unsupported(message: impl Into<String>) -> Damage {
        Damage { code: Code::Unimplemented, message: message.into() }
    }

    fn limit(message: impl Into<String>) -> Damage {
        Damage { code: Code::ResourceExhausted, message: message.into() }
    }
}

/// The message that a file holds in chunks, serialized.
///
/// Errors: `DATA_LOSS` for a damaged file, `UNIMPLEMENTED` for records that are transposed or compressed in
/// ways that TensorFlow's writer does not use, `RESOURCE_EXHAUSTED` for more content than a file of this size
/// may have.
pub(crate) fn join(file: &Bytes) -> Result<Bytes, Damage> {
    join_records(&Records::read(file)?)
}

fn join_records(records: &Records) -> Result<Bytes, Damage> {
    let metadata = records.last().ok_or_else(|| Damage::new("it has no records"))?;
    let metadata = splitter::ChunkMetadata::decode(metadata.clone())
        .map_err(|error| Damage::new(format!("its last record is no ChunkMetadata: {error}")))?;
    let join_version = metadata.version.as_ref().map_or(0, |version| version.join_version);
    if join_version > 0 {
        return Err(Damage::unsupported(format!("its chunks join by version {join_version}")));
    }
    let chunks = metadata.chunks.iter().map(|info| chunk(records, info));
    let chunks = chunks.collect::<Result<Vec<_>, _>>()?;
    let mut joiner = Joiner { chunks };
    let mut message = Message::default();
    joiner.merge(&mut message, metadata.message.unwrap_or_default(), 0)?;
    let mut bytes = Vec::with_capacity(message.len());
    message.write(&mut bytes);
    Ok(bytes.into())
}

/// The record of a chunk, and whether it is the value of a field.
fn chunk(records: &Records, info: &splitter::ChunkInfo) -> Result<Option<(bool, Bytes)>, Damage> {
    let (offset, size) = (info.offset, info.size);
    let record = records
        .at(offset)
        .ok_or_else(|| Damage::new(format!("Chunk could not be found at position: {offset}.")))?;
    if usize::try_from(size) != Ok(record.len()) {
        return Err(Damage::new(format!(
            "the chunk at position {offset} has {} bytes, not {size}",
            record.len()
        )));
    }
    Ok(Some((info.r#type() == splitter::chunk_info::Type::Bytes, record.clone())))
}

struct Joiner {
    /// Those that found their place are gone: each has one.
    chunks: Vec<Option<(bool, Bytes)>>,
}

impl Joiner {
    fn merge(
        &mut self,
        message: &mut Message,
        chunked: splitter::ChunkedMessage,
        depth: usize,
    ) -> Result<(), Damage> {
        if let Some(idx) = chunked.chunk_index {
            message.merge(self.take(idx)?.1)?;
        }
        let mut parts = Vec::with_capacity(chunked.chunked_fields.len());
        for part in chunked.chunked_fields {
            parts.push((path(&part.field_tag)?, part.message.unwrap_or_default()));
        }
        // A message comes before what lies within it, and so do elements before later ones.
        parts.sort_by_cached_key(|(path, message)| (order(path), message.chunk_index));
        for (path, part) in parts {
            let depth = depth.saturating_add(path.len());
            if depth > MAX_DEPTH {
                return Err(Damage::new("its chunks nest too deep"));
            }
            self.place(message, &path, part, depth)?;
        }
        Ok(())
    }

    fn place(
        &mut self,
        message: &mut Message,
        path: &[(u32, Place)],
        part: splitter::ChunkedMessage,
        depth: usize,
    ) -> Result<(), Damage> {
        let is_bytes = match part.chunk_index {
            Some(idx) => self.get(idx)?.0,
            None => false,
        };
        if let (true, Some(((number, place), within)), Some(idx)) =
            (is_bytes, path.split_last(), part.chunk_index)
        {
            let bytes = self.take(idx)?.1;
            return descend(message, within)?.set(*number, place, bytes);
        }
        self.merge(descend(message, path)?, part, depth.saturating_add(1))
    }

    fn get(&self, idx: u64) -> Result<&(bool, Bytes), Damage> {
        let n_chunks = self.chunks.len();
        let found = usize::try_from(idx).ok().and_then(|idx| self.chunks.get(idx));
        let found = found.ok_or_else(|| {
            Damage::new(format!("Chunk index {idx} is out of range for {n_chunks} chunks."))
        })?;
        found.as_ref().ok_or_else(|| Damage::new(format!("chunk {idx} is to be at two places")))
    }

    fn take(&mut self, idx: u64) -> Result<(bool, Bytes), Damage> {
        let chunk = self.get(idx)?.clone();
        if let Some(taken) = usize::try_from(idx).ok().and_then(|idx| self.chunks.get_mut(idx)) {
            *taken = None;
        }
        Ok(chunk)
    }
}

fn descend<'a>(message: &'a mut Message, path: &[(u32, Place)]) -> Result<&'a mut Message, Damage> {
    path.iter().try_fold(message, |message, (number, place)| message.at(*number, place))
}

/// The fields that a path leads through, each with the place in it.
fn path(tags: &[splitter::FieldIndex]) -> Result<Vec<(u32, Place)>, Damage> {
    let mut path: Vec<(u32, Place)> = Vec::new();
    for tag in tags {
        let place = match &tag.kind {
            Some(Kind::Field(number)) if *number > 0 => {
                path.push((*number, Place::Only));
                continue;
            }
            Some(Kind::Index(idx)) => Some(Place::Index(*idx)),
            Some(Kind::MapKey(key)) => key.r#type.as_ref().map(|key| Place::Key(map_key(key))),
            _ => None,
        };
        match (path.last_mut(), place) {
            (Some((_, last @ Place::Only)), Some(place)) => *last = place,
            _ => return Err(Damage::new("Field tag mismatch")),
        }
    }
    Ok(path)
}

fn map_key(key: &Type) -> MapKey {
    match key {
        Type::S(text) => MapKey::Text(text.clone().into()),
        Type::Boolean(value) => MapKey::Number(u64::from(*value)),
        Type::Ui32(value) => MapKey::Number(u64::from(*value)),
        Type::Ui64(value) => MapKey::Number(*value),
        Type::I32(value) => MapKey::Number(i64::from(*value).cast_unsigned()),
        Type::I64(value) => MapKey::Number(value.cast_unsigned()),
    }
}

/// By what paths are sorted.
fn order(path: &[(u32, Place)]) -> Vec<u64> {
    let steps = path.iter().flat_map(|(number, place)| {
        let idx = match place {
            Place::Index(idx) => Some(*idx),
            Place::Key(_) => Some(0),
            Place::Only => None,
        };
        std::iter::once(u64::from(*number)).chain(idx)
    });
    steps.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The records of a model that TensorFlow's merger reads.
    fn records() -> Records {
        let fixture = "/../../fixtures/chunked/stored/saved_model.cpb";
        let bytes = std::fs::read(format!("{}{fixture}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        Records::read(&bytes.into()).unwrap()
    }

    /// The records with other metadata.
    fn with(change: impl FnOnce(&mut splitter::ChunkMetadata)) -> Result<Bytes, Damage> {
        let mut records = records();
        let mut metadata =
            splitter::ChunkMetadata::decode(records.last().unwrap().clone()).unwrap();
        change(&mut metadata);
        records.replace_last(metadata.encode_to_vec().into());
        join_records(&records)
    }

    fn parts(metadata: &mut splitter::ChunkMetadata) -> &mut Vec<splitter::ChunkedField> {
        &mut metadata.message.as_mut().unwrap().chunked_fields
    }

    #[test]
    fn wrong_metadata_are_told() {
        type Change = fn(&mut splitter::ChunkMetadata);
        let cases: [(Change, &str); 7] = [
            (|metadata| metadata.chunks[1].offset += 1, "Chunk could not be found at position"),
            (|metadata| metadata.chunks[1].size += 1, "the chunk at position"),
            (|metadata| _ = metadata.chunks.pop(), "is out of range for"),
            (
                |metadata| {
                    let part = parts(metadata)[0].clone();
                    parts(metadata).push(part);
                },
                "is to be at two places",
            ),
            (
                |metadata| {
                    parts(metadata)[0]
                        .field_tag
                        .insert(0, splitter::FieldIndex { kind: Some(Kind::Index(1)) });
                },
                "Field tag mismatch",
            ),
            (
                |metadata| {
                    let step = splitter::FieldIndex { kind: Some(Kind::Field(3)) };
                    parts(metadata).truncate(1);
                    parts(metadata)[0].field_tag = vec![step; 1000];
                },
                "its chunks nest too deep",
            ),
            (
                |metadata| metadata.version.as_mut().unwrap().join_version = 1,
                "its chunks join by version 1",
            ),
        ];
        for (change, message) in cases {
            let damage = with(change).unwrap_err();
            assert!(damage.message.contains(message), "{} is not {message}", damage.message);
        }
    }

    #[test]
    fn mutated_metadata_do_no_harm() {
        let mut state = 5u64;
        let mut random = |n: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            usize::try_from(state >> 33).unwrap() % n
        };
        let sound = records();
        let mut n_joined = 0;
        for _ in 0..400 {
            let mut metadata = sound.last().unwrap().to_vec();
            for _ in 0..=random(3) {
                let at = random(metadata.len());
                metadata[at] ^= 1 << random(8);
            }
            let mut records = records();
            records.replace_last(metadata.into());
            if let Ok(bytes) = join_records(&records) {
                n_joined += 1;
                assert!(bytes.len() < 400_000, "no more than there was");
            }
        }
        assert!(n_joined > 0, "some are as good as before");
    }
}
