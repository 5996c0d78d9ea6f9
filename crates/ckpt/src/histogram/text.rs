use std::fmt::Write as _;

use super::Histogram;
use crate::picture::labels;

/// How a histogram is drawn with characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistogramText {
    /// The number of columns that lines may take. Labels are never cut, so that very few columns are
    /// exceeded.
    pub width: usize,
    /// Whether bars are made of `#` instead of Unicode's blocks, which are eight times as fine.
    pub ascii: bool,
}

impl Default for HistogramText {
    fn default() -> HistogramText {
        HistogramText { width: 80, ascii: false }
    }
}

/// Blocks of one to eight eighths.
const BLOCKS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

impl Histogram {
    /// A line for each bin: its edges, a bar, and the number of values. A bin that is not empty has a
    /// bar that can be seen.
    pub fn to_text(&self, options: &HistogramText) -> String {
        let edges = labels(&self.edges);
        let n_columns = edges.iter().map(String::len).max().unwrap_or(0);
        let label =
            |bin: usize| format!("{:>n_columns$} .. {:>n_columns$}", edges[bin], edges[bin + 1]);
        let mut rows: Vec<_> =
            (0..self.n_bins()).map(|bin| (label(bin), self.counts[bin])).collect();
        if self.n_below > 0 {
            rows.insert(0, (format!("below {}", edges[0]), self.n_below));
        }
        if self.n_above > 0 {
            rows.push((format!("above {}", edges[self.n_bins()]), self.n_above));
        }

        let largest = rows.iter().map(|(_, count)| *count).max().unwrap_or(0);
        let label_width = rows.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
        let count_width = largest.to_string().len();
        let bar_width = options.width.saturating_sub(label_width + count_width + 4).max(1);
        let mut text = String::new();
        for (label, count) in rows {
            let bar = bar(count, largest, bar_width, options.ascii);
            // Writing to a String cannot fail.
            let _ =
                writeln!(text, "{label:>label_width$}  {bar:<bar_width$}  {count:>count_width$}");
        }
        text
    }
}

fn bar(count: u64, largest: u64, width: usize, ascii: bool) -> String {
    let n_parts = if ascii { 1 } else { BLOCKS.len() };
    let share = count as f64 / largest.max(1) as f64;
    let n = (share * (width * n_parts) as f64).round() as usize;
    let n = n.max(usize::from(count > 0));
    if ascii {
        return "#".repeat(n);
    }
    let mut bar = String::from(BLOCKS[7]).repeat(n / 8);
    bar.extend((n % 8).checked_sub(1).map(|part| BLOCKS[part]));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HistogramOptions;
    use crate::histogram::Bins;

    fn histogram(edges: &[f64], counts: &[u64]) -> Histogram {
        Histogram { edges: edges.to_vec(), counts: counts.to_vec(), n_below: 0, n_above: 0 }
    }

    #[test]
    fn bars_are_in_proportion() {
        let edges = [-1.5, -0.5, 0.5, 1.5, 2.5, 3.5];
        let mut histogram = histogram(&edges, &[8, 16, 1, 0, 1000]);
        let options = HistogramText { width: 30, ascii: false };
        assert_eq!(
            histogram.to_text(&options),
            "\
-1.5 .. -0.5  ▏              8
-0.5 ..  0.5  ▏             16
 0.5 ..  1.5  ▏              1
 1.5 ..  2.5                 0
 2.5 ..  3.5  ██████████  1000
"
        );
        histogram.counts[4] = 16;
        (histogram.n_below, histogram.n_above) = (12, 2);
        let options = HistogramText { width: 30, ascii: true };
        assert_eq!(
            histogram.to_text(&options),
            "  below -1.5  #########     12
-1.5 .. -0.5  ######         8
-0.5 ..  0.5  ############  16
 0.5 ..  1.5  #              1
 1.5 ..  2.5                 0
 2.5 ..  3.5  ############  16
   above 3.5  ##             2
"
        );
    }

    #[test]
    fn eighths_are_drawn() {
        for (count, expected) in [(0, ""), (1, "▏"), (8, "▌"), (14, "▉"), (16, "█"), (17, "█▏")]
        {
            assert_eq!(bar(count, 32, 2, false), expected, "{count}");
        }
    }

    #[test]
    fn any_width_will_do() {
        let options = HistogramOptions::default();
        let bins = Bins::new(options.n_bins, None, true);
        let text = bins.into_histogram().to_text(&HistogramText { width: 0, ascii: false });
        assert_eq!(text.lines().count(), options.n_bins);
    }
}
