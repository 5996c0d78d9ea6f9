use std::fmt::Write as _;

use super::Histogram;
use super::text::labels;
use crate::numbers::short_text;

/// How a histogram is drawn as a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SvgOptions {
    /// The line on top; cut at its beginning if it is too long, for names of tensors differ at the end.
    pub title: String,
    /// A smaller line below it; cut at its end.
    pub subtitle: String,
    /// The width in pixels; at least 200.
    pub width: u32,
    /// The height in pixels; at least 150.
    pub height: u32,
}

impl Default for SvgOptions {
    fn default() -> SvgOptions {
        SvgOptions { title: String::new(), subtitle: String::new(), width: 720, height: 400 }
    }
}

impl SvgOptions {
    fn size(&self) -> (u32, u32) {
        (self.width.max(200), self.height.max(150))
    }
}

/// Pixels around the bars: for labels and titles.
const LEFT: f64 = 72.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 56.0;

/// Where the bars are: pixels, with the origin at the lower left corner.
struct Plot {
    width: f64,
    height: f64,
}

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
        let (width, height) = options.size();
        let plot = Plot {
            width: f64::from(width) - LEFT - RIGHT,
            height: f64::from(height) - TOP - BOTTOM,
        };
        let place = if top > 0 { format!(" y=\"{top}\"") } else { String::new() };
        // Writing to a String cannot fail, here and below.
        let _ = write!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\"{place} width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">\n\
             <title>{}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
            escaped(&options.title)
        );
        let room = f64::from(width) - 32.0;
        let title = escaped(&cut_start(&options.title, room / 16.0));
        let subtitle = escaped(&cut_end(&options.subtitle, room / 12.0));
        let _ = writeln!(
            svg,
            "<text x=\"16\" y=\"26\" font-size=\"16\" font-weight=\"bold\">{title}</text>"
        );
        let _ = writeln!(svg, "<text x=\"16\" y=\"45\" fill=\"#555\">{subtitle}</text>");
        let _ = writeln!(svg, "<g transform=\"translate({LEFT} {})\">", TOP + plot.height);
        self.draw_counts_axis(&plot, svg);
        self.draw_bars(&plot, svg);
        self.draw_values_axis(&plot, svg);
        svg.push_str("</g>\n</svg>\n");
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

    fn draw_counts_axis(&self, plot: &Plot, svg: &mut String) {
        svg.push_str("<g text-anchor=\"end\">\n");
        let n_ticks = (plot.height / 50.0).max(2.0);
        for tick in ticks(0.0, self.largest() as f64, n_ticks, 1.0) {
            let y = -tick / self.largest() as f64 * plot.height;
            let (line, text) = (pixels(y), pixels(y + 4.0));
            let _ = writeln!(
                svg,
                "<line x1=\"-5\" x2=\"{}\" y1=\"{line}\" y2=\"{line}\" stroke=\"#ddd\"/>\
                 <text x=\"-9\" y=\"{text}\">{}</text>",
                pixels(plot.width),
                count_label(tick),
            );
        }
        svg.push_str("</g>\n");
        let middle = pixels(-plot.height / 2.0);
        let _ = writeln!(
            svg,
            "<text transform=\"translate(-56 {middle}) rotate(-90)\" text-anchor=\"middle\">elements</text>"
        );
    }

    fn draw_values_axis(&self, plot: &Plot, svg: &mut String) {
        let (first, last) = (self.edges[0], self.edges[self.n_bins()]);
        let ticks = ticks(first, last, (plot.width / 90.0).max(2.0), 0.0);
        let _ = writeln!(svg, "<path d=\"M0 0H{}\" stroke=\"#222\"/>", pixels(plot.width));
        svg.push_str("<g text-anchor=\"middle\">\n");
        for (tick, label) in ticks.iter().zip(labels(&ticks)) {
            let x = pixels((tick / 2.0 - first / 2.0) / (last / 2.0 - first / 2.0) * plot.width);
            let _ = writeln!(
                svg,
                "<path d=\"M{x} 0V5\" stroke=\"#222\"/><text x=\"{x}\" y=\"19\">{label}</text>"
            );
        }
        svg.push_str("</g>\n");
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"40\" text-anchor=\"middle\">value</text>",
            pixels(plot.width / 2.0)
        );
    }
}

