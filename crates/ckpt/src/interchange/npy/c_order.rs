//! From first-index-fastest to last-index-fastest order.

/// The edge of the squares that are turned around at a time, in elements: their lines stay in the
/// processor's cache.
const TILE: usize = 32;

/// The elements of `size` bytes in row-major (C) order, given those in column-major (Fortran) order.
///
/// `data` has exactly the elements that `dims` holds.
pub(super) fn to_c_order(data: &[u8], dims: &[usize], size: usize) -> Vec<u8> {
    match size {
        1 => ordered::<1>(data, dims),
        2 => ordered::<2>(data, dims),
        4 => ordered::<4>(data, dims),
        8 => ordered::<8>(data, dims),
        16 => ordered::<16>(data, dims),
        _ => one_by_one(data, dims, size),
    }
}

/// Elements of a size that processors like, square by square over the first and the last axis.
fn ordered<const N: usize>(data: &[u8], dims: &[usize]) -> Vec<u8> {
    let (from, _) = data.as_chunks::<N>();
    let mut out = vec![[0; N]; from.len()];
    let ([first, middle @ .., last], false) = (dims, from.is_empty()) else {
        return data.to_vec();
    };
    let (first, last) = (*first, *last);
    // The distance of elements that are neighbors on the last axis before, on the first axis after.
    let (last_stride, first_stride) = (from.len() / last, from.len() / first);
    for_each_index(middle, |from_at, to_at| {
        let (from_at, to_at) = (from_at * first, to_at * last);
        for (i0, j0) in tiles(first, last) {
            for i in i0..(i0 + TILE).min(first) {
                let to = out.get_mut(to_at + i * first_stride..).unwrap_or_default();
                let from = from.get(from_at + i..).unwrap_or_default();
                let to = to.iter_mut().take(last).skip(j0).take(TILE);
                for (to, value) in to.zip(from.iter().step_by(last_stride).skip(j0)) {
                    *to = *value;
                }
            }
        }
    });
    out.into_flattened()
}

/// The corners of all squares.
fn tiles(first: usize, last: usize) -> impl Iterator<Item = (usize, usize)> {
    let corners = |len: usize| (0..len).step_by(TILE);
    corners(first).flat_map(move |i| corners(last).map(move |j| (i, j)))
}

/// Calls `act` with the place of each index of `dims` in Fortran order and in C order.
fn for_each_index(dims: &[usize], mut act: impl FnMut(usize, usize)) {
    let n: usize = dims.iter().product();
    let mut strides: Vec<_> = dims
        .iter()
        .scan(1, |stride, dim| {
            let this = *stride;
            *stride *= dim;
            Some((*dim, this, 0))
        })
        .collect();
    let mut from = 0;
    for to in 0..n {
        act(from, to);
        for (dim, stride, index) in strides.iter_mut().rev() {
            *index += 1;
            from += *stride;
            if *index < *dim {
                break;
            }
            from -= *stride * *dim;
            *index = 0;
        }
    }
}

/// Elements of any size, such as strings.
fn one_by_one(data: &[u8], dims: &[usize], size: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len());
    for_each_index(dims, |from, _| {
        out.extend_from_slice(data.get(from * size..(from + 1) * size).unwrap_or_default());
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the definition of both orders says.
    fn naive(data: &[u8], dims: &[usize], size: usize) -> Vec<u8> {
        let n: usize = dims.iter().product();
        let mut out = Vec::new();
        for mut at in 0..n {
            let mut index = vec![0; dims.len()];
            for axis in (0..dims.len()).rev() {
                index[axis] = at % dims[axis];
                at /= dims[axis];
            }
            let place =
                (0..dims.len()).rev().fold(0, |place, axis| place * dims[axis] + index[axis]);
            out.extend_from_slice(&data[place * size..(place + 1) * size]);
        }
        out
    }

    #[test]
    fn elements_change_places_as_defined() {
        for dims in [
            &[][..],
            &[5],
            &[0, 3],
            &[3, 0],
            &[2, 3],
            &[33, 70],
            &[64, 1],
            &[1, 64],
            &[2, 3, 4],
            &[40, 2, 3, 35],
            &[1, 1, 1],
            &[2, 1, 3, 1, 2],
        ] {
            for size in [1, 2, 3, 4, 8, 16, 20] {
                let n = dims.iter().product::<usize>() * size;
                let data: Vec<u8> = (0..n).map(|idx| (idx * 31 % 251) as u8).collect();
                assert_eq!(
                    to_c_order(&data, dims, size),
                    naive(&data, dims, size),
                    "{dims:?} {size}"
                );
            }
        }
    }
}
