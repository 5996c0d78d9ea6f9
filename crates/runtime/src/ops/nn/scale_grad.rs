//! The gradient of images that were scaled and moved, with a kernel of choice.

use std::f32::consts::PI;

use flowkeep_tensor::{DType, Tensor};

use super::window::dims4;
use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{Built, kernel};

/// How much a pixel counts by its distance.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Filter {
    /// A windowed sinc with this many lobes on a side.
    Lanczos(f32),
    Gaussian,
    Box,
    Triangle,
    KeysCubic,
    MitchellCubic,
}

impl Filter {
    /// Reads `kernel_type`.
    fn new(name: &str) -> Result<Filter, Status> {
        Ok(match name {
            "lanczos1" => Filter::Lanczos(1.0),
            "lanczos3" => Filter::Lanczos(3.0),
            "lanczos5" => Filter::Lanczos(5.0),
            "gaussian" => Filter::Gaussian,
            "box" => Filter::Box,
            "triangle" => Filter::Triangle,
            "keyscubic" => Filter::KeysCubic,
            "mitchellcubic" => Filter::MitchellCubic,
            _ => {
                let message = format!("Unrecognized kernel type: {name}");
                return Err(Status::invalid_argument(message));
            }
        })
    }

    /// The distance from which on nothing counts.
    fn radius(self) -> f32 {
        match self {
            Filter::Lanczos(radius) => radius,
            Filter::Gaussian => 1.5,
            Filter::Box | Filter::Triangle => 1.0,
            Filter::KeysCubic | Filter::MitchellCubic => 2.0,
        }
    }

    /// The weight at distance `x`, at least 0.
    fn at(self, x: f32) -> f32 {
        match self {
            Filter::Lanczos(radius) if x > radius => 0.0,
            Filter::Lanczos(_) if x <= 1e-3 => 1.0,
            Filter::Lanczos(radius) => {
                radius * (PI * x).sin() * (PI * x / radius).sin() / (PI * PI * x * x)
            }
            // A standard deviation of 0.5.
            Filter::Gaussian if x >= 1.5 => 0.0,
            Filter::Gaussian => (-x * x / (2.0 * 0.5 * 0.5)).exp(),
            Filter::Box if x < 0.5 => 1.0,
            Filter::Box if x == 0.5 => 0.5,
            Filter::Box => 0.0,
            Filter::Triangle => (1.0 - x).max(0.0),
            Filter::KeysCubic | Filter::MitchellCubic if x >= 2.0 => 0.0,
            Filter::KeysCubic if x >= 1.0 => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
            Filter::KeysCubic => ((1.5 * x - 2.5) * x) * x + 1.0,
            Filter::MitchellCubic if x >= 1.0 => {
                (((-7.0 / 18.0) * x + 2.0) * x - 10.0 / 3.0) * x + 16.0 / 9.0
            }
            Filter::MitchellCubic => (((7.0 / 6.0) * x - 2.0) * x) * x + 8.0 / 9.0,
        }
    }

    /// For each of `n` pixels of the image, the pixels of the result that it has a part in, out of `out`.
    ///
    /// There are some of both. Errors: `RESOURCE_EXHAUSTED` if there is no memory for them.
    fn spans(self, n: usize, out: usize, along: Along) -> Result<Spans, Status> {
        let Along { scale, translation, antialias } = along;
        let inverse = (1.0 / f64::from(scale)) as f32;
        let offset = -inverse * translation;
        let stretch = if antialias { inverse.max(1.0) } else { 1.0 };
        let reach = self.radius() * stretch;
        let mut parts: Vec<Vec<(usize, f32)>> = Vec::new();
        let no_memory = |_| Status::resource_exhausted("there is no memory for the weights");
        parts.try_reserve_exact(n).map_err(no_memory)?;
        parts.resize_with(n, Vec::new);
        let mut weights = Vec::new();
        for i in 0..out {
            let center = (i as f32 + 0.5) * inverse + offset;
            // A NaN lies outside as well.
            if !(center >= 0.0 && center <= n as f32) {
                continue;
            }
            let clamp = |at: f32| (at.max(0.0) as usize).min(n - 1);
            let start = clamp((center - reach - 0.5).ceil());
            let end = clamp((center + reach - 0.5).floor()) + 1;
            weights.clear();
            let weight = |at: usize| self.at(((at as f32 + 0.5 - center) * (1.0 / stretch)).abs());
            weights.extend((start..end).map(weight));
            let sum: f32 = weights.iter().sum();
            if sum.abs() < 1000.0 * f32::MIN_POSITIVE {
                continue;
            }
            for (weight, part) in weights.iter().zip(&mut parts[start..]) {
                let weight = weight * (1.0 / sum);
                if weight != 0.0 {
                    part.push((i, weight));
                }
            }
        }
        let len = |part: &Vec<(usize, f32)>| match part[..] {
            [(first, _), .., (last, _)] => last - first + 1,
            ref part => part.len(),
        };
        let len = parts.iter().map(len).max().unwrap_or(0);
        Ok(Spans { parts, len })
    }
}

/// How one axis was scaled and moved.
#[derive(Clone, Copy)]
struct Along {
    scale: f32,
    translation: f32,
    antialias: bool,
}

/// What each pixel gets back.
struct Spans {
    /// Places in the gradient, ascending, and their weights.
    parts: Vec<Vec<(usize, f32)>>,
    /// The length of the longest span.
    len: usize,
}

