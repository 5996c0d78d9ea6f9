//! Element types, as far as the functions of this family go.
//!
//! Narrow floats compute in `f32` and round after each function, as TensorFlow's do on the CPU.

use flowkeep_linalg::{Pool, elementwise};
use flowkeep_tensor::{Complex, Element, bf16, f16};

use super::special;

/// A number: integers wrap, floats round.
pub(super) trait Scalar: Element + Loops {
    const ZERO: Self;
    const ONE: Self;

    fn plus(self, rhs: Self) -> Self;
    fn minus(self, rhs: Self) -> Self;
    fn times(self, rhs: Self) -> Self;
    /// The quotient; of integers towards zero, and 0 by 0.
    fn over(self, rhs: Self) -> Self;
    /// The complex conjugate; reals are their own.
    fn conjugate(self) -> Self {
        self
    }
    /// -1, 0 or 1; NaN of NaN; of a complex number, the one of magnitude 1 in its direction.
    fn sign(self) -> Self;

    fn negated(self) -> Self {
        Self::ZERO.minus(self)
    }
}

/// A number that can be compared.
pub(super) trait Real: Scalar + PartialOrd {
    fn magnitude(self) -> Self;
    /// The quotient rounded down; of integers 0 by 0.
    fn floor_div(self, rhs: Self) -> Self;
    /// The remainder with the sign of the divisor; of integers 0 by 0.
    fn floor_mod(self, rhs: Self) -> Self;
    /// The remainder with the sign of the dividend; of integers 0 by 0.
    fn trunc_mod(self, rhs: Self) -> Self;

    /// The larger one; NaN if either is.
    #[inline(always)]
    fn larger(self, rhs: Self) -> Self {
        // Only NaN differs from itself. A NaN `rhs` is chosen because no comparison with it holds.
        #[expect(clippy::eq_op, reason = "tells NaN apart")]
        if self > rhs || self != self { self } else { rhs }
    }

    /// The smaller one; NaN if either is.
    #[inline(always)]
    fn smaller(self, rhs: Self) -> Self {
        #[expect(clippy::eq_op, reason = "tells NaN apart")]
        if self < rhs || self != self { self } else { rhs }
    }
}

/// An integer.
pub(super) trait Integer: Real {
    /// The power; wraps. Negative exponents are to be refused before.
    fn power(self, exponent: Self) -> Self;
}

/// A float or complex number: what has elementary functions.
pub(super) trait Analytic: Scalar {
    fn exp(self) -> Self;
    fn expm1(self) -> Self;
    fn log(self) -> Self;
    fn log1p(self) -> Self;
    fn sqrt(self) -> Self;
    fn sin(self) -> Self;
    fn cos(self) -> Self;
    fn tan(self) -> Self;
    fn sinh(self) -> Self;
    fn cosh(self) -> Self;
    fn tanh(self) -> Self;
    fn powered(self, exponent: Self) -> Self;
    /// 1 / (1 + exp(-self)).
    fn sigmoid(self) -> Self;
    /// 1 / sqrt(self).
    fn rsqrt(self) -> Self;
    fn asin(self) -> Self;
    fn acos(self) -> Self;
    fn atan(self) -> Self;
    fn asinh(self) -> Self;
    fn acosh(self) -> Self;
    fn atanh(self) -> Self;
}

/// A float.
pub(super) trait Floating: Real + Analytic {
    fn floor(self) -> Self;
    fn ceil(self) -> Self;
    /// To the nearest integer, halves to the even one.
    fn round_even(self) -> Self;
    fn is_nan(self) -> bool;
    fn is_infinite(self) -> bool;
    fn atan2(self, x: Self) -> Self;
    fn erf(self) -> Self;
    fn erfc(self) -> Self;
}

/// How loops over slices of the type are compiled.
pub(super) trait Loops: Element {
    /// Computes `out[i] = f(a[i])` on this thread.
    fn map<O: Element>(_: &Pool, a: &[Self], out: &mut [O], f: impl Fn(Self) -> O + Sync) {
        out.iter_mut().zip(a).for_each(|(out, &a)| *out = f(a));
    }

    /// [`Loops::map`] with a function of many instructions without branches.
    fn map_costly<O: Element>(
        pool: &Pool,
        a: &[Self],
        out: &mut [O],
        f: impl Fn(Self) -> O + Sync,
    ) {
        Self::map(pool, a, out, f);
    }

    /// Computes `out[i] = f(a[i], b[i])` on this thread.
    fn zip<O: Element>(
        _: &Pool,
        a: &[Self],
        b: &[Self],
        out: &mut [O],
        f: impl Fn(Self, Self) -> O + Sync,
    ) {
        out.iter_mut().zip(a).zip(b).for_each(|((out, &a), &b)| *out = f(a, b));
    }
}

