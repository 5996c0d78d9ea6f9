//! Differences, intersections and unions of sets.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use flowkeep_tensor::{Shape, Tensor};

use super::source::{Member, Sparse, groups_of, number, with_member};
use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{Built, kernel, product};
use crate::ops::dispatch::no_type;

/// What is made of two sets.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Operation {
    Difference,
    /// The second without the first.
    Reversed,
    Intersection,
    Union,
}

impl Operation {
    /// Reads `set_operation`, in capitals or not.
    fn new(init: &KernelInit<'_>) -> Result<Operation, Status> {
        let name = init.attr_str("set_operation")?.to_ascii_lowercase();
        Ok(match &name[..] {
            "a-b" => Operation::Difference,
            "b-a" => Operation::Reversed,
            "intersection" => Operation::Intersection,
            "union" => Operation::Union,
            _ => return Err(Status::invalid_argument(format!("Invalid set_operation {name}."))),
        })
    }

    /// The members of the result, ascending.
    fn of<T: Member>(self, a: &[T], b: &[T]) -> Vec<T> {
        let (a, b): (BTreeSet<&T>, BTreeSet<&T>) = (a.iter().collect(), b.iter().collect());
        match self {
            Operation::Difference => a.difference(&b).copied().cloned().collect(),
            Operation::Reversed => b.difference(&a).copied().cloned().collect(),
            Operation::Intersection => a.intersection(&b).copied().cloned().collect(),
            Operation::Union => a.union(&b).copied().cloned().collect(),
        }
    }
}

/// The sets of a result by their groups; none is empty.
type Sets<T> = BTreeMap<Vec<i64>, Vec<T>>;

/// A way to read two inputs of sets: the dimensions of the groups, and what there is for each.
type Compute<T> = fn(&KernelContext<'_>, Operation, bool) -> Result<(Vec<usize>, Sets<T>), Status>;

/// Makes one set of each two of the same group.
///
/// Shapes: `set1` and `set2` dense, `[g.., n]` and `[g.., m]` → the parts of a sparse tensor `[g.., k]`, where `k` is
/// the size of the largest set: indices i64, values ascending within their sets, dimensions i64.
/// Types: `T` integers up to 64 bits and strings.
/// Errors: `INVALID_ARGUMENT` for other groups, and for fewer than two dimensions.
/// Source: OpDef `DenseToDenseSetOperation`.
pub(super) fn dense_to_dense(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    with_member!(dtype, T => build(init, of_dense::<T>), else Err(no_type(init, dtype)))
}

/// As `DenseToDenseSetOperation`, with a sparse `set2`: indices `[n, r]`, values `[n]`, dimensions `[r]`.
///
/// Errors: as well `INVALID_ARGUMENT` for parts that do not fit each other and, with `validate_indices`, for entries
/// that are out of order; without that, groups that come too late have no part in the result, as in the reference.
/// Source: OpDef `DenseToSparseSetOperation`.
pub(super) fn dense_to_sparse(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    with_member!(dtype, T => build(init, of_mixed::<T>), else Err(no_type(init, dtype)))
}

/// As `DenseToSparseSetOperation`, with both sparse.
///
/// Source: OpDef `SparseToSparseSetOperation`.
pub(super) fn sparse_to_sparse(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    with_member!(dtype, T => build(init, of_sparse::<T>), else Err(no_type(init, dtype)))
}

fn build<T: Member>(init: &KernelInit<'_>, compute: Compute<T>) -> Built {
    let (operation, ordered) = (Operation::new(init)?, init.attr_bool("validate_indices")?);
    kernel(move |cx| {
        let (groups, sets) = compute(cx, operation, ordered)?;
        let longest = sets.values().map(Vec::len).max().unwrap_or(0);
        let n = sets.values().map(Vec::len).sum();
        let mut indices = Vec::with_capacity(n * (groups.len() + 1));
        let mut values = Vec::with_capacity(n);
        for (group, set) in sets {
            for (at, value) in (0..).zip(set) {
                indices.extend_from_slice(&group);
                indices.push(at);
                values.push(value);
            }
        }
        let dims = groups.iter().chain([&longest]).map(|dim| *dim as i64).collect();
        cx.set_output(0, Tensor::from_vec([n, groups.len() + 1], indices)?)?;
        cx.set_output(1, T::vector(values)?)?;
        cx.set_output(2, Tensor::from_elements(dims))
    })
}

/// The dimensions of the groups of both.
fn common(a: &[usize], b: &[usize]) -> Result<Vec<usize>, Status> {
    let (a, b) = (groups_of(a)?, groups_of(b)?);
    if a != b {
        return Err(Status::invalid_argument(format!(
            "Mismatched shapes {} vs {}",
            Shape::from(a.to_vec()),
            Shape::from(b.to_vec())
        )));
    }
    Ok(a.to_vec())
}

/// Group number `at` of these dimensions.
fn group(at: usize, groups: &[usize]) -> Vec<i64> {
    let mut rest = at;
    let mut index: Vec<i64> = Vec::with_capacity(groups.len());
    for dim in groups.iter().rev() {
        index.push((rest % dim) as i64);
        rest /= dim;
    }
    index.reverse();
    index
}

/// The members of group number `at` of a dense tensor.
fn row<'a, T>(values: &'a [T], dims: &[usize], at: usize) -> &'a [T] {
    let width = dims.last().copied().unwrap_or_default();
    &values[at * width..][..width]
}

