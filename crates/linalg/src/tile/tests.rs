use super::{Activation, Epilogue, Gathered, Panels, Row, Window, multiply};
use crate::gemm::Mat;
use crate::number::Float;
use crate::pool::Pool;
use crate::simd::Level;
use crate::test_support::Random;

/// Multiplies at `level` and compares with the definition; all sums are exact.
fn check<T: Float + From<f32>>(level: Level, [m, n, n_taps, depth]: [usize; 4], transposed: bool) {
    let pool = Pool::new(1);
    let mut random = Random::new(8);
    let k = n_taps * depth;
    let mut numbers = |n: usize| -> Vec<T> {
        random.f32s(n).into_iter().map(|x| T::from((x * 4.0).round())).collect()
    };
    let (a, b, bias) = (numbers(m * k), numbers(k * n), numbers(n));
    let b =
        if transposed { Mat::row_major(&b, n, k).transposed() } else { Mat::row_major(&b, k, n) };
    // The matrix comes in two parts, one below the other.
    let (above, below) = (b.block(0, 0, k / 2, n), b.block(k / 2, 0, k - k / 2, n));
    let panels = Panels::pack_at(level, &pool, &[above, below], n);
    assert_eq!((panels.k(), panels.n()), (k, n));
    // Tap t of row i lies at (t, i).
    let rows: Vec<Row> = (0..m).map(|i| Row { at: i * depth, edge: [0; 2] }).collect();
    let (all, one) = (0..n_taps, 0..1);
    let inside = [std::slice::from_ref(&all), std::slice::from_ref(&one)];
    let window = Window { taps: [n_taps, 1], steps: [m * depth, 0], inside };
    let gathered = Gathered { source: &a, rows: &rows, window, depth, zeros: &[] };
    let activations = [Activation::None, Activation::Relu, Activation::Relu6];
    for (activation, with_bias) in activations.into_iter().flat_map(|a| [(a, false), (a, true)]) {
        let bias = with_bias.then_some(&bias[..]);
        // The product goes to the block's rows in reverse, two columns to the right.
        let cols = n + 3;
        let mut out = vec![T::from(99.0); m * cols];
        let out_rows: Vec<usize> = (0..m).rev().collect();
        pool.parallel_blocks(&mut out, cols, (m, cols), |block| {
            let epilogue = Epilogue { bias, activation };
            multiply(gathered, &panels, 0..panels.len(), epilogue, block, Some(&out_rows), 2);
        });
        for i in 0..m {
            let row = &out[(m - 1 - i) * cols..][..cols];
            for j in 0..n {
                let mut sum = bias.map_or(T::ZERO, |bias| bias[j]);
                for p in 0..k {
                    let (t, c) = (p / depth, p % depth);
                    sum = sum.plus(a[(t * m + i) * depth + c].times(b.at(p, j)));
                }
                let sum = match activation {
                    Activation::None => sum,
                    Activation::Relu => sum.larger(T::ZERO),
                    Activation::Relu6 => sum.larger(T::ZERO).smaller(T::from(6.0)),
                };
                assert_eq!(row[j + 2], sum, "{level:?} {m}x{n}x{n_taps}x{depth} at {i},{j}");
            }
            assert!([row[0], row[1], row[n + 2]].iter().all(|&x| x == T::from(99.0)));
        }
    }
}

#[test]
fn every_level_matches_the_definition() {
    for level in Level::available() {
        for m in [1, 2, 3, 7, 11, 12, 29] {
            for n in [1, 3, 8, 17, 33, 64] {
                check::<f32>(level, [m, n, 2, 3], n % 2 == 1);
                check::<f64>(level, [m, n, 3, 2], n % 2 == 1);
            }
        }
        check::<f32>(level, [5, 40, 1, 300], true);
    }
}

#[test]
fn panels_start_on_a_cache_line() {
    let matrix = vec![1.0_f32; 40];
    for _ in 0..10 {
        let panels = Panels::pack(&Pool::new(1), Mat::row_major(&matrix, 5, 8));
        assert_eq!(panels.get(0).data.as_ptr().align_offset(64), 0);
    }
}

#[test]
fn nan_passes_every_activation() {
    let pool = Pool::new(1);
    let panels = Panels::pack(&pool, Mat::row_major(&[1.0_f32], 1, 1));
    let gathered = Gathered::whole(&[f32::NAN], &[Row { at: 0, edge: [0; 2] }], 1);
    for activation in [Activation::None, Activation::Relu, Activation::Relu6] {
        let mut out = [0.0];
        pool.parallel_blocks(&mut out, 1, (1, 1), |block| {
            let epilogue = Epilogue { bias: None, activation };
            multiply(gathered, &panels, 0..1, epilogue, block, None, 0);
        });
        assert!(out[0].is_nan());
    }
}
