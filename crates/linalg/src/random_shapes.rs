//! Products and convolutions of random shapes against their definitions.
//!
//! `FLOWKEEP_SHAPES=20000` makes so many instead of a few; `FLOWKEEP_SEED` begins at another one.

use crate::conv::{
    Conv2dGeometry, DepthwiseGeometry, PackedFilter, conv2d, conv2d_backprop_filter,
    conv2d_backprop_input, conv2d_packed, depthwise_conv2d,
};
use crate::gemm::{Batch, Mat, PackedMatrix, batch_gemm, gemm, gemm_generic, gemm_packed};
use crate::pool::Pool;
use crate::test_support::{Random, assert_close, pools, widen};
use crate::tile::{Activation, Epilogue};
use crate::window::{Axis, Padding};

/// The most products of one case: the definitions are slow.
const MOST_PRODUCTS: usize = 300_000;

/// Calls `check` with generators of many seeds, and with pools of one thread and of several.
fn for_many_shapes(n_usually: usize, check: impl Fn(&mut Random, &Pool)) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let n_shapes = number("FLOWKEEP_SHAPES").unwrap_or(n_usually);
    let first = number("FLOWKEEP_SEED").unwrap_or(0);
    let pools = pools();
    for seed in first..first + n_shapes {
        let check = std::panic::AssertUnwindSafe(|| {
            check(&mut Random::new(seed as u64), &pools[seed % pools.len()]);
        });
        if let Err(panicked) = std::panic::catch_unwind(check) {
            std::panic::resume_unwind(match panicked.downcast::<String>() {
                Ok(message) => Box::new(format!("seed {seed}: {message}")),
                Err(other) => other,
            });
        }
    }
}

/// A size from 0 to `most`, small ones as often as large ones; 0 seldom.
fn size(random: &mut Random, most: usize) -> usize {
    if random.below(60) == 0 {
        return 0;
    }
    let most = 1 + random.below(most);
    1 + random.below(most)
}

/// A number from `values`.
fn one_of<T: Copy>(random: &mut Random, values: &[T]) -> T {
    values[random.below(values.len())]
}

fn epilogue<'a, T>(random: &mut Random, bias: &'a [T]) -> Epilogue<'a, T> {
    let activation = one_of(random, &[Activation::None, Activation::Relu, Activation::Relu6]);
    Epilogue { bias: (random.below(2) == 0).then_some(bias), activation }
}

/// What the epilogue makes of exact sums.
fn finish(sums: &[f64], epilogue: &Epilogue<'_, f64>) -> Vec<f64> {
    let finish = |(i, sum): (usize, &f64)| {
        let sum = sum + epilogue.bias.map_or(0.0, |bias| bias[i % bias.len()]);
        match epilogue.activation {
            Activation::None => sum,
            Activation::Relu => sum.max(0.0),
            Activation::Relu6 => sum.clamp(0.0, 6.0),
        }
    };
    sums.iter().enumerate().map(finish).collect()
}

fn assert_close_f64(actual: &[f64], expected: &[f64], what: &str) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1.0_f64, |m, x| m.max(x.abs()));
    for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
        assert!((a - e).abs() <= 1e-12 * scale, "{what}: [{i}] is {a}, not {e}");
    }
}

/// Where the elements of a matrix lie.
#[derive(Clone, Copy, Debug)]
struct Placed {
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl Placed {
    /// Dense by rows, dense by columns, or with gaps.
    fn new(random: &mut Random, rows: usize, cols: usize) -> Placed {
        let (row_stride, col_stride) = match random.below(5) {
            0 | 1 => (cols, 1),
            2 => (1, rows),
            3 => (cols + random.below(4), 1),
            _ => {
                let col_stride = 1 + random.below(3);
                (cols * col_stride + random.below(3), col_stride)
            }
        };
        Placed { rows, cols, row_stride, col_stride }
    }

    /// The elements from the first to the last one.
    fn len(&self) -> usize {
        match (self.rows, self.cols) {
            (0, _) | (_, 0) => 0,
            (rows, cols) => (rows - 1) * self.row_stride + (cols - 1) * self.col_stride + 1,
        }
    }

    fn view<'a, T>(&self, data: &'a [T]) -> Mat<'a, T> {
        Mat::strided(data, self.rows, self.cols, self.row_stride, self.col_stride)
    }
}

