//! Wire to text, in the form of TensorFlow's `text_format.MessageToString`.

use super::descriptor::{ANY, FieldDef, Kind, MessageDef, Pool, Scalar};
use super::error::PrintError;
use super::wire::{self, Reader, Value};
use super::{MAX_DEPTH, spell};

/// See [`super::print`].
pub(super) fn print(full_name: &str, wire: &[u8]) -> Result<String, PrintError> {
    let pool = Pool::get();
    let def =
        pool.message(full_name).ok_or_else(|| PrintError::UnknownType(full_name.to_owned()))?;
    let mut printer = Printer { pool, out: String::new(), depth: 0 };
    printer.message(def, wire)?;
    Ok(printer.out)
}

struct Printer {
    pool: &'static Pool,
    out: String,
    /// Messages around the current one; also the indentation in steps.
    depth: usize,
}

/// The values of a field in the order they came; messages as bytes.
type Values<'a> = Vec<Value<&'a [u8]>>;

impl Printer {
    fn message(&mut self, def: &'static MessageDef, wire: &[u8]) -> Result<(), PrintError> {
        let values = decode(def, wire)?;
        if def.full_name == ANY && self.expanded_any(def, &values)? {
            return Ok(());
        }
        for (field, values) in def.fields.iter().zip(&values) {
            self.field(def, field, values)?;
        }
        Ok(())
    }

    fn field(
        &mut self,
        owner: &'static MessageDef,
        field: &'static FieldDef,
        values: &Values<'_>,
    ) -> Result<(), PrintError> {
        match &field.kind {
            Kind::Message(full_name) => {
                let unknown = || PrintError::UnknownType(full_name.clone());
                let def = self.pool.message(full_name).ok_or_else(unknown)?;
                if def.is_map_entry {
                    let entries = sorted_entries(def, values)?;
                    return entries
                        .iter()
                        .try_for_each(|entry| self.block(&field.name, def, entry));
                }
                if !field.is_repeated {
                    // The records of a singular message are one message in pieces.
                    let pieces: Vec<&[u8]> = values.iter().map(bytes_of).collect();
                    return match pieces.as_slice() {
                        [] => Ok(()),
                        [whole] => self.block(&field.name, def, whole),
                        pieces => self.block(&field.name, def, &pieces.concat()),
                    };
                }
                values.iter().try_for_each(|value| self.block(&field.name, def, bytes_of(value)))
            }
            kind if field.is_repeated => {
                values.iter().try_for_each(|value| self.scalar(owner, &field.name, kind, value))
            }
            kind => match values.last() {
                Some(value) if field.has_presence || !value.is_default() => {
                    self.scalar(owner, &field.name, kind, value)
                }
                _ => Ok(()),
            },
        }
    }

    /// Writes a message in braces.
    fn block(
        &mut self,
        title: &str,
        def: &'static MessageDef,
        wire: &[u8],
    ) -> Result<(), PrintError> {
        if self.depth >= MAX_DEPTH {
            return Err(malformed(def, "messages nest too deep"));
        }
        self.indent();
        self.out.push_str(title);
        self.out.push_str(" {\n");
        self.depth = self.depth.saturating_add(1);
        self.message(def, wire)?;
        self.depth = self.depth.saturating_sub(1);
        self.indent();
        self.out.push_str("}\n");
        Ok(())
    }

    /// Writes an `Any` of a known type; false when it has none.
    fn expanded_any(
        &mut self,
        any: &'static MessageDef,
        values: &[Values<'_>],
    ) -> Result<bool, PrintError> {
        let last = |name| {
            let idx = any.field_idx(any.field(name)?.number)?;
            values.get(idx)?.last().map(bytes_of)
        };
        let url = last("type_url").and_then(|url| std::str::from_utf8(url).ok()).unwrap_or("");
        let Some((_, full_name)) = url.rsplit_once('/') else { return Ok(false) };
        let Some(def) = self.pool.message(full_name) else { return Ok(false) };
        self.block(&format!("[{url}]"), def, last("value").unwrap_or_default())?;
        Ok(true)
    }

    fn scalar(
        &mut self,
        owner: &MessageDef,
        name: &str,
        kind: &Kind,
        value: &Value<&[u8]>,
    ) -> Result<(), PrintError> {
        self.indent();
        self.out.push_str(name);
        self.out.push_str(": ");
        let text = match kind {
            Kind::Enum(full_name) => {
                let number = spell::low_i32(varint_of(value));
                let def = self.pool.enum_def(full_name);
                def.and_then(|def| def.name(number))
                    .map_or_else(|| number.to_string(), str::to_owned)
            }
            Kind::Scalar(scalar) => {
                spell::scalar(*scalar, value).map_err(|reason| malformed(owner, reason))?
            }
            Kind::Message(_) => String::new(),
        };
        self.out.push_str(&text);
        self.out.push('\n');
        Ok(())
    }

    fn indent(&mut self) {
        for _ in 0..self.depth {
            self.out.push_str("  ");
        }
    }
}

fn malformed(def: &MessageDef, reason: &'static str) -> PrintError {
    PrintError::Malformed { message: def.full_name.clone(), reason }
}

/// The values of each field of a message, by index of the field; unknown fields are dropped.
fn decode<'a>(def: &MessageDef, wire: &'a [u8]) -> Result<Vec<Values<'a>>, PrintError> {
    let mut values: Vec<Values<'a>> = vec![Vec::new(); def.fields.len()];
    let mut reader = Reader::new(wire);
    while !reader.is_at_end() {
        let (number, value) = reader.record().map_err(|reason| malformed(def, reason))?;
        let Some(idx) = def.field_idx(number) else { continue };
        let Some(field) = def.fields.get(idx) else { continue };
        clear_oneof(def, field, &mut values);
        let Some(of_field) = values.get_mut(idx) else { continue };
        let scalar = match &field.kind {
            Kind::Scalar(scalar) => *scalar,
            Kind::Enum(_) => Scalar::Int32,
            Kind::Message(_) => Scalar::Bytes,
        };
        match value {
            Value::Bytes(packed) if shape(scalar) != Shape::Bytes && field.is_repeated => {
                let mut packed = Reader::new(packed);
                while !packed.is_at_end() {
                    of_field.push(packed.packed(scalar).map_err(|reason| malformed(def, reason))?);
                }
            }
            value if shape_of(&value) == shape(scalar) => of_field.push(value),
            // A record of another shape than the field's is an unknown field.
            _ => {}
        }
    }
    Ok(values)
}

