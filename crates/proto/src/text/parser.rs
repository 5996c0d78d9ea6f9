//! Text to wire: recursive descent over the descriptors.

use super::MAX_DEPTH;
use super::descriptor::{ANY, FieldDef, Kind, MessageDef, Pool, Scalar};
use super::error::ParseError;
use super::lexer::Lexer;
use super::literal;
use super::wire::{self, Value};

/// What a singular field given twice means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeats {
    Refused,
    LastWins,
}

/// See [`super::parse`].
pub(super) fn parse(full_name: &str, text: &str, repeats: Repeats) -> Result<Vec<u8>, ParseError> {
    let pool = Pool::get();
    let def = pool.message(full_name).ok_or_else(|| unknown_type(full_name))?;
    let mut parser = Parser { lexer: Lexer::new(text), pool, repeats, depth: 0 };
    let mut out = MessageOut::new(def);
    while !parser.lexer.is_at_end() {
        parser.field(&mut out)?;
    }
    Ok(out.finish())
}

fn unknown_type(full_name: &str) -> ParseError {
    ParseError::at_start(format!("Type {full_name} not found in descriptor pool"))
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    pool: &'static Pool,
    repeats: Repeats,
    /// Messages around the current one.
    depth: usize,
}

/// A message under way.
struct MessageOut {
    def: &'static MessageDef,
    wire: Vec<u8>,
    /// A record of packed values that may still grow, and its field number.
    packed: Option<(u32, Vec<u8>)>,
    /// Numbers of the singular fields that have been set.
    set: Vec<u32>,
}

impl MessageOut {
    fn new(def: &'static MessageDef) -> Self {
        Self { def, wire: Vec::new(), packed: None, set: Vec::new() }
    }

    fn is_set(&self, field: &FieldDef) -> bool {
        self.set.contains(&field.number)
    }

    fn mark_set(&mut self, field: &FieldDef) {
        if !self.is_set(field) {
            self.set.push(field.number);
        }
    }

    fn put(&mut self, field: &FieldDef, value: &Value<Vec<u8>>) {
        if field.is_packed {
            if self.packed.as_ref().is_none_or(|(number, _)| *number != field.number) {
                self.flush();
            }
            let (_, packed) = self.packed.get_or_insert_with(|| (field.number, Vec::new()));
            value.put(packed);
        } else {
            self.flush();
            value.put_field(field.number, &mut self.wire);
        }
    }

    fn flush(&mut self) {
        if let Some((number, packed)) = self.packed.take() {
            Value::Bytes(packed).put_field(number, &mut self.wire);
        }
    }

    fn finish(mut self) -> Vec<u8> {
        self.flush();
        self.wire
    }
}

