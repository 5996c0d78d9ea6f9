use super::backprop::{backprop_input_at, input_gradient_by_taps};
use super::filter_gradient::{backprop_filter_at, filter_gradient_by_taps};
use super::{
    Conv2dGeometry, DepthwiseGeometry, PackedFilter, conv2d, conv2d_backprop_filter,
    conv2d_backprop_input, conv2d_packed, depthwise, depthwise_conv2d, winograd,
};
use crate::simd::Level;
use crate::test_support::{Random, assert_close, pools, widen};
use crate::tile::{Activation, Epilogue};
use crate::window::{Axis, Padding};

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

/// Calls `f(index into y, index into x, index into the filter)` for every product.
fn each_product(g: &Conv2dGeometry, mut f: impl FnMut(usize, usize, usize)) {
    let (inputs, outputs) = (g.in_channels / g.groups, g.out_channels / g.groups);
    for b in 0..g.batch {
        each_tap(&g.rows, |oh, kh, ih| {
            each_tap(&g.cols, |ow, kw, iw| {
                let x = ((b * g.rows.input + ih) * g.cols.input + iw) * g.in_channels;
                let y = ((b * g.rows.output + oh) * g.cols.output + ow) * g.out_channels;
                for o in 0..g.out_channels {
                    for i in 0..inputs {
                        let w = ((kh * g.cols.filter + kw) * inputs + i) * g.out_channels + o;
                        f(y + o, x + o / outputs * inputs + i, w);
                    }
                }
            });
        });
    }
}

fn len(shape: [usize; 4]) -> usize {
    shape.iter().product()
}

fn cases() -> Vec<Conv2dGeometry> {
    let lopsided = Padding::Explicit { top: 2, bottom: 0, left: 1, right: 3 };
    let wide = Padding::Explicit { top: 5, bottom: 5, left: 5, right: 5 };
    let (same, valid) = (Padding::Same, Padding::Valid);
    [
        // Images without pixels, batches without images, filters without outputs.
        ([0, 4, 4, 2], [3, 3, 2, 4], [1, 1], [1, 1], same),
        ([1, 0, 4, 2], [3, 3, 2, 4], [1, 1], [1, 1], same),
        ([1, 2, 2, 2], [3, 3, 2, 4], [1, 1], [1, 1], valid),
        ([1, 2, 2, 2], [1, 1, 2, 0], [1, 1], [1, 1], valid),
        // Single taps.
        ([1, 1, 1, 1], [1, 1, 1, 1], [1, 1], [1, 1], valid),
        ([2, 5, 7, 33], [1, 1, 33, 40], [1, 1], [1, 1], valid),
        ([1, 7, 6, 5], [1, 1, 5, 3], [2, 3], [1, 1], same),
        // Shallow images: whole filter rows.
        ([1, 19, 21, 3], [7, 7, 3, 16], [2, 2], [1, 1], same),
        ([2, 9, 5, 1], [5, 3, 1, 9], [1, 2], [2, 1], lopsided),
        ([1, 3, 2, 2], [2, 4, 2, 3], [1, 1], [1, 1], wide),
        // Deep images: single taps.
        ([1, 13, 12, 24], [3, 3, 24, 50], [1, 1], [1, 1], same),
        ([1, 9, 10, 20], [3, 2, 20, 7], [2, 1], [1, 2], lopsided),
        ([1, 4, 4, 17], [2, 2, 17, 3], [3, 3], [3, 2], wide),
        // Groups, down to one channel each.
        ([1, 6, 7, 12], [3, 3, 4, 6], [1, 1], [1, 1], same),
        ([1, 6, 5, 4], [3, 3, 1, 8], [2, 2], [1, 1], same),
        ([1, 5, 5, 40], [3, 3, 20, 70], [1, 1], [2, 2], same),
        // Several tasks: by pixels, and by output channels.
        ([2, 30, 30, 32], [3, 3, 32, 36], [1, 1], [1, 1], same),
        ([1, 3, 3, 300], [3, 3, 300, 200], [1, 1], [1, 1], same),
        // Strides beyond the filter leave pixels out.
        ([1, 8, 9, 18], [2, 1, 18, 3], [3, 4], [1, 1], valid),
    ]
    .into_iter()
    .map(|(x, w, s, d, p)| Conv2dGeometry::new(x, w, s, d, p).unwrap())
    .collect()
}

