//! The register tile of products: some rows times one panel.

use std::ops::Range;

use super::{Level, Vector, VectorKernel, dispatch_vector, prefetch_near};
use crate::number::Float;
use crate::pool::Block;
use crate::tile::{Activation, Gathered};

/// The rows of the next tile, when so many are left.
pub(crate) fn tile_rows(level: Level, n_left: usize) -> usize {
    // Two registers per row, and three for the operands: what 32 or 16 registers hold.
    let sizes: &[usize] = match level.width() {
        64 => &[12, 8, 4, 2],
        32 => &[6, 4, 2],
        _ => &[4, 2],
    };
    sizes.iter().copied().find(|&n| n <= n_left).unwrap_or(1)
}

/// Products that are summed before the sum joins the others.
pub(super) const PART: usize = 256;

/// Products that take long enough for something to come from memory meanwhile.
const LONG: usize = 64;

/// Elements of the widest panel row.
pub(crate) const MAX_WIDTH: usize = 32;

/// The operands of a tile.
///
/// The panel has one or two registers for each element of a row, and so has `bias`.
#[derive(Clone, Copy)]
pub(crate) struct Tile<'a, T> {
    /// As many rows as [`tile_rows`] gives for the level that the tile is computed at.
    pub(crate) left: Gathered<'a, T>,
    pub(crate) panel: &'a [T],
    /// What is added to the sums of each column, last of all.
    pub(crate) bias: &'a [T],
    /// Whether the product is added to what is there.
    pub(crate) add: bool,
    pub(crate) activation: Activation,
}

impl<T: Float> Tile<'_, T> {
    /// Stores row `i` of the product in row `out_row(i)` of `out`, at the columns `cols`.
    ///
    /// There may be fewer columns than the panel has. Panics: if sizes do not fit.
    #[inline]
    pub(crate) fn store_to(
        self,
        level: Level,
        out: &mut Block<'_, T>,
        out_row: impl Fn(usize) -> usize,
        cols: Range<usize>,
    ) {
        dispatch_vector(level, Product { tile: self, out, out_row, cols });
    }
}

struct Product<'a, 'b, T, F> {
    tile: Tile<'a, T>,
    out: &'a mut Block<'b, T>,
    out_row: F,
    cols: Range<usize>,
}

impl<T: Float, F: Fn(usize) -> usize> VectorKernel<T> for Product<'_, '_, T, F> {
    #[inline(always)]
    unsafe fn run<V: Vector<T>>(self) {
        // SAFETY: the instruction set of V is available, as the caller promises.
        unsafe {
            match self.tile.bias.len() / V::LANES {
                2 => self.rows::<V, 2>(),
                1 => self.rows::<V, 1>(),
                n => unreachable!("a panel of {n} registers"),
            }
        }
    }
}

impl<T: Float, F: Fn(usize) -> usize> Product<'_, '_, T, F> {
    /// # Safety
    ///
    /// The instruction set of `V` must be available.
    #[inline(always)]
    unsafe fn rows<V: Vector<T>, const N: usize>(self) {
        // The sizes of `tile_rows`; those for wide registers are not compiled for narrow ones.
        let bytes = V::LANES * size_of::<T>();
        // SAFETY: promised by the caller.
        unsafe {
            match self.tile.left.rows.len() {
                12 if bytes == 64 => self.product::<V, 12, N>(),
                8 if bytes == 64 => self.product::<V, 8, N>(),
                6 if bytes == 32 => self.product::<V, 6, N>(),
                4 => self.product::<V, 4, N>(),
                2 => self.product::<V, 2, N>(),
                1 => self.product::<V, 1, N>(),
                n => unreachable!("a tile of {n} rows for registers of {bytes} bytes"),
            }
        }
    }

