//! Ops that read messages out of strings.

use flowkeep_tensor::PartialShape;

use super::InferenceContext;
use super::builtin::ShapeFn;
use crate::Attr;

pub(super) const OPS: &[(&str, ShapeFn)] = &[("ParseExampleV2", parse_example_v2)];

/// For each sparse feature where its values are, they themselves and the shape; then the dense features,
/// of the shape that each has in an example. Of ragged ones nothing is known but that they are vectors.
fn parse_example_v2(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let shapes = cx.attrs().get("dense_shapes").and_then(Attr::as_shapes).unwrap_or_default();
    let n_sparse = cx.attrs().int("num_sparse").map_or(0, |n| usize::try_from(n).unwrap_or(0));
    let n_sparse = n_sparse.min(cx.n_outputs());
    let Some(batch) = cx.input(0).dims().filter(|dims| dims.len() < 2) else { return Ok(()) };
    let rank = u64::try_from(batch.len() + 1).ok();
    for at in 0..n_sparse {
        cx.set_output(at, PartialShape::new(vec![None, rank]));
        cx.set_output(n_sparse + at, PartialShape::new(vec![None]));
        cx.set_output(2 * n_sparse + at, PartialShape::new(vec![rank]));
    }
    for (at, shape) in shapes.iter().enumerate() {
        if let Some(dims) = shape.dims() {
            let dims = batch.iter().chain(dims).copied().collect();
            cx.set_output(3 * n_sparse + at, PartialShape::new(dims));
        }
    }
    for at in 3 * n_sparse + shapes.len()..cx.n_outputs() {
        cx.set_output(at, PartialShape::new(vec![None]));
    }
    Ok(())
}
