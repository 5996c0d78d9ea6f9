//! Passing over a field whose name a message no longer has.
//!
//! TensorFlow's C++ reader does so for names that a message keeps from being used again, and for
//! no others. Its Python reader refuses them.

use super::MAX_DEPTH;
use super::lexer::{Lexer, Token, TokenKind};
use super::{float, integer, literal};

/// Passes over the value of a field and the separator after it; none if there is no such value.
pub(super) fn rest_of_field(lexer: &mut Lexer<'_>, depth: usize) -> Option<()> {
    let has_colon = lexer.try_consume(b':');
    if has_colon && !is_open(&lexer.peek()) {
        value(lexer, depth)?;
    } else {
        message(lexer, depth)?;
    }
    if !lexer.try_consume(b';') {
        lexer.try_consume(b',');
    }
    Some(())
}

fn is_open(token: &Token<'_>) -> bool {
    token.is(b'{') || token.is(b'<')
}

/// Passes over a message with its brackets.
fn message(lexer: &mut Lexer<'_>, depth: usize) -> Option<()> {
    if depth >= MAX_DEPTH || !is_open(&lexer.peek()) {
        return None;
    }
    let close = if lexer.advance().is(b'{') { b'}' } else { b'>' };
    while !lexer.try_consume(close) {
        if lexer.try_consume(b'[') {
            extension_name(lexer)?;
        } else {
            take(lexer, is_name)?;
        }
        rest_of_field(lexer, depth.saturating_add(1))?;
    }
    Some(())
}

/// Passes over the name of an extension or of a type, after its first bracket.
fn extension_name(lexer: &mut Lexer<'_>) -> Option<()> {
    take(lexer, is_name)?;
    while !lexer.try_consume(b']') {
        if !lexer.try_consume(b'.') && !lexer.try_consume(b'/') {
            return None;
        }
        take(lexer, is_name)?;
    }
    Some(())
}

/// Passes over a scalar or a list.
fn value(lexer: &mut Lexer<'_>, depth: usize) -> Option<()> {
    if depth >= MAX_DEPTH {
        return None;
    }
    if lexer.peek().kind == TokenKind::Literal {
        while lexer.peek().kind == TokenKind::Literal {
            take(lexer, |token| literal::is_token_of_cpp(token.text))?;
        }
        return Some(());
    }
    if !lexer.try_consume(b'[') {
        return number_or_name(lexer);
    }
    if lexer.try_consume(b']') {
        return Some(());
    }
    loop {
        if is_open(&lexer.peek()) {
            message(lexer, depth.saturating_add(1))?;
        } else {
            value(lexer, depth.saturating_add(1))?;
        }
        if lexer.try_consume(b']') {
            return Some(());
        }
        lexer.try_consume(b',').then_some(())?;
    }
}

fn number_or_name(lexer: &mut Lexer<'_>) -> Option<()> {
    if lexer.try_consume(b'-') {
        return take(lexer, |token| is_number(token.text));
    }
    take(lexer, |token| match token.text {
        [b'-', number @ ..] => is_number(number),
        text => is_number(text) || is_name(token),
    })
}

fn is_number(text: &[u8]) -> bool {
    integer::is_token_of_cpp(text) || float::is_token_of_cpp(text)
}

fn take(lexer: &mut Lexer<'_>, is_wanted: impl Fn(&Token<'_>) -> bool) -> Option<()> {
    is_wanted(&lexer.peek()).then(|| _ = lexer.advance())
}

fn is_name(token: &Token<'_>) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    token.kind == TokenKind::Name && token.text.iter().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The token after what is passed over.
    fn after(text: &str) -> Option<String> {
        let mut lexer = Lexer::new(text.as_bytes());
        rest_of_field(&mut lexer, 0).map(|()| lexer.peek().shown().into_owned())
    }

    // Which values are passed over: fixtures/text_format/read.jsonl.
    #[test]
    fn values_of_all_kinds_are_passed_over() {
        for text in
            [": 5 next", ": 'a' \"b\", next", ": -inf; next", "{ a: 1 } next", ": [{}, [1]] next"]
        {
            assert_eq!(after(text).as_deref(), Some("next"), "{text}");
        }
        for text in ["5", ":", ": ]", "{ a }", "{ 5: 5 }", ": [1,]", ": +1", "{ a: 1 >", "{"] {
            assert_eq!(after(text), None, "{text}");
        }
    }

    #[test]
    fn nesting_has_a_bound() {
        for (open, close) in [("[", "]"), ("[{a:", "}]")] {
            let nested = |n: usize| format!(":{}{}", open.repeat(n), close.repeat(n));
            assert_eq!(after(&nested(1_000_000)), None);
        }
        let lists = |n: usize| format!(":{}{}", "[".repeat(n), "]".repeat(n));
        assert_eq!(after(&lists(MAX_DEPTH)).as_deref(), Some(""));
        assert_eq!(after(&lists(MAX_DEPTH + 1)), None);
    }
}
