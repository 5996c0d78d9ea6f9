//! Gradients of crops that were resized: by the image and by the boxes.

use flowkeep_linalg::Pool;
use flowkeep_tensor::{DType, Tensor};

use super::resize::Pixel;
use super::resize_grad::Gradient;
use super::window::dims4;
use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{self, Built, ints, kernel};
use crate::ops::dispatch::{no_type, with_float, with_real};

/// The boxes that crops are taken from; lists are (top, left, bottom, right), in parts of the image.
struct Boxes {
    boxes: Vec<[f32; 4]>,
    /// The image of each.
    images: Vec<i64>,
}

impl Boxes {
    /// Reads and checks `boxes [n, 4]` and `box_ind [n]`; without an element in both their shapes do not matter.
    fn new(boxes: &Tensor, images: &Tensor) -> Result<Boxes, Status> {
        let error = |message: String| Err(Status::invalid_argument(message));
        if boxes.n_elements() > 0 || images.n_elements() > 0 {
            let &[n, columns] = boxes.dims() else {
                return error(format!("boxes must be 2-D{}", boxes.shape()));
            };
            if columns != 4 {
                return error("boxes must have 4 columns".into());
            }
            if images.shape().rank() != 1 {
                return error(format!("box_index must be 1-D{}", images.shape()));
            }
            if images.n_elements() != n {
                return error("box_index has incompatible shape".into());
            }
        }
        let (boxes, _) = boxes.as_slice::<f32>()?.as_chunks();
        Ok(Boxes { boxes: boxes.to_vec(), images: ints(images)? })
    }

    /// Checks that each box lies on one of `n` images.
    fn check(&self, n: usize) -> Result<(), Status> {
        let fits = |image: &i64| usize::try_from(*image).is_ok_and(|image| image < n);
        match self.images.iter().all(fits) {
            true => Ok(()),
            false => Err(Status::out_of_range("box_index has values outside [0, batch_size)")),
        }
    }
}

/// The pixels of a crop along one axis, of which there are `crop`, on an image of `image`; there are some of both.
#[derive(Clone, Copy)]
struct Axis {
    crop: usize,
    image: usize,
}

/// A pixel of a crop: between two of the image, `part` of the way from `low` to `high`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spot {
    low: usize,
    high: usize,
    part: f32,
    /// The nearest of both.
    nearest: usize,
}

impl Axis {
    /// The largest index of the image.
    fn last(self) -> f32 {
        (self.image - 1) as f32
    }

    /// The distance of pixels on a crop of the whole image.
    fn ratio(self) -> f32 {
        if self.crop > 1 { self.last() / (self.crop - 1) as f32 } else { 0.0 }
    }

    /// The distance of pixels on a crop of this part of the image.
    fn step(self, (from, to): (f32, f32)) -> f32 {
        if self.crop > 1 { (to - from) * self.last() / (self.crop - 1) as f32 } else { 0.0 }
    }

    /// Where pixel `i` of a crop lies, if it is on the image.
    fn spot(self, (from, to): (f32, f32), step: f32, i: usize) -> Option<Spot> {
        let at = match self.crop {
            1 => (0.5 * f64::from(from + to) * f64::from(self.last())) as f32,
            _ => from * self.last() + i as f32 * step,
        };
        let spot = Spot {
            low: at.floor() as usize,
            high: at.ceil() as usize,
            part: at - at.floor(),
            nearest: at.round() as usize,
        };
        // A NaN is nowhere.
        (at >= 0.0 && at <= self.last()).then_some(spot)
    }
}

