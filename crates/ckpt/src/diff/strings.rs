use flowkeep_tensor::Tensor;

use super::differences::index;
use super::{DiffOutcome, StringDiff};
use crate::Error;

/// Compares two tensors of strings, of one shape.
pub(super) fn compare(a: &Tensor, b: &Tensor) -> Result<DiffOutcome, Error> {
    let (a_strings, b_strings) = (a.as_strings()?, b.as_strings()?);
    let mut differing = a_strings.iter().zip(b_strings).enumerate().filter(|(_, (a, b))| a != b);
    let Some((first, _)) = differing.next() else { return Ok(DiffOutcome::Identical) };
    Ok(DiffOutcome::Strings(StringDiff {
        n_elements: a_strings.len() as u64,
        n_different: 1 + differing.count() as u64,
        first: Some(index(first as u64, a.dims())),
    }))
}
