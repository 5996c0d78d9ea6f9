//! From Python's syntax to that of the crate `regex`.

use super::Refused;
use super::class::{class, literal};
use super::escape::{Meaning, escape};
use super::flags::{Flags, Scope, is_flag};
use super::tokens::{Token, Tokens};

/// How deep groups may nest.
const MAX_DEPTH: usize = 100;

/// The pattern in the syntax of the crate `regex`.
pub(super) fn translate(pattern: &str) -> Result<String, Refused> {
    let mut parser = Parser {
        tokens: Tokens::new(pattern)?,
        flags: Flags::default(),
        out: String::with_capacity(pattern.len()),
        groups: Vec::new(),
    };
    parser.alternatives(0)?;
    if parser.tokens.peek().is_some() {
        return Err(parser.tokens.error("unbalanced parenthesis", 0));
    }
    Ok(parser.out)
}

struct Parser {
    tokens: Tokens,
    /// What is in force here.
    flags: Flags,
    out: String,
    /// The names of groups so far.
    groups: Vec<Option<String>>,
}

/// What an item of a sequence is, for a repetition that follows it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Item {
    None,
    /// A place between characters, which cannot be repeated.
    Place,
    Repeated,
    Other,
}

impl Parser {
    /// Sequences with bars between them, up to the end or a closing parenthesis.
    fn alternatives(&mut self, depth: usize) -> Result<(), Refused> {
        if depth > MAX_DEPTH {
            return Err(Refused::Here(format!("groups are nested more than {MAX_DEPTH} deep")));
        }
        let mut is_first = true;
        loop {
            self.sequence(depth, depth == 0 && is_first)?;
            is_first = false;
            if !self.tokens.take('|')? {
                return Ok(());
            }
            self.out.push('|');
        }
    }

    fn sequence(&mut self, depth: usize, is_start: bool) -> Result<(), Refused> {
        let mut last = Item::None;
        while let Some(token) = self.tokens.peek() {
            if matches!(token, Token::Char('|' | ')')) {
                break;
            }
            self.tokens.next()?;
            let c = match token {
                Token::Escape(c) => {
                    last = self.escape(c)?;
                    continue;
                }
                Token::Char(c) => c,
            };
            if self.flags.verbose && self.skip(c)? {
                continue;
            }
            last = match c {
                '*' | '+' | '?' => self.repetition(last, &c.to_string(), 1)?,
                '{' => self.counted(last)?,
                '[' => {
                    class(&mut self.tokens, &mut self.out)?;
                    Item::Other
                }
                '(' => match self.group(depth, is_start && last == Item::None)? {
                    Some(item) => item,
                    None => last,
                },
                '.' => self.push(if self.flags.dot_all { "(?s:.)" } else { "[^\\n]" }, Item::Other),
                '^' => self.push(if self.flags.multi_line { "(?m:^)" } else { "\\A" }, Item::Place),
                // Only the newline itself could follow that is not looked at, but taken.
                '$' => self.push(
                    if self.flags.multi_line { "(?m:$)" } else { "(?:\\n?\\z)" },
                    Item::Place,
                ),
                c => self.push(&literal(c), Item::Other),
            };
        }
        Ok(())
    }

    fn push(&mut self, text: &str, item: Item) -> Item {
        self.out.push_str(text);
        item
    }

    fn escape(&mut self, c: char) -> Result<Item, Refused> {
        Ok(match escape(&mut self.tokens, c)? {
            Meaning::Char(c) => self.push(&literal(c), Item::Other),
            Meaning::Set(set) => self.push(set, Item::Other),
            Meaning::Place(place) => self.push(place, Item::Place),
        })
    }

    /// Whether a character, which has been read, is passed over in verbose patterns; if it begins a
    /// comment, the comment is, too.
    fn skip(&mut self, c: char) -> Result<bool, Refused> {
        if c == '#' {
            while !matches!(self.tokens.next()?, None | Some(Token::Char('\n'))) {}
        }
        Ok(c == '#' || " \t\n\r\u{b}\u{c}".contains(c))
    }

    /// `{2,3}`, of which the brace has been read; a brace that begins no such thing is a character.
    fn counted(&mut self, last: Item) -> Result<Item, Refused> {
        let start = self.tokens.at();
        if !self.tokens.is_next('}') {
            let digits =
                |tokens: &mut Tokens| tokens.take_while(usize::MAX, |c| c.is_ascii_digit());
            let low = digits(&mut self.tokens)?;
            let is_range = self.tokens.take(',')?;
            let high = if is_range { digits(&mut self.tokens)? } else { low.clone() };
            if self.tokens.take('}')? {
                let number = |digits: &str, default| match digits {
                    "" => Ok(default),
                    _ => digits.parse::<u32>().map_err(|_| too_large()),
                };
                let (low, high) = (number(&low, 0)?, number(&high, u32::MAX)?);
                if high < low {
                    let message = "min repeat greater than max repeat";
                    return Err(self.tokens.error_at(message, start));
                }
                let high = if high == u32::MAX { String::new() } else { high.to_string() };
                return self.repetition(
                    last,
                    &format!("{{{low},{high}}}"),
                    self.tokens.at() - start + 1,
                );
            }
            self.tokens.seek(start);
        }
        Ok(self.push(&literal('{'), Item::Other))
    }

