//! Convolution.

use std::ops::{Range, RangeInclusive};

use super::geometry::Conv2dGeometry;
use super::order::EdgeOrder;
use crate::gemm::Mat;
use crate::number::Float;
use crate::pool::Pool;
use crate::tile::{Epilogue, Gathered, Panels, multiply};

/// Multiply-adds per task to aim at: 100 to 500 microseconds.
const TASK_SIZE: RangeInclusive<usize> = 6 << 20..=30 << 20;
/// Tasks that are enough for most machines; where there are more, they may be larger.
const N_TASKS: usize = 16;
/// Pixels per task.
const PIXELS: RangeInclusive<usize> = 96..=588;
/// Pixels of a register tile, for every instruction set.
const TILE_ROWS: usize = 12;
/// Filters of at most as many channels read whole filter rows at once.
const SHALLOW: usize = 16;

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
        let groups =
            (0..groups).map(|g| Panels::pack(pool, matrix.block(0, g * n, k, n))).collect();
        PackedFilter { groups, shape }
    }

    /// The shape of the filter, HWIO.
    pub fn shape(&self) -> [usize; 4] {
        self.shape
    }
}

/// Convolves `x` with a filter: packs it and calls [`conv2d_packed`].
///
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
    let filter = PackedFilter::new(pool, filter, geometry.filter_shape(), geometry.groups);
    conv2d_packed(pool, geometry, x, &filter, epilogue, y);
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
    let zeros = vec![T::ZERO; geometry.group_inputs()];
    let (rows, cols) = (&geometry.rows, &geometry.cols);
    let order = EdgeOrder::new(
        (0..rows.output).map(|o| rows.taps(o)),
        (0..cols.output).map(|o| cols.taps(o)),
    );
    let n_pixels = geometry.batch * geometry.rows.output * geometry.cols.output;
    let (block_rows, block_cols) = block_size(geometry, n_pixels, filter.groups[0].width());
    pool.parallel_blocks(y, geometry.out_channels, (block_rows, block_cols), |block| {
        let pixels = block.first_row()..block.first_row() + block.rows();
        let patches = Patches::new(geometry, x, &zeros, &order, pixels);
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
            patches.gather(group_idx, |gathered| {
                let rows = patches.out_rows.as_deref();
                multiply(gathered, panels, panel_range, epilogue, block, rows, col_offset);
            });
        }
    });
}

/// The multiply-adds of a task, of so many in all.
pub(super) fn task_size(work: usize) -> usize {
    (work / N_TASKS).clamp(*TASK_SIZE.start(), *TASK_SIZE.end())
}

/// The pixels and output channels of a task.
fn block_size(geometry: &Conv2dGeometry, n_pixels: usize, panel_width: usize) -> (usize, usize) {
    let [height, width, depth, out_channels] = geometry.filter_shape();
    let per_output = height * width * depth;
    let per_pixel = per_output * out_channels;
    // Blocks of about equal size. They are not made small, since each reads the whole filter.
    // In larger ones more pixels miss the same taps.
    let task_size = task_size(n_pixels.saturating_mul(per_pixel));
    let pixels = (task_size / per_pixel.max(1)).clamp(*PIXELS.start(), *PIXELS.end());
    let n_blocks = ((n_pixels + pixels / 2) / pixels).max(1);
    let pixels = n_pixels.div_ceil(n_blocks).next_multiple_of(TILE_ROWS);
    // Few pixels and a large filter: the output channels are shared out instead.
    let outputs = task_size / (per_output * pixels).max(1);
    let outputs = outputs.next_multiple_of(panel_width).max(panel_width);
    (pixels, if geometry.groups == 1 { outputs } else { out_channels })
}

/// Whether patches consist of whole filter rows, since pixels have few channels.
fn takes_filter_rows(geometry: &Conv2dGeometry) -> bool {
    let Conv2dGeometry { cols, in_channels, groups, .. } = geometry;
    *groups == 1 && *in_channels <= SHALLOW && cols.filter > 1 && cols.dilation == 1
}

/// The input patches of some output pixels.
struct Patches<'a, T> {
    geometry: &'a Conv2dGeometry,
    x: &'a [T],
    /// What a tap outside the image reads: as many zeros as a group has input channels.
    zeros: &'a [T],
    /// Output pixels, counted over the batch.
    pixels: Range<usize>,
    /// Where the patch of each pixel comes, unless they stay in their order.
    places: Option<Vec<usize>>,
    /// The pixel of each patch, counted from the first one.
    out_rows: Option<Vec<usize>>,
}

