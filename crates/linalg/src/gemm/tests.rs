use half::{bf16, f16};

use super::{
    Batch, Mat, PackedMatrix, batch_gemm, gemm, gemm_f32, gemm_f64, gemm_generic, gemm_packed,
    gemm_with,
};
use crate::pool::Pool;
use crate::test_support::{Random, assert_close, pools, widen};
use crate::tile::{Activation, Epilogue};

/// The definition: `c = a·b`.
fn naive(a: Mat<'_, f64>, b: Mat<'_, f64>, c: &mut [f64]) {
    for i in 0..a.rows() {
        for j in 0..b.cols() {
            c[i * b.cols() + j] = (0..a.cols()).map(|p| a.at(i, p) * b.at(p, j)).sum();
        }
    }
}

fn mat<T>(data: &[T], rows: usize, cols: usize, transposed: bool) -> Mat<'_, T> {
    if transposed {
        Mat::row_major(data, cols, rows).transposed()
    } else {
        Mat::row_major(data, rows, cols)
    }
}

const SIZES: [(usize, usize, usize); 22] = [
    (0, 3, 2),
    (3, 0, 2),
    (2, 3, 0),
    (1, 5, 0),
    (1, 1, 1),
    (1, 7, 5),
    (1, 2000, 37),
    (1, 130, 1100),
    (9, 1, 300),
    (2100, 1, 70),
    (2, 3, 4),
    (12, 32, 64),
    (13, 33, 65),
    (100, 1, 1),
    (1, 100, 1),
    (5, 6, 1),
    (200, 300, 400),
    (1000, 64, 300),
    (31, 1500, 257),
    (300, 301, 302),
    (64, 203, 600),
    (30, 160, 520),
];

