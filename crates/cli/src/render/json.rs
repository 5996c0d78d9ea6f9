//! Views and errors as JSON, one document per run of the command.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::json;
use serde_json::ser::{Formatter, Serializer};

use super::json_error;
use crate::error::Error;

/// Writes a document with a line break at its end: objects indented, lists on one line each.
pub(crate) fn document(value: &impl Serialize, out: &mut dyn Write) -> Result<(), Error> {
    let mut serializer = Serializer::with_formatter(&mut *out, Layout::default());
    value.serialize(&mut serializer).map_err(json_error)?;
    out.write_all(b"\n").map_err(Error::Output)
}

/// Writes an error: `{"error": {"code", "message"}}`.
pub(crate) fn error(error: &Error, out: &mut dyn Write) -> Result<(), Error> {
    let code = error.code().name();
    document(&json!({"error": {"code": code, "message": error.to_string()}}), out)
}

/// Objects indented, with one entry a line; lists, and all that is in them, on one line.
///
/// Tensors stay readable that way: their elements are not on lines of their own.
#[derive(Default)]
struct Layout {
    /// Objects that are open, outside of lists.
    n_objects: usize,
    /// Lists that are open, and objects in them.
    n_inline: usize,
}

impl Layout {
    fn new_line<W: ?Sized + Write>(&self, out: &mut W) -> io::Result<()> {
        out.write_all(b"\n")?;
        (0..self.n_objects).try_for_each(|_| out.write_all(b"  "))
    }

    fn separator<W: ?Sized + Write>(&self, out: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }
}

impl Formatter for Layout {
    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.n_inline += 1;
        out.write_all(b"[")
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.n_inline -= 1;
        out.write_all(b"]")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.separator(out, first)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        match self.n_inline {
            0 => self.n_objects += 1,
            _ => self.n_inline += 1,
        }
        out.write_all(b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        match self.n_inline {
            0 => {
                self.n_objects -= 1;
                self.new_line(out)?;
            }
            _ => self.n_inline -= 1,
        }
        out.write_all(b"}")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if self.n_inline > 0 {
            return self.separator(out, first);
        }
        if !first {
            out.write_all(b",")?;
        }
        self.new_line(out)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_stand_on_one_line() {
        let mut out = Vec::new();
        document(
            &json!({"a": {"value": [[1.0, 2.0], [{"b64": "YQ==", "c": {}}]], "n": 1}, "b": []}),
            &mut out,
        )
        .unwrap();
        let expected = "{\n  \"a\": {\n    \"value\": [[1.0, 2.0], [{\"b64\": \"YQ==\", \"c\": {}}]],\n    \"n\": 1\n  },\n  \
                        \"b\": []\n}\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
