//! The transforms of Winograd's convolution: pieces of a tile become values at points, and back.
//!
//! A filter of `k` taps over `m` windows is a product of polynomials. It is computed as products of
//! their values at `k + m - 1 = 6` points: 0, 1, -1, 1/2, -2 and infinity. These points keep rounding
//! errors small, among those whose transforms are cheap.

use std::mem::MaybeUninit;

use super::Level;
use super::vector::{Vector, VectorKernel, dispatch_vector};
use crate::number::Float;

/// Points along each axis.
pub(crate) const SIDE: usize = 6;

/// What is done along both axes of a tile.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Transform {
    /// 6 pixels become values at the points.
    Pixels,
    /// So many taps, 2 to 5, become values at the points.
    Taps(usize),
    /// Values at the points become so many sums, 2 to 5.
    Sums(usize),
}

/// A tile of pieces of `len` elements, each of which is transformed by itself.
pub(crate) struct Tile<'a, T> {
    pub(crate) source: &'a [T],
    /// Where the pieces lie, row after row; one that is nowhere is `zeros`.
    pub(crate) from: &'a [Option<usize>],
    pub(crate) zeros: &'a [T],
    pub(crate) target: &'a mut [T],
    /// Where the results go, row after row; one that goes nowhere is dropped.
    pub(crate) to: &'a [Option<usize>],
    /// A multiple of the elements of a register.
    pub(crate) len: usize,
}

impl<T: Float> Tile<'_, T> {
    /// Transforms the tile; says whether all sums are finite.
    ///
    /// Panics: if sizes do not fit.
    pub(crate) fn transform(self, level: Level, transform: Transform) -> bool {
        let mut is_finite = true;
        dispatch_vector(level, Run { tile: self, transform, is_finite: &mut is_finite });
        is_finite
    }
}

struct Run<'a, 'b, T> {
    tile: Tile<'a, T>,
    transform: Transform,
    is_finite: &'b mut bool,
}

impl<T: Float> VectorKernel<T> for Run<'_, '_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector<T>>(self) {
        // SAFETY: the instruction set of V is available, as the caller promises.
        unsafe {
            match self.transform {
                Transform::Pixels => self.both_axes::<V, Pixels, 6, 6>(),
                Transform::Taps(2) => self.both_axes::<V, Taps, 2, 6>(),
                Transform::Taps(3) => self.both_axes::<V, Taps, 3, 6>(),
                Transform::Taps(4) => self.both_axes::<V, Taps, 4, 6>(),
                Transform::Taps(5) => self.both_axes::<V, Taps, 5, 6>(),
                Transform::Sums(2) => self.both_axes::<V, Sums, 6, 2>(),
                Transform::Sums(3) => self.both_axes::<V, Sums, 6, 3>(),
                Transform::Sums(4) => self.both_axes::<V, Sums, 6, 4>(),
                Transform::Sums(5) => self.both_axes::<V, Sums, 6, 5>(),
                Transform::Taps(n) | Transform::Sums(n) => unreachable!("{n} of 6 points"),
            }
        }
    }
}

impl<T: Float> Run<'_, '_, T> {
    /// # Safety
    ///
    /// The instruction set of `V` must be available.
    #[inline(always)]
    unsafe fn both_axes<V, L, const IN: usize, const OUT: usize>(self)
    where
        V: Vector<T>,
        L: Line<T, IN, OUT>,
    {
        let Tile { source, from, zeros, target, to, len } = self.tile;
        assert!(len.is_multiple_of(V::LANES), "pieces of {len} elements");
        assert!(from.len() == IN * IN && to.len() == OUT * OUT, "an unfit tile");
        let mut pieces = [[std::ptr::null(); IN]; IN];
        for i in 0..IN {
            for j in 0..IN {
                let piece = match from[i * IN + j] {
                    Some(at) => &source[at..][..len],
                    None => &zeros[..len],
                };
                pieces[i][j] = piece.as_ptr();
            }
        }
        // Of those that go nowhere the pointer stays null.
        let mut results = [[std::ptr::null_mut(); OUT]; OUT];
        for i in 0..OUT {
            for j in 0..OUT {
                if let Some(at) = to[i * OUT + j] {
                    results[i][j] = target[at..][..len].as_mut_ptr();
                }
            }
        }
        // SAFETY: the instruction set of V is available, as the caller promises. Every pointer was
        // cut from a slice of `len` elements, and `c` stops a register before their end. Results
        // may overlap one another; they are written one after the other. All of `columns` is written
        // before it is read.
        unsafe {
            let zero = V::splat(T::ZERO);
            let mut tainted = [zero; OUT];
            let mut c = 0;
            while c < len {
                // Zeros would be stored by a call, for each register.
                let mut columns = [[const { MaybeUninit::<V>::uninit() }; IN]; OUT];
                for j in 0..IN {
                    let mut x = [zero; IN];
                    for i in 0..IN {
                        x[i] = V::load(pieces[i][j].add(c));
                    }
                    let y = L::apply(x);
                    for i in 0..OUT {
                        columns[i][j].write(y[i]);
                    }
                }
                for i in 0..OUT {
                    let mut x = [zero; IN];
                    for j in 0..IN {
                        x[j] = columns[i][j].assume_init();
                    }
                    let y = L::apply(x);
                    for j in 0..OUT {
                        if L::IS_LAST {
                            // Zero times infinity is no number, and stays none.
                            tainted[j] = y[j].times_plus(zero, tainted[j]);
                        }
                        if !results[i][j].is_null() {
                            y[j].store(results[i][j].add(c));
                        }
                    }
                }
                c += V::LANES;
            }
            for tainted in tainted {
                let mut lanes = [T::ZERO; super::MAX_WIDTH];
                tainted.store(lanes.as_mut_ptr());
                for lane in lanes {
                    *self.is_finite &= lane == T::ZERO;
                }
            }
        }
    }
}

