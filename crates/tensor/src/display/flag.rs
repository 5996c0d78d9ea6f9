//! Print options from a command line.

use super::options::PrintOptions;
use crate::Error;

impl PrintOptions {
    /// Sets one option from text of the form `k=v`, as TensorFlow's `inspect_checkpoint` does:
    /// `precision=3`, `suppress=true`, `nanstr=?`.
    ///
    /// Integers are written as in Python (blanks around, a sign, single underscores between digits).
    /// Beyond what a `usize` holds they count as the nearest that it does; a precision cannot be
    /// negative, nor `None`. Truth values are `true`, `t` and `1`, `false`, `f` and
    /// `0`, in any case. `legacy=false` is accepted and changes nothing.
    ///
    /// ```
    /// use flowkeep_tensor::PrintOptions;
    ///
    /// let mut options = PrintOptions::default();
    /// options.set("threshold=100_000")?;
    /// assert_eq!(options.threshold, 100_000);
    /// let error = options.set("colour=red").unwrap_err();
    /// assert_eq!(error.to_string(), "'colour' is not a valid printoption.");
    /// # Ok::<(), flowkeep_tensor::Error>(())
    /// ```
    ///
    /// Errors: `INVALID_ARGUMENT`, with TensorFlow's words for text of another form, for an unknown
    /// option and for one that cannot be set (`formatter`, `override_repr`, `legacy` other than false),
    /// and with Python's and NumPy's for values that an option does not take. The options stay as they
    /// were.
    pub fn set(&mut self, option: &str) -> Result<(), Error> {
        let (key, value) = option
            .split_once('=')
            .filter(|(key, _)| !key.is_empty())
            .ok_or_else(|| Error::BadPrintOption(format!("'{option}' is not in the form k=v.")))?;
        match key {
            "precision" => self.precision = Some(precision(value)?),
            "threshold" => self.threshold = clamped(integer(value)?),
            "edgeitems" => self.edgeitems = clamped(integer(value)?),
            "linewidth" => self.linewidth = clamped(integer(value)?),
            "suppress" => self.suppress = boolean(value)?,
            "nanstr" => self.nanstr = value.into(),
            "infstr" => self.infstr = value.into(),
            "sign" => self.sign = value.parse()?,
            "floatmode" => self.floatmode = value.parse()?,
            "legacy" if !boolean(value)? => {}
            "legacy" | "formatter" | "override_repr" => {
                return Err(Error::BadPrintOption(format!(
                    "Setting '{key}' from the command line is not supported."
                )));
            }
            _ => {
                return Err(Error::BadPrintOption(format!("'{key}' is not a valid printoption.")));
            }
        }
        Ok(())
    }
}

fn precision(text: &str) -> Result<usize, Error> {
    match integer(text)? {
        value if value < 0 => Err(Error::BadPrintOption("precision must be >= 0".into())),
        value => Ok(clamped(value)),
    }
}

/// Python's `int(text)`, held within what an `i128` holds.
fn integer(text: &str) -> Result<i128, Error> {
    let bad = || Error::BadPrintOption(format!("invalid literal for int() with base 10: '{text}'"));
    let trimmed = text.trim();
    let digits = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    if digits.split('_').any(|part| part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit())) {
        return Err(bad());
    }
    let magnitude = digits.bytes().filter(u8::is_ascii_digit).fold(0i128, |value, digit| {
        value.saturating_mul(10).saturating_add(i128::from(digit - b'0'))
    });
    Ok(if trimmed.starts_with('-') { -magnitude } else { magnitude })
}

/// The nearest count. Negative ones arrange an array as 0 does: everything is abbreviated, to the last
/// item, one item a line.
fn clamped(value: i128) -> usize {
    usize::try_from(value.max(0)).unwrap_or(usize::MAX)
}

fn boolean(text: &str) -> Result<bool, Error> {
    let is = |names: [&str; 3]| names.iter().any(|name| text.eq_ignore_ascii_case(name));
    if is(["true", "t", "1"]) {
        return Ok(true);
    }
    if is(["false", "f", "0"]) {
        return Ok(false);
    }
    Err(Error::BadPrintOption(format!("Non-boolean argument to boolean flag: '{text}'")))
}
