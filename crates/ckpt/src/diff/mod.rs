mod compare;
mod differences;
mod floats;
mod ints;
mod strings;
mod text;

use std::collections::BTreeMap;

use flowkeep_bundle::{Key, ReaderOptions};

use crate::numbers::Number;
use crate::parallel::each_by_size;
use crate::{Checkpoint, Error, Selection, TensorInfo};

/// How two checkpoints are compared.
#[derive(Clone)]
pub struct DiffOptions<'a> {
    /// The tensors, of both checkpoints.
    pub selection: Selection,
    /// What differences count; by default every one.
    pub tolerance: Tolerance,
    /// Whether tensors of different types of numbers are compared as well, by the values as `f64`, to check
    /// what a cast has done. Off by default: another type is a difference then. Integers beyond 53 bits are
    /// rounded before they are compared.
    pub compare_dtypes: bool,
    /// The most threads; by default those of the machine. Results do not depend on it.
    pub threads: usize,
    /// Called, by any thread, with each number of bytes that is done, of [`DiffOptions::len_bytes`] in
    /// all.
    pub progress: Option<&'a (dyn Fn(u64) + Sync)>,
}

impl Default for DiffOptions<'_> {
    fn default() -> Self {
        DiffOptions {
            selection: Selection::default(),
            tolerance: Tolerance::default(),
            compare_dtypes: false,
            threads: ReaderOptions::default().threads,
            progress: None,
        }
    }
}

impl std::fmt::Debug for DiffOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DiffOptions")
            .field("selection", &self.selection)
            .field("tolerance", &self.tolerance)
            .field("compare_dtypes", &self.compare_dtypes)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

/// Which numbers count as the same, as `numpy.isclose` has it: a and b do if they are equal, or if b is
/// finite and |a - b| ≤ `atol` + `rtol` |b|, computed as `f64`. Infinities are the same as themselves
/// only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// The absolute tolerance; 0 by default.
    pub atol: f64,
    /// The tolerance relative to b; 0 by default.
    pub rtol: f64,
    /// Whether NaN is the same as NaN, whatever its bits. On by default, other than in NumPy: a checkpoint is
    /// the same as its copy.
    pub equal_nan: bool,
}

impl Default for Tolerance {
    fn default() -> Tolerance {
        Tolerance { atol: 0.0, rtol: 0.0, equal_nan: true }
    }
}

/// How two checkpoints differ.
#[derive(Debug)]
#[non_exhaustive]
pub struct DiffReport {
    /// Every selected name of either, in order.
    pub tensors: Vec<TensorDiff>,
    /// All of them together.
    pub total: DiffTotal,
}

impl DiffReport {
    /// Whether both have the same tensors, and all of them could be read.
    pub fn is_same(&self) -> bool {
        self.total.n_same == self.total.n_tensors
    }

    /// Whether there are tensors that could not be read, so that nothing can be said of them.
    pub fn has_unreadable(&self) -> bool {
        self.total.n_unreadable > 0
    }
}

/// How many names fare how. Each is counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiffTotal {
    /// All of them.
    pub n_tensors: u64,
    /// In both, of one type and shape, and the same within the tolerance.
    pub n_same: u64,
    /// In both, of one type and shape, but not the same.
    pub n_different: u64,
    /// In the first only.
    pub n_only_in_a: u64,
    /// In the second only.
    pub n_only_in_b: u64,
    /// Of another type or shape.
    pub n_changed: u64,
    /// Damaged or not supported, in one or both.
    pub n_unreadable: u64,
}

/// How a tensor differs.
#[derive(Debug)]
#[non_exhaustive]
pub struct TensorDiff {
    /// Its name.
    pub name: Key,
    /// What the first has under that name, as far as that can be told.
    pub a: Option<TensorInfo>,
    /// What the second has under that name, as far as that can be told.
    pub b: Option<TensorInfo>,
    /// What came out.
    pub outcome: DiffOutcome,
}