/// Gradients that are computed by Winograd's method.
fn tiled_cases() -> Vec<Conv2dGeometry> {
    let lopsided = Padding::Explicit { top: 2, bottom: 0, left: 1, right: 3 };
    let wide = Padding::Explicit { top: 7, bottom: 6, left: 5, right: 9 };
    let (same, valid) = (Padding::Same, Padding::Valid);
    let cases: Vec<_> = [
        // Whole rows of tiles, and tiles that reach beyond the image.
        ([2, 14, 14, 32], [5, 5, 32, 64], same),
        ([1, 15, 17, 48], [5, 5, 48, 32], same),
        ([3, 16, 20, 32], [3, 3, 32, 48], same),
        ([2, 21, 23, 32], [3, 3, 32, 80], valid),
        ([2, 18, 17, 32], [4, 4, 32, 32], same),
        ([1, 40, 22, 32], [3, 3, 32, 32], lopsided),
        ([1, 23, 19, 32], [5, 5, 32, 32], lopsided),
        ([2, 11, 12, 32], [4, 4, 32, 32], wide),
        // Lines of one square.
        ([49, 1, 1, 32], [3, 3, 32, 32], same),
        // Gradients in several parts.
        ([30, 9, 9, 32], [5, 5, 32, 32], same),
    ]
    .into_iter()
    .map(|(x, w, padding)| Conv2dGeometry::new(x, w, [1, 1], [1, 1], padding).unwrap())
    .collect();
    assert!(cases.iter().all(winograd::suits::<f32>), "a case is computed by taps");
    assert!(cases.iter().all(winograd::suits::<f64>), "a case is computed by taps");
    cases
}

#[test]
fn convolution_matches_the_definition() {
    let mut random = Random::new(9);
    for pool in pools() {
        for g in cases() {
            let (x, filter) =
                (random.f32s(len(g.input_shape())), random.f32s(len(g.filter_shape())));
            let bias = random.f32s(g.out_channels);
            let (x64, filter64) = (widen(&x), widen(&filter));
            let mut sums = vec![0.0; len(g.output_shape())];
            each_product(&g, |y, x, w| sums[y] += x64[x] * filter64[w]);

            let mut y = vec![f32::NAN; sums.len()];
            conv2d(&pool, &g, &x, &filter, Epilogue::NONE, &mut y);
            assert_close(&y, &sums, 1e-5, &format!("{g:?}"));

            for (i, sum) in sums.iter_mut().enumerate() {
                *sum = (*sum + f64::from(bias[i % g.out_channels])).clamp(0.0, 6.0);
            }
            let epilogue = Epilogue { bias: Some(&bias), activation: Activation::Relu6 };
            conv2d(&pool, &g, &x, &filter, epilogue, &mut y);
            assert_close(&y, &sums, 1e-4, &format!("with epilogue {g:?}"));

            let mut y = vec![f64::NAN; sums.len()];
            let bias = widen(&bias);
            let epilogue = Epilogue { bias: Some(&bias), activation: Activation::Relu6 };
            conv2d(&pool, &g, &x64, &filter64, epilogue, &mut y);
            assert!(y.iter().zip(&sums).all(|(y, sum)| (y - sum).abs() < 1e-9), "f64 {g:?}");
        }
    }
}

#[test]
fn a_filter_packed_once_or_for_each_use_gives_the_same_bits() {
    let (same, valid) = (Padding::Same, Padding::Valid);
    // Filters above and below the size that is packed whole; panels that are full, narrow and in between.
    let large = [
        ([2, 7, 7, 512], [1, 1, 512, 700], [1, 1], [1, 1], valid),
        ([1, 5, 6, 400], [3, 3, 400, 81], [1, 1], [1, 1], same),
        ([1, 9, 9, 300], [3, 3, 300, 120], [2, 1], [1, 2], same),
    ];
    let large = large.map(|(x, w, s, d, p)| Conv2dGeometry::new(x, w, s, d, p).unwrap());
    let mut random = Random::new(11);
    for g in cases().into_iter().chain(large) {
        let (x, filter) = (random.f32s(len(g.input_shape())), random.f32s(len(g.filter_shape())));
        let bias = random.f32s(g.out_channels);
        let epilogue = Epilogue { bias: Some(&bias), activation: Activation::Relu };
        let mut expected = None;
        for pool in pools() {
            let (mut once, mut kept) = (vec![f32::NAN; len(g.output_shape())], Vec::new());
            conv2d(&pool, &g, &x, &filter, epilogue, &mut once);
            kept.resize(once.len(), f32::NAN);
            if !kept.is_empty() {
                let packed = PackedFilter::new(&pool, &filter, g.filter_shape(), g.groups);
                conv2d_packed(&pool, &g, &x, &packed, epilogue, &mut kept);
            }
            let bits = [once, kept].map(|y| y.into_iter().map(f32::to_bits).collect::<Vec<_>>());
            assert!(bits[0] == bits[1], "{g:?}");
            assert!(*expected.get_or_insert_with(|| bits[0].clone()) == bits[0], "threads {g:?}");
        }
    }
}

