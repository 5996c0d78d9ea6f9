//! Features crossed: each combination of the values of an example, as a string or a hash.

use bytes::Bytes;
use flowkeep_tensor::{DType, Tensor};

use super::parts::{index_matrix, sizes};
use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{self, Built, kernel};
use crate::ops::string::{fingerprint64, sip};

/// What is made of a combination.
#[derive(Clone)]
pub(in crate::ops) enum Crosser {
    /// Its values one after the other, with this between them.
    Join(Bytes),
    /// The hash of their hashes.
    Hash {
        /// What the first one is joined to; nothing in newer ops.
        start: Option<u64>,
        n_buckets: i64,
        /// The key of strong hashes.
        key: Option<[u64; 2]>,
    },
}

/// The values of one column.
pub(in crate::ops) enum Values<'a> {
    Ints(&'a [i64]),
    /// Integers of which the low four bytes are hashed, where others stand for their hash.
    HashedInts(&'a [i64]),
    Strings(&'a [Bytes]),
}

/// The values of one column, and which of them are each example's: those from one end to the next.
pub(in crate::ops) struct Column<'a> {
    pub(in crate::ops) values: Values<'a>,
    pub(in crate::ops) splits: Vec<usize>,
}

impl<'a> Values<'a> {
    /// The elements of a tensor of integers or strings.
    pub(in crate::ops) fn of(tensor: &'a Tensor) -> Result<Values<'a>, Status> {
        Ok(match tensor.dtype() {
            DType::String => Values::Strings(tensor.as_strings()?),
            _ => Values::Ints(tensor.as_slice()?),
        })
    }

    fn text(&self, at: usize) -> Bytes {
        match self {
            Values::Ints(values) | Values::HashedInts(values) => values[at].to_string().into(),
            Values::Strings(values) => values[at].clone(),
        }
    }

    fn hash(&self, at: usize, key: Option<[u64; 2]>) -> u64 {
        let hashed = |bytes: &[u8]| match key {
            Some(key) => sip(key, bytes),
            None => fingerprint64(bytes),
        };
        match self {
            Values::Ints(values) => values[at].cast_unsigned(),
            Values::HashedInts(values) => hashed(&values[at].to_le_bytes()[..4]),
            Values::Strings(values) => hashed(&values[at]),
        }
    }
}

/// The crosses of all examples, one after the other, and how many each has.
pub(in crate::ops) struct Crosses {
    pub(in crate::ops) values: Tensor,
    pub(in crate::ops) counts: Vec<usize>,
}

impl Crosser {
    /// Crosses columns of as many examples each; the last column changes fastest.
    ///
    /// Errors: `RESOURCE_EXHAUSTED` for more combinations than there is memory for.
    pub(in crate::ops) fn cross(
        &self,
        columns: &[Column<'_>],
        n_examples: usize,
    ) -> Result<Crosses, Status> {
        let range = |column: &Column<'_>, example: usize| {
            column.splits[example]..column.splits[example + 1]
        };
        let too_many = || Status::resource_exhausted("the crosses of all features are too many");
        let mut total = 0usize;
        let mut counts = Vec::with_capacity(n_examples);
        for example in 0..n_examples {
            let mut count = usize::from(!columns.is_empty());
            for column in columns {
                count = count.checked_mul(range(column, example).len()).ok_or_else(too_many)?;
            }
            total = total.checked_add(count).ok_or_else(too_many)?;
            counts.push(count);
        }
        let (mut texts, mut hashes) = (Vec::new(), Vec::new());
        match self {
            Crosser::Join(_) => texts.try_reserve_exact(total).map_err(|_| too_many())?,
            Crosser::Hash { .. } => hashes.try_reserve_exact(total).map_err(|_| too_many())?,
        }
        for (example, count) in counts.iter().enumerate() {
            let ranges: Vec<_> = columns.iter().map(|column| range(column, example)).collect();
            let mut places: Vec<usize> = ranges.iter().map(|range| range.start).collect();
            for _ in 0..*count {
                match self {
                    Crosser::Join(separator) => texts.push(join(columns, &places, separator)),
                    Crosser::Hash { start, n_buckets, key } => {
                        hashes.push(hash(columns, &places, *start, *n_buckets, *key));
                    }
                }
                for (place, range) in places.iter_mut().zip(&ranges).rev() {
                    *place += 1;
                    if *place < range.end {
                        break;
                    }
                    *place = range.start;
                }
            }
        }
        let values = match self {
            Crosser::Join(_) => Tensor::from_strings([texts.len()], texts)?,
            Crosser::Hash { .. } => Tensor::from_elements(hashes),
        };
        Ok(Crosses { values, counts })
    }
}

fn join(columns: &[Column<'_>], places: &[usize], separator: &[u8]) -> Bytes {
    let texts = columns.iter().zip(places).map(|(column, at)| column.values.text(*at));
    texts.collect::<Vec<_>>().join(separator).into()
}

fn hash(
    columns: &[Column<'_>],
    places: &[usize],
    start: Option<u64>,
    n_buckets: i64,
    key: Option<[u64; 2]>,
) -> i64 {
    let hashes = columns.iter().zip(places).map(|(column, at)| column.values.hash(*at, key));
    let hash = start.into_iter().chain(hashes).reduce(joined_hash).unwrap_or_default();
    let n_buckets = if n_buckets > 0 { n_buckets } else { i64::MAX };
    // Below the number of buckets, which is an i64.
    (hash % n_buckets.cast_unsigned()).cast_signed()
}

/// The fingerprint of two fingerprints.
fn joined_hash(a: u64, b: u64) -> u64 {
    const FACTOR: u64 = 0xc6a4_a793_5bd1_e995;
    let mix = |x: u64| x ^ x >> 47;
    let hash = (a ^ FACTOR ^ mix(b.wrapping_mul(FACTOR)).wrapping_mul(FACTOR)).wrapping_mul(FACTOR);
    mix(mix(hash).wrapping_mul(FACTOR))
}

/// Crosses the features of each example: of sparse tensors the values of a row, of dense ones a row.
///
/// Shapes: `N` times `indices [n, 2]`, values `[n]`, `shapes [2]`; dense inputs `[batch, m]` → the parts of a sparse
/// matrix, a row for each example.  Types: features i64 or string; the crosses are strings with `_X_` in between or,
/// with `hashed_output`, hashes below `num_buckets`, i64.
/// Errors: `INVALID_ARGUMENT` for other ranks, other numbers of examples, and indices out of bounds.
/// Source: OpDef `SparseCross`.
pub(super) fn sparse_cross(init: &KernelInit<'_>) -> Built {
    let layout = Layout::of(init)?;
    let crosser = match init.attr_type("out_type")? {
        DType::String => Crosser::Join(Bytes::from_static(b"_X_")),
        _ => Crosser::Hash {
            start: Some(init.attr_int("hash_key")?.cast_unsigned()),
            n_buckets: init.attr_int("num_buckets")?,
            key: None,
        },
    };
    // As the reference has it: where the features are taken as strings, they must be some.
    let only_strings = init.attr_type("internal_type")? == DType::String;
    let mut refused = None;
    for (name, attr) in [("Dense inputs", "dense_types"), ("Input values", "sparse_types")] {
        if only_strings && init.attr_types(attr)?.contains(&DType::I64) {
            refused = Some(format!("{name} should be of internal type 7 but received 9"));
        }
    }
    kernel(move |cx| match &refused {
        Some(message) => Err(Status::invalid_argument(message.clone())),
        None => cross(cx, layout, &crosser),
    })
}

/// As [`sparse_cross`], with the string between the features as an input.
///
/// Source: OpDef `SparseCrossV2`.
pub(super) fn sparse_cross_v2(init: &KernelInit<'_>) -> Built {
    let layout = Layout::of(init)?;
    kernel(move |cx| {
        let separator = cx.input(cx.n_inputs() - 1)?;
        let [separator] = separator.as_strings()? else {
            return Err(Status::invalid_argument(format!(
                "Input separator should be a scalar. Received: {}",
                separator.shape()
            )));
        };
        let crosser = Crosser::Join(separator.clone());
        cross(cx, layout, &crosser)
    })
}

/// As [`sparse_cross`] with hashes, which are those of the strings alone or, with `strong_hash`, keyed by `salt`.
///
/// Shapes: as well `num_buckets []`, `strong_hash []` and `salt [2]`.
/// Source: OpDef `SparseCrossHashed`.
pub(super) fn sparse_cross_hashed(init: &KernelInit<'_>) -> Built {
    let layout = Layout::of(init)?;
    kernel(move |cx| {
        let n = cx.n_inputs();
        let n_buckets = args::int(cx.input(n - 3)?, "num_buckets")?;
        let is_strong = cx.input(n - 2)?.to_scalar::<bool>()?;
        let key = match *cx.slice::<i64>(n - 1)? {
            [low, high] => [low.cast_unsigned(), high.cast_unsigned()],
            ref salt => {
                return Err(Status::invalid_argument(format!(
                    "Input \"salt\" must have length 2 but has length {}",
                    salt.len()
                )));
            }
        };
        let crosser = Crosser::Hash { start: None, n_buckets, key: is_strong.then_some(key) };
        cross(cx, layout, &crosser)
    })
}

/// How many inputs of each kind there are.
#[derive(Clone, Copy)]
struct Layout {
    n_sparse: usize,
    n_dense: usize,
}

impl Layout {
    fn of(init: &KernelInit<'_>) -> Result<Layout, Status> {
        let n_sparse = init.attr_types("sparse_types")?.len();
        Ok(Layout { n_sparse, n_dense: init.attr_types("dense_types")?.len() })
    }
}

fn cross(cx: &mut KernelContext<'_>, layout: Layout, crosser: &Crosser) -> Result<(), Status> {
    let n_examples = check(cx, layout)?;
    let Layout { n_sparse, n_dense } = layout;
    let mut columns = Vec::with_capacity(n_sparse + n_dense);
    for i in 0..n_sparse {
        let rows = cx.slice::<i64>(i)?.iter().step_by(2);
        let mut counts = vec![0usize; n_examples];
        for (at, row) in rows.enumerate() {
            let count = usize::try_from(*row).ok().and_then(|row| counts.get_mut(row));
            *count.ok_or_else(|| {
                Status::invalid_argument(format!(
                    "Batch index {row} of input {i} at {at} is outside the valid range [0, {n_examples})."
                ))
            })? += 1;
        }
        let values = match (Values::of(cx.input(n_sparse + i)?)?, crosser) {
            (Values::Ints(values), Crosser::Hash { start: None, .. }) => Values::HashedInts(values),
            (values, _) => values,
        };
        columns.push(Column { values, splits: ends(&counts) });
    }
    for i in 0..n_dense {
        let tensor = cx.input(3 * n_sparse + i)?;
        let splits = ends(&vec![tensor.dims()[1]; n_examples]);
        columns.push(Column { values: Values::of(tensor)?, splits });
    }
    let crosses = crosser.cross(&columns, n_examples)?;
    let most = crosses.counts.iter().max().copied().unwrap_or(0);
    let n = crosses.values.n_elements();
    let mut indices = Vec::with_capacity(n * 2);
    for (example, count) in (0i64..).zip(&crosses.counts) {
        (0..*count as i64).for_each(|at| indices.extend([example, at]));
    }
    cx.set_output(0, index_matrix(2, indices, n)?)?;
    cx.set_output(1, crosses.values)?;
    cx.set_output(2, Tensor::from_elements(vec![n_examples as i64, most as i64]))
}

/// Where each run of so many values ends, from 0 on.
fn ends(counts: &[usize]) -> Vec<usize> {
    let mut end = 0;
    let ends = counts.iter().map(|count| {
        end += count;
        end
    });
    [0].into_iter().chain(ends).collect()
}

/// Checks the inputs, and gives the number of examples.
fn check(cx: &KernelContext<'_>, layout: Layout) -> Result<usize, Status> {
    let error = |message: String| Err(Status::invalid_argument(message));
    let Layout { n_sparse, n_dense } = layout;
    for (part, (name, kind, rank)) in
        [("indices", "matrix", 2), ("values", "vector", 1), ("shapes", "vector", 1)]
            .into_iter()
            .enumerate()
    {
        for i in 0..n_sparse {
            let shape = cx.input(part * n_sparse + i)?.shape();
            if shape.rank() != rank {
                return error(format!(
                    "Input {name} should be a {kind} but received shape {shape} at position {i}"
                ));
            }
        }
    }
    let mut n_examples = None;
    for i in 0..n_sparse {
        let (indices, values) = (cx.input(i)?, cx.input(n_sparse + i)?);
        let dims = cx.slice::<i64>(2 * n_sparse + i)?;
        if indices.dims()[1] != 2 {
            return error(format!(
                "Expected D2 of index to be 2 got {} at position {i}",
                indices.dims()[1]
            ));
        }
        if indices.dims()[0] != values.n_elements() {
            return error(format!(
                "Expected size of values to be {} got {} at position {i}",
                indices.dims()[0],
                values.n_elements()
            ));
        }
        if dims.len() != 2 {
            return error(format!(
                "shape should imply a 2D tensor, but got [{}] at position {i}",
                dims.len()
            ));
        }
        let batch = sizes(dims)?[0];
        if batch != *n_examples.get_or_insert(batch) {
            return error(format!(
                "Expected batch size {} got {batch} at position {i}",
                n_examples.unwrap_or(batch)
            ));
        }
    }
    for i in 0..n_dense {
        let shape = cx.input(3 * n_sparse + i)?.shape();
        let &[batch, _] = shape.dims() else {
            return error(format!(
                "Dense inputs should be a matrix but received shape {shape} at position {i}"
            ));
        };
        let batch = batch as u64;
        if batch != *n_examples.get_or_insert(batch) {
            return error(format!(
                "Expected batch size {} got {batch} at dense tensor {i}",
                n_examples.unwrap_or(batch)
            ));
        }
    }
    let n_examples = n_examples.unwrap_or(0);
    // One number is kept for each, however many there are.
    let mut room: Vec<usize> = Vec::new();
    let n = usize::try_from(n_examples).ok().filter(|n| room.try_reserve_exact(*n).is_ok());
    n.ok_or_else(|| Status::resource_exhausted(format!("{n_examples} examples are too many")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_column_changes_fastest() {
        let words = [Bytes::from("a"), Bytes::from("b")];
        let columns = [
            Column { values: Values::Strings(&words), splits: vec![0, 2, 2] },
            Column { values: Values::Ints(&[7, -8, 9]), splits: vec![0, 2, 3] },
        ];
        let crosses = Crosser::Join("_X_".into()).cross(&columns, 2).unwrap();
        assert_eq!(crosses.counts, [4, 0]);
        let expected = ["a_X_7", "a_X_-8", "b_X_7", "b_X_-8"].map(Bytes::from);
        assert_eq!(crosses.values.as_strings().unwrap(), expected);
    }
}
