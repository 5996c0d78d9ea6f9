//! Python literals, as Python's own `ast.literal_eval` accepts them.

use flowkeep_tensor::Complex;

use super::{NotALiteral, Value, number, strings};

/// Brackets inside of brackets, at most; Python's own limit.
const MAX_DEPTH: usize = 200;

/// Reads a Python literal: numbers, strings, bytes, tuples, lists, dicts, sets, True, False, None.
///
/// Signs are read before numbers, and `a+bj` and `a-bj` as complex numbers. Named characters
/// (`\N{...}`) and lone surrogates are not supported.
pub(crate) fn parse(text: &str) -> Result<Value, NotALiteral> {
    let text = text.trim_start_matches([' ', '\t']);
    let mut parser = Parser { text, at: 0, depth: 0 };
    parser.skip_empty_lines()?;
    let node = parser.tuple_or_item()?;
    parser.skip_empty_lines()?;
    if parser.rest().is_empty() { Ok(node.value) } else { Err(NotALiteral) }
}

pub(super) struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

/// A value and what it was written as: Python allows arithmetic on few forms only.
struct Node {
    value: Value,
    form: Form,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A number without sign.
    Number,
    /// A number with one sign.
    Signed,
    Other,
}

impl Node {
    fn other(value: Value) -> Node {
        Node { value, form: Form::Other }
    }
}

impl<'a> Parser<'a> {
    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Moves behind `prefix` if it comes next.
    pub(super) fn eat(&mut self, prefix: &str) -> bool {
        let eaten = self.rest().starts_with(prefix);
        if eaten {
            self.at += prefix.len();
        }
        eaten
    }

    pub(super) fn next_char(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// The longest run of characters that `belongs` accepts.
    pub(super) fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let len = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    /// Skips blanks and comments; line breaks too, but only inside of brackets.
    pub(super) fn skip_space(&mut self) {
        loop {
            match self.peek() {
                Some(' ' | '\t' | '\x0c') => self.at += 1,
                Some('\n' | '\r') if self.depth > 0 => self.at += 1,
                Some('#') => {
                    self.take_while(|c| c != '\n');
                }
                Some('\\') if self.rest().starts_with("\\\n") && self.rest().len() > 2 => {
                    self.at += 2
                }
                _ => return,
            }
        }
    }

    /// Skips blanks, comments and empty lines; a line with content must not be indented.
    fn skip_empty_lines(&mut self) -> Result<(), NotALiteral> {
        let mut line_start = None;
        loop {
            self.skip_space();
            match self.peek() {
                Some('\n' | '\r') => {
                    self.at += 1;
                    line_start = Some(self.at);
                }
                Some(_) if line_start.is_some_and(|start| start != self.at) => {
                    return Err(NotALiteral);
                }
                _ => return Ok(()),
            }
        }
    }

    /// One item, or several with commas between them, which are a tuple.
    fn tuple_or_item(&mut self) -> Result<Node, NotALiteral> {
        let first = self.item()?;
        self.skip_space();
        if !self.rest().starts_with(',') {
            return Ok(first);
        }
        let mut items = vec![first.value];
        while self.eat(",") {
            self.skip_space();
            if matches!(self.peek(), None | Some(')' | '\n' | '\r')) {
                break;
            }
            items.push(self.item()?.value);
            self.skip_space();
        }
        Ok(Node::other(Value::Tuple(items)))
    }

    /// An operand, or a real number plus or minus an imaginary one.
    fn item(&mut self) -> Result<Node, NotALiteral> {
        let left = self.operand()?;
        self.skip_space();
        let sign = match self.peek() {
            Some('+') => 1.0,
            Some('-') => -1.0,
            _ => return Ok(left),
        };
        self.at += 1;
        let right = self.operand()?;
        let real = match (&left.value, left.form) {
            (_, Form::Other) => return Err(NotALiteral),
            (Value::Int(value), _) => value.to_f64(),
            (Value::Float(value), _) => *value,
            _ => return Err(NotALiteral),
        };
        let Value::Complex(imaginary) = right.value else { return Err(NotALiteral) };
        if right.form != Form::Number || (real.is_infinite() && matches!(left.value, Value::Int(_)))
        {
            return Err(NotALiteral);
        }
        let value = Complex { re: real + sign * imaginary.re, im: 0.0 + sign * imaginary.im };
        Ok(Node::other(Value::Complex(value)))
    }

    /// An atom, or a number with a sign.
    fn operand(&mut self) -> Result<Node, NotALiteral> {
        self.skip_space();
        let negative = match self.peek() {
            Some('-') => true,
            Some('+') => false,
            _ => return self.atom(),
        };
        self.at += 1;
        self.skip_space();
        let Node { value, form: Form::Number } = self.atom()? else { return Err(NotALiteral) };
        let value = match value {
            value if !negative => value,
            Value::Int(value) => Value::Int(value.negated()),
            Value::Float(value) => Value::Float(-value),
            Value::Complex(value) => Value::Complex(Complex { re: -value.re, im: -value.im }),
            _ => return Err(NotALiteral),
        };
        Ok(Node { value, form: Form::Signed })
    }

    fn atom(&mut self) -> Result<Node, NotALiteral> {
        match self.peek().ok_or(NotALiteral)? {
            '(' => self.parenthesized(),
            '[' => {
                let items = self.bracketed(']', Self::item)?;
                Ok(Node::other(Value::List(items.into_iter().map(|node| node.value).collect())))
            }
            '{' => self.braced(),
            c if c.is_ascii_digit() || c == '.' => {
                Ok(Node { value: number::number(self)?, form: Form::Number })
            }
            '"' | '\'' => strings::strings(self).map(Node::other),
            _ if strings::starts_string(self.rest()) => strings::strings(self).map(Node::other),
            _ => self.name(),
        }
    }

    fn name(&mut self) -> Result<Node, NotALiteral> {
        let value = match self.take_while(|c| c.is_alphanumeric() || c == '_') {
            "None" => Value::None,
            "True" => Value::Bool(true),
            "False" => Value::Bool(false),
            "set" => {
                self.skip_space();
                if !self.eat("(") {
                    return Err(NotALiteral);
                }
                self.depth += 1;
                self.skip_space();
                self.depth -= 1;
                if !self.eat(")") {
                    return Err(NotALiteral);
                }
                Value::Set(Vec::new())
            }
            _ => return Err(NotALiteral),
        };
        Ok(Node::other(value))
    }

    fn enter(&mut self) -> Result<(), NotALiteral> {
        self.at += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(NotALiteral) } else { Ok(()) }
    }

