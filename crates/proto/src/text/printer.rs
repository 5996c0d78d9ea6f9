//! Wire to text, in the form of TensorFlow's `text_format.MessageToString`.

use super::descriptor::{FieldDef, Kind, MessageDef, MessageId, Pool, Scalar};
use super::error::PrintError;
use super::records::{Record, collect, each_scalar, entries, malformed};
use super::wire::{Value, low_i32};
use super::{MAX_DEPTH, PrintOptions, spell};

/// See [`super::print`].
pub(super) fn print(
    full_name: &str,
    wire: &[u8],
    options: PrintOptions,
) -> Result<String, PrintError> {
    let pool = Pool::get();
    let def = pool
        .find(full_name.as_bytes())
        .ok_or_else(|| PrintError::UnknownType(full_name.to_owned()))?;
    // Half of what text takes up are names and space.
    let out = String::with_capacity(wire.len().saturating_mul(2));
    let mut printer = Printer { pool, options, out, depth: 0, unused: Vec::new() };
    printer.message(def, &[wire])?;
    let mut out = printer.out;
    if options.as_one_line {
        out.truncate(out.trim_end().len());
    }
    Ok(out)
}

struct Printer<'a> {
    pool: &'static Pool,
    options: PrintOptions,
    out: String,
    /// Messages around the current one; also the indentation in steps.
    depth: usize,
    /// Lists that were used for records, and will be again.
    unused: Vec<Vec<Record<'a>>>,
}

