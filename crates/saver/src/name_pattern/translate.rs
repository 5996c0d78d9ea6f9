//! A pattern of Python in the syntax of the crate `regex`.
//!
//! Most is the same, but brackets within brackets, `&&` and `--` mean something there and nothing in Python, and
//! Python's braces may be plain characters. So every character that stands for itself is written as its number.

use std::fmt::Write;

use crate::Error;

/// The pattern in the other syntax.
pub(super) fn to_rust(pattern: &str) -> Result<String, Error> {
    let chars: Vec<char> = pattern.chars().collect();
    let mut translation =
        Translation { pattern, chars: &chars, at: 0, out: String::new(), last: Last::Nothing };
    translation.all()?;
    Ok(translation.out)
}

/// What a repetition would repeat.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// Nothing, or a place, such as the end.
    Nothing,
    Item,
    /// A repetition, which is not repeated again.
    Repeated,
}

/// A member of a set.
enum Member {
    Char(char),
    /// Characters of a kind, `\d`.
    Kind(char),
}

struct Translation<'p> {
    pattern: &'p str,
    chars: &'p [char],
    at: usize,
    out: String,
    last: Last,
}

impl Translation<'_> {
    fn all(&mut self) -> Result<(), Error> {
        // Where the groups that are open began.
        let mut open: Vec<usize> = Vec::new();
        while let Some(char) = self.next() {
            let start = self.at - 1;
            match char {
                '\\' => self.escape(start)?,
                '[' => self.set(start)?,
                '(' => {
                    if self.group(start)? {
                        open.push(start);
                        self.last = Last::Nothing;
                    }
                }
                ')' => {
                    open.pop().ok_or_else(|| self.wrong("unbalanced parenthesis", start))?;
                    self.plain(")", Last::Item);
                }
                '|' => self.plain("|", Last::Nothing),
                '^' => self.plain("^", Last::Nothing),
                '$' => self.plain("$", Last::Nothing),
                '.' => self.plain(".", Last::Item),
                '*' => self.repeat("*", start)?,
                '+' => self.repeat("+", start)?,
                '?' => self.repeat("?", start)?,
                '{' => self.braces(start)?,
                char => self.literal(char),
            }
        }
        match open.last() {
            Some(start) => Err(self.wrong("missing ), unterminated subpattern", *start)),
            None => Ok(()),
        }
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek();
        self.at += usize::from(next.is_some());
        next
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next_is(&mut self, char: char) -> bool {
        let is = self.peek() == Some(char);
        self.at += usize::from(is);
        is
    }

    /// As many of the next characters as there are of a kind, up to a number.
    fn run(&mut self, at_most: usize, is_one: impl Fn(char) -> bool) -> String {
        let mut run = String::new();
        while run.len() < at_most
            && let Some(char) = self.peek().filter(|char| is_one(*char))
        {
            run.push(char);
            self.at += 1;
        }
        run
    }

    fn plain(&mut self, text: &str, last: Last) {
        self.out.push_str(text);
        self.last = last;
    }

    fn literal(&mut self, char: char) {
        self.number(char);
        self.last = Last::Item;
    }

    fn number(&mut self, char: char) {
        // Writing to a string does not fail.
        let _ = write!(self.out, r"\x{{{:x}}}", u32::from(char));
    }

    /// The error of Python for a pattern, with the place in it.
    fn wrong(&self, what: &str, at: usize) -> Error {
        Error::Saver(format!("{what} at position {at}"))
    }

    fn unsupported(&self, what: &str) -> Error {
        let pattern = self.pattern;
        Error::Unsupported(format!("the pattern '{pattern}' has {what}, which is not supported"))
    }

    fn repeat(&mut self, how: &str, start: usize) -> Result<(), Error> {
        match self.last {
            Last::Nothing => return Err(self.wrong("nothing to repeat", start)),
            Last::Repeated => return Err(self.wrong("multiple repeat", start)),
            Last::Item => {}
        }
        if self.peek() == Some('+') {
            return Err(self.unsupported("possessive repetition"));
        }
        self.plain(how, Last::Repeated);
        if self.next_is('?') {
            self.out.push('?');
        }
        Ok(())
    }

    /// `{2,3}`, or a brace that stands for itself.
    fn braces(&mut self, start: usize) -> Result<(), Error> {
        let is_digit = |char: char| char.is_ascii_digit();
        let here = self.at;
        if self.peek() == Some('}') {
            self.literal('{');
            return Ok(());
        }
        let low = self.run(usize::MAX, is_digit);
        let high = if self.next_is(',') { self.run(usize::MAX, is_digit) } else { low.clone() };
        if !self.next_is('}') {
            self.at = here;
            self.literal('{');
            return Ok(());
        }
        let number = |digits: &str| match digits {
            "" => Ok(None),
            digits => digits
                .parse::<u32>()
                .map(Some)
                .map_err(|_| Error::Saver("the repetition number is too large".to_owned())),
        };
        let (low, high) = (number(&low)?.unwrap_or(0), number(&high)?);
        if high.is_some_and(|high| high < low) {
            return Err(self.wrong("min repeat greater than max repeat", here));
        }
        let high = high.map_or(String::new(), |high| high.to_string());
        self.repeat(&format!("{{{low},{high}}}"), start)
    }

    /// What follows a backslash, outside of sets.
    fn escape(&mut self, start: usize) -> Result<(), Error> {
        let Some(char) = self.next() else {
            return Err(self.wrong("bad escape (end of pattern)", start));
        };
        match char {
            'A' | 'B' | 'b' => {
                self.out.push('\\');
                self.out.push(char);
                self.last = Last::Nothing;
            }
            'Z' => self.plain(r"\z", Last::Nothing),
            'D' | 'S' | 'W' | 'd' | 's' | 'w' => {
                self.out.push('\\');
                self.out.push(char);
                self.last = Last::Item;
            }
            '1'..='9' => {
                let digits: Vec<char> =
                    self.chars.get(self.at..).into_iter().flatten().take(2).copied().collect();
                let are_octal = digits.len() == 2 && digits.iter().all(|char| char.is_digit(8));
                if !(are_octal && char.is_digit(8)) {
                    return Err(self.unsupported("a reference to a group"));
                }
                let octal = char.to_string() + &self.run(2, |char| char.is_digit(8));
                let char = self.octal(&octal, start)?;
                self.literal(char);
            }
            char => {
                let char = self.escaped(char, start)?;
                self.literal(char);
            }
        }
        Ok(())
    }

    /// The character that an escape stands for, in sets and outside.
    fn escaped(&mut self, char: char, start: usize) -> Result<char, Error> {
        let n_digits = match char {
            'a' => return Ok('\u{7}'),
            'f' => return Ok('\u{c}'),
            'n' => return Ok('\n'),
            'r' => return Ok('\r'),
            't' => return Ok('\t'),
            'v' => return Ok('\u{b}'),
            '0' => {
                let octal = self.run(2, |char| char.is_digit(8));
                return self.octal(&format!("0{octal}"), start);
            }
            'N' => return Err(self.unsupported("a character by name")),
            'x' => 2,
            'u' => 4,
            'U' => 8,
            char if char.is_ascii_alphanumeric() => {
                return Err(self.wrong(&format!(r"bad escape \{char}"), start));
            }
            char => return Ok(char),
        };
        let digits = self.run(n_digits, |char| char.is_ascii_hexdigit());
        if digits.len() < n_digits {
            return Err(self.wrong(&format!(r"incomplete escape \{char}{digits}"), start));
        }
        let found = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
        found.ok_or_else(|| self.wrong(&format!(r"bad escape \{char}{digits}"), start))
    }

    fn octal(&self, digits: &str, start: usize) -> Result<char, Error> {
        let value = u32::from_str_radix(digits, 8).ok().and_then(|value| u8::try_from(value).ok());
        let what = || format!(r"octal escape value \{digits} outside of range 0-0o377");
        value.map(char::from).ok_or_else(|| self.wrong(&what(), start))
    }

    /// A set of characters, whose bracket has been read.
    fn set(&mut self, start: usize) -> Result<(), Error> {
        let unterminated = |this: &Self| this.wrong("unterminated character set", start);
        self.out.push('[');
        if self.next_is('^') {
            self.out.push('^');
        }
        let first = self.at;
        loop {
            let here = self.at;
            let char = self.next().ok_or_else(|| unterminated(self))?;
            if char == ']' && here != first {
                break;
            }
            let low = self.member(char, here)?;
            if self.peek() != Some('-') {
                self.member_out(&low);
                continue;
            }
            self.at += 1;
            match self.peek() {
                None => return Err(unterminated(self)),
                Some(']') => {
                    self.member_out(&low);
                    self.number('-');
                }
                Some(_) => {
                    let there = self.at;
                    let char = self.next().ok_or_else(|| unterminated(self))?;
                    let high = self.member(char, there)?;
                    let (Member::Char(low), Member::Char(high)) = (low, high) else {
                        return Err(self.bad_range(here));
                    };
                    if high < low {
                        return Err(self.bad_range(here));
                    }
                    self.number(low);
                    self.out.push('-');
                    self.number(high);
                }
            }
        }
        self.plain("]", Last::Item);
        Ok(())
    }

    fn bad_range(&self, start: usize) -> Error {
        let text: String = self.chars.get(start..self.at).into_iter().flatten().collect();
        self.wrong(&format!("bad character range {text}"), start)
    }

    fn member(&mut self, char: char, start: usize) -> Result<Member, Error> {
        if char != '\\' {
            return Ok(Member::Char(char));
        }
        let Some(char) = self.next() else {
            return Err(self.wrong("bad escape (end of pattern)", start));
        };
        Ok(match char {
            'D' | 'S' | 'W' | 'd' | 's' | 'w' => Member::Kind(char),
            'b' => Member::Char('\u{8}'),
            '1'..='7' => {
                let octal = char.to_string() + &self.run(2, |char| char.is_digit(8));
                Member::Char(self.octal(&octal, start)?)
            }
            char => Member::Char(self.escaped(char, start)?),
        })
    }

    fn member_out(&mut self, member: &Member) {
        match member {
            Member::Char(char) => self.number(*char),
            Member::Kind(kind) => {
                self.out.push('\\');
                self.out.push(*kind);
            }
        }
    }

    /// The beginning of a group, whose parenthesis has been read; whether a group is open then.
    fn group(&mut self, start: usize) -> Result<bool, Error> {
        if !self.next_is('?') {
            self.out.push('(');
            return Ok(true);
        }
        let Some(char) = self.next() else {
            return Err(self.wrong("unexpected end of pattern", self.at));
        };
        match char {
            ':' => self.out.push_str("(?:"),
            'P' => self.named()?,
            '#' => {
                while let Some(char) = self.next() {
                    if char == ')' {
                        return Ok(false);
                    }
                }
                return Err(self.wrong("missing ), unterminated comment", start));
            }
            '=' | '!' => return Err(self.unsupported("lookahead")),
            '<' => match self.next() {
                Some('=' | '!') => return Err(self.unsupported("lookbehind")),
                Some(char) => {
                    return Err(self.wrong(&format!("unknown extension ?<{char}"), start + 1));
                }
                None => return Err(self.wrong("unexpected end of pattern", self.at)),
            },
            '(' => return Err(self.unsupported("a condition on a group")),
            '>' => return Err(self.unsupported("an atomic group")),
            char if "aiLmsux-".contains(char) => return self.flags(char, start),
            char => return Err(self.wrong(&format!("unknown extension ?{char}"), start + 1)),
        }
        Ok(true)
    }

    /// `(?P<name>`, of which the name is left out: nothing refers to it.
    fn named(&mut self) -> Result<(), Error> {
        if self.next_is('=') {
            return Err(self.unsupported("a reference to a group"));
        }
        if !self.next_is('<') {
            let char = self.next().map(String::from).unwrap_or_default();
            return Err(
                self.wrong(&format!("unknown extension ?P{char}"), self.at - char.len() - 2)
            );
        }
        let start = self.at;
        let name = self.run(usize::MAX, |char| char != '>');
        if !self.next_is('>') {
            return Err(self.wrong("missing >, unterminated name", start));
        }
        let is_first = |char: char| char.is_alphabetic() || char == '_';
        let is_name = name.starts_with(is_first)
            && name.chars().all(|char| is_first(char) || char.is_numeric());
        if !is_name {
            return Err(match name.as_str() {
                "" => self.wrong("missing group name", start),
                name => self.wrong(&format!("bad character in group name '{name}'"), start),
            });
        }
        self.out.push('(');
        Ok(())
    }

    /// `(?i)` or `(?i-s:`. Names are of ASCII, so that `a` and `u` say nothing.
    fn flags(&mut self, first: char, start: usize) -> Result<bool, Error> {
        let mut text = String::from(first);
        text.push_str(&self.run(16, |char| "aiLmsux-".contains(char)));
        if text.contains('L') {
            let what = "bad inline flags: cannot use 'L' flag with a str pattern";
            return Err(self.wrong(what, self.at));
        }
        if text.contains('x') {
            return Err(self.unsupported("a verbose pattern"));
        }
        let (on, off) = text.split_once('-').unwrap_or((&text, ""));
        let kept = |flags: &str| flags.replace(['a', 'u'], "");
        let (on, off) = (kept(on), kept(off));
        let off = if off.is_empty() { off } else { format!("-{off}") };
        match self.next() {
            Some(')') if !text.contains('-') => {
                if start != 0 {
                    let what = "global flags not at the start of the expression";
                    return Err(self.wrong(what, start));
                }
                if !on.is_empty() {
                    let _ = write!(self.out, "(?{on})");
                }
                Ok(false)
            }
            Some(':') => {
                let _ = write!(self.out, "(?{on}{off}:");
                Ok(true)
            }
            Some(_) => Err(self.wrong("unknown flag", self.at - 1)),
            None => Err(self.wrong("missing -, : or )", self.at)),
        }
    }
}
