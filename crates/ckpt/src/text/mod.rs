//! What texts of this crate have in common: sizes, names that are safe to show, columns.

mod columns;
mod size;

use std::fmt::Write;

pub use columns::{Align, Columns};
pub use size::Sizes;

/// How results are written as text for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TextOptions {
    /// How sizes are written.
    pub sizes: Sizes,
    /// Whether to do without characters beyond ASCII, where they are not part of a name.
    pub ascii: bool,
}

/// A name as it can be shown: as text, on one line, and without what a terminal would obey.
pub fn shown(name: &[u8]) -> String {
    let mut out = String::with_capacity(name.len());
    for c in String::from_utf8_lossy(name).chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() || turns_text(c) => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// Whether a character changes the direction of what follows.
fn turns_text(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `1 tensor`, `2 tensors`.
pub fn counted(n: usize, thing: &str) -> String {
    format!("{n} {thing}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_without_what_a_terminal_obeys() {
        for (name, expected) in [
            (&b"conv/kernel:0"[..], "conv/kernel:0"),
            ("caf\u{e9}".as_bytes(), "caf\u{e9}"),
            (b"a\nb\tc\r", "a\\nb\\tc\\r"),
            (b"\x1b[31mred\x07", "\\u{1b}[31mred\\u{7}"),
            ("a\u{202e}b\u{85}".as_bytes(), "a\\u{202e}b\\u{85}"),
            (b"\xff", "\u{fffd}"),
            (b"a\\nb", "a\\nb"),
        ] {
            assert_eq!(shown(name), expected);
        }
    }
}
