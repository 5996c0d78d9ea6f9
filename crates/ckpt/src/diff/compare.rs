//! Two tensors of one name, read side by side.

use flowkeep_tensor::{Complex, DType};

use super::differences::Differences;
use super::{DiffOptions, DiffOutcome, floats, ints, strings};
use crate::elements::STRETCH_LEN;
use crate::numbers::{BLOCK_LEN, Decoder, Kind, Number, join_pairwise};
use crate::parallel::in_parallel;
use crate::{Checkpoint, Elements, Error, TensorInfo};

/// A tensor of each of two checkpoints.
pub(super) struct Pair<'a> {
    pub(super) a: &'a Checkpoint,
    pub(super) b: &'a Checkpoint,
    pub(super) info_a: &'a TensorInfo,
    pub(super) info_b: &'a TensorInfo,
}

/// Compares them.
pub(super) fn tensors(pair: &Pair<'_>, options: &DiffOptions<'_>, n_threads: usize) -> DiffOutcome {
    let Pair { a, b, info_a, info_b } = pair;
    let (Some(dtype_a), Some(dtype_b)) = (info_a.dtype, info_b.dtype) else {
        // Reading it says why it cannot be read.
        let damage = |checkpoint: &Checkpoint, info: &TensorInfo| match info.dtype {
            None => checkpoint.tensor(&info.name).err(),
            Some(_) => None,
        };
        return DiffOutcome::Unreadable { a: damage(a, info_a), b: damage(b, info_b) };
    };
    let kinds = Kind::of(dtype_a).zip(Kind::of(dtype_b));
    let dtype = dtype_a != dtype_b;
    let shape = info_a.shape != info_b.shape;
    if shape || dtype && !(options.compare_dtypes && kinds.is_some()) {
        options.report(super::pair_len(info_a, info_b));
        return DiffOutcome::Changed { dtype, shape };
    }

    let result = match kinds {
        Some(_) => numbers(pair, options, n_threads),
        None => {
            let (a, b) = (a.tensor(&info_a.name), b.tensor(&info_b.name));
            options.report(super::pair_len(info_a, info_b));
            both(a, b).and_then(|(a, b)| strings::compare(&a, &b).map_err(failure_of_a))
        }
    };
    result.unwrap_or_else(|unreadable| *unreadable)
}

/// The outcome where one or both cannot be read.
type Failure = Box<DiffOutcome>;

fn failure_of_a(error: Error) -> Failure {
    Box::new(DiffOutcome::Unreadable { a: Some(error), b: None })
}

fn failure_of_b(error: Error) -> Failure {
    Box::new(DiffOutcome::Unreadable { a: None, b: Some(error) })
}

fn both<T>(a: Result<T, Error>, b: Result<T, Error>) -> Result<(T, T), Failure> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (a, b) => Err(Box::new(DiffOutcome::Unreadable { a: a.err(), b: b.err() })),
    }
}

fn numbers(
    pair: &Pair<'_>,
    options: &DiffOptions<'_>,
    n_threads: usize,
) -> Result<DiffOutcome, Failure> {
    let name = &pair.info_a.name;
    let (a, b) = both(pair.a.elements(name), pair.b.elements(name))?;
    let stretches = Stretches { a: &a, b: &b, options, n_threads };
    let tolerance = &options.tolerance;
    let (n, dims) = (pair.info_a.n_elements() as u64, pair.info_a.shape.dims());

    let decoders = (Decoder::new(a.dtype()), Decoder::new(b.dtype()));
    let (is_identical, numbers) = match (a.dtype(), b.dtype()) {
        (DType::I64, DType::I64) => {
            let found = stretches.compare(|a, b, _, _| ints::compare::<i64>(a, b, tolerance))?;
            (found.is_identical, found.report(n, dims, int, |sum| sum as f64))
        }
        (DType::U64, DType::U64) => {
            let found = stretches.compare(|a, b, _, _| ints::compare::<u64>(a, b, tolerance))?;
            (found.is_identical, found.report(n, dims, int, |sum| sum as f64))
        }
        (dtype_a, dtype_b) if dtype_a.is_complex() || dtype_b.is_complex() => {
            let found = stretches.compare(|a, b, _, _| {
                let mut out = [[Complex { re: 0.0, im: 0.0 }; BLOCK_LEN]; 2];
                let [out_a, out_b] = &mut out;
                let a = decoders.0.decode_complex(a, out_a);
                let b = decoders.1.decode_complex(b, out_b);
                floats::compare_complex(a, b, tolerance)
            })?;
            (found.is_identical, found.report(n, dims, Number::Float, |sum| sum))
        }
        (dtype_a, dtype_b) => {
            let found = stretches.compare(|a, b, so_far, scratch| {
                let a = decoders.0.decode(a, &mut scratch.a);
                let b = decoders.1.decode(b, &mut scratch.b);
                floats::compare(a, b, tolerance, so_far, &mut scratch.floats)
            })?;
            // Shorter integers, and their differences, are exact as f64.
            let is_int = dtype_a == dtype_b && Kind::of(dtype_a) == Some(Kind::Int);
            let number = |distance: f64| match is_int {
                true => Number::Int(distance as i128),
                false => Number::Float(distance),
            };
            (found.is_identical, found.report(n, dims, number, |sum| sum))
        }
    };
    both(a.finish(), b.finish())?;
    Ok(if is_identical { DiffOutcome::Identical } else { DiffOutcome::Numbers(numbers) })
}

