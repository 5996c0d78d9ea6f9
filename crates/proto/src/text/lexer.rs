//! Tokens of the text format, and where they stand.

use std::borrow::Cow;

use super::error::ParseError;
use super::place::Place;

/// What a token is, as far as its first byte says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// The end of the text; only this token is empty.
    End,
    /// A name; may go on with `+` and `-`.
    Name,
    /// A number, or its sign alone; may go on with anything that stands in numbers and names.
    Number,
    /// A string literal with its quotes, or without the second one if its line ends before that.
    Literal,
    /// Any other character.
    Other,
}

/// A piece of text between white space and comments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: TokenKind,
    pub(super) text: &'a [u8],
    /// First byte in the text.
    pub(super) start: usize,
}

impl<'a> Token<'a> {
    /// The text, for a message.
    pub(super) fn shown(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.text)
    }

    #[inline]
    pub(super) fn is(&self, symbol: u8) -> bool {
        matches!(self.text, [only] if *only == symbol)
    }
}

/// Hands out tokens one by one; the current one can be looked at as often as needed.
#[derive(Debug, Clone)]
pub(super) struct Lexer<'a> {
    text: &'a [u8],
    current: Token<'a>,
    previous_start: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, current: token_at(text, 0), previous_start: 0 }
    }

    /// The current token.
    #[inline]
    pub(super) fn peek(&self) -> Token<'a> {
        self.current
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.current.kind == TokenKind::End
    }

    /// Gives the current token and goes on to the next.
    pub(super) fn advance(&mut self) -> Token<'a> {
        let token = self.current;
        self.previous_start = token.start;
        self.current = token_at(self.text, token.start.saturating_add(token.text.len()));
        token
    }

    /// Goes on if the current token is `symbol`.
    #[inline]
    pub(super) fn try_consume(&mut self, symbol: u8) -> bool {
        let is_wanted = self.current.is(symbol);
        if is_wanted {
            self.advance();
        }
        is_wanted
    }

    /// Goes on if the current token is `symbol`, else fails.
    pub(super) fn consume(&mut self, symbol: u8) -> Result<(), ParseError> {
        if self.try_consume(symbol) { Ok(()) } else { Err(self.expected(symbol)) }
    }

    /// The error that the current token should be `symbol`.
    #[cold]
    pub(super) fn expected(&self, symbol: u8) -> ParseError {
        self.error(format!("Expected \"{}\".", char::from(symbol)))
    }

    /// An error at the current token; quotes its line.
    #[cold]
    pub(super) fn error(&self, message: impl AsRef<str>) -> ParseError {
        let place = Place::of(self.text, self.current.start);
        let quoted = if self.is_at_end() { String::new() } else { place.quoted_line() };
        let message = format!("'{quoted}': {}", message.as_ref());
        ParseError::new(place.line(), place.column(), message)
    }

    /// An error at the token before the current one.
    #[cold]
    pub(super) fn error_at_previous(&self, message: String) -> ParseError {
        let place = Place::of(self.text, self.previous_start);
        ParseError::new(place.line(), place.column(), message)
    }
}

/// The token that begins at `offset` or after it.
fn token_at(text: &[u8], offset: usize) -> Token<'_> {
    let rest = skip_space(text.get(offset..).unwrap_or_default());
    let start = text.len().saturating_sub(rest.len());
    let (kind, len) = match rest.first() {
        None => (TokenKind::End, 0),
        Some(b'a'..=b'z' | b'A'..=b'Z' | b'_') => (TokenKind::Name, len_of(rest, NAME_PART)),
        Some(b'0'..=b'9' | b'+' | b'-') => (TokenKind::Number, len_of(rest, NUMBER_PART)),
        Some(quote @ (b'"' | b'\'')) => (TokenKind::Literal, literal_len(rest, *quote)),
        Some(b'.') if rest.get(1).is_some_and(u8::is_ascii_digit) => {
            (TokenKind::Number, len_of(rest, NUMBER_PART))
        }
        Some(byte) if byte.is_ascii() => (TokenKind::Other, 1),
        Some(_) => (TokenKind::Other, first_char(rest).1),
    };
    Token { kind, text: rest.get(..len).unwrap_or(rest), start }
}

/// The text after white space and comments.
fn skip_space(mut text: &[u8]) -> &[u8] {
    loop {
        match text {
            [b' ' | b'\t'..=b'\r' | 0x1c..=0x1f, rest @ ..] => text = rest,
            [b'#', ..] => {
                let len = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
                text = text.get(len..).unwrap_or_default();
            }
            [byte, ..] if !byte.is_ascii() => match first_char(text) {
                (Some(space), len) if space.is_whitespace() => {
                    text = text.get(len..).unwrap_or_default();
                }
                _ => return text,
            },
            _ => return text,
        }
    }
}