#[test]
fn input_gradient_matches_the_definition() {
    let mut random = Random::new(10);
    for pool in pools() {
        for g in cases().into_iter().chain(tiled_cases()) {
            let filter = random.f32s(len(g.filter_shape()));
            let dy = random.f32s(len(g.output_shape()));
            let (filter64, dy64) = (widen(&filter), widen(&dy));
            let mut expected = vec![0.0; len(g.input_shape())];
            each_product(&g, |y, x, w| expected[x] += dy64[y] * filter64[w]);
            for level in Level::available() {
                let mut dx = vec![f32::NAN; expected.len()];
                backprop_input_at(level, &pool, &g, &filter, &dy, &mut dx);
                assert_close(&dx, &expected, 1e-5, &format!("{g:?} {level:?}"));
                let mut dx = vec![f64::NAN; expected.len()];
                backprop_input_at(level, &pool, &g, &filter64, &dy64, &mut dx);
                let is_close = |(dx, e): (&f64, &f64)| (dx - e).abs() < 1e-9;
                assert!(dx.iter().zip(&expected).all(is_close), "f64 {g:?} {level:?}");
            }
        }
    }
}

#[test]
fn filter_gradient_matches_the_definition() {
    let mut random = Random::new(13);
    let all = cases().into_iter().chain(tiled_cases()).chain([
        // Whole filter rows of several tiles, and gradients that are summed in parts.
        Conv2dGeometry::new([3, 9, 8, 9], [2, 5, 9, 37], [1, 1], [1, 1], Padding::Same).unwrap(),
        Conv2dGeometry::new([2, 40, 41, 1], [5, 5, 1, 8], [1, 1], [1, 1], Padding::Valid).unwrap(),
    ]);
    for g in all {
        let (x, dy) = (random.f32s(len(g.input_shape())), random.f32s(len(g.output_shape())));
        let (x64, dy64) = (widen(&x), widen(&dy));
        let mut expected = vec![0.0; len(g.filter_shape())];
        each_product(&g, |y, x, w| expected[w] += dy64[y] * x64[x]);
        for pool in pools() {
            for level in Level::available() {
                let mut dw = vec![f32::NAN; expected.len()];
                backprop_filter_at(level, &pool, &g, &x, &dy, &mut dw);
                assert_close(&dw, &expected, 1e-5, &format!("{g:?} {level:?}"));
                let mut dw = vec![f64::NAN; expected.len()];
                backprop_filter_at(level, &pool, &g, &x64, &dy64, &mut dw);
                let is_close = |(dw, e): (&f64, &f64)| (dw - e).abs() < 1e-9;
                assert!(dw.iter().zip(&expected).all(is_close), "f64 {g:?} {level:?}");
            }
        }
    }
}

/// Errors of tiles, against sums in `f64`, stay below those that the documents tell of.
#[test]
fn tiles_round_little() {
    let mut random = Random::new(15);
    let mut uniform = |n: usize| -> Vec<f32> {
        (0..n).map(|_| (random.bits() >> 40) as f32 / (1 << 23) as f32 - 1.0).collect()
    };
    let pool = &pools()[0];
    for (x, w) in [([16, 14, 14, 32], [5, 5, 32, 64]), ([4, 28, 28, 64], [3, 3, 64, 32])] {
        let g = Conv2dGeometry::new(x, w, [1, 1], [1, 1], Padding::Same).unwrap();
        assert!(winograd::suits::<f32>(&g));
        let x: Vec<f32> = uniform(len(x)).into_iter().map(|x| x.max(0.0)).collect();
        let (filter, dy) = (uniform(len(w)), uniform(len(g.output_shape())));
        let (x64, filter64, dy64) = (widen(&x), widen(&filter), widen(&dy));

        let (mut dx, mut expected) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        conv2d_backprop_input(pool, &g, &filter, &dy, &mut dx);
        input_gradient_by_taps(Level::best(), pool, &g, &filter64, &dy64, &mut expected);
        let error = relative_error(&dx, &expected);
        assert!(error < 2e-6, "input: {error}");

        let (mut dw, mut expected) = (vec![0.0; filter.len()], vec![0.0; filter.len()]);
        conv2d_backprop_filter(pool, &g, &x, &dy, &mut dw);
        filter_gradient_by_taps(Level::best(), pool, &g, &x64, &dy64, &mut expected);
        let error = relative_error(&dw, &expected);
        assert!(error < 2e-6, "filter: {error}");
    }
}