/// Round numbers in a range, about so many, with steps of at least `least`.
fn ticks(first: f64, last: f64, n: f64, least: f64) -> Vec<f64> {
    let rough = (last / n - first / n).max(least).max(f64::MIN_POSITIVE);
    let magnitude = 10f64.powf(rough.log10().floor());
    // Between two of 1, 2, 5 and 10, their geometric mean decides.
    let step = match rough / magnitude {
        ratio if ratio < 2f64.sqrt() => magnitude,
        ratio if ratio < 10f64.sqrt() => 2.0 * magnitude,
        ratio if ratio < 50f64.sqrt() => 5.0 * magnitude,
        _ => 10.0 * magnitude,
    };
    let (from, to) = ((first / step - 1e-9).ceil(), (last / step + 1e-9).floor());
    let n_ticks = (to - from).clamp(0.0, 100.0) as u32;
    // A zero has no sign here, and sums of steps would show their rounding.
    let ticks = (0..=n_ticks).map(|idx| (from + f64::from(idx)) * step + 0.0);
    let slack = step * 1e-6;
    ticks.filter(|tick| (first - slack..=last + slack).contains(tick)).collect()
}

fn count_label(count: f64) -> String {
    let units = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")];
    match units.into_iter().find(|(from, _)| count >= *from) {
        Some((1e4, unit)) => format!("{}{unit}", short_text(count / 1e3, 4)),
        Some((unit, name)) => format!("{}{name}", short_text(count / unit, 4)),
        None => short_text(count, 4),
    }
}

fn pixels(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.into() }
}

/// The end of a text that has room, in heights of the font.
fn cut_start(text: &str, room: f64) -> String {
    match n_fitting(text.chars().rev(), room) {
        None => text.into(),
        Some(n) => {
            let n_cut = text.chars().count() - n;
            std::iter::once('…').chain(text.chars().skip(n_cut)).collect()
        }
    }
}

/// The beginning of a text that has room, in heights of the font.
fn cut_end(text: &str, room: f64) -> String {
    match n_fitting(text.chars(), room) {
        None => text.into(),
        Some(n) => text.chars().take(n).chain(std::iter::once('…')).collect(),
    }
}

/// How many characters have room beside an ellipsis; `None` if all have. Widths are those of wide fonts, for
/// nobody knows with which one the picture will be shown.
fn n_fitting(chars: impl Iterator<Item = char> + Clone, room: f64) -> Option<usize> {
    let width = |c: char| match c {
        'm' | 'w' | '%' | '@' => 1.0,
        c if c.is_ascii_uppercase() => 0.8,
        c if c.is_ascii() => 0.65,
        _ => 1.0,
    };
    if chars.clone().map(width).sum::<f64>() <= room {
        return None;
    }
    let ends = chars.scan(1.0, |end, c| {
        *end += width(c);
        Some(*end)
    });
    Some(ends.take_while(|end| *end <= room).count())
}

/// Text as XML holds it; characters that XML cannot hold are replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push(' '),
            '\0'..'\u{20}' | '\u{fffe}' | '\u{ffff}' => out.push(char::REPLACEMENT_CHARACTER),
            c => out.push(c),
        }
    }
    out
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
    fn long_titles_keep_their_end() {
        assert_eq!(cut_start("layer/kernel", 5.0), "…kernel");
        assert_eq!(cut_end("layer/kernel", 4.5), "layer…");
        assert_eq!(cut_start("kernel", 4.0), "kernel");
        assert_eq!(cut_end("VALUE", 4.0), "VALUE");
        assert_eq!(cut_end("", 0.0), "");
        assert_eq!(cut_end("a", 0.0), "…");
    }

    #[test]
    fn ticks_are_round_and_inside() {
        let cases: [(f64, f64, &[&str]); 6] = [
            (0.0, 10.0, &["0", "2", "4", "6", "8", "10"]),
            (-0.3, 0.3, &["-0.3", "-0.2", "-0.1", "0", "0.1", "0.2", "0.3"]),
            (0.0, 1.0, &["0", "0.2", "0.4", "0.6", "0.8", "1"]),
            (-1.7, 4.2, &["-1", "0", "1", "2", "3", "4"]),
            (-1e308, 1e308, &["-1e+308", "-5e+307", "0", "5e+307", "1e+308"]),
            (1e-310, 2e-310, &[]),
        ];
        for (first, last, expected) in cases {
            assert_eq!(labels(&ticks(first, last, 5.0, 0.0)), expected, "{first} {last}");
        }
        assert_eq!(labels(&ticks(0.0, 2.0, 5.0, 1.0)), ["0", "1", "2"]);
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
