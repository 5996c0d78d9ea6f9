use flowkeep_tensor::{Complex, DType, Tensor, bf16, f16};
use serde_json::Value;

/// How far a result may be from TensorFlow's. NaN equals NaN always; integers, bools and strings
/// must be equal whatever the tolerance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    kind: Kind,
    /// Whether 0 and -0 differ.
    signed_zero: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Exact,
    /// Units in the last place of the expected value.
    Ulps(f64),
    Close {
        rtol: f64,
        atol: f64,
    },
}

impl Tolerance {
    pub(crate) fn from_json(json: &Value) -> Result<Tolerance, String> {
        let number = |key: &str| json[key].as_f64().ok_or_else(|| format!("no {key} in {json}"));
        let kind = match json["kind"].as_str() {
            Some("exact") => Kind::Exact,
            Some("ulp") => Kind::Ulps(number("n")?),
            Some("close") => Kind::Close { rtol: number("rtol")?, atol: number("atol")? },
            _ => return Err(format!("unknown tolerance {json}")),
        };
        Ok(Tolerance { kind, signed_zero: json["signed_zero"] == true })
    }

    /// Compares a result with TensorFlow's.
    ///
    /// Errors: what differs first, in words.
    pub fn check(&self, actual: &Tensor, expected: &Tensor) -> Result<(), String> {
        if actual.dtype() != expected.dtype() || actual.shape() != expected.shape() {
            return Err(format!(
                "expected {} {}, got {} {}",
                expected.dtype(),
                expected.shape(),
                actual.dtype(),
                actual.shape()
            ));
        }
        let (Some(a), Some(e)) = (floats(actual), floats(expected)) else {
            if actual == expected {
                return Ok(());
            }
            return Err(format!("expected\n{}\ngot\n{}", expected.numpy_str(), actual.numpy_str()));
        };
        let differs =
            |(a, e): (&Complex<f64>, &Complex<f64>)| !self.accepts(expected.dtype(), *a, *e);
        match a.iter().zip(&e).position(differs) {
            None => Ok(()),
            Some(at) => {
                let n = a.iter().zip(&e).filter(|pair| differs(*pair)).count();
                Err(format!(
                    "{n} of {} elements differ; element {at}: expected {}, got {} ({self:?})",
                    a.len(),
                    show(e[at], expected.dtype()),
                    show(a[at], expected.dtype())
                ))
            }
        }
    }

    fn accepts(&self, dtype: DType, a: Complex<f64>, e: Complex<f64>) -> bool {
        let is_nan = |x: Complex<f64>| x.re.is_nan() || x.im.is_nan();
        if is_nan(a) && is_nan(e) {
            return true;
        }
        let signs = |x: Complex<f64>| (x.re.is_sign_negative(), x.im.is_sign_negative());
        if self.signed_zero && signs(a) != signs(e) {
            return false;
        }
        if a == e {
            return true;
        }
        let size = e.re.hypot(e.im);
        let distance = (a.re - e.re).hypot(a.im - e.im);
        if size.is_infinite() {
            return false;
        }
        match self.kind {
            Kind::Exact => false,
            Kind::Ulps(n) => distance <= n * ulp(size, dtype),
            Kind::Close { rtol, atol } => distance <= atol + rtol * size,
        }
    }
}

/// The elements of a float or complex tensor; none for other types.
fn floats(tensor: &Tensor) -> Option<Vec<Complex<f64>>> {
    let real = |re: f64| Complex { re, im: 0.0 };
    Some(match tensor.dtype() {
        DType::F32 => tensor.as_slice::<f32>().ok()?.iter().map(|x| real((*x).into())).collect(),
        DType::F64 => tensor.as_slice::<f64>().ok()?.iter().map(|x| real(*x)).collect(),
        DType::F16 => tensor.as_slice::<f16>().ok()?.iter().map(|x| real(x.to_f64())).collect(),
        DType::BF16 => tensor.as_slice::<bf16>().ok()?.iter().map(|x| real(x.to_f64())).collect(),
        DType::Complex64 => {
            let values = tensor.as_slice::<Complex<f32>>().ok()?;
            values.iter().map(|x| Complex { re: x.re.into(), im: x.im.into() }).collect()
        }
        DType::Complex128 => tensor.as_slice::<Complex<f64>>().ok()?.to_vec(),
        _ => return None,
    })
}

/// The distance from `x` to the next larger number of the type.
fn ulp(x: f64, dtype: DType) -> f64 {
    // Bits of the mantissa, and the exponent of the smallest number.
    let (bits, smallest) = match dtype {
        DType::F16 => (10, -24),
        DType::BF16 => (7, -133),
        DType::F32 | DType::Complex64 => (23, -149),
        _ => (52, -1074),
    };
    let exponent = if x > 0.0 { (x.log2().floor() as i32).saturating_sub(bits) } else { smallest };
    2f64.powi(exponent.max(smallest))
}

fn show(x: Complex<f64>, dtype: DType) -> String {
    if dtype.is_complex() { format!("{:?}{:+?}j", x.re, x.im) } else { format!("{:?}", x.re) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn accepts(tolerance: Value, actual: f32, expected: f32) -> bool {
        let tolerance = Tolerance::from_json(&tolerance).unwrap();
        tolerance.check(&Tensor::scalar(actual), &Tensor::scalar(expected)).is_ok()
    }

    #[test]
    fn each_kind_accepts_what_it_says_and_no_more() {
        let next = 1f32.next_up();
        assert!(!accepts(json!({"kind": "exact"}), next, 1.0));
        assert!(accepts(json!({"kind": "ulp", "n": 1}), next, 1.0));
        assert!(!accepts(json!({"kind": "ulp", "n": 1}), next.next_up(), 1.0));
        assert!(accepts(json!({"kind": "close", "rtol": 0.1, "atol": 0.0}), 1.09, 1.0));
        assert!(!accepts(json!({"kind": "close", "rtol": 0.1, "atol": 0.0}), 1.11, 1.0));
    }

    #[test]
    fn special_values_are_compared_as_described() {
        let exact = json!({"kind": "exact"});
        assert!(accepts(exact.clone(), f32::NAN, f32::NAN));
        assert!(!accepts(json!({"kind": "close", "rtol": 1.0, "atol": 1.0}), f32::NAN, 1.0));
        assert!(!accepts(json!({"kind": "close", "rtol": 1.0, "atol": 1.0}), 1.0, f32::NAN));
        assert!(!accepts(json!({"kind": "close", "rtol": 1.0, "atol": 1.0}), 1.0, f32::INFINITY));
        assert!(accepts(exact.clone(), f32::INFINITY, f32::INFINITY));
        assert!(accepts(exact, 0.0, -0.0));
        assert!(!accepts(json!({"kind": "exact", "signed_zero": true}), 0.0, -0.0));
    }

    #[test]
    fn types_and_shapes_must_be_equal() {
        let tolerance = Tolerance::from_json(&json!({"kind": "exact"})).unwrap();
        let one = Tensor::scalar(1f32);
        assert!(tolerance.check(&Tensor::scalar(1f64), &one).is_err());
        assert!(tolerance.check(&Tensor::from_elements(vec![1f32]), &one).is_err());
        assert!(tolerance.check(&Tensor::scalar_string("a"), &Tensor::scalar_string("b")).is_err());
    }
}