    fn parenthesized(&mut self) -> Result<Node, NotALiteral> {
        self.enter()?;
        self.skip_space();
        let node = if self.rest().starts_with(')') {
            Node::other(Value::Tuple(Vec::new()))
        } else {
            self.tuple_or_item()?
        };
        self.skip_space();
        self.depth -= 1;
        if self.eat(")") { Ok(node) } else { Err(NotALiteral) }
    }

    /// Items with commas between them, up to the closing bracket.
    fn bracketed<T>(
        &mut self,
        close: char,
        item: impl Fn(&mut Self) -> Result<T, NotALiteral>,
    ) -> Result<Vec<T>, NotALiteral> {
        self.enter()?;
        let mut items = Vec::new();
        loop {
            self.skip_space();
            if self.peek() == Some(close) {
                break;
            }
            items.push(item(self)?);
            self.skip_space();
            if !self.eat(",") {
                break;
            }
        }
        self.skip_space();
        self.depth -= 1;
        if self.next_char() == Some(close) { Ok(items) } else { Err(NotALiteral) }
    }

    fn braced(&mut self) -> Result<Node, NotALiteral> {
        let entries = self.bracketed('}', |parser| {
            let key = parser.item()?.value;
            parser.skip_space();
            let value = if parser.eat(":") { Some(parser.item()?.value) } else { None };
            if key.is_hashable() { Ok((key, value)) } else { Err(NotALiteral) }
        })?;
        if entries.iter().all(|(_, value)| value.is_some()) {
            return Ok(Node::other(dict(entries)));
        }
        if entries.iter().any(|(_, value)| value.is_some()) {
            return Err(NotALiteral);
        }
        let mut items: Vec<Value> = Vec::new();
        for (item, _) in entries {
            if !items.iter().any(|known| known.equals(&item)) {
                items.push(item);
            }
        }
        Ok(Node::other(Value::Set(items)))
    }
}

/// The dict of these entries; a repeated key keeps its place and takes the last value.
fn dict(entries: Vec<(Value, Option<Value>)>) -> Value {
    let mut dict: Vec<(Value, Value)> = Vec::new();
    for (key, value) in entries {
        let value = value.unwrap_or(Value::None);
        match dict.iter_mut().find(|(known, _)| known.equals(&key)) {
            Some((_, known)) => *known = value,
            None => dict.push((key, value)),
        }
    }
    Value::Dict(dict)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASES: &str = include_str!("../../../../fixtures/python_literal/cases.json");

    #[test]
    fn literals_are_read_as_python_reads_them() {
        let fixture: serde_json::Value = serde_json::from_str(CASES).unwrap();
        let cases = fixture["cases"].as_array().unwrap();
        assert!(cases.len() > 150);
        for case in cases {
            let text = case["text"].as_str().unwrap();
            let got = parse(text).ok().map(|value| value.repr());
            assert_eq!(got.as_deref(), case["repr"].as_str(), "{text:?}");
        }
    }

    #[test]
    fn lone_surrogates_and_named_characters_are_refused() {
        assert!(parse(r"'\ud800'").is_err());
        assert!(parse(r"'\N{BULLET}'").is_err());
    }

    #[test]
    fn nesting_is_bounded() {
        assert!(parse(&format!("{}{}", "[".repeat(200), "]".repeat(200))).is_ok());
        assert!(parse(&"[".repeat(100_000)).is_err());
        assert!(parse(&"-".repeat(100_000)).is_err());
    }

    #[test]
    fn an_integer_has_no_bounds() {
        let digits = "123456789012345678901234567890123456789012345678901234567890";
        let Ok(Value::Int(crate::python::Int::Big { negative: true, .. })) =
            parse(&format!("-{digits}"))
        else {
            panic!("not a big integer");
        };
    }
}
