//! Mapped bytes that are let go of leave memory. Alone in its file, so that nothing else is mapped.
#![cfg(all(target_os = "linux", feature = "mmap"))]

use flowkeep_bundle::{BundleReader, BundleWriter, ReaderOptions, WriterOptions};
use flowkeep_tensor::Tensor;

/// The bytes of mapped data files that are in memory of this process.
fn resident() -> usize {
    let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let (mut is_data, mut bytes) = (false, 0);
    for line in smaps.lines() {
        if let Some(kib) = line.strip_prefix("Rss:") {
            let kib: usize = kib.trim().trim_end_matches(" kB").parse().unwrap();
            bytes += if is_data { kib << 10 } else { 0 };
        } else if line.split_whitespace().next().is_some_and(|word| !word.ends_with(':')) {
            is_data = line.contains(".data-");
        }
    }
    bytes
}

#[test]
fn tensors_that_are_let_go_of_leave_nothing_in_memory() {
    const LEN: usize = 1 << 20;
    let dir = tempfile::tempdir().unwrap();
    let prefix = dir.path().join("weights");
    let value = Tensor::from_elements((0..LEN / 4).map(|i| i as f32).collect::<Vec<_>>());
    let mut writer = BundleWriter::create(&prefix, WriterOptions::default()).unwrap();
    for key in ["a", "b", "c"] {
        writer.add(key, &value).unwrap();
    }
    writer.finish().unwrap();
    let options = ReaderOptions { mmap: true, threads: 1, ..ReaderOptions::default() };
    let reader = BundleReader::open_with(&prefix, options).unwrap();
    let tensors: Vec<Tensor> =
        ["a", "b", "c"].iter().map(|key| reader.deferred(key).unwrap()).collect();
    assert_eq!(resident(), 0);
    for tensor in &tensors {
        tensor.check().unwrap();
    }
    assert!(resident() >= 3 * LEN);
    tensors[0].release_memory();
    assert!(resident() <= 2 * LEN);
    tensors[2].release_memory();
    // Reading the one between them brings pages of both.
    assert_eq!(tensors[1], value);
    assert!((LEN..LEN + (128 << 10) + 1).contains(&resident()));
    tensors[1].release_memory();
    assert_eq!(resident(), 0);
    assert!(tensors.iter().all(|tensor| *tensor == value));
}
