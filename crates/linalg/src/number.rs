//! The element types of kernels, as far as arithmetic goes.

use crate::simd::vector::Registers;

/// A number that kernels compute with: `f32`, `f64` and the integers of 8 to 64 bits.
///
/// Integer arithmetic wraps, as TensorFlow's does. Sealed.
pub trait Number:
    Copy + PartialOrd + PartialEq + Send + Sync + std::fmt::Debug + private::Sealed + 'static
{
    /// The type that means are summed in: 64 bits for integers, the type itself for floats.
    type Wide: Number;

    /// The neutral element of addition.
    const ZERO: Self;
    /// The neutral element of multiplication.
    const ONE: Self;
    /// Minus infinity, or the smallest integer: the neutral element of the maximum.
    const LOWEST: Self;
    /// The smallest finite value: what the windows of max pooling start from.
    const LOWEST_FINITE: Self;
    /// Plus infinity, or the largest integer: the neutral element of the minimum.
    const HIGHEST: Self;

    /// Converts without loss.
    fn widen(self) -> Self::Wide;
    /// Converts back, by dropping high bits.
    fn narrow(wide: Self::Wide) -> Self;
    /// `self + rhs`.
    fn plus(self, rhs: Self) -> Self;
    /// `self * rhs`.
    fn times(self, rhs: Self) -> Self;
    /// `self * b + c`, fused where `FMA` is true and the type is a float.
    fn times_plus<const FMA: bool>(self, b: Self, c: Self) -> Self;
    /// `self / n`: for integers truncated, and 0 when `n` is 0.
    fn over(self, n: usize) -> Self;

    /// The larger one; NaN if either is NaN.
    #[inline(always)]
    fn larger(self, rhs: Self) -> Self {
        // Only NaN differs from itself. A NaN `rhs` is chosen because no comparison with it holds.
        #[expect(clippy::eq_op, reason = "tells NaN apart")]
        if self > rhs || self != self { self } else { rhs }
    }

    /// The smaller one; NaN if either is NaN.
    #[inline(always)]
    fn smaller(self, rhs: Self) -> Self {
        #[expect(clippy::eq_op, reason = "tells NaN apart")]
        if self < rhs || self != self { self } else { rhs }
    }
}

/// A floating-point [`Number`]: `f32` or `f64`. Sealed.
pub trait Float: Number + Registers {
    /// Not a number.
    const NAN: Self;

    /// Rounds an `f64` to this type.
    fn from_f64(x: f64) -> Self;
    /// `self - rhs`.
    fn minus(self, rhs: Self) -> Self;
    /// `self / rhs`.
    fn divided(self, rhs: Self) -> Self;
    /// The square root.
    fn root(self) -> Self;
    /// e to the power of `self`, in a form that the compiler can vectorize where the type has one.
    fn exponential(self) -> Self;
    /// The natural logarithm.
    fn log(self) -> Self;
}

mod private {
    pub trait Sealed {}
}

macro_rules! impl_float {
    ($($t:ident, $exp:path);*) => {$(
        impl private::Sealed for $t {}
        impl Number for $t {
            type Wide = $t;

            const ZERO: $t = 0.0;
            const ONE: $t = 1.0;
            const LOWEST: $t = $t::NEG_INFINITY;
            const LOWEST_FINITE: $t = $t::MIN;
            const HIGHEST: $t = $t::INFINITY;

            #[inline(always)]
            fn widen(self) -> $t {
                self
            }
            #[inline(always)]
            fn narrow(wide: $t) -> $t {
                wide
            }
            #[inline(always)]
            fn plus(self, rhs: $t) -> $t {
                self + rhs
            }
            #[inline(always)]
            fn times(self, rhs: $t) -> $t {
                self * rhs
            }
            #[inline(always)]
            fn times_plus<const FMA: bool>(self, b: $t, c: $t) -> $t {
                if FMA { self.mul_add(b, c) } else { self * b + c }
            }
            #[inline(always)]
            fn over(self, n: usize) -> $t {
                self / n as $t
            }
        }
        impl Float for $t {
            const NAN: $t = $t::NAN;

            #[inline(always)]
            fn from_f64(x: f64) -> $t {
                x as $t
            }
            #[inline(always)]
            fn minus(self, rhs: $t) -> $t {
                self - rhs
            }
            #[inline(always)]
            fn divided(self, rhs: $t) -> $t {
                self / rhs
            }
            #[inline(always)]
            fn root(self) -> $t {
                self.sqrt()
            }
            #[inline(always)]
            fn exponential(self) -> $t {
                $exp(self)
            }
            #[inline(always)]
            fn log(self) -> $t {
                self.ln()
            }
        }
    )*};
}

impl_float!(f32, crate::vmath::exp; f64, f64::exp);

macro_rules! impl_integer {
    ($($t:ident, $wide:ident);*) => {$(
        impl private::Sealed for $t {}
        impl Number for $t {
            type Wide = $wide;

            const ZERO: $t = 0;
            const ONE: $t = 1;
            const LOWEST: $t = $t::MIN;
            const LOWEST_FINITE: $t = $t::MIN;
            const HIGHEST: $t = $t::MAX;

            #[inline(always)]
            fn widen(self) -> $wide {
                $wide::from(self)
            }
            #[inline(always)]
            fn narrow(wide: $wide) -> $t {
                wide as $t
            }
            #[inline(always)]
            fn plus(self, rhs: $t) -> $t {
                self.wrapping_add(rhs)
            }
            #[inline(always)]
            fn times(self, rhs: $t) -> $t {
                self.wrapping_mul(rhs)
            }
            #[inline(always)]
            fn times_plus<const FMA: bool>(self, b: $t, c: $t) -> $t {
                self.wrapping_mul(b).wrapping_add(c)
            }
            #[inline(always)]
            fn over(self, n: usize) -> $t {
                // In 128 bits every count fits, and the quotient fits where the dividend did.
                (self as i128).checked_div(n as i128).unwrap_or(0) as $t
            }
        }
    )*};
}

impl_integer!(i8, i64; i16, i64; i32, i64; i64, i64; u8, u64; u16, u64; u32, u64; u64, u64);
