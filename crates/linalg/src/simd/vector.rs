//! Vector registers of each instruction set behind one interface.

use super::Level;

/// A register full of elements.
///
/// # Safety
///
/// All functions may only be called where the instruction set of the register is available, and
/// inlined into a function that is compiled for it, as [`dispatch_vector`] does.
pub trait Vector<T>: Copy {
    /// Elements in the register.
    const LANES: usize;

    /// `x` in every lane.
    ///
    /// # Safety
    ///
    /// See the trait.
    unsafe fn splat(x: T) -> Self;

    /// Reads `LANES` elements.
    ///
    /// # Safety
    ///
    /// See the trait; the elements must be readable. They need not be aligned to the register.
    unsafe fn load(from: *const T) -> Self;

    /// Writes `LANES` elements.
    ///
    /// # Safety
    ///
    /// See the trait; the elements must be writable. They need not be aligned to the register.
    unsafe fn store(self, to: *mut T);

    /// `self * b + c`.
    ///
    /// # Safety
    ///
    /// See the trait.
    unsafe fn times_plus(self, b: Self, c: Self) -> Self;

    /// The larger one of `self` and `low`; NaN if `self` is NaN.
    ///
    /// # Safety
    ///
    /// See the trait.
    unsafe fn at_least(self, low: Self) -> Self;

    /// The smaller one of `self` and `high`; NaN if `self` is NaN.
    ///
    /// # Safety
    ///
    /// See the trait.
    unsafe fn at_most(self, high: Self) -> Self;
}

/// An element type with registers at every level.
pub trait Registers: Copy {
    /// The register of any processor.
    type Portable: Vector<Self>;
    /// The register of AVX2.
    #[cfg(target_arch = "x86_64")]
    type Avx2: Vector<Self>;
    /// The register of AVX-512.
    #[cfg(target_arch = "x86_64")]
    type Avx512: Vector<Self>;
}

/// A loop over explicit vectors.
pub(super) trait VectorKernel<T> {
    /// Runs the loop; to be marked `#[inline(always)]`.
    ///
    /// # Safety
    ///
    /// The instruction set of `V` must be available.
    unsafe fn run<V: Vector<T>>(self);
}

/// Runs `kernel` with the registers of `level`, which must be one of this processor's.
#[inline]
pub(super) fn dispatch_vector<T: Registers, K: VectorKernel<T>>(level: Level, kernel: K) {
    match level {
        // SAFETY: these registers are arrays and need no instruction set.
        Level::Portable => unsafe { kernel.run::<T::Portable>() },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the level was found on this processor.
        Level::Avx2 => unsafe { x86::run_avx2(kernel) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Level::Avx512 => unsafe { x86::run_avx512(kernel) },
    }
}

macro_rules! impl_portable {
    ($($t:ident, $lanes:literal);*) => {$(
        impl Vector<$t> for [$t; $lanes] {
            const LANES: usize = $lanes;

            #[inline(always)]
            unsafe fn splat(x: $t) -> Self {
                [x; $lanes]
            }
            #[inline(always)]
            unsafe fn load(from: *const $t) -> Self {
                // SAFETY: promised by the caller.
                unsafe { from.cast::<Self>().read() }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $t) {
                // SAFETY: promised by the caller.
                unsafe { to.cast::<Self>().write(self) }
            }
            #[inline(always)]
            unsafe fn times_plus(self, b: Self, c: Self) -> Self {
                // Fused multiply-add belongs to the baseline of AArch64 only.
                std::array::from_fn(|i| match cfg!(target_arch = "aarch64") {
                    true => self[i].mul_add(b[i], c[i]),
                    false => self[i] * b[i] + c[i],
                })
            }
            #[inline(always)]
            unsafe fn at_least(self, low: Self) -> Self {
                std::array::from_fn(|i| if self[i] < low[i] { low[i] } else { self[i] })
            }
            #[inline(always)]
            unsafe fn at_most(self, high: Self) -> Self {
                std::array::from_fn(|i| if self[i] > high[i] { high[i] } else { self[i] })
            }
        }
    )*};
}

impl_portable!(f32, 4; f64, 2);

impl Registers for f32 {
    type Portable = [f32; 4];
    #[cfg(target_arch = "x86_64")]
    type Avx2 = std::arch::x86_64::__m256;
    #[cfg(target_arch = "x86_64")]
    type Avx512 = std::arch::x86_64::__m512;
}

impl Registers for f64 {
    type Portable = [f64; 2];
    #[cfg(target_arch = "x86_64")]
    type Avx2 = std::arch::x86_64::__m256d;
    #[cfg(target_arch = "x86_64")]
    type Avx512 = std::arch::x86_64::__m512d;
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Registers, Vector, VectorKernel};

    /// # Safety
    ///
    /// Needs AVX2 and FMA.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn run_avx2<T: Registers, K: VectorKernel<T>>(kernel: K) {
        // SAFETY: promised by the caller.
        unsafe { kernel.run::<T::Avx2>() }
    }

    /// # Safety
    ///
    /// Needs AVX-512 F, BW, DQ and VL.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
    pub(super) unsafe fn run_avx512<T: Registers, K: VectorKernel<T>>(kernel: K) {
        // SAFETY: promised by the caller.
        unsafe { kernel.run::<T::Avx512>() }
    }

    macro_rules! impl_vector {
        ($($v:ident, $t:ident, $lanes:literal, $splat:ident, $load:ident, $store:ident,
           $times_plus:ident, $max:ident, $min:ident;)*) => {$(
            impl Vector<$t> for $v {
                const LANES: usize = $lanes;

                #[inline(always)]
                unsafe fn splat(x: $t) -> Self {
                    // SAFETY: the instruction set is available, as the caller promises.
                    unsafe { $splat(x) }
                }
                #[inline(always)]
                unsafe fn load(from: *const $t) -> Self {
                    // SAFETY: as above; the elements are readable, as the caller promises.
                    unsafe { $load(from) }
                }
                #[inline(always)]
                unsafe fn store(self, to: *mut $t) {
                    // SAFETY: as above; the elements are writable, as the caller promises.
                    unsafe { $store(to, self) }
                }
                #[inline(always)]
                unsafe fn times_plus(self, b: Self, c: Self) -> Self {
                    // SAFETY: the instruction set is available, as the caller promises.
                    unsafe { $times_plus(self, b, c) }
                }
                #[inline(always)]
                unsafe fn at_least(self, low: Self) -> Self {
                    // SAFETY: as above. The second operand is the result where one is NaN.
                    unsafe { $max(low, self) }
                }
                #[inline(always)]
                unsafe fn at_most(self, high: Self) -> Self {
                    // SAFETY: as above. The second operand is the result where one is NaN.
                    unsafe { $min(high, self) }
                }
            }
        )*};
    }

    impl_vector!(
        __m256, f32, 8, _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps,
            _mm256_fmadd_ps, _mm256_max_ps, _mm256_min_ps;
        __m256d, f64, 4, _mm256_set1_pd, _mm256_loadu_pd, _mm256_storeu_pd,
            _mm256_fmadd_pd, _mm256_max_pd, _mm256_min_pd;
        __m512, f32, 16, _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps,
            _mm512_fmadd_ps, _mm512_max_ps, _mm512_min_ps;
        __m512d, f64, 8, _mm512_set1_pd, _mm512_loadu_pd, _mm512_storeu_pd,
            _mm512_fmadd_pd, _mm512_max_pd, _mm512_min_pd;
    );
}
