//! Regular expressions as RE2, TensorFlow's library, understands them.
//!
//! The syntax of the crate `regex` comes from RE2, too; [`translate`] rewrites what has drifted
//! apart: `\d`, `\s`, `\w` and `\b` are of ASCII here, brackets know no set operations, `\Q..\E` quotes,
//! `\C` is a byte, and braces that are no repetition stand for themselves.

use regex::bytes::{Captures, Regex, RegexBuilder};

use crate::kernel::Status;

/// Bytes of memory that a compiled expression may take.
const SIZE_LIMIT: usize = 8 << 20;

/// Compiles `pattern`; with `is_full` it has to match whole strings.
///
/// Errors: `INVALID_ARGUMENT` for what is no expression.
pub(super) fn compile(pattern: &str, is_full: bool) -> Result<Regex, Status> {
    let invalid = |error: &str| {
        Status::invalid_argument(format!("Invalid pattern: {pattern}, error: {error}"))
    };
    let translated = translate(pattern).map_err(|error| invalid(&error))?;
    // Parentheses are in pairs, so that the pattern stays inside of its own.
    let anchored = match is_full {
        true => format!(r"\A(?:{translated})\z"),
        false => translated,
    };
    let regex = RegexBuilder::new(&anchored).size_limit(SIZE_LIMIT).build();
    regex.map_err(|error| {
        let text = error.to_string();
        // The last line says what is wrong, those before show where.
        invalid(text.lines().last().unwrap_or_default().trim_start_matches("error: "))
    })
}

/// Replaces matches by a rewrite, in which `\1` stands for a group and `\0` for the match.
pub(super) fn replace(regex: &Regex, text: &[u8], rewrite: &[u8], is_global: bool) -> Vec<u8> {
    if max_group(rewrite) >= regex.captures_len() {
        return text.to_vec();
    }
    let mut out = Vec::with_capacity(text.len());
    let (mut at, mut last_end) = (0, None);
    while at <= text.len()
        && let Some(captures) = regex.captures_at(text, at)
        && let Some(found) = captures.get(0)
    {
        out.extend_from_slice(&text[at..found.start()]);
        if found.is_empty() && last_end == Some(found.start()) {
            // An empty match does not follow a match: the next character is passed over.
            let len = char_len(&text[found.start()..]);
            out.extend_from_slice(&text[found.start()..found.start() + len]);
            at = found.start() + len.max(1);
            continue;
        }
        let is_valid = append_rewrite(&captures, rewrite, &mut out);
        if !is_global && !is_valid {
            return text.to_vec();
        }
        at = found.end();
        last_end = Some(at);
        if !is_global {
            break;
        }
    }
    if let Some(rest) = text.get(at..) {
        out.extend_from_slice(rest);
    }
    out
}

/// The largest group that a rewrite names.
fn max_group(rewrite: &[u8]) -> usize {
    let mut bytes = rewrite.iter();
    let mut max = 0;
    while let Some(byte) = bytes.next() {
        if *byte == b'\\'
            && let Some(digit) = bytes.next().filter(|byte| byte.is_ascii_digit())
        {
            max = max.max(usize::from(digit - b'0'));
        }
    }
    max
}

/// Appends a rewrite up to its first mistake; says whether there is none.
fn append_rewrite(captures: &Captures<'_>, rewrite: &[u8], out: &mut Vec<u8>) -> bool {
    let mut bytes = rewrite.iter();
    while let Some(byte) = bytes.next() {
        match (byte, byte == &b'\\') {
            (byte, false) => out.push(*byte),
            (_, true) => match bytes.next() {
                Some(digit) if digit.is_ascii_digit() => {
                    let group = captures.get(usize::from(digit - b'0'));
                    out.extend_from_slice(group.map_or(&[], |group| group.as_bytes()));
                }
                Some(b'\\') => out.push(b'\\'),
                _ => return false,
            },
        }
    }
    true
}

/// The length of the first character of UTF-8, or 1 if there is none; 0 at the end.
fn char_len(text: &[u8]) -> usize {
    let len = match text.first() {
        None => return 0,
        Some(0xC2..=0xDF) => 2,
        Some(0xE0..=0xEF) => 3,
        Some(0xF0..=0xF4) => 4,
        Some(_) => 1,
    };
    let char = text.get(..len).and_then(|char| std::str::from_utf8(char).ok());
    char.map_or(1, str::len)
}

