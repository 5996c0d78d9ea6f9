//! Images of another size.

use std::marker::PhantomData;

use flowkeep_linalg::Pool;
use flowkeep_tensor::{DType, Element, Tensor, bf16, f16};

use super::sampling::{Between, Sampling, Taps};
use super::window::dims4;
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::{self, Built, kernel};
use crate::ops::cells::{Cell, Move, copy, fill_in};
use crate::ops::dispatch::{no_type, with_real};

/// The images and the size that they get.
pub(super) struct Sizes {
    /// Batch, rows, columns, channels.
    pub(super) images: [usize; 4],
    pub(super) rows: usize,
    pub(super) cols: usize,
}

impl Sizes {
    /// Reads and checks both inputs.
    pub(super) fn new(cx: &KernelContext<'_>) -> Result<Sizes, Status> {
        let (images, size) = (cx.input(0)?, cx.input(1)?);
        let error = |message: String| Err(Status::invalid_argument(message));
        let Some(dims) = dims4(images) else {
            return error(format!("input must be 4-dimensional{}", images.shape()));
        };
        if size.shape().rank() != 1 {
            return error(format!("shape_t must be 1-dimensional{}", size.shape()));
        }
        let &[rows, cols] = &args::ints(size)?[..] else {
            return error(format!("shape_t must have two elements{}", size.shape()));
        };
        let (Ok(rows @ 1..), Ok(cols @ 1..)) = (usize::try_from(rows), usize::try_from(cols))
        else {
            return error("output dimensions must be positive".into());
        };
        if dims[3] == 0 {
            return error("image must have at least one channel".into());
        }
        if dims[1] == 0 || dims[2] == 0 {
            return error("input image must be of non-zero size".into());
        }
        Ok(Sizes { images: dims, rows, cols })
    }

    pub(super) fn output(&self) -> [usize; 4] {
        let [batch, _, _, channels] = self.images;
        [batch, self.rows, self.cols, channels]
    }
}

/// Resizes images by taking the nearest pixels.
///
/// Shapes: `images [N, H, W, C]`, `size [2]`, i32 → `[N, size[0], size[1], C]`.  Types: `T` any.
/// Errors: `INVALID_ARGUMENT` for other shapes, empty images or sizes that are not positive; `RESOURCE_EXHAUSTED` if
/// the result is too large.  Source: OpDef `ResizeNearestNeighbor`.
pub(super) fn nearest_neighbor(init: &KernelInit<'_>) -> Built {
    let sampling = Sampling::new(init)?;
    kernel(move |cx| {
        let sizes = Sizes::new(cx)?;
        let [_, height, width, channels] = sizes.images;
        let (rows, cols) =
            (sampling.nearest(height, sizes.rows)?, sampling.nearest(width, sizes.cols)?);
        let images = cx.input(0)?;
        let job = Nearest { rows: &rows, cols: &cols, height, width, channels, pool: cx.pool() };
        let output = fill_in(cx, images.dtype(), &[images], sizes.output(), job)?;
        cx.set_output(0, output)
    })
}

struct Nearest<'a> {
    rows: &'a [usize],
    cols: &'a [usize],
    height: usize,
    width: usize,
    channels: usize,
    pool: &'a Pool,
}

impl Move for Nearest<'_> {
    fn run<C: Cell>(self, from: &[&[C]], to: &mut [C]) -> Result<(), Status> {
        let Nearest { rows, cols, height, width, channels, pool } = self;
        let Some(from) = from.first() else { return Ok(()) };
        pool.parallel_chunks(to, cols.len() * channels, |idx, to| {
            let (image, row) = (idx / rows.len(), rows[idx % rows.len()]);
            let from = &from[(image * height + row) * width * channels..][..width * channels];
            for (to, col) in to.chunks_exact_mut(channels).zip(cols) {
                copy(&from[col * channels..][..channels], to);
            }
        });
        Ok(())
    }
}

/// A number that can be a pixel.
pub(super) trait Pixel: Element {
    fn level(self) -> f32;
}

macro_rules! pixels {
    ($($t:ty)*) => {$(
        impl Pixel for $t {
            #[inline(always)]
            fn level(self) -> f32 {
                self as f32
            }
        }
    )*};
}

pixels!(f32 f64 i8 i16 i32 i64 u8 u16 u32 u64);

impl Pixel for f16 {
    #[inline(always)]
    fn level(self) -> f32 {
        self.to_f32()
    }
}

impl Pixel for bf16 {
    #[inline(always)]
    fn level(self) -> f32 {
        self.to_f32()
    }
}

/// How an output row is made from the rows of an image.
trait Rule: Send + Sync + 'static {
    /// What is worked out for one direction.
    type Axis: Sync;

    /// For an axis of `n` pixels that becomes one of `out` pixels.
    ///
    /// Errors: `RESOURCE_EXHAUSTED` if there is no memory for it.
    fn axis(sampling: Sampling, n: usize, out: usize) -> Result<Self::Axis, Status>;

    /// Fills the output row `row` from the rows of its image, of `width` elements each.
    fn fill<T: Pixel>(
        axes: (&Self::Axis, &Self::Axis),
        image: &[T],
        width: usize,
        channels: usize,
        row: usize,
        to: &mut [f32],
    );
}

