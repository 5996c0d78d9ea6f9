//! The wire form that equal messages share.

use super::descriptor::{FieldDef, Kind, MessageDef, Pool};
use super::error::PrintError;
use super::records::{Record, collect, each_scalar, entries};
use super::wire::{Shape, Value, Writer};

/// Appends a message that comes in pieces as TensorFlow writes it.
///
/// Fields come in the order of their numbers, entries of maps in that of their keys, each field
/// once, and none that is not told from absence. Errors: a piece is not a message.
pub(super) fn canonical(
    pool: &Pool,
    def: &MessageDef,
    pieces: &[&[u8]],
    out: &mut Writer,
) -> Result<(), PrintError> {
    let mut records = Vec::new();
    collect(def, pieces, &mut records)?;
    for run in records.chunk_by(|a, b| a.field_idx == b.field_idx) {
        let Some(field) = run.first().and_then(|first| def.fields.get(first.field_idx)) else {
            continue;
        };
        match field.kind {
            Kind::Map(id) => {
                let def = pool.message(id);
                for wire in entries(def, run)? {
                    block(field, out, |out| entry(pool, def, wire, out))?;
                }
            }
            Kind::Message(id) if field.is_repeated => {
                for record in run {
                    let pieces = [record.value.bytes()];
                    block(field, out, |out| canonical(pool, pool.message(id), &pieces, out))?;
                }
            }
            Kind::Message(id) => {
                let pieces: Vec<_> = run.iter().map(|record| record.value.bytes()).collect();
                block(field, out, |out| canonical(pool, pool.message(id), &pieces, out))?;
            }
            _ if field.is_repeated => scalars(field, def, run, out)?,
            _ => {
                if let Some(Record { value, .. }) = run.last()
                    && (field.has_presence || !value.is_default())
                {
                    out.record(field.number, value);
                }
            }
        }
    }
    Ok(())
}

fn block(
    field: &FieldDef,
    out: &mut Writer,
    content: impl FnOnce(&mut Writer) -> Result<(), PrintError>,
) -> Result<(), PrintError> {
    out.tag(field.number, Shape::Bytes);
    let start = out.open();
    content(out)?;
    out.close(start);
    Ok(())
}

/// An entry of a map, which has its key and value whatever they are.
fn entry(pool: &Pool, def: &MessageDef, wire: &[u8], out: &mut Writer) -> Result<(), PrintError> {
    let mut records = Vec::new();
    collect(def, &[wire], &mut records)?;
    for (field, field_idx) in def.fields.iter().zip(0..) {
        let mut of_field = records.iter().filter(|record| record.field_idx == field_idx);
        if let Kind::Message(id) = field.kind {
            let pieces: Vec<_> = of_field.map(|record| record.value.bytes()).collect();
            block(field, out, |out| canonical(pool, pool.message(id), &pieces, out))?;
        } else {
            let value = of_field.next_back().map(|record| record.value);
            out.record(field.number, &value.unwrap_or(Value::default_of(field.shape())));
        }
    }
    Ok(())
}

fn scalars(
    field: &FieldDef,
    def: &MessageDef,
    run: &[Record<'_>],
    out: &mut Writer,
) -> Result<(), PrintError> {
    if !field.is_packed {
        return each_scalar(def, field, run, |value| {
            out.record(field.number, value);
            Ok(())
        });
    }
    let record = out.len();
    out.tag(field.number, Shape::Bytes);
    let start = out.open();
    each_scalar(def, field, run, |value| {
        out.value(value);
        Ok(())
    })?;
    if out.since(start).is_empty() {
        out.truncate(record);
    } else {
        out.close(start);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(message: &str, wire: &[u8], expected: &[u8]) {
        let pool = Pool::get();
        let mut out = Writer::default();
        canonical(pool, pool.find(message.as_bytes()).unwrap(), &[wire], &mut out).unwrap();
        assert_eq!(out.finish(), expected);
    }

    // Expected bytes: SerializeToString(deterministic=True) of protobuf 7.36.2.
    #[test]
    fn fields_are_sorted_joined_and_left_out() {
        check(
            "tensorflow.VersionDef",
            &[0x10, 0, 0x18, 3, 0x08, 1, 0x1a, 2, 4, 5],
            &[0x08, 1, 0x1a, 3, 3, 4, 5],
        );
        check("tensorflow.VersionDef", &[0x08, 1, 0x08, 0, 0x1a, 0], &[]);
        // AttrValue { shape } in pieces.
        check(
            "tensorflow.AttrValue",
            &[0x3a, 2, 0x18, 1, 0x3a, 2, 0x12, 0],
            &[0x3a, 4, 0x12, 0, 0x18, 1],
        );
        check("tensorflow.AttrValue", &[0x18, 0], &[0x18, 0]);
    }

    #[test]
    fn entries_of_maps_are_sorted_and_whole() {
        let wire = [0x2a, 3, 0x0a, 1, b'b', 0x2a, 0, 0x2a, 5, 0x0a, 1, b'a', 0x12, 0];
        let expected = [
            0x2a, 4, 0x0a, 0, 0x12, 0, 0x2a, 5, 0x0a, 1, b'a', 0x12, 0, 0x2a, 5, 0x0a, 1, b'b',
            0x12, 0,
        ];
        check("tensorflow.NodeDef", &wire, &expected);
    }
}
