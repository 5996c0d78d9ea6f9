//! Sets of characters between brackets.

use super::Refused;
use super::escape::{self, Meaning};
use super::tokens::{Token, Tokens};

/// Translates a set, whose opening bracket has been read.
pub(super) fn class(tokens: &mut Tokens, out: &mut String) -> Result<(), Refused> {
    let start = tokens.at().saturating_sub(1);
    let unterminated = |tokens: &Tokens| tokens.error_at("unterminated character set", start);
    out.push('[');
    if tokens.take('^')? {
        out.push('^');
    }
    let mut is_first = true;
    loop {
        let token = tokens.next()?.ok_or_else(|| unterminated(tokens))?;
        if token == Token::Char(']') && !is_first {
            break;
        }
        is_first = false;
        let low = meaning(tokens, token)?;
        if !tokens.take('-')? {
            push(out, &low);
            continue;
        }
        let end = tokens.next()?.ok_or_else(|| unterminated(tokens))?;
        if end == Token::Char(']') {
            push(out, &low);
            push(out, &Meaning::Char('-'));
            break;
        }
        let high = meaning(tokens, end)?;
        match (low, high) {
            (Meaning::Char(low), Meaning::Char(high)) if low <= high => {
                out.push_str(&format!("{}-{}", literal(low), literal(high)));
            }
            _ => {
                let message = format!("bad character range {}-{}", token.text(), end.text());
                return Err(tokens.error(message, token.len() + 1 + end.len()));
            }
        }
    }
    out.push(']');
    Ok(())
}

fn meaning(tokens: &mut Tokens, token: Token) -> Result<Meaning, Refused> {
    match token {
        Token::Char(c) => Ok(Meaning::Char(c)),
        Token::Escape(c) => escape::in_class(tokens, c),
    }
}

fn push(out: &mut String, meaning: &Meaning) {
    match meaning {
        Meaning::Char(c) => out.push_str(&literal(*c)),
        Meaning::Set(set) | Meaning::Place(set) => out.push_str(set),
    }
}

/// A character that stands for itself, wherever it stands.
pub(super) fn literal(c: char) -> String {
    if c.is_ascii_alphanumeric() || c == '_' {
        c.into()
    } else {
        format!("\\x{{{:x}}}", u32::from(c))
    }
}
