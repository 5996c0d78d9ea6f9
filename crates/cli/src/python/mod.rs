//! The little Python that the command's flags speak: literals and their printed form.

mod literal;
mod number;
mod strings;
mod value;

pub(crate) use literal::parse;
pub(crate) use value::{Int, Value, set_repr, str_repr};

/// Why a text is not a Python literal; the flag's message names only the text, so this has no detail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotALiteral;
