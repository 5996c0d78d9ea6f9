//! `--input_exprs`: inputs as Python literals.

use super::set;
use crate::error::Error;
use crate::python::{self, Value};

/// Reads `key=literal;key=literal`. A `;` separates even inside of a string.
pub(super) fn parse(flag: &str) -> Result<Vec<(String, Value)>, Error> {
    let mut exprs = Vec::new();
    for part in flag.split(';').filter(|part| !part.is_empty()) {
        let Some((key, expr)) = part.split_once('=') else { return Err(bad_format(flag)) };
        let value = python::parse(expr).map_err(|_| {
            let hint = match expr.contains('=') {
                true => " Inputs are separated by \";\".",
                false => "",
            };
            Error::invalid(format!("Expression \"{expr}\" is not a valid python literal.{hint}"))
        })?;
        set(&mut exprs, key.to_owned(), value);
    }
    Ok(exprs)
}

fn bad_format(flag: &str) -> Error {
    Error::invalid(format!(
        "--input_exprs \"{flag}\" format is incorrect. Please follow\"<input_key>=<python expression>\""
    ))
}
