//! As much of Python's literals as the headers of arrays are made of.

/// A Python value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Literal<'a> {
    /// A text, as it stands between its quotes.
    Str(&'a str),
    Int(i64),
    Bool(bool),
    /// A tuple or list.
    Items(Vec<Literal<'a>>),
    Dict(Vec<(&'a str, Literal<'a>)>),
}

/// How deep values may lie in one another: the types of records do.
const MAX_DEPTH: usize = 16;

/// Reads a text that is one literal; `None` if it is not.
pub(super) fn parse(text: &str) -> Option<Literal<'_>> {
    let mut parser = Parser { rest: text };
    let value = parser.value(0)?;
    parser.skip_blanks();
    parser.rest.is_empty().then_some(value)
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn value(&mut self, depth: usize) -> Option<Literal<'a>> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.skip_blanks();
        match self.rest.bytes().next()? {
            b'\'' | b'"' => self.string().map(Literal::Str),
            b'(' => self.items("(", ")", depth),
            b'[' => self.items("[", "]", depth),
            b'{' => self.dict(depth),
            b'-' | b'0'..=b'9' => self.integer(),
            _ if self.take("True") => Some(Literal::Bool(true)),
            _ if self.take("False") => Some(Literal::Bool(false)),
            _ => None,
        }
    }

    /// A text without escapes, which the headers that NumPy writes do not have.
    fn string(&mut self) -> Option<&'a str> {
        let quote = self.rest.chars().next()?;
        let (text, rest) = self.rest.strip_prefix(quote)?.split_once(quote)?;
        self.rest = rest;
        (!text.contains('\\')).then_some(text)
    }

    fn integer(&mut self) -> Option<Literal<'a>> {
        let digit = |c: char| c.is_ascii_digit() || c == '-';
        let end = self.rest.find(|c| !digit(c)).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at_checked(end)?;
        // Python 2 marks long integers.
        self.rest = rest.strip_prefix('L').unwrap_or(rest);
        digits.parse().ok().map(Literal::Int)
    }

    fn items(&mut self, open: &str, close: &str, depth: usize) -> Option<Literal<'a>> {
        self.rest = self.rest.strip_prefix(open)?;
        let mut items = Vec::new();
        while !self.take(close) {
            items.push(self.value(depth + 1)?);
            if !self.take(",") {
                return match (&items[..], self.take(close)) {
                    // What stands in parentheses alone is no tuple.
                    ([_], true) if close == ")" => items.pop(),
                    (_, true) => Some(Literal::Items(items)),
                    _ => None,
                };
            }
        }
        Some(Literal::Items(items))
    }

    fn dict(&mut self, depth: usize) -> Option<Literal<'a>> {
        self.rest = self.rest.strip_prefix('{')?;
        let mut entries = Vec::new();
        while !self.take("}") {
            self.skip_blanks();
            let key = self.string()?;
            if !self.take(":") {
                return None;
            }
            entries.push((key, self.value(depth + 1)?));
            if !self.take(",") {
                return self.take("}").then_some(Literal::Dict(entries));
            }
        }
        Some(Literal::Dict(entries))
    }

    /// Takes a token, and blanks before it, if it is next.
    fn take(&mut self, token: &str) -> bool {
        self.skip_blanks();
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_python_reads_them() {
        use Literal::{Bool, Dict, Int, Items, Str};
        for (text, value) in [
            ("'a b'", Str("a b")),
            (" \"it's\" \n", Str("it's")),
            ("()", Items(vec![])),
            ("(1,)", Items(vec![Int(1)])),
            ("(1)", Int(1)),
            ("( 2L , -3 )", Items(vec![Int(2), Int(-3)])),
            ("[1]", Items(vec![Int(1)])),
            ("{}", Dict(vec![])),
            ("{'a': True, }", Dict(vec![("a", Bool(true))])),
            ("{'a':False,'b':[('c','<f4')]}", {
                let field = Items(vec![Str("c"), Str("<f4")]);
                Dict(vec![("a", Bool(false)), ("b", Items(vec![field]))])
            }),
        ] {
            assert_eq!(parse(text), Some(value), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_literal_is_refused() {
        for text in [
            "",
            "(",
            "(1",
            "(,)",
            "{1: 2}",
            "{'a'}",
            "{'a': 1",
            "'a",
            "1 2",
            "1-2",
            "-",
            "2**3",
            "None",
            "[1,,]",
            "(1]",
            "'\\x'",
            "99999999999999999999",
            "ü",
            "{'a': 1}}",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse(&"(".repeat(100_000)), None);
        assert_eq!(parse(&format!("{}1{}", "[".repeat(20), "]".repeat(20))), None);
    }
}