/// The pattern in the syntax of the crate `regex`.
///
/// Errors: what is wrong with it, in RE2's words.
fn translate(pattern: &str) -> Result<String, String> {
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern;
    // Where the repetition begins that ends here.
    let mut repeated: Option<&str> = None;
    let mut n_open = 0_usize;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = repetition(rest)? {
            if let Some(first) = repeated {
                let operators = &first[..first.len() - after.len()];
                return Err(format!("bad repetition operator: {operators}"));
            }
            repeated = Some(rest);
            out.push_str(&rest[..rest.len() - after.len()]);
            rest = after;
            continue;
        }
        repeated = None;
        match c {
            '\\' => rest = escape(rest, &mut out)?,
            '[' => rest = class(rest, &mut out)?,
            '(' if rest.starts_with("(?<") || rest.starts_with("(?#") => {
                return Err(format!("invalid perl operator: {}", &rest[..3]));
            }
            ')' if n_open == 0 => return Err(format!("unexpected ): {pattern}")),
            '(' | ')' => {
                n_open = if c == '(' { n_open + 1 } else { n_open - 1 };
                out.push(c);
                rest = &rest[1..];
            }
            '{' | '}' => {
                out.extend(['\\', c]);
                rest = &rest[1..];
            }
            _ => {
                out.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    if n_open > 0 {
        return Err(format!("missing ): {pattern}"));
    }
    Ok(out)
}

/// What follows a repetition, with the mark of a lazy one; none if the text begins with no
/// repetition.
///
/// Errors: if it repeats too often.
fn repetition(text: &str) -> Result<Option<&str>, String> {
    const MAX: u32 = 1000;
    let rest = match text.as_bytes().first() {
        Some(b'*' | b'+' | b'?') => &text[1..],
        Some(b'{') => {
            let Some((inside, rest)) = text[1..].split_once('}') else { return Ok(None) };
            let (min, max) = inside.split_once(',').unwrap_or((inside, inside));
            let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            if min.is_empty() || !is_number(min) || !is_number(max) {
                return Ok(None);
            }
            let is_fit = |text: &str| text.parse().is_ok_and(|n: u32| n <= MAX);
            if !is_fit(min) || !(max.is_empty() || is_fit(max)) {
                return Err(format!("invalid repetition size: {{{inside}}}"));
            }
            rest
        }
        _ => return Ok(None),
    };
    Ok(Some(rest.strip_prefix('?').unwrap_or(rest)))
}

/// Translates an escape outside of brackets; gives what follows it.
fn escape<'a>(text: &'a str, out: &mut String) -> Result<&'a str, String> {
    let mut chars = text[1..].chars();
    let Some(c) = chars.next() else { return Err("trailing \\: \\".to_owned()) };
    let rest = chars.as_str();
    match c {
        'b' | 'B' => out.push_str(&format!(r"(?-u:\{c})")),
        'C' => out.push_str("(?s-u:.)"),
        'A' | 'z' => out.extend(['\\', c]),
        'Q' => {
            let (quoted, rest) = rest.split_once(r"\E").unwrap_or((rest, ""));
            out.push_str(&regex::escape(quoted));
            return Ok(rest);
        }
        'E' => {}
        'p' | 'P' => return Ok(unicode_class(text, out)),
        _ => match perl_class(c) {
            Some(class) => out.push_str(class),
            None => {
                let (literal, rest) = literal(text)?;
                push_literal(literal, out);
                return Ok(rest);
            }
        },
    }
    Ok(rest)
}

/// Perl's classes, which mean ASCII.
fn perl_class(c: char) -> Option<&'static str> {
    Some(match c {
        'd' => "[0-9]",
        'D' => "[^0-9]",
        's' => r"[\t\n\f\r ]",
        'S' => r"[^\t\n\f\r ]",
        'w' => "[0-9A-Za-z_]",
        'W' => "[^0-9A-Za-z_]",
        _ => return None,
    })
}

/// Copies `\pN` or `\p{Name}`, which both sides know; gives what follows it.
fn unicode_class<'a>(text: &'a str, out: &mut String) -> &'a str {
    let name_len = match text[2..].chars().next() {
        Some('{') => text[2..].find('}').map_or(text.len() - 2, |end| end + 1),
        Some(c) => c.len_utf8(),
        None => 0,
    };
    let (class, rest) = text.split_at(2 + name_len);
    out.push_str(class);
    rest
}