/// The type that models compute with gets loops for the widest registers of the processor.
impl Loops for f32 {
    fn map<O: Element>(pool: &Pool, a: &[f32], out: &mut [O], f: impl Fn(f32) -> O + Sync) {
        elementwise::map(pool, a, out, f);
    }

    fn map_costly<O: Element>(pool: &Pool, a: &[f32], out: &mut [O], f: impl Fn(f32) -> O + Sync) {
        elementwise::map_costly(pool, a, out, f);
    }

    fn zip<O: Element>(
        pool: &Pool,
        a: &[f32],
        b: &[f32],
        out: &mut [O],
        f: impl Fn(f32, f32) -> O + Sync,
    ) {
        elementwise::zip(pool, a, b, out, f);
    }
}

impl Loops for f64 {}
impl Loops for f16 {}
impl Loops for bf16 {}
impl Loops for bool {}
impl Loops for Complex<f32> {}
impl Loops for Complex<f64> {}

macro_rules! impl_integer {
    ($($t:ident: $signed:literal)*) => {$(
        impl Loops for $t {}

        impl Scalar for $t {
            const ZERO: $t = 0;
            const ONE: $t = 1;

            #[inline(always)]
            fn plus(self, rhs: $t) -> $t {
                self.wrapping_add(rhs)
            }
            #[inline(always)]
            fn minus(self, rhs: $t) -> $t {
                self.wrapping_sub(rhs)
            }
            #[inline(always)]
            fn times(self, rhs: $t) -> $t {
                self.wrapping_mul(rhs)
            }
            #[inline(always)]
            fn over(self, rhs: $t) -> $t {
                if rhs == 0 { 0 } else { self.wrapping_div(rhs) }
            }
            #[inline(always)]
            fn sign(self) -> $t {
                $t::from(self > 0).wrapping_sub($t::from(self < <$t>::ZERO))
            }
        }

        impl Real for $t {
            #[inline(always)]
            fn magnitude(self) -> $t {
                if self < <$t>::ZERO { self.wrapping_neg() } else { self }
            }
            #[inline(always)]
            fn floor_div(self, rhs: $t) -> $t {
                let quotient = self.over(rhs);
                let below = $signed && self.trunc_mod(rhs) != 0 && (self ^ rhs) < <$t>::ZERO;
                quotient.wrapping_sub($t::from(below))
            }
            #[inline(always)]
            fn floor_mod(self, rhs: $t) -> $t {
                let rest = self.trunc_mod(rhs);
                let across = $signed && rest != 0 && (rest ^ rhs) < <$t>::ZERO;
                if across { rest.wrapping_add(rhs) } else { rest }
            }
            #[inline(always)]
            fn trunc_mod(self, rhs: $t) -> $t {
                if rhs == 0 { 0 } else { self.wrapping_rem(rhs) }
            }
        }

        impl Integer for $t {
            #[inline(always)]
            fn power(self, exponent: $t) -> $t {
                let (mut power, mut base, mut rest) = (1 as $t, self, exponent);
                while rest > 0 {
                    if rest & 1 == 1 {
                        power = power.wrapping_mul(base);
                    }
                    base = base.wrapping_mul(base);
                    rest >>= 1;
                }
                power
            }
        }
    )*};
}

impl_integer! { i8: true i16: true i32: true i64: true u8: false u16: false u32: false u64: false }

