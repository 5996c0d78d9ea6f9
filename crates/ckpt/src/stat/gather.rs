//! The numbers of a tensor, read stretch by stretch.

use std::sync::atomic::{AtomicU64, Ordering};

use flowkeep_tensor::DType;

use super::floats::{Floats, Real};
use super::ints::{Integer, Ints};
use super::moments::Moments;
use super::{NumberStat, StatOptions};
use crate::histogram::Bins;
use crate::numbers::{
    Decoder, Kind, Number, bf16_value, blocks, byte_values, f16_value, join_pairwise,
};
use crate::{Checkpoint, Elements, Error, HistogramOptions, TensorInfo};

/// Statistics of a tensor of numbers.
pub(super) fn numbers(
    checkpoint: &Checkpoint,
    info: &TensorInfo,
    options: &StatOptions<'_>,
    n_threads: usize,
) -> Result<NumberStat, Error> {
    let elements = checkpoint.elements(&info.name)?;
    let dtype = elements.dtype();
    if let Some(values) = byte_values(dtype) {
        let counts = byte_counts(elements, options, n_threads)?;
        return Ok(of_counts(dtype, &values, &counts, options.histogram.as_ref()));
    }

    let histogram = options.histogram.as_ref();
    let given = histogram
        .and_then(|histogram| Some(Bins::new(histogram.n_bins, Some(histogram.range?), false)));
    let parts = elements.map_stretches(n_threads, |_, bytes| {
        let sums = Sums::of(dtype, bytes);
        if let Some(bins) = &given {
            bins.count(dtype, bytes);
        }
        options.report(bytes.len() as u64);
        sums
    })?;
    let mut stat = join_pairwise(&parts, &Sums::join).unwrap_or(Sums::none(dtype)).stat();

    let Some(histogram) = histogram else {
        elements.finish()?;
        return Ok(stat);
    };
    let bins = match given {
        Some(bins) => {
            elements.finish()?;
            bins
        }
        None => {
            let elements = again(checkpoint, info, elements)?;
            let bins = Bins::new(histogram.n_bins, range(&stat), true);
            elements.map_stretches(n_threads, |_, bytes| {
                bins.count(dtype, bytes);
                options.report(bytes.len() as u64);
            })?;
            elements.finish()?;
            bins
        }
    };
    stat.histogram = Some(bins.into_histogram());
    Ok(stat)
}

/// Elements that were read once, to be read once more.
fn again<'a>(
    checkpoint: &'a Checkpoint,
    info: &TensorInfo,
    elements: Elements<'a>,
) -> Result<Elements<'a>, Error> {
    if elements.is_in_memory() {
        return Ok(elements);
    }
    elements.finish()?;
    checkpoint.elements(&info.name)
}

fn range(stat: &NumberStat) -> Option<(f64, f64)> {
    Some((stat.min?.to_f64(), stat.max?.to_f64()))
}

/// What is known of some elements.
#[derive(Clone, Copy)]
enum Sums {
    Floats(Floats),
    Ints(Ints),
}

impl Sums {
    fn none(dtype: DType) -> Sums {
        match Kind::of(dtype) {
            Some(Kind::Int) => Sums::Ints(Ints::NONE),
            _ => Sums::Floats(Floats::NONE),
        }
    }

    /// Those of a stretch of elements of more than one byte.
    fn of(dtype: DType, bytes: &[u8]) -> Sums {
        use DType::{BF16, F16, F32, F64, I16, I32, I64, QI16, QI32, QU16, U16, U32, U64};
        match dtype {
            F32 => floats(bytes, f32::from_ne_bytes),
            F64 => floats(bytes, f64::from_ne_bytes),
            F16 => floats(bytes, f16_value),
            BF16 => floats(bytes, bf16_value),
            I16 | QI16 => ints(bytes, i16::from_ne_bytes),
            U16 | QU16 => ints(bytes, u16::from_ne_bytes),
            I32 | QI32 => ints(bytes, i32::from_ne_bytes),
            U32 => ints(bytes, u32::from_ne_bytes),
            I64 => ints(bytes, i64::from_ne_bytes),
            U64 => ints(bytes, u64::from_ne_bytes),
            dtype => {
                let mut parts = Vec::new();
                Decoder::new(dtype).blocks(bytes, |values| parts.push(Floats::of(values)));
                Sums::Floats(join_pairwise(&parts, &Floats::join).unwrap_or(Floats::NONE))
            }
        }
    }

    fn join(self, other: Sums) -> Sums {
        match (self, other) {
            (Sums::Floats(a), Sums::Floats(b)) => Sums::Floats(a.join(b)),
            (Sums::Ints(a), Sums::Ints(b)) => Sums::Ints(a.join(b)),
            // All stretches of a tensor are of one type.
            (a, _) => a,
        }
    }

