//! String and bytes literals.

use super::literal::Parser;
use super::{NotALiteral, Value};

/// Whether a string literal with a prefix (`b'`, `Rb"`) comes next.
pub(super) fn starts_string(text: &str) -> bool {
    let prefix = text.split(['\'', '"']).next().unwrap_or_default();
    prefix.len() < text.len() && Prefix::of(prefix).is_some()
}

#[derive(Clone, Copy)]
struct Prefix {
    raw: bool,
    bytes: bool,
}

impl Prefix {
    fn of(text: &str) -> Option<Prefix> {
        match text.to_ascii_lowercase().as_str() {
            "" | "u" => Some(Prefix { raw: false, bytes: false }),
            "r" => Some(Prefix { raw: true, bytes: false }),
            "b" => Some(Prefix { raw: false, bytes: true }),
            "rb" | "br" => Some(Prefix { raw: true, bytes: true }),
            _ => None,
        }
    }
}

/// Reads one or more adjacent literals, which Python joins.
pub(super) fn strings(parser: &mut Parser<'_>) -> Result<Value, NotALiteral> {
    let (bytes, mut content) = string(parser)?;
    loop {
        parser.skip_space();
        if !starts_string(parser.rest()) {
            break;
        }
        let (more_bytes, more) = string(parser)?;
        if more_bytes != bytes {
            return Err(NotALiteral);
        }
        content.extend(more);
    }
    if bytes {
        return Ok(Value::Bytes(content));
    }
    String::from_utf8(content).map(Value::Str).map_err(|_| NotALiteral)
}

/// Reads one literal: whether it is of bytes, and its content.
fn string(parser: &mut Parser<'_>) -> Result<(bool, Vec<u8>), NotALiteral> {
    let prefix = Prefix::of(parser.take_while(|c| c.is_ascii_alphabetic())).ok_or(NotALiteral)?;
    let quote = parser.next_char().ok_or(NotALiteral)?;
    let triple = quote.to_string().repeat(3);
    let (long, close) =
        if parser.eat(&triple[1..]) { (true, triple) } else { (false, quote.to_string()) };
    let mut content = Vec::new();
    while !parser.eat(&close) {
        match parser.next_char().ok_or(NotALiteral)? {
            '\n' if !long => return Err(NotALiteral),
            '\\' if prefix.raw => {
                content.push(b'\\');
                push(&mut content, parser.next_char().ok_or(NotALiteral)?, prefix)?;
            }
            '\\' => escape(parser, &mut content, prefix)?,
            c => push(&mut content, c, prefix)?,
        }
    }
    Ok((prefix.bytes, content))
}

fn push(content: &mut Vec<u8>, c: char, prefix: Prefix) -> Result<(), NotALiteral> {
    if prefix.bytes && !c.is_ascii() {
        return Err(NotALiteral);
    }
    content.extend(c.encode_utf8(&mut [0; 4]).as_bytes());
    Ok(())
}

/// Reads what follows a backslash. Unknown escapes stay as they are written.
fn escape(
    parser: &mut Parser<'_>,
    content: &mut Vec<u8>,
    prefix: Prefix,
) -> Result<(), NotALiteral> {
    let simple = match parser.next_char().ok_or(NotALiteral)? {
        '\n' => return Ok(()),
        c @ ('\\' | '\'' | '"') => c,
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        c @ '0'..='7' => {
            let mut value = c.to_digit(8).unwrap_or(0);
            for _ in 0..2 {
                let Some(digit) = parser.peek().and_then(|c| c.to_digit(8)) else { break };
                parser.next_char();
                value = value * 8 + digit;
            }
            return push_value(content, value, prefix);
        }
        'x' => {
            let value = hex(parser, 2)?;
            return push_value(content, value, prefix);
        }
        'u' if !prefix.bytes => {
            let value = hex(parser, 4)?;
            return push_value(content, value, prefix);
        }
        'U' if !prefix.bytes => {
            let value = hex(parser, 8)?;
            return push_value(content, value, prefix);
        }
        'N' if !prefix.bytes => return Err(NotALiteral),
        c => {
            content.push(b'\\');
            c
        }
    };
    push(content, simple, prefix)
}

/// Adds a character by number; in bytes, its low eight bits.
fn push_value(content: &mut Vec<u8>, value: u32, prefix: Prefix) -> Result<(), NotALiteral> {
    if prefix.bytes {
        content.push((value & 0xff) as u8);
        return Ok(());
    }
    push(content, char::from_u32(value).ok_or(NotALiteral)?, prefix)
}

fn hex(parser: &mut Parser<'_>, n_digits: usize) -> Result<u32, NotALiteral> {
    let mut value = 0;
    for _ in 0..n_digits {
        let digit = parser.next_char().and_then(|c| c.to_digit(16)).ok_or(NotALiteral)?;
        value = value * 16 + digit;
    }
    Ok(value)
}
