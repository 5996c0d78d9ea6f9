//! Regular expressions of Python, for names.

mod translate;

use regex::Regex;

use crate::Error;

/// A regular expression that picks names, as `scope` of `tf.compat.v1.get_collection` does: Python's
/// syntax, and `re.match`, which fits from the first character of a name on and leaves its end open.
///
/// Names have no line breaks, before the last of which Python's `$` fits too.
///
/// A pattern without characters that mean something picks all names that begin with it. Names of tensors end
/// with the number of an output, `layer/w:0`.
///
/// ```
/// use flowkeep_saver::NamePattern;
///
/// let kernels = NamePattern::new("[^/]*/kernel:")?;
/// assert!(kernels.matches("dense/kernel:0"));
/// assert!(!kernels.matches("tower/dense/kernel:0"));
/// assert!(NamePattern::new("(?!dense).*").is_err());
/// # Ok::<(), flowkeep_saver::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct NamePattern(Regex);

impl NamePattern {
    /// Reads a pattern as Python 3.11 does.
    ///
    /// Errors: `INVALID_ARGUMENT`, with the words of Python's `re.error`, for what is no pattern, and for one
    /// that is too large; `UNIMPLEMENTED` for what a search in linear time cannot do or what nobody writes for
    /// names: lookahead and lookbehind, references to groups and conditions on them, atomic groups, possessive
    /// repetition, characters by name, verbose patterns.
    pub fn new(pattern: &str) -> Result<NamePattern, Error> {
        let translated = translate::to_rust(pattern)?;
        Regex::new(&translated).map(NamePattern).map_err(|error| {
            let why = match error {
                regex::Error::CompiledTooBig(limit) => {
                    format!("it takes more than {limit} bytes")
                }
                error => error.to_string().replace('\n', " "),
            };
            Error::Saver(format!("the pattern '{pattern}' cannot be used: {why}"))
        })
    }

    /// Whether a name begins as the pattern says: `re.match`.
    pub fn matches(&self, name: &str) -> bool {
        // The leftmost match begins at the first character if any does.
        self.0.find(name).is_some_and(|found| found.start() == 0)
    }
}

#[cfg(test)]
mod tests {
    use flowkeep_tensor::Code;

    use super::*;

    #[test]
    fn what_cannot_be_done_is_said() {
        for (pattern, what) in [
            ("(?=a)", "lookahead"),
            ("a(?!b)", "lookahead"),
            ("(?<=a)b", "lookbehind"),
            ("(?<!a)b", "lookbehind"),
            (r"(a)\1", "a reference to a group"),
            ("(?P<x>a)(?P=x)", "a reference to a group"),
            ("(a)?(?(1)b|c)", "a condition on a group"),
            ("(?>a*)b", "an atomic group"),
            ("a*+b", "possessive repetition"),
            ("a{2}+", "possessive repetition"),
            ("(?x)a b", "a verbose pattern"),
            (r"\N{DIGIT ONE}", "a character by name"),
        ] {
            let error = NamePattern::new(pattern).unwrap_err();
            assert_eq!(error.code(), Code::Unimplemented, "{pattern}");
            let want = format!("the pattern '{pattern}' has {what}, which is not supported");
            assert_eq!(error.to_string(), want);
        }
    }

    #[test]
    fn patterns_that_are_too_large_are_refused() {
        for pattern in [
            "(".repeat(100_000),
            "(?:a{1000}){1000}{1000}".to_owned(),
            "((".repeat(500) + &"))".repeat(500),
        ] {
            assert_eq!(NamePattern::new(&pattern).unwrap_err().code(), Code::InvalidArgument);
        }
    }
}