/// Gives the gradient of images that crops were taken from.
///
/// Shapes: `grads [n, P, Q, C]`, float, `boxes [n, 4]`, float, `box_ind [n]`, i32, `image_size [4]`, i32 → of that
/// size.  Types: `T` floats; products are rounded to it and summed in it, in the order of the boxes.
/// Errors: `INVALID_ARGUMENT` for other shapes; `OUT_OF_RANGE` for a box on an image that there is not;
/// `RESOURCE_EXHAUSTED` if the result is too large.
/// Source: OpDef `CropAndResizeGradImage`.
pub(super) fn crop_and_resize_grad_image(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    let nearest = match init.attr_str("method")? {
        "bilinear" => false,
        "nearest" => true,
        other => {
            let message = format!("method must be 'bilinear' or 'nearest'{other}");
            return Err(Status::invalid_argument(message));
        }
    };
    with_float!(
        dtype,
        T => kernel(move |cx| image_gradient::<T>(cx, nearest)),
        else Err(no_type(init, dtype))
    )
}

fn image_gradient<T: Gradient>(cx: &mut KernelContext<'_>, nearest: bool) -> Result<(), Status> {
    let (grads, size) = (cx.input(0)?, cx.input(3)?);
    let error = |message: String| Err(Status::invalid_argument(message));
    let [n, crop_rows, crop_cols, depth] = crops(grads)?;
    let boxes = Boxes::new(cx.input(1)?, cx.input(2)?)?;
    if n != boxes.boxes.len() {
        return error("boxes and grads have incompatible shape".into());
    }
    if size.shape().rank() != 1 {
        return error(format!("image_size must be 1-D{}", size.shape()));
    }
    let &[batch, rows, cols, channels] = &ints(size)?[..] else {
        return error(format!("image_size must have 4 elements{}", size.shape()));
    };
    if rows <= 0 || cols <= 0 {
        return error("image dimensions must be positive".into());
    }
    if usize::try_from(channels) != Ok(depth) {
        return error("image_size and grads are incompatible".into());
    }
    if batch < 0 {
        return error(format!("Expected a non-negative size, got {batch}"));
    }
    let mut out = Tensor::zeros(T::DTYPE, args::shape(&[batch, rows, cols, channels])?)?;
    let &[batch, height, width, _] = out.dims() else {
        return error("image_size must have 4 elements".into());
    };
    boxes.check(batch)?;
    let (dy, dx) = (grads.as_slice::<f32>()?, out.make_mut::<T>()?);
    if !dy.is_empty() && !dx.is_empty() {
        let rows = Axis { crop: crop_rows, image: height };
        let cols = Axis { crop: crop_cols, image: width };
        let job = ImageGradient { boxes: &boxes, rows, cols, depth, nearest };
        cx.pool().parallel_chunks(dx, width * depth, |idx, dx| {
            job.run(idx / height, idx % height, dy, dx);
        });
    }
    cx.set_output(0, out)
}

/// The sizes of crops, of which none is empty but for channels.
fn crops(grads: &Tensor) -> Result<[usize; 4], Status> {
    let sizes = dims4(grads).ok_or_else(|| {
        Status::invalid_argument(format!("grads image must be 4-D{}", grads.shape()))
    })?;
    if sizes[1] == 0 || sizes[2] == 0 {
        return Err(Status::invalid_argument("grads dimensions must be positive"));
    }
    Ok(sizes)
}

struct ImageGradient<'a> {
    boxes: &'a Boxes,
    rows: Axis,
    cols: Axis,
    depth: usize,
    nearest: bool,
}

