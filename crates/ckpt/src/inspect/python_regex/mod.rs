//! Regular expressions of Python's module `re`, by way of the crate `regex`.
//!
//! Much is written the same in both and means something else: `[[:alpha:]]`, `[a&&b]`, `\<`, `$`,
//! what a word is. So a pattern is not handed on but parsed as Python parses it, and written anew.
//!
//! ```text
//! \w   [\p{L}\p{N}_]           $      (?:\n?\z)            {      \x{7b} where it repeats nothing
//! \s   [\s\x{1c}-\x{1f}]       (..)   (?:..), no matter    [[a]   the characters [ and a
//! \Z   \z                             what its name is     \012   \x{a}
//! ```
//!
//! What looks around, looks back at groups, or forbids backtracking, the crate does not have: such
//! patterns are refused. So is what asks for ASCII alone. Malformed patterns get Python's words.
//!
//! Modules in reading order: `tokens`, `translate`, `class` (between brackets), `escape`, `flags`.

mod class;
mod escape;
mod flags;
mod tokens;
mod translate;

use regex::Regex;

use crate::Error;

/// A regular expression in Python's syntax, to be looked for anywhere in a text.
///
/// ```
/// use flowkeep_ckpt::inspect::PythonRegex;
///
/// let regex = PythonRegex::new(r"(Adam|momentum)(_\d+)?$")?;
/// assert_eq!(regex.search("dense/kernel/Adam_1"), Ok(true));
/// // Python takes the one, and refuses the other.
/// assert!(PythonRegex::new("(?!dense)").is_err());
/// let malformed = PythonRegex::new("(a")?;
/// let words = "missing ), unterminated subpattern at position 0";
/// assert_eq!(malformed.search("a"), Err(words));
/// # Ok::<(), flowkeep_ckpt::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct PythonRegex {
    pattern: String,
    /// The pattern translated, or Python's words for what is wrong with it.
    compiled: Result<Regex, String>,
}

/// Why a pattern is not translated.
enum Refused {
    /// Python's words for what it refuses, too.
    ByPython(String),
    /// What this does not have.
    Here(String),
}

impl PythonRegex {
    /// Parses a pattern. One that is malformed is not refused here, but where it is used: that is
    /// where TensorFlow tells.
    ///
    /// Errors: `INVALID_ARGUMENT` for what Python takes and this does not, saying what that is.
    pub fn new(pattern: &str) -> Result<PythonRegex, Error> {
        let refused =
            |what: &str| Error::Invalid(format!("regular expression '{pattern}': {what}"));
        let compiled = match translate::translate(pattern) {
            Ok(translated) => match Regex::new(&translated) {
                Ok(regex) => Ok(regex),
                Err(_) => return Err(refused("it grows too large when it is compiled")),
            },
            Err(Refused::ByPython(words)) => Err(words),
            Err(Refused::Here(what)) => return Err(refused(&what)),
        };
        Ok(PythonRegex { pattern: pattern.into(), compiled })
    }

    /// The pattern, in Python's syntax.
    pub fn as_str(&self) -> &str {
        &self.pattern
    }

    /// Whether the pattern matches anywhere in `text`.
    ///
    /// Errors: Python's words for what is wrong with the pattern.
    pub fn search(&self, text: &str) -> Result<bool, &str> {
        self.compiled.as_ref().map(|regex| regex.is_match(text)).map_err(String::as_str)
    }
}