/// A transform along one axis.
trait Line<T, const IN: usize, const OUT: usize> {
    /// Whether its results are the sums that are wanted.
    const IS_LAST: bool = false;

    /// # Safety
    ///
    /// The instruction set of `V` must be available.
    unsafe fn apply<V: Vector<T>>(x: [V; IN]) -> [V; OUT];
}

struct Pixels;
struct Taps;
struct Sums;

/// `x * factor + y`.
///
/// # Safety
///
/// The instruction set of `V` must be available.
#[inline(always)]
unsafe fn plus<T: Float, V: Vector<T>>(x: V, factor: f64, y: V) -> V {
    // SAFETY: promised by the caller.
    unsafe { x.times_plus(V::splat(T::from_f64(factor)), y) }
}

impl<T: Float> Line<T, 6, 6> for Pixels {
    /// Row `j` has the coefficients of the product of all `x - point` but that of point `j`.
    #[inline(always)]
    unsafe fn apply<V: Vector<T>>(x: [V; 6]) -> [V; 6] {
        // SAFETY: promised by the caller.
        unsafe {
            let even = plus(x[2], -1.0, x[4]);
            let odd = plus(x[1], -1.0, x[3]);
            let s = plus(x[3], 1.5, even);
            let t = plus(x[2], 1.5, odd);
            [
                plus(x[2], -1.0, plus(odd, 1.5, plus(even, 1.0, x[0]))),
                plus(t, 1.0, s),
                plus(t, -1.0, s),
                plus(odd, 2.0, even),
                plus(odd, -0.5, even),
                plus(x[3], -2.0, plus(even, 1.5, plus(x[1], 1.0, x[5]))),
            ]
        }
    }
}

impl<T: Float, const K: usize> Line<T, K, 6> for Taps {
    /// The values of a polynomial at the points.
    #[inline(always)]
    unsafe fn apply<V: Vector<T>>(x: [V; K]) -> [V; 6] {
        // SAFETY: promised by the caller.
        unsafe {
            let zero = V::splat(T::ZERO);
            let (mut even, mut odd) = (zero, zero);
            let (mut at_half, mut at_minus_two) = (zero, zero);
            for i in (0..K).rev() {
                if i % 2 == 0 {
                    even = plus(x[i], 1.0, even);
                } else {
                    odd = plus(x[i], 1.0, odd);
                }
                at_half = plus(at_half, 0.5, x[i]);
                at_minus_two = plus(at_minus_two, -2.0, x[i]);
            }
            [x[0], plus(odd, 1.0, even), plus(odd, -1.0, even), at_half, at_minus_two, x[K - 1]]
        }
    }
}

/// The values at points 0, 1, -1, 1/2, -2 and infinity weigh so much in sums.
const WEIGHTS: [f64; 6] = [1.0, 1.0 / 3.0, -1.0 / 3.0, -16.0 / 15.0, 1.0 / 15.0, 1.0];

impl<T: Float, const M: usize> Line<T, 6, M> for Sums {
    const IS_LAST: bool = true;

    /// Sum `i` is that of all values times the weight and power `i` of the point; for infinity
    /// that is the last sum alone.
    #[inline(always)]
    unsafe fn apply<V: Vector<T>>(x: [V; 6]) -> [V; M] {
        // SAFETY: promised by the caller.
        unsafe {
            let zero = V::splat(T::ZERO);
            let third = V::splat(T::from_f64(WEIGHTS[1]));
            let even = plus(x[2], -1.0, x[1]).times_plus(third, zero);
            let odd = plus(x[2], 1.0, x[1]).times_plus(third, zero);
            let mut sums = [even; M];
            let (mut half, mut minus_two) = (WEIGHTS[3], WEIGHTS[4]);
            for (i, sum) in sums.iter_mut().enumerate() {
                let ones = if i % 2 == 0 { even } else { odd };
                *sum = plus(x[3], half, plus(x[4], minus_two, ones));
                half *= 0.5;
                minus_two *= -2.0;
            }
            sums[0] = plus(x[0], WEIGHTS[0], sums[0]);
            sums[M - 1] = plus(x[5], WEIGHTS[5], sums[M - 1]);
            sums
        }
    }
}
