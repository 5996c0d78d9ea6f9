use std::collections::BTreeMap;

use super::type_name;
use crate::TensorInfo;
use crate::text::{TextOptions, counted};

/// What some tensors come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sum {
    /// The number of tensors.
    pub n_tensors: usize,
    /// The number of elements.
    pub n_elements: u64,
    /// The bytes of those whose length is known.
    pub len_bytes: u64,
    /// The number of tensors whose length is not known: strings of V1 checkpoints.
    pub n_unknown: usize,
}

/// What tensors come to, in all and by type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// All tensors.
    pub all: Sum,
    /// The tensors of each type, in order of its names.
    pub by_type: Vec<TypeSum>,
    /// The number of tensors that cannot be told of, which count nowhere else.
    pub n_damaged: usize,
}

/// What the tensors of one type come to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TypeSum {
    /// Python's name of the type, `float32`, or that of the format if no tensor has such elements.
    pub type_name: String,
    /// Its tensors.
    pub sum: Sum,
}

impl Sum {
    pub(super) fn add(&mut self, info: &TensorInfo) {
        let n_elements = u64::try_from(info.n_elements()).unwrap_or(u64::MAX);
        self.n_tensors += 1;
        self.n_elements = self.n_elements.saturating_add(n_elements);
        match info.len_bytes {
            Some(len) => self.len_bytes = self.len_bytes.saturating_add(len),
            None => self.n_unknown += 1,
        }
    }

    pub(super) fn add_all(&mut self, other: &Sum) {
        self.n_tensors += other.n_tensors;
        self.n_elements = self.n_elements.saturating_add(other.n_elements);
        self.len_bytes = self.len_bytes.saturating_add(other.len_bytes);
        self.n_unknown += other.n_unknown;
    }

    /// The size as text, with a mark if it is more.
    pub(super) fn size_text(&self, options: &TextOptions) -> String {
        let more = if self.n_unknown > 0 { " and more" } else { "" };
        format!("{}{more}", options.sizes.text(self.len_bytes))
    }

    fn text(&self, options: &TextOptions) -> String {
        let n_tensors = counted(self.n_tensors, "tensor");
        let elements = if self.n_elements == 1 { "element" } else { "elements" };
        format!("{n_tensors}, {} {elements}, {}", self.n_elements, self.size_text(options))
    }
}

impl Totals {
    pub(super) fn of<'a>(
        tensors: impl IntoIterator<Item = &'a TensorInfo>,
        n_damaged: usize,
    ) -> Totals {
        let mut all = Sum::default();
        let mut by_type = BTreeMap::<&str, Sum>::new();
        for info in tensors {
            all.add(info);
            by_type.entry(type_name(info)).or_default().add(info);
        }
        let by_type = by_type.into_iter();
        let by_type = by_type.map(|(name, sum)| TypeSum { type_name: name.into(), sum });
        Totals { all, by_type: by_type.collect(), n_damaged }
    }

    /// As lines: everything, then each type, if there are several.
    pub fn text(&self, options: &TextOptions) -> String {
        let mut out = self.all.text(options);
        if self.n_damaged > 0 {
            out.push_str(&format!(", {} damaged", self.n_damaged));
        }
        out.push('\n');
        if self.by_type.len() > 1 {
            for TypeSum { type_name, sum } in &self.by_type {
                out.push_str(&format!("  {type_name}: {}\n", sum.text(options)));
            }
        }
        out
    }
}
