//! Patterns of file names, as TensorFlow takes them for the files of a V1 checkpoint and in ops that list files.
//!
//! ```text
//! ?       any byte
//! *       any bytes
//! [a-c]   one of these; [!a-c] and [^a-c] any other
//! \x      x itself
//! ```

/// Whether the whole name matches the pattern.
///
/// ```
/// use flowkeep_tensor::glob;
///
/// assert!(glob::matches(b"m-?????-of-0000[1-3]", b"m-00001-of-00002"));
/// ```
pub fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut pattern, mut name) = (pattern, name);
    // What to go on with if what follows the last star does not fit here.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        if let Some((b'*', rest)) = pattern.split_first() {
            pattern = rest;
            retry = Some((rest, name));
            continue;
        }
        let next = match name.split_first() {
            Some((byte, rest)) => one(pattern, *byte).map(|pattern| (pattern, rest)),
            None => return pattern.is_empty(),
        };
        let next = next.or_else(|| {
            // The star takes one byte more.
            retry = retry.and_then(|(pattern, name)| Some((pattern, name.get(1..)?)));
            retry
        });
        let Some(next) = next else { return false };
        (pattern, name) = next;
    }
}

/// Whether there is anything in the text that does not stand for itself.
pub fn is_pattern(text: &[u8]) -> bool {
    text.iter().any(|byte| b"*?[\\".contains(byte))
}

/// Matches one byte; what is left of the pattern.
fn one(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    match pattern.split_first()? {
        (b'?', rest) => Some(rest),
        (b'[', rest) => match class(rest, byte) {
            Some((fits, rest)) => fits.then_some(rest),
            // Without an end it stands for itself.
            None => (byte == b'[').then_some(rest),
        },
        (b'\\', rest) => match rest.split_first() {
            Some((literal, rest)) => (*literal == byte).then_some(rest),
            None => (byte == b'\\').then_some(rest),
        },
        (literal, rest) => (*literal == byte).then_some(rest),
    }
}

/// Whether a byte is in the class whose opening bracket has been taken, and what follows its closing
/// one; `None` if there is none.
fn class(pattern: &[u8], byte: u8) -> Option<(bool, &[u8])> {
    let (negated, mut rest) = match pattern.split_first()? {
        (b'!' | b'^', rest) => (true, rest),
        _ => (false, pattern),
    };
    let mut found = false;
    let mut is_first = true;
    loop {
        let (low, after) = rest.split_first()?;
        // A closing bracket in the first place stands for itself.
        if *low == b']' && !is_first {
            return Some((found != negated, after));
        }
        is_first = false;
        match after {
            [b'-', high, after @ ..] if *high != b']' => {
                found |= (*low..=*high).contains(&byte);
                rest = after;
            }
            _ => {
                found |= *low == byte;
                rest = after;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_in_a_shell() {
        for (pattern, name, expected) in [
            ("m-?????-of-00002", "m-00001-of-00002", true),
            ("m-?????-of-00002", "m-00001-of-00003", false),
            ("*", ".hidden", true),
            ("a.c", "abc", false),
            ("\u{fc}*", "\u{fc}ber", true),
            ("[z-a]", "m", false),
            ("m-?????-of-00002", "m-0001-of-00002", false),
            ("m-?????-of-?????", "m-00001-of-00003", true),
            ("m", "m", true),
            ("m", "mm", false),
            ("m?", "m", false),
            ("", "", true),
            ("*", "", true),
            ("*", "anything", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZd", false),
            ("*ab", "aab", true),
            ("**x", "yx", true),
            ("m-[0-9]", "m-7", true),
            ("m-[!0-9]", "m-7", false),
            ("m-[^0-9]", "m-x", true),
            ("[]x]", "]", true),
            ("[a-]", "-", true),
            ("m[", "m[", true),
            ("m[0", "m[0", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("\\", "\\", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        let name = "a".repeat(5000);
        assert!(!matches("*a".repeat(1000).as_bytes(), format!("{name}b").as_bytes()));
        assert!(matches("*a".repeat(1000).as_bytes(), name.as_bytes()));
    }

    #[test]
    fn patterns_are_told_from_names() {
        assert!(is_pattern(b"m-?????-of-00002") && is_pattern(b"m*") && is_pattern(b"[m"));
        assert!(!is_pattern(b"model.ckpt-100"));
    }
}