#[test]
fn float_products_match_the_definition() {
    let mut random = Random::new(1);
    for pool in pools() {
        for (m, n, k) in SIZES {
            let (a, b) = (random.f32s(m * k), random.f32s(k * n));
            for (a_t, b_t) in [(false, false), (false, true), (true, false), (true, true)] {
                let (a64, b64) = (widen(&a), widen(&b));
                let mut product = vec![0.0; m * n];
                naive(mat(&a64, m, k, a_t), mat(&b64, k, n, b_t), &mut product);
                for beta in [0.0, 1.0, -0.5] {
                    let what = format!("{m}x{n}x{k} {a_t} {b_t} beta {beta}");
                    let mut c = random.f32s(m * n);
                    if beta == 0.0 {
                        c.fill(f32::NAN);
                    }
                    let scaled = |c: &f32| if beta == 0.0 { 0.0 } else { f64::from(beta * c) };
                    let expected: Vec<f64> =
                        product.iter().zip(&c).map(|(p, c)| p + scaled(c)).collect();
                    let mut c64 = widen(&c);
                    gemm_f32(&pool, mat(&a, m, k, a_t), mat(&b, k, n, b_t), beta, &mut c);
                    assert_close(&c, &expected, 1e-5, &what);
                    let beta = f64::from(beta);
                    gemm_f64(&pool, mat(&a64, m, k, a_t), mat(&b64, k, n, b_t), beta, &mut c64);
                    for (c, e) in c64.iter().zip(&expected) {
                        assert!(
                            (c - e).abs() <= 1e-12 * e.abs().max(1.0),
                            "{what}: {c} is not {e}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn packed_products_match_the_definition() {
    let mut random = Random::new(7);
    for pool in pools() {
        for (m, n, k) in SIZES.into_iter().chain([(30, 50, 3000), (500, 40, 1025)]) {
            let (a, b, bias) = (random.f32s(m * k), random.f32s(k * n), random.f32s(n));
            for (a_t, b_t) in [(false, false), (true, true)] {
                let (a64, b64) = (widen(&a), widen(&b));
                let mut expected = vec![0.0; m * n];
                naive(mat(&a64, m, k, a_t), mat(&b64, k, n, b_t), &mut expected);
                let packed = PackedMatrix::new(&pool, mat(&b, k, n, b_t));
                assert_eq!((packed.rows(), packed.cols()), (k, n));
                let mut c = vec![f32::NAN; m * n];
                gemm_packed(&pool, mat(&a, m, k, a_t), &packed, Epilogue::NONE, &mut c);
                assert_close(&c, &expected, 1e-5, &format!("{m}x{n}x{k}"));
                for (i, e) in expected.iter_mut().enumerate() {
                    *e = (*e + f64::from(bias[i % n])).max(0.0);
                }
                let epilogue = Epilogue { bias: Some(&bias), activation: Activation::Relu };
                gemm_packed(&pool, mat(&a, m, k, a_t), &packed, epilogue, &mut c);
                assert_close(&c, &expected, 1e-5, &format!("with epilogue {m}x{n}x{k}"));
            }
        }
    }
}

#[test]
fn products_do_not_depend_on_the_number_of_threads() {
    let mut random = Random::new(2);
    for (m, n, k) in SIZES {
        let (a, b) = (random.f32s(m * k), random.f32s(k * n));
        let (a, b) = (Mat::row_major(&a, m, k), Mat::row_major(&b, k, n));
        let mut results = [vec![0.0; m * n], vec![0.0; m * n]];
        for (pool, c) in pools().iter().zip(&mut results) {
            gemm(pool, a, b, 0.0, c);
        }
        assert_eq!(results[0], results[1], "{m}x{n}x{k}");
    }
}

#[test]
fn operands_may_have_any_strides() {
    let mut random = Random::new(3);
    let (m, n, k) = (17, 19, 23);
    let (a, b) = (random.f64s(m * k * 6), random.f64s(k * n * 6));
    let a = Mat::strided(&a, m, k, 3 * k * 2, 2);
    let b = Mat::strided(&b, k, n, 3, k * 4);
    let (mut c, mut expected) = (vec![0.0; m * n], vec![0.0; m * n]);
    gemm(&Pool::new(1), a, b, 0.0, &mut c);
    naive(a, b, &mut expected);
    for (c, e) in c.iter().zip(&expected) {
        assert!((c - e).abs() < 1e-10);
    }
    // Vectors with gaps take the general way as well.
    let (row, mut c) = (a.block(0, 0, 1, k), vec![0.0; n]);
    gemm(&Pool::new(1), row, b, 0.0, &mut c);
    for (c, e) in c.iter().zip(&expected) {
        assert!((c - e).abs() < 1e-10);
    }
    // A zero stride repeats an element.
    let ones = Mat::strided(&[1.0], 2, k, 0, 0);
    let mut sums = vec![0.0; 2 * n];
    gemm(&Pool::new(1), ones, b, 0.0, &mut sums);
    assert_eq!(sums[..n], sums[n..]);
}

#[test]
fn integer_products_wrap() {
    let pool = Pool::new(2);
    for (m, n, k) in [(0, 2, 2), (2, 0, 2), (2, 2, 0), (1, 1, 1), (7, 70, 9), (33, 65, 129)] {
        let mut random = Random::new(4);
        let a: Vec<i32> = (0..m * k).map(|_| random.bits() as i32).collect();
        let b: Vec<i32> = (0..k * n).map(|_| random.bits() as i32).collect();
        for b_t in [false, true] {
            let (a, b) = (mat(&a, m, k, false), mat(&b, k, n, b_t));
            let mut c = vec![9; m * n];
            gemm_generic(&pool, a, b, &mut c);
            for i in 0..m {
                for j in 0..n {
                    let exact: i128 =
                        (0..k).map(|p| i128::from(a.at(i, p)) * i128::from(b.at(p, j))).sum();
                    assert_eq!(c[i * n + j], exact as i32);
                }
            }
        }
    }
}

#[test]
fn half_products_are_summed_in_single_precision() {
    let pool = Pool::new(1);
    // 2048 + 1 is not a half; summed in halves the ones would be lost.
    let a: Vec<f16> = [2048.0, 1.0, 1.0, 1.0, 1.0].map(f16::from_f32).to_vec();
    let ones = [f16::ONE; 5];
    let mut c = [f16::ZERO];
    gemm_generic(&pool, Mat::row_major(&a, 1, 5), Mat::row_major(&ones, 5, 1), &mut c);
    assert_eq!(c[0], f16::from_f32(2052.0));
    let a: Vec<bf16> = [256.0, 1.0, 1.0].map(bf16::from_f32).to_vec();
    let ones = [bf16::ONE; 3];
    let mut c = [bf16::ZERO];
    gemm_generic(&pool, Mat::row_major(&a, 1, 3), Mat::row_major(&ones, 3, 1), &mut c);
    assert_eq!(c[0], bf16::from_f32(258.0));
}

#[test]
fn closures_bring_their_own_arithmetic() {
    type Complex = (f32, f32);
    let a: [Complex; 2] = [(1.0, 2.0), (0.0, -1.0)];
    let b: [Complex; 2] = [(3.0, 0.5), (2.0, 2.0)];
    let mut c = [(0.0, 0.0)];
    let add = |s: Complex, a: Complex, b: Complex| {
        (s.0 + a.0 * b.0 - a.1 * b.1, s.1 + a.0 * b.1 + a.1 * b.0)
    };
    let (a, b) = (Mat::row_major(&a, 1, 2), Mat::row_major(&b, 2, 1));
    gemm_with(&Pool::new(1), a, b, &mut c, (0.0, 0.0), add, |s| s);
    // (1+2i)(3+0.5i) + (-i)(2+2i) = (2+6.5i) + (2-2i)
    assert_eq!(c[0], (4.0, 4.5));
}

#[test]
fn batches_multiply_the_named_pairs() {
    let mut random = Random::new(5);
    for pool in pools() {
        for (m, n, k) in [(2, 3, 4), (1, 9, 5), (120, 130, 140), (2, 2, 0), (0, 2, 2)] {
            let (a, b) = (random.f32s(3 * m * k), random.f32s(2 * k * n));
            let pairs = [(0, 1), (2, 0), (1, 1), (2, 1)];
            for (a_t, b_t) in [(false, false), (true, true)] {
                let stored = |t, rows, cols| if t { (cols, rows) } else { (rows, cols) };
                let (a_rows, a_cols) = stored(a_t, m, k);
                let (b_rows, b_cols) = stored(b_t, k, n);
                let a = Batch { data: &a, rows: a_rows, cols: a_cols, transpose: a_t };
                let b = Batch { data: &b, rows: b_rows, cols: b_cols, transpose: b_t };
                let mut c = vec![f32::NAN; pairs.len() * m * n];
                batch_gemm(&pool, a, b, &pairs, &mut c);
                for (i, &(a_idx, b_idx)) in pairs.iter().enumerate() {
                    let mut expected = vec![0.0; m * n];
                    gemm(&pool, a.get(a_idx), b.get(b_idx), 0.0, &mut expected);
                    assert_eq!(c[i * m * n..][..m * n], expected);
                }
            }
        }
    }
}

#[test]
#[should_panic(expected = "a 2x3 matrix cannot be multiplied with a 2x3 matrix")]
fn products_of_unfit_shapes_panic() {
    let a = [0.0; 6];
    gemm_f32(&Pool::new(1), Mat::row_major(&a, 2, 3), Mat::row_major(&a, 2, 3), 0.0, &mut [0.0; 6]);
}

#[test]
#[should_panic(expected = "needs more than 5 elements")]
fn matrices_outside_their_slice_panic() {
    Mat::row_major(&[0.0; 5], 2, 3);
}