/// The character that an escape or a plain character stands for, and what follows it.
fn literal(text: &str) -> Result<(char, &str), String> {
    let mut chars = text.chars();
    let first = chars.next().unwrap_or_default();
    if first != '\\' {
        return Ok((first, chars.as_str()));
    }
    let c = chars.next().ok_or("trailing \\: \\")?;
    let rest = chars.as_str();
    let invalid = |text: &str| format!("invalid escape sequence: {text}");
    let simple = |c: char| Ok((c, rest));
    match c {
        'a' => simple('\x07'),
        'f' => simple('\x0C'),
        'n' => simple('\n'),
        'r' => simple('\r'),
        't' => simple('\t'),
        'v' => simple('\x0B'),
        'x' => {
            let (digits, rest) = match rest.strip_prefix('{') {
                Some(inside) => inside.split_once('}').ok_or_else(|| invalid(r"\x{"))?,
                None => rest.split_at_checked(2).ok_or_else(|| invalid(r"\x"))?,
            };
            let code = u32::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'));
            let c =
                code.and_then(char::from_u32).ok_or_else(|| invalid(&format!(r"\x{digits}")))?;
            Ok((c, rest))
        }
        '0'..='7' => {
            let digits: String =
                text[1..].chars().take(3).take_while(|c| ('0'..='7').contains(c)).collect();
            if c != '0' && digits.len() == 1 {
                return Err(invalid(&format!("\\{c}")));
            }
            let code = u32::from_str_radix(&digits, 8).ok().and_then(char::from_u32);
            Ok((code.unwrap_or_default(), &text[1 + digits.len()..]))
        }
        c if c.is_ascii_punctuation() => simple(c),
        c => Err(invalid(&format!("\\{c}"))),
    }
}

fn push_literal(c: char, out: &mut String) {
    if c.is_alphanumeric() {
        out.push(c);
    } else {
        out.push_str(&format!(r"\x{{{:x}}}", u32::from(c)));
    }
}

/// Translates a class in brackets; gives what follows it.
fn class<'a>(text: &'a str, out: &mut String) -> Result<&'a str, String> {
    let missing = || format!("missing ]: {text}");
    out.push('[');
    let mut rest = &text[1..];
    if let Some(negated) = rest.strip_prefix('^') {
        out.push('^');
        rest = negated;
    }
    let mut is_first = true;
    loop {
        match rest.as_bytes() {
            [] => return Err(missing()),
            [b']', ..] if !is_first => break,
            [b'[', b':', ..] if rest.contains(":]") => {
                let (name, after) = rest.split_once(":]").unwrap_or((rest, ""));
                out.push_str(name);
                out.push_str(":]");
                rest = after;
            }
            [b'\\', b'p' | b'P', ..] => rest = unicode_class(rest, out),
            [b'\\', c, ..] if perl_class(char::from(*c)).is_some() => {
                out.push_str(perl_class(char::from(*c)).unwrap_or_default());
                rest = &rest[2..];
            }
            _ => rest = class_range(rest, is_first, out)?,
        }
        is_first = false;
    }
    out.push(']');
    Ok(&rest[1..])
}