fn product(a: Mat<'_, f64>, b: Mat<'_, f64>) -> Vec<f64> {
    let mut c = Vec::with_capacity(a.rows() * b.cols());
    for i in 0..a.rows() {
        for j in 0..b.cols() {
            c.push((0..a.cols()).map(|p| a.at(i, p) * b.at(p, j)).sum());
        }
    }
    c
}

#[test]
fn products_of_random_shapes_match_the_definition() {
    for_many_shapes(150, |random, pool| {
        let mut sizes = [400, 400, 1500].map(|most| size(random, most));
        while sizes.iter().product::<usize>() > MOST_PRODUCTS {
            let largest = (0..3).max_by_key(|idx| sizes[*idx]).unwrap_or(0);
            sizes[largest] /= 2;
        }
        let at = random.below(3);
        sizes.rotate_left(at);
        let [m, n, k] = sizes;
        let (left, right) = (Placed::new(random, m, k), Placed::new(random, k, n));
        let what = format!("{m}x{n}x{k} {left:?} {right:?}");
        let (a, b) = (random.f32s(left.len()), random.f32s(right.len()));
        let (a64, b64) = (widen(&a), widen(&b));
        let exact = product(left.view(&a64), right.view(&b64));

        let beta: f64 = one_of(random, &[0.0, 1.0, -0.5]);
        let old = if beta == 0.0 { vec![f64::NAN; m * n] } else { random.f64s(m * n) };
        let scaled = |old: &f64| if beta == 0.0 { 0.0 } else { beta * old };
        let expected: Vec<f64> = exact.iter().zip(&old).map(|(sum, c)| sum + scaled(c)).collect();
        let mut c: Vec<f32> = old.iter().map(|c| *c as f32).collect();
        gemm(pool, left.view(&a), right.view(&b), beta as f32, &mut c);
        assert_close(&c, &expected, 1e-5, &what);
        let mut c = old;
        gemm(pool, left.view(&a64), right.view(&b64), beta, &mut c);
        assert_close_f64(&c, &expected, &what);

        let bias = random.f32s(n);
        let bias64 = widen(&bias);
        let Epilogue { bias: given, activation } = epilogue(random, &bias64);
        let narrow = Epilogue { bias: given.is_some().then_some(&bias[..]), activation };
        let expected = finish(&exact, &Epilogue { bias: given, activation });
        let packed = PackedMatrix::new(pool, right.view(&b));
        let mut c = vec![f32::NAN; m * n];
        gemm_packed(pool, left.view(&a), &packed, narrow, &mut c);
        assert_close(&c, &expected, 1e-5, &format!("packed {what}"));

        let ints = |x: &[f32]| x.iter().map(|x| (x * 64.0) as i32).collect::<Vec<i32>>();
        let (a, b) = (ints(&a), ints(&b));
        let mut c = vec![i32::MIN; m * n];
        gemm_generic(pool, left.view(&a), right.view(&b), &mut c);
        let is_same = |(c, sum): (&i32, &f64)| f64::from(*c) == sum * 4096.0;
        assert!(c.iter().zip(&exact).all(is_same), "integers {what}");
    });
}

#[test]
fn batches_of_random_shapes_match_the_definition() {
    for_many_shapes(100, |random, pool| {
        let [m, n, k] = [40, 60, 80].map(|most| size(random, most));
        let (a_t, b_t) = (random.below(2) == 0, random.below(2) == 0);
        let [n_left, n_right] = [1 + random.below(4), 1 + random.below(4)];
        let stored = |t, rows, cols| if t { (cols, rows) } else { (rows, cols) };
        let ((a_rows, a_cols), (b_rows, b_cols)) = (stored(a_t, m, k), stored(b_t, k, n));
        let (a, b) = (random.f32s(n_left * m * k), random.f32s(n_right * k * n));
        let pairs: Vec<_> =
            (0..random.below(6)).map(|_| (random.below(n_left), random.below(n_right))).collect();
        let what = format!("{m}x{n}x{k} {a_t} {b_t} {pairs:?}");
        let left = Batch { data: &a, rows: a_rows, cols: a_cols, transpose: a_t };
        let right = Batch { data: &b, rows: b_rows, cols: b_cols, transpose: b_t };
        let mut c = vec![f32::NAN; pairs.len() * m * n];
        batch_gemm(pool, left, right, &pairs, &mut c);
        let (a64, b64) = (widen(&a), widen(&b));
        let left = Batch { data: &a64, rows: a_rows, cols: a_cols, transpose: a_t };
        let right = Batch { data: &b64, rows: b_rows, cols: b_cols, transpose: b_t };
        let exact = pairs.iter().flat_map(|(i, j)| product(left.get(*i), right.get(*j)));
        assert_close(&c, &exact.collect::<Vec<f64>>(), 1e-5, &what);
    });
}

