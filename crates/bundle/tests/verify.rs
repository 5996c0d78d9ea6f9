//! Checking bundles whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flowkeep_bundle::source::{BytesSource, Source};
use flowkeep_bundle::{
    BundleReader, BundleWriter, Oddity, ReaderOptions, VerifyOptions, VerifyReport, WriterOptions,
    slice_key,
};
use flowkeep_tensor::{Shape, Tensor};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/bundles")
}

/// What is damaged, as text.
fn damaged(report: &VerifyReport) -> Vec<String> {
    report.damaged.iter().map(|(key, error)| format!("{key}: {}", error.code().name())).collect()
}

#[test]
fn bundles_of_tensorflow_are_sound() {
    for name in
        ["one", "strings", "dtypes", "partitioned", "grid", "sharded", "two_blocks", "big_endian"]
    {
        for mmap in [false, true] {
            let options = ReaderOptions { mmap, verify: false, ..ReaderOptions::default() };
            let reader = BundleReader::open_with(&fixtures().join(name), options).unwrap();
            let checked = AtomicU64::new(0);
            let progress = |n: u64| _ = checked.fetch_add(n, Ordering::Relaxed);
            let report = reader.verify(VerifyOptions { threads: 3, progress: Some(&progress) });
            // One tensor of `grid` was written with a hole in it.
            let expected: &[&str] = if name == "grid" { &["gap: INVALID_ARGUMENT"] } else { &[] };
            assert_eq!(damaged(&report), expected, "{name}");
            assert_eq!(report.is_sound(), expected.is_empty());
            assert_eq!(report.n_tensors, reader.keys().count(), "{name}");
            assert_eq!(report.n_bytes, checked.into_inner(), "{name}");
            assert_eq!(report.oddities, [], "{name}");
        }
    }
    let report =
        BundleReader::open(&fixtures().join("snappy")).unwrap().verify(VerifyOptions::default());
    let keys = [b"va".to_vec().into(), b"vb".to_vec().into()];
    assert_eq!(report.oddities, [Oddity::Shared { shard: 0, offset: 0, len: 8, keys }]);
}

/// A bundle in a directory: large and small tensors, strings, a tensor in slices.
fn write(dir: &Path) -> (PathBuf, Vec<(String, u64, u64)>) {
    let prefix = dir.join("p");
    let options = WriterOptions { alignment: 8, ..WriterOptions::default() };
    let mut writer = BundleWriter::create(&prefix, options).unwrap();
    let large: Vec<f32> = (0..6_000_000u32).map(|i| i as f32).collect();
    writer.add("large", &Tensor::from_elements(large)).unwrap();
    writer.add("small", &Tensor::from_elements(vec![1u8; 3])).unwrap();
    writer.add("text", &Tensor::from_strings([2], vec!["ab".into(), "c".into()]).unwrap()).unwrap();
    for (slice, value) in [("0,2", 1i32), ("2,2", 2)] {
        let tensor = Tensor::from_elements(vec![value; 2]);
        writer.add_slice("w", &Shape::from([4]), &slice.parse().unwrap(), &tensor).unwrap();
    }
    writer.finish().unwrap();
    let reader = BundleReader::open(&prefix).unwrap();
    let mut places = Vec::new();
    for key in ["large", "small", "text"] {
        let entry = reader.entry(key).unwrap();
        places.push((key.to_owned(), entry.offset, entry.size));
    }
    for slice in ["0,2", "2,2"] {
        let entry = reader.entry(slice_key::encode(b"w", &slice.parse().unwrap())).unwrap();
        places.push((format!("w slice {slice}"), entry.offset, entry.size));
    }
    (prefix, places)
}

#[test]
fn damage_is_found_wherever_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (prefix, places) = write(dir.path());
    let path = dir.path().join("p.data-00000-of-00001");
    let sound = fs::read(&path).unwrap();
    for (key, offset, size) in places {
        for at in [offset, offset + size / 2, offset + size - 1] {
            let mut bytes = sound.clone();
            bytes[at as usize] ^= 0x10;
            fs::write(&path, &bytes).unwrap();
            let report = BundleReader::open(&prefix).unwrap().verify(VerifyOptions::default());
            assert_eq!(damaged(&report), [format!("{key}: DATA_LOSS")]);
        }
    }
    // Padding is covered by no checksum: it shows as gaps.
    fs::write(&path, &sound).unwrap();
    let report = BundleReader::open(&prefix).unwrap().verify(VerifyOptions::default());
    let gaps = report.oddities.iter().map(|oddity| match oddity {
        Oddity::Gap { len, .. } => *len,
        other => panic!("{other:?}"),
    });
    assert_eq!(gaps.collect::<Vec<_>>(), [5, 7]);
    fs::write(&path, &sound[..sound.len() - 1]).unwrap();
    let report = BundleReader::open(&prefix).unwrap().verify(VerifyOptions::default());
    assert_eq!(damaged(&report), ["w slice 2,2: OUT_OF_RANGE"]);
    fs::remove_file(&path).unwrap();
    let report = BundleReader::open(&prefix).unwrap().verify(VerifyOptions::default());
    assert_eq!(report.damaged.len(), 5);
    assert!(report.damaged.iter().all(|(_, error)| error.code().name() == "NOT_FOUND"));
}

#[test]
fn slices_without_their_tensor_are_odd() {
    let slice = slice_key::encode(b"w", &"0,2".parse().unwrap());
    let golden = fixtures().join("one");
    let mut table = flowkeep_bundle::table::TableWriter::new(Vec::new());
    let source =
        flowkeep_bundle::source::FileSource::open(&golden.with_extension("index")).unwrap();
    let index = flowkeep_bundle::table::Table::open(&source).unwrap();
    table.add(b"", index.get(b"").unwrap()).unwrap();
    table.add(&slice, index.get(b"v").unwrap()).unwrap();
    let data = BytesSource::new(fs::read(golden.with_extension("data-00000-of-00001")).unwrap());
    let open = move |_, _| -> io::Result<Arc<dyn Source>> { Ok(Arc::new(data.clone())) };
    let index = BytesSource::new(table.finish().unwrap());
    let reader = BundleReader::from_sources(&index, open, ReaderOptions::default()).unwrap();
    let report = reader.verify(VerifyOptions::default());
    assert!(report.is_sound());
    assert_eq!((report.n_tensors, report.n_bytes), (0, 8));
    assert_eq!(report.oddities, [Oddity::StraySlice { key: slice.into() }]);
}
