//! Convolution.

use std::ops::{Range, RangeInclusive};

use super::geometry::Conv2dGeometry;
use super::patches::{Layout, PixelRows};
use crate::gemm::Mat;
use crate::number::Float;
use crate::pool::Pool;
use crate::simd::Level;
use crate::tile::{Epilogue, Panels, Right, fill, multiply, narrow_or_full, panel_width};

/// Multiply-adds per task to aim at: 100 to 500 microseconds.
const TASK_SIZE: RangeInclusive<usize> = 6 << 20..=60 << 20;
/// Tasks that are enough for most machines; where there are more, they may be larger.
const N_TASKS: usize = 12;
/// Pixels per task.
const PIXELS: RangeInclusive<usize> = 96..=1176;
/// Pixels of a register tile, for every instruction set.
const TILE_ROWS: usize = 12;

/// A larger filter, in bytes, is not packed as a whole for a single convolution.
const WHOLE_BYTES: usize = 1 << 20;

/// So many bytes of a filter are packed at a time.
const PART_BYTES: usize = 1 << 20;

/// A filter in the form that [`conv2d_packed`] reads; made once, used for every image size.
#[derive(Debug)]
pub struct PackedFilter<T> {
    /// One matrix `[filter height * width * in channels, out channels]` per group.
    groups: Vec<Panels<T>>,
    shape: [usize; 4],
}

impl<T: Float> PackedFilter<T> {
    /// Packs an HWIO filter for so many groups of channels (see [`Conv2dGeometry::groups`]).
    ///
    /// Panics: if the filter has another length than `shape` asks for, or if the groups do not
    /// divide its output channels.
    pub fn new(pool: &Pool, filter: &[T], shape: [usize; 4], groups: usize) -> Self {
        PackedFilter::new_in_parts(pool, filter, shape, groups, |_| ())
    }

    /// As [`PackedFilter::new`]; `done` is told which elements will not be read again, in order, so that their
    /// memory may be let go of while the others are packed.
    ///
    /// Panics: as [`PackedFilter::new`].
    pub fn new_in_parts(
        pool: &Pool,
        filter: &[T],
        shape: [usize; 4],
        groups: usize,
        mut done: impl FnMut(Range<usize>),
    ) -> Self {
        let [height, width, depth, out_channels] = shape;
        let k = height * width * depth;
        assert!(
            filter.len() == k * out_channels,
            "a filter of {} elements does not fit",
            filter.len()
        );
        assert!(groups > 0 && out_channels.is_multiple_of(groups), "{groups} groups do not fit");
        let n = out_channels / groups;
        let matrix = Mat::row_major(filter, k, out_channels);
        let groups = if groups == 1 {
            let n_rows = PART_BYTES / size_of::<T>() / n.max(1);
            let done = |rows: Range<usize>| done(rows.start * n..rows.end * n);
            vec![Panels::pack_by_rows(pool, matrix, n_rows, done)]
        } else {
            let group = |g| Panels::pack(pool, matrix.block(0, g * n, k, n));
            let packed = (0..groups).map(group).collect();
            done(0..filter.len());
            packed
        };
        PackedFilter { groups, shape }
    }

    /// The shape of the filter, HWIO.
    pub fn shape(&self) -> [usize; 4] {
        self.shape
    }
}

/// Convolves `x` with a filter that is packed for this once, a large one piece by piece.
///
/// The results are, to the bit, those of [`conv2d_packed`].
/// Shapes: see [`Conv2dGeometry`]. Panics: if the lengths do not fit the geometry.
pub fn conv2d<T: Float>(
    pool: &Pool,
    geometry: &Conv2dGeometry,
    x: &[T],
    filter: &[T],
    epilogue: Epilogue<'_, T>,
    y: &mut [T],
) {
    if y.is_empty() {
        return geometry.check_lens(x.len(), 0);
    }
    // Each thread has to get panels.
    let n_panels = geometry.out_channels / panel_width::<T>(Level::best());
    let is_shared_out = n_panels >= 2 * pool.threads();
    // More pixels do not stay in the cache beside a panel.
    let n_pixels = geometry.batch * geometry.rows.output * geometry.cols.output;
    let is_large = size_of_val(filter) > WHOLE_BYTES && n_pixels <= *PIXELS.end();
    if geometry.groups == 1 && is_large && is_shared_out {
        return by_panels(pool, geometry, x, filter, epilogue, y);
    }
    let filter = PackedFilter::new(pool, filter, geometry.filter_shape(), geometry.groups);
    conv2d_packed(pool, geometry, x, &filter, epilogue, y);
}

/// As [`conv2d`], with one panel of the filter packed at a time and used for all pixels while it is in the
/// cache.
fn by_panels<T: Float>(
    pool: &Pool,
    geometry: &Conv2dGeometry,
    x: &[T],
    filter: &[T],
    epilogue: Epilogue<'_, T>,
    y: &mut [T],
) {
    geometry.check_lens(x.len(), y.len());
    let out_channels = geometry.out_channels;
    let k = filter.len() / out_channels;
    let matrix = Mat::row_major(filter, k, out_channels);
    assert!(k == geometry.filter_shape()[..3].iter().product(), "the filter does not fit");
    if let Some(bias) = epilogue.bias {
        assert!(bias.len() == out_channels, "a bias of {} elements", bias.len());
    }
    let layout = Layout::new(geometry);
    let n_pixels = geometry.batch * geometry.rows.output * geometry.cols.output;
    let level = Level::best();
    let full = panel_width::<T>(level);
    let n_panels = out_channels.div_ceil(full).div_ceil(N_TASKS);
    pool.parallel_blocks(y, out_channels, (n_pixels, n_panels * full), |block| {
        let patches = PixelRows::new(&layout, x, 0..n_pixels);
        let slack = 64 / size_of::<T>();
        let mut room = vec![T::ZERO; k * full + slack];
        let start = room.as_ptr().align_offset(64).min(slack);
        for first in (0..block.cols()).step_by(full) {
            let in_block = first..block.cols().min(first + full);
            let cols = block.first_col() + in_block.start..block.first_col() + in_block.end;
            let width = narrow_or_full(cols.len(), full);
            let panel = &mut room[start..][..k * width];
            if cols.len() < width {
                panel.fill(T::ZERO);
            }
            fill(panel, width, matrix, cols.clone());
            let epilogue = Epilogue { bias: epilogue.bias.map(|bias| &bias[cols]), ..epilogue };
            let right = Right { panel, width, first_row: 0, add: false, epilogue };
            right.multiply(level, patches.group(0), block, Some(patches.out_rows()), in_block);
        }
    });
}