/// The first character, none if it is no UTF-8, and its length in bytes.
fn first_char(text: &[u8]) -> (Option<char>, usize) {
    let Some(chunk) = text.get(..4).unwrap_or(text).utf8_chunks().next() else { return (None, 0) };
    match chunk.valid().chars().next() {
        Some(first) => (Some(first), first.len_utf8()),
        None => (None, chunk.invalid().len()),
    }
}

const NAME_PART: u8 = 1;
const NUMBER_PART: u8 = 2;

/// What each byte may be part of.
const PARTS: [u8; 256] = {
    let mut parts = [0; 256];
    let mut rest: &mut [u8] = &mut parts;
    let mut byte = 0u8;
    while let Some((part, others)) = rest.split_first_mut() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'+' | b'-') {
            *part = NAME_PART | NUMBER_PART;
        } else if byte == b'.' {
            *part = NUMBER_PART;
        }
        rest = others;
        byte = byte.wrapping_add(1);
    }
    parts
};

/// How many bytes may be `part`.
fn len_of(text: &[u8], part: u8) -> usize {
    let is_part = |byte: &u8| PARTS.get(usize::from(*byte)).is_some_and(|parts| parts & part != 0);
    text.iter().position(|byte| !is_part(byte)).unwrap_or(text.len())
}

/// Length of the literal `text` begins with, up to its quote or, without one, the end of line.
fn literal_len(text: &[u8], quote: u8) -> usize {
    let mut bytes = text.iter().enumerate().skip(1);
    while let Some((at, byte)) = bytes.next() {
        if *byte == b'\n' {
            return at;
        }
        if *byte == quote {
            return at.saturating_add(1);
        }
        if *byte == b'\\'
            && let Some((at, b'\n')) = bytes.next()
        {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<Cow<'_, str>> {
        let mut lexer = Lexer::new(text.as_bytes());
        let mut found = Vec::new();
        while !lexer.is_at_end() {
            found.push(lexer.advance().shown());
        }
        found
    }

    #[test]
    fn tokens_are_split_without_white_space() {
        assert_eq!(tokens("a:1b{c:-.5}"), ["a", ":", "1b", "{", "c", ":", "-.5", "}"]);
        assert_eq!(tokens("x:.5 y:. 5"), ["x", ":", ".5", "y", ":", ".", "5"]);
        assert_eq!(tokens("a-b+1 1e+5-"), ["a-b+1", "1e+5-"]);
        assert_eq!(
            tokens("a\u{e9}b\u{4e2d}\u{1f600}"),
            ["a", "\u{e9}", "b", "\u{4e2d}", "\u{1f600}"]
        );
    }

    #[test]
    fn white_space_is_that_of_python() {
        assert_eq!(
            tokens("a\t\r\n\x0b\x0c\x1c\x1d\x1e\x1f\u{85}\u{a0}\u{2028}\u{3000}b"),
            ["a", "b"]
        );
        assert_eq!(tokens("a\u{200b}b\u{feff}"), ["a", "\u{200b}", "b", "\u{feff}"]);
    }

    #[test]
    fn comments_end_with_their_line() {
        assert_eq!(tokens("# one\n a # two { \n\t# three\n:1 # four"), ["a", ":", "1"]);
    }

    #[test]
    fn literals_end_with_their_own_quote_or_their_line() {
        assert_eq!(tokens(r#"'a"b\'c' "d'e\\" f"#), [r#"'a"b\'c'"#, r#""d'e\\""#, "f"]);
        assert_eq!(tokens("\"ab\ncd\""), ["\"ab", "cd", "\""]);
        assert_eq!(tokens("\"ab\\\ncd\\"), ["\"ab\\", "cd", "\\"]);
        assert_eq!(tokens("\"# no comment\""), ["\"# no comment\""]);
    }

    #[test]
    fn bytes_that_are_no_utf8_are_tokens_of_their_own() {
        let mut lexer = Lexer::new(b"a\xffb \xe4\xb8 '\xff'");
        let texts: Vec<&[u8]> =
            std::iter::from_fn(|| (!lexer.is_at_end()).then(|| lexer.advance().text)).collect();
        assert_eq!(texts, [&b"a"[..], b"\xff", b"b", b"\xe4\xb8", b"'\xff'"]);
    }

    #[test]
    fn errors_quote_the_line_of_the_current_token() {
        let mut lexer = Lexer::new(b"a b\n  c");
        lexer.advance();
        assert_eq!(lexer.error("x").to_string(), "1:3 : 'a b': x");
        assert_eq!(lexer.error_at_previous("x".to_owned()).to_string(), "1:1 : x");
        lexer.advance();
        lexer.advance();
        assert_eq!(lexer.error("x").to_string(), "2:4 : '': x");
    }
}
