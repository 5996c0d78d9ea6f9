mod floats;
mod gather;
mod ints;
mod moments;
mod text;

use flowkeep_bundle::{Key, ReaderOptions};
use flowkeep_tensor::Tensor;

use crate::numbers::{Kind, Number};
use crate::parallel::each_by_size;
use crate::{
    Checkpoint, Error, Histogram, HistogramOptions, HistogramText, Selection, SvgOptions,
    TensorInfo,
};

/// What is to be said of which tensors.
#[derive(Clone)]
pub struct StatOptions<'a> {
    /// The tensors.
    pub selection: Selection,
    /// Whether each tensor gets a histogram, and which. By default none do.
    pub histogram: Option<HistogramOptions>,
    /// The most threads; by default those of the machine. Results do not depend on it.
    pub threads: usize,
    /// Called, by any thread, with each number of bytes that is done, of [`StatOptions::len_bytes`] in
    /// all.
    pub progress: Option<&'a (dyn Fn(u64) + Sync)>,
}

impl Default for StatOptions<'_> {
    fn default() -> Self {
        StatOptions {
            selection: Selection::default(),
            histogram: None,
            threads: ReaderOptions::default().threads,
            progress: None,
        }
    }
}

impl std::fmt::Debug for StatOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StatOptions")
            .field("selection", &self.selection)
            .field("histogram", &self.histogram)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

impl StatOptions<'_> {
    /// The bytes that [`stat`] will go through, each counted as often as it is read.
    pub fn len_bytes(&self, checkpoint: &Checkpoint) -> u64 {
        let tensors = checkpoint.tensors().iter();
        let selected = tensors.filter(|info| self.selection.contains(&info.name));
        let len =
            |info: &TensorInfo| info.len_bytes.unwrap_or(0).saturating_mul(self.n_passes(info));
        selected.map(len).fold(0, u64::saturating_add)
    }

    fn n_passes(&self, info: &TensorInfo) -> u64 {
        let two = self.histogram.as_ref().is_some_and(|histogram| histogram.range.is_none())
            && info.dtype.and_then(|dtype| dtype.size_bytes()).is_some_and(|size| size > 1);
        1 + u64::from(two)
    }

    fn report(&self, n_bytes: u64) {
        if let Some(progress) = self.progress {
            progress(n_bytes);
        }
    }
}

/// Statistics of tensors.
#[derive(Debug)]
#[non_exhaustive]
pub struct StatReport {
    /// Every tensor that could be read, by name.
    pub tensors: Vec<TensorStat>,
    /// The others, by name, with the reason.
    pub damaged: Vec<(Key, Error)>,
    /// All of them together.
    pub total: StatTotal,
}

/// What is said of all tensors together that could be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatTotal {
    /// The number of tensors.
    pub n_tensors: u64,
    /// The number of parameters: elements of tensors of numbers.
    pub n_params: u64,
    /// The bytes of all elements, those of strings among them.
    pub len_bytes: u64,
    /// The number of tensors that have a NaN.
    pub n_nan_tensors: u64,
    /// The number of tensors that have an infinity.
    pub n_inf_tensors: u64,
    /// The number of zeros among the parameters.
    pub n_zeros: u64,
}

/// Statistics of a tensor.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TensorStat {
    /// Its name, type, shape and so on.
    pub info: TensorInfo,
    /// What there is to say of its elements.
    pub values: StatValues,
}

/// Statistics of elements.
#[derive(Clone, Debug, PartialEq)]
pub enum StatValues {
    /// Of numbers.
    Numbers(NumberStat),
    /// Of byte strings.
    Strings(StringStat),
}

