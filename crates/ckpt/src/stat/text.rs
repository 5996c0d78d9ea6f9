use super::{NumberStat, StatReport, StatTotal, StatValues, StringStat, TensorStat};
use crate::HistogramText;
use crate::numbers::{Number, short_text};
use crate::text::{Align, Columns, TextOptions, counted, shown};

/// Significant digits of numbers in tables.
const N_DIGITS: usize = 5;

impl StatReport {
    /// As a table with a line of titles, followed by what is damaged, histograms, and the totals.
    ///
    /// Zeros are a share of all elements; `NaN` and `inf` are counts.
    pub fn text(&self, options: &TextOptions, histogram: &HistogramText) -> String {
        use Align::{Left, Right};
        let numbers = [Right; 7];
        let mut columns = Columns::new(&[[Left; 3].as_slice(), &numbers, &[Left]].concat());
        let titles = ["name", "type", "shape", "min", "max", "mean", "std", "zeros", "NaN", "inf"];
        columns.push(titles.map(str::to_owned).to_vec());
        for tensor in &self.tensors {
            let type_name = tensor
                .info
                .dtype
                .map_or(tensor.info.stored_type.as_str(), |dtype| dtype.python_name());
            let mut row =
                vec![shown(&tensor.info.name), type_name.into(), tensor.info.shape.to_string()];
            match &tensor.values {
                StatValues::Numbers(stat) => row.extend(number_cells(stat)),
                StatValues::Strings(strings) => {
                    row.extend(numbers.map(|_| String::new()));
                    row.push(string_note(strings));
                }
            }
            columns.push(row);
        }
        let mut out = String::new();
        columns.write(&mut out);
        for (name, error) in &self.damaged {
            let why = shown(error.to_string().as_bytes());
            out.push_str(&format!("{}  damaged: {why}\n", shown(name)));
        }
        for tensor in &self.tensors {
            if let Some(bars) = tensor.histogram_text(histogram) {
                let summary = tensor.summary();
                out.push_str(&format!("\n{}  {summary}\n{bars}", shown(&tensor.info.name)));
            }
        }
        if self.tensors.iter().any(|tensor| tensor.histogram().is_some()) {
            out.push('\n');
        }
        out.push_str(&self.total.text(options));
        out
    }
}

impl StatTotal {
    /// In one line.
    fn text(&self, options: &TextOptions) -> String {
        let n = |n: u64, thing| counted(usize::try_from(n).unwrap_or(usize::MAX), thing);
        let mut line = format!(
            "{}, {}, {}",
            n(self.n_tensors, "tensor"),
            n(self.n_params, "parameter"),
            options.sizes.text(self.len_bytes)
        );
        if self.n_params > 0 {
            line.push_str(&format!(", {} zeros", share(self.n_zeros, self.n_params)));
        }
        for (n_tensors, what) in [(self.n_nan_tensors, "NaN"), (self.n_inf_tensors, "infinities")] {
            if n_tensors > 0 {
                line.push_str(&format!(", {what} in {}", n(n_tensors, "tensor")));
            }
        }
        line + "\n"
    }
}

impl TensorStat {
    /// A line such as `float [3,4], mean 0.5, std 0.25, 3 NaN`.
    pub(super) fn summary(&self) -> String {
        let mut line = format!("{} {}", self.info.stored_type, self.info.shape);
        if let StatValues::Numbers(numbers) = &self.values {
            if let (Some(mean), Some(std)) = (numbers.mean, numbers.std) {
                let (mean, std) = (short_text(mean, 4), short_text(std, 4));
                line.push_str(&format!(", mean {mean}, std {std}"));
            }
            let aside =
                [(numbers.n_nan, "NaN"), (numbers.n_inf(), "inf"), (numbers.n_zeros, "zeros")];
            for (n, what) in aside.into_iter().filter(|(n, _)| *n > 0) {
                line.push_str(&format!(", {n} {what}"));
            }
        }
        line
    }
}

fn number_cells(numbers: &NumberStat) -> [String; 7] {
    let number = |number: Option<Number>| match number {
        None => "-".to_owned(),
        Some(Number::Int(int)) => int.to_string(),
        Some(Number::Float(float)) => short_text(float, N_DIGITS),
    };
    let float = |value: Option<f64>| number(value.map(Number::Float));
    [
        number(numbers.min),
        number(numbers.max),
        float(numbers.mean),
        float(numbers.std),
        share(numbers.n_zeros, numbers.n_elements()),
        numbers.n_nan.to_string(),
        numbers.n_inf().to_string(),
    ]
}

/// A share in percent: `0%` and `100%` are exact.
fn share(n: u64, of: u64) -> String {
    match (n, of) {
        (0, _) => "0%".into(),
        (n, of) if n == of => "100%".into(),
        (n, of) => {
            let percent = n as f64 / of as f64 * 100.0;
            format!(
                "{}%",
                short_text(percent.clamp(0.01, 99.99), if percent > 99.0 { 4 } else { 3 })
            )
        }
    }
}

fn string_note(strings: &StringStat) -> String {
    let StringStat { n, n_empty, len_bytes, .. } = strings;
    match (strings.min_len, strings.max_len) {
        (Some(min), Some(max)) if *n > 1 => {
            let empty = if *n_empty > 0 { format!(", {n_empty} empty") } else { String::new() };
            format!("{min} to {max} bytes long, {len_bytes} in all{empty}")
        }
        (Some(len), _) => format!("{len} bytes long"),
        _ => "-".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_never_round_to_none_or_all() {
        let cases = [
            (0, 5, "0%"),
            (5, 5, "100%"),
            (1, 3, "33.3%"),
            (1, 1_000_000, "0.01%"),
            (999_999, 1_000_000, "99.99%"),
            (0, 0, "0%"),
        ];
        for (n, of, expected) in cases {
            assert_eq!(share(n, of), expected, "{n} of {of}");
        }
    }
}
