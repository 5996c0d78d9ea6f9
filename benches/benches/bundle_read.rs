//! From a checkpoint's files to tensors: opening an index, and reading a weight each way there is.

use std::fs;
use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flowkeep_bundle::{BundleReader, ReaderOptions};
use flowkeep_proto::pb;
use prost::Message;

const N_KEYS: usize = 12_000;
const N_ELEMENTS: usize = 16 << 20;

/// An index of many small tensors, and one weight of 64 MiB stored aligned and misaligned.
fn write_bundle(prefix: &Path) {
    let weight: Vec<u8> = (0..N_ELEMENTS).flat_map(|idx| (idx as f32).to_le_bytes()).collect();
    let checksum = mask(crc32c::crc32c(&weight));
    let entry = |n: usize, offset: usize, crc32c: u32| {
        let dim = pb::tensor_shape_proto::Dim { size: n as i64, name: String::new() };
        let shape = pb::TensorShapeProto { dim: vec![dim], unknown_rank: false };
        let (dtype, offset, size) = (1, offset as i64, 4 * n as i64);
        let entry = pb::BundleEntryProto {
            dtype,
            shape: Some(shape),
            offset,
            size,
            crc32c,
            ..Default::default()
        };
        entry.encode_to_vec()
    };
    let header = pb::BundleHeaderProto { num_shards: 1, ..Default::default() };
    let mut entries = vec![(String::new(), header.encode_to_vec())];
    for idx in 0..N_KEYS {
        entries.push((
            format!("layer_{idx:05}/kernel"),
            entry(1, 0, mask(crc32c::crc32c(&weight[..4]))),
        ));
    }
    entries.push(("weight/aligned".into(), entry(N_ELEMENTS, 0, checksum)));
    entries.push(("weight/misaligned".into(), entry(N_ELEMENTS, weight.len() + 1, checksum)));
    fs::write(prefix.with_extension("index"), table(&entries)).expect("writable");
    let data = [&weight[..], &[0], &weight[..]].concat();
    fs::write(prefix.with_extension("data-00000-of-00001"), data).expect("writable");
}

fn mask(checksum: u32) -> u32 {
    checksum.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// A table of one data block in which no key shares a prefix.
fn table(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    fn varint(mut value: usize, out: &mut Vec<u8>) {
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
    }
    fn put_block(out: &mut Vec<u8>, entries: &[(String, Vec<u8>)]) -> Vec<u8> {
        let (start, mut restarts) = (out.len(), vec![0u32]);
        for (idx, (key, value)) in entries.iter().enumerate() {
            if idx > 0 && idx % 16 == 0 {
                restarts.push((out.len() - start) as u32);
            }
            [0, key.len(), value.len()].into_iter().for_each(|n| varint(n, out));
            out.extend_from_slice(key.as_bytes());
            out.extend_from_slice(value);
        }
        restarts.iter().for_each(|restart| out.extend_from_slice(&restart.to_le_bytes()));
        out.extend_from_slice(&(restarts.len() as u32).to_le_bytes());
        let mut handle = Vec::new();
        varint(start, &mut handle);
        varint(out.len() - start, &mut handle);
        out.push(0);
        let checksum = mask(crc32c::crc32c(&out[start..]));
        out.extend_from_slice(&checksum.to_le_bytes());
        handle
    }
    let mut out = Vec::new();
    let data = put_block(&mut out, entries);
    let metaindex = put_block(&mut out, &[]);
    let index = put_block(&mut out, &[("z".into(), data)]);
    let mut footer = [metaindex, index].concat();
    footer.resize(40, 0);
    out.extend_from_slice(&footer);
    out.extend_from_slice(&0xdb47_7524_8b80_fb57u64.to_le_bytes());
    out
}

fn bundle_read(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a folder for the bundle");
    let prefix = dir.path().join("bundle");
    write_bundle(&prefix);

    let mut group = c.benchmark_group("bundle_read");
    group.sample_size(20);
    group.throughput(Throughput::Elements(N_KEYS as u64));
    group.bench_function("open/12000_keys", |b| {
        b.iter(|| BundleReader::open(black_box(&prefix)).map(|_| ()))
    });
    let reader = BundleReader::open(&prefix).expect("the bundle opens");
    group.bench_function("entry/12000_keys", |b| {
        let keys: Vec<_> = reader.keys().take(N_KEYS).collect();
        b.iter(|| {
            keys.iter()
                .map(|key| reader.entry(key).expect("there").shape.n_elements())
                .sum::<usize>()
        });
    });

    group.throughput(Throughput::Bytes(4 * N_ELEMENTS as u64));
    for (how, mmap, verify) in [
        ("read", false, true),
        ("mapped", true, true),
        ("read_unverified", false, false),
        ("mapped_unverified", true, false),
    ] {
        let reader = BundleReader::open_with(
            &prefix,
            ReaderOptions { mmap, verify, ..ReaderOptions::default() },
        )
        .expect("the bundle opens");
        for key in ["weight/aligned", "weight/misaligned"] {
            let tensor = reader.tensor(key).expect("a sound weight");
            assert_eq!(
                tensor.as_slice::<f32>().expect("floats")[N_ELEMENTS - 1],
                (N_ELEMENTS - 1) as f32
            );
            group.bench_function(format!("{key}/{how}"), |b| {
                b.iter(|| reader.tensor(black_box(key)).map(|_| ()))
            });
        }
    }
    group.finish();
}

criterion_group!(benches, bundle_read);
criterion_main!(benches);