/// What came out of comparing a tensor.
#[derive(Debug)]
#[non_exhaustive]
pub enum DiffOutcome {
    /// Only the first has it.
    OnlyInA,
    /// Only the second has it.
    OnlyInB,
    /// Type or shape are not the same; elements were not looked at.
    Changed {
        /// Whether the type is another.
        dtype: bool,
        /// Whether the shape is another.
        shape: bool,
    },
    /// Every bit is the same, and no NaN counts as different from itself.
    Identical,
    /// Numbers were compared.
    Numbers(NumberDiff),
    /// Byte strings were compared.
    Strings(StringDiff),
    /// One or both cannot be read.
    Unreadable {
        /// Why the first cannot.
        a: Option<Error>,
        /// Why the second cannot.
        b: Option<Error>,
    },
}

impl DiffOutcome {
    /// Whether the tensors are the same, within the tolerance.
    pub fn is_same(&self) -> bool {
        match self {
            DiffOutcome::Identical => true,
            DiffOutcome::Numbers(numbers) => numbers.n_different == 0,
            DiffOutcome::Strings(strings) => strings.n_different == 0,
            _ => false,
        }
    }
}

/// How numbers differ. Integers of one type are compared exactly, whatever their width; all else as `f64`,
/// complex numbers by the magnitude of the difference.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NumberDiff {
    /// The number of elements.
    pub n_elements: u64,
    /// The number of elements that are not the same, within the tolerance.
    pub n_different: u64,
    /// The number of those among them of which either is not finite. They have no part in what follows, but
    /// for the first difference.
    pub n_not_finite: u64,
    /// Where the first element is that is not the same, by dimension.
    pub first: Option<Vec<usize>>,
    /// The largest |a - b| within and beyond the tolerance; `None` if there is nothing to compare.
    pub max_abs: Option<Extreme<Number>>,
    /// The largest |a - b| / |b|, over elements with a b other than zero; `None` if there are none.
    pub max_rel: Option<Extreme<f64>>,
    /// The mean |a - b|; `None` if there is nothing to compare.
    pub mean_abs: Option<f64>,
}

/// A largest value, and where it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Extreme<T> {
    /// The value.
    pub value: T,
    /// The first of its places, by dimension.
    pub index: Vec<usize>,
}

/// How byte strings differ.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StringDiff {
    /// The number of strings.
    pub n_elements: u64,
    /// The number of strings that are not the same.
    pub n_different: u64,
    /// Where the first is that is not the same, by dimension.
    pub first: Option<Vec<usize>>,
}

impl DiffOptions<'_> {
    /// The bytes of both checkpoints that [`diff`] will read.
    pub fn len_bytes(&self, a: &Checkpoint, b: &Checkpoint) -> u64 {
        let names = names(a, b, &self.selection);
        names.iter().map(|name| len_bytes(a, b, name)).fold(0, u64::saturating_add)
    }

    fn report(&self, n_bytes: u64) {
        if let Some(progress) = self.progress {
            progress(n_bytes);
        }
    }

    /// Errors: `INVALID_ARGUMENT`.
    fn check(&self) -> Result<(), Error> {
        for (name, tolerance) in [("atol", self.tolerance.atol), ("rtol", self.tolerance.rtol)] {
            if tolerance.is_nan() || tolerance < 0.0 {
                return Err(Error::Invalid(format!("{tolerance} is no tolerance ({name})")));
            }
        }
        Ok(())
    }
}

