//! NumPy's broadcasting: one output shape, operands whose missing dimensions repeat.

use flowkeep_tensor::Shape;

/// The shape that operands of shapes `a` and `b` broadcast to; none if they do not fit together.
///
/// A dimension of 0 against 1 gives 0.
pub(crate) fn broadcast_shape(a: &[usize], b: &[usize]) -> Option<Shape> {
    let rank = a.len().max(b.len());
    let dim = |dims: &[usize], idx: usize| match (idx + dims.len()).checked_sub(rank) {
        Some(idx) => dims[idx],
        None => 1,
    };
    let dims: Option<Vec<usize>> = (0..rank)
        .map(|idx| match (dim(a, idx), dim(b, idx)) {
            (a, b) if a == b => Some(a),
            (1, b) => Some(b),
            (a, 1) => Some(a),
            _ => None,
        })
        .collect();
    dims.map(Shape::from)
}

/// How `N` dense operands are walked to fill a dense output, in as few loops as possible.
///
/// The output is cut into rows: along a row an operand either advances with the output or stays at
/// one element.
#[derive(Clone, Debug)]
pub(crate) struct Broadcast<const N: usize> {
    /// Output dimensions, outermost first, without those of size 1; neighbors that every operand
    /// walks alike are merged. Never empty.
    dims: Vec<usize>,
    /// Distance in each operand along each of `dims`; 0 where it repeats.
    strides: Vec<[usize; N]>,
}

impl<const N: usize> Broadcast<N> {
    /// Plans the walk for an output of shape `out`, which has at least one element and which every
    /// operand broadcasts to.
    pub(crate) fn new(out: &[usize], operands: [&[usize]; N]) -> Broadcast<N> {
        // From the innermost dimension outwards.
        let mut dims: Vec<usize> = Vec::with_capacity(out.len());
        let mut strides: Vec<[usize; N]> = Vec::with_capacity(out.len());
        let mut dense = [1; N];
        for (from_end, &dim) in out.iter().rev().enumerate() {
            let sizes = operands.map(|dims| match dims.len().checked_sub(from_end + 1) {
                Some(idx) => dims[idx],
                None => 1,
            });
            let mut stride = [0; N];
            for operand in 0..N {
                if sizes[operand] != 1 {
                    stride[operand] = dense[operand];
                    dense[operand] *= sizes[operand];
                }
            }
            if dim == 1 {
                continue;
            }
            if let (Some(inner_dim), Some(inner)) = (dims.last_mut(), strides.last()) {
                // Going one step outwards is the same as going past the end of the inner loop.
                let continues = |i: usize| stride[i] == inner[i] * *inner_dim;
                if (0..N).all(continues) {
                    *inner_dim *= dim;
                    continue;
                }
            }
            dims.push(dim);
            strides.push(stride);
        }
        if dims.is_empty() {
            dims.push(1);
            strides.push([0; N]);
        }
        dims.reverse();
        strides.reverse();
        Broadcast { dims, strides }
    }

    /// The number of output elements in a row.
    pub(crate) fn row_len(&self) -> usize {
        self.dims[self.dims.len() - 1]
    }

    /// Whether operand `idx` stays at one element along a row.
    pub(crate) fn repeats(&self, idx: usize) -> bool {
        self.strides[self.strides.len() - 1][idx] == 0
    }

