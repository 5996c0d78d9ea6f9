//! Ops that run functions and say themselves what shapes come out, and optionals.

use super::InferenceContext;
use super::array::to_scalar;
use super::builtin::ShapeFn;

pub(super) const OPS: &[(&str, ShapeFn)] = &[
    ("Case", as_told),
    ("If", as_told),
    ("OptionalFromValue", to_scalar),
    ("OptionalGetValue", as_told),
    ("OptionalHasValue", to_scalar),
    ("OptionalNone", to_scalar),
    ("StatelessCase", as_told),
    ("StatelessIf", as_told),
    ("StatelessWhile", as_told),
    ("While", as_told),
];

/// The shapes of the attribute `output_shapes`, if it has any.
fn as_told(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let shapes = cx.attrs().shapes("output_shapes").unwrap_or_default();
    if shapes.is_empty() {
        return Ok(());
    }
    if shapes.len() != cx.n_outputs() {
        return Err(format!(
            "`output_shapes` must be the same length as num outputs ({} vs. {}",
            shapes.len(),
            cx.n_outputs()
        ));
    }
    for (index, shape) in shapes.into_iter().enumerate() {
        cx.set_output(index, shape);
    }
    Ok(())
}