/// Compares the selected tensors of two checkpoints, whatever their formats.
///
/// Both are read, each with its checksums. Equal checksums are not taken for equal tensors, for they do not
/// prove it, and say nothing of what lies in the files now. Tensors of any size are compared stretch by
/// stretch; memory is that of a few stretches, but for formats that cannot be read in parts, and strings.
///
/// ```
/// use std::path::Path;
///
/// use flowkeep_ckpt::{Checkpoint, DiffOptions, DiffOutcome, diff};
///
/// let a = Checkpoint::open(Path::new("../../fixtures/bundles/partitioned"))?;
/// let b = Checkpoint::open(Path::new("../../fixtures/bundles/one"))?;
/// let report = diff(&a, &b, &DiffOptions::default())?;
/// let names: Vec<_> = report.tensors.iter().map(|tensor| tensor.name.to_string()).collect();
/// assert_eq!(names, ["v", "w", "z"]);
/// assert!(matches!(report.tensors[0].outcome, DiffOutcome::OnlyInB));
/// assert!(!report.is_same() && diff(&a, &a, &DiffOptions::default())?.is_same());
/// # Ok::<(), flowkeep_ckpt::Error>(())
/// ```
///
/// Errors: `INVALID_ARGUMENT` for a tolerance below zero. Tensors that cannot be read are part of the report.
pub fn diff(
    a: &Checkpoint,
    b: &Checkpoint,
    options: &DiffOptions<'_>,
) -> Result<DiffReport, Error> {
    options.check()?;
    let names = names(a, b, &options.selection);
    let outcomes = each_by_size(
        options.threads,
        &names,
        |name| len_bytes(a, b, name),
        |name, n_threads| outcome(a, b, name, options, n_threads),
    );
    let mut total = DiffTotal::default();
    let tensors = names.into_iter().zip(outcomes).map(|(name, outcome)| {
        total.count(&outcome);
        TensorDiff { a: a.get(&name).cloned(), b: b.get(&name).cloned(), name, outcome }
    });
    let tensors = tensors.collect();
    Ok(DiffReport { tensors, total })
}

/// The selected names of both, those of damaged tensors among them, in order.
fn names(a: &Checkpoint, b: &Checkpoint, selection: &Selection) -> Vec<Key> {
    let of = |checkpoint: &'_ Checkpoint| {
        let sound = checkpoint.tensors().iter().map(|info| info.name.clone());
        let damaged = checkpoint.damaged().iter().map(|(name, _)| name.clone());
        sound.chain(damaged).collect::<Vec<_>>()
    };
    let all: BTreeMap<Key, ()> = of(a).into_iter().chain(of(b)).map(|name| (name, ())).collect();
    all.into_keys().filter(|name| selection.contains(name)).collect()
}

/// The bytes that are read to compare what lies under a name.
fn len_bytes(a: &Checkpoint, b: &Checkpoint, name: &Key) -> u64 {
    a.get(name).zip(b.get(name)).map_or(0, |(a, b)| pair_len(a, b))
}

fn pair_len(a: &TensorInfo, b: &TensorInfo) -> u64 {
    a.len_bytes.unwrap_or(0).saturating_add(b.len_bytes.unwrap_or(0))
}

fn outcome(
    a: &Checkpoint,
    b: &Checkpoint,
    name: &Key,
    options: &DiffOptions<'_>,
    n_threads: usize,
) -> DiffOutcome {
    if let (Some(info_a), Some(info_b)) = (a.get(name), b.get(name)) {
        return compare::tensors(&compare::Pair { a, b, info_a, info_b }, options, n_threads);
    }
    let damage = |checkpoint: &Checkpoint| {
        let is_damaged = checkpoint.damaged().iter().any(|(other, _)| other == name);
        is_damaged.then(|| checkpoint.info(name).err()).flatten()
    };
    match (damage(a), damage(b)) {
        (None, None) if a.get(name).is_some() => DiffOutcome::OnlyInA,
        (None, None) => DiffOutcome::OnlyInB,
        (a, b) => DiffOutcome::Unreadable { a, b },
    }
}

impl DiffTotal {
    fn count(&mut self, outcome: &DiffOutcome) {
        self.n_tensors += 1;
        let counter = match outcome {
            DiffOutcome::OnlyInA => &mut self.n_only_in_a,
            DiffOutcome::OnlyInB => &mut self.n_only_in_b,
            DiffOutcome::Changed { .. } => &mut self.n_changed,
            DiffOutcome::Unreadable { .. } => &mut self.n_unreadable,
            outcome if outcome.is_same() => &mut self.n_same,
            _ => &mut self.n_different,
        };
        *counter += 1;
    }
}