impl Parser<'_> {
    /// A field with its value or values, and the separator after it.
    fn field(&mut self, out: &mut MessageOut) -> Result<(), ParseError> {
        if self.lexer.try_consume("[") {
            if out.def.full_name == ANY {
                return self.expanded_any(out);
            }
            return Err(self.extension(out.def));
        }
        let field = self.field_name(out.def)?;
        self.check_oneof(field, out)?;
        match field.kind {
            Kind::Message(_) => {
                self.lexer.try_consume(":");
            }
            Kind::Scalar(_) | Kind::Enum(_) => self.lexer.consume(":")?,
        }
        if field.is_repeated && self.lexer.try_consume("[") {
            if !self.lexer.try_consume("]") {
                loop {
                    self.value(field, out)?;
                    if self.lexer.try_consume("]") {
                        break;
                    }
                    self.lexer.consume(",")?;
                }
            }
        } else {
            self.value(field, out)?;
        }
        self.separator();
        Ok(())
    }

    /// The error for the name of an extension, after its bracket.
    fn extension(&mut self, def: &MessageDef) -> ParseError {
        loop {
            if !self.lexer.peek().starts_with(is_name_start) {
                return self.lexer.error("Expected identifier.");
            }
            self.lexer.advance();
            if !self.lexer.try_consume(".") {
                let name = &def.full_name;
                let message = format!("Message type \"{name}\" does not have extensions.");
                return self.lexer.error_at_previous(message);
            }
        }
    }

    fn separator(&mut self) {
        if !self.lexer.try_consume(",") {
            self.lexer.try_consume(";");
        }
    }

    fn field_name(&mut self, def: &'static MessageDef) -> Result<&'static FieldDef, ParseError> {
        let name = self.lexer.peek();
        if !name.starts_with(|first: char| is_name_start(first) || first.is_numeric()) {
            return Err(self.lexer.error(format!("Expected identifier or number, got {name}.")));
        }
        self.lexer.advance();
        def.field(name).ok_or_else(|| {
            let message = &def.full_name;
            self.lexer.error_at_previous(format!(
                "Message type \"{message}\" has no field named \"{name}\"."
            ))
        })
    }

    /// Refuses a member of a oneof of which another member is set.
    fn check_oneof(&self, field: &FieldDef, out: &MessageOut) -> Result<(), ParseError> {
        if self.repeats == Repeats::LastWins {
            return Ok(());
        }
        let Some(oneof_idx) = field.oneof_idx else { return Ok(()) };
        let other = out.def.fields.iter().find(|other| {
            other.oneof_idx == Some(oneof_idx) && other.number != field.number && out.is_set(other)
        });
        let Some(other) = other else { return Ok(()) };
        Err(self.lexer.error_at_previous(format!(
            "Field \"{}\" is specified along with field \"{}\", another member of oneof \"{}\" for \
             message type \"{}\".",
            field.name,
            other.name,
            out.def.oneofs.get(oneof_idx).map_or("", String::as_str),
            out.def.full_name
        )))
    }

    /// Refuses a singular field that is set.
    fn check_repeat(&self, field: &FieldDef, out: &MessageOut) -> Result<(), ParseError> {
        if self.repeats == Repeats::LastWins || !out.is_set(field) {
            return Ok(());
        }
        Err(self.lexer.error_at_previous(format!(
            "Message type \"{}\" should not have multiple \"{}\" fields.",
            out.def.full_name, field.name
        )))
    }

    /// One value of a field.
    fn value(&mut self, field: &FieldDef, out: &mut MessageOut) -> Result<(), ParseError> {
        let value = match &field.kind {
            Kind::Message(full_name) => {
                let close = self.open()?;
                if !field.is_repeated {
                    self.check_repeat(field, out)?;
                    out.mark_set(field);
                }
                Value::Bytes(self.message(full_name, close)?)
            }
            Kind::Scalar(scalar) => self.scalar(*scalar)?,
            Kind::Enum(full_name) => self.enum_value(full_name)?,
        };
        if field.is_repeated || matches!(field.kind, Kind::Message(_)) {
            out.put(field, &value);
            return Ok(());
        }
        self.check_repeat(field, out)?;
        // A default that is not told from absence is written only over another value.
        if field.has_presence || !value.is_default() {
            out.mark_set(field);
            out.put(field, &value);
        } else if out.is_set(field) {
            out.put(field, &value);
        }
        Ok(())
    }

    /// Takes the opening bracket of a message and gives the closing one.
    fn open(&mut self) -> Result<&'static str, ParseError> {
        if self.lexer.try_consume("<") {
            return Ok(">");
        }
        self.lexer.consume("{")?;
        Ok("}")
    }

    /// A message after its opening bracket, up to and with its closing one.
    fn message(&mut self, full_name: &str, close: &str) -> Result<Vec<u8>, ParseError> {
        let def = self.pool.message(full_name).ok_or_else(|| unknown_type(full_name))?;
        if self.depth >= MAX_DEPTH {
            let message = format!("Message too deep. Max recursion depth is {MAX_DEPTH}");
            return Err(self.lexer.error_at_previous(message));
        }
        self.depth = self.depth.saturating_add(1);
        let mut out = MessageOut::new(def);
        while !self.lexer.try_consume(close) {
            if self.lexer.is_at_end() {
                return Err(self.lexer.error_at_previous(format!("Expected \"{close}\".")));
            }
            self.field(&mut out)?;
        }
        self.depth = self.depth.saturating_sub(1);
        Ok(out.finish())
    }

    /// The expanded form of an `Any`, after its first bracket.
    fn expanded_any(&mut self, out: &mut MessageOut) -> Result<(), ParseError> {
        let mut url = String::new();
        while !self.lexer.try_consume("]") {
            let part = self.lexer.peek();
            if part.is_empty() || !part.chars().all(is_url_char) {
                return Err(self.lexer.error("Expected \"]\"."));
            }
            url.push_str(self.lexer.advance());
        }
        let Some((prefix, full_name)) = url.rsplit_once('/') else {
            return Err(self.lexer.error("Type URL does not contain \"/\"."));
        };
        if prefix.is_empty() {
            return Err(self.lexer.error("Type URL prefix is empty."));
        }
        if prefix.starts_with('/') {
            return Err(self.lexer.error("Type URL prefix starts with \"/\"."));
        }
        self.lexer.try_consume(":");
        let close = self.open()?;
        let message = self.message(full_name, close)?;
        for (name, bytes) in [("type_url", url.into_bytes()), ("value", message)] {
            if let Some(field) = out.def.field(name) {
                self.check_repeat(field, out)?;
                out.mark_set(field);
                out.put(field, &Value::Bytes(bytes));
            }
        }
        self.separator();
        Ok(())
    }

    fn scalar(&mut self, scalar: Scalar) -> Result<Value<Vec<u8>>, ParseError> {
        if matches!(scalar, Scalar::String | Scalar::Bytes) {
            return self.string(scalar);
        }
        let text = self.lexer.peek();
        let value = scalar_value(scalar, text).map_err(|message| self.lexer.error(message))?;
        self.lexer.advance();
        Ok(value)
    }

    /// Adjacent string literals as one string.
    fn string(&mut self, scalar: Scalar) -> Result<Value<Vec<u8>>, ParseError> {
        let mut bytes = Vec::new();
        loop {
            let literal = self.lexer.peek();
            literal::string(literal, &mut bytes).map_err(|message| self.lexer.error(message))?;
            self.lexer.advance();
            if !self.lexer.peek().starts_with(['"', '\'']) {
                break;
            }
        }
        if scalar == Scalar::String && std::str::from_utf8(&bytes).is_err() {
            let message = "Couldn't parse string: not valid UTF-8".to_owned();
            return Err(self.lexer.error_at_previous(message));
        }
        Ok(Value::Bytes(bytes))
    }

    fn enum_value(&mut self, full_name: &str) -> Result<Value<Vec<u8>>, ParseError> {
        let def = self.pool.enum_def(full_name).ok_or_else(|| unknown_type(full_name))?;
        let text = self.lexer.peek();
        let number = match def.number(text) {
            Some(number) => number,
            None => {
                let Ok(number) = literal::integer(text) else {
                    let name = &def.full_name;
                    let message = format!("Enum type \"{name}\" has no value named {text}.");
                    return Err(self.lexer.error(message));
                };
                i32::try_from(number)
                    .map_err(|_| self.lexer.error(literal::out_of_range(number)))?
            }
        };
        self.lexer.advance();
        Ok(Value::Varint(i64::from(number).cast_unsigned()))
    }
}

