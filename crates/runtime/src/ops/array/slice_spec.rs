//! The masks of `StridedSlice`: from sparse positions to one range per dimension.

use flowkeep_tensor::Tensor;

use crate::kernel::{KernelInit, Status};
use crate::ops::args;

/// The mask attributes that all ops of the `StridedSlice` kind share.
///
/// Positions are those of `begin`, `end` and `strides`. A position may stand for one dimension, for
/// as many as are left over (`ellipsis_mask`), or for a new dimension of size 1 (`new_axis_mask`).
/// `begin_mask` and `end_mask` open a range; `shrink_axis_mask` takes a single index and drops the
/// dimension.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SliceSpec {
    begin_mask: u64,
    end_mask: u64,
    ellipsis_mask: u64,
    new_axis_mask: u64,
    shrink_axis_mask: u64,
}

/// A part of a tensor.
#[derive(Debug, PartialEq)]
pub(crate) struct Part {
    /// What is taken of each dimension of the tensor.
    pub(crate) axes: Vec<Range>,
    /// The shape of the result: without dropped dimensions, with new ones.
    pub(crate) shape: Vec<usize>,
}

/// `len` indices of a dimension: `begin`, `begin + step`, ...
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Range {
    pub(crate) begin: usize,
    pub(crate) step: i64,
    pub(crate) len: usize,
}

impl SliceSpec {
    /// Reads the masks of a node.
    ///
    /// Errors: `INVALID_ARGUMENT` if one is missing, or there is more than one ellipsis.
    pub(crate) fn from_attrs(init: &KernelInit<'_>) -> Result<SliceSpec, Status> {
        let mask = |name: &str| Ok::<u64, Status>(init.attr_int(name)? as u64);
        let spec = SliceSpec {
            begin_mask: mask("begin_mask")?,
            end_mask: mask("end_mask")?,
            ellipsis_mask: mask("ellipsis_mask")?,
            new_axis_mask: mask("new_axis_mask")?,
            shrink_axis_mask: mask("shrink_axis_mask")?,
        };
        if spec.ellipsis_mask.count_ones() > 1 {
            return Err(Status::invalid_argument("Multiple ellipses in slice spec not allowed"));
        }
        Ok(spec)
    }

    /// The part of a tensor of dimensions `dims`.
    ///
    /// Errors: `INVALID_ARGUMENT` if the vectors differ in length, name more dimensions than there
    /// are, hold a stride of 0, or a single index is out of range.
    pub(crate) fn resolve(
        &self,
        dims: &[usize],
        begin: &Tensor,
        end: &Tensor,
        strides: &Tensor,
    ) -> Result<Part, Status> {
        let n = begin.n_elements();
        let is_vector = |tensor: &Tensor| tensor.shape().rank() == 1 && tensor.n_elements() == n;
        if ![begin, end, strides].iter().all(|tensor| is_vector(tensor)) || n > 64 {
            return Err(Status::invalid_argument(format!(
                "Expected begin, end, and strides to be 1D equal size tensors, but got shapes {}, \
                 {}, and {} instead.",
                begin.shape(),
                end.shape(),
                strides.shape()
            )));
        }
        self.part(dims, &args::ints(begin)?, &args::ints(end)?, &args::ints(strides)?)
    }

    fn part(
        &self,
        dims: &[usize],
        begin: &[i64],
        end: &[i64],
        strides: &[i64],
    ) -> Result<Part, Status> {
        let n = begin.len();
        let bit = |mask: u64, idx: usize| mask >> idx & 1 == 1;
        let ellipsis = (0..n).find(|&idx| bit(self.ellipsis_mask, idx));
        let is_new = |idx: usize| bit(self.new_axis_mask, idx) && Some(idx) != ellipsis;
        let n_named = (0..n).filter(|&idx| Some(idx) != ellipsis && !is_new(idx)).count();
        let Some(n_left) = dims.len().checked_sub(n_named) else {
            return Err(Status::invalid_argument(format!(
                "Index out of range using input dim {}; input has only {} dims",
                dims.len(),
                dims.len()
            )));
        };
        let mut part = Part { axes: Vec::with_capacity(dims.len()), shape: Vec::new() };
        let keep_all = |part: &mut Part, n: usize| {
            for _ in 0..n {
                let len = dims[part.axes.len()];
                part.axes.push(Range { begin: 0, step: 1, len });
                part.shape.push(len);
            }
        };
        for idx in 0..n {
            if Some(idx) == ellipsis {
                keep_all(&mut part, n_left);
                continue;
            }
            if is_new(idx) {
                part.shape.push(1);
                continue;
            }
            let axis = part.axes.len();
            let dim = dims[axis];
            if strides[idx] == 0 {
                return Err(Status::invalid_argument(format!("strides[{idx}] must be non-zero")));
            }
            if bit(self.shrink_axis_mask, idx) {
                if strides[idx] < 0 {
                    let message = "only stride 1 allowed on non-range indexing.";
                    return Err(Status::invalid_argument(message));
                }
                let index = if bit(self.begin_mask, idx) { 0 } else { begin[idx] };
                let at = args::axis(index, dim).ok_or_else(|| {
                    Status::invalid_argument(format!(
                        "slice index {index} of dimension {axis} out of bounds."
                    ))
                })?;
                part.axes.push(Range { begin: at, step: 1, len: 1 });
                continue;
            }
            let begin = (!bit(self.begin_mask, idx)).then_some(begin[idx]);
            let end = (!bit(self.end_mask, idx)).then_some(end[idx]);
            let range = range(dim, begin, end, strides[idx]);
            part.shape.push(range.len);
            part.axes.push(range);
        }
        let n_rest = dims.len() - part.axes.len();
        keep_all(&mut part, n_rest);
        Ok(part)
    }
}