/// Calls `f(output, input)` for all windows and taps that meet inside the image.
fn each_tap(axis: &Axis, mut f: impl FnMut(usize, usize, usize)) {
    for o in 0..axis.output {
        for k in 0..axis.filter {
            let i = (o * axis.stride + k * axis.dilation) as isize - axis.before as isize;
            if (0..axis.input as isize).contains(&i) {
                f(o, k, i as usize);
            }
        }
    }
}

/// Strides, dilations and a padding; the usual ones most often.
fn windows(random: &mut Random) -> ([usize; 2], [usize; 2], Padding) {
    let mut pair = |most: usize| match random.below(5) {
        0..3 => [1; 2],
        3 => [1 + random.below(most); 2],
        _ => [1 + random.below(most), 1 + random.below(most)],
    };
    let (strides, dilations) = (pair(4), pair(3));
    let [top, bottom, left, right] = [(); 4].map(|()| random.below(5));
    let explicit = Padding::Explicit { top, bottom, left, right };
    (strides, dilations, one_of(random, &[Padding::Same, Padding::Same, Padding::Valid, explicit]))
}

fn len(shape: [usize; 4]) -> usize {
    shape.iter().product()
}

/// An image's batch, height and width, and a filter's height and width.
fn image_and_taps(random: &mut Random) -> ([usize; 3], [usize; 2]) {
    let image = [1 + random.below(3), size(random, 24), size(random, 24)];
    let taps = match random.below(4) {
        0 => [1, 1],
        1 => [3, 3],
        _ => [1 + random.below(5), 1 + random.below(5)],
    };
    (image, taps)
}

/// A convolution that its definition can follow.
fn geometry(random: &mut Random) -> Option<Conv2dGeometry> {
    let ([batch, height, width], [tap_rows, tap_cols]) = image_and_taps(random);
    let groups = one_of(random, &[1, 1, 1, 2, 3]);
    let (depth, outputs) = (size(random, 70).max(1), size(random, 70));
    let (strides, dilations, padding) = windows(random);
    let input = [batch, height, width, groups * depth];
    let filter = [tap_rows, tap_cols, depth, groups * outputs];
    let g = Conv2dGeometry::new(input, filter, strides, dilations, padding).ok()?;
    let n_products = len(g.output_shape()) * tap_rows * tap_cols * depth;
    (n_products <= MOST_PRODUCTS).then_some(g)
}