impl ImageGradient<'_> {
    /// Adds to the row `row` of the image `image` what all crops have for it.
    fn run<T: Gradient>(&self, image: usize, row: usize, dy: &[f32], dx: &mut [T]) {
        let (rows, cols, depth) = (self.rows, self.cols, self.depth);
        let crop_len = rows.crop * cols.crop * depth;
        let crops = self.boxes.boxes.iter().zip(&self.boxes.images).zip(dy.chunks_exact(crop_len));
        for ((&[top, left, bottom, right], of), dy) in crops {
            if usize::try_from(*of) != Ok(image) {
                continue;
            }
            let step = rows.step((top, bottom));
            for (i, dy) in dy.chunks_exact(cols.crop * depth).enumerate() {
                let Some(spot) = rows.spot((top, bottom), step, i) else { continue };
                let touches = match self.nearest {
                    true => spot.nearest == row,
                    false => spot.low == row || spot.high == row,
                };
                if touches {
                    self.add(spot, row, (left, right), dy, dx);
                }
            }
        }
    }

    /// Adds what one row of a crop has for the row `row`.
    fn add<T: Gradient>(&self, at: Spot, row: usize, across: (f32, f32), dy: &[f32], dx: &mut [T]) {
        let (cols, depth) = (self.cols, self.depth);
        let step = cols.step(across);
        for (j, dy) in dy.chunks_exact(depth).enumerate() {
            let Some(spot) = cols.spot(across, step, j) else { continue };
            if self.nearest {
                let dx = &mut dx[spot.nearest * depth..][..depth];
                dx.iter_mut().zip(dy).for_each(|(dx, dy)| *dx = dx.add(T::of(*dy)));
                continue;
            }
            for (at_row, share) in [(at.low, 1.0 - at.part), (at.high, at.part)] {
                if at_row != row {
                    continue;
                }
                for (c, dy) in dy.iter().enumerate() {
                    let dy = share * dy;
                    let (low, high) = (spot.low * depth + c, spot.high * depth + c);
                    dx[low] = dx[low].add(T::of((1.0 - spot.part) * dy));
                    dx[high] = dx[high].add(T::of(spot.part * dy));
                }
            }
        }
    }
}

/// Gives the gradient of the boxes that crops were taken from.
///
/// Shapes: `grads [n, P, Q, C]`, float, `image [N, H, W, C]`, `boxes [n, 4]`, float, `box_ind [n]`, i32 → `[n, 4]`,
/// float.  Types: `T` real numbers.
/// Errors: `INVALID_ARGUMENT` for other shapes; `OUT_OF_RANGE` for a box on an image that there is not.
/// Source: OpDef `CropAndResizeGradBoxes`.
pub(super) fn crop_and_resize_grad_boxes(init: &KernelInit<'_>) -> Built {
    let (method, dtype) = (init.attr_str("method")?, init.attr_type("T")?);
    if method != "bilinear" {
        return Err(Status::invalid_argument(format!("method must be 'bilinear'{method}")));
    }
    with_real!(
        dtype,
        T => kernel(|cx| {
            let output = box_gradient::<T>(
                cx.pool(),
                cx.input(0)?,
                cx.input(1)?,
                [cx.input(2)?, cx.input(3)?],
            )?;
            cx.set_output(0, output)
        }),
        else Err(no_type(init, dtype))
    )
}

fn box_gradient<T: Pixel>(
    pool: &Pool,
    grads: &Tensor,
    images: &Tensor,
    [boxes, box_ind]: [&Tensor; 2],
) -> Result<Tensor, Status> {
    let error = |message: String| Err(Status::invalid_argument(message));
    let [n, crop_rows, crop_cols, depth] = crops(grads)?;
    let Some([batch, height, width, channels]) = dims4(images) else {
        return error(format!("input image must be 4-D{}", images.shape()));
    };
    if height == 0 || width == 0 {
        return error("image dimensions must be positive".into());
    }
    if channels != depth {
        return error("image, grads depth differ".into());
    }
    let boxes = Boxes::new(boxes, box_ind)?;
    if n != boxes.boxes.len() {
        return error("boxes and grads have incompatible shape".into());
    }
    boxes.check(batch)?;
    let mut out = Tensor::zeros(DType::F32, [n, 4])?;
    let (dy, x) = (grads.as_slice::<f32>()?, images.as_slice::<T>()?);
    if dy.is_empty() || x.is_empty() {
        return Ok(out);
    }
    let rows = Axis { crop: crop_rows, image: height };
    let cols = Axis { crop: crop_cols, image: width };
    let (crop_len, image_len) = (crop_rows * crop_cols * depth, height * width * depth);
    pool.parallel_chunks(out.make_mut::<f32>()?, 4, |idx, to| {
        let image = usize::try_from(boxes.images[idx]).unwrap_or_default();
        let x = &x[image * image_len..][..image_len];
        let dy = &dy[idx * crop_len..][..crop_len];
        to.copy_from_slice(&of_box(rows, cols, boxes.boxes[idx], depth, x, dy));
    });
    Ok(out)
}