impl<'a> Printer<'a> {
    /// Writes the fields of a message that comes in pieces.
    fn message(&mut self, def: &'static MessageDef, pieces: &[&'a [u8]]) -> Result<(), PrintError> {
        let mut records = self.unused.pop().unwrap_or_default();
        collect(def, pieces, &mut records)?;
        if !def.is_any || !self.expanded_any(def, &records)? {
            for run in records.chunk_by(|a, b| a.field_idx == b.field_idx) {
                if let Some(field) = run.first().and_then(|first| def.fields.get(first.field_idx)) {
                    self.field(def, field, run)?;
                }
            }
        }
        records.clear();
        self.unused.push(records);
        Ok(())
    }

    /// Writes a field with all of its records.
    fn field(
        &mut self,
        def: &'static MessageDef,
        field: &'static FieldDef,
        records: &[Record<'a>],
    ) -> Result<(), PrintError> {
        match field.kind {
            Kind::Map(id) => {
                let entry_def = self.pool.message(id);
                entries(entry_def, records)?.into_iter().try_for_each(|entry| {
                    self.open(&field.name, def)?;
                    self.entry(entry_def, entry)?;
                    self.close();
                    Ok(())
                })
            }
            Kind::Message(id) if field.is_repeated => records
                .iter()
                .try_for_each(|record| self.block(def, field, id, &[record.value.bytes()])),
            Kind::Message(id) => match records {
                [whole] => self.block(def, field, id, &[whole.value.bytes()]),
                pieces => {
                    let pieces: Vec<_> = pieces.iter().map(|piece| piece.value.bytes()).collect();
                    self.block(def, field, id, &pieces)
                }
            },
            _ if field.is_repeated => {
                each_scalar(def, field, records, |value| self.scalar(def, field, value))
            }
            _ => match records.last() {
                Some(Record { value, .. }) if field.has_presence || !value.is_default() => {
                    self.scalar(def, field, value)
                }
                _ => Ok(()),
            },
        }
    }

    /// Writes an entry of a map, whose key and value are set whether they are there or not.
    fn entry(&mut self, def: &'static MessageDef, wire: &'a [u8]) -> Result<(), PrintError> {
        let mut records = self.unused.pop().unwrap_or_default();
        collect(def, &[wire], &mut records)?;
        for (field, field_idx) in def.fields.iter().zip(0..) {
            let is_of_field = |record: &&Record<'_>| record.field_idx == field_idx;
            let first = records.iter().take_while(|record| record.field_idx < field_idx).count();
            let n_records = records.iter().filter(is_of_field).count();
            let run = records.get(first..first.saturating_add(n_records)).unwrap_or_default();
            match (field.kind, run) {
                // An absent message is an empty one.
                (Kind::Message(id), []) => self.block(def, field, id, &[])?,
                (_, []) if field.has_presence => {
                    self.scalar(def, field, &Value::default_of(field.shape()))?;
                }
                _ => self.field(def, field, run)?,
            }
        }
        records.clear();
        self.unused.push(records);
        Ok(())
    }

    /// Writes a message with its name and braces.
    fn block(
        &mut self,
        owner: &MessageDef,
        field: &FieldDef,
        id: MessageId,
        pieces: &[&'a [u8]],
    ) -> Result<(), PrintError> {
        self.open(&field.name, owner)?;
        self.message(self.pool.message(id), pieces)?;
        self.close();
        Ok(())
    }

    fn open(&mut self, title: &str, owner: &MessageDef) -> Result<(), PrintError> {
        if self.depth >= MAX_DEPTH {
            return Err(malformed(owner, "messages nest too deep"));
        }
        self.indent();
        self.out.push_str(title);
        self.out.push_str(if self.options.as_one_line { " { " } else { " {\n" });
        self.depth = self.depth.saturating_add(1);
        Ok(())
    }

    fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.indent();
        self.out.push('}');
        self.end_line();
    }

    /// Writes an `Any` of a known type; false when it has none.
    fn expanded_any(
        &mut self,
        any: &'static MessageDef,
        records: &[Record<'a>],
    ) -> Result<bool, PrintError> {
        let last = |name: &str| {
            let is_named = |record: &&Record<'_>| {
                any.fields.get(record.field_idx).is_some_and(|field| field.name == name)
            };
            records.iter().rfind(is_named).map_or(&[][..], |record| record.value.bytes())
        };
        let url = str::from_utf8(last("type_url")).unwrap_or("");
        let Some((_, full_name)) = url.rsplit_once('/') else { return Ok(false) };
        let Some(def) = self.pool.find(full_name.as_bytes()) else { return Ok(false) };
        self.open(&["[", url, "]"].concat(), any)?;
        self.message(def, &[last("value")])?;
        self.close();
        Ok(true)
    }

    fn scalar(
        &mut self,
        owner: &MessageDef,
        field: &FieldDef,
        value: &Value<'_>,
    ) -> Result<(), PrintError> {
        self.indent();
        self.out.push_str(&field.name);
        self.out.push_str(": ");
        match (field.kind, value) {
            (Kind::Enum(id), value) => {
                let number = low_i32(value.varint());
                match self.pool.enum_def(id).name(number) {
                    Some(name) => self.out.push_str(name),
                    None => spell::integer(number, &mut self.out),
                }
            }
            (Kind::Scalar(Scalar::String), Value::Bytes(bytes)) if field.is_utf8 => {
                let Ok(text) = str::from_utf8(bytes) else {
                    return Err(malformed(owner, "string is not UTF-8"));
                };
                spell::string(text, &mut self.out);
            }
            (Kind::Scalar(scalar), value) => spell::scalar(scalar, value, &mut self.out),
            (Kind::Message(_) | Kind::Map(_), _) => {}
        }
        self.end_line();
        Ok(())
    }

    fn end_line(&mut self) {
        self.out.push(if self.options.as_one_line { ' ' } else { '\n' });
    }

    fn indent(&mut self) {
        /// A step of two for each message.
        const SPACES: &str = match str::from_utf8(&[b' '; 2 * MAX_DEPTH]) {
            Ok(spaces) => spaces,
            Err(_) => "",
        };
        if !self.options.as_one_line {
            self.out.push_str(SPACES.get(..self.depth.saturating_mul(2)).unwrap_or(SPACES));
        }
    }
}
