//! Numbers in text, as Python's `float()`, `int()` and `complex()` read them.

use flowkeep_tensor::Complex;

/// Reads a float; underscores may stand between digits.
pub(super) fn float(text: &str) -> Option<f64> {
    without_underscores(text.trim())?.parse().ok()
}

/// Reads a decimal integer of any size that fits 128 bits.
pub(super) fn integer(text: &str) -> Option<i128> {
    without_underscores(text.trim())?.parse().ok()
}

/// Reads `1.5`, `2j`, `1+2j` and the like, in parentheses or not.
pub(super) fn complex(text: &str) -> Option<Complex<f64>> {
    let text = text.trim();
    let text =
        text.strip_prefix('(').and_then(|text| text.strip_suffix(')')).unwrap_or(text).trim();
    let Some(number) = text.strip_suffix(['j', 'J']) else {
        return float(text).map(|re| Complex { re, im: 0.0 });
    };
    let bytes = number.as_bytes();
    let sign_at = (1..bytes.len())
        .rev()
        .find(|at| matches!(bytes[*at], b'+' | b'-') && !matches!(bytes[at - 1], b'e' | b'E'));
    let (re, im) = number.split_at(sign_at.unwrap_or(0));
    let im = match im {
        "" | "+" => 1.0,
        "-" => -1.0,
        im => float(im)?,
    };
    let re = if re.is_empty() { 0.0 } else { float(re)? };
    Some(Complex { re, im })
}

fn without_underscores(text: &str) -> Option<String> {
    if !text.contains('_') {
        return Some(text.to_owned());
    }
    let bytes = text.as_bytes();
    let is_digit =
        |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    let between = |at: usize| is_digit(at.checked_sub(1)) && is_digit(Some(at + 1));
    text.match_indices('_').all(|(at, _)| between(at)).then(|| text.replace('_', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_as_python_reads_it() {
        assert_eq!(float(" 1_0.5 "), Some(10.5));
        assert_eq!(float("-Infinity"), Some(f64::NEG_INFINITY));
        assert_eq!(float("0x1f"), None);
        assert_eq!(float("1__0"), None);
        assert_eq!(integer("+007"), Some(7));
        assert_eq!(integer("1.5"), None);
        assert_eq!(complex("(1e+3-2.5j)"), Some(Complex { re: 1000.0, im: -2.5 }));
        assert_eq!(complex("-j"), Some(Complex { re: 0.0, im: -1.0 }));
        assert_eq!(complex("1+2"), None);
    }
}
