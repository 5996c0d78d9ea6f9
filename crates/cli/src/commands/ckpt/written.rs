//! What was written, as text and as JSON.

use flowkeep_bundle::Key;
use flowkeep_ckpt::{Output, Written};
use serde::Serialize;
use serde_json::{Value, json};

use super::Context;
use crate::args::Format;
use crate::error::Error;
use crate::render::{Page, json};

/// A number of bytes, short.
pub(super) fn size(n_bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if n_bytes < 1024 {
        return format!("{n_bytes} B");
    }
    let mut value = n_bytes as f64;
    let mut unit = "B";
    for next in UNITS {
        if value < 1024.0 {
            break;
        }
        (value, unit) = (value / 1024.0, next);
    }
    format!("{value:.1} {unit}")
}

/// `1 tensor`, `2 tensors`.
pub(super) fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("{n} {what}") } else { format!("{n} {what}s") }
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
        page.line(format!("left out: {name} ({why})"))?;
    }
    page.line(format!(
        "{} ({}): {}, {}",
        output.path.display(),
        output.format,
        count(written.n_tensors, "tensor"),
        size(written.n_bytes)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (1 << 30, "1.0 GiB"),
            (u64::MAX, "16384.0 PiB"),
        ];
        for (n, text) in cases {
            assert_eq!(size(n), text);
        }
    }
}
