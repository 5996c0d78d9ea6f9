//! Where in a text something is wrong.

/// Longest part of a line that an error quotes, in characters.
const MAX_QUOTED: usize = 400;

/// A byte of a text, as a reader of the message finds it.
#[derive(Debug)]
pub(super) struct Place<'a> {
    before: &'a [u8],
    /// From the beginning of the line to the end of the text.
    from_line: &'a [u8],
    /// Of the byte in its line.
    offset_in_line: usize,
}

impl<'a> Place<'a> {
    pub(super) fn of(text: &'a [u8], offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let is_newline = |byte: &u8| *byte == b'\n';
        let line_start = before.iter().rposition(is_newline).map_or(0, |at| at.saturating_add(1));
        Self {
            before,
            from_line: text.get(line_start..).unwrap_or_default(),
            offset_in_line: before.len().saturating_sub(line_start),
        }
    }

    /// The line, counted from 1.
    pub(super) fn line(&self) -> usize {
        self.before.iter().filter(|byte| **byte == b'\n').count().saturating_add(1)
    }

    /// The column in characters, counted from 1.
    pub(super) fn column(&self) -> usize {
        let before = self.from_line.get(..self.offset_in_line).unwrap_or_default();
        let n_chars = before.utf8_chunks().map(|chunk| {
            chunk.valid().chars().count().saturating_add(usize::from(!chunk.invalid().is_empty()))
        });
        n_chars.sum::<usize>().saturating_add(1)
    }

    /// The beginning of the line.
    pub(super) fn quoted_line(&self) -> String {
        let line = self.from_line.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let longest = line.get(..MAX_QUOTED.saturating_mul(4)).unwrap_or(line);
        String::from_utf8_lossy(longest).chars().take(MAX_QUOTED).collect()
    }
}

/// A text in quotes, as TensorFlow's messages show it: Python's `repr`.
pub(super) fn repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for part in text.chars() {
        match (part, u32::from(part)) {
            ('\\', _) => out.push_str("\\\\"),
            ('\t', _) => out.push_str("\\t"),
            ('\r', _) => out.push_str("\\r"),
            ('\n', _) => out.push_str("\\n"),
            (part, _) if part == quote => out.extend(['\\', part]),
            (part, _) if is_printable(part) => out.push(part),
            (_, code) => out.push_str(&escaped(code)),
        }
    }
    out.push(quote);
    out
}

/// A character by its number, as Python escapes it.
pub(super) fn escaped(code: u32) -> String {
    match code {
        ..=0xff => format!("\\x{code:02x}"),
        0x100..=0xffff => format!("\\u{code:04x}"),
        _ => format!("\\U{code:08x}"),
    }
}

fn is_printable(part: char) -> bool {
    // In a string, unlike alone, a mark is escaped only if it comes first.
    let mut utf8 = [0; 4];
    let shown = ["a", part.encode_utf8(&mut utf8)].concat();
    matches!(part, ' '..='~') || shown.escape_debug().nth(1) != Some('\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters() {
        let text = "a\n  \u{e9}\u{e9} b".as_bytes();
        let place = Place::of(text, text.len() - 1);
        assert_eq!((place.line(), place.column()), (2, 6));
        assert_eq!(place.quoted_line(), "  \u{e9}\u{e9} b");
        let place = Place::of(b"\xff\xfe x", 3);
        assert_eq!((place.line(), place.column()), (1, 4));
        assert_eq!(place.quoted_line(), "\u{fffd}\u{fffd} x");
        let place = Place::of(b"a\n", 2);
        assert_eq!((place.line(), place.column(), place.quoted_line().as_str()), (2, 1, ""));
    }

    #[test]
    fn long_lines_are_quoted_by_their_beginning() {
        let text = "\u{1f600}".repeat(1000);
        assert_eq!(Place::of(text.as_bytes(), 0).quoted_line(), "\u{1f600}".repeat(MAX_QUOTED));
    }

    // Expected texts: repr of CPython 3.11.
    #[test]
    fn texts_are_shown_as_python_shows_them() {
        for (text, expected) in [
            ("a", "'a'"),
            ("a'b", "\"a'b\""),
            ("a'\"", "'a\\'\"'"),
            ("\\\t\r\n\0\u{1b}\u{7f}", "'\\\\\\t\\r\\n\\x00\\x1b\\x7f'"),
            ("\u{e9}\u{4e2d}\u{1f600}\u{301}", "'\u{e9}\u{4e2d}\u{1f600}\u{301}'"),
            ("\u{85}\u{a0}\u{ad}\u{200b}\u{2028}", "'\\x85\\xa0\\xad\\u200b\\u2028'"),
            ("\u{e0001}\u{e000}\u{378}", "'\\U000e0001\\ue000\\u0378'"),
        ] {
            assert_eq!(repr(text), expected);
        }
    }
}
