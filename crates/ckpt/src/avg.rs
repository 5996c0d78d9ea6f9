use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use flowkeep_bundle::Key;
use flowkeep_bundle::object_graph::OBJECT_GRAPH_KEY;

use crate::elements::Elements;
use crate::floats::{self, Float};
use crate::transfer::{self, Compute, Content, Item};
use crate::{Checkpoint, Error, Output, Progress, Selection, TensorInfo, Written};

/// How checkpoints are averaged.
#[derive(Clone, Debug, Default)]
pub struct AvgOptions {
    /// The weight of each checkpoint, divided by their sum; all the same if there are none.
    pub weights: Vec<f64>,
    /// The tensors that are averaged; all others are taken from the last checkpoint.
    pub selection: Selection,
}

/// What was averaged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AvgReport {
    /// The number of tensors that are means.
    pub n_averaged: usize,
    /// The tensors that were taken from the last checkpoint, in order: those that are not floats, and
    /// those that were not selected.
    pub taken: Vec<Key>,
    /// What was written.
    pub written: Written,
}

/// Writes a checkpoint whose float tensors are the weighted means of those of several checkpoints.
///
/// Sums are made in double precision and rounded once. Nothing larger than a stretch of each
/// checkpoint is held, unless a tensor is stored in slices or a file is not a bundle: then, that
/// tensor.
///
/// Errors: `INVALID_ARGUMENT`, naming what disagrees, unless all have the same tensors of the same
/// types and shapes, and for weights that are too few or too many, negative, not finite or all zero;
/// `UNIMPLEMENTED` for selected floats of a byte; those of reading and writing.
pub fn avg(
    from: &[Checkpoint],
    options: &AvgOptions,
    output: &Output,
    progress: Progress<'_>,
) -> Result<AvgReport, Error> {
    let weights = weights(options, from.len())?;
    let Some((last, others)) = from.split_last() else {
        return Err(Error::Invalid("there is nothing to average".into()));
    };
    check_same(last, others)?;
    let mut report = AvgReport::default();
    let mut items = Vec::with_capacity(last.tensors().len());
    for info in last.tensors() {
        let is_taken = !options.selection.contains(&info.name)
            || info.dtype.is_none_or(|dtype| !dtype.is_floating() && !dtype.is_complex());
        if is_taken {
            report.taken.push(info.name.clone());
            items.push(Item::copy(last, info, info.name.clone())?);
        } else {
            report.n_averaged += 1;
            items.push(mean(from, info, weights.clone())?);
        }
    }
    report.taken.sort();
    report.written = transfer::write(items, output, progress)?;
    Ok(report)
}

fn weights(options: &AvgOptions, n: usize) -> Result<Vec<f64>, Error> {
    if options.weights.is_empty() {
        return Ok(vec![1.0 / n as f64; n]);
    }
    if options.weights.len() != n {
        let n_weights = options.weights.len();
        return Err(Error::Invalid(format!("{n_weights} weights were given for {n} checkpoints")));
    }
    let sum: f64 = options.weights.iter().sum();
    if options.weights.iter().any(|weight| !weight.is_finite() || *weight < 0.0)
        || !(sum.is_finite() && sum > 0.0)
    {
        let what = "weights must be finite and not negative, and not all zero";
        return Err(Error::Invalid(what.into()));
    }
    Ok(options.weights.iter().map(|weight| weight / sum).collect())
}

/// Checks that all checkpoints have the same tensors.
fn check_same(last: &Checkpoint, others: &[Checkpoint]) -> Result<(), Error> {
    let mut faults = Vec::new();
    for other in others {
        let path = other.path().display();
        let mut names: BTreeSet<&Key> = other.tensors().iter().map(|info| &info.name).collect();
        for info in last.tensors() {
            match other.get(&info.name) {
                None => faults.push(format!("{path} has no tensor {}", info.name)),
                Some(found) => {
                    let same = found.dtype == info.dtype && found.shape == info.shape;
                    if !same && info.name != OBJECT_GRAPH_KEY {
                        faults.push(format!(
                            "tensor {} of {path} is {} {}, not {} {}",
                            info.name, found.stored_type, found.shape, info.stored_type, info.shape
                        ));
                    }
                }
            }
            names.remove(&info.name);
        }
        for name in names {
            let last = last.path().display();
            faults.push(format!("{last} has no tensor {name}, as {path} has"));
        }
    }
    const SHOWN: usize = 10;
    if faults.is_empty() {
        return Ok(());
    }
    let more = faults.len().saturating_sub(SHOWN);
    faults.truncate(SHOWN);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    Err(Error::Invalid(format!("the checkpoints differ: {}{more}", faults.join("; "))))
}

