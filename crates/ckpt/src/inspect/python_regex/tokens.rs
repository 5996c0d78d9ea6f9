//! Patterns in pieces: single characters, and a backslash with what it escapes.

use super::Refused;

/// A pattern that is read piece by piece, one piece ahead as Python reads it.
pub(super) struct Tokens {
    chars: Vec<char>,
    /// Where the next piece begins, in characters.
    at: usize,
}

/// A piece of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Char(char),
    /// A backslash and this.
    Escape(char),
}

impl Token {
    /// The number of characters.
    pub(super) fn len(self) -> usize {
        match self {
            Token::Char(_) => 1,
            Token::Escape(_) => 2,
        }
    }

    /// The piece as it stands in the pattern.
    pub(super) fn text(self) -> String {
        match self {
            Token::Char(c) => c.into(),
            Token::Escape(c) => format!("\\{c}"),
        }
    }
}

impl Tokens {
    /// Errors: a pattern that is nothing but a backslash.
    pub(super) fn new(pattern: &str) -> Result<Tokens, Refused> {
        let tokens = Tokens { chars: pattern.chars().collect(), at: 0 };
        tokens.look_ahead()?;
        Ok(tokens)
    }

    /// Where the next piece begins.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Goes back to where a piece begins.
    pub(super) fn seek(&mut self, at: usize) {
        self.at = at;
    }

    pub(super) fn peek(&self) -> Option<Token> {
        let c = *self.chars.get(self.at)?;
        if c != '\\' {
            return Some(Token::Char(c));
        }
        self.chars.get(self.at + 1).map(|c| Token::Escape(*c))
    }

    /// Whether the next piece is this character.
    pub(super) fn is_next(&self, c: char) -> bool {
        self.peek() == Some(Token::Char(c))
    }

    /// The next piece.
    ///
    /// Errors: if what follows it is a backslash with nothing behind it.
    pub(super) fn next(&mut self) -> Result<Option<Token>, Refused> {
        let token = self.peek();
        if let Some(token) = token {
            self.at += token.len();
            self.look_ahead()?;
        }
        Ok(token)
    }

    /// Takes this character, if it is the next piece.
    pub(super) fn take(&mut self, c: char) -> Result<bool, Refused> {
        let is_next = self.is_next(c);
        if is_next {
            self.next()?;
        }
        Ok(is_next)
    }

    /// Takes at most `n` characters of a kind.
    pub(super) fn take_while(
        &mut self,
        n: usize,
        is_wanted: impl Fn(char) -> bool,
    ) -> Result<String, Refused> {
        let mut taken = String::new();
        while let Some(Token::Char(c)) = self.peek()
            && is_wanted(c)
            && taken.len() < n
        {
            taken.push(c);
            self.next()?;
        }
        Ok(taken)
    }

    /// Python's error for what is `back` characters before the next piece.
    pub(super) fn error(&self, message: impl AsRef<str>, back: usize) -> Refused {
        self.error_at(message, self.at.saturating_sub(back))
    }

    /// Python's error for a place in the pattern.
    pub(super) fn error_at(&self, message: impl AsRef<str>, position: usize) -> Refused {
        let mut words = format!("{} at position {position}", message.as_ref());
        if self.chars.contains(&'\n') {
            let before = self.chars.iter().take(position);
            let n_lines = before.clone().filter(|c| **c == '\n').count();
            let column = before.rev().take_while(|c| **c != '\n').count() + 1;
            words.push_str(&format!(" (line {}, column {column})", n_lines + 1));
        }
        Refused::ByPython(words)
    }

    fn look_ahead(&self) -> Result<(), Refused> {
        if self.chars.get(self.at) == Some(&'\\') && self.chars.len() == self.at + 1 {
            return Err(self.error_at("bad escape (end of pattern)", self.at));
        }
        Ok(())
    }
}
