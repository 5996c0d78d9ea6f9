//! Patterns of file names: `?` for any byte, `*` for any bytes, `[a-c]` and `[!a-c]` for one of several,
//! `\x` for `x` itself.

use std::fmt::Write as _;

use regex::bytes::Regex;

/// Whether there is anything in a name that does not stand for itself.
pub(super) fn is_pattern(name: &[u8]) -> bool {
    name.iter().any(|byte| b"*?[\\".contains(byte))
}

/// The names that a pattern means; `None` for a pattern that means none.
pub(super) fn compile(pattern: &[u8]) -> Option<Regex> {
    let mut regex = String::from("(?s-u)^");
    let mut rest = pattern;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'*' => regex.push_str(".*"),
            b'?' => regex.push('.'),
            b'[' => match class(after) {
                Some((class, after)) => {
                    regex.push_str(&class);
                    rest = after;
                }
                // Without an end it stands for itself.
                None => literal(&mut regex, b'['),
            },
            b'\\' => match after.split_first() {
                Some((escaped, after)) => {
                    literal(&mut regex, *escaped);
                    rest = after;
                }
                None => literal(&mut regex, b'\\'),
            },
            byte => literal(&mut regex, *byte),
        }
    }
    regex.push('$');
    Regex::new(&regex).ok()
}

fn literal(regex: &mut String, byte: u8) {
    // Writing to a String cannot fail.
    let _ = write!(regex, "\\x{byte:02X}");
}

/// The class whose opening bracket has been taken, and what follows its closing one; `None` if there is none.
fn class(pattern: &[u8]) -> Option<(String, &[u8])> {
    let (negation, mut rest) = match pattern.split_first()? {
        (b'!' | b'^', rest) => ("^", rest),
        _ => ("", pattern),
    };
    let mut class = format!("[{negation}");
    let mut is_first = true;
    loop {
        let (low, after) = rest.split_first()?;
        // A closing bracket in the first place stands for itself.
        if *low == b']' && !is_first {
            class.push(']');
            return Some((class, after));
        }
        is_first = false;
        literal(&mut class, *low);
        rest = match after {
            [b'-', high, after @ ..] if *high != b']' => {
                class.push('-');
                literal(&mut class, *high);
                after
            }
            _ => after,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_in_a_shell() {
        for (pattern, name, expected) in [
            ("m-?????-of-00002", "m-00001-of-00002", true),
            ("m-?????-of-00002", "m-0001-of-00002", false),
            ("m", "mm", false),
            ("*", "", true),
            ("*", ".hidden", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZd", false),
            ("m-[0-9]", "m-7", true),
            ("m-[!0-9]", "m-7", false),
            ("m-[^0-9]", "m-x", true),
            ("[]x]", "]", true),
            ("[a-]", "-", true),
            ("m[0", "m[0", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("a.c", "abc", false),
            ("ü*", "über", true),
        ] {
            let regex = compile(pattern.as_bytes()).unwrap();
            assert_eq!(regex.is_match(name.as_bytes()), expected, "{pattern} {name}");
        }
        assert!(compile(b"[z-a]").is_none());
    }
}
