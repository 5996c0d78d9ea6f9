//! What pictures of all kinds have in common: a frame with titles, axes with round numbers, text that
//! is safe to show.

use std::fmt::Write as _;

use crate::numbers::short_text;

/// How a picture is drawn.
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
    pub(crate) fn size(&self) -> (u32, u32) {
        (self.width.max(200), self.height.max(150))
    }
}

/// Pixels around what is drawn: for labels and titles.
const LEFT: f64 = 72.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 56.0;

/// Where things are drawn: pixels, with the origin at the lower left corner.
pub(crate) struct Plot {
    pub(crate) width: f64,
    pub(crate) height: f64,
}

impl Plot {
    /// Begins a picture so many pixels from the top: its background, titles, and a group for what is
    /// drawn.
    pub(crate) fn open(options: &SvgOptions, top: u64, svg: &mut String) -> Plot {
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
        plot
    }

    /// Ends the picture.
    pub(crate) fn close(self, svg: &mut String) {
        svg.push_str("</g>\n</svg>\n");
    }

    /// About how many numbers the axis on the left has.
    pub(crate) fn n_rows(&self) -> f64 {
        (self.height / 50.0).max(2.0)
    }

    /// The axis on the left: a line across for each number, with its label, at its share of the height.
    pub(crate) fn draw_left_axis(
        &self,
        what: &str,
        ticks: impl Iterator<Item = (f64, String)>,
        svg: &mut String,
    ) {
        svg.push_str("<g text-anchor=\"end\">\n");
        for (share, label) in ticks {
            let y = -share * self.height;
            let (line, text) = (pixels(y), pixels(y + 4.0));
            let _ = writeln!(
                svg,
                "<line x1=\"-5\" x2=\"{}\" y1=\"{line}\" y2=\"{line}\" stroke=\"#ddd\"/>\
                 <text x=\"-9\" y=\"{text}\">{label}</text>",
                pixels(self.width),
            );
        }
        svg.push_str("</g>\n");
        let middle = pixels(-self.height / 2.0);
        let _ = writeln!(
            svg,
            "<text transform=\"translate(-56 {middle}) rotate(-90)\" text-anchor=\"middle\">{what}</text>"
        );
    }

    /// The axis below, from one number to another; numbers are at least so far from each other.
    pub(crate) fn draw_lower_axis(
        &self,
        what: &str,
        first: f64,
        last: f64,
        least: f64,
        svg: &mut String,
    ) {
        let ticks = ticks(first, last, (self.width / 90.0).max(2.0), least);
        let _ = writeln!(svg, "<path d=\"M0 0H{}\" stroke=\"#222\"/>", pixels(self.width));
        svg.push_str("<g text-anchor=\"middle\">\n");
        for (tick, label) in ticks.iter().zip(labels(&ticks)) {
            let x = pixels(share(*tick, first, last) * self.width);
            let _ = writeln!(
                svg,
                "<path d=\"M{x} 0V5\" stroke=\"#222\"/><text x=\"{x}\" y=\"19\">{label}</text>"
            );
        }
        svg.push_str("</g>\n");
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"40\" text-anchor=\"middle\">{what}</text>",
            pixels(self.width / 2.0)
        );
    }
}

/// How much of the way from `first` to `last` a value is; none of it where there is no way.
pub(crate) fn share(value: f64, first: f64, last: f64) -> f64 {
    // Halves, for the whole way may be longer than any number.
    let way = last / 2.0 - first / 2.0;
    if way > 0.0 { (value / 2.0 - first / 2.0) / way } else { 0.0 }
}

/// Round numbers in a range, about so many, with steps of at least `least`.
pub(crate) fn ticks(first: f64, last: f64, n: f64, least: f64) -> Vec<f64> {
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

pub(crate) fn pixels(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.into() }
}

/// The end of a text that has room, in heights of the font.
pub(crate) fn cut_start(text: &str, room: f64) -> String {
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
pub(crate) fn escaped(text: &str) -> String {
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

/// Numbers with just so many digits that no two are alike, but at least three.
pub(crate) fn labels(numbers: &[f64]) -> Vec<String> {
    let with =
        |n_digits| numbers.iter().map(|number| short_text(*number, n_digits)).collect::<Vec<_>>();
    let is_clear = |labels: &Vec<String>| labels.windows(2).all(|pair| pair[0] != pair[1]);
    (3..17).map(with).find(is_clear).unwrap_or_else(|| with(17))
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn labels_tell_edges_apart() {
        assert_eq!(labels(&[0.0, 0.5, 1.0]), ["0", "0.5", "1"]);
        assert_eq!(labels(&[1.0, 1.0001, 1.0002]), ["1", "1.0001", "1.0002"]);
        let near = [1.0, 1.0 + f64::EPSILON];
        assert_eq!(labels(&near), ["1", "1.0000000000000002"]);
    }
}
