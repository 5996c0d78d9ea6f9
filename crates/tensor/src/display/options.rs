//! NumPy's print options.

use std::str::FromStr;

use crate::Error;

/// How [`Tensor::numpy_str_with`](crate::Tensor::numpy_str_with) prints: NumPy's print options but
/// for `formatter` and `legacy`.
///
/// As in NumPy they decide how arrays print; a scalar always prints whole. The default is NumPy's.
///
/// ```
/// use flowkeep_tensor::{PrintOptions, Tensor};
///
/// let tensor = Tensor::from_elements(vec![0.125f32, 1.0 / 3.0]);
/// let options = PrintOptions { precision: Some(2), ..PrintOptions::default() };
/// assert_eq!(tensor.numpy_str_with(&options), "[0.12 0.33]");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrintOptions {
    /// The digits after the point, as [`FloatMode`] understands them; `None` for as many as tell each
    /// value from its neighbors. More than 16,000 count as 16,000.
    pub precision: Option<usize>,
    /// Arrays of more elements than this are abbreviated.
    pub threshold: usize,
    /// Items kept at each end of an abbreviated dimension; the last one is always kept.
    pub edgeitems: usize,
    /// Characters per line.
    pub linewidth: usize,
    /// Whether small numbers, and those of very different sizes, print without exponents.
    pub suppress: bool,
    /// The text of NaN.
    pub nanstr: String,
    /// The text of infinity, without sign.
    pub infstr: String,
    /// The sign of positive numbers.
    pub sign: PrintSign,
    /// The meaning of `precision`.
    pub floatmode: FloatMode,
}

/// What stands before positive numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrintSign {
    /// Nothing, NumPy's `-`.
    Minus,
    /// A plus sign, `+`.
    Plus,
    /// A blank, ` `.
    Space,
}

/// What a precision means for the digits after the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloatMode {
    /// Exactly that many, `fixed`. Without a precision, which NumPy refuses, as
    /// [`FloatMode::MaxprecEqual`].
    Fixed,
    /// As many as tell each value from its neighbors, whatever the precision, `unique`.
    Unique,
    /// At most that many, `maxprec`.
    Maxprec,
    /// At most that many, and the same number for all elements, `maxprec_equal`.
    MaxprecEqual,
}

impl Default for PrintOptions {
    fn default() -> PrintOptions {
        PrintOptions {
            precision: Some(8),
            threshold: 1000,
            edgeitems: 3,
            linewidth: 75,
            suppress: false,
            nanstr: "nan".into(),
            infstr: "inf".into(),
            sign: PrintSign::Minus,
            floatmode: FloatMode::Maxprec,
        }
    }
}

impl FromStr for PrintSign {
    type Err = Error;

    /// Reads NumPy's `-`, `+` or a blank.
    fn from_str(text: &str) -> Result<PrintSign, Error> {
        match text {
            "-" => Ok(PrintSign::Minus),
            "+" => Ok(PrintSign::Plus),
            " " => Ok(PrintSign::Space),
            _ => Err(Error::BadPrintOption("sign option must be one of ' ', '+', or '-'".into())),
        }
    }
}

impl FromStr for FloatMode {
    type Err = Error;

    /// Reads NumPy's name, such as `maxprec_equal`.
    fn from_str(text: &str) -> Result<FloatMode, Error> {
        match text {
            "fixed" => Ok(FloatMode::Fixed),
            "unique" => Ok(FloatMode::Unique),
            "maxprec" => Ok(FloatMode::Maxprec),
            "maxprec_equal" => Ok(FloatMode::MaxprecEqual),
            _ => Err(Error::BadPrintOption(
                r#"floatmode option must be one of "fixed", "unique", "maxprec", "maxprec_equal""#
                    .into(),
            )),
        }
    }
}