/// Between the nearest pixels on both sides.
struct Bilinear;

impl Rule for Bilinear {
    type Axis = Vec<Between>;

    fn axis(sampling: Sampling, n: usize, out: usize) -> Result<Vec<Between>, Status> {
        sampling.between(n, out)
    }

    fn fill<T: Pixel>(
        (rows, cols): (&Vec<Between>, &Vec<Between>),
        image: &[T],
        width: usize,
        channels: usize,
        row: usize,
        to: &mut [f32],
    ) {
        let Between { low, high, part } = rows[row];
        let (top, bottom) = (&image[low * width..][..width], &image[high * width..][..width]);
        let along = |a: T, b: T, part: f32| a.level() + (b.level() - a.level()) * part;
        for (to, col) in to.chunks_exact_mut(channels).zip(cols) {
            let (left, right) = (col.low * channels, col.high * channels);
            for (c, to) in to.iter_mut().enumerate() {
                let above = along(top[left + c], top[right + c], col.part);
                let below = along(bottom[left + c], bottom[right + c], col.part);
                *to = above + (below - above) * part;
            }
        }
    }
}

/// Weighted sums of the pixels around.
struct Weighted<const AREA: bool>;

impl<const AREA: bool> Rule for Weighted<AREA> {
    type Axis = Taps;

    fn axis(sampling: Sampling, n: usize, out: usize) -> Result<Taps, Status> {
        if AREA { sampling.area(n, out) } else { sampling.cubic(n, out) }
    }

    fn fill<T: Pixel>(
        (rows, cols): (&Taps, &Taps),
        image: &[T],
        width: usize,
        channels: usize,
        row: usize,
        to: &mut [f32],
    ) {
        let mut mixed = vec![0f32; width];
        for &(at, weight) in rows.of(row) {
            let from = &image[at * width..][..width];
            mixed.iter_mut().zip(from).for_each(|(sum, x)| *sum += x.level() * weight);
        }
        let scale = rows.scale * cols.scale;
        for (col, to) in to.chunks_exact_mut(channels).enumerate() {
            for &(at, weight) in cols.of(col) {
                let from = &mixed[at * channels..][..channels];
                to.iter_mut().zip(from).for_each(|(sum, x)| *sum += x * weight);
            }
            to.iter_mut().for_each(|to| *to *= scale);
        }
    }
}

/// Resizes images between pixels, in float.
///
/// Shapes: `images [N, H, W, C]`, `size [2]`, i32 → `[N, size[0], size[1], C]`, float.  Types: `T` real numbers.
/// Errors: as [`nearest_neighbor`].
/// Source: OpDefs `ResizeBilinear`, `ResizeBicubic` (four pixels in each direction), `ResizeArea` (averages).
struct Resize<T, R> {
    sampling: Sampling,
    rule: PhantomData<(T, R)>,
}

pub(super) fn bilinear(init: &KernelInit<'_>) -> Built {
    build::<Bilinear>(init)
}

pub(super) fn bicubic(init: &KernelInit<'_>) -> Built {
    build::<Weighted<false>>(init)
}

pub(super) fn area(init: &KernelInit<'_>) -> Built {
    build::<Weighted<true>>(init)
}

fn build<R: Rule>(init: &KernelInit<'_>) -> Built {
    let (sampling, dtype) = (Sampling::new(init)?, init.attr_type("T")?);
    with_real!(
        dtype,
        T => Ok(Box::new(Resize::<T, R> { sampling, rule: PhantomData })),
        else Err(no_type(init, dtype))
    )
}

impl<T: Pixel, R: Rule> OpKernel for Resize<T, R> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let sizes = Sizes::new(cx)?;
        let output = resized::<T, R>(cx.pool(), cx.input(0)?, &sizes, self.sampling)?;
        cx.set_output(0, output)
    }
}

fn resized<T: Pixel, R: Rule>(
    pool: &Pool,
    images: &Tensor,
    sizes: &Sizes,
    sampling: Sampling,
) -> Result<Tensor, Status> {
    let [_, height, width, channels] = sizes.images;
    let mut output = Tensor::zeros(DType::F32, sizes.output())?;
    let (from, to) = (images.as_slice::<T>()?, output.make_mut::<f32>()?);
    if from.is_empty() {
        return Ok(output);
    }
    let axes = (R::axis(sampling, height, sizes.rows)?, R::axis(sampling, width, sizes.cols)?);
    pool.parallel_chunks(to, sizes.cols * channels, |idx, to| {
        let (image, row) = (idx / sizes.rows, idx % sizes.rows);
        let width = width * channels;
        let from = &from[image * height * width..][..height * width];
        R::fill((&axes.0, &axes.1), from, width, channels, row, to);
    });
    Ok(output)
}