    /// Calls `f(position, offsets, n)` for the pieces of rows that make up the output elements
    /// `start..start + len`: `n` elements from `start + position` on, which operand `i` holds from
    /// its element `offsets[i]` on, or [repeats](Self::repeats).
    pub(crate) fn for_each_row(
        &self,
        start: usize,
        len: usize,
        mut f: impl FnMut(usize, [usize; N], usize),
    ) {
        if len == 0 {
            return;
        }
        let last = self.dims.len() - 1;
        let mut index = vec![0; self.dims.len()];
        let mut offsets = [0; N];
        let mut rest = start;
        for (dim_idx, &dim) in self.dims.iter().enumerate().rev() {
            index[dim_idx] = rest % dim;
            rest /= dim;
            for (offset, stride) in offsets.iter_mut().zip(self.strides[dim_idx]) {
                *offset += index[dim_idx] * stride;
            }
        }
        let mut position = 0;
        loop {
            let n = (self.dims[last] - index[last]).min(len - position);
            f(position, offsets, n);
            position += n;
            if position == len {
                return;
            }
            // To the start of the next row.
            for (offset, stride) in offsets.iter_mut().zip(self.strides[last]) {
                *offset -= index[last] * stride;
            }
            index[last] = 0;
            for dim_idx in (0..last).rev() {
                index[dim_idx] += 1;
                let strides = self.strides[dim_idx];
                if index[dim_idx] < self.dims[dim_idx] {
                    (0..N).for_each(|i| offsets[i] += strides[i]);
                    break;
                }
                index[dim_idx] = 0;
                (0..N).for_each(|i| offsets[i] -= strides[i] * (self.dims[dim_idx] - 1));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_broadcast_both_ways_and_zero_wins_over_one() {
        let shape = |a: &[usize], b: &[usize]| broadcast_shape(a, b).map(|s| s.dims().to_vec());
        assert_eq!(shape(&[2, 1], &[3]), Some(vec![2, 3]));
        assert_eq!(shape(&[], &[4, 5]), Some(vec![4, 5]));
        assert_eq!(shape(&[0, 2], &[1, 1]), Some(vec![0, 2]));
        assert_eq!(shape(&[1], &[0]), Some(vec![0]));
        assert_eq!(shape(&[2], &[3]), None);
        assert_eq!(shape(&[2], &[0]), None);
    }

    /// Every part of the output is walked as the definition says.
    fn check(out: &[usize], a: &[usize], b: &[usize]) {
        let walk = Broadcast::new(out, [a, b]);
        let n: usize = out.iter().product();
        let offset = |dims: &[usize], mut at: usize| {
            let (mut offset, mut dense) = (0, 1);
            for (from_end, dim) in out.iter().rev().enumerate() {
                let size = dims.len().checked_sub(from_end + 1).map_or(1, |idx| dims[idx]);
                offset += if size == 1 { 0 } else { at % dim * dense };
                dense *= size;
                at /= dim;
            }
            offset
        };
        for start in 0..n {
            for len in 0..=n - start {
                let mut seen = 0;
                walk.for_each_row(start, len, |position, offsets, n| {
                    assert_eq!(position, seen);
                    for i in 0..n {
                        let step = |idx| if walk.repeats(idx) { 0 } else { i };
                        let at = start + position + i;
                        assert_eq!(offsets[0] + step(0), offset(a, at), "{out:?} {a:?} at {at}");
                        assert_eq!(offsets[1] + step(1), offset(b, at), "{out:?} {b:?} at {at}");
                    }
                    seen += n;
                });
                assert_eq!(seen, len);
            }
        }
    }

    #[test]
    fn every_element_is_paired_as_defined() {
        check(&[], &[], &[]);
        check(&[1, 1], &[1], &[1, 1]);
        check(&[6], &[6], &[1]);
        check(&[2, 3], &[2, 1], &[3]);
        check(&[2, 3, 4], &[2, 3, 4], &[4]);
        check(&[2, 3, 4], &[3, 1], &[2, 3, 4]);
        check(&[2, 3, 4], &[2, 1, 4], &[3, 1]);
        check(&[2, 1, 3, 2], &[1, 1, 3, 1], &[2, 1, 1, 2]);
        check(&[3, 2, 2], &[], &[3, 1, 1]);
    }

    #[test]
    fn equal_shapes_are_one_row() {
        let walk = Broadcast::new(&[2, 3, 4], [&[2, 3, 4], &[2, 3, 4]]);
        assert_eq!(walk.row_len(), 24);
        let walk = Broadcast::new(&[2, 3, 4], [&[2, 3, 4], &[1]]);
        assert_eq!((walk.row_len(), walk.repeats(1)), (24, true));
    }
}
