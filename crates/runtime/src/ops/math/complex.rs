//! Arithmetic and elementary functions of complex numbers.
//!
//! Functions are computed in `f64` whatever the type.

use flowkeep_tensor::Complex;

use super::scalar::{Analytic, Scalar};

macro_rules! impl_complex {
    ($($t:ident)*) => {$(
        impl Scalar for Complex<$t> {
            const ZERO: Self = Complex { re: 0.0, im: 0.0 };
            const ONE: Self = Complex { re: 1.0, im: 0.0 };

            #[inline(always)]
            fn plus(self, rhs: Self) -> Self {
                Complex { re: self.re + rhs.re, im: self.im + rhs.im }
            }
            #[inline(always)]
            fn minus(self, rhs: Self) -> Self {
                Complex { re: self.re - rhs.re, im: self.im - rhs.im }
            }
            #[inline(always)]
            fn times(self, rhs: Self) -> Self {
                Complex {
                    re: self.re * rhs.re - self.im * rhs.im,
                    im: self.re * rhs.im + self.im * rhs.re,
                }
            }
            fn over(self, rhs: Self) -> Self {
                narrow(divide(self.into_wide(), rhs.into_wide()))
            }
            fn conjugate(self) -> Self {
                Complex { re: self.re, im: -self.im }
            }
            fn sign(self) -> Self {
                let size = self.re.hypot(self.im);
                if size == 0.0 { Self::ZERO } else { Complex { re: self.re / size, im: self.im / size } }
            }
        }

        impl IntoWide for Complex<$t> {
            #[inline(always)]
            fn into_wide(self) -> Wide {
                Complex { re: self.re.into(), im: self.im.into() }
            }
            #[inline(always)]
            fn from_wide(x: Wide) -> Self {
                Complex { re: x.re as $t, im: x.im as $t }
            }
        }

        impl Analytic for Complex<$t> {
            fn exp(self) -> Self {
                narrow(exp(self.into_wide()))
            }
            fn expm1(self) -> Self {
                narrow(expm1(self.into_wide()))
            }
            fn log(self) -> Self {
                narrow(log(self.into_wide()))
            }
            fn log1p(self) -> Self {
                narrow(log1p(self.into_wide()))
            }
            fn sqrt(self) -> Self {
                narrow(sqrt(self.into_wide()))
            }
            fn sin(self) -> Self {
                let x = self.into_wide();
                narrow(Complex { re: x.re.sin() * x.im.cosh(), im: x.re.cos() * x.im.sinh() })
            }
            fn cos(self) -> Self {
                let x = self.into_wide();
                narrow(Complex { re: x.re.cos() * x.im.cosh(), im: -x.re.sin() * x.im.sinh() })
            }
            fn tan(self) -> Self {
                // tan(x) = -i tanh(ix).
                let x = self.into_wide();
                let y = tanh(Complex { re: -x.im, im: x.re });
                narrow(Complex { re: y.im, im: -y.re })
            }
            fn sinh(self) -> Self {
                let x = self.into_wide();
                narrow(Complex { re: x.re.sinh() * x.im.cos(), im: x.re.cosh() * x.im.sin() })
            }
            fn cosh(self) -> Self {
                let x = self.into_wide();
                narrow(Complex { re: x.re.cosh() * x.im.cos(), im: x.re.sinh() * x.im.sin() })
            }
            fn tanh(self) -> Self {
                narrow(tanh(self.into_wide()))
            }
            fn powered(self, exponent: Self) -> Self {
                narrow(power(self.into_wide(), exponent.into_wide()))
            }
            fn sigmoid(self) -> Self {
                let x = self.into_wide();
                let e = exp(Complex { re: -x.re, im: -x.im });
                narrow(divide(Wide::ONE, Complex { re: 1.0 + e.re, im: e.im }))
            }
            fn rsqrt(self) -> Self {
                narrow(divide(Wide::ONE, sqrt(self.into_wide())))
            }
            fn asin(self) -> Self {
                narrow(asin(self.into_wide()))
            }
            fn acos(self) -> Self {
                let y = asin(self.into_wide());
                narrow(Complex { re: std::f64::consts::FRAC_PI_2 - y.re, im: -y.im })
            }
            fn atan(self) -> Self {
                // atan(x) = -i atanh(ix).
                let x = self.into_wide();
                let y = atanh(Complex { re: -x.im, im: x.re });
                narrow(Complex { re: y.im, im: -y.re })
            }
            fn asinh(self) -> Self {
                narrow(asinh(self.into_wide()))
            }
            fn acosh(self) -> Self {
                narrow(acosh(self.into_wide()))
            }
            fn atanh(self) -> Self {
                narrow(atanh(self.into_wide()))
            }
        }
    )*};
}

impl_complex! { f32 f64 }