impl Spans {
    /// Calls `add(place, weight)` for the places that pixel `at` has a part in, out of `out`.
    ///
    /// All spans are of one length, filled up with weights of zero, which give a NaN where the gradient is not finite.
    fn each(&self, at: usize, out: usize, mut add: impl FnMut(usize, f32)) {
        let part = &self.parts[at];
        let start = part.first().map_or(0, |part| part.0);
        let mut part = part.iter().peekable();
        for place in start..(start + self.len).min(out) {
            add(place, part.next_if(|part| part.0 == place).map_or(0.0, |part| part.1));
        }
    }
}

/// Gives the gradient of images that were scaled and moved.
///
/// Shapes: `grads [N, P, Q, C]`, `original_image [M, H, W, C]`, `scale [2]`, `translation [2]`, rows first →
/// `[N, H, W, C]`.  Types: all float.
/// Errors: `INVALID_ARGUMENT` for other shapes, for a scale that is not positive, and for an unknown kernel.
/// Source: OpDef `ScaleAndTranslateGrad`.
pub(super) fn scale_and_translate_grad(init: &KernelInit<'_>) -> Built {
    let filter = Filter::new(init.attr_str("kernel_type")?)?;
    let antialias = init.attr_bool("antialias")?;
    kernel(move |cx| gradient(cx, filter, antialias))
}

fn gradient(cx: &mut KernelContext<'_>, filter: Filter, antialias: bool) -> Result<(), Status> {
    let (grads, image) = (cx.input(0)?, cx.input(1)?);
    let error = |message: String| Err(Status::invalid_argument(message));
    let Some([batch, grad_rows, grad_cols, channels]) = dims4(grads) else {
        return error(format!("input_grad must be 4-dimensional{}", grads.shape()));
    };
    let Some([_, rows, cols, _]) = dims4(image) else {
        return error(format!("original_image must be 4-dimensional{}", image.shape()));
    };
    let mut out = Tensor::zeros(DType::F32, [batch, rows, cols, channels])?;
    let scales = pair(cx.input(2)?)?;
    if !scales.iter().all(|scale| *scale > 0.0) {
        return error("Scale must be greater than zero.".into());
    }
    let translations = pair(cx.input(3)?)?;
    let (dy, dx) = (grads.as_slice::<f32>()?, out.make_mut::<f32>()?);
    if !dy.is_empty() && !dx.is_empty() {
        let along = |i: usize| Along { scale: scales[i], translation: translations[i], antialias };
        let of_rows = filter.spans(rows, grad_rows, along(0))?;
        let of_cols = filter.spans(cols, grad_cols, along(1))?;
        cx.pool().parallel_chunks(dx, cols * channels, |idx, dx| {
            let (image, row) = (idx / rows, idx % rows);
            let line_len = grad_cols * channels;
            let dy = &dy[image * grad_rows * line_len..][..grad_rows * line_len];
            let mut mixed = vec![0f32; line_len];
            of_rows.each(row, grad_rows, |from, weight| {
                let dy = &dy[from * line_len..];
                mixed.iter_mut().zip(dy).for_each(|(sum, dy)| *sum += weight * dy);
            });
            for (col, dx) in dx.chunks_exact_mut(channels).enumerate() {
                of_cols.each(col, grad_cols, |from, weight| {
                    let mixed = &mixed[from * channels..];
                    dx.iter_mut().zip(mixed).for_each(|(dx, mixed)| *dx += weight * mixed);
                });
            }
        });
    }
    cx.set_output(0, out)
}

/// The two elements of a vector.
fn pair(tensor: &Tensor) -> Result<[f32; 2], Status> {
    let error = |what: &str| Err(Status::invalid_argument(format!("{what}{}", tensor.shape())));
    if tensor.shape().rank() != 1 {
        return error("t must be 1-dimensional");
    }
    match *tensor.as_slice::<f32>()? {
        [rows, cols] => Ok([rows, cols]),
        _ => error("t must have two elements"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_of_a_pixel_of_the_result_make_one() {
        let names = [
            "lanczos1",
            "lanczos3",
            "lanczos5",
            "gaussian",
            "box",
            "triangle",
            "keyscubic",
            "mitchellcubic",
        ];
        for filter in names.map(|name| Filter::new(name).unwrap()) {
            for (n, out, scale) in [(5, 9, 1.8), (9, 4, 0.44), (4, 4, 1.0)] {
                let along = Along { scale, translation: 0.0, antialias: true };
                let spans = filter.spans(n, out, along).unwrap();
                for i in 0..out {
                    let parts = spans.parts.iter().flatten().filter(|part| part.0 == i);
                    let sum: f32 = parts.map(|part| part.1).sum();
                    assert!((sum - 1.0).abs() < 1e-5, "{filter:?} {n} to {out}: {sum} at {i}");
                }
            }
        }
    }

    #[test]
    fn extreme_scales_reach_nothing_or_few() {
        for (scale, translation) in [(1e-40, 1.0), (f32::INFINITY, f32::INFINITY), (1e30, 0.0)] {
            let along = Along { scale, translation, antialias: true };
            let spans = Filter::Triangle.spans(4, 4, along).unwrap();
            assert!(spans.parts.iter().map(Vec::len).sum::<usize>() <= 8, "{scale}");
        }
    }
}
