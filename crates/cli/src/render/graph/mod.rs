//! Views of graphs as text.

mod diff;
mod dot;
mod dropped;
mod node;
mod paths;
mod summary;

use flowkeep_ckpt::shown;
use flowkeep_tensor::{DType, PartialShape};

pub(crate) use diff::diff;
pub(crate) use dot::dot;
pub(crate) use dropped::dropped;
pub(crate) use node::node;
pub(crate) use paths::paths;
pub(crate) use summary::summary;

/// A name on one line, without what a terminal would obey.
fn safe(name: &str) -> String {
    shown(name.as_bytes())
}

/// `float32 [?,2]`, or as much of it as is known.
fn tensor(dtype: Option<DType>, shape: &PartialShape) -> String {
    let dtype = dtype.map_or("?", DType::python_name);
    format!("{dtype} {shape}")
}

/// A number with groups of three digits.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (idx, digit) in digits.chars().enumerate() {
        if idx > 0 && (digits.len() - idx).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_are_grouped() {
        for (n, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1234567, "1,234,567")] {
            assert_eq!(grouped(n), text);
        }
    }
}