fn int(distance: u64) -> Number {
    Number::Int(distance.into())
}

/// Room for blocks as numbers.
struct Scratch {
    a: [f64; BLOCK_LEN],
    b: [f64; BLOCK_LEN],
    floats: floats::Scratch,
}

impl Scratch {
    fn new() -> Box<Scratch> {
        let floats = floats::Scratch::new();
        Box::new(Scratch { a: [0.0; BLOCK_LEN], b: [0.0; BLOCK_LEN], floats })
    }
}

/// How the elements of two tensors are gone through.
struct Stretches<'a> {
    a: &'a Elements<'a>,
    b: &'a Elements<'a>,
    options: &'a DiffOptions<'a>,
    n_threads: usize,
}

impl Stretches<'_> {
    /// Calls `compare` with blocks of both that are not the same to the bit, and with what is known of the
    /// blocks of this stretch before; joins what it gives, always in the same order.
    fn compare<D, S>(
        &self,
        compare: impl Fn(&[u8], &[u8], &Differences<D, S>, &mut Scratch) -> Differences<D, S> + Sync,
    ) -> Result<Differences<D, S>, Failure>
    where
        D: Copy + PartialOrd + Send,
        S: Copy + Default + std::ops::Add<Output = S> + Send,
    {
        let size = |elements: &Elements<'_>| elements.dtype().size_bytes().unwrap_or(1);
        let (size_a, size_b) = (size(self.a), size(self.b));
        // Equal bytes are equal numbers, unless there may be a NaN that is to differ from itself.
        let has_nan = Kind::of(self.a.dtype()) != Some(Kind::Int);
        let bytes_tell =
            self.a.dtype() == self.b.dtype() && (self.options.tolerance.equal_nan || !has_nan);

        let n_elements = self.a.shape().n_elements() as u64;
        let per_stretch = (STRETCH_LEN / size_a.max(size_b)) as u64;
        let scratch = || (Vec::new(), Vec::new(), Scratch::new());
        let stretch = |number: u64, scratch: &mut (Vec<u8>, Vec<u8>, Box<Scratch>)| {
            let (buffer_a, buffer_b, scratch) = scratch;
            let start = number * per_stretch;
            let n = (n_elements - start).min(per_stretch) as usize;
            let a = self.a.stretch(start * size_a as u64, n * size_a, buffer_a);
            let a = a.map_err(failure_of_a)?;
            let b = self.b.stretch(start * size_b as u64, n * size_b, buffer_b);
            let b = b.map_err(failure_of_b)?;
            let mut found = Differences::none();
            let pairs = a.chunks(BLOCK_LEN * size_a).zip(b.chunks(BLOCK_LEN * size_b));
            for (number, (a, b)) in pairs.enumerate() {
                if !(bytes_tell && a == b) {
                    let block = compare(a, b, &found, scratch);
                    found = found.join(block.from(start + (number * BLOCK_LEN) as u64));
                }
            }
            self.options.report((a.len() + b.len()) as u64);
            Ok::<_, Failure>(found)
        };
        let n_stretches = n_elements.div_ceil(per_stretch);
        let found = in_parallel(self.n_threads, n_stretches, scratch, stretch)?;
        Ok(join_pairwise(&found, &Differences::join).unwrap_or(Differences::none()))
    }
}