/// Python's `begin:end:step` on a dimension of size `dim`; `step` is not 0.
fn range(dim: usize, begin: Option<i64>, end: Option<i64>, step: i64) -> Range {
    let size = dim as i64;
    // Forward, positions are clamped to [0, dim]; backward, to [-1, dim - 1].
    let (low, high) = if step > 0 { (0, size) } else { (-1, size - 1) };
    let clamp = |at: i64| if at < 0 { at.saturating_add(size) } else { at }.clamp(low, high);
    let (first, last) = if step > 0 { (low, high) } else { (high, low) };
    let begin = begin.map_or(first, clamp);
    let end = end.map_or(last, clamp);
    let distance = if step > 0 { end - begin } else { begin - end };
    let len = if distance <= 0 { 0 } else { (distance as u64).div_ceil(step.unsigned_abs()) };
    Range { begin: begin.max(0) as usize, step, len: len as usize }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: SliceSpec = SliceSpec {
        begin_mask: 0,
        end_mask: 0,
        ellipsis_mask: 0,
        new_axis_mask: 0,
        shrink_axis_mask: 0,
    };

    #[test]
    fn ranges_are_pythons() {
        let list = |dim, begin, end, step| {
            let range = range(dim, begin, end, step);
            (0..range.len).map(|i| range.begin as i64 + i as i64 * range.step).collect::<Vec<_>>()
        };
        assert_eq!(list(5, Some(1), Some(-1), 1), [1, 2, 3]);
        assert_eq!(list(5, None, None, -2), [4, 2, 0]);
        assert_eq!(list(5, Some(-100), Some(100), 3), [0, 3]);
        assert_eq!(list(5, Some(3), Some(-100), -1), [3, 2, 1, 0]);
        assert_eq!(list(5, Some(3), Some(1), 1), []);
        assert_eq!(list(0, None, None, -1), []);
        assert_eq!(list(5, Some(i64::MIN), Some(i64::MAX), i64::MAX), [0]);
        assert_eq!(list(5, Some(i64::MAX), Some(i64::MIN), i64::MIN), [4]);
    }

    #[test]
    fn an_ellipsis_stands_for_what_is_left_and_new_axes_are_ones() {
        let spec = SliceSpec { ellipsis_mask: 2, new_axis_mask: 4, shrink_axis_mask: 1, ..NONE };
        let part = spec.part(&[4, 3, 2], &[-1, 0, 0, 1], &[0, 0, 0, 2], &[1, 1, 1, 1]).unwrap();
        assert_eq!(part.shape, [3, 1, 1]);
        assert_eq!(part.axes[0], Range { begin: 3, step: 1, len: 1 });
        assert_eq!(part.axes[2], Range { begin: 1, step: 1, len: 1 });
    }

    #[test]
    fn bad_specs_are_refused() {
        assert!(NONE.part(&[4], &[0], &[1], &[0]).is_err());
        assert!(NONE.part(&[4], &[0, 0], &[1, 1], &[1, 1]).is_err());
        let shrink = SliceSpec { shrink_axis_mask: 1, ..NONE };
        assert!(shrink.part(&[4], &[4], &[5], &[1]).is_err());
        assert!(shrink.part(&[4], &[-5], &[-4], &[1]).is_err());
        assert!(shrink.part(&[0], &[0], &[1], &[1]).is_err());
    }
}