/// The root mean square of the errors, by that of the values.
fn relative_error(actual: &[f32], expected: &[f64]) -> f64 {
    let square = |x: f64| x * x;
    let errors: f64 = actual.iter().zip(expected).map(|(&a, e)| square(f64::from(a) - e)).sum();
    (errors / expected.iter().copied().map(square).sum::<f64>()).sqrt()
}

/// Infinities and NaN reach the elements that they belong to and no others of their tile, and large
/// values do not overflow on the way.
#[test]
fn tiles_do_not_spread_what_is_not_finite() {
    let mut random = Random::new(14);
    let pool = &pools()[1];
    let g = tiled_cases()[0];
    let (x, filter) = (random.f32s(len(g.input_shape())), random.f32s(len(g.filter_shape())));
    for special in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 3e37] {
        let mut dy = random.f32s(len(g.output_shape()));
        dy[777] = special;
        let (mut dx, mut expected) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        conv2d_backprop_input(pool, &g, &filter, &dy, &mut dx);
        input_gradient_by_taps(Level::best(), pool, &g, &filter, &dy, &mut expected);
        assert!(same_bits(&dx, &expected), "{special}");
        let (mut dw, mut expected) = (vec![0.0; filter.len()], vec![0.0; filter.len()]);
        conv2d_backprop_filter(pool, &g, &x, &dy, &mut dw);
        filter_gradient_by_taps(Level::best(), pool, &g, &x, &dy, &mut expected);
        if special.is_finite() {
            assert_close(&dw, &widen(&expected), 1e-5, "large");
        } else {
            assert!(same_bits(&dw, &expected), "{special}");
        }
    }
}

fn same_bits(a: &[f32], b: &[f32]) -> bool {
    a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()))
}

/// Values from TensorFlow 2.21.
#[test]
fn input_gradient_of_ones_is_that_of_tensorflow() {
    let g = Conv2dGeometry::new([1, 4, 4, 1], [3, 3, 1, 1], [2, 2], [1, 1], Padding::Same).unwrap();
    let mut dx = [0.0_f32; 16];
    conv2d_backprop_input(&pools()[0], &g, &[1.0; 9], &[1.0; 4], &mut dx);
    let expected = [1, 1, 2, 1, 1, 1, 2, 1, 2, 2, 4, 2, 1, 1, 2, 1].map(|x| x as f32);
    assert_eq!(dx, expected);
}

