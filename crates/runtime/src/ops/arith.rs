//! Arithmetic of every number type; integers wrap.

use flowkeep_tensor::{Complex, Element, bf16, f16};

/// A number that can be computed with.
pub(crate) trait Arith: Element {
    /// `self + rhs`.
    fn add(self, rhs: Self) -> Self;
    /// `self - rhs`.
    fn sub(self, rhs: Self) -> Self;
    /// `self * rhs`.
    fn mul(self, rhs: Self) -> Self;
    /// `self / rhs`, or `None` for an integer division by zero.
    fn div(self, rhs: Self) -> Option<Self>;
}

/// A number with an order.
pub(crate) trait Ordered: Arith + PartialOrd {}

macro_rules! floats {
    ($($t:ty)*) => {$(
        impl Arith for $t {
            #[inline(always)]
            fn add(self, rhs: $t) -> $t {
                self + rhs
            }
            #[inline(always)]
            fn sub(self, rhs: $t) -> $t {
                self - rhs
            }
            #[inline(always)]
            fn mul(self, rhs: $t) -> $t {
                self * rhs
            }
            #[inline(always)]
            fn div(self, rhs: $t) -> Option<$t> {
                Some(self / rhs)
            }
        }
        impl Ordered for $t {}
    )*};
}

floats!(f16 bf16 f32 f64);

macro_rules! integers {
    ($($t:ty)*) => {$(
        impl Arith for $t {
            #[inline(always)]
            fn add(self, rhs: $t) -> $t {
                self.wrapping_add(rhs)
            }
            #[inline(always)]
            fn sub(self, rhs: $t) -> $t {
                self.wrapping_sub(rhs)
            }
            #[inline(always)]
            fn mul(self, rhs: $t) -> $t {
                self.wrapping_mul(rhs)
            }
            #[inline(always)]
            fn div(self, rhs: $t) -> Option<$t> {
                if rhs == 0 { None } else { Some(self.wrapping_div(rhs)) }
            }
        }
        impl Ordered for $t {}
    )*};
}

integers!(i8 i16 i32 i64 u8 u16 u32 u64);

macro_rules! complexes {
    ($($t:ty)*) => {$(
        impl Arith for Complex<$t> {
            #[inline(always)]
            fn add(self, rhs: Self) -> Self {
                Complex { re: self.re + rhs.re, im: self.im + rhs.im }
            }
            #[inline(always)]
            fn sub(self, rhs: Self) -> Self {
                Complex { re: self.re - rhs.re, im: self.im - rhs.im }
            }
            #[inline(always)]
            fn mul(self, rhs: Self) -> Self {
                Complex {
                    re: self.re * rhs.re - self.im * rhs.im,
                    im: self.re * rhs.im + self.im * rhs.re,
                }
            }
            #[inline(always)]
            fn div(self, rhs: Self) -> Option<Self> {
                let norm = rhs.re * rhs.re + rhs.im * rhs.im;
                let top = self.mul(Complex { re: rhs.re, im: -rhs.im });
                Some(Complex { re: top.re / norm, im: top.im / norm })
            }
        }
    )*};
}

complexes!(f32 f64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_wrap_and_never_divide_by_zero() {
        assert_eq!(i8::MAX.add(1), i8::MIN);
        assert_eq!(0u8.sub(1), u8::MAX);
        assert_eq!(i32::MIN.div(-1), Some(i32::MIN));
        assert_eq!(7i64.div(0), None);
        assert_eq!(1f32.div(0.0), Some(f32::INFINITY));
    }

    #[test]
    fn complex_products_and_quotients_invert_each_other() {
        let (a, b) = (Complex { re: 1.0f64, im: 2.0 }, Complex { re: 3.0, im: -4.0 });
        assert_eq!(a.mul(b), Complex { re: 11.0, im: 2.0 });
        assert_eq!(a.mul(b).div(b), Some(a));
    }
}
