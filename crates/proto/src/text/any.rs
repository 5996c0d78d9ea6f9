//! The expanded form of `google.protobuf.Any`: `[type.googleapis.com/pkg.Message] { .. }`.

use super::canonical::canonical;
use super::error::ParseError;
use super::lexer::TokenKind;
use super::parser::{Message, Parser, unknown_type};
use super::wire::{Value, Writer};

/// The prefixes that the C++ reader knows. After a message with one of them it takes a separator.
const PREFIXES_OF_CPP: [&str; 2] = ["type.googleapis.com", "type.googleprod.com"];

impl Parser<'_> {
    /// The expanded form, after its first bracket, with the separator that may follow it.
    ///
    /// Like TensorFlow's Python reader, the last one wins, and it wins over `type_url` and `value`
    /// before it. The value is in canonical form.
    pub(super) fn expanded_any(&mut self, message: &mut Message) -> Result<(), ParseError> {
        let (prefix, full_name) = self.type_url()?;
        self.lexer.try_consume(b':');
        let close = self.open()?;
        let Some(def) = self.pool.find(full_name.as_bytes()) else {
            return Err(self.lexer.error_at_previous(unknown_type(&full_name)));
        };
        let outer = std::mem::take(&mut self.out);
        self.message(def, close)?;
        let inner = std::mem::replace(&mut self.out, outer).finish();
        let mut value = Writer::default();
        canonical(self.pool, def, &[&inner], &mut value)
            .map_err(|error| self.lexer.error_at_previous(error.to_string()))?;

        self.end(message);
        let url = [prefix.as_str(), "/", &full_name].concat();
        for (name, bytes) in [(&b"type_url"[..], url.as_bytes()), (b"value", &value.finish())] {
            if let Some(field) = message.def.field(name) {
                self.out.record(field.number, &Value::Bytes(bytes));
                message.note(field, !bytes.is_empty());
            }
        }
        let at = self.lexer.clone();
        let token = at.peek();
        let is_known = PREFIXES_OF_CPP.contains(&prefix.as_str());
        if is_known && (token.is(b',') || token.is(b';')) {
            let words = || format!("Expected identifier or number, got {}.", token.shown());
            self.note_refusal(|| at.error(words()));
            self.separator();
        }
        Ok(())
    }

    /// The prefix and the name in brackets, of which the first is taken already.
    fn type_url(&mut self) -> Result<(String, String), ParseError> {
        let mut url = String::new();
        loop {
            let token = self.lexer.peek();
            if token.kind == TokenKind::End || !token.text.iter().all(|byte| is_url_part(*byte)) {
                break;
            }
            url.push_str(&token.shown());
            self.lexer.advance();
        }
        self.lexer.consume(b']')?;
        let Some((prefix, name)) = url.rsplit_once('/') else {
            return Err(self.lexer.error("Type URL does not contain \"/\"."));
        };
        if prefix.is_empty() {
            return Err(self.lexer.error("Type URL prefix is empty."));
        }
        if prefix.starts_with('/') {
            return Err(self.lexer.error("Type URL prefix starts with \"/\"."));
        }
        if let Some(escape) = bad_percent_escape(prefix) {
            return Err(self.lexer.error(format!("Invalid percent escape, got \"{escape}\".")));
        }
        if !is_type_name(name) {
            return Err(self.lexer.error(format!("Expected type name, got \"{name}\".")));
        }
        Ok((prefix.to_owned(), name.to_owned()))
    }
}

fn is_url_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.~_!$&()*+,;=%/".contains(&byte)
}

/// The first `%` that no two hexadecimal digits follow, with up to two characters after it.
fn bad_percent_escape(prefix: &str) -> Option<&str> {
    let escapes = prefix.match_indices('%').map(|(at, _)| {
        let escape = prefix.get(at..).unwrap_or_default();
        escape.get(..3).unwrap_or(escape)
    });
    let is_digits = |digits: &[u8]| digits.iter().all(u8::is_ascii_hexdigit);
    escapes.into_iter().find(|escape| {
        !matches!(escape.as_bytes(), [_, digits @ ..] if digits.len() == 2 && is_digits(digits))
    })
}

fn is_type_name(name: &str) -> bool {
    name.split('.').all(|part| {
        let is_word = |part: char| part.is_ascii_alphanumeric() || part == '_';
        part.chars().all(is_word)
            && !part.is_empty()
            && !part.starts_with(|c: char| c.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_signs_begin_escapes() {
        for (prefix, escape) in [
            ("a.b/%41%fF", None),
            ("%4", Some("%4")),
            ("a%", Some("%")),
            ("a%4g%zz", Some("%4g")),
            ("%41%zzz", Some("%zz")),
        ] {
            assert_eq!(bad_percent_escape(prefix), escape);
        }
    }

    #[test]
    fn type_names_are_words_with_dots() {
        for name in ["a", "a.B_1", "_x"] {
            assert!(is_type_name(name));
        }
        for name in ["", "a.", ".a", "a..b", "5", "a.5b", "a-b"] {
            assert!(!is_type_name(name), "{name}");
        }
    }
}