/// Floats: `$wide` is the type that functions are computed in, `$special` that of `special`.
macro_rules! impl_float {
    ($($t:ty, $wide:ty, $widen:expr, $narrow:expr;)*) => {$(
        impl Scalar for $t {
            const ZERO: $t = Constants::<$t>::ZERO;
            const ONE: $t = Constants::<$t>::ONE;

            #[inline(always)]
            fn plus(self, rhs: $t) -> $t {
                $narrow($widen(self) + $widen(rhs))
            }
            #[inline(always)]
            fn minus(self, rhs: $t) -> $t {
                $narrow($widen(self) - $widen(rhs))
            }
            #[inline(always)]
            fn times(self, rhs: $t) -> $t {
                $narrow($widen(self) * $widen(rhs))
            }
            #[inline(always)]
            fn over(self, rhs: $t) -> $t {
                $narrow($widen(self) / $widen(rhs))
            }
            #[inline(always)]
            fn sign(self) -> $t {
                let x = $widen(self);
                let sign = if x > 0.0 { 1.0 } else if x < 0.0 { -1.0 } else { x };
                $narrow(sign)
            }
            #[inline(always)]
            fn negated(self) -> $t {
                -self
            }
        }

        impl Real for $t {
            #[inline(always)]
            fn magnitude(self) -> $t {
                $narrow($widen(self).abs())
            }
            #[inline(always)]
            fn floor_div(self, rhs: $t) -> $t {
                Floating::floor(self.over(rhs))
            }
            #[inline(always)]
            fn floor_mod(self, rhs: $t) -> $t {
                let rest = self.trunc_mod(rhs);
                let (x, y) = ($widen(rest), $widen(rhs));
                if x != 0.0 && (x < 0.0) != (y < 0.0) { rest.plus(rhs) } else { rest }
            }
            #[inline(always)]
            fn trunc_mod(self, rhs: $t) -> $t {
                $narrow($widen(self) % $widen(rhs))
            }
        }

        impl Analytic for $t {
            #[inline(always)]
            fn exp(self) -> $t {
                $narrow(special::Functions::exp($widen(self)))
            }
            fn expm1(self) -> $t {
                $narrow($widen(self).exp_m1())
            }
            fn log(self) -> $t {
                $narrow($widen(self).ln())
            }
            fn log1p(self) -> $t {
                $narrow($widen(self).ln_1p())
            }
            #[inline(always)]
            fn sqrt(self) -> $t {
                $narrow($widen(self).sqrt())
            }
            fn sin(self) -> $t {
                $narrow($widen(self).sin())
            }
            fn cos(self) -> $t {
                $narrow($widen(self).cos())
            }
            fn tan(self) -> $t {
                $narrow($widen(self).tan())
            }
            fn sinh(self) -> $t {
                $narrow($widen(self).sinh())
            }
            fn cosh(self) -> $t {
                $narrow($widen(self).cosh())
            }
            #[inline(always)]
            fn tanh(self) -> $t {
                $narrow(special::Functions::tanh($widen(self)))
            }
            fn powered(self, exponent: $t) -> $t {
                $narrow($widen(self).powf($widen(exponent)))
            }
            #[inline(always)]
            fn sigmoid(self) -> $t {
                $narrow(1.0 / (1.0 + special::Functions::exp(-$widen(self))))
            }
            #[inline(always)]
            fn rsqrt(self) -> $t {
                $narrow(1.0 / $widen(self).sqrt())
            }
            fn asin(self) -> $t {
                $narrow($widen(self).asin())
            }
            fn acos(self) -> $t {
                $narrow($widen(self).acos())
            }
            fn atan(self) -> $t {
                $narrow($widen(self).atan())
            }
            fn asinh(self) -> $t {
                $narrow(special::asinh($widen(self).into()) as $wide)
            }
            fn acosh(self) -> $t {
                $narrow(special::acosh($widen(self).into()) as $wide)
            }
            fn atanh(self) -> $t {
                $narrow(special::atanh($widen(self).into()) as $wide)
            }
        }

        impl Floating for $t {
            #[inline(always)]
            fn floor(self) -> $t {
                $narrow($widen(self).floor())
            }
            #[inline(always)]
            fn ceil(self) -> $t {
                $narrow($widen(self).ceil())
            }
            #[inline(always)]
            fn round_even(self) -> $t {
                $narrow($widen(self).round_ties_even())
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                $widen(self).is_nan()
            }
            #[inline(always)]
            fn is_infinite(self) -> bool {
                $widen(self).is_infinite()
            }
            fn atan2(self, x: $t) -> $t {
                $narrow($widen(self).atan2($widen(x)))
            }
            #[inline(always)]
            fn erf(self) -> $t {
                $narrow(special::Functions::erf($widen(self)))
            }
            #[inline(always)]
            fn erfc(self) -> $t {
                $narrow(special::Functions::erfc($widen(self)))
            }
        }
    )*};
}

/// The constants of float types under one name.
struct Constants<T>(std::marker::PhantomData<T>);

macro_rules! impl_constants {
    ($($t:ty: $zero:expr, $one:expr;)*) => {$(
        impl Constants<$t> {
            const ZERO: $t = $zero;
            const ONE: $t = $one;
        }
    )*};
}

impl_constants! { f32: 0.0, 1.0; f64: 0.0, 1.0; f16: f16::ZERO, f16::ONE; bf16: bf16::ZERO, bf16::ONE; }

impl_float! {
    f32, f32, std::convert::identity::<f32>, std::convert::identity::<f32>;
    f64, f64, std::convert::identity::<f64>, std::convert::identity::<f64>;
    f16, f32, f16::to_f32, f16::from_f32;
    bf16, f32, bf16::to_f32, bf16::from_f32;
}