/// Statistics of numbers.
///
/// Least, largest, mean and standard deviation are those of the finite values; NaN and infinities are
/// counted aside. Quantized types count as their integers, bool as 0 and 1. Of complex numbers it is the
/// magnitudes that are looked at; one counts as NaN if either part is NaN.
///
/// Integers are added up exactly: what comes of them is right but for the last one or two roundings, however
/// large they are. Floats are added up as `f64`, block by block, with deviations taken from the mean of each
/// block and blocks joined pairwise: the mean is right to 2⁻⁴⁸ of the mean magnitude, the standard deviation
/// and the norm to 2⁻⁴⁶ of themselves, also far from zero and where squares would leave the range of `f64`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NumberStat {
    /// The number of finite values.
    pub n_finite: u64,
    /// The number of NaN.
    pub n_nan: u64,
    /// The number of positive infinities.
    pub n_pos_inf: u64,
    /// The number of negative infinities.
    pub n_neg_inf: u64,
    /// The number of zeros, negative ones among them.
    pub n_zeros: u64,
    /// The number of values below zero: -inf is one, negative zero and NaN are none.
    pub n_negative: u64,
    /// The least finite value; `None` if there is none.
    pub min: Option<Number>,
    /// The largest finite value; `None` if there is none.
    pub max: Option<Number>,
    /// The mean of the finite values; `None` if there are none.
    pub mean: Option<f64>,
    /// The standard deviation of the finite values as a population; `None` if there are none.
    pub std: Option<f64>,
    /// The square root of the sum of the squares of the finite values.
    pub l2_norm: f64,
    /// The histogram of the finite values, if it was asked for.
    pub histogram: Option<Histogram>,
}

impl NumberStat {
    /// The number of elements.
    pub fn n_elements(&self) -> u64 {
        self.n_finite + self.n_nan + self.n_inf()
    }

    /// The number of infinities.
    pub fn n_inf(&self) -> u64 {
        self.n_pos_inf + self.n_neg_inf
    }

    /// The share of zeros among all elements; `None` if there are no elements.
    pub fn sparsity(&self) -> Option<f64> {
        let n = self.n_elements();
        (n > 0).then(|| self.n_zeros as f64 / n as f64)
    }
}

/// Statistics of byte strings.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StringStat {
    /// The number of strings.
    pub n: u64,
    /// The number of empty ones.
    pub n_empty: u64,
    /// The length of all strings together, in bytes.
    pub len_bytes: u64,
    /// The length of the shortest, in bytes; `None` if there is none.
    pub min_len: Option<u64>,
    /// The length of the longest, in bytes; `None` if there is none.
    pub max_len: Option<u64>,
}

/// Reads the selected tensors, with their checksums, and says what is in them.
///
/// Tensors that cannot be read do not hinder the others: they are listed beside them. Memory is that of a
/// few stretches of a tensor, but for tensors that the format cannot read in parts.
///
/// ```
/// use std::path::Path;
///
/// use flowkeep_ckpt::{Checkpoint, Number, StatOptions, StatValues, stat};
///
/// let checkpoint = Checkpoint::open(Path::new("../../fixtures/bundles/partitioned"))?;
/// let report = stat(&checkpoint, &StatOptions::default())?;
/// let StatValues::Numbers(w) = &report.tensors[0].values else { panic!("floats are numbers") };
/// assert_eq!((w.min, w.max), (Some(Number::Float(0.0)), Some(Number::Float(11.0))));
/// assert_eq!((w.mean, w.n_zeros), (Some(5.5), 1));
/// assert_eq!(report.total.n_params, 13);
/// # Ok::<(), flowkeep_ckpt::Error>(())
/// ```
///
/// Errors: `INVALID_ARGUMENT` if a histogram is asked for that cannot be.
pub fn stat(checkpoint: &Checkpoint, options: &StatOptions<'_>) -> Result<StatReport, Error> {
    if let Some(histogram) = &options.histogram {
        histogram.check()?;
    }
    let is_selected = |name: &Key| options.selection.contains(name);
    let mut selected: Vec<_> =
        checkpoint.tensors().iter().filter(|info| is_selected(&info.name)).collect();
    selected.sort_by(|a, b| a.name.cmp(&b.name));
    let results = each_by_size(
        options.threads,
        &selected,
        |info| info.len_bytes.unwrap_or(0),
        |info, n_threads| values(checkpoint, info, options, n_threads),
    );

    let (mut tensors, mut damaged) = (Vec::new(), Vec::new());
    for (info, result) in selected.into_iter().zip(results) {
        match result {
            Ok(values) => tensors.push(TensorStat { info: info.clone(), values }),
            Err(error) => damaged.push((info.name.clone(), error)),
        }
    }
    for (name, _) in checkpoint.damaged().iter().filter(|(name, _)| is_selected(name)) {
        damaged.extend(checkpoint.info(name).err().map(|error| (name.clone(), error)));
    }
    damaged.sort_by(|(a, _), (b, _)| a.cmp(b));
    let total = StatTotal::of(&tensors);
    Ok(StatReport { tensors, damaged, total })
}

