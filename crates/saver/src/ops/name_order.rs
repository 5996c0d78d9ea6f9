//! The order in which TensorFlow adds tensors to a V1 checkpoint.
//!
//! It sorts them by name, with the sort of its C++ library, which is not stable. So the slices of a
//! tensor, which have the same name, do not keep the order of the inputs, and a file lists them in
//! the order that comes out. It means nothing to a reader, but the bytes differ. This is the sort of
//! GNU's library, with which TensorFlow is built for Linux: a quicksort whose pivot is the median of
//! three, down to short ranges, which then are insertion sorted.

use bytes::Bytes;

/// Ranges of this length are not partitioned further.
const SHORT: usize = 16;

/// The indices of the names in the order of the names.
pub(super) fn by_name(names: &[Bytes]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..names.len()).collect();
    let max_depth = 2 * names.len().checked_ilog2().unwrap_or(0);
    partition_all(&mut order, names, max_depth);
    // The insertion sort is stable, as is any other.
    order.sort_by_key(|idx| &names[*idx]);
    order
}

/// Partitions until ranges are short. Where names are such that it takes too long, the library turns
/// to a heap sort; here, what is left then keeps the order that it has.
fn partition_all(mut order: &mut [usize], names: &[Bytes], mut max_depth: u32) {
    while order.len() > SHORT && max_depth > 0 {
        max_depth -= 1;
        let middle = partition(order, names);
        let (left, right) = order.split_at_mut(middle);
        partition_all(right, names, max_depth);
        order = left;
    }
}

/// Puts names that are not larger than a pivot before those that are not smaller; the number of the
/// former.
fn partition(order: &mut [usize], names: &[Bytes]) -> usize {
    let less = |order: &[usize], a: usize, b: usize| names[order[a]] < names[order[b]];
    let (a, b, c) = (1, order.len() / 2, order.len() - 1);
    let median = match (less(order, a, b), less(order, b, c), less(order, a, c)) {
        (true, true, _) | (false, false, false) => b,
        (true, false, true) | (false, true, false) => c,
        (true, false, false) | (false, _, true) => a,
    };
    order.swap(0, median);
    // The median of three stops both walks.
    let (mut low, mut high) = (1, order.len());
    loop {
        while less(order, low, 0) {
            low += 1;
        }
        high -= 1;
        while less(order, 0, high) {
            high -= 1;
        }
        if low >= high {
            return low;
        }
        order.swap(low, high);
        low += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order of forty equal names is that of the slices in a file that TensorFlow 2.21 wrote.
    #[test]
    fn equal_names_are_ordered_as_by_tensorflow() {
        let slices = [
            10, 27, 34, 1, 8, 15, 22, 29, 36, 3, 20, 17, 24, 31, 38, 5, 12, 19, 26, 33, 30, 7, 14,
            21, 28, 35, 2, 9, 16, 23, 0, 37, 4, 11, 18, 25, 32, 39, 6, 13,
        ];
        let names = vec![Bytes::from_static(b"w"); 40];
        let order: Vec<_> = by_name(&names).into_iter().map(|idx| 7 * idx % 40).collect();
        assert_eq!(order, slices);
        assert_eq!(by_name(&names[..16]), (0..16).collect::<Vec<_>>());
    }

    #[test]
    fn names_come_out_sorted() {
        let mut state = 1u64;
        for n in (0..100).chain([1000, 3000]) {
            for n_names in [1, 2, 7, 1000] {
                let name = |_| {
                    state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
                    Bytes::from(format!("{}", (state >> 33) % n_names))
                };
                let names: Vec<_> = (0..n).map(name).collect();
                let mut order = by_name(&names);
                assert!(order.is_sorted_by_key(|idx| &names[*idx]), "{names:?}");
                order.sort_unstable();
                assert!(order.into_iter().eq(0..n), "each index once");
            }
        }
        // Names that lead to unequal parts.
        let organ_pipe = (0..5000).chain((0..5000).rev()).map(|n| format!("{n:05}").into());
        let names: Vec<Bytes> = organ_pipe.collect();
        assert!(by_name(&names).is_sorted_by_key(|idx| &names[*idx]));
    }
}
