//! What an optimizer does with one element of a variable.

use super::number::Number;
use crate::kernel::{KernelInit, Status};

/// The update rule of an optimizer with `N` variables (the trained one and its slots) and `S`
/// scalars. Inputs are the variables, the scalars before the gradient, the gradient (for sparse
/// forms, the indices), the other scalars.
pub(super) trait Rule<const N: usize, const S: usize>: Copy + Send + Sync + 'static {
    /// What the variables are called.
    const VARIABLES: [&'static str; N];
    /// What the scalars are called.
    const SCALARS: [&'static str; S];
    /// How many scalars are before the gradient.
    const N_BEFORE: usize = S;
    /// What the gradient is called.
    const GRADIENT: &'static str = "grad";

    /// Whether sparse forms take no rows without elements.
    const REFUSES_EMPTY_ROWS: bool = false;

    /// Reads the attributes.
    fn new(init: &KernelInit<'_>) -> Result<Self, Status>;

    /// The new elements of the variables.
    fn step<F: Number>(&self, scalars: [F; S], variables: [F; N], gradient: F) -> [F; N];

    /// What sparse forms say of index `at` that is out of range.
    fn index_error(at: usize, index: i64, _n_rows: usize) -> String {
        format!("Index {index} at offset {at} in indices is out of range")
    }
}
