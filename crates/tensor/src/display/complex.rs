//! Complex numbers of an array in a common notation.

use super::digits::Width;
use super::float::FloatFormat;
use super::lines::rstrip;
use super::options::{PrintOptions, PrintSign};

/// How all complex numbers of one array print: each part as the floats of an array of their own.
pub(super) struct ComplexFormat<'a> {
    re: FloatFormat<'a>,
    im: FloatFormat<'a>,
}

impl<'a> ComplexFormat<'a> {
    /// The format that suits these pairs of real and imaginary part.
    pub(super) fn new(
        values: &[(f64, f64)],
        width: Width,
        options: &'a PrintOptions,
    ) -> ComplexFormat<'a> {
        let (re, im): (Vec<f64>, Vec<f64>) = values.iter().copied().unzip();
        ComplexFormat {
            re: FloatFormat::new(&re, width, options.sign, options),
            im: FloatFormat::new(&im, width, PrintSign::Plus, options),
        }
    }

    /// The number's text; padding on the right stays behind the `j`.
    pub(super) fn text(&self, (re, im): (f64, f64)) -> String {
        let im = self.im.text(im);
        let digits = rstrip(&im);
        format!("{}{digits}j{}", self.re.text(re), &im[digits.len()..])
    }
}
