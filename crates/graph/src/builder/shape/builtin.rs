use super::{InferenceContext, ShapeProvider};

/// What an op does to shapes.
pub(super) type ShapeFn = fn(&mut InferenceContext<'_>) -> Result<(), String>;

/// The shapes of the ops that the builder has methods for, and of some more.
///
/// Of other ops it knows nothing: their outputs have unknown shapes.
#[derive(Clone, Copy, Debug, Default)]
pub struct BuiltinShapes;

/// The tables, each sorted by op.
const TABLES: [&[(&str, ShapeFn)]; 17] = [
    super::array::OPS,
    super::control::OPS,
    super::elementwise::OPS,
    super::functional::OPS,
    super::gather::OPS,
    super::gradients::OPS,
    super::image::OPS,
    super::linalg::OPS,
    super::list::OPS,
    super::math::OPS,
    super::nn::OPS,
    super::parsing::OPS,
    super::reshape::OPS,
    super::sparse::OPS,
    super::state::OPS,
    super::training::OPS,
    super::window::OPS,
];

impl BuiltinShapes {
    /// Whether something is known of an op.
    pub fn knows(self, op: &str) -> bool {
        shape_fn(op).is_some()
    }
}

impl ShapeProvider for BuiltinShapes {
    fn infer(&self, cx: &mut InferenceContext<'_>) -> Result<(), String> {
        match shape_fn(cx.op()) {
            Some(shape_fn) => shape_fn(cx),
            None => Ok(()),
        }
    }
}

fn shape_fn(op: &str) -> Option<ShapeFn> {
    TABLES.iter().find_map(|table| {
        let idx = table.binary_search_by(|(known, _)| (*known).cmp(op)).ok()?;
        table.get(idx).map(|(_, shape_fn)| *shape_fn)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op_def;

    #[test]
    fn tables_are_sorted_and_name_ops_once() {
        let mut all = Vec::new();
        for table in TABLES {
            assert!(table.is_sorted_by(|(a, _), (b, _)| a < b));
            all.extend(table.iter().map(|(op, _)| *op));
        }
        let n = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), n);
        assert!(all.iter().all(|op| op_def::lookup(op).is_some()), "{all:?}");
    }
}
