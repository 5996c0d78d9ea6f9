//! Text to wire: recursive descent over the descriptors.

use super::MAX_DEPTH;
use super::descriptor::{FieldDef, Kind, MessageDef, MessageId, Pool, Scalar};
use super::error::ParseError;
use super::lexer::{Lexer, Token, TokenKind};
use super::skip;
use super::wire::{Shape, Writer};

/// What a singular field given twice means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeats {
    Refused,
    LastWins,
}

/// See [`super::parse`].
pub(super) fn parse(full_name: &str, text: &[u8], repeats: Repeats) -> Result<Vec<u8>, ParseError> {
    let pool = Pool::get();
    let Some(def) = pool.find(full_name.as_bytes()) else {
        return Err(ParseError::at_start(unknown_type(full_name)));
    };
    // Half of what text takes up are names and space; bytes that are no text take up four.
    let out = Writer::with_capacity(text.len() / 4);
    let lexer = Lexer::new(text);
    let mut parser = Parser { lexer, pool, repeats, depth: 0, out, refusal: None };
    match parser.text(def) {
        Ok(()) => Ok(parser.out.finish()),
        Err(error) => Err(parser.refusal.unwrap_or(error)),
    }
}

pub(super) fn unknown_type(full_name: &str) -> String {
    format!("Type {full_name} not found in descriptor pool")
}

pub(super) struct Parser<'a> {
    pub(super) lexer: Lexer<'a>,
    pub(super) pool: &'static Pool,
    repeats: Repeats,
    /// Messages around the current one.
    depth: usize,
    pub(super) out: Writer,
    /// What the Python reader says of the first thing that it refuses and the C++ reader takes.
    /// It is the error if there is one later.
    refusal: Option<ParseError>,
}

/// A message under way.
pub(super) struct Message {
    pub(super) def: &'static MessageDef,
    /// The fields that are set, but for repeated ones.
    set: u64,
    /// The record of packed values that the next value may join: number of the field, start.
    packed: Option<(u32, usize)>,
}

impl Message {
    pub(super) fn new(def: &'static MessageDef) -> Self {
        Self { def, set: 0, packed: None }
    }

    /// Notes whether a field is set.
    pub(super) fn note(&mut self, field: &FieldDef, is_set: bool) {
        self.set = if is_set { self.set | field.bit } else { self.set & !field.bit };
    }
}