/// Drops the other members of the oneof that `field` belongs to.
fn clear_oneof(def: &MessageDef, field: &FieldDef, values: &mut [Values<'_>]) {
    if field.oneof_idx.is_none() {
        return;
    }
    for (other, values) in def.fields.iter().zip(values) {
        if other.oneof_idx == field.oneof_idx && other.number != field.number {
            values.clear();
        }
    }
}

/// The four shapes of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Varint,
    Bits64,
    Bits32,
    Bytes,
}

fn shape(scalar: Scalar) -> Shape {
    match scalar {
        Scalar::Double | Scalar::Fixed64 | Scalar::Sfixed64 => Shape::Bits64,
        Scalar::Float | Scalar::Fixed32 | Scalar::Sfixed32 => Shape::Bits32,
        Scalar::String | Scalar::Bytes => Shape::Bytes,
        _ => Shape::Varint,
    }
}

fn shape_of(value: &Value<&[u8]>) -> Shape {
    match value {
        Value::Varint(_) => Shape::Varint,
        Value::Bits64(_) => Shape::Bits64,
        Value::Bits32(_) => Shape::Bits32,
        Value::Bytes(_) => Shape::Bytes,
    }
}

/// The entries of a map, each with key and value, by key; the last of equal keys.
fn sorted_entries(def: &MessageDef, values: &Values<'_>) -> Result<Vec<Vec<u8>>, PrintError> {
    let mut entries = std::collections::BTreeMap::new();
    let [key_def, value_def] = def.fields.as_slice() else { return Ok(Vec::new()) };
    for value in values {
        let mut parts = decode(def, bytes_of(value))?.into_iter();
        let key = parts.next().and_then(|keys| keys.last().cloned());
        let key = key.unwrap_or_else(|| default_of(key_def));
        let mut wire = Vec::new();
        key.put_field(key_def.number, &mut wire);
        let values = parts.next().unwrap_or_default();
        let is_message = matches!(value_def.kind, Kind::Message(_));
        if is_message {
            // A message in pieces stays one; an absent one is an empty one.
            let pieces: Vec<&[u8]> = values.iter().map(bytes_of).collect();
            Value::Bytes(pieces.concat()).put_field(value_def.number, &mut wire);
        } else {
            let value = values.last().cloned().unwrap_or_else(|| default_of(value_def));
            value.put_field(value_def.number, &mut wire);
        }
        entries.insert(sort_key(key_def, &key), wire);
    }
    Ok(entries.into_values().collect())
}

fn default_of(field: &FieldDef) -> Value<&'static [u8]> {
    let scalar = match field.kind {
        Kind::Scalar(scalar) => scalar,
        Kind::Enum(_) => Scalar::Int32,
        Kind::Message(_) => Scalar::Bytes,
    };
    match shape(scalar) {
        Shape::Varint => Value::Varint(0),
        Shape::Bits64 => Value::Bits64(0),
        Shape::Bits32 => Value::Bits32(0),
        Shape::Bytes => Value::Bytes(&[]),
    }
}

/// What a map is sorted by: numbers by value, strings by code point.
fn sort_key(field: &FieldDef, key: &Value<&[u8]>) -> (i128, Vec<u8>) {
    let number = match (key, &field.kind) {
        (Value::Varint(bits), Kind::Scalar(Scalar::Int32 | Scalar::Int64)) => {
            i128::from(bits.cast_signed())
        }
        (Value::Varint(bits), Kind::Scalar(Scalar::Sint32 | Scalar::Sint64)) => {
            i128::from(wire::unzigzag(*bits))
        }
        (Value::Varint(bits) | Value::Bits64(bits), _) => i128::from(*bits),
        (Value::Bits32(bits), _) => i128::from(*bits),
        (Value::Bytes(_), _) => 0,
    };
    (number, bytes_of(key).to_vec())
}

fn bytes_of<'a>(value: &Value<&'a [u8]>) -> &'a [u8] {
    match value {
        Value::Bytes(bytes) => bytes,
        _ => &[],
    }
}

fn varint_of(value: &Value<&[u8]>) -> u64 {
    match value {
        Value::Varint(bits) => *bits,
        _ => 0,
    }
}
