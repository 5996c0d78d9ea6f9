use std::fmt::Write as _;

use super::Curve;
use crate::numbers::short_text;
use crate::picture::share;

/// How a curve is drawn with characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurveText {
    /// The number of columns that lines may take. Labels are never cut, so that very few columns are
    /// exceeded.
    pub width: usize,
    /// The number of lines, without the one below for the steps.
    pub height: usize,
    /// Whether the curve is made of `*` instead of Braille's dots, which are eight to a character.
    pub ascii: bool,
}

impl Default for CurveText {
    fn default() -> CurveText {
        CurveText { width: 80, height: 10, ascii: false }
    }
}

/// The dots of a Braille character, by row and column, as bits of its number.
const BRAILLE: [[u32; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
const BLANK_BRAILLE: u32 = 0x2800;

impl Curve {
    /// The curve over its steps, with the least and the largest value and the first and the last step
    /// beside it. Values that share a place are drawn as their mean; what is not finite is left out.
    /// Without any value, there is no text.
    pub fn to_text(&self, options: &CurveText) -> String {
        let (Some((first, last)), Some((least, largest))) = (self.steps(), self.values()) else {
            return String::new();
        };
        let labels = [short_text(largest, 4), short_text(least, 4)];
        let label_width = labels.iter().map(String::len).max().unwrap_or(0);
        let n_columns = options.width.saturating_sub(label_width + 3).max(1);
        let n_lines = options.height.max(1);
        let (across, down) = if options.ascii { (1, 1) } else { (2, 4) };
        let dots = self.dots(n_columns * across, n_lines * down);

        let mut text = String::new();
        let bar = if options.ascii { '|' } else { '│' };
        for line in 0..n_lines {
            let label = match line {
                0 => &*labels[0],
                line if line + 1 == n_lines => &*labels[1],
                _ => "",
            };
            let curve: String = (0..n_columns)
                .map(|column| match options.ascii {
                    true if dots[column] == Some(line) => '*',
                    true => ' ',
                    false => braille(&dots[column * 2..][..2], line * 4),
                })
                .collect();
            let curve = curve.trim_end_matches([' ', '\u{2800}']);
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}", format!("{label:>label_width$} {bar} {curve}").trim_end());
        }
        let (first, last) = (short_text(first, 10), short_text(last, 10));
        let gap = n_columns.saturating_sub(first.len());
        let indent = label_width + 3;
        let _ = writeln!(text, "{:indent$}{first}{last:>gap$}", "");
        text
    }

    /// For each column, the row of its dot, counted from above.
    fn dots(&self, n_columns: usize, n_rows: usize) -> Vec<Option<usize>> {
        let (first, last) = self.steps().unwrap_or_default();
        let (least, largest) = self.values().unwrap_or_default();
        let place = |share: f64, n: usize| (share * (n - 1) as f64).round() as usize;
        let mut sums = vec![(0.0, 0u32); n_columns];
        for (step, value) in self.finite() {
            let (sum, n) = &mut sums[place(share(step, first, last), n_columns).min(n_columns - 1)];
            *sum += share(value, least, largest);
            *n += 1;
        }
        let row = |(sum, n): &(f64, u32)| {
            (*n > 0).then(|| n_rows - 1 - place(sum / f64::from(*n), n_rows).min(n_rows - 1))
        };
        sums.iter().map(row).collect()
    }
}

/// The character of two columns and the four rows from `top` on.
fn braille(dots: &[Option<usize>], top: usize) -> char {
    let mut bits = BLANK_BRAILLE;
    for (row, of_row) in BRAILLE.iter().enumerate() {
        for (bit, dot) in of_row.iter().zip(dots) {
            bits |= if *dot == Some(top + row) { *bit } else { 0 };
        }
    }
    char::from_u32(bits).unwrap_or(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(values: &[f64]) -> Curve {
        let mut curve = Curve::new("loss:0");
        (10u32..).zip(values).for_each(|(step, value)| curve.push(step.into(), *value));
        curve
    }

    #[test]
    fn dots_lie_where_values_are() {
        let text =
            curve(&[3.0, 2.0, 1.0, 0.0]).to_text(&CurveText { width: 6, height: 1, ascii: false });
        assert_eq!(text, "3 │ ⠑⢄\n    1013\n");
        let text = curve(&[0.0, 1.0, 0.5]).to_text(&CurveText { width: 7, height: 3, ascii: true });
        assert_eq!(text, "1 |  *\n  |   *\n0 | *\n    1012\n");
    }

    #[test]
    fn what_shares_a_place_is_averaged() {
        let values: Vec<f64> = (0..1000).map(|step| f64::from(step % 2)).collect();
        let text = curve(&values).to_text(&CurveText { width: 24, height: 3, ascii: true });
        assert_eq!(text.lines().nth(1), Some("  | ********************"));
    }

    #[test]
    fn any_curve_and_any_size_will_do() {
        let odd = [
            &[][..],
            &[f64::NAN],
            &[f64::INFINITY, 1.0],
            &[2.0],
            &[2.0, 2.0],
            &[-f64::MAX, f64::MAX, f64::NAN],
        ];
        for values in odd {
            let n_finite = values.iter().filter(|value| value.is_finite()).count();
            for (width, height) in [(0, 0), (1, 1), (3, 2), (200, 30)] {
                for ascii in [false, true] {
                    let text = curve(values).to_text(&CurveText { width, height, ascii });
                    let n_lines = if n_finite == 0 { 0 } else { height.max(1) + 1 };
                    assert_eq!(text.lines().count(), n_lines, "{values:?} {width} {height}");
                    assert!(!text.contains("NaN"), "{text}");
                }
            }
        }
    }
}