fn put<T>(sets: &mut Sets<T>, group: Vec<i64>, set: Vec<T>) {
    if !set.is_empty() {
        sets.insert(group, set);
    }
}

fn of_dense<T: Member>(
    cx: &KernelContext<'_>,
    operation: Operation,
    _ordered: bool,
) -> Result<(Vec<usize>, Sets<T>), Status> {
    let (a, b) = (cx.input(0)?, cx.input(1)?);
    let groups = common(a.dims(), b.dims())?;
    let (a_all, b_all) = (T::all(a)?, T::all(b)?);
    let mut sets = Sets::new();
    // Without an element there may still be many groups.
    let n = if a_all.is_empty() && b_all.is_empty() { 0 } else { product(&groups) };
    for at in 0..n {
        let set = operation.of(row(a_all, a.dims(), at), row(b_all, b.dims(), at));
        put(&mut sets, group(at, &groups), set);
    }
    Ok((groups, sets))
}

fn of_mixed<T: Member>(
    cx: &KernelContext<'_>,
    operation: Operation,
    ordered: bool,
) -> Result<(Vec<usize>, Sets<T>), Status> {
    let dense = cx.input(0)?;
    let sparse = Sparse::<T>::read(cx, 1, ordered)?;
    let groups = common(dense.dims(), &sparse.dims)?;
    let (all, n) = (T::all(dense)?, product(&groups));
    let mut sets = Sets::new();
    let mut others = sparse.sets().map(|(group, set)| (number(group, &groups), set)).peekable();
    let mut at = 0;
    while at < n {
        if all.is_empty() {
            // Only groups of the other one have something.
            match others.peek() {
                Some((next, _)) if *next >= at => at = *next,
                _ => break,
            }
        }
        let other = others.next_if(|other| other.0 == at).map_or(&[][..], |other| other.1);
        let set = operation.of(row(all, dense.dims(), at), other);
        put(&mut sets, group(at, &groups), set);
        at += 1;
    }
    Ok((groups, sets))
}

fn of_sparse<T: Member>(
    cx: &KernelContext<'_>,
    operation: Operation,
    ordered: bool,
) -> Result<(Vec<usize>, Sets<T>), Status> {
    let a = Sparse::<T>::read(cx, 0, ordered)?;
    let b = Sparse::<T>::read(cx, 3, ordered)?;
    let groups = common(&a.dims, &b.dims)?;
    let mut sets = Sets::new();
    let (mut a, mut b) = (a.sets().peekable(), b.sets().peekable());
    loop {
        let order = match (a.peek(), b.peek()) {
            (Some(a), Some(b)) => a.0.cmp(b.0),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return Ok((groups, sets)),
        };
        let first = if order.is_le() { a.next() } else { None };
        let second = if order.is_ge() { b.next() } else { None };
        if let Some((group, _)) = first.or(second) {
            let [first, second] = [first, second].map(|side| side.map_or(&[][..], |side| side.1));
            put(&mut sets, group.to_vec(), operation.of(first, second));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_have_each_member_once_and_in_order() {
        let of = |operation: Operation| operation.of(&[3, 1, 1, 2], &[4, 2, 2]);
        assert_eq!(of(Operation::Difference), [1, 3]);
        assert_eq!(of(Operation::Reversed), [4]);
        assert_eq!(of(Operation::Intersection), [2]);
        assert_eq!(of(Operation::Union), [1, 2, 3, 4]);
    }

    #[test]
    fn groups_and_numbers_are_each_others_inverse() {
        let groups = [2, 3, 4];
        for at in 0..24 {
            assert_eq!(number(&group(at, &groups), &groups), at);
        }
        assert_eq!(group(23, &groups), [1, 2, 3]);
    }
}
