mod svg;
mod text;

pub use svg::curves_svg;
pub use text::CurveText;

/// Values over steps, such as a loss in the course of a training.
///
/// ```
/// use flowkeep_ckpt::{Curve, CurveText};
///
/// let mut curve = Curve::new("loss:0");
/// (1..=8u8).for_each(|step| curve.push(step.into(), 8.0 / f64::from(step)));
/// let text = curve.to_text(&CurveText { width: 24, height: 4, ascii: true });
/// assert_eq!(text, "\
/// 8 | *
///   |
///   |    * *
/// 1 |         *  *  * *  *
///     1                  8
/// ");
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    name: String,
    points: Vec<(f64, f64)>,
}

impl Curve {
    /// A curve without points.
    pub fn new(name: impl Into<String>) -> Curve {
        Curve { name: name.into(), points: Vec::new() }
    }

    /// Adds a value; steps are given in ascending order.
    pub fn push(&mut self, step: f64, value: f64) {
        self.points.push((step, value));
    }

    /// What the values are called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Steps and values, in the order in which they were added.
    pub fn points(&self) -> &[(f64, f64)] {
        &self.points
    }

    /// The values that can be drawn.
    fn finite(&self) -> impl Iterator<Item = (f64, f64)> {
        self.points.iter().copied().filter(|(step, value)| step.is_finite() && value.is_finite())
    }

    /// The first and the last step that can be drawn.
    fn steps(&self) -> Option<(f64, f64)> {
        range(self.finite().map(|(step, _)| step))
    }

    /// The least and the largest value that can be drawn.
    fn values(&self) -> Option<(f64, f64)> {
        range(self.finite().map(|(_, value)| value))
    }
}

/// The least and the largest of some numbers.
fn range(numbers: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    numbers.fold(None, |range, number| {
        let (least, largest) = range.unwrap_or((number, number));
        Some((number.min(least), number.max(largest)))
    })
}