impl<'a, T: Float> Patches<'a, T> {
    fn new(
        geometry: &'a Conv2dGeometry,
        x: &'a [T],
        zeros: &'a [T],
        order: &EdgeOrder,
        pixels: Range<usize>,
    ) -> Self {
        let Conv2dGeometry { rows, cols, .. } = geometry;
        let place = |pixel: usize| (pixel / cols.output % rows.output, pixel % cols.output);
        let places = match takes_filter_rows(geometry) {
            true => None,
            false => order.places(pixels.clone().map(place)),
        };
        let out_rows = places.as_ref().map(|places| {
            let mut out_rows = vec![0; places.len()];
            places.iter().enumerate().for_each(|(row, &place)| out_rows[place] = row);
            out_rows
        });
        Patches { geometry, x, zeros, pixels, places, out_rows }
    }

    /// Calls `f` with the patches of one group.
    fn gather(&self, group_idx: usize, f: impl FnOnce(Gathered<'_, T>)) {
        if takes_filter_rows(self.geometry) {
            self.gather_filter_rows(f);
        } else {
            self.gather_taps(group_idx, f);
        }
    }

    /// One piece per tap: the channels of a pixel.
    fn gather_taps(&self, group_idx: usize, f: impl FnOnce(Gathered<'_, T>)) {
        let Conv2dGeometry { rows, cols, in_channels, .. } = self.geometry;
        let depth = self.geometry.group_inputs();
        let n_rows = self.pixels.len();
        let n_taps = rows.filter * cols.filter;
        let place = |pixel: usize| self.places.as_ref().map_or(pixel, |places| places[pixel]);
        let mut pieces = vec![self.zeros; n_taps * n_rows];
        self.for_each_run(|first, image, o, run| {
            for k in rows.taps(o) {
                let line_len = cols.input * in_channels;
                let line = &image[rows.at(o, k) * line_len..][..line_len];
                for l in 0..cols.filter {
                    let tap = &mut pieces[(k * cols.filter + l) * n_rows..][..n_rows];
                    let inside = cols.outputs(l);
                    let from = inside.start.clamp(run.start, run.end);
                    let to = inside.end.clamp(from, run.end);
                    let mut at = cols.at(from, l) * in_channels + group_idx * depth;
                    for i in first + from - run.start..first + to - run.start {
                        tap[place(i)] = &line[at..at + depth];
                        at += cols.stride * in_channels;
                    }
                }
            }
        });
        let zeros = Some(self.zeros);
        f(Gathered { pieces: &pieces, n_rows, n_taps, depth, zeros });
    }

    /// One piece per filter row: the channels of neighboring pixels. Where a filter row reaches
    /// over the edge it is copied, with its zeros.
    fn gather_filter_rows(&self, f: impl FnOnce(Gathered<'_, T>)) {
        let Conv2dGeometry { rows, cols, in_channels, .. } = self.geometry;
        let depth = cols.filter * in_channels;
        let n_rows = self.pixels.len();
        let inner = cols.inner();
        let mut n_edges = 0;
        self.for_each_run(|_, _, _, run| {
            n_edges += run.filter(|o| !inner.contains(o)).count() * rows.filter;
        });
        // The first one stays zero: for filter rows outside the image.
        let mut edges = vec![T::ZERO; (n_edges + 1) * depth];
        let (nothing, edges) = edges.split_at_mut(depth);
        let nothing: &[T] = nothing;
        let mut edges = edges.chunks_exact_mut(depth);
        let mut pieces = vec![nothing; rows.filter * n_rows];
        self.for_each_run(|first, image, o, run| {
            let line_len = cols.input * in_channels;
            for k in rows.taps(o) {
                let line = &image[rows.at(o, k) * line_len..][..line_len];
                for (i, p) in run.clone().enumerate() {
                    let piece = if inner.contains(&p) {
                        &line[cols.at(p, 0) * in_channels..][..depth]
                    } else {
                        let Some(edge) = edges.next() else { continue };
                        let taps = cols.taps(p);
                        if !taps.is_empty() {
                            let at = cols.at(p, taps.start) * in_channels;
                            let len = taps.len() * in_channels;
                            edge[taps.start * in_channels..][..len]
                                .copy_from_slice(&line[at..at + len]);
                        }
                        edge
                    };
                    pieces[k * n_rows + first + i] = piece;
                }
            }
        });
        let zeros = Some(nothing);
        f(Gathered { pieces: &pieces, n_rows, n_taps: rows.filter, depth, zeros });
    }

    /// Calls `f(place of the first pixel, image, output row, output columns)` for each stretch of
    /// pixels in one output row.
    fn for_each_run(&self, mut f: impl FnMut(usize, &'a [T], usize, Range<usize>)) {
        let Conv2dGeometry { rows, cols, in_channels, .. } = self.geometry;
        let image_len = rows.input * cols.input * in_channels;
        let mut pixel = self.pixels.start;
        while pixel < self.pixels.end {
            let (line, first_col) = (pixel / cols.output, pixel % cols.output);
            let len = (cols.output - first_col).min(self.pixels.end - pixel);
            let image = &self.x[line / rows.output * image_len..][..image_len];
            f(pixel - self.pixels.start, image, line % rows.output, first_col..first_col + len);
            pixel += len;
        }
    }
}
