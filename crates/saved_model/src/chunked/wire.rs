//! Messages as they are on the wire, taken apart as deep as paths lead into them.

use std::collections::HashMap;

use bytes::Bytes;

use super::Damage;

const DELIMITED: u64 = 2;
/// Field of a map's entry.
const KEY: u32 = 1;
const VALUE: u32 = 2;

/// What follows the number of a field on a path: nothing, a position, or a key of a map.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Only,
    Index(u64),
    Key(MapKey),
}

/// A key of a map as its entry holds it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum MapKey {
    Text(Bytes),
    Number(u64),
}

/// A message.
#[derive(Debug, Default)]
pub(super) struct Message {
    fields: Vec<Field>,
    /// Where the values of a field are that have a length.
    places: HashMap<u32, Vec<usize>>,
    /// Where the entries of maps are that were asked for.
    maps: HashMap<u32, HashMap<MapKey, usize>>,
}

#[derive(Debug)]
enum Field {
    /// Whole fields, one or several.
    Raw(Bytes),
    Content(u32, Bytes),
    Message(u32, Message),
}

impl Message {
    /// Adds the fields of a serialized message, which is what merging it means.
    pub(super) fn merge(&mut self, bytes: Bytes) -> Result<(), Damage> {
        let damaged = || Damage::new("a chunk is no message");
        let mut rest = bytes.clone();
        let mut raw_from = 0;
        loop {
            let begin = bytes.len() - rest.len();
            let Some(tag) = (match rest.is_empty() {
                true => None,
                false => Some(varint(&mut rest).ok_or_else(damaged)?),
            }) else {
                self.add_raw(bytes.slice(raw_from..begin));
                return Ok(());
            };
            let number = u32::try_from(tag >> 3).map_err(|_| damaged())?;
            let n_skipped = match tag & 7 {
                0 => varint(&mut rest).map(|_| 0),
                1 => Some(8),
                DELIMITED => varint(&mut rest).and_then(|n| usize::try_from(n).ok()),
                5 => Some(4),
                _ => None,
            };
            let n_skipped = n_skipped.filter(|n| *n <= rest.len()).ok_or_else(damaged)?;
            let content = rest.split_to(n_skipped);
            if tag & 7 == DELIMITED {
                self.add_raw(bytes.slice(raw_from..begin));
                raw_from = bytes.len() - rest.len();
                self.add(Field::Content(number, content), number);
            }
        }
    }

    fn add_raw(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.fields.push(Field::Raw(bytes));
        }
    }

    fn add(&mut self, field: Field, number: u32) -> usize {
        let at = self.fields.len();
        self.fields.push(field);
        self.places.entry(number).or_default().push(at);
        if let Some(map) = self.maps.get_mut(&number)
            && let Some(Field::Content(_, entry)) = self.fields.last()
            && let Some(key) = key_of(entry)
        {
            map.insert(key, at);
        }
        at
    }

    /// The message at a place of a field, which is added if it would be the next.
    pub(super) fn at(&mut self, number: u32, place: &Place) -> Result<&mut Message, Damage> {
        let at = match place {
            Place::Only => self.only(number)?,
            Place::Index(idx) => self.indexed(number, *idx)?,
            Place::Key(key) => {
                let at = self.entry(number, key)?;
                return self.open(at)?.at(VALUE, &Place::Only);
            }
        };
        self.open(at)
    }

    /// Puts bytes at a place of a field, in place of those that are there.
    pub(super) fn set(&mut self, number: u32, place: &Place, bytes: Bytes) -> Result<(), Damage> {
        let at = match place {
            Place::Only => self.only(number)?,
            Place::Index(idx) => self.indexed(number, *idx)?,
            Place::Key(key) => {
                let at = self.entry(number, key)?;
                return self.open(at)?.set(VALUE, &Place::Only, bytes);
            }
        };
        if let Some(field) = self.fields.get_mut(at) {
            *field = Field::Content(number, bytes);
        }
        Ok(())
    }

    /// Where a field is that may be there once; if it is there several times, that is one value in pieces.
    fn only(&mut self, number: u32) -> Result<usize, Damage> {
        let places = self.places.get(&number).cloned().unwrap_or_default();
        let Some((first, others)) = places.split_first() else {
            return Ok(self.add(Field::Content(number, Bytes::new()), number));
        };
        for other in others {
            let empty = Field::Raw(Bytes::new());
            let field = self.fields.get_mut(*other).map(|field| std::mem::replace(field, empty));
            if let Some(Field::Content(_, more)) = field {
                self.open(*first)?.merge(more)?;
            }
        }
        self.places.insert(number, vec![*first]);
        Ok(*first)
    }

    fn indexed(&mut self, number: u32, idx: u64) -> Result<usize, Damage> {
        let places = self.places.get(&number).map(Vec::as_slice).unwrap_or_default();
        let place = usize::try_from(idx).unwrap_or(usize::MAX);
        match places.get(place) {
            Some(at) => Ok(*at),
            None if place == places.len() => {
                Ok(self.add(Field::Content(number, Bytes::new()), number))
            }
            None => Err(Damage::new(format!(
                "a chunk belongs at position {idx} of field {number}, which has {}",
                places.len()
            ))),
        }
    }

    fn entry(&mut self, number: u32, key: &MapKey) -> Result<usize, Damage> {
        if !self.maps.contains_key(&number) {
            let mut map = HashMap::new();
            for at in self.places.get(&number).into_iter().flatten() {
                if let Some(Field::Content(_, entry)) = self.fields.get(*at)
                    && let Some(key) = key_of(entry)
                {
                    map.insert(key, *at);
                }
            }
            self.maps.insert(number, map);
        }
        if let Some(at) = self.maps.get(&number).and_then(|map| map.get(key)) {
            return Ok(*at);
        }
        let mut entry = Vec::new();
        match key {
            MapKey::Text(text) => {
                put_varint(u64::from(KEY) << 3 | DELIMITED, &mut entry);
                put_varint(len_u64(text.len()), &mut entry);
                entry.extend_from_slice(text);
            }
            MapKey::Number(number) => {
                put_varint(u64::from(KEY) << 3, &mut entry);
                put_varint(*number, &mut entry);
            }
        }
        Ok(self.add(Field::Content(number, entry.into()), number))
    }

    /// The field at `at`, taken apart.
    fn open(&mut self, at: usize) -> Result<&mut Message, Damage> {
        let field = self.fields.get_mut(at);
        let Some(field) = field else { return Err(Damage::new("a chunk has no place")) };
        if let Field::Content(number, bytes) = field {
            let mut message = Message::default();
            message.merge(std::mem::take(bytes))?;
            *field = Field::Message(*number, message);
        }
        match field {
            Field::Message(_, message) => Ok(message),
            _ => Err(Damage::new("a chunk has no place")),
        }
    }

    /// The length of this message, serialized.
    pub(super) fn len(&self) -> usize {
        let lens = self.fields.iter().map(|field| match field {
            Field::Raw(bytes) => bytes.len(),
            Field::Content(number, bytes) => delimited_len(*number, bytes.len()),
            Field::Message(number, message) => delimited_len(*number, message.len()),
        });
        lens.sum()
    }

    /// Serializes this message.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for field in &self.fields {
            match field {
                Field::Raw(bytes) => out.extend_from_slice(bytes),
                Field::Content(number, bytes) => {
                    put_header(*number, bytes.len(), out);
                    out.extend_from_slice(bytes);
                }
                Field::Message(number, message) => {
                    put_header(*number, message.len(), out);
                    message.write(out);
                }
            }
        }
    }
}