    fn stat(&self) -> NumberStat {
        match self {
            Sums::Floats(floats) => {
                let bound = |value| (floats.moments.n() > 0).then_some(Number::Float(value));
                NumberStat {
                    n_finite: floats.moments.n(),
                    n_nan: floats.n_nan,
                    n_pos_inf: floats.n_pos_inf,
                    n_neg_inf: floats.n_neg_inf,
                    n_zeros: floats.n_zeros,
                    n_negative: floats.n_negative,
                    min: bound(floats.min),
                    max: bound(floats.max),
                    mean: floats.moments.mean(),
                    std: floats.moments.std(),
                    l2_norm: floats.moments.l2_norm(),
                    histogram: None,
                }
            }
            Sums::Ints(ints) => {
                let bound = |value| (ints.n > 0).then_some(Number::Int(value));
                NumberStat {
                    n_finite: ints.n,
                    n_nan: 0,
                    n_pos_inf: 0,
                    n_neg_inf: 0,
                    n_zeros: ints.n_zeros,
                    n_negative: ints.n_negative,
                    min: bound(ints.min),
                    max: bound(ints.max),
                    mean: ints.mean(),
                    std: ints.std(),
                    l2_norm: ints.l2_norm(),
                    histogram: None,
                }
            }
        }
    }
}

fn floats<const N: usize, T: Real + Default>(bytes: &[u8], decode: impl Fn([u8; N]) -> T) -> Sums {
    let mut parts = Vec::new();
    blocks(bytes, decode, |values| parts.push(Floats::of(values)));
    Sums::Floats(join_pairwise(&parts, &Floats::join).unwrap_or(Floats::NONE))
}

fn ints<const N: usize, T: Integer>(bytes: &[u8], decode: impl Fn([u8; N]) -> T) -> Sums {
    let mut all = Ints::NONE;
    blocks(bytes, decode, |values| all = all.join(Ints::of(values)));
    Sums::Ints(all)
}

/// How often each byte occurs: of one-byte elements, that says all.
fn byte_counts(
    elements: Elements<'_>,
    options: &StatOptions<'_>,
    n_threads: usize,
) -> Result<[u64; 256], Error> {
    let counts = [const { AtomicU64::new(0) }; 256];
    elements.map_stretches(n_threads, |_, bytes| {
        // In turn, so that an increment need not wait for the one before.
        let mut turns = [[0u32; 256]; 4];
        let (rows, rest) = bytes.as_chunks::<4>();
        for row in rows {
            for (counts, byte) in turns.iter_mut().zip(row) {
                counts[usize::from(*byte)] += 1;
            }
        }
        rest.iter().for_each(|byte| turns[0][usize::from(*byte)] += 1);
        for (byte, total) in counts.iter().enumerate() {
            let n = turns.iter().map(|counts| u64::from(counts[byte])).sum();
            total.fetch_add(n, Ordering::Relaxed);
        }
        options.report(bytes.len() as u64);
    })?;
    elements.finish()?;
    Ok(counts.map(AtomicU64::into_inner))
}

fn of_counts(
    dtype: DType,
    values: &[f64; 256],
    counts: &[u64; 256],
    histogram: Option<&HistogramOptions>,
) -> NumberStat {
    let counted = values.iter().copied().zip(counts.iter().copied()).filter(|(_, n)| *n > 0);
    let sums = match Kind::of(dtype) {
        // Integers of a byte are in the range.
        Some(Kind::Int) => {
            Sums::Ints(Ints::weighted(counted.clone().map(|(value, n)| (value as i32, n))))
        }
        _ => Sums::Floats(Floats::weighted(counted.clone())),
    };
    let mut stat = sums.stat();
    if let Some(histogram) = histogram {
        let range = histogram.range.or(range(&stat));
        let bins = Bins::new(histogram.n_bins, range, histogram.range.is_none());
        for (value, n) in counted.filter(|(value, _)| value.is_finite()) {
            bins.count_times(value, n);
        }
        stat.histogram = Some(bins.into_histogram());
    }
    stat
}

impl Floats {
    /// Those of small numbers of which each stands for so many equal ones.
    fn weighted(values: impl Iterator<Item = (f64, u64)> + Clone) -> Floats {
        let finite = values.clone().filter(|(value, _)| value.is_finite());
        let mut floats = Floats { moments: Moments::weighted(finite), ..Floats::NONE };
        for (value, n) in values {
            let one = Floats::of(&[value]);
            floats.n_nan += one.n_nan * n;
            floats.n_pos_inf += one.n_pos_inf * n;
            floats.n_neg_inf += one.n_neg_inf * n;
            floats.n_zeros += one.n_zeros * n;
            floats.n_negative += one.n_negative * n;
            floats.min = floats.min.min(one.min);
            floats.max = floats.max.max(one.max);
        }
        floats
    }
}