    /// A repetition of `len` characters, which have been read.
    fn repetition(&mut self, last: Item, text: &str, len: usize) -> Result<Item, Refused> {
        match last {
            Item::None | Item::Place => return Err(self.tokens.error("nothing to repeat", len)),
            Item::Repeated => return Err(self.tokens.error("multiple repeat", len)),
            Item::Other => self.out.push_str(text),
        }
        if self.tokens.take('?')? {
            self.out.push('?');
        } else if self.tokens.is_next('+') {
            return Err(Refused::Here("possessive repetitions are not supported".into()));
        }
        Ok(Item::Repeated)
    }

    /// A group, whose parenthesis has been read; `None` for a comment, and for flags that hold for
    /// the rest, which must be at the start.
    fn group(&mut self, depth: usize, is_start: bool) -> Result<Option<Item>, Refused> {
        let start = self.tokens.at() - 1;
        let outer = self.flags;
        let mut name = Some(None);
        if self.tokens.take('?')? {
            let end = "unexpected end of pattern";
            let token = self.tokens.next()?.ok_or_else(|| self.tokens.error(end, 0))?;
            match token {
                Token::Char('P') => name = Some(Some(self.name()?)),
                Token::Char(':') => name = None,
                Token::Char('#') => loop {
                    match self.tokens.next()? {
                        Some(Token::Char(')')) => return Ok(None),
                        Some(_) => {}
                        None => {
                            let message = "missing ), unterminated comment";
                            return Err(self.tokens.error_at(message, start));
                        }
                    }
                },
                Token::Char('=' | '!') => return Err(unsupported("lookahead")),
                Token::Char('<') => {
                    return Err(match self.tokens.next()? {
                        None => self.tokens.error(end, 0),
                        Some(Token::Char('=' | '!')) => unsupported("lookbehind"),
                        Some(token) => {
                            let message = format!("unknown extension ?<{}", token.text());
                            self.tokens.error(message, token.len() + 2)
                        }
                    });
                }
                Token::Char('(') => return Err(unsupported("a condition")),
                Token::Char('>') => return Err(unsupported("an atomic group")),
                Token::Char(c) if is_flag(c) || c == '-' => {
                    let (flags, scope) = outer.read(&mut self.tokens, c)?;
                    self.flags = flags;
                    match scope {
                        Scope::Group => name = None,
                        Scope::Rest if is_start => {
                            if flags.ignore_case {
                                self.out.push_str("(?i)");
                            }
                            return Ok(None);
                        }
                        Scope::Rest => {
                            let message = "global flags not at the start of the expression";
                            return Err(self.tokens.error_at(message, start));
                        }
                    }
                }
                token => {
                    let message = format!("unknown extension ?{}", token.text());
                    return Err(self.tokens.error(message, token.len() + 1));
                }
            }
        }
        self.groups.extend(name);
        self.out.push_str(match (outer.ignore_case, self.flags.ignore_case) {
            (false, true) => "(?i:",
            (true, false) => "(?-i:",
            _ => "(?:",
        });
        self.alternatives(depth + 1)?;
        if !self.tokens.take(')')? {
            let message = "missing ), unterminated subpattern";
            return Err(self.tokens.error_at(message, start));
        }
        self.out.push(')');
        self.flags = outer;
        Ok(Some(Item::Other))
    }

    /// The name of a group, of which `(?P` has been read.
    fn name(&mut self) -> Result<String, Refused> {
        match self.tokens.next()? {
            Some(Token::Char('<')) => {}
            Some(Token::Char('=')) => return Err(unsupported("the reference to a group")),
            Some(token) => {
                let message = format!("unknown extension ?P{}", token.text());
                return Err(self.tokens.error(message, token.len() + 2));
            }
            None => return Err(self.tokens.error("unexpected end of pattern", 0)),
        }
        let mut name = String::new();
        let len = |name: &str| name.chars().count();
        loop {
            match self.tokens.next()? {
                Some(Token::Char('>')) if name.is_empty() => {
                    return Err(self.tokens.error("missing group name", 1));
                }
                Some(Token::Char('>')) => break,
                Some(token) => name.push_str(&token.text()),
                None if name.is_empty() => return Err(self.tokens.error("missing group name", 0)),
                None => {
                    let message = "missing >, unterminated name";
                    return Err(self.tokens.error(message, len(&name)));
                }
            }
        }
        let is_word = |c: char| c == '_' || c.is_alphanumeric();
        if !name.chars().all(is_word) || name.starts_with(char::is_numeric) {
            let message = format!("bad character in group name '{name}'");
            return Err(self.tokens.error(message, len(&name) + 1));
        }
        let same = self.groups.iter().position(|group| group.as_ref() == Some(&name));
        if let Some(first) = same {
            let message = format!(
                "redefinition of group name '{name}' as group {}; was group {}",
                self.groups.len() + 1,
                first + 1
            );
            return Err(self.tokens.error(message, len(&name) + 1));
        }
        Ok(name)
    }
}

fn unsupported(what: &str) -> Refused {
    Refused::Here(format!("{what} is not supported"))
}

fn too_large() -> Refused {
    Refused::Here("a repetition count is too large".into())
}
