//! What a backslash means.

use super::Refused;
use super::tokens::Tokens;

/// What an escape stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Char(char),
    /// A set of characters, in the syntax of the crate `regex`.
    Set(&'static str),
    /// A place between characters, likewise.
    Place(&'static str),
}

/// The meaning of a backslash and `c`, which have been read.
pub(super) fn escape(tokens: &mut Tokens, c: char) -> Result<Meaning, Refused> {
    Ok(match c {
        'A' => Meaning::Place(r"\A"),
        'Z' => Meaning::Place(r"\z"),
        'b' => Meaning::Place(r"\b"),
        'B' => Meaning::Place(r"\B"),
        '0' => {
            let digits = tokens.take_while(2, is_octal)?;
            character(u32::from_str_radix(&digits, 8).unwrap_or(0))?
        }
        '1'..='9' => return octal_or_group(tokens, c),
        _ => return common(tokens, c),
    })
}

/// The same between brackets.
pub(super) fn in_class(tokens: &mut Tokens, c: char) -> Result<Meaning, Refused> {
    match c {
        'b' => Ok(Meaning::Char('\u{8}')),
        '0'..='7' => {
            let digits = format!("{c}{}", tokens.take_while(2, is_octal)?);
            octal(tokens, &digits)
        }
        '8' | '9' => Err(bad(tokens, &format!("\\{c}"))),
        _ => common(tokens, c),
    }
}

/// Escapes that mean the same everywhere.
fn common(tokens: &mut Tokens, c: char) -> Result<Meaning, Refused> {
    Ok(match c {
        'a' => Meaning::Char('\u{7}'),
        'f' => Meaning::Char('\u{c}'),
        'n' => Meaning::Char('\n'),
        'r' => Meaning::Char('\r'),
        't' => Meaning::Char('\t'),
        'v' => Meaning::Char('\u{b}'),
        'd' => Meaning::Set(r"\p{Nd}"),
        'D' => Meaning::Set(r"\P{Nd}"),
        's' => Meaning::Set(r"[\s\x{1c}-\x{1f}]"),
        'S' => Meaning::Set(r"[^\s\x{1c}-\x{1f}]"),
        'w' => Meaning::Set(r"[\p{L}\p{N}_]"),
        'W' => Meaning::Set(r"[^\p{L}\p{N}_]"),
        'x' => hexadecimal(tokens, c, 2)?,
        'u' => hexadecimal(tokens, c, 4)?,
        'U' => hexadecimal(tokens, c, 8)?,
        'N' if tokens.is_next('{') => {
            return Err(Refused::Here("characters by name are not supported".into()));
        }
        'N' => return Err(tokens.error("missing {", 0)),
        c if c.is_ascii_alphabetic() => return Err(bad(tokens, &format!("\\{c}"))),
        c => Meaning::Char(c),
    })
}

fn hexadecimal(tokens: &mut Tokens, c: char, n_digits: usize) -> Result<Meaning, Refused> {
    let digits = tokens.take_while(n_digits, |c| c.is_ascii_hexdigit())?;
    let escape = format!("\\{c}{digits}");
    if digits.len() < n_digits {
        return Err(tokens.error(format!("incomplete escape {escape}"), escape.len()));
    }
    match u32::from_str_radix(&digits, 16) {
        Ok(number) if number <= char::MAX.into() => character(number),
        _ => Err(bad(tokens, &escape)),
    }
}

/// Three octal digits, or the number of a group.
fn octal_or_group(tokens: &mut Tokens, first: char) -> Result<Meaning, Refused> {
    let mut digits = String::from(first);
    digits.push_str(&tokens.take_while(1, |c| c.is_ascii_digit())?);
    if digits.len() == 2 && digits.chars().all(is_octal) {
        let third = tokens.take_while(1, is_octal)?;
        if !third.is_empty() {
            return octal(tokens, &format!("{digits}{third}"));
        }
    }
    // Whether there is such a group is left open: either way this ends here.
    Err(Refused::Here(format!("the reference to a group, '\\{digits}', is not supported")))
}

fn octal(tokens: &Tokens, digits: &str) -> Result<Meaning, Refused> {
    match u32::from_str_radix(digits, 8) {
        Ok(number) if number <= 0o377 => character(number),
        _ => {
            let message = format!("octal escape value \\{digits} outside of range 0-0o377");
            Err(tokens.error(message, digits.len() + 1))
        }
    }
}

fn character(number: u32) -> Result<Meaning, Refused> {
    char::from_u32(number)
        .map(Meaning::Char)
        .ok_or_else(|| Refused::Here(format!("U+{number:X} is no character of a name")))
}

fn bad(tokens: &Tokens, escape: &str) -> Refused {
    tokens.error(format!("bad escape {escape}"), escape.chars().count())
}

fn is_octal(c: char) -> bool {
    ('0'..='7').contains(&c)
}