impl Parser<'_> {
    /// A message up to the end of the text.
    fn text(&mut self, def: &'static MessageDef) -> Result<(), ParseError> {
        let mut message = Message::new(def);
        while !self.lexer.is_at_end() {
            self.field(&mut message)?;
        }
        self.end(&mut message);
        Ok(())
    }

    /// Notes what the Python reader says of what the C++ reader takes. Only the first error is made,
    /// since to place it takes a look at all of the text before it.
    #[cold]
    pub(super) fn note_refusal(&mut self, error: impl FnOnce() -> ParseError) {
        self.refusal.get_or_insert_with(error);
    }

    /// A field with its value or values, and the separator after it.
    pub(super) fn field(&mut self, message: &mut Message) -> Result<(), ParseError> {
        let Some(field) = self.name(message)? else { return Ok(()) };
        self.check_rivals(field, message)?;
        match field.kind {
            Kind::Message(_) | Kind::Map(_) => {
                self.lexer.try_consume(b':');
            }
            Kind::Scalar(_) | Kind::Enum(_) => self.lexer.consume(b':')?,
        }
        if field.is_repeated && self.lexer.try_consume(b'[') {
            if !self.lexer.try_consume(b']') {
                loop {
                    self.value(field, message)?;
                    if self.lexer.try_consume(b']') {
                        break;
                    }
                    self.lexer.consume(b',')?;
                }
            }
        } else {
            self.value(field, message)?;
        }
        self.separator();
        Ok(())
    }

    /// The separator that may follow a field.
    pub(super) fn separator(&mut self) {
        if !self.lexer.try_consume(b',') {
            self.lexer.try_consume(b';');
        }
    }

    /// The field that the text names; none if what it names has been dealt with.
    fn name(&mut self, message: &mut Message) -> Result<Option<&'static FieldDef>, ParseError> {
        let token = self.lexer.peek();
        if let Some(field) = message.def.field(token.text) {
            self.lexer.advance();
            return Ok(Some(field));
        }
        if token.is(b'[') {
            self.lexer.advance();
            if message.def.is_any {
                return self.expanded_any(message).map(|()| None);
            }
            return Err(self.extension(message.def));
        }
        if !is_name_or_number(&token) {
            let message = format!("Expected identifier or number, got {}.", token.shown());
            return Err(self.lexer.error(message));
        }
        self.lexer.advance();
        let at = self.lexer.clone();
        let error = || {
            let owner = &message.def.full_name;
            let name = token.shown();
            at.error_at_previous(format!("Message type \"{owner}\" has no field named \"{name}\"."))
        };
        if message.def.is_reserved(token.text) {
            let mut ahead = self.lexer.clone();
            if skip::rest_of_field(&mut ahead, self.depth).is_some() {
                self.note_refusal(error);
                self.lexer = ahead;
                return Ok(None);
            }
        }
        Err(error())
    }

    /// The error for the name of an extension, after its bracket.
    fn extension(&mut self, def: &MessageDef) -> ParseError {
        loop {
            if !is_name(&self.lexer.peek()) {
                return self.lexer.error("Expected identifier.");
            }
            self.lexer.advance();
            if !self.lexer.try_consume(b'.') {
                let name = &def.full_name;
                let message = format!("Message type \"{name}\" does not have extensions.");
                return self.lexer.error_at_previous(message);
            }
        }
    }

    /// Refuses a member of a oneof of which another member is set.
    fn check_rivals(&self, field: &FieldDef, message: &Message) -> Result<(), ParseError> {
        let rivals = message.set & field.rivals;
        if rivals == 0 || self.repeats == Repeats::LastWins {
            return Ok(());
        }
        let def = message.def;
        let other = def.fields.iter().find(|other| other.bit & rivals != 0);
        let oneof = field.oneof_idx.and_then(|idx| def.oneofs.get(idx));
        Err(self.lexer.error_at_previous(format!(
            "Field \"{}\" is specified along with field \"{}\", another member of oneof \"{}\" for \
             message type \"{}\".",
            field.name,
            other.map_or("", |other| &other.name),
            oneof.map_or("", |name| name),
            def.full_name
        )))
    }

    /// Refuses a singular field that is set.
    pub(super) fn check_repeat(
        &self,
        field: &FieldDef,
        message: &Message,
    ) -> Result<(), ParseError> {
        if message.set & field.bit == 0 || self.repeats == Repeats::LastWins {
            return Ok(());
        }
        Err(self.lexer.error_at_previous(format!(
            "Message type \"{}\" should not have multiple \"{}\" fields.",
            message.def.full_name, field.name
        )))
    }

    /// One value of a field.
    fn value(&mut self, field: &FieldDef, message: &mut Message) -> Result<(), ParseError> {
        let value = match field.kind {
            Kind::Message(id) | Kind::Map(id) => return self.block(field, id, message),
            Kind::Scalar(Scalar::String | Scalar::Bytes) => return self.string(field, message),
            Kind::Scalar(scalar) => self.scalar(scalar)?,
            Kind::Enum(_) => self.enum_value(field)?,
        };
        if self.start_value(field, value.is_default(), message)? {
            self.out.value(&value);
        }
        Ok(())
    }

    /// Writes what comes before a value; false if the value is not to be written.
    fn start_value(
        &mut self,
        field: &FieldDef,
        is_default: bool,
        message: &mut Message,
    ) -> Result<bool, ParseError> {
        if field.is_packed {
            if message.packed.is_none_or(|(number, _)| number != field.number) {
                self.end(message);
                self.out.tag(field.number, Shape::Bytes);
                message.packed = Some((field.number, self.out.open()));
            }
            return Ok(true);
        }
        let is_written = self.mark(field, is_default, message)?;
        if is_written {
            self.end(message);
            self.out.tag(field.number, field.shape());
        }
        Ok(is_written)
    }

    /// Marks a field as set; false if its value is not told from absence, and may still come.
    pub(super) fn mark(
        &self,
        field: &FieldDef,
        is_default: bool,
        message: &mut Message,
    ) -> Result<bool, ParseError> {
        if field.is_repeated {
            return Ok(true);
        }
        self.check_repeat(field, message)?;
        if is_default && !field.has_presence && self.repeats == Repeats::Refused {
            return Ok(false);
        }
        message.note(field, true);
        Ok(true)
    }

    /// Ends what the next value might have joined.
    pub(super) fn end(&mut self, message: &mut Message) {
        if let Some((_, start)) = message.packed.take() {
            self.out.close(start);
        }
    }

    /// A message with its brackets.
    fn block(
        &mut self,
        field: &FieldDef,
        id: MessageId,
        message: &mut Message,
    ) -> Result<(), ParseError> {
        let close = self.open()?;
        self.mark(field, false, message)?;
        self.end(message);
        self.out.tag(field.number, Shape::Bytes);
        let start = self.out.open();
        self.message(self.pool.message(id), close)?;
        self.out.close(start);
        Ok(())
    }

    /// Takes the opening bracket of a message and gives the closing one.
    pub(super) fn open(&mut self) -> Result<u8, ParseError> {
        if self.lexer.try_consume(b'<') {
            return Ok(b'>');
        }
        self.lexer.consume(b'{')?;
        Ok(b'}')
    }

    /// A message after its opening bracket, up to and with its closing one.
    pub(super) fn message(
        &mut self,
        def: &'static MessageDef,
        close: u8,
    ) -> Result<(), ParseError> {
        if self.depth >= MAX_DEPTH {
            let message = format!("Message too deep. Max recursion depth is {MAX_DEPTH}");
            return Err(self.lexer.error_at_previous(message));
        }
        self.depth = self.depth.saturating_add(1);
        let mut message = Message::new(def);
        while !self.lexer.try_consume(close) {
            if self.lexer.is_at_end() {
                let message = format!("Expected \"{}\".", char::from(close));
                return Err(self.lexer.error_at_previous(message));
            }
            self.field(&mut message)?;
        }
        self.end(&mut message);
        self.depth = self.depth.saturating_sub(1);
        Ok(())
    }
}

fn is_name_or_number(token: &Token<'_>) -> bool {
    match token.kind {
        TokenKind::Name => true,
        TokenKind::Number => token.text.first().is_some_and(u8::is_ascii_digit),
        TokenKind::Other => token.shown().chars().all(char::is_alphanumeric),
        _ => false,
    }
}

fn is_name(token: &Token<'_>) -> bool {
    match token.kind {
        TokenKind::Name => true,
        TokenKind::Other => token.shown().chars().all(char::is_alphabetic),
        _ => false,
    }
}
