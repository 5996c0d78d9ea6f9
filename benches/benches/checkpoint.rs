//! A checkpoint of 1 GB, a few large tensors and thousands of small ones, all in the page cache: read,
//! checked and written, beside what the machine can do at all and beside the `safetensors` crate.

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flowkeep_benches::{mapped, sum, sum_mapped, write_raw};
use flowkeep_bundle::{BundleReader, BundleWriter, Durability, ReaderOptions, WriterOptions};
use flowkeep_tensor::Tensor;

/// Elements of the large tensors: 200 MB each.
const LARGE: usize = 50_000_000;
const N_LARGE: usize = 4;
/// Elements of the small tensors: 40 kB each.
const SMALL: usize = 10_000;
const N_SMALL: usize = 5_000;

/// The tensors, with names as a model has them.
fn tensors() -> Vec<(String, Tensor)> {
    let tensor = |n: usize, seed: usize| {
        Tensor::from_elements((0..n).map(|i| ((i * 31 + seed) % 1009) as f32).collect())
    };
    let large = (0..N_LARGE).map(|i| (format!("embedding_{i}/table"), tensor(LARGE, i)));
    let small = (0..N_SMALL).map(|i| (format!("layer_{i:05}/kernel"), tensor(SMALL, i)));
    large.chain(small).collect()
}

fn write(prefix: &Path, tensors: &[(String, Tensor)], options: WriterOptions) {
    let mut writer = BundleWriter::create(prefix, options).expect("a directory to write to");
    for (key, tensor) in tensors {
        writer.add(key, tensor).expect("room to write");
    }
    writer.finish().expect("room to write");
}

struct Files {
    _dir: tempfile::TempDir,
    prefix: PathBuf,
    data: PathBuf,
    safetensors: PathBuf,
    len: u64,
}

fn files(tensors: &[(String, Tensor)]) -> Files {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let prefix = dir.path().join("model");
    let options = WriterOptions { durability: Durability::Unsynced, ..WriterOptions::default() };
    write(&prefix, tensors, options);
    let data = dir.path().join("model.data-00000-of-00001");
    let safetensors = dir.path().join("model.safetensors");
    let views = tensors.iter().map(|(key, tensor)| {
        let (shape, bytes) = (tensor.dims().to_vec(), tensor.as_bytes().expect("plain"));
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape, bytes);
        (key.clone(), view.expect("the length fits"))
    });
    safetensors::serialize_to_file(views, None, &safetensors).expect("room to write");
    let len = fs::metadata(&data).expect("written").len();
    Files { _dir: dir, prefix, data, safetensors, len }
}

fn checkpoint(c: &mut Criterion) {
    let tensors = tensors();
    let files = files(&tensors);
    let mut group = c.benchmark_group("checkpoint");
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    group.throughput(Throughput::Bytes(files.len));

    for threads in [1, 2] {
        group.bench_function(format!("read/machine: mapped sum/{threads}"), |b| {
            b.iter(|| sum_mapped(black_box(&files.data), threads))
        });
        for (how, mmap) in [("mapped, verified", true), ("read, verified", false)] {
            group.bench_function(format!("read/{how}/{threads}"), |b| {
                b.iter(|| {
                    let options = ReaderOptions { mmap, verify: true, threads };
                    let reader = BundleReader::open_with(&files.prefix, options).expect("sound");
                    let keys: Vec<_> = reader.keys().collect();
                    let tensors = reader.load(&keys).expect("sound");
                    assert_eq!(tensors.len(), N_LARGE + N_SMALL);
                })
            });
        }
    }
    group.bench_function("read/safetensors, mapped, every byte summed/1", |b| {
        b.iter(|| {
            let mapping = mapped(&files.safetensors);
            let tensors = safetensors::SafeTensors::deserialize(&mapping).expect("sound");
            tensors.iter().fold(0u64, |total, (_, view)| total.wrapping_add(sum(view.data())))
        })
    });
    group.bench_function("read/safetensors, read into memory/1", |b| {
        b.iter(|| {
            let content = fs::read(&files.safetensors).expect("the file is there");
            let tensors = safetensors::SafeTensors::deserialize(&content).expect("sound");
            assert_eq!(tensors.len(), N_LARGE + N_SMALL);
        })
    });

    let dir = tempfile::tempdir().expect("a temporary directory");
    for durability in [Durability::Unsynced, Durability::Synced] {
        group.bench_function(format!("write/machine: raw/{durability:?}"), |b| {
            b.iter(|| {
                let path = dir.path().join("raw");
                let sync = durability == Durability::Synced;
                write_raw(&path, files.len, sync).expect("room to write");
                fs::remove_file(path).expect("it is there");
            })
        });
        for threads in [1, 2] {
            group.bench_function(format!("write/bundle/{durability:?}/{threads}"), |b| {
                b.iter(|| {
                    let path = dir.path().join("bundle/p");
                    let options = WriterOptions { durability, threads, ..WriterOptions::default() };
                    write(&path, &tensors, options);
                    fs::remove_dir_all(dir.path().join("bundle")).expect("it is there");
                })
            });
        }
    }
    group.finish();
}

criterion_group!(benches, checkpoint);
criterion_main!(benches);