/// Convolves `x` with a packed filter; adds the bias and applies the activation on the way out.
///
/// Shapes: see [`Conv2dGeometry`]; the bias has an element per output channel.
/// Panics: if the lengths do not fit the geometry.
///
/// ```
/// use flowkeep_linalg::conv::{Conv2dGeometry, PackedFilter, conv2d_packed};
/// use flowkeep_linalg::window::Padding;
/// use flowkeep_linalg::{Epilogue, Pool};
///
/// let pool = Pool::new(1);
/// // Sums of two neighbors in a row of three pixels.
/// let geometry = Conv2dGeometry::new([1, 1, 3, 1], [1, 2, 1, 1], [1, 1], [1, 1], Padding::Valid)?;
/// let filter = PackedFilter::new(&pool, &[1.0_f32, 1.0], geometry.filter_shape(), 1);
/// let mut y = [0.0; 2];
/// conv2d_packed(&pool, &geometry, &[1.0, 2.0, 4.0], &filter, Epilogue::NONE, &mut y);
/// assert_eq!(y, [3.0, 6.0]);
/// # Ok::<(), flowkeep_linalg::window::GeometryError>(())
/// ```
pub fn conv2d_packed<T: Float>(
    pool: &Pool,
    geometry: &Conv2dGeometry,
    x: &[T],
    filter: &PackedFilter<T>,
    epilogue: Epilogue<'_, T>,
    y: &mut [T],
) {
    geometry.check_lens(x.len(), y.len());
    let shape = geometry.filter_shape();
    assert!(filter.shape == shape, "the filter is {:?}, not {shape:?}", filter.shape);
    assert!(filter.groups.len() == geometry.groups, "the filter is for other groups");
    if let Some(bias) = epilogue.bias {
        assert!(bias.len() == geometry.out_channels, "a bias of {} elements", bias.len());
    }
    if y.is_empty() {
        return;
    }
    let layout = Layout::new(geometry);
    let n_pixels = geometry.batch * geometry.rows.output * geometry.cols.output;
    let (block_rows, block_cols) =
        block_size(geometry, n_pixels, filter.groups[0].width(), pool.threads());
    pool.parallel_blocks(y, geometry.out_channels, (block_rows, block_cols), |block| {
        let pixels = block.first_row()..block.first_row() + block.rows();
        let patches = PixelRows::new(&layout, x, pixels);
        for (group_idx, panels) in filter.groups.iter().enumerate() {
            // Blocks are narrower than a group only where there is one group.
            let first_output = group_idx * panels.n();
            let col_offset = first_output as isize - block.first_col() as isize;
            let end_col = (block.first_col() + block.cols()).min(panels.n());
            let panel_range = match geometry.groups {
                1 => block.first_col() / panels.width()..end_col.div_ceil(panels.width()),
                _ => 0..panels.len(),
            };
            let bias = epilogue.bias.map(|bias| &bias[first_output..first_output + panels.n()]);
            let epilogue = Epilogue { bias, ..epilogue };
            let (left, rows) = (patches.group(group_idx), Some(patches.out_rows()));
            multiply(left, panels, panel_range, epilogue, block, rows, col_offset);
        }
    });
}

/// The multiply-adds of a task, of so many in all.
pub(super) fn task_size(work: usize) -> usize {
    (work / N_TASKS).clamp(*TASK_SIZE.start(), *TASK_SIZE.end())
}

/// The pixels and output channels of a task.
fn block_size(
    geometry: &Conv2dGeometry,
    n_pixels: usize,
    panel_width: usize,
    threads: usize,
) -> (usize, usize) {
    let [height, width, depth, out_channels] = geometry.filter_shape();
    let per_output = height * width * depth;
    let per_pixel = per_output * out_channels;
    // Blocks of about equal size. They are not made small, since each reads the whole filter.
    // In larger ones more pixels miss the same taps.
    let task_size = task_size(n_pixels.saturating_mul(per_pixel));
    let pixels = (task_size / per_pixel.max(1)).clamp(*PIXELS.start(), *PIXELS.end());
    let n_blocks = ((n_pixels + pixels / 2) / pixels).max(1);
    // As many for each thread, unless they are many.
    let n_blocks = if (2..N_TASKS).contains(&(n_blocks / threads)) {
        n_blocks.next_multiple_of(threads)
    } else {
        n_blocks
    };
    let pixels = n_pixels.div_ceil(n_blocks).next_multiple_of(TILE_ROWS);
    // Few pixels and a large filter: the output channels are shared out instead.
    let outputs = task_size / (per_output * pixels).max(1);
    let outputs = outputs.next_multiple_of(panel_width).max(panel_width);
    (pixels, if geometry.groups == 1 { outputs } else { out_channels })
}
