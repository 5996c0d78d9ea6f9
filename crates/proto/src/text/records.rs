//! The records of a message on the wire, in the order of its fields.

use super::descriptor::{FieldDef, MessageDef, Scalar};
use super::error::PrintError;
use super::wire::{Reader, Shape, Value, unzigzag};

/// A record of a field.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    /// Index in the message's `fields`.
    pub(super) field_idx: usize,
    pub(super) value: Value<'a>,
}

/// Appends the records of a message that comes in pieces, by field.
///
/// Records of one field stay in their order. Unknown fields, and all but the last member of a
/// oneof that is set, are left out. Errors: a piece is not a message.
pub(super) fn collect<'a>(
    def: &MessageDef,
    pieces: &[&'a [u8]],
    records: &mut Vec<Record<'a>>,
) -> Result<(), PrintError> {
    let mut seen = 0;
    let mut has_rivals = false;
    for piece in pieces {
        let mut reader = Reader::new(piece);
        while let Some((number, value)) =
            reader.record().map_err(|reason| malformed(def, reason))?
        {
            let Some((field_idx, field)) = def.field_by_number(number) else { continue };
            if fits(field, &value) {
                has_rivals |= seen & field.rivals != 0;
                seen |= field.bit;
                records.push(Record { field_idx, value });
            }
        }
    }
    if has_rivals {
        drop_rivals(def, records);
    }
    if !records.is_sorted_by_key(|record| record.field_idx) {
        records.sort_by_key(|record| record.field_idx);
    }
    Ok(())
}

pub(super) fn malformed(def: &MessageDef, reason: &'static str) -> PrintError {
    PrintError::Malformed { message: def.full_name.clone(), reason }
}

/// Whether a record is one of the field, and not of an unknown one with its number.
pub(super) fn fits(field: &FieldDef, value: &Value<'_>) -> bool {
    value.shape() == field.shape() || (field.is_repeated && value.shape() == Shape::Bytes)
}

/// Keeps, of each oneof, the records of the last member from where it last came to be set.
fn drop_rivals(def: &MessageDef, records: &mut Vec<Record<'_>>) {
    // Members that are no longer looked for: those before a later rival.
    let mut gone = 0;
    let mut kept = Vec::with_capacity(records.len());
    for record in records.drain(..).rev() {
        let Some(field) = def.fields.get(record.field_idx) else { continue };
        if gone & field.bit == 0 {
            gone |= field.rivals;
            kept.push(record);
        } else {
            gone |= field.rivals | field.bit;
        }
    }
    records.extend(kept.into_iter().rev());
}

/// Calls `f` with each value of a repeated scalar field, packed or not.
pub(super) fn each_scalar<'a>(
    def: &MessageDef,
    field: &FieldDef,
    records: &[Record<'a>],
    mut f: impl FnMut(&Value<'a>) -> Result<(), PrintError>,
) -> Result<(), PrintError> {
    for record in records {
        match record.value {
            Value::Bytes(packed) if field.shape() != Shape::Bytes => {
                let mut packed = Reader::new(packed);
                let scalar = field.scalar();
                while let Some(value) =
                    packed.packed(scalar).map_err(|reason| malformed(def, reason))?
                {
                    f(&value)?;
                }
            }
            value => f(&value)?,
        }
    }
    Ok(())
}

/// What entries of a map are sorted by: numbers by value, strings by code point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key<'a> {
    Number(i128),
    Text(&'a [u8]),
}

/// The entries of a map in wire form, by key; of equal keys the last.
pub(super) fn entries<'a>(
    def: &MessageDef,
    records: &[Record<'a>],
) -> Result<Vec<&'a [u8]>, PrintError> {
    let mut entries = Vec::with_capacity(records.len());
    for record in records {
        let entry = record.value.bytes();
        entries.push((key(def, entry)?, entry));
    }
    if !entries.is_sorted_by(|(a, _), (b, _)| a < b) {
        // The last comes first of its equals, which is the one that stays.
        entries.reverse();
        entries.sort_by_key(|(key, _)| *key);
        entries.dedup_by_key(|(key, _)| *key);
    }
    Ok(entries.into_iter().map(|(_, entry)| entry).collect())
}

