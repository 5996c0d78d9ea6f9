//! The lines of one row of an array, broken where they become too long.

/// Gathers the words of a row; words that contain line breaks themselves keep their lines below each
/// other.
pub(super) struct Lines {
    /// Finished lines, each with its line break.
    done: String,
    line: String,
    /// Characters of `line`.
    line_len: usize,
    /// Blanks before every line.
    indent: usize,
    /// Characters per line.
    width: usize,
}

impl Lines {
    pub(super) fn new(indent: usize, width: usize) -> Lines {
        Lines { done: String::new(), line: " ".repeat(indent), line_len: indent, indent, width }
    }

    /// Appends to the line, whatever its length.
    pub(super) fn push(&mut self, text: &str) {
        self.line.push_str(text);
        self.line_len += text.chars().count();
    }

    /// Appends a word, on a new line where it does not fit and the line has one already.
    pub(super) fn push_word(&mut self, word: &str) {
        match splitlines(word).as_slice() {
            [] | [_] => {
                self.break_before(word.chars().count());
                self.push(word);
            }
            [first, others @ ..] => {
                let len = |line: &str| line.chars().count();
                let longest =
                    others.iter().fold(len(first), |longest, line| longest.max(len(line)));
                self.break_before(longest);
                let column = self.line_len;
                self.push(first);
                for line in others {
                    self.break_line(column);
                    self.push(line);
                }
                self.push(&" ".repeat(longest + column - self.line_len));
            }
        }
    }

    /// The row without the indent of its first line.
    pub(super) fn finish(mut self) -> String {
        self.done.push_str(&self.line);
        let indent =
            self.done.char_indices().nth(self.indent).map_or(self.done.len(), |(at, _)| at);
        self.done.split_off(indent)
    }

    fn break_before(&mut self, len: usize) {
        if self.line_len > self.indent && self.line_len + len > self.width {
            self.break_line(self.indent);
        }
    }

    /// Begins a line with `indent` blanks.
    fn break_line(&mut self, indent: usize) {
        self.done.push_str(rstrip(&self.line));
        self.done.push('\n');
        self.line.clear();
        self.line_len = 0;
        self.push(&" ".repeat(indent));
    }
}

/// Python's `str.rstrip()`.
pub(super) fn rstrip(text: &str) -> &str {
    text.trim_end_matches(is_space)
}

/// What Python takes for a blank: Unicode's, and the four separators of ASCII.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

/// Python's `str.splitlines()`.
fn splitlines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(is_line_break) {
        lines.push(&rest[..at]);
        let broken = &rest[at..];
        let n_chars = if broken.starts_with("\r\n") { 2 } else { 1 };
        rest = broken.char_indices().nth(n_chars).map_or("", |(at, _)| &broken[at..]);
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    lines
}

fn is_line_break(c: char) -> bool {
    matches!(c, '\n'..='\r' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_split_as_in_python() {
        let cases: [(&str, &[&str]); 6] = [
            ("", &[]),
            ("a", &["a"]),
            ("a\n", &["a"]),
            ("\n\nb", &["", "", "b"]),
            ("a\r\nb\rc\x0bd\x0ce\x1cf\u{85}g\u{2029}h", &["a", "b", "c", "d", "e", "f", "g", "h"]),
            ("a\x1fb", &["a\x1fb"]),
        ];
        for (text, lines) in cases {
            assert_eq!(splitlines(text), lines, "{text:?}");
        }
    }

    #[test]
    fn a_first_word_stays_however_long() {
        let mut lines = Lines::new(1, 3);
        for word in ["longer", "b", "c"] {
            lines.push_word(word);
            lines.push(" ");
        }
        assert_eq!(lines.finish(), "longer\n b\n c ");
    }
}
