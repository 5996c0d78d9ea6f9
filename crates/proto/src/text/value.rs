//! Scalar values, as the parser takes them.

use super::descriptor::{FieldDef, Kind, Scalar};
use super::error::ParseError;
use super::integer::{integer_of, out_of_range};
use super::lexer::TokenKind;
use super::parser::{Message, Parser};
use super::wire::{Shape, Value, zigzag};
use super::{float, integer, literal, python};

impl Parser<'_> {
    /// Adjacent string literals as one string.
    pub(super) fn string(
        &mut self,
        field: &FieldDef,
        message: &mut Message,
    ) -> Result<(), ParseError> {
        self.end(message);
        let record = self.out.len();
        self.out.tag(field.number, Shape::Bytes);
        let start = self.out.open();
        loop {
            let literal = self.lexer.peek().text;
            match literal::string(literal, self.out.bytes_mut()) {
                Ok(None) => {}
                Ok(Some(words)) => {
                    let at = self.lexer.clone();
                    self.note_refusal(|| at.error(words));
                }
                Err(words) => return Err(self.lexer.error(words)),
            }
            self.lexer.advance();
            if self.lexer.peek().kind != TokenKind::Literal {
                break;
            }
        }
        let bytes = self.out.since(start);
        if field.kind == Kind::Scalar(Scalar::String)
            && let Some(words) = python::not_utf8(bytes)
        {
            return Err(self.lexer.error(format!("Couldn't parse string: {words}")));
        }
        if self.mark(field, bytes.is_empty(), message)? {
            self.out.close(start);
        } else {
            self.out.truncate(record);
        }
        Ok(())
    }

    pub(super) fn scalar(&mut self, scalar: Scalar) -> Result<Value<'static>, ParseError> {
        let value = match scalar_value(scalar, self.lexer.peek().text) {
            Ok(value) => value,
            Err(words) => {
                let at = self.lexer.clone();
                let Some(value) = self.scalar_of_cpp(scalar) else { return Err(at.error(words)) };
                self.note_refusal(|| at.error(words));
                value
            }
        };
        self.lexer.advance();
        Ok(value)
    }

    /// A scalar that only the C++ reader takes; its last token is then the current one.
    #[cold]
    fn scalar_of_cpp(&mut self, scalar: Scalar) -> Option<Value<'static>> {
        let is_token = match scalar {
            Scalar::Double | Scalar::Float => float::is_token_of_cpp,
            Scalar::Int32 | Scalar::Int64 | Scalar::Sint32 => integer::is_token_of_cpp,
            Scalar::Sint64 | Scalar::Sfixed32 | Scalar::Sfixed64 => integer::is_token_of_cpp,
            Scalar::Bool => {
                let value = float::boolean_of_cpp(self.lexer.peek().text)?;
                return Some(Value::Varint(value.into()));
            }
            _ => return None,
        };
        let value = scalar_value(scalar, &self.after_sign(is_token)?).ok()?;
        self.lexer.advance();
        Some(value)
    }

    /// The number with its sign, if a sign alone is the current token: the C++ reader takes space
    /// between the two.
    fn after_sign(&self, is_token: fn(&[u8]) -> bool) -> Option<Vec<u8>> {
        if !self.lexer.peek().is(b'-') {
            return None;
        }
        let mut ahead = self.lexer.clone();
        ahead.advance();
        let number = ahead.peek().text;
        is_token(number).then(|| [b"-", number].concat())
    }

    pub(super) fn enum_value(&mut self, field: &FieldDef) -> Result<Value<'static>, ParseError> {
        let Kind::Enum(id) = field.kind else { return Ok(Value::Varint(0)) };
        let def = self.pool.enum_def(id);
        let token = self.lexer.peek();
        let number = match def.number(token.text) {
            Some(number) => number,
            None => self.enum_number(&def.full_name)?,
        };
        self.lexer.advance();
        Ok(Value::Varint(i64::from(number).cast_unsigned()))
    }

    fn enum_number(&mut self, enum_name: &str) -> Result<i32, ParseError> {
        let token = self.lexer.peek();
        if !integer::is_octal_of_c(token.text) {
            match integer::integer(token.text) {
                Ok(number) => {
                    return i32::try_from(number)
                        .map_err(|_| self.lexer.error(out_of_range(number)));
                }
                // A number that is out of every range is a number.
                Err(words) if words.starts_with("Value") => return Err(self.lexer.error(words)),
                Err(_) => {}
            }
        }
        let at = self.lexer.clone();
        let error = || {
            let name = token.shown();
            at.error(format!("Enum type \"{enum_name}\" has no value named {name}."))
        };
        let negative = self.after_sign(integer::is_token_of_cpp);
        let Ok(number) = integer_of(negative.as_deref().unwrap_or(token.text)) else {
            return Err(error());
        };
        self.note_refusal(error);
        if negative.is_some() {
            self.lexer.advance();
        }
        Ok(number)
    }
}

/// The value of a scalar other than a string.
fn scalar_value(scalar: Scalar, text: &[u8]) -> Result<Value<'static>, String> {
    Ok(match scalar {
        Scalar::Double => Value::Bits64(float::float(text)?.to_bits()),
        Scalar::Float => Value::Bits32(float::to_single(float::float(text)?).to_bits()),
        Scalar::Int32 => Value::Varint(i64::from(integer_of::<i32>(text)?).cast_unsigned()),
        Scalar::Int64 => Value::Varint(integer_of::<i64>(text)?.cast_unsigned()),
        Scalar::Uint32 => Value::Varint(u64::from(integer_of::<u32>(text)?)),
        Scalar::Uint64 => Value::Varint(integer_of(text)?),
        Scalar::Sint32 => Value::Varint(zigzag(i64::from(integer_of::<i32>(text)?))),
        Scalar::Sint64 => Value::Varint(zigzag(integer_of(text)?)),
        Scalar::Fixed32 => Value::Bits32(integer_of(text)?),
        Scalar::Fixed64 => Value::Bits64(integer_of(text)?),
        Scalar::Sfixed32 => Value::Bits32(integer_of::<i32>(text)?.cast_unsigned()),
        Scalar::Sfixed64 => Value::Bits64(integer_of::<i64>(text)?.cast_unsigned()),
        Scalar::Bool => Value::Varint(u64::from(float::boolean(text)?)),
        Scalar::String | Scalar::Bytes => Value::Bytes(&[]),
    })
}
