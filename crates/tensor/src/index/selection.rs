//! An index held against a shape.

use super::{IndexItem, bad};
use crate::{Error, Extent, Shape, TensorSlice};

/// The indices that an index takes along one dimension: `start`, `start + step`, and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    /// The first index; 0 when there is none.
    pub start: u64,
    /// The distance from one index to the next, not zero.
    pub step: i64,
    /// The number of indices.
    pub length: u64,
    /// Whether the result lacks the dimension, because an integer gave its only index.
    pub dropped: bool,
}

impl Steps {
    /// What `item` takes of dimension `axis`, which has `dim` indices.
    pub(super) fn of(item: IndexItem, axis: usize, dim: usize) -> Result<Steps, Error> {
        let len = i64::try_from(dim)
            .map_err(|_| bad(format!("a dimension of size {dim} cannot be indexed")))?;
        match item {
            IndexItem::At(idx) => {
                let from_start = if idx < 0 { idx + len } else { idx };
                if !(0..len).contains(&from_start) {
                    return Err(bad(format!(
                        "index {idx} is out of bounds for axis {axis} with size {len}"
                    )));
                }
                Ok(Steps { start: from_start.unsigned_abs(), step: 1, length: 1, dropped: true })
            }
            IndexItem::Slice { start, stop, step } => Ok(Steps::of_slice(start, stop, step, len)),
            IndexItem::Ellipsis => Ok(Steps::of_slice(None, None, None, len)),
        }
    }

    /// Python's `slice(start, stop, step).indices(len)`.
    fn of_slice(start: Option<i64>, stop: Option<i64>, step: Option<i64>, len: i64) -> Steps {
        // As in Python, so that the step can be negated.
        let step = step.unwrap_or(1).max(-i64::MAX);
        let (lowest, highest) = if step < 0 { (-1, len - 1) } else { (0, len) };
        let clip = |bound: i64| {
            let from_start = if bound < 0 { bound + len } else { bound };
            from_start.clamp(lowest, highest)
        };
        let (first, end) = if step < 0 { (highest, lowest) } else { (lowest, highest) };
        let (start, stop) = (start.map_or(first, clip), stop.map_or(end, clip));
        let distance = if step < 0 { start - stop } else { stop - start };
        if distance <= 0 {
            return Steps { start: 0, step, length: 0, dropped: false };
        }
        let length = distance.unsigned_abs().div_ceil(step.unsigned_abs());
        Steps { start: start.unsigned_abs(), step, length, dropped: false }
    }

    /// The lowest and the highest index, if there is one.
    fn bounds(self) -> Option<(u64, u64)> {
        let n_steps = i64::try_from(self.length.checked_sub(1)?).ok()?;
        let last = self.start.checked_add_signed(self.step.checked_mul(n_steps)?)?;
        Some((self.start.min(last), self.start.max(last)))
    }

    /// Whether these are all indices of a dimension of size `dim`, in order: from the first on, no
    /// step but 1 takes that many.
    fn is_full(self, dim: usize) -> bool {
        self.start == 0 && self.length == dim as u64
    }
}

/// What a [`TensorIndex`](crate::TensorIndex) takes of tensors of one shape.
///
/// A caller that has the tensor calls [`Selection::apply`]. One that can read rectangular parts of
/// it, from a checkpoint for instance, reads only the part that matters:
///
/// ```
/// use flowkeep_tensor::{Shape, Tensor, TensorIndex};
///
/// let index: TensorIndex = "7,100:200:50".parse()?;
/// let selection = index.resolve(&Shape::from([1 << 30, 1000]))?;
/// assert_eq!(selection.shape(), &Shape::from([2]));
/// // The slice to read is one row, from column 100 to column 150.
/// assert_eq!(selection.bounding_slice().unwrap().to_string(), "7,1:100,51");
/// let piece = Tensor::from_vec([1, 51], (100..151).collect::<Vec<i32>>())?;
/// let taken = selection.within_bounds().apply(&piece)?;
/// assert_eq!(taken.as_slice::<i32>()?, &[100, 150]);
/// # Ok::<(), flowkeep_tensor::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    source: Shape,
    shape: Shape,
    steps: Vec<Steps>,
}