fn mean<'a>(
    from: &'a [Checkpoint],
    info: &TensorInfo,
    weights: Vec<f64>,
) -> Result<Item<'a>, Error> {
    let dtype = transfer::known_type(info)?;
    let float = match dtype {
        flowkeep_tensor::DType::Complex64 => Some(Float::F32),
        flowkeep_tensor::DType::Complex128 => Some(Float::F64),
        dtype => Float::of(dtype),
    };
    let float = float.ok_or_else(|| {
        Error::Unsupported(format!("tensor {} of type {dtype} cannot be averaged", info.name))
    })?;
    let name = info.name.clone();
    let open = move || -> Result<Box<dyn Compute + 'a>, Error> {
        let sources = from.iter().map(|checkpoint| checkpoint.elements(&name));
        let sources = sources.collect::<Result<Vec<_>, _>>()?;
        Ok(Box::new(Mean { sources, weights, float, scratch: Mutex::default() }))
    };
    Ok(Item {
        name: info.name.clone(),
        dtype,
        shape: info.shape.clone(),
        len_bytes: info.n_elements() as u64 * dtype.size_bytes().unwrap_or(1) as u64,
        content: Content::Compute(Box::new(open)),
    })
}

/// Bytes of each source that are added up at a time, so that the sums stay in the nearest caches.
const BLOCK_LEN: usize = 64 << 10;

/// The weighted sum of several tensors.
struct Mean<'a> {
    sources: Vec<Elements<'a>>,
    weights: Vec<f64>,
    float: Float,
    scratch: Mutex<Vec<Scratch>>,
}

#[derive(Default)]
struct Scratch {
    /// A block of each source.
    bytes: Vec<Vec<u8>>,
    values: Vec<f64>,
    sums: Vec<f64>,
}

impl Mean<'_> {
    fn fill_block(&self, at: u64, out: &mut [u8], scratch: &mut Scratch) -> Result<(), Error> {
        let Scratch { bytes, values, sums } = scratch;
        bytes.resize(self.sources.len(), Vec::new());
        for (source, bytes) in self.sources.iter().zip(bytes.iter_mut()) {
            bytes.resize(out.len(), 0);
            source.read_at(at, bytes)?;
        }
        if self.float == Float::F32 {
            let bytes: Vec<&[u8]> = bytes.iter().map(Vec::as_slice).collect();
            if floats::weighted_sums_f32(&bytes, &self.weights, out) {
                return Ok(());
            }
        }
        let n = out.len() / self.float.size();
        values.resize(n, 0.0);
        sums.clear();
        sums.resize(n, 0.0);
        for (bytes, weight) in bytes.iter().zip(&self.weights) {
            floats::decode_f64(self.float, bytes, values);
            sums.iter_mut().zip(&*values).for_each(|(sum, value)| *sum += weight * value);
        }
        floats::encode_f64(self.float, sums, out);
        Ok(())
    }
}

impl Compute for Mean<'_> {
    fn fill(&self, at: u64, out: &mut [u8]) -> Result<(), Error> {
        let pool = || self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scratch = pool().pop().unwrap_or_default();
        let mut at = at;
        for out in out.chunks_mut(BLOCK_LEN) {
            self.fill_block(at, out, &mut scratch)?;
            at += out.len() as u64;
        }
        pool().push(scratch);
        Ok(())
    }

    fn finish(&self) -> Result<(), Error> {
        self.sources.iter().try_for_each(Elements::finish)
    }
}
