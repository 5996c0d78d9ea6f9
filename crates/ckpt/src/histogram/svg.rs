use std::fmt::Write as _;

use super::Histogram;
use crate::SvgOptions;
use crate::numbers::short_text;
use crate::picture::{Plot, labels, pixels, ticks};

impl Histogram {
    /// A picture that needs nothing else: bars, axes with labels, titles. What a bin holds is shown when
    /// the pointer rests on its bar.
    pub fn to_svg(&self, options: &SvgOptions) -> String {
        let mut svg = String::new();
        self.draw(options, 0, &mut svg);
        svg
    }

    /// Pictures below one another, in one picture.
    pub(crate) fn page_svg(pictures: &[(&Histogram, SvgOptions)]) -> String {
        let sizes = || pictures.iter().map(|(_, options)| options.size());
        let width = sizes().map(|(width, _)| width).max().unwrap_or(0);
        let height: u64 = sizes().map(|(_, height)| u64::from(height)).sum();
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\">\n",
        );
        let mut top = 0;
        for (histogram, options) in pictures {
            histogram.draw(options, top, &mut svg);
            top += u64::from(options.size().1);
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// Draws so many pixels from the top.
    fn draw(&self, options: &SvgOptions, top: u64, svg: &mut String) {
        let plot = Plot::open(options, top, svg);
        let largest = self.largest() as f64;
        let counts = ticks(0.0, largest, plot.n_rows(), 1.0).into_iter();
        plot.draw_left_axis(
            "elements",
            counts.map(|tick| (tick / largest, count_label(tick))),
            svg,
        );
        self.draw_bars(&plot, svg);
        plot.draw_lower_axis("value", self.edges[0], self.edges[self.n_bins()], 0.0, svg);
        plot.close(svg);
    }

    fn largest(&self) -> u64 {
        self.counts.iter().copied().max().unwrap_or(0).max(1)
    }

    fn draw_bars(&self, plot: &Plot, svg: &mut String) {
        let labels = labels(&self.edges);
        let step = plot.width / self.n_bins() as f64;
        let gap = if step >= 4.0 { 1.0 } else { 0.0 };
        svg.push_str("<g fill=\"#3b73af\">\n");
        for (bin, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let height = (*count as f64 / self.largest() as f64 * plot.height).max(1.0);
            // Writing to a String cannot fail.
            let _ = writeln!(
                svg,
                "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"><title>{} to {}: {count}</title></rect>",
                pixels(bin as f64 * step),
                pixels(-height),
                pixels(step - gap),
                pixels(height),
                labels[bin],
                labels[bin + 1],
            );
        }
        svg.push_str("</g>\n");
    }
}

fn count_label(count: f64) -> String {
    let units = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")];
    match units.into_iter().find(|(from, _)| count >= *from) {
        Some((1e4, unit)) => format!("{}{unit}", short_text(count / 1e3, 4)),
        Some((unit, name)) => format!("{}{name}", short_text(count / unit, 4)),
        None => short_text(count, 4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_the_picture() {
        let options = SvgOptions {
            title: "a<b>&\"c\"\u{1}\n</title><script>".into(),
            ..SvgOptions::default()
        };
        let svg = Histogram::of(&[1.0, 2.0], 2).to_svg(&options);
        assert!(svg.contains(
            "<title>a&lt;b&gt;&amp;&quot;c&quot;\u{fffd} &lt;/title&gt;&lt;script&gt;</title>"
        ));
        assert!(!svg.contains("<script") && !svg.contains('\u{1}'));
        assert_eq!(svg.matches("<rect ").count(), 3);
        assert!(svg.contains("<title>1 to 1.5: 1</title>"));
    }

    #[test]
    fn large_counts_are_short() {
        let cases = [(0.0, "0"), (9999.0, "9999"), (20_000.0, "20k"), (2.5e6, "2.5M"), (1e9, "1G")];
        for (count, expected) in cases {
            assert_eq!(count_label(count), expected);
        }
    }

    #[test]
    fn every_histogram_can_be_drawn() {
        let max = f64::MAX;
        for values in [&[][..], &[1.0], &[-max, max], &[5e-324, 1e-323], &[0.0; 9]] {
            for n_bins in [1, 7, 3000] {
                let options = SvgOptions { width: 1, height: 1, ..SvgOptions::default() };
                let svg = Histogram::of(values, n_bins).to_svg(&options);
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{values:?} {svg}");
            }
        }
    }
}
