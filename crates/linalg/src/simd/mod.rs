//! Run-time choice of the instruction set.
//!
//! A [`Kernel`] is ordinary Rust; [`dispatch`] compiles it once per instruction set and runs the
//! widest one this processor has, so that the compiler's vectorizer may use it. The inner loops
//! whose registers have to be planned are written with explicit [`Vector`]s, in the modules below.
#![expect(
    unsafe_code,
    reason = "functions compiled for an instruction set are called after detection"
)]

mod depthwise;
mod outer;
mod packing;
mod tile;
pub(crate) mod vector;
pub(crate) mod winograd;

use std::sync::OnceLock;

pub(crate) use self::depthwise::DepthwiseLine;
pub(crate) use self::outer::{Outer, Run, outer_rows};
pub(crate) use self::packing::{PACKING_DEPTH, PackingTile, packing_rows};
pub(crate) use self::tile::{MAX_WIDTH, Tile, tile_rows};
use self::vector::{Vector, VectorKernel, dispatch_vector};

/// The instruction sets that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// What the target guarantees.
    Portable,
    /// AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 F, BW, DQ and VL.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Level {
    /// The bytes of a vector register.
    pub(crate) fn width(self) -> usize {
        match self {
            Level::Portable => 16,
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => 32,
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => 64,
        }
    }

    /// The best level of this processor; detected once.
    pub(crate) fn best() -> Level {
        static BEST: OnceLock<Level> = OnceLock::new();
        *BEST.get_or_init(|| *Level::available().last().unwrap_or(&Level::Portable))
    }

    /// All levels of this processor, the best one last.
    pub(crate) fn available() -> Vec<Level> {
        #[cfg_attr(not(target_arch = "x86_64"), expect(unused_mut, reason = "only x86 has more"))]
        let mut levels = vec![Level::Portable];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            levels.push(Level::Avx2);
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
            {
                levels.push(Level::Avx512);
            }
        }
        levels
    }
}

/// A loop to be compiled for every level.
pub(crate) trait Kernel {
    /// What the loop returns.
    type Output;

    /// Runs the loop; to be marked `#[inline(always)]`, else it is not compiled for the level.
    ///
    /// `FMA` tells whether a fused multiply-add is one instruction.
    fn run<const FMA: bool>(self) -> Self::Output;
}

/// Runs `kernel` at the best level of this processor.
pub(crate) fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    dispatch_at(Level::best(), kernel)
}

/// Runs `kernel` at the best level up to AVX2.
///
/// For loops that wait for memory: wider registers gain them nothing, and every level costs code
/// for each function and type.
pub(crate) fn dispatch_moderate<K: Kernel>(kernel: K) -> K::Output {
    match Level::best() {
        Level::Portable => dispatch_at_portable(kernel),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a processor with AVX-512 has AVX2 too, and the level was found on this one.
        Level::Avx2 | Level::Avx512 => unsafe { x86::run_avx2(kernel) },
    }
}

/// Runs `kernel` with what the target guarantees.
#[inline]
fn dispatch_at_portable<K: Kernel>(kernel: K) -> K::Output {
    // Fused multiply-add belongs to the baseline there.
    if cfg!(target_arch = "aarch64") { kernel.run::<true>() } else { kernel.run::<false>() }
}

/// Runs `kernel` at `level`, which comes from [`Level::best`] or [`Level::available`].
#[inline]
pub(crate) fn dispatch_at<K: Kernel>(level: Level, kernel: K) -> K::Output {
    match level {
        Level::Portable => dispatch_at_portable(kernel),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the level was found on this processor.
        Level::Avx2 => unsafe { x86::run_avx2(kernel) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Level::Avx512 => unsafe { x86::run_avx512(kernel) },
    }
}

/// Asks for elements to be brought into the second cache; nothing waits for them.
#[inline(always)]
pub(crate) fn prefetch<T>(elements: &[T]) {
    prefetch_to::<T, false>(elements);
}

/// Asks for elements to be brought into the nearest cache; nothing waits for them.
#[inline(always)]
pub(crate) fn prefetch_near<T>(elements: &[T]) {
    prefetch_to::<T, true>(elements);
}

#[inline(always)]
fn prefetch_to<T, const NEAR: bool>(elements: &[T]) {
    let line_len = 64 / size_of::<T>().clamp(1, 64);
    let mut at = 0;
    while at < elements.len() {
        #[cfg(target_arch = "x86_64")]
        x86::prefetch_line::<T, NEAR>(&elements[at..]);
        at += line_len;
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use core::arch::x86_64::{_MM_HINT_T0, _MM_HINT_T1, _mm_prefetch};

    use super::Kernel;

    #[inline(always)]
    pub(super) fn prefetch_line<T, const NEAR: bool>(line: &[T]) {
        let line = line.as_ptr().cast();
        // SAFETY: a hint, which reads nothing; it belongs to every processor of the target.
        unsafe {
            if NEAR {
                _mm_prefetch::<_MM_HINT_T0>(line);
            } else {
                _mm_prefetch::<_MM_HINT_T1>(line);
            }
        }
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
        kernel.run::<true>()
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
    pub(super) fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
        kernel.run::<true>()
    }
}
