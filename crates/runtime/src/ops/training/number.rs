//! What update rules compute with: `float` and `double`; narrower floats are widened.

use std::ops::{Add, Div, Mul, Neg, Sub};

use flowkeep_tensor::{Element, bf16, f16};

/// A type that rules compute in.
pub(super) trait Number:
    Copy
    + PartialOrd
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + 'static
{
    const ZERO: Self;
    const ONE: Self;
    const TWO: Self;

    fn abs(self) -> Self;
    fn exp(self) -> Self;
    fn pow(self, exponent: Self) -> Self;
    fn sqrt(self) -> Self;
    /// Rounds a step count.
    fn from_int(n: i64) -> Self;

    /// -1, 0 or 1; NaN of NaN.
    #[inline(always)]
    fn sign(self) -> Self {
        if self > Self::ZERO {
            Self::ONE
        } else if self < Self::ZERO {
            -Self::ONE
        } else {
            self
        }
    }

    #[inline(always)]
    fn squared(self) -> Self {
        self * self
    }

    /// The larger of the two, `rhs` unless `self` is larger.
    #[inline(always)]
    fn or_larger(self, rhs: Self) -> Self {
        if self < rhs { rhs } else { self }
    }
}

macro_rules! numbers {
    ($($t:ty)*) => {$(
        impl Number for $t {
            const ZERO: $t = 0.0;
            const ONE: $t = 1.0;
            const TWO: $t = 2.0;

            #[inline(always)]
            fn abs(self) -> $t {
                self.abs()
            }
            #[inline(always)]
            fn exp(self) -> $t {
                self.exp()
            }
            #[inline(always)]
            fn pow(self, exponent: $t) -> $t {
                self.powf(exponent)
            }
            #[inline(always)]
            fn sqrt(self) -> $t {
                self.sqrt()
            }
            #[inline(always)]
            fn from_int(n: i64) -> $t {
                n as $t
            }
        }
    )*};
}

numbers!(f32 f64);

/// A type of variables.
pub(super) trait Stored: Element {
    /// The type that rules compute in.
    type Number: Number;

    fn widen(self) -> Self::Number;
    fn narrow(number: Self::Number) -> Self;
}

macro_rules! stored {
    ($($t:ty, $number:ty, $widen:expr, $narrow:expr;)*) => {$(
        impl Stored for $t {
            type Number = $number;

            #[inline(always)]
            fn widen(self) -> $number {
                $widen(self)
            }
            #[inline(always)]
            fn narrow(number: $number) -> $t {
                $narrow(number)
            }
        }
    )*};
}

stored! {
    f32, f32, std::convert::identity::<f32>, std::convert::identity::<f32>;
    f64, f64, std::convert::identity::<f64>, std::convert::identity::<f64>;
    f16, f32, f16::to_f32, f16::from_f32;
    bf16, f32, bf16::to_f32, bf16::from_f32;
}