type Wide = Complex<f64>;

/// Complex numbers of either width.
trait IntoWide {
    fn into_wide(self) -> Wide;
    fn from_wide(x: Wide) -> Self;
}

#[inline(always)]
fn narrow<T: IntoWide>(x: Wide) -> T {
    T::from_wide(x)
}

/// The quotient, scaled by the larger part of the divisor so that nothing overflows on the way.
fn divide(x: Wide, y: Wide) -> Wide {
    if y.re.abs() >= y.im.abs() {
        let ratio = if y.re == 0.0 { 0.0 } else { y.im / y.re };
        let divisor = y.re + y.im * ratio;
        Complex { re: (x.re + x.im * ratio) / divisor, im: (x.im - x.re * ratio) / divisor }
    } else {
        let ratio = y.re / y.im;
        let divisor = y.re * ratio + y.im;
        Complex { re: (x.re * ratio + x.im) / divisor, im: (x.im * ratio - x.re) / divisor }
    }
}

fn exp(x: Wide) -> Wide {
    let size = x.re.exp();
    if x.im == 0.0 {
        return Complex { re: size, im: x.im };
    }
    Complex { re: size * x.im.cos(), im: size * x.im.sin() }
}

fn expm1(x: Wide) -> Wide {
    // exp(a)cos(b) - 1 without cancellation near 0.
    let half = (x.im / 2.0).sin();
    Complex { re: x.re.exp_m1() * x.im.cos() - 2.0 * half * half, im: x.re.exp() * x.im.sin() }
}

fn log(x: Wide) -> Wide {
    Complex { re: x.re.hypot(x.im).ln(), im: x.im.atan2(x.re) }
}

fn log1p(x: Wide) -> Wide {
    // |1 + x|² = 1 + (2 + a)a + b².
    let beyond_one = (2.0 + x.re) * x.re + x.im * x.im;
    Complex { re: beyond_one.ln_1p() / 2.0, im: x.im.atan2(1.0 + x.re) }
}

fn sqrt(x: Wide) -> Wide {
    let size = x.re.hypot(x.im);
    if size == 0.0 {
        return Complex { re: 0.0, im: x.im };
    }
    let root = ((size + x.re.abs()) / 2.0).sqrt();
    if x.re >= 0.0 {
        Complex { re: root, im: x.im / (2.0 * root) }
    } else {
        Complex { re: x.im.abs() / (2.0 * root), im: root.copysign(x.im) }
    }
}

fn tanh(x: Wide) -> Wide {
    // Beyond this the real part is 1 to the last digit, and cosh would overflow.
    if x.re.abs() > 20.0 {
        return Complex { re: 1f64.copysign(x.re), im: 0.0 };
    }
    let divisor = (2.0 * x.re).cosh() + (2.0 * x.im).cos();
    Complex { re: (2.0 * x.re).sinh() / divisor, im: (2.0 * x.im).sin() / divisor }
}

/// asin(x) = -i asinh(ix).
fn asin(x: Wide) -> Wide {
    let y = asinh(Complex { re: -x.im, im: x.re });
    Complex { re: y.im, im: -y.re }
}

/// asinh(x) = log(x + √(x² + 1)), an odd function.
fn asinh(x: Wide) -> Wide {
    if x.re < 0.0 || (x.re == 0.0 && x.re.is_sign_negative()) {
        let y = asinh(Complex { re: -x.re, im: -x.im });
        return Complex { re: -y.re, im: -y.im };
    }
    // The factors of x² + 1 are exact near their zeros.
    let root = sqrt(Complex { re: 1.0 - x.im, im: x.re })
        .times(sqrt(Complex { re: 1.0 + x.im, im: -x.re }));
    // log1p keeps small numbers: x + √(x² + 1) - 1 = x + x² / (√(x² + 1) + 1).
    let rest = divide(x.times(x), Complex { re: root.re + 1.0, im: root.im });
    log1p(x.plus(rest))
}

/// acosh(x) = log(x + √(x + 1) √(x - 1)).
fn acosh(x: Wide) -> Wide {
    let root = sqrt(Complex { re: x.re + 1.0, im: x.im })
        .times(sqrt(Complex { re: x.re - 1.0, im: x.im }));
    log(x.plus(root))
}

/// atanh(x) = (log(1 + x) - log(1 - x)) / 2.
fn atanh(x: Wide) -> Wide {
    let (above, below) = (log1p(x), log1p(Complex { re: -x.re, im: -x.im }));
    Complex { re: (above.re - below.re) / 2.0, im: (above.im - below.im) / 2.0 }
}

fn power(x: Wide, exponent: Wide) -> Wide {
    if x == Wide::ZERO {
        return if exponent == Wide::ZERO { Wide::ONE } else { Wide::ZERO };
    }
    exp(log(x).times(exponent))
}