    /// # Safety
    ///
    /// The instruction set of `V` must be available.
    #[inline(always)]
    unsafe fn product<V: Vector<T>, const R: usize, const N: usize>(self) {
        let Tile { left, panel, bias, add, activation } = self.tile;
        let [n_tap_rows, n_tap_cols] = left.window.taps;
        let depth = left.depth;
        let width = N * V::LANES;
        assert!(bias.len() == width, "an unfit bias");
        assert!(panel.len() == n_tap_rows * n_tap_cols * depth * width, "unfit panel");
        let is_uniform = left.is_uniform();
        if panel.len() >= LONG * width {
            // Results go to lines that have left the cache: they come back meanwhile.
            for i in 0..R {
                prefetch_near(&self.out.row((self.out_row)(i))[self.cols.clone()]);
            }
        }
        let mut b = panel.as_ptr();
        // SAFETY: the instruction set of V is available. `b` advances by a panel row in each of
        // `n_taps * depth` steps, inside by the second assertion; `bias` holds N registers by the
        // first one. Every piece has `depth` elements, and `c` stays below.
        unsafe {
            let none = V::splat(T::ZERO);
            let one = V::splat(T::ONE);
            // Long sums are kept in parts, so that rounding errors grow with the parts' number.
            let mut total = [[none; N]; R];
            let mut acc = [[none; N]; R];
            let mut n_summed = 0;
            let (mut k, mut l) = (0, 0);
            for _ in 0..n_tap_rows * n_tap_cols {
                let (mut first, mut n_begun) = (0, 0);
                let pieces = left.pieces::<R>([k, l], is_uniform);
                let a = pieces.unwrap_or([std::ptr::null(); R]);
                if pieces.is_none() {
                    // Sums are cut into parts as if the zeros had been added.
                    b = b.add(depth * width);
                    first = depth;
                    n_summed += depth.min(PART);
                    n_begun = if depth > PART { depth % PART } else { 0 };
                }
                loop {
                    let end = depth.min(first + PART);
                    for c in first..end {
                        let mut row = [none; N];
                        for (j, row) in row.iter_mut().enumerate() {
                            *row = V::load(b.add(j * V::LANES));
                        }
                        b = b.add(width);
                        for i in 0..R {
                            let x = V::splat(*a[i].add(c));
                            for j in 0..N {
                                acc[i][j] = x.times_plus(row[j], acc[i][j]);
                            }
                        }
                    }
                    n_summed += end - first;
                    first = end;
                    if n_summed >= PART {
                        n_summed = n_begun;
                        for i in 0..R {
                            for j in 0..N {
                                total[i][j] = acc[i][j].times_plus(one, total[i][j]);
                                acc[i][j] = none;
                            }
                        }
                    }
                    if first >= depth {
                        break;
                    }
                }
                l += 1;
                if l == n_tap_cols {
                    (k, l) = (k + 1, 0);
                }
            }
            for i in 0..R {
                for j in 0..N {
                    acc[i][j] = acc[i][j].times_plus(one, total[i][j]);
                }
            }
            let bias: [V; N] = load(bias);
            let (zero, six) = (none, V::splat(T::from_f64(6.0)));
            for (i, mut values) in acc.into_iter().enumerate() {
                let row = &mut self.out.row((self.out_row)(i))[self.cols.clone()];
                if add {
                    let old: [V; N] = load_row(row);
                    for j in 0..N {
                        values[j] = values[j].times_plus(one, old[j]);
                    }
                }
                for j in 0..N {
                    values[j] = values[j].times_plus(one, bias[j]);
                }
                for value in &mut values {
                    if activation != Activation::None {
                        *value = value.at_least(zero);
                    }
                    if activation == Activation::Relu6 {
                        *value = value.at_most(six);
                    }
                }
                store_row(values, row);
            }
        }
    }
}

/// Loads registers from the start of `from`. Panics: if it is too short.
///
/// # Safety
///
/// The instruction set of `V` must be available.
#[inline(always)]
pub(super) unsafe fn load<T: Float, V: Vector<T>, const N: usize>(from: &[T]) -> [V; N] {
    let from = from[..N * V::LANES].as_ptr();
    // No closures here: they would not be compiled for the instruction set.
    // SAFETY: the instruction set is available, as the caller promises; N registers are there.
    unsafe {
        let mut values = [V::splat(T::ZERO); N];
        for (j, value) in values.iter_mut().enumerate() {
            *value = V::load(from.add(j * V::LANES));
        }
        values
    }
}

/// Stores registers at the start of `out`. Panics: if it is too short.
///
/// # Safety
///
/// The instruction set of `V` must be available.
#[inline(always)]
pub(super) unsafe fn store<T, V: Vector<T>, const N: usize>(values: [V; N], out: &mut [T]) {
    let out = out[..N * V::LANES].as_mut_ptr();
    for (j, value) in values.into_iter().enumerate() {
        // SAFETY: the instruction set is available, as the caller promises; N registers fit.
        unsafe { value.store(out.add(j * V::LANES)) };
    }
}

/// [`load`] for a row that may have fewer elements than the registers: zeros follow.
///
/// # Safety
///
/// The instruction set of `V` must be available.
#[inline(always)]
pub(super) unsafe fn load_row<T: Float, V: Vector<T>, const N: usize>(row: &[T]) -> [V; N] {
    // SAFETY: promised by the caller.
    unsafe {
        if row.len() == N * V::LANES {
            return load(row);
        }
        let mut whole = [T::ZERO; MAX_WIDTH];
        whole[..row.len()].copy_from_slice(row);
        load(&whole)
    }
}

/// [`store`] for a row that may have fewer elements than the registers: the others are dropped.
///
/// # Safety
///
/// The instruction set of `V` must be available.
#[inline(always)]
pub(super) unsafe fn store_row<T: Float, V: Vector<T>, const N: usize>(
    values: [V; N],
    row: &mut [T],
) {
    // SAFETY: promised by the caller.
    unsafe {
        if row.len() == N * V::LANES {
            return store(values, row);
        }
        let mut whole = [T::ZERO; MAX_WIDTH];
        store(values, &mut whole);
        row.copy_from_slice(&whole[..row.len()]);
    }
}
