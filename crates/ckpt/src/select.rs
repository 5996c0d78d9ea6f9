use regex::Regex;

use crate::Error;

/// A pattern for the names of tensors.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// A pattern as the shell has them, for whole names: `*` stands for any characters, `/` among
    /// them, `?` for one, `[a-c]` and `[!a-c]` for one of some and one of others, `{a,b}` for either;
    /// a backslash takes the meaning of the next character away.
    ///
    /// Errors: `INVALID_ARGUMENT` for brackets and braces that do not close.
    pub fn glob(glob: &str) -> Result<Pattern, Error> {
        let regex = regex_of(glob).and_then(|regex| Regex::new(&regex).ok());
        regex
            .map(Pattern)
            .ok_or_else(|| Error::Invalid(format!("'{glob}' is not a pattern of names")))
    }

    /// A regular expression that is looked for anywhere in a name.
    ///
    /// Errors: `INVALID_ARGUMENT`, saying what is wrong with it.
    pub fn regex(regex: &str) -> Result<Pattern, Error> {
        Regex::new(regex).map(Pattern).map_err(|error| {
            // The library draws a picture over several lines; its last line says what is wrong.
            let what = error.to_string();
            let what = what.lines().last().unwrap_or_default().trim_start_matches("error: ");
            Error::Invalid(format!("'{regex}' is not a regular expression: {what}"))
        })
    }

    /// Whether a name matches; one that is not UTF-8 is taken as it is shown.
    pub fn matches(&self, name: &[u8]) -> bool {
        self.0.is_match(&String::from_utf8_lossy(name))
    }
}

/// Some of the tensors of a checkpoint, by their names.
///
/// ```
/// use flowkeep_ckpt::{Pattern, Selection};
///
/// let mut selection = Selection::default();
/// assert!(selection.contains(b"dense/kernel"));
/// selection.include.push(Pattern::glob("*/kernel")?);
/// selection.exclude.push(Pattern::regex("^head_[0-9]+/")?);
/// assert!(selection.contains(b"dense/kernel") && !selection.contains(b"dense/bias"));
/// assert!(!selection.contains(b"head_1/kernel"));
/// # Ok::<(), flowkeep_ckpt::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Names match one of these, if there are any.
    pub include: Vec<Pattern>,
    /// Names match none of these.
    pub exclude: Vec<Pattern>,
}

impl Selection {
    /// Whether a name is selected.
    pub fn contains(&self, name: &[u8]) -> bool {
        let any = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(name));
        (self.include.is_empty() || any(&self.include)) && !any(&self.exclude)
    }

    /// Whether everything is selected, for there are no patterns.
    pub fn is_all(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }
}

/// The regular expression of a shell pattern, or `None` if that is malformed.
fn regex_of(glob: &str) -> Option<String> {
    let mut out = String::from("(?s)^(?:");
    let mut n_open = 0u32;
    let mut chars = glob.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            '{' => {
                n_open += 1;
                out.push_str("(?:");
            }
            '}' if n_open > 0 => {
                n_open -= 1;
                out.push(')');
            }
            ',' if n_open > 0 => out.push('|'),
            '[' => {
                out.push('[');
                if chars.next_if(|c| *c == '!' || *c == '^').is_some() {
                    out.push('^');
                }
                let mut is_first = true;
                loop {
                    match chars.next()? {
                        ']' if !is_first => break,
                        '-' if !is_first && chars.peek() != Some(&']') => out.push('-'),
                        c => push_literal(&mut out, c),
                    }
                    is_first = false;
                }
                out.push(']');
            }
            '\\' => push_literal(&mut out, chars.next()?),
            c => push_literal(&mut out, c),
        }
    }
    out.push_str(")$");
    (n_open == 0).then_some(out)
}

fn push_literal(out: &mut String, c: char) {
    if c.is_ascii_punctuation() {
        out.push('\\');
    }
    out.push(c);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_names() {
        let cases = [
            ("dense/*", "dense/kernel", true),
            ("dense/*", "dense/a/kernel", true),
            ("dense/*", "my/dense/kernel", false),
            ("*kernel", "dense/kernel", true),
            ("*kernel", "dense/kernel_1", false),
            ("layer_?/w", "layer_1/w", true),
            ("layer_?/w", "layer_10/w", false),
            ("layer_[0-3]/w", "layer_2/w", true),
            ("layer_[0-3]/w", "layer_4/w", false),
            ("layer_[!0-3]/w", "layer_4/w", true),
            ("[]a]", "]", true),
            ("[a-]", "-", true),
            ("{a,b*}/c", "bbb/c", true),
            ("{a,b*}/c", "c/c", false),
            ("a.c", "abc", false),
            ("a.c(+)^$|", "a.c(+)^$|", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("a,b}", "a,b}", true),
            ("*", "", true),
            ("*", "a\nb", true),
            ("caf?", "caf\u{e9}", true),
        ];
        for (glob, name, expected) in cases {
            let pattern = Pattern::glob(glob).unwrap();
            assert_eq!(pattern.matches(name.as_bytes()), expected, "{glob} on {name}");
        }
        assert!(Pattern::glob("a*").unwrap().matches(b"a\xff"));
    }

    #[test]
    fn words_are_those_of_all_languages() {
        for (regex, name, expected) in [
            (r"^\w+$", "caf\u{e9}_1", true),
            (r"\bkernel\b", "dense/kernel", true),
            (r"\bkernel\b", "dense/kernels", false),
            (r"_\d+$", "kernel_12", true),
            (r"\s", "a\u{a0}b", true),
        ] {
            let pattern = Pattern::regex(regex).unwrap();
            assert_eq!(pattern.matches(name.as_bytes()), expected, "{regex} on {name}");
        }
    }

    #[test]
    fn malformed_patterns_are_refused() {
        for glob in ["[a", "{a", "a\\", "[", "[z-a]"] {
            let message = Pattern::glob(glob).unwrap_err().to_string();
            assert_eq!(message, format!("'{glob}' is not a pattern of names"));
        }
        let message = Pattern::regex("(a").unwrap_err().to_string();
        assert_eq!(message, "'(a' is not a regular expression: unclosed group");
    }
}