/// The key of an entry of a map.
fn key<'a>(def: &MessageDef, entry: &'a [u8]) -> Result<Key<'a>, PrintError> {
    let Some(field) = def.fields.first() else { return Ok(Key::Number(0)) };
    let mut key = Value::default_of(field.shape());
    let mut reader = Reader::new(entry);
    while let Some((number, value)) = reader.record().map_err(|reason| malformed(def, reason))? {
        if number == field.number && value.shape() == key.shape() {
            key = value;
        }
    }
    Ok(match key {
        Value::Bytes(text) => Key::Text(text),
        Value::Bits64(bits) => Key::Number(match field.scalar() {
            Scalar::Sfixed64 => bits.cast_signed().into(),
            _ => bits.into(),
        }),
        Value::Bits32(bits) => Key::Number(match field.scalar() {
            Scalar::Sfixed32 => bits.cast_signed().into(),
            _ => bits.into(),
        }),
        Value::Varint(bits) => Key::Number(match field.scalar() {
            Scalar::Int32 | Scalar::Int64 => bits.cast_signed().into(),
            Scalar::Sint32 | Scalar::Sint64 => unzigzag(bits).into(),
            _ => bits.into(),
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::descriptor::Pool;

    fn numbers(message: &str, pieces: &[&[u8]]) -> Vec<(u32, u64)> {
        let def = Pool::get().find(message.as_bytes()).unwrap();
        let mut records = Vec::new();
        collect(def, pieces, &mut records).unwrap();
        let shown =
            |record: &Record<'_>| (def.fields[record.field_idx].number, record.value.varint());
        records.iter().map(shown).collect()
    }

    #[test]
    fn records_come_by_field_and_then_as_they_came() {
        // VersionDef: 1 producer, 2 min_consumer, 3 bad_consumers; 9 is unknown.
        let wire = [0x18, 5, 0x08, 1, 0x48, 9, 0x18, 4, 0x08, 2];
        let expected = [(1, 1), (1, 2), (3, 5), (3, 4)];
        assert_eq!(numbers("tensorflow.VersionDef", &[&wire]), expected);
        let (first, second) = wire.split_at(4);
        assert_eq!(numbers("tensorflow.VersionDef", &[first, second]), expected);
    }

    #[test]
    fn records_of_another_shape_are_unknown() {
        assert_eq!(numbers("tensorflow.VersionDef", &[&[0x0d, 1, 0, 0, 0, 0x0a, 0]]), []);
        // A packed record of a repeated field.
        assert_eq!(numbers("tensorflow.VersionDef", &[&[0x1a, 1, 7]]), [(3, 0)]);
    }

    #[test]
    fn the_last_member_of_a_oneof_is_set() {
        // AttrValue: 3 i, 5 b.
        for (wire, expected) in [
            (&[0x18, 1, 0x18, 2][..], &[(3, 1), (3, 2)][..]),
            (&[0x18, 1, 0x28, 1], &[(5, 1)]),
            (&[0x28, 1, 0x18, 1], &[(3, 1)]),
            (&[0x18, 1, 0x28, 1, 0x18, 3, 0x18, 4], &[(3, 3), (3, 4)]),
        ] {
            assert_eq!(numbers("tensorflow.AttrValue", &[wire]), expected);
        }
    }

    #[test]
    fn entries_come_by_key_and_the_last_of_equals_stays() {
        // GraphDebugInfo.FramesByIdEntry: fixed64 key.
        let def = Pool::get().find(b"tensorflow.GraphDebugInfo.FramesByIdEntry").unwrap();
        let entry =
            |key: u64, mark: u8| [&[0x09][..], &key.to_le_bytes(), &[0x12, 1, mark]].concat();
        let wires = [entry(u64::MAX, 0), entry(2, 1), entry(10, 2), entry(2, 3)];
        let records: Vec<_> =
            wires.iter().map(|wire| Record { field_idx: 0, value: Value::Bytes(wire) }).collect();
        let found = entries(def, &records).unwrap();
        assert_eq!(found, [&wires[3][..], &wires[2], &wires[0]]);
    }
}