#[test]
fn depthwise_convolution_matches_the_definition() {
    let mut random = Random::new(11);
    let lopsided = Padding::Explicit { top: 2, bottom: 0, left: 1, right: 3 };
    let cases = [
        ([0, 4, 4, 2], [3, 3, 2, 1], [1, 1], [1, 1], Padding::Same),
        ([1, 4, 4, 0], [3, 3, 0, 1], [1, 1], [1, 1], Padding::Same),
        ([1, 4, 4, 2], [3, 3, 2, 0], [1, 1], [1, 1], Padding::Same),
        ([1, 1, 1, 1], [1, 1, 1, 1], [1, 1], [1, 1], Padding::Valid),
        ([2, 9, 8, 3], [3, 3, 3, 1], [1, 1], [1, 1], Padding::Same),
        ([1, 9, 14, 40], [3, 3, 40, 1], [1, 1], [1, 1], Padding::Same),
        ([1, 9, 14, 16], [3, 3, 16, 1], [2, 2], [1, 1], Padding::Same),
        ([1, 12, 13, 6], [3, 5, 6, 1], [1, 1], [2, 2], lopsided),
        ([1, 7, 12, 9], [3, 3, 9, 1], [2, 2], [1, 1], Padding::Valid),
        ([2, 7, 12, 5], [3, 2, 5, 4], [2, 2], [1, 1], lopsided),
        ([1, 3, 2, 20], [5, 5, 20, 2], [1, 1], [1, 1], Padding::Same),
        ([1, 40, 40, 70], [3, 3, 70, 1], [1, 1], [1, 1], Padding::Same),
    ];
    for pool in pools() {
        for (input, filter_shape, strides, dilations, padding) in cases {
            let g =
                DepthwiseGeometry::new(input, filter_shape, strides, dilations, padding).unwrap();
            let (x, filter) = (random.f32s(len(input)), random.f32s(len(filter_shape)));
            let outputs = g.channels * g.multiplier;
            let bias = random.f32s(outputs);
            let mut sums = vec![0.0; len(g.output_shape())];
            for b in 0..g.batch {
                each_tap(&g.rows, |oh, kh, ih| {
                    each_tap(&g.cols, |ow, kw, iw| {
                        for j in 0..outputs {
                            let c = j / g.multiplier;
                            let x =
                                x[((b * g.rows.input + ih) * g.cols.input + iw) * g.channels + c];
                            let w = filter[(kh * g.cols.filter + kw) * outputs + j];
                            let y = ((b * g.rows.output + oh) * g.cols.output + ow) * outputs + j;
                            sums[y] += f64::from(x) * f64::from(w);
                        }
                    });
                });
            }
            let mut y = vec![f32::NAN; sums.len()];
            depthwise_conv2d(&pool, &g, &x, &filter, Epilogue::NONE, &mut y);
            assert_close(&y, &sums, 1e-5, &format!("{g:?}"));
            for (i, sum) in sums.iter_mut().enumerate() {
                *sum = (*sum + f64::from(bias[i % outputs])).max(0.0);
            }
            let epilogue = Epilogue { bias: Some(&bias), activation: Activation::Relu };
            for level in Level::available() {
                y.fill(f32::NAN);
                depthwise::convolve(level, &pool, &g, &x, &filter, epilogue, &mut y);
                assert_close(&y, &sums, 1e-5, &format!("with epilogue {g:?} {level:?}"));
            }
            let (x, filter, bias) = (widen(&x), widen(&filter), widen(&bias));
            let epilogue = Epilogue { bias: Some(&bias[..]), activation: Activation::Relu };
            let mut y = vec![f64::NAN; sums.len()];
            depthwise_conv2d(&pool, &g, &x, &filter, epilogue, &mut y);
            assert!(y.iter().zip(&sums).all(|(y, sum)| (y - sum).abs() < 1e-12), "f64 {g:?}");
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let mut random = Random::new(12);
    for g in cases().into_iter().chain(tiled_cases()) {
        let (x, filter) = (random.f32s(len(g.input_shape())), random.f32s(len(g.filter_shape())));
        let results = pools().map(|pool| {
            let mut y = vec![0.0; len(g.output_shape())];
            conv2d(&pool, &g, &x, &filter, Epilogue::NONE, &mut y);
            let mut dx = vec![0.0; x.len()];
            conv2d_backprop_input(&pool, &g, &filter, &y, &mut dx);
            let mut dw = vec![0.0; filter.len()];
            conv2d_backprop_filter(&pool, &g, &x, &y, &mut dw);
            (y, dx, dw)
        });
        assert_eq!(results[0], results[1]);
    }
}

#[test]
fn a_filter_that_is_packed_in_parts_is_the_same() {
    // Several parts; one; as many as rows, since a row is larger than a part; groups, which are one.
    let cases =
        [([3, 3, 130, 300], 1), ([1, 1, 5, 7], 1), ([1, 2, 2, 300_000], 1), ([3, 3, 70, 600], 2)];
    for (shape, groups) in cases {
        let image = [1, 3, 3, shape[2] * groups];
        let g = Conv2dGeometry::new(image, shape, [1; 2], [1; 2], Padding::Valid).unwrap();
        assert_eq!(g.groups, groups);
        let mut random = Random::new(5);
        let x: Vec<f32> = random.f32s(image.iter().product());
        let filter: Vec<f32> = random.f32s(shape.iter().product());
        for pool in pools() {
            let convolved = |packed: &PackedFilter<f32>| {
                let [n, rows, cols, channels] = g.output_shape();
                let mut y = vec![0.0; n * rows * cols * channels];
                conv2d_packed(&pool, &g, &x, packed, Epilogue::NONE, &mut y);
                y
            };
            let whole = PackedFilter::new(&pool, &filter, shape, groups);
            let (mut end, mut n_parts) = (0, 0);
            let packed = PackedFilter::new_in_parts(&pool, &filter, shape, groups, |part| {
                assert_eq!(part.start, end);
                (end, n_parts) = (part.end, n_parts + 1);
            });
            assert_eq!(end, filter.len());
            let is_cut = groups == 1 && filter.len() > 1 << 18;
            assert!((n_parts > 1) == is_cut, "{n_parts} parts of {shape:?}");
            assert!(convolved(&packed) == convolved(&whole), "{shape:?}");
        }
    }
}