/// The key of a map's entry; a key that is not there is the first of its type, which no path of a SavedModel
/// names.
fn key_of(entry: &Bytes) -> Option<MapKey> {
    let mut rest = entry.clone();
    let mut key = None;
    while !rest.is_empty() {
        let tag = varint(&mut rest)?;
        let is_key = tag >> 3 == u64::from(KEY);
        match tag & 7 {
            0 => {
                let number = varint(&mut rest)?;
                key = if is_key { Some(MapKey::Number(number)) } else { key };
            }
            DELIMITED => {
                let n = varint(&mut rest).and_then(|n| usize::try_from(n).ok())?;
                if n > rest.len() {
                    return None;
                }
                let text = rest.split_to(n);
                key = if is_key { Some(MapKey::Text(text)) } else { key };
            }
            _ => return None,
        }
    }
    key
}

/// Takes a number in groups of seven bits off the front.
pub(super) fn varint(bytes: &mut Bytes) -> Option<u64> {
    let mut value = 0;
    for (idx, byte) in bytes.iter().take(10).enumerate() {
        let group = u64::from(byte & 0x7f);
        let shifted = group << (7 * idx);
        if shifted >> (7 * idx) != group {
            return None;
        }
        value |= shifted;
        if byte & 0x80 == 0 {
            let _ = bytes.split_to(idx + 1);
            return Some(value);
        }
    }
    None
}

fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

fn put_header(number: u32, len: usize, out: &mut Vec<u8>) {
    put_varint(u64::from(number) << 3 | DELIMITED, out);
    put_varint(len_u64(len), out);
}

fn delimited_len(number: u32, len: usize) -> usize {
    let varint_len = |value: u64| prost::length_delimiter_len(usize::try_from(value).unwrap_or(0));
    varint_len(u64::from(number) << 3) + varint_len(len_u64(len)) + len
}

fn len_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowkeep_proto::pb;
    use prost::Message as _;

    #[test]
    fn what_is_taken_apart_goes_together_again() {
        let node = pb::NodeDef { name: "x".into(), op: "Const".into(), ..Default::default() };
        let mut graph = pb::GraphDef { node: vec![node.clone(), node], ..Default::default() };
        let mut message = Message::default();
        message.merge(graph.encode_to_vec().into()).unwrap();
        let value = message.at(1, &Place::Index(1)).unwrap();
        let key = MapKey::Text(Bytes::from_static(b"value"));
        value.at(5, &Place::Key(key)).unwrap().set(2, &Place::Only, "text".into()).unwrap();
        message.at(1, &Place::Index(2)).unwrap().set(1, &Place::Only, "y".into()).unwrap();

        let attr = pb::AttrValue { value: Some(pb::attr_value::Value::S("text".into())) };
        graph.node[1].attr.insert("value".to_owned(), attr);
        graph.node.push(pb::NodeDef { name: "y".into(), ..Default::default() });
        let mut bytes = Vec::new();
        message.write(&mut bytes);
        assert_eq!(bytes.len(), message.len());
        assert_eq!(pb::GraphDef::decode(&*bytes).unwrap(), graph);
    }

    #[test]
    fn a_position_beyond_the_next_is_refused() {
        let error = Message::default().at(1, &Place::Index(7)).unwrap_err();
        assert_eq!(error.message, "a chunk belongs at position 7 of field 1, which has 0");
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for bytes in [&[0x80][..], &[0x0a, 5, 1], &[0x0b], &[0x09, 1, 2]] {
            let merged = Message::default().merge(Bytes::copy_from_slice(bytes));
            assert_eq!(merged.unwrap_err().message, "a chunk is no message", "{bytes:?}");
        }
    }
}