fn is_name_start(first: char) -> bool {
    first.is_alphabetic() || first == '_'
}

fn is_url_char(part: char) -> bool {
    part.is_ascii_alphanumeric() || "-.~_!$&()*+,;=%/".contains(part)
}

/// The value of a scalar other than a string.
fn scalar_value(scalar: Scalar, text: &str) -> Result<Value<Vec<u8>>, String> {
    Ok(match scalar {
        Scalar::Double => Value::Bits64(literal::float(text)?.to_bits()),
        Scalar::Float => Value::Bits32(literal::to_single(literal::float(text)?).to_bits()),
        Scalar::Int32 => Value::Varint(i64::from(int::<i32>(text)?).cast_unsigned()),
        Scalar::Int64 => Value::Varint(int::<i64>(text)?.cast_unsigned()),
        Scalar::Uint32 => Value::Varint(u64::from(int::<u32>(text)?)),
        Scalar::Uint64 => Value::Varint(int(text)?),
        Scalar::Sint32 => Value::Varint(wire::zigzag(i64::from(int::<i32>(text)?))),
        Scalar::Sint64 => Value::Varint(wire::zigzag(int(text)?)),
        Scalar::Fixed32 => Value::Bits32(int(text)?),
        Scalar::Fixed64 => Value::Bits64(int(text)?),
        Scalar::Sfixed32 => Value::Bits32(int::<i32>(text)?.cast_unsigned()),
        Scalar::Sfixed64 => Value::Bits64(int::<i64>(text)?.cast_unsigned()),
        Scalar::Bool => Value::Varint(u64::from(literal::boolean(text)?)),
        Scalar::String | Scalar::Bytes => {
            let mut bytes = Vec::new();
            literal::string(text, &mut bytes)?;
            Value::Bytes(bytes)
        }
    })
}

/// The integer `text` spells, if its type can hold it.
fn int<T: TryFrom<i128>>(text: &str) -> Result<T, String> {
    let value = literal::integer(text)?;
    T::try_from(value).map_err(|_| literal::out_of_range(value))
}