/// Translates a character or a range in brackets; gives what follows it.
fn class_range<'a>(text: &'a str, is_first: bool, out: &mut String) -> Result<&'a str, String> {
    let (low, rest) = literal(text)?;
    let is_last = |rest: &str| rest.is_empty() || rest.starts_with(']');
    // A hyphen stands for itself at the ends only.
    let high = rest.strip_prefix('-').filter(|rest| !is_last(rest));
    if low == '-' && text.starts_with('-') && !is_first && !is_last(rest) && high.is_none() {
        // After a class, as in `[\d-z]`.
        push_literal(low, out);
        return Ok(rest);
    }
    push_literal(low, out);
    let Some(high) = high else { return Ok(rest) };
    let (end, after) = literal(high)?;
    if end < low {
        return Err(format!(
            "invalid character class range: {}",
            &text[..text.len() - after.len()]
        ));
    }
    out.push('-');
    push_literal(end, out);
    Ok(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, matches: &[&[u8]], others: &[&[u8]]) {
        let regex = compile(pattern, true).unwrap();
        assert!(matches.iter().all(|text| regex.is_match(text)), "{pattern} should match");
        assert!(!others.iter().any(|text| regex.is_match(text)), "{pattern} should not match");
    }

    /// What TensorFlow 2.21 matches in full.
    #[test]
    fn expressions_match_as_in_re2() {
        check(r"\d", &[b"1"], &["\u{661}".as_bytes()]);
        check(r"\w+", &[b"a_1"], &["\u{e9}".as_bytes()]);
        check(r"\s", &[b" ", b"\n", b"\x0c"], &["\u{a0}".as_bytes(), b"\x0b"]);
        check(".*", &[b"a", "\u{e9}".as_bytes()], &[b"\xff", b"\n"]);
        check("[[]", &[b"["], &[]);
        check("[a&&b]", &[b"&"], &[]);
        check("[!--]", &[b"-"], &[]);
        check("[~~]", &[b"~"], &[]);
        check(r"[\d-z]", &[b"-", b"z", b"7"], &[b"a"]);
        check("[]a]", &[b"]"], &[]);
        check("[[:alpha:]]", &[b"a"], &["\u{e9}".as_bytes()]);
        check(r"\Qa.b\E", &[b"a.b"], &[b"axb"]);
        check(r"\C", &[b"\xff"], &["\u{e9}".as_bytes()]);
        check(r"\pL+", &["\u{e9}".as_bytes()], &[b"1"]);
        check("(?i)\u{c9}", &["\u{e9}".as_bytes()], &[]);
        check(r"\08", &[b"\x008"], &[]);
        check(r"\x{e9}|\xff", &["\u{e9}".as_bytes(), "\u{ff}".as_bytes()], &[b"\xff"]);
        check("a|ab", &[b"ab"], &[]);
        check("[^a]", &[b"b", b"\n"], &[b"\xff"]);
        check("(?P<n>a)", &[b"a"], &[]);
        check("a{,2}", &[b"a{,2}"], &[b"aa"]);
        check("x{1,2}", &[b"xx"], &[b"xxx"]);
        check("{|}", &[b"{", b"}"], &[]);
        check(r#"\/\-\_\""#, &[b"/-_\""], &[]);
        check("^s3://.*", &[b"s3://bucket"], &[b"/s3://"]);
    }

    #[test]
    fn what_re2_refuses_is_refused() {
        for pattern in [
            "(",
            "a)|(b",
            "[a",
            "[a--b]",
            r"\1",
            r"\8",
            r"\Z",
            "\\\u{e9}",
            "(?<n>a)",
            "(?#c)",
            "a**",
            "x{1001}",
            "\\",
            r"\x{110000}",
        ] {
            let error = compile(pattern, false).unwrap_err();
            assert!(
                error.message().starts_with(&format!("Invalid pattern: {pattern}, error: ")),
                "{error}"
            );
        }
    }

    #[test]
    fn matches_are_rewritten_as_in_re2() {
        let rewrite = |pattern: &str, rewrite: &str, text: &str, is_global: bool| {
            let regex = compile(pattern, false).unwrap();
            let text = replace(&regex, text.as_bytes(), rewrite.as_bytes(), is_global);
            String::from_utf8(text).unwrap()
        };
        assert_eq!(rewrite("a(b*)", r"[\1]", "abbacab", true), "[bb][]c[b]");
        assert_eq!(rewrite("a", r"\0\0", "banana", false), "baanana");
        assert_eq!(rewrite("", "-", "abc", true), "-a-b-c-");
        assert_eq!(rewrite("", "-", "\u{e9}", true), "-\u{e9}-");
        assert_eq!(rewrite("a*", "x", "baac", true), "xbxcx");
        assert_eq!(rewrite("a*?", "x", "a\u{e9}", true), "xax\u{e9}x");
        assert_eq!(rewrite("a", r"\1", "a", true), "a");
        assert_eq!(rewrite("a", r"\x", "a", true), "");
        assert_eq!(rewrite("a", r"b\", "a", true), "b");
        assert_eq!(rewrite("a", r"\\", "a", true), "\\");
        assert_eq!(rewrite("(a)|b", r"\1", "ab", true), "a");
        assert_eq!(rewrite("^", ">", "a\nb", true), ">a\nb");
        assert_eq!(rewrite(r"\b", "|", "ab cd", true), "|ab| |cd|");
        assert_eq!(rewrite("a", "$0${1}", "a", true), "$0${1}");
    }

    #[test]
    fn bytes_that_are_no_text_are_kept() {
        let regex = compile("x*", false).unwrap();
        assert_eq!(replace(&regex, b"\xffa", b"-", true), b"-\xff-a-");
    }
}
