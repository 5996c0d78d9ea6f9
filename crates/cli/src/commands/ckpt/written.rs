//! What several subcommands print: what was written, sizes, names and numbers, as text and as JSON.

use flowkeep_bundle::Key;
use flowkeep_ckpt::{Number, Output, Sizes, Written, counted, shown};
use serde::Serialize;
use serde_json::{Value, json};

use super::Context;
use crate::args::Format;
use crate::error::Error;
use crate::render::{Page, json};

/// A number of bytes, short.
pub(super) fn size(n_bytes: u64) -> String {
    Sizes::Human.text(n_bytes)
}

pub(super) fn names(names: &[Key]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// Names with reasons, as JSON.
pub(super) fn reasons<E: std::fmt::Display>(reasons: &[(Key, E)]) -> Vec<Value> {
    let reason =
        |(name, why): &(Key, E)| json!({"name": name.to_string(), "reason": why.to_string()});
    reasons.iter().map(reason).collect()
}

/// A number as JSON: integers in full, as far as JSON's readers go.
pub(super) fn number(number: Number) -> Value {
    match number {
        Number::Int(int) => match (i64::try_from(int), u64::try_from(int)) {
            (Ok(int), _) => int.into(),
            (_, Ok(int)) => int.into(),
            _ => (int as f64).into(),
        },
        Number::Float(float) => float.into(),
    }
}

/// Says what was written, after `lines` in text, and with `more` in JSON.
pub(super) fn report(
    cx: &mut Context<'_>,
    output: &Output,
    written: &Written,
    lines: &[String],
    more: impl Serialize,
) -> Result<(), Error> {
    if cx.format == Format::Json {
        let mut document = serde_json::to_value(more).unwrap_or_default();
        if let Some(document) = document.as_object_mut() {
            let about = json!({
                "path": output.path.display().to_string(),
                "format": output.format.name(),
                "tensors": written.n_tensors,
                "bytes": written.n_bytes,
                "left_out": reasons(&written.left_out),
            });
            document.insert("written".into(), about);
        }
        return json::document(&document, cx.out);
    }
    let mut page = Page(cx.out);
    lines.iter().try_for_each(|line| page.line(line))?;
    for (name, why) in &written.left_out {
        page.line(format!("left out: {} ({why})", shown(name)))?;
    }
    page.line(format!(
        "{} ({}): {}, {}",
        output.path.display(),
        output.format,
        counted(written.n_tensors, "tensor"),
        size(written.n_bytes)
    ))
}
