//! Tokens of the text format, and where they stand.

use super::error::ParseError;

/// Longest part of a line that an error quotes, in characters.
const MAX_QUOTED: usize = 400;

/// A piece of text between white space and comments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    /// Empty at the end of the text, and only there.
    pub(super) text: &'a str,
    /// First byte in the text.
    start: usize,
}

/// Hands out tokens one by one; the current one can be looked at as often as needed.
///
/// A token is a name, a number (both may go on with `+`, `-`; a number with `.`), a string
/// literal with its quotes and without line breaks, or a single other character.
#[derive(Debug)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    current: Token<'a>,
    previous_start: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let mut lexer = Self { text, current: Token { text: "", start: 0 }, previous_start: 0 };
        lexer.current = lexer.token_from(0);
        lexer
    }

    /// The text of the current token; empty at the end.
    pub(super) fn peek(&self) -> &'a str {
        self.current.text
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.current.text.is_empty()
    }

    /// Gives the current token and goes on to the next.
    pub(super) fn advance(&mut self) -> &'a str {
        let token = self.current;
        self.previous_start = token.start;
        self.current = self.token_from(token.start.saturating_add(token.text.len()));
        token.text
    }

    /// Goes on if the current token is `wanted`.
    pub(super) fn try_consume(&mut self, wanted: &str) -> bool {
        let is_wanted = self.current.text == wanted;
        if is_wanted {
            self.advance();
        }
        is_wanted
    }

    /// Goes on if the current token is `wanted`, else fails.
    pub(super) fn consume(&mut self, wanted: &str) -> Result<(), ParseError> {
        if self.try_consume(wanted) {
            Ok(())
        } else {
            Err(self.error(format!("Expected \"{wanted}\".")))
        }
    }

    /// An error at the current token; quotes its line.
    pub(super) fn error(&self, message: impl AsRef<str>) -> ParseError {
        let message = message.as_ref();
        let (line, column, quoted) = self.place(self.current.start);
        let quoted = if self.is_at_end() { String::new() } else { quoted };
        ParseError::new(line, column, format!("'{quoted}': {message}"))
    }

    /// An error at the token before the current one.
    pub(super) fn error_at_previous(&self, message: String) -> ParseError {
        let (line, column, _) = self.place(self.previous_start);
        ParseError::new(line, column, message)
    }

    /// Line and column of a byte, from 1, and the beginning of that line.
    fn place(&self, offset: usize) -> (usize, usize, String) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
        let line = before.bytes().filter(|&byte| byte == b'\n').count().saturating_add(1);
        let column = before.get(line_start..).unwrap_or("").chars().count().saturating_add(1);
        let rest = self.text.get(line_start..).unwrap_or("");
        let quoted = rest.split('\n').next().unwrap_or("").chars().take(MAX_QUOTED).collect();
        (line, column, quoted)
    }

    fn token_from(&self, offset: usize) -> Token<'a> {
        let rest = self.text.get(offset..).unwrap_or("");
        let rest = skip_space(rest);
        let start = self.text.len().saturating_sub(rest.len());
        Token { text: rest.get(..token_len(rest)).unwrap_or(rest), start }
    }
}

/// The text after white space and comments.
fn skip_space(mut text: &str) -> &str {
    loop {
        text = text.trim_start();
        if !text.starts_with('#') {
            return text;
        }
        text = text.find('\n').and_then(|end| text.get(end..)).unwrap_or("");
    }
}

/// Length in bytes of the token that `text` begins with.
fn token_len(text: &str) -> usize {
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return 0 };
    let len_while = |is_part: fn(char) -> bool| {
        text.char_indices()
            .skip(1)
            .find(|&(_, part)| !is_part(part))
            .map_or(text.len(), |(at, _)| at)
    };
    match first {
        'a'..='z' | 'A'..='Z' | '_' => len_while(is_name_part),
        '0'..='9' | '+' | '-' => len_while(is_number_part),
        '.' if chars.next().is_some_and(|second| second.is_ascii_digit()) => {
            len_while(is_number_part)
        }
        '"' | '\'' => literal_len(text, first),
        _ => first.len_utf8(),
    }
}

fn is_name_part(part: char) -> bool {
    part.is_ascii_alphanumeric() || matches!(part, '_' | '+' | '-')
}

fn is_number_part(part: char) -> bool {
    is_name_part(part) || part == '.'
}

/// Length of the literal `text` begins with, up to its quote or, without one, the end of line.
fn literal_len(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, part) in text.char_indices().skip(1) {
        if part == '\n' {
            return at;
        }
        if is_escaped {
            is_escaped = false;
        } else if part == quote {
            return at.saturating_add(quote.len_utf8());
        } else {
            is_escaped = part == '\\';
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<&str> {
        let mut lexer = Lexer::new(text);
        let mut found = Vec::new();
        while !lexer.is_at_end() {
            found.push(lexer.advance());
        }
        found
    }

    #[test]
    fn tokens_are_split_without_white_space() {
        assert_eq!(tokens("a:1b{c:-.5}"), ["a", ":", "1b", "{", "c", ":", "-.5", "}"]);
        assert_eq!(tokens("x:.5 y:. 5"), ["x", ":", ".5", "y", ":", ".", "5"]);
        assert_eq!(tokens("a-b+1 1e+5-"), ["a-b+1", "1e+5-"]);
    }

    #[test]
    fn comments_end_with_their_line() {
        assert_eq!(tokens("# one\n a # two { \n\t# three\n:1 # four"), ["a", ":", "1"]);
    }

    #[test]
    fn literals_end_with_their_own_quote_or_their_line() {
        assert_eq!(tokens(r#"'a"b\'c' "d'e\\" f"#), [r#"'a"b\'c'"#, r#""d'e\\""#, "f"]);
        assert_eq!(tokens("\"ab\ncd\""), ["\"ab", "cd", "\""]);
        assert_eq!(tokens("\"# no comment\""), ["\"# no comment\""]);
    }

    #[test]
    fn places_count_characters() {
        let mut lexer = Lexer::new("a\n  \u{e9}\u{e9} b");
        lexer.advance();
        lexer.advance();
        lexer.advance();
        let error = lexer.error("x");
        assert_eq!((error.line(), error.column()), (2, 6));
        assert_eq!(error.message(), "'  \u{e9}\u{e9} b': x");
    }
}
