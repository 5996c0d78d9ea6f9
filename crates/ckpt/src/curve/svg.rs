use std::fmt::Write as _;

use super::{Curve, range};
use crate::SvgOptions;
use crate::picture::{Plot, cut_start, escaped, labels, pixels, share, ticks};

const COLORS: [&str; 6] = ["#3b73af", "#c0504d", "#5f9e4e", "#8064a2", "#d68a2e", "#4bacc6"];
/// The most points of a line; of more, those that share a place are drawn as their mean.
const MAX_POINTS: usize = 2000;

/// A picture of curves over the same steps, that needs nothing else: lines, axes with labels, titles,
/// and names where there are several. What is not finite is left out, and interrupts its line.
pub fn curves_svg(curves: &[Curve], options: &SvgOptions) -> String {
    let mut svg = String::new();
    let plot = Plot::open(options, 0, &mut svg);
    let both = |(least, largest): (f64, f64)| [least, largest];
    let steps = range(curves.iter().filter_map(Curve::steps).flat_map(both)).unwrap_or((0.0, 1.0));
    let values =
        range(curves.iter().filter_map(Curve::values).flat_map(both)).unwrap_or((0.0, 1.0));
    let values = widened(values);

    let numbers = ticks(values.0, values.1, plot.n_rows(), 0.0);
    let shares = numbers.iter().map(|tick| share(*tick, values.0, values.1));
    let name = if let [curve] = curves { &*curve.name } else { "value" };
    let name = escaped(&cut_start(name, plot.height / 12.0));
    plot.draw_left_axis(&name, shares.zip(labels(&numbers)), &mut svg);
    for (curve, color) in curves.iter().zip(COLORS.iter().cycle()) {
        draw(curve, color, &plot, steps, values, &mut svg);
    }
    plot.draw_lower_axis("step", steps.0, steps.1, 1.0, &mut svg);
    if curves.len() > 1 {
        draw_names(curves, &plot, &mut svg);
    }
    plot.close(&mut svg);
    svg
}

/// A range with a little room at its ends, so that lines do not lie on the frame.
fn widened((least, largest): (f64, f64)) -> (f64, f64) {
    let room = match (largest / 2.0 - least / 2.0) * 0.08 {
        room if room > 0.0 => room,
        _ => largest.abs().max(1.0) * 0.1,
    };
    ((least - room).max(f64::MIN), (largest + room).min(f64::MAX))
}

fn draw(
    curve: &Curve,
    color: &str,
    plot: &Plot,
    steps: (f64, f64),
    values: (f64, f64),
    svg: &mut String,
) {
    let mut path = String::new();
    let mut is_open = false;
    let n = curve.points.len().div_ceil(MAX_POINTS).max(1);
    for points in curve.points.chunks(n) {
        let finite: Vec<_> = points.iter().filter(|(_, value)| value.is_finite()).collect();
        let Some((step, _)) = finite.first() else {
            is_open = false;
            continue;
        };
        let shares = finite.iter().map(|(_, value)| share(*value, values.0, values.1));
        let y = shares.sum::<f64>() / finite.len() as f64 * plot.height;
        let x = share(*step, steps.0, steps.1) * plot.width;
        let (x, y) = (pixels(x), pixels(-y));
        // A line to where it begins is a dot, since ends are round. Writing to a String cannot fail.
        let _ = match is_open {
            true => write!(path, "L{x} {y}"),
            false => write!(path, "M{x} {y}L{x} {y}"),
        };
        is_open = true;
    }
    let name = escaped(&curve.name);
    let _ = writeln!(
        svg,
        "<path d=\"{path}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"1.5\" stroke-linecap=\"round\" \
         stroke-linejoin=\"round\"><title>{name}</title></path>"
    );
}

fn draw_names(curves: &[Curve], plot: &Plot, svg: &mut String) {
    svg.push_str("<g text-anchor=\"end\">\n");
    let mut y = -plot.height + 14.0;
    for (curve, color) in curves.iter().zip(COLORS.iter().cycle()) {
        let name = escaped(&cut_start(&curve.name, plot.width / 24.0));
        let (x, at) = (pixels(plot.width - 6.0), pixels(y));
        let _ = writeln!(svg, "<text x=\"{x}\" y=\"{at}\" fill=\"{color}\">{name}</text>");
        y += 16.0;
    }
    svg.push_str("</g>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(name: &str, values: &[f64]) -> Curve {
        let mut curve = Curve::new(name);
        (0u32..).zip(values).for_each(|(step, value)| curve.push(step.into(), *value));
        curve
    }

    #[test]
    fn lines_go_through_their_points() {
        let options = SvgOptions { width: 296, height: 228, ..SvgOptions::default() };
        let svg = curves_svg(&[curve("loss:0", &[0.0, 1.0, f64::NAN, 0.5, 1.0])], &options);
        // 200 by 108 pixels, of which the values take 100 in the middle.
        assert!(svg.contains("<path d=\"M0 -4L0 -4L50 -104M150 -54L150 -54L200 -104\""), "{svg}");
        assert!(svg.contains("text-anchor=\"middle\">loss:0</text>"));
        assert!(svg.contains("<title>loss:0</title>"));
    }

    #[test]
    fn several_curves_are_named() {
        let svg = curves_svg(&[curve("a", &[1.0]), curve("b<c>", &[2.0])], &SvgOptions::default());
        assert!(svg.contains(">a</text>") && svg.contains(">b&lt;c&gt;</text>"));
        assert!(!svg.contains("<c>"));
    }

    #[test]
    fn every_curve_can_be_drawn() {
        let long: Vec<f64> = (0..5000).map(f64::from).collect();
        let max = f64::MAX;
        for values in [&[][..], &[f64::NAN], &[1.0], &[0.0; 3], &[-max, max], &[max, max], &long] {
            let svg = curves_svg(&[curve("x", values)], &SvgOptions::default());
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{values:?} {svg}");
            assert!(svg.len() < 60_000);
        }
    }
}
