//! Integers of an array in a common width.

use super::options::PrintSign;

/// How all integers of one array print: aligned to the right.
pub(super) struct IntegerFormat {
    sign: PrintSign,
    width: usize,
}

impl IntegerFormat {
    /// The format that suits these values. Blanks for signs give way where there is a negative value.
    pub(super) fn new(values: impl Iterator<Item = i128>, sign: PrintSign) -> IntegerFormat {
        let (min, max) = values
            .fold((i128::MAX, i128::MIN), |(min, max), value| (min.min(value), max.max(value)));
        let sign = if sign == PrintSign::Space && min < 0 { PrintSign::Minus } else { sign };
        let mut format = IntegerFormat { sign, width: 0 };
        format.width = format.text(max).len().max(min.to_string().len());
        format
    }

    /// The value's text, padded to the array's common width.
    pub(super) fn text(&self, value: i128) -> String {
        let width = self.width;
        match self.sign {
            PrintSign::Minus => format!("{value:>width$}"),
            PrintSign::Plus => format!("{value:>+width$}"),
            PrintSign::Space if value >= 0 => format!("{:>width$}", format!(" {value}")),
            PrintSign::Space => format!("{value:>width$}"),
        }
    }
}
