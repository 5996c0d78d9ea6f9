//! Rectangular regions of tensors, walked over as runs of neighbouring elements.

/// A region as it lies in one tensor: the tensor's dimensions and where the region begins there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) dims: &'a [usize],
    pub(crate) start: &'a [usize],
}

/// Calls `copy(from, to, n)` for runs of `n` elements that are neighbours in both tensors: `from`
/// and `to` are the runs' first elements. The region has `lens` elements per dimension and lies
/// within both tensors, which have the same rank.
///
/// Returns `None` as soon as `copy` does.
pub(crate) fn for_each_run(
    lens: &[usize],
    from: Place<'_>,
    to: Place<'_>,
    mut copy: impl FnMut(usize, usize, usize) -> Option<()>,
) -> Option<()> {
    if lens.contains(&0) {
        return Some(());
    }
    let axes = axes(lens, from, to)?;
    let mut from_idx: usize = axes.iter().map(|axis| axis.from_start * axis.from_stride).sum();
    let mut to_idx: usize = axes.iter().map(|axis| axis.to_start * axis.to_stride).sum();
    // The last axes that are whole in both tensors, and one more, make a run.
    let n_inner = axes.iter().rev().take_while(|axis| axis.whole).count();
    let n_outer = axes.len().saturating_sub(n_inner + 1);
    let (outer, inner) = axes.split_at_checked(n_outer)?;
    let run: usize = inner.iter().map(|axis| axis.len).product();

    let mut counters = vec![0usize; n_outer];
    loop {
        copy(from_idx, to_idx, run)?;
        // Counts up like an odometer, innermost axis first.
        let mut axes = outer.iter().zip(&mut counters).rev();
        loop {
            let Some((axis, counter)) = axes.next() else { return Some(()) };
            *counter += 1;
            if *counter < axis.len {
                from_idx += axis.from_stride;
                to_idx += axis.to_stride;
                break;
            }
            from_idx -= (axis.len - 1) * axis.from_stride;
            to_idx -= (axis.len - 1) * axis.to_stride;
            *counter = 0;
        }
    }
}

/// One dimension of a region in both tensors.
struct Axis {
    len: usize,
    whole: bool,
    from_start: usize,
    from_stride: usize,
    to_start: usize,
    to_stride: usize,
}

fn axes(lens: &[usize], from: Place<'_>, to: Place<'_>) -> Option<Vec<Axis>> {
    let (mut from_stride, mut to_stride) = (1usize, 1usize);
    let mut axes = Vec::with_capacity(lens.len());
    for (idx, len) in lens.iter().copied().enumerate().rev() {
        let (from_dim, to_dim) = (*from.dims.get(idx)?, *to.dims.get(idx)?);
        axes.push(Axis {
            len,
            whole: len == from_dim && len == to_dim,
            from_start: *from.start.get(idx)?,
            from_stride,
            to_start: *to.start.get(idx)?,
            to_stride,
        });
        from_stride = from_stride.checked_mul(from_dim)?;
        to_stride = to_stride.checked_mul(to_dim)?;
    }
    axes.reverse();
    Some(axes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Copies element by element, with indices computed afresh for each.
    fn naive(lens: &[usize], from: Place<'_>, to: Place<'_>) -> Vec<(usize, usize)> {
        let flat = |place: Place<'_>, idx: &[usize]| {
            (0..idx.len())
                .fold(0, |flat, axis| flat * place.dims[axis] + place.start[axis] + idx[axis])
        };
        let n: usize = lens.iter().product();
        (0..n)
            .map(|mut count| {
                let mut idx = vec![0; lens.len()];
                for axis in (0..lens.len()).rev() {
                    idx[axis] = count % lens[axis];
                    count /= lens[axis];
                }
                (flat(from, &idx), flat(to, &idx))
            })
            .collect()
    }

    #[test]
    fn runs_cover_the_region_in_order() {
        let cases: [[&[usize]; 5]; 9] = [
            // lens, from dims, from start, to dims, to start
            [&[], &[], &[], &[], &[]],
            [&[3], &[5], &[1], &[3], &[0]],
            [&[2, 3], &[2, 3], &[0, 0], &[4, 3], &[2, 0]],
            [&[2, 2], &[4, 3], &[1, 1], &[2, 2], &[0, 0]],
            [&[2, 3, 4], &[2, 3, 4], &[0, 0, 0], &[2, 3, 4], &[0, 0, 0]],
            [&[2, 3, 4], &[2, 5, 4], &[0, 2, 0], &[3, 3, 4], &[1, 0, 0]],
            [&[1, 2, 1, 2], &[2, 2, 2, 2], &[1, 0, 1, 0], &[1, 2, 1, 3], &[0, 0, 0, 1]],
            [&[0, 3], &[2, 3], &[0, 0], &[2, 3], &[0, 0]],
            [&[1, 1], &[1, 1], &[0, 0], &[1, 1], &[0, 0]],
        ];
        for [lens, from_dims, from_start, to_dims, to_start] in cases {
            let from = Place { dims: from_dims, start: from_start };
            let to = Place { dims: to_dims, start: to_start };
            let mut seen = Vec::new();
            let mut n_runs = 0;
            for_each_run(lens, from, to, |from, to, n| {
                n_runs += 1;
                seen.extend((0..n).map(|i| (from + i, to + i)));
                Some(())
            })
            .unwrap();
            assert_eq!(seen, naive(lens, from, to), "{lens:?}");
            if lens == from_dims && lens == to_dims && !lens.contains(&0) {
                assert_eq!(n_runs, 1, "{lens:?}");
            }
        }
    }
}
