//! The CPU kernels: products, convolutions and the loops around them.
//!
//! Throughput is in multiply-adds or elements per second. Results are checked once each, whether their bench runs or not.

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use flowkeep_linalg::conv::{
    Conv2dGeometry, DepthwiseGeometry, PackedFilter, conv2d_backprop_filter, conv2d_backprop_input,
    conv2d_packed, depthwise_conv2d,
};
use flowkeep_linalg::gemm::{Mat, PackedMatrix, gemm_f32, gemm_packed};
use flowkeep_linalg::pooling::{Pool2dGeometry, max_pool};
use flowkeep_linalg::pooling_backprop::max_pool_backprop;
use flowkeep_linalg::pooling_winners::{max_pool_backprop_to_winners, max_pool_with_winners};
use flowkeep_linalg::window::Padding;
use flowkeep_linalg::{Activation, Epilogue, Pool, elementwise, reduce, softmax, vmath};

type Group<'a> = BenchmarkGroup<'a, criterion::measurement::WallTime>;

/// Values whose sums are exact.
fn values(n: usize) -> Vec<f32> {
    (0..n).map(|i| (i * 7 % 8) as f32 * 0.25).collect()
}

fn len(shape: [usize; 4]) -> usize {
    shape.iter().product()
}

fn each_pool(c: &mut Criterion, name: &str, f: impl Fn(&mut Group<'_>, &Pool, usize)) {
    let mut group = c.benchmark_group(name);
    for threads in [1, 2] {
        f(&mut group, &Pool::new(threads), threads);
    }
    group.finish();
}

fn products(c: &mut Criterion) {
    let sizes =
        [(1024, 1024, 1024), (196, 256, 2304), (64, 1024, 3136), (8, 3072, 768), (1, 3072, 768)];
    each_pool(c, "gemm", |group, pool, threads| {
        for (m, n, k) in sizes {
            let (a, b) = (values(m * k), values(k * n));
            let (a, b) = (Mat::row_major(&a, m, k), Mat::row_major(&b, k, n));
            let packed = PackedMatrix::new(pool, b);
            let (mut y, mut z) = (vec![0.0; m * n], vec![0.0; m * n]);
            group.throughput(Throughput::Elements((m * n * k) as u64));
            group.bench_function(format!("{m}x{n}x{k}/{threads}"), |bench| {
                bench.iter(|| gemm_f32(pool, a, b, 0.0, &mut y));
            });
            group.bench_function(format!("{m}x{n}x{k} packed/{threads}"), |bench| {
                bench.iter(|| gemm_packed(pool, a, &packed, Epilogue::NONE, &mut z));
            });
            assert_eq!(y, z, "sums of these values are exact");
        }
    });
}

fn convolutions(c: &mut Criterion) {
    let cases = [
        ([1, 224, 224, 3], [7, 7, 3, 64], 2),
        ([1, 56, 56, 64], [3, 3, 64, 64], 1),
        ([1, 56, 56, 64], [1, 1, 64, 64], 1),
        ([1, 14, 14, 256], [1, 1, 256, 256], 1),
        ([1, 7, 7, 512], [3, 3, 512, 512], 1),
    ];
    each_pool(c, "conv2d", |group, pool, threads| {
        for (input, filter, stride) in cases {
            let geometry = Conv2dGeometry::new(input, filter, [stride; 2], [1, 1], Padding::Same)
                .expect("sizes fit");
            let (x, w) = (values(len(input)), values(len(filter)));
            let packed = PackedFilter::new(pool, &w, filter, 1);
            let bias = values(filter[3]);
            let epilogue = Epilogue { bias: Some(&bias[..]), activation: Activation::Relu };
            let mut y = vec![-1.0; len(geometry.output_shape())];
            group.throughput(Throughput::Elements((y.len() * len(filter) / filter[3]) as u64));
            let name = format!(
                "{}x{} {}to{} {}x{}",
                input[1], input[2], filter[2], filter[3], filter[0], filter[1]
            );
            conv2d_packed(pool, &geometry, &x, &packed, epilogue, &mut y);
            assert!(y.iter().all(|&y| y >= 0.0), "every output is written");
            group.bench_function(format!("{name}/{threads}"), |bench| {
                bench.iter(|| conv2d_packed(pool, &geometry, &x, &packed, epilogue, &mut y));
            });
        }
    });
}

fn gradients(c: &mut Criterion) {
    let cases = [
        ([64, 28, 28, 1], [5, 5, 1, 32]),
        ([64, 14, 14, 32], [5, 5, 32, 64]),
        ([8, 56, 56, 64], [3, 3, 64, 64]),
        ([8, 14, 14, 256], [3, 3, 256, 256]),
    ];
    each_pool(c, "conv2d gradients", |group, pool, threads| {
        for (input, filter) in cases {
            let geometry = Conv2dGeometry::new(input, filter, [1, 1], [1, 1], Padding::Same)
                .expect("sizes fit");
            let (x, w) = (values(len(input)), values(len(filter)));
            let dy = values(len(geometry.output_shape()));
            let (mut dx, mut dw) = (vec![-1.0; x.len()], vec![-1.0; w.len()]);
            group.throughput(Throughput::Elements((dy.len() * len(filter) / filter[3]) as u64));
            let name = format!(
                "{}x{}x{} {}to{} {}x{}",
                input[0], input[1], input[2], filter[2], filter[3], filter[0], filter[1]
            );
            conv2d_backprop_filter(pool, &geometry, &x, &dy, &mut dw);
            assert!(dw.iter().all(|&dw| dw >= 0.0), "every element is written");
            if filter[2] > 1 {
                group.bench_function(format!("{name} input/{threads}"), |bench| {
                    bench.iter(|| conv2d_backprop_input(pool, &geometry, &w, &dy, &mut dx));
                });
            }
            group.bench_function(format!("{name} filter/{threads}"), |bench| {
                bench.iter(|| conv2d_backprop_filter(pool, &geometry, &x, &dy, &mut dw));
            });
        }
    });
}

fn depthwise(c: &mut Criterion) {
    let cases = [([1, 56, 56, 144], 1), ([1, 112, 112, 96], 2), ([1, 14, 14, 576], 1)];
    each_pool(c, "depthwise", |group, pool, threads| {
        for (input, stride) in cases {
            let filter = [3, 3, input[3], 1];
            let geometry =
                DepthwiseGeometry::new(input, filter, [stride; 2], [1, 1], Padding::Same)
                    .expect("sizes fit");
            let (x, w) = (values(len(input)), values(len(filter)));
            let mut y = vec![-1.0; len(geometry.output_shape())];
            depthwise_conv2d(pool, &geometry, &x, &w, Epilogue::NONE, &mut y);
            assert!(y.iter().all(|&y| y >= 0.0), "every output is written");
            group.throughput(Throughput::Elements((y.len() * 9) as u64));
            group.bench_function(
                format!("{}x{}x{} s{stride}/{threads}", input[1], input[2], input[3]),
                |bench| {
                    bench
                        .iter(|| depthwise_conv2d(pool, &geometry, &x, &w, Epilogue::NONE, &mut y));
                },
            );
        }
    });
}

fn loops(c: &mut Criterion) {
    const N: usize = 1 << 18;
    each_pool(c, "loops", |group, pool, threads| {
        let (a, b) = (values(N), values(N));
        let mut y = vec![0.0; N];
        group.throughput(Throughput::Elements(N as u64));
        group.bench_function(format!("add/{threads}"), |bench| {
            bench.iter(|| elementwise::zip(pool, &a, &b, &mut y, |a, b| a + b));
        });
        elementwise::zip(pool, &a, &b, &mut y, |a, b| a + b);
        assert_eq!(y[3], a[3] + b[3]);
        group.bench_function(format!("exp/{threads}"), |bench| {
            bench.iter(|| elementwise::map(pool, &a, &mut y, vmath::exp));
        });
        elementwise::map(pool, &a, &mut y, vmath::exp);
        assert_eq!(y[0], 1.0);
        group.bench_function(format!("softmax/{threads}"), |bench| {
            bench.iter(|| softmax::softmax(pool, &a, 1024, &mut y));
        });
        softmax::softmax(pool, &a, 1024, &mut y);
        assert!((y[..1024].iter().sum::<f32>() - 1.0).abs() < 1e-5);
        let mut sum = [0.0];
        group.bench_function(format!("sum/{threads}"), |bench| {
            bench.iter(|| reduce::sum(pool, &a, [1, N, 1], &mut sum));
        });
        reduce::sum(pool, &a, [1, N, 1], &mut sum);
        assert_eq!(sum[0], (N / 8 * 7) as f32);
        group.bench_function(format!("fork-join/{threads}"), |bench| {
            bench.iter(|| pool.parallel_for(2, &|_| {}));
        });
    });
}

/// What training does between its products.
fn between(c: &mut Criterion) {
    let image = [64, 28, 28, 32];
    each_pool(c, "between products", |group, pool, threads| {
        let geometry =
            Pool2dGeometry::new(image, [2, 2], [2, 2], Padding::Same).expect("sizes fit");
        let x = values(len(image));
        let dy = values(len(geometry.output_shape()));
        let (mut y, mut dx) = (vec![-1.0; dy.len()], vec![-1.0; x.len()]);
        let mut from_winners = vec![-1.0; x.len()];
        let (plus, same) = (|a, b| a + b, |dy| dy);
        group.throughput(Throughput::Elements(x.len() as u64));
        max_pool(pool, &geometry, &x, &mut y);
        max_pool_backprop(pool, &geometry, (&x, &dy), &mut dx, |a, b| a < b, |a, b| a + b);
        assert!(y.iter().chain(&dx).all(|&y| y >= 0.0), "every element is written");
        group.bench_function(format!("max pool/{threads}"), |bench| {
            bench.iter(|| max_pool(pool, &geometry, &x, &mut y));
        });
        group.bench_function(format!("max pool gradient/{threads}"), |bench| {
            bench.iter(|| {
                max_pool_backprop(pool, &geometry, (&x, &dy), &mut dx, |a, b| a < b, |a, b| a + b);
            });
        });
        let mut winners = vec![u8::MAX; dy.len()];
        max_pool_with_winners(pool, &geometry, &x, &mut y, &mut winners);
        max_pool_backprop_to_winners(
            pool,
            &geometry,
            (&winners, &dy),
            &mut from_winners,
            plus,
            same,
        );
        assert_eq!(from_winners, dx, "the gradient is the same");
        group.bench_function(format!("max pool with winners/{threads}"), |bench| {
            bench.iter(|| max_pool_with_winners(pool, &geometry, &x, &mut y, &mut winners));
        });
        group.bench_function(format!("max pool gradient to winners/{threads}"), |bench| {
            bench.iter(|| {
                let operands = (&winners[..], &dy[..]);
                max_pool_backprop_to_winners(pool, &geometry, operands, &mut dx, plus, same);
            });
        });
        let mut sums = vec![-1.0; image[3]];
        let dims = [1, x.len() / image[3], image[3]];
        group.bench_function(format!("sums of channels/{threads}"), |bench| {
            bench.iter(|| reduce::sum(pool, &x, dims, &mut sums));
        });
        group.bench_function(format!("relu in place/{threads}"), |bench| {
            bench.iter(|| {
                elementwise::map_in_place(pool, &mut dx, |x: f32| if x < 0.0 { 0.0 } else { x });
            });
        });
    });
}

criterion_group!(benches, products, convolutions, gradients, between, depthwise, loops);
criterion_main!(benches);
