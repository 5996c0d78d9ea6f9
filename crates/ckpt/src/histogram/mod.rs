mod bins;
mod svg;
mod text;

pub(crate) use bins::Bins;
pub use text::HistogramText;

use crate::Error;

/// The most bins of a histogram.
pub const MAX_BINS: usize = 1 << 16;

/// Which histogram is made of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramOptions {
    /// The number of bins, from 1 to [`MAX_BINS`]. By default 20.
    pub n_bins: usize,
    /// The first and the last edge; by default the least and the largest finite value.
    ///
    /// Where the range is given, the tensor is read once, else twice: once for the range and the other
    /// statistics, and once for the histogram. (One pass with bins that are made coarser as larger values
    /// turn up could not have the edges that are promised; and what was read lies in the system's cache
    /// the second time.) Tensors of one-byte elements are read once in any case.
    pub range: Option<(f64, f64)>,
}

impl Default for HistogramOptions {
    fn default() -> HistogramOptions {
        HistogramOptions { n_bins: 20, range: None }
    }
}

impl HistogramOptions {
    /// Errors: `INVALID_ARGUMENT`.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if !(1..=MAX_BINS).contains(&self.n_bins) {
            let n_bins = self.n_bins;
            let what = format!("a histogram has 1 to {MAX_BINS} bins, not {n_bins}");
            return Err(Error::Invalid(what));
        }
        match self.range {
            Some((first, last)) if !(first.is_finite() && last.is_finite() && first <= last) => {
                Err(Error::Invalid(format!("{first} to {last} is no range for a histogram")))
            }
            _ => Ok(()),
        }
    }
}

/// How many values lie in each of some equal intervals.
///
/// Edges and counts are those of `numpy.histogram` for the values as 64-bit floats: a bin holds its
/// lower edge and not its upper one, but for the last, which holds both. Where all values are equal, the
/// range reaches from half below to half above; where there are none, from 0 to 1.
///
/// ```
/// use flowkeep_ckpt::{Histogram, HistogramText};
///
/// let histogram = Histogram::of(&[1.0, 2.0, 2.5, 4.0], 3);
/// assert_eq!(histogram.edges, [1.0, 2.0, 3.0, 4.0]);
/// assert_eq!(histogram.counts, [1, 2, 1]);
/// let text = histogram.to_text(&HistogramText { width: 20, ascii: true });
/// assert_eq!(text, "\
/// 1 .. 2  #####      1
/// 2 .. 3  #########  2
/// 3 .. 4  #####      1
/// ");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Histogram {
    /// The edges of the bins, ascending: one more than there are bins.
    pub edges: Vec<f64>,
    /// The number of values in each bin.
    pub counts: Vec<u64>,
    /// The number of finite values below the first edge; 0 unless the range was given.
    pub n_below: u64,
    /// The number of finite values above the last edge; 0 unless the range was given.
    pub n_above: u64,
}

impl Histogram {
    /// The histogram of the finite ones of these values, with at least one bin and at most [`MAX_BINS`].
    pub fn of(values: &[f64], n_bins: usize) -> Histogram {
        let finite = || values.iter().copied().filter(|value| value.is_finite());
        let range = finite().next().map(|first| {
            finite().fold((first, first), |(min, max), value| (min.min(value), max.max(value)))
        });
        let bins = Bins::new(n_bins.clamp(1, MAX_BINS), range, true);
        bins.count_values(values);
        bins.into_histogram()
    }

    /// The number of bins.
    pub fn n_bins(&self) -> usize {
        self.counts.len()
    }

    /// The number of values in all bins.
    pub fn n_values(&self) -> u64 {
        self.counts.iter().sum()
    }
}
