//! A toolkit for TensorFlow checkpoints, above [`flowkeep_bundle`].
//!
//! It looks into checkpoints, tells what restoring them would do, and carries tensors to and from
//! other tools: NumPy's `.npy` and `.npz`, `.safetensors`, folders of raw bytes. It runs no graph, and
//! prints nothing: results are values, with a form as text.
//!
//! ```
//! use std::path::Path;
//!
//! use flowkeep_ckpt::interchange::Reader;
//!
//! let reader = Reader::open(Path::new("../../fixtures/npy/two.npz"))?;
//! for member in reader.members() {
//!     println!("{} {} {}", member.name, member.stored_type, member.shape);
//! }
//! assert_eq!(reader.tensor("x")?.as_slice::<f32>()?[5], 5.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Modules
//!
//! In reading order.
//!
//! - `checkpoint`, `select`: [`Checkpoint`], tensors of any format by name; [`Selection`], some of them.
//! - [`ls`]: listings, as tables, as trees, by objects.
//! - [`mod@cat`]: tensors and parts of them, as NumPy prints them.
//! - [`mod@inspect`]: the text of TensorFlow's `inspect_checkpoint`.
//! - [`plan`]: what restoring a checkpoint into other variables would do.
//! - [`interchange`]: files of other tools, in and out; its page says what each format can hold.
//! - [`stat()`]: what is in tensors, and their [`Histogram`]s as text and as pictures.
//! - [`diff()`]: how two checkpoints differ, by structure and by numbers.
//! - `error`: [`Error`], for the whole crate.
//!
//! # Invariants
//!
//! - **Whatever the bytes, no panic**, and nothing is reserved on a file's word: lengths are compared
//!   with the bytes that are there first.
//! - **One tensor at a time.** Neither reading nor writing holds more than the tensor at hand.
//! - **No partly written file** is ever seen under its name.
//! - **Nothing is lost in silence.** What a format cannot hold is an error that names the tensor.
#![forbid(unsafe_code)]

mod avg;
mod cast;
pub mod cat;
mod checkpoint;
mod convert;
mod curve;
mod diff;
mod elements;
mod error;
mod floats;
mod format;
mod histogram;
pub mod inspect;
pub mod interchange;
pub mod ls;
mod merge;
mod nearest;
mod numbers;
mod parallel;
mod picture;
pub mod plan;
mod prune;
mod rename;
mod reshard;
mod salvage;
mod select;
mod stat;
mod text;
mod transfer;
mod verify;

pub use avg::{AvgOptions, AvgReport, avg};
pub use cast::{CastReport, cast};
pub use checkpoint::{Checkpoint, TensorInfo};
pub use convert::{ConvertOptions, convert, convert_len};
pub use curve::{Curve, CurveText, curves_svg};
pub use diff::{
    DiffOptions, DiffOutcome, DiffReport, DiffTotal, Extreme, NumberDiff, StringDiff, TensorDiff,
    Tolerance, diff,
};
pub use elements::Elements;
pub use error::Error;
pub use flowkeep_bundle::ReaderOptions;
pub use format::Format;
pub use histogram::{Histogram, HistogramOptions, HistogramText, MAX_BINS};
pub use merge::{MergeOptions, OnConflict, merge};
pub use numbers::Number;
pub use picture::SvgOptions;
pub use prune::{PruneOptions, PruneReport, Pruned, plan_prune, prune};
pub use rename::{RenameRule, Renamed, new_names, rename};
pub use reshard::{Shards, reshard};
pub use salvage::{Salvaged, salvage};
pub use select::{Pattern, Selection};
pub use stat::{
    NumberStat, StatOptions, StatReport, StatTotal, StatValues, StringStat, TensorStat, stat,
};
pub use text::{Align, Columns, Sizes, TextOptions, counted, shown};
pub use transfer::{Output, Progress, Written};
pub use verify::{Verified, verify, verify_at};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
