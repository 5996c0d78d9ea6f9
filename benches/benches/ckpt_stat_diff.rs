//! Statistics and comparison of a tensor of 256 MB in the page cache, beside what the machine can do at
//! all and beside the check of its checksum.

use std::fs;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flowkeep_benches::sum_mapped;
use flowkeep_bundle::{
    BundleReader, BundleWriter, Durability, ReaderOptions, VerifyOptions, WriterOptions,
};
use flowkeep_ckpt::{Checkpoint, DiffOptions, HistogramOptions, StatOptions, diff, stat};
use flowkeep_tensor::Tensor;

/// Elements of the tensor: 256 MB of f32.
const N: usize = 64_000_000;

/// Values like those of a trained layer, times `factor`.
fn values(factor: f32) -> Tensor {
    let hash = |i: u32| f64::from(i.wrapping_mul(2_654_435_761)) / 4_294_967_296.0;
    let value = |i| (hash(i) + hash(i ^ 0x5555) + hash(i.wrapping_mul(31)) - 1.5) as f32 * factor;
    Tensor::from_elements((0..N as u32).map(value).collect())
}

fn write(prefix: PathBuf, tensor: &Tensor) -> PathBuf {
    let options = WriterOptions { durability: Durability::Unsynced, ..WriterOptions::default() };
    let mut writer = BundleWriter::create(&prefix, options).expect("a directory to write to");
    writer.add("w", tensor).expect("room to write");
    writer.finish().expect("room to write");
    prefix
}

fn bench_stat(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let prefix = write(dir.path().join("a"), &values(1.0));
    let data = dir.path().join("a.data-00000-of-00001");
    let mut group = c.benchmark_group("stat");
    group.sample_size(10).measurement_time(Duration::from_secs(3));
    group.throughput(Throughput::Bytes(fs::metadata(&data).expect("written").len()));
    for threads in [1, 2] {
        group.bench_function(format!("machine: mapped sum/{threads}"), |b| {
            b.iter(|| sum_mapped(black_box(&data), threads))
        });
        let options = ReaderOptions { threads, ..ReaderOptions::default() };
        group.bench_function(format!("verify/{threads}"), |b| {
            let reader = BundleReader::open_with(&prefix, options).expect("sound");
            let options = VerifyOptions { threads, ..VerifyOptions::default() };
            b.iter(|| assert!(reader.verify(options).is_sound()))
        });
        let checkpoint = Checkpoint::open_with(&prefix, options).expect("sound");
        let given = HistogramOptions { range: Some((-1.5, 1.5)), ..HistogramOptions::default() };
        for (how, histogram) in [
            ("without histogram", None),
            ("with histogram, range given", Some(given)),
            ("with histogram", Some(HistogramOptions::default())),
        ] {
            let options = StatOptions { histogram, threads, ..StatOptions::default() };
            group.bench_function(format!("{how}/{threads}"), |b| {
                b.iter(|| {
                    let report = stat(&checkpoint, &options).expect("sound");
                    assert_eq!(report.total.n_params, N as u64);
                })
            });
        }
    }
    group.finish();
}

fn bench_diff(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let original = write(dir.path().join("a"), &values(1.0));
    let copy = write(dir.path().join("b"), &values(1.0));
    let other = write(dir.path().join("c"), &values(1.0001));
    let data = dir.path().join("a.data-00000-of-00001");
    let mut group = c.benchmark_group("diff");
    group.sample_size(10).measurement_time(Duration::from_secs(3));
    // Of both tensors.
    group.throughput(Throughput::Bytes(2 * fs::metadata(&data).expect("written").len()));
    for threads in [1, 2] {
        group.bench_function(format!("machine: mapped sums/{threads}"), |b| {
            let copy = dir.path().join("b.data-00000-of-00001");
            b.iter(|| sum_mapped(black_box(&data), threads) ^ sum_mapped(black_box(&copy), threads))
        });
        let options = ReaderOptions { threads, ..ReaderOptions::default() };
        let open = |prefix| Checkpoint::open_with(prefix, options).expect("sound");
        let a = open(&original);
        for (how, prefix, is_same) in [("the same", &copy, true), ("all different", &other, false)]
        {
            let b_checkpoint = open(prefix);
            let options = DiffOptions { threads, ..DiffOptions::default() };
            group.bench_function(format!("{how}/{threads}"), |b| {
                b.iter(|| {
                    let report = diff(&a, &b_checkpoint, &options).expect("sound");
                    assert_eq!(report.is_same(), is_same);
                })
            });
        }
    }
    group.finish();
}

criterion_group!(benches, bench_stat, bench_diff);
criterion_main!(benches);