/// The gradient of one box.
fn of_box<T: Pixel>(
    rows: Axis,
    cols: Axis,
    [top, left, bottom, right]: [f32; 4],
    depth: usize,
    x: &[T],
    dy: &[f32],
) -> [f32; 4] {
    let mut gradient = [0f32; 4];
    let (row_step, col_step) = ((bottom - top) * rows.ratio(), (right - left) * cols.ratio());
    for i in 0..rows.crop {
        let Some(v) = rows.spot((top, bottom), row_step, i) else { continue };
        for j in 0..cols.crop {
            let Some(h) = cols.spot((left, right), col_step, j) else { continue };
            let pixel = |row: usize, col: usize| &x[(row * cols.image + col) * depth..][..depth];
            let (above, below) = (
                pixel(v.low, h.low).iter().zip(pixel(v.low, h.high)),
                pixel(v.high, h.low).iter().zip(pixel(v.high, h.high)),
            );
            let dy = &dy[(i * cols.crop + j) * depth..];
            for ((above, below), dy) in above.zip(below).zip(dy) {
                let [a, b, c, d] = [above.0, above.1, below.0, below.1].map(|x| x.level());
                let down = (1.0 - h.part) * (c - a) + h.part * (d - b);
                let across = (1.0 - v.part) * (b - a) + v.part * (d - c);
                rows.share(i, down * dy, &mut gradient, 0);
                cols.share(j, across * dy, &mut gradient, 1);
            }
        }
    }
    gradient
}

impl Axis {
    /// Adds the gradient of pixel `i` to those of both edges, of which the first is `gradient[edge]`.
    fn share(self, i: usize, slope: f32, gradient: &mut [f32; 4], edge: usize) {
        if self.crop > 1 {
            let along = i as f32 * self.ratio();
            gradient[edge] += slope * (self.last() - along);
            gradient[edge + 2] += slope * along;
        } else {
            let half = f64::from(slope) * 0.5 * f64::from(self.last());
            for edge in [edge, edge + 2] {
                gradient[edge] = (f64::from(gradient[edge]) + half) as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_of_a_crop_lie_between_those_of_the_image() {
        let axis = Axis { crop: 3, image: 6 };
        let spots = |from: f32, to: f32| {
            let step = axis.step((from, to));
            [0, 1, 2].map(|i| axis.spot((from, to), step, i).map(|spot| (spot.low, spot.part)))
        };
        assert_eq!(spots(0.0, 1.0), [Some((0, 0.0)), Some((2, 0.5)), Some((5, 0.0))]);
        assert_eq!(spots(-0.5, 0.5), [None, Some((0, 0.0)), Some((2, 0.5))]);
        assert_eq!(spots(1.0, 1.5), [Some((5, 0.0)), None, None]);
        let one = Axis { crop: 1, image: 6 };
        assert_eq!(one.spot((0.0, 1.0), 0.0, 0).map(|spot| spot.nearest), Some(3));
    }

    #[test]
    fn boxes_that_are_no_numbers_are_nowhere() {
        let axis = Axis { crop: 2, image: 4 };
        for edges in [(f32::NAN, 1.0), (0.0, f32::NAN), (f32::INFINITY, 0.0), (0.0, f32::INFINITY)]
        {
            let step = axis.step(edges);
            assert_eq!(axis.spot(edges, step, 1), None, "{edges:?}");
        }
    }
}