#[test]
fn convolutions_of_random_shapes_match_the_definition() {
    for_many_shapes(400, |random, pool| {
        let Some(g) = geometry(random) else { return };
        let (inputs, outputs) = (g.in_channels / g.groups, g.out_channels / g.groups);
        let x = random.f32s(len(g.input_shape()));
        let filter = random.f32s(len(g.filter_shape()));
        let dy = random.f32s(len(g.output_shape()));
        let (x64, filter64, dy64) = (widen(&x), widen(&filter), widen(&dy));
        let (mut y, mut dx, mut dw) =
            (vec![0.0; dy.len()], vec![0.0; x.len()], vec![0.0; filter.len()]);
        for b in 0..g.batch {
            each_tap(&g.rows, |oh, kh, ih| {
                each_tap(&g.cols, |ow, kw, iw| {
                    let at_x = ((b * g.rows.input + ih) * g.cols.input + iw) * g.in_channels;
                    let at_y = ((b * g.rows.output + oh) * g.cols.output + ow) * g.out_channels;
                    let at_w = (kh * g.cols.filter + kw) * inputs * g.out_channels;
                    for o in 0..g.out_channels {
                        for i in 0..inputs {
                            let from = at_x + o / outputs * inputs + i;
                            let w = at_w + i * g.out_channels + o;
                            y[at_y + o] += x64[from] * filter64[w];
                            dx[from] += dy64[at_y + o] * filter64[w];
                            dw[w] += dy64[at_y + o] * x64[from];
                        }
                    }
                });
            });
        }
        let bias = random.f32s(g.out_channels);
        let bias64 = widen(&bias);
        let wide = epilogue(random, &bias64);
        let narrow = Epilogue {
            bias: wide.bias.is_some().then_some(&bias[..]),
            activation: wide.activation,
        };
        let expected = finish(&y, &wide);
        let mut y = vec![f32::NAN; expected.len()];
        conv2d(pool, &g, &x, &filter, narrow, &mut y);
        assert_close(&y, &expected, 1e-5, &format!("{g:?}"));
        let packed = PackedFilter::new(pool, &filter, g.filter_shape(), g.groups);
        y.fill(f32::NAN);
        conv2d_packed(pool, &g, &x, &packed, narrow, &mut y);
        assert_close(&y, &expected, 1e-5, &format!("packed {g:?}"));
        let mut y = vec![f64::NAN; expected.len()];
        conv2d(pool, &g, &x64, &filter64, wide, &mut y);
        assert_close_f64(&y, &expected, &format!("{g:?}"));

        let mut result = vec![f32::NAN; dx.len()];
        conv2d_backprop_input(pool, &g, &filter, &dy, &mut result);
        assert_close(&result, &dx, 1e-5, &format!("input gradient {g:?}"));
        let mut result = vec![f64::NAN; dx.len()];
        conv2d_backprop_input(pool, &g, &filter64, &dy64, &mut result);
        assert_close_f64(&result, &dx, &format!("input gradient {g:?}"));

        let mut result = vec![f32::NAN; dw.len()];
        conv2d_backprop_filter(pool, &g, &x, &dy, &mut result);
        assert_close(&result, &dw, 1e-5, &format!("filter gradient {g:?}"));
        let mut result = vec![f64::NAN; dw.len()];
        conv2d_backprop_filter(pool, &g, &x64, &dy64, &mut result);
        assert_close_f64(&result, &dw, &format!("filter gradient {g:?}"));
    });
}

#[test]
fn depthwise_convolutions_of_random_shapes_match_the_definition() {
    for_many_shapes(300, |random, pool| {
        let ([batch, height, width], [tap_rows, tap_cols]) = image_and_taps(random);
        let (channels, multiplier) = (size(random, 80), one_of(random, &[1, 1, 1, 2, 3]));
        let (strides, dilations, padding) = windows(random);
        let input = [batch, height, width, channels];
        let shape = [tap_rows, tap_cols, channels, multiplier];
        let Ok(g) = DepthwiseGeometry::new(input, shape, strides, dilations, padding) else {
            return;
        };
        let outputs = channels * multiplier;
        let (x, filter) = (random.f32s(len(input)), random.f32s(len(shape)));
        let (x64, filter64) = (widen(&x), widen(&filter));
        let mut sums = vec![0.0; len(g.output_shape())];
        for b in 0..batch {
            each_tap(&g.rows, |oh, kh, ih| {
                each_tap(&g.cols, |ow, kw, iw| {
                    let at_x = ((b * height + ih) * width + iw) * channels;
                    let at_y = ((b * g.rows.output + oh) * g.cols.output + ow) * outputs;
                    for j in 0..outputs {
                        let w = filter64[(kh * tap_cols + kw) * outputs + j];
                        sums[at_y + j] += x64[at_x + j / multiplier] * w;
                    }
                });
            });
        }
        let bias = random.f32s(outputs);
        let bias64 = widen(&bias);
        let wide = epilogue(random, &bias64);
        let narrow = Epilogue {
            bias: wide.bias.is_some().then_some(&bias[..]),
            activation: wide.activation,
        };
        let expected = finish(&sums, &wide);
        let mut y = vec![f32::NAN; expected.len()];
        depthwise_conv2d(pool, &g, &x, &filter, narrow, &mut y);
        assert_close(&y, &expected, 1e-5, &format!("{g:?}"));
        let mut y = vec![f64::NAN; expected.len()];
        depthwise_conv2d(pool, &g, &x64, &filter64, wide, &mut y);
        assert_close_f64(&y, &expected, &format!("{g:?}"));
    });
}
