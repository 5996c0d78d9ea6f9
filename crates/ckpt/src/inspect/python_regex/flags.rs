//! Flags within a pattern: `(?i)`, `(?m-s:`.

use super::Refused;
use super::tokens::{Token, Tokens};

/// What is in force at a place in the pattern.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags {
    pub(super) ignore_case: bool,
    pub(super) multi_line: bool,
    pub(super) dot_all: bool,
    pub(super) verbose: bool,
}

/// What flags in parentheses are for.
pub(super) enum Scope {
    /// The rest of the pattern.
    Rest,
    /// A group, which follows.
    Group,
}

/// The letters of all flags: for text, `u` is always on.
pub(super) fn is_flag(c: char) -> bool {
    "iLmsxau".contains(c)
}

impl Flags {
    /// Reads flags, of which the first character, `first`, has been read.
    pub(super) fn read(
        mut self,
        tokens: &mut Tokens,
        first: char,
    ) -> Result<(Flags, Scope), Refused> {
        let (mut c, mut turned_on) = (first, String::new());
        while c != '-' && c != ':' && c != ')' {
            match c {
                'a' => return Err(Refused::Here("the flag 'a' is not supported".into())),
                'L' => {
                    let message = "bad inline flags: cannot use 'L' flag with a str pattern";
                    return Err(tokens.error(message, 0));
                }
                _ => self.set(c, true),
            }
            turned_on.push(c);
            c = next(tokens, "missing -, : or )", |c| is_flag(c) || ")-:".contains(c))?;
        }
        if c == ')' {
            return Ok((self, Scope::Rest));
        }
        if c == '-' {
            c = next(tokens, "missing flag", is_flag)?;
            let mut is_turned_back = false;
            while c != ':' {
                if "aLu".contains(c) {
                    let message = "bad inline flags: cannot turn off flags 'a', 'u' and 'L'";
                    return Err(tokens.error(message, 0));
                }
                is_turned_back |= turned_on.contains(c);
                self.set(c, false);
                c = next(tokens, "missing :", |c| is_flag(c) || c == ':')?;
            }
            if is_turned_back {
                return Err(tokens.error("bad inline flags: flag turned on and off", 1));
            }
        }
        Ok((self, Scope::Group))
    }

    fn set(&mut self, flag: char, value: bool) {
        match flag {
            'i' => self.ignore_case = value,
            'm' => self.multi_line = value,
            's' => self.dot_all = value,
            'x' => self.verbose = value,
            _ => {}
        }
    }
}

fn next(
    tokens: &mut Tokens,
    missing: &str,
    is_wanted: impl Fn(char) -> bool,
) -> Result<char, Refused> {
    match tokens.next()? {
        None => Err(tokens.error(missing, 0)),
        Some(Token::Char(c)) if is_wanted(c) => Ok(c),
        Some(Token::Char(c)) if c.is_alphabetic() => Err(tokens.error("unknown flag", 1)),
        Some(token) => Err(tokens.error(missing, token.len())),
    }
}
