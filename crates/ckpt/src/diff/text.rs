use super::{DiffOutcome, DiffReport, DiffTotal, Extreme, NumberDiff, StringDiff, TensorDiff};
use crate::TensorInfo;
use crate::numbers::{Number, short_text};
use crate::text::{Align, Columns, shown};

/// Significant digits of differences.
const N_DIGITS: usize = 4;

impl DiffReport {
    /// As lines: a word for each tensor that is not the same, its name, types and shapes, and how it
    /// differs; and how many fare how. With `all`, those that are the same as well.
    pub fn text(&self, all: bool) -> String {
        let mut columns = Columns::new(&[Align::Left; 4]);
        for tensor in self.tensors.iter().filter(|tensor| all || !tensor.outcome.is_same()) {
            let (word, note) = tensor.outcome.text();
            let name = shown(&tensor.name);
            columns.push(vec![word.into(), name, tensor.types(), shown(note.as_bytes())]);
        }
        let mut out = String::new();
        columns.write(&mut out);
        out.push_str(&self.total.text());
        out
    }
}

impl DiffTotal {
    /// In one line.
    fn text(&self) -> String {
        let s = if self.n_tensors == 1 { "" } else { "s" };
        let mut line = format!("{} of {} tensor{s} the same", self.n_same, self.n_tensors);
        let others = [
            (self.n_different, "different"),
            (self.n_changed, "of another type or shape"),
            (self.n_only_in_a, "only in the first"),
            (self.n_only_in_b, "only in the second"),
            (self.n_unreadable, "not readable"),
        ];
        for (n, what) in others.into_iter().filter(|(n, _)| *n > 0) {
            line.push_str(&format!(", {n} {what}"));
        }
        line + "\n"
    }
}

impl TensorDiff {
    /// Type and shape, of both if they are not the same.
    fn types(&self) -> String {
        let [a, b] = [&self.a, &self.b].map(|info| info.as_ref().map(type_and_shape));
        match (a, b) {
            (Some(a), Some(b)) if a != b => format!("{a} and {b}"),
            (a, b) => a.or(b).unwrap_or_default(),
        }
    }
}

fn type_and_shape(info: &TensorInfo) -> String {
    let type_name = info.dtype.map_or(info.stored_type.as_str(), |dtype| dtype.python_name());
    format!("{type_name} {}", info.shape)
}

impl DiffOutcome {
    /// A word, and what there is to say beside it.
    fn text(&self) -> (&'static str, String) {
        match self {
            DiffOutcome::OnlyInA => ("first", String::new()),
            DiffOutcome::OnlyInB => ("second", String::new()),
            DiffOutcome::Changed { dtype: true, .. } => ("type", String::new()),
            DiffOutcome::Changed { .. } => ("shape", String::new()),
            DiffOutcome::Identical => ("same", String::new()),
            DiffOutcome::Numbers(numbers) => {
                (if numbers.n_different == 0 { "close" } else { "differs" }, numbers.text())
            }
            DiffOutcome::Strings(strings) => {
                (if strings.n_different == 0 { "same" } else { "differs" }, strings.text())
            }
            DiffOutcome::Unreadable { a, b } => {
                let why = [("first", a), ("second", b)]
                    .into_iter()
                    .filter_map(|(which, error)| Some(format!("{which}: {}", error.as_ref()?)));
                ("damaged", why.collect::<Vec<_>>().join("; "))
            }
        }
    }
}

impl NumberDiff {
    fn text(&self) -> String {
        let mut parts = Vec::new();
        if self.n_different > 0 {
            parts.push(format!("{} of {}", self.n_different, self.n_elements));
        }
        if self.n_not_finite > 0 {
            parts.push(format!("{} not finite", self.n_not_finite));
        }
        if let Some(Extreme { value, index }) = &self.max_abs {
            let value = match value {
                Number::Int(int) => int.to_string(),
                Number::Float(float) => short_text(*float, N_DIGITS),
            };
            parts.push(format!("most {value} at {}", place(index)));
        }
        if let Some(Extreme { value, index }) = &self.max_rel {
            let value = short_text(*value, N_DIGITS);
            parts.push(format!("relative {value} at {}", place(index)));
        }
        if let Some(mean) = self.mean_abs {
            parts.push(format!("mean {}", short_text(mean, N_DIGITS)));
        }
        if let (Some(first), None) = (&self.first, &self.max_abs) {
            parts.push(format!("first at {}", place(first)));
        }
        parts.join(", ")
    }
}

impl StringDiff {
    fn text(&self) -> String {
        match &self.first {
            None => String::new(),
            Some(first) => {
                format!("{} of {}, first at {}", self.n_different, self.n_elements, place(first))
            }
        }
    }
}

/// `[1,2]`, as NumPy indexes.
fn place(index: &[usize]) -> String {
    let index: Vec<String> = index.iter().map(ToString::to_string).collect();
    format!("[{}]", index.join(","))
}