impl Selection {
    /// The selection of these indices from a tensor of shape `source`, which has them.
    pub(super) fn new(source: Shape, steps: Vec<Steps>) -> Selection {
        let kept = steps.iter().filter(|steps| !steps.dropped);
        // No length is larger than its dimension, which is a `usize`.
        let shape = kept.map(|steps| steps.length as usize).collect::<Vec<_>>().into();
        Selection { source, shape, steps }
    }

    /// The shape of the tensors to take from.
    pub fn source_shape(&self) -> &Shape {
        &self.source
    }

    /// The shape of what is taken.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The indices taken in each dimension of the source, outermost first.
    pub fn steps(&self) -> &[Steps] {
        &self.steps
    }

    /// Whether nothing is taken.
    pub fn is_empty(&self) -> bool {
        self.steps.iter().any(|steps| steps.length == 0)
    }

    /// Whether every element is taken, in order; the shape may still lack dimensions of size 1.
    pub fn is_full(&self) -> bool {
        self.steps.iter().zip(self.source.dims()).all(|(steps, dim)| steps.is_full(*dim))
    }

    /// The smallest slice that holds everything that is taken, or `None` when that is nothing.
    pub fn bounding_slice(&self) -> Option<TensorSlice> {
        if self.is_empty() {
            return None;
        }
        let extent = |(steps, dim): (&Steps, &usize)| {
            let (start, end) = steps.bounds()?;
            let length = end - start + 1;
            if length == *dim as u64 {
                return Some(Extent::Full);
            }
            Some(Extent::Range { start, length })
        };
        let extents = self.steps.iter().zip(self.source.dims()).map(extent);
        TensorSlice::new(extents.collect::<Option<_>>()?).ok()
    }

    /// The selection that takes the same elements of the tensor that [`Selection::bounding_slice`]
    /// cuts out. One that takes nothing stays as it is.
    pub fn within_bounds(&self) -> Selection {
        let bounds: Option<Vec<_>> = self.steps.iter().map(|steps| steps.bounds()).collect();
        let Some(bounds) = bounds else { return self.clone() };
        // No piece is larger than its dimension, which is a `usize`.
        let source = bounds.iter().map(|(start, end)| (end - start) as usize + 1);
        let steps = self.steps.iter().zip(&bounds);
        let steps = steps.map(|(steps, (start, _))| Steps { start: steps.start - start, ..*steps });
        Selection {
            source: source.collect::<Vec<_>>().into(),
            shape: self.shape.clone(),
            steps: steps.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Code, TensorIndex};

    fn resolve(index: &str, shape: impl Into<Shape>) -> Result<Selection, Error> {
        index.parse::<TensorIndex>().unwrap().resolve(&shape.into())
    }

    #[test]
    fn dimensions_of_any_size_are_but_numbers() {
        let dim = i64::MAX as usize;
        let selection = resolve("::-2,-1,5:", [dim, dim, 1 << 40]).unwrap();
        assert_eq!(selection.shape(), &Shape::from([1 << 62, (1 << 40) - 5]));
        assert_eq!(
            selection.bounding_slice().unwrap().to_string(),
            format!("-:{},1:5,{}", dim - 1, (1u64 << 40) - 5)
        );
        let first = resolve("::-9223372036854775808", [dim]).unwrap();
        assert_eq!(first.steps()[0].length, 1);
        assert_eq!(first.within_bounds().steps()[0].start, 0);
    }

    #[test]
    fn impossible_shapes_are_refused() {
        assert!(resolve("0", [usize::MAX]).is_err());
        assert!(resolve(":", [i64::MAX as usize + 1]).is_err());
        let error = resolve("...", vec![1; 255]).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
    }

    #[test]
    fn a_selection_of_nothing_has_no_bounds() {
        let selection = resolve("0,3:1", [2, 4]).unwrap();
        assert!(selection.is_empty() && !selection.is_full());
        assert_eq!(selection.shape(), &Shape::from([0]));
        assert_eq!(selection.bounding_slice(), None);
        assert_eq!(selection.within_bounds(), selection);
    }

    #[test]
    fn bounds_that_cover_a_dimension_are_full() {
        let slice = |index| resolve(index, [3, 4]).unwrap().bounding_slice().unwrap().to_string();
        assert_eq!(slice("..."), "-:-");
        assert_eq!(slice("::-2,::3"), "-:-");
        assert_eq!(slice("0:2,::2"), "0,2:0,3");
        assert_eq!(resolve("...", Shape::SCALAR).unwrap().bounding_slice().unwrap().rank(), 0);
    }
}
