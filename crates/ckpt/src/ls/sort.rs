use std::cmp::{Ordering, Reverse};

use super::natural;
use super::type_name;
use crate::TensorInfo;

/// What a listing is sorted by. Whatever is equal comes in natural order of names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortBy {
    /// By names, as bytes: TensorFlow's order.
    #[default]
    Name,
    /// By names, with numbers in them as numbers: `layer_2` before `layer_10`.
    Natural,
    /// By bytes, the largest first.
    Size,
    /// By the names of types.
    DType,
    /// By the number of dimensions, then by the dimensions.
    Shape,
}

impl SortBy {
    /// All orders, with their names.
    pub const ALL: &[(&str, SortBy)] = &[
        ("name", SortBy::Name),
        ("natural", SortBy::Natural),
        ("size", SortBy::Size),
        ("dtype", SortBy::DType),
        ("shape", SortBy::Shape),
    ];

    /// The order of this name.
    pub fn from_name(name: &str) -> Option<SortBy> {
        SortBy::ALL.iter().find(|(other, _)| *other == name).map(|(_, sort)| *sort)
    }

    /// Which of two tensors comes first.
    pub(super) fn compare(self, a: &TensorInfo, b: &TensorInfo) -> Ordering {
        let order = match self {
            SortBy::Name => a.name.cmp(&b.name),
            SortBy::Natural => Ordering::Equal,
            SortBy::Size => Reverse(a.len_bytes).cmp(&Reverse(b.len_bytes)),
            SortBy::DType => type_name(a).cmp(type_name(b)),
            SortBy::Shape => rank_and_dims(a).cmp(&rank_and_dims(b)),
        };
        order.then_with(|| self.compare_names(&a.name, &b.name))
    }

    /// Which of two names comes first.
    pub(super) fn compare_names(self, a: &[u8], b: &[u8]) -> Ordering {
        match self {
            SortBy::Name => a.cmp(b),
            _ => natural::compare(a, b),
        }
    }
}

fn rank_and_dims(info: &TensorInfo) -> (usize, &[usize]) {
    (info.shape.rank(), info.shape.dims())
}