fn values(
    checkpoint: &Checkpoint,
    info: &TensorInfo,
    options: &StatOptions<'_>,
    n_threads: usize,
) -> Result<StatValues, Error> {
    if info.dtype.is_some_and(|dtype| Kind::of(dtype).is_some()) {
        return Ok(StatValues::Numbers(gather::numbers(checkpoint, info, options, n_threads)?));
    }
    let strings = StringStat::of(&checkpoint.tensor(&info.name)?)?;
    options.report(info.len_bytes.unwrap_or(0));
    Ok(StatValues::Strings(strings))
}

impl StringStat {
    fn of(tensor: &Tensor) -> Result<StringStat, Error> {
        let lens =
            || tensor.as_strings().map(|strings| strings.iter().map(|text| text.len() as u64));
        Ok(StringStat {
            n: lens()?.len() as u64,
            n_empty: lens()?.filter(|len| *len == 0).count() as u64,
            len_bytes: lens()?.sum(),
            min_len: lens()?.min(),
            max_len: lens()?.max(),
        })
    }
}

impl StatTotal {
    fn of(tensors: &[TensorStat]) -> StatTotal {
        let mut total = StatTotal::default();
        for tensor in tensors {
            total.n_tensors += 1;
            match &tensor.values {
                StatValues::Numbers(numbers) => {
                    total.n_params += numbers.n_elements();
                    total.len_bytes += tensor.info.len_bytes.unwrap_or(0);
                    total.n_nan_tensors += u64::from(numbers.n_nan > 0);
                    total.n_inf_tensors += u64::from(numbers.n_inf() > 0);
                    total.n_zeros += numbers.n_zeros;
                }
                StatValues::Strings(strings) => total.len_bytes += strings.len_bytes,
            }
        }
        total
    }
}

impl StatReport {
    /// All histograms below one another in one picture, each of so many pixels, as
    /// [`TensorStat::histogram_svg`] draws them.
    pub fn histograms_svg(&self, width: u32, height: u32) -> String {
        let options = self.tensors.iter().filter_map(|tensor| tensor.svg(width, height));
        Histogram::page_svg(&options.collect::<Vec<_>>())
    }
}

impl TensorStat {
    /// The tensor's histogram, if there is one.
    pub fn histogram(&self) -> Option<&Histogram> {
        match &self.values {
            StatValues::Numbers(numbers) => numbers.histogram.as_ref(),
            StatValues::Strings(_) => None,
        }
    }

    /// The tensor's histogram drawn with characters, see [`Histogram::to_text`].
    pub fn histogram_text(&self, options: &HistogramText) -> Option<String> {
        Some(self.histogram()?.to_text(options))
    }

    /// The tensor's histogram as a picture of so many pixels, under its name and a line of statistics;
    /// see [`Histogram::to_svg`].
    pub fn histogram_svg(&self, width: u32, height: u32) -> Option<String> {
        self.svg(width, height).map(|(histogram, options)| histogram.to_svg(&options))
    }

    fn svg(&self, width: u32, height: u32) -> Option<(&Histogram, SvgOptions)> {
        let title = self.info.name.to_string();
        let options = SvgOptions { title, subtitle: self.summary(), width, height };
        Some((self.histogram()?, options))
    }
}
