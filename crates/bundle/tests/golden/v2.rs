//! Bundles that TensorFlow wrote, read as TensorFlow reads them.
//!
//! The bundles and their contents are in `fixtures/bundles/`; `fixtures/generate_bundles.py` makes
//! both with TensorFlow.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowkeep_bundle::source::{BytesSource, Source};
use flowkeep_bundle::{BundleReader, Error, ReaderOptions};
use flowkeep_tensor::{Code, Tensor, TensorSlice};

use crate::{check, contents, fixtures};

fn prefix(name: &str) -> PathBuf {
    fixtures().join("bundles").join(name)
}

/// Every way to open a bundle.
fn readers(name: &str) -> Vec<BundleReader> {
    let path = prefix(name);
    let mapped = ReaderOptions { mmap: true, ..ReaderOptions::default() };
    let index = BytesSource::new(fs::read(path.with_extension("index")).unwrap());
    let open = move |shard: u32, n_shards: u32| -> std::io::Result<Arc<dyn Source>> {
        let path = path.with_extension(format!("data-{shard:05}-of-{n_shards:05}"));
        Ok(Arc::new(BytesSource::new(fs::read(path)?)))
    };
    vec![
        BundleReader::open(&prefix(name)).unwrap(),
        BundleReader::open_with(&prefix(name), mapped).unwrap(),
        BundleReader::from_sources(&index, open, ReaderOptions::default()).unwrap(),
    ]
}

#[test]
fn tensors_and_slices_have_tensorflows_values() {
    let contents = contents(&prefix("bundles.json"));
    let mut n_checked = 0;
    for (name, entries) in &contents {
        for (how, reader) in readers(name).iter().enumerate() {
            for (key, expected) in entries.as_object().unwrap() {
                let what = format!("{name}: {:.60}, reader {how}", key);
                match expected["spec"].as_str() {
                    None => check(&reader.tensor(key).unwrap(), expected, &what),
                    Some(spec) => {
                        let key = key.split('|').next().unwrap();
                        let tensor = match TensorSlice::parse_spec(spec).unwrap() {
                            Some((_, slice)) => reader.slice(key, &slice).unwrap(),
                            None => reader.tensor(key).unwrap(),
                        };
                        check(&tensor, expected, &what);
                    }
                }
                n_checked += 1;
            }
        }
    }
    assert!(n_checked > 180, "{n_checked} values");
}

#[test]
fn keys_come_in_order_and_without_slices() {
    for (name, entries) in &contents(&prefix("bundles.json")) {
        let reader = BundleReader::open(&prefix(name)).unwrap();
        let keys: Vec<_> = reader.keys().collect();
        assert!(keys.is_sorted(), "{name}");
        let found: BTreeSet<_> = keys.iter().map(|key| key.to_string()).collect();
        let expected: BTreeSet<_> = entries
            .as_object()
            .unwrap()
            .keys()
            .map(|key| key.split('|').next().unwrap().to_owned())
            .collect();
        if name == "two_blocks" {
            assert_eq!(found.len(), 70);
            assert!(found.is_superset(&expected));
        } else {
            assert_eq!(found, expected, "{name}");
        }
        assert!(reader.entries().all(|(key, entry)| entry.is_ok() && reader.contains(&key)));
    }
}

#[test]
fn keys_can_be_listed_by_prefix() {
    let reader = BundleReader::open(&prefix("dtypes")).unwrap();
    let listed = |prefix: &str| -> Vec<String> {
        reader.keys_with_prefix(prefix.as_bytes()).map(|key| key.to_string()).collect()
    };
    assert_eq!(listed("string/"), ["string/few", "string/lengths", "string/none", "string/scalar"]);
    assert_eq!(listed("uint"), ["uint16", "uint32", "uint4", "uint64", "uint8"]);
    assert!(listed("x").is_empty());
    assert_eq!(listed("").len(), reader.keys().count());
}

#[test]
fn entries_tell_type_shape_and_slices() {
    let reader = BundleReader::open(&prefix("grid")).unwrap();
    let entry = reader.entry("cube").unwrap();
    assert_eq!((entry.dtype.name(), entry.shape.dims()), ("int64", &[3, 4, 5][..]));
    let slices: Vec<_> = entry.slices.iter().map(|slice| slice.to_string()).collect();
    assert_eq!(slices, ["0,1:0,3:-", "0,1:3,1:-", "1,2:0,3:-", "1,2:3,1:-"]);
    assert!(!reader.entry("whole").unwrap().is_partitioned());
    let reader = BundleReader::open(&prefix("sharded")).unwrap();
    assert_eq!(reader.header().n_shards, 2);
    assert_eq!([reader.entry("a").unwrap().shard, reader.entry("b").unwrap().shard], [0, 1]);
}

#[test]
fn what_is_not_there_is_named() {
    let refused = |result: Result<Tensor, Error>, code: Code, message: &str| {
        let error = result.unwrap_err();
        assert_eq!((error.code(), error.to_string().as_str()), (code, message));
    };
    let reader = BundleReader::open(&prefix("grid")).unwrap();
    refused(reader.tensor("q"), Code::NotFound, "Key q not found in checkpoint");
    refused(reader.tensor(""), Code::NotFound, "Key  not found in checkpoint");
    refused(
        reader.tensor("gap"),
        Code::InvalidArgument,
        "Does not have sufficient slices for partitioned tensor gap to restore in slice_spec: -",
    );
    let slice = |spec: &str| spec.parse::<TensorSlice>().unwrap();
    refused(
        reader.slice("wheel", &slice("2,2:-")),
        Code::Internal,
        "Extent in dimension 0 out of bounds: shape = [3,3], slice = 2,2:-",
    );
    refused(
        reader.slice("whole", &slice("-")),
        Code::Internal,
        "Mismatching ranks: shape = [2,2], slice = -",
    );
    let error = BundleReader::open(Path::new("no/such/prefix")).unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    assert_eq!(
        error.to_string(),
        "Unsuccessful TensorSliceReader constructor: Failed to find any matching files for no/such/prefix"
    );
}

#[cfg(not(feature = "snappy"))]
#[test]
fn compressed_blocks_need_a_feature() {
    let error = BundleReader::open(&prefix("snappy")).unwrap_err();
    assert_eq!(error.code(), Code::Unimplemented);
    assert!(error.to_string().contains("snappy"), "{error}");
}

#[test]
fn missing_data_files_affect_only_their_tensors() {
    let dir = tempfile::tempdir().unwrap();
    for suffix in ["index", "data-00001-of-00002"] {
        let from = prefix("sharded").with_extension(suffix);
        fs::copy(from, dir.path().join("b").with_extension(suffix)).unwrap();
    }
    let reader = BundleReader::open(&dir.path().join("b")).unwrap();
    assert_eq!(reader.tensor("b").unwrap().as_strings().unwrap(), ["q"]);
    let error = reader.tensor("a").unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    let path = dir.path().join("b.data-00000-of-00002");
    assert_eq!(error.to_string(), format!("{}; No such file or directory", path.display()));
}

#[test]
fn mapped_tensors_are_views_where_they_are_aligned() {
    let options = ReaderOptions { mmap: true, ..ReaderOptions::default() };
    let reader = BundleReader::open_with(&prefix("two_blocks"), options).unwrap();
    let key = reader.keys().next().unwrap();
    let (a, b) = (reader.tensor(&key).unwrap(), reader.tensor(&key).unwrap());
    let same = a.as_bytes().unwrap().as_ptr() == b.as_bytes().unwrap().as_ptr();
    assert_eq!(same, cfg!(feature = "mmap"), "two reads give one memory");

    let reader = BundleReader::open_with(&prefix("one"), options).unwrap();
    let tensor = reader.tensor("v").unwrap();
    reader.advise_unused("v");
    drop(reader);
    assert_eq!(tensor.as_slice::<f32>().unwrap(), &[1.0, 2.0], "the mapping outlives the reader");
}

#[test]
fn deferred_tensors_are_those_that_are_read_at_once() {
    let mut n_tensors = 0;
    for bundle in fs::read_dir(fixtures().join("bundles")).unwrap() {
        let prefix = bundle.unwrap().path().with_extension("");
        for mmap in [false, true] {
            let options = ReaderOptions { mmap, ..ReaderOptions::default() };
            let Ok(reader) = BundleReader::open_with(&prefix, options) else { continue };
            let keys: Vec<_> = reader.keys().collect();
            for key in keys {
                let (now, later) = (reader.tensor(&key), reader.deferred(&key));
                match (now, later) {
                    (Ok(now), Ok(later)) => {
                        assert_eq!(later.len_bytes(), now.len_bytes(), "{key}");
                        assert_eq!(later, now, "{key}");
                        n_tensors += 1;
                    }
                    (Err(now), Err(later)) => assert_eq!(now.to_string(), later.to_string()),
                    (now, later) => panic!("{key}: {now:?}, {later:?}"),
                }
            }
        }
    }
    assert!(n_tensors > 20, "{n_tensors} tensors");
}

#[test]
fn variables_of_saved_models_can_be_read_whole() {
    let mut n_bundles = 0;
    for model in fs::read_dir(fixtures().join("saved_models")).unwrap() {
        let model = model.unwrap().path();
        let prefix = model.join("variables/variables");
        if !prefix.with_extension("index").exists() {
            continue;
        }
        n_bundles += 1;
        let reader = BundleReader::open(&prefix).unwrap();
        for (key, entry) in reader.entries() {
            let tensor = reader.tensor(&key).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(tensor.shape(), &entry.unwrap().shape, "{key} of {}", model.display());
        }
    }
    assert!(n_bundles >= 5, "{n_bundles} bundles");
}

#[test]
fn many_tensors_are_loaded_in_the_order_of_their_keys() {
    for mmap in [false, true] {
        let options = ReaderOptions { mmap, threads: 3, ..ReaderOptions::default() };
        let reader = BundleReader::open_with(&prefix("two_blocks"), options).unwrap();
        let keys: Vec<_> = reader.keys().collect();
        let keys: Vec<_> = keys.iter().rev().chain(&keys).collect();
        let tensors = reader.load(&keys).unwrap();
        assert_eq!(tensors.len(), 140);
        for (key, tensor) in keys.iter().zip(&tensors) {
            assert_eq!(tensor, &reader.tensor(key).unwrap(), "{key}");
        }
        let missing = [keys[0].as_bytes(), b"missing"];
        assert_eq!(reader.load(&missing).unwrap_err().code(), Code::NotFound);
    }
}

#[test]
fn elements_can_be_read_in_stretches() {
    for name in ["dtypes", "grid", "big_endian", "sharded"] {
        let reader = BundleReader::open(&prefix(name)).unwrap();
        for key in reader.keys().filter(|key| *key != "gap") {
            let tensor = reader.tensor(&key).unwrap();
            let Ok(bytes) = tensor.as_bytes() else {
                assert_eq!(reader.elements(&key).unwrap_err().code(), Code::Unimplemented);
                continue;
            };
            let elements = reader.elements(&key).unwrap();
            let mut read = vec![0; bytes.len()];
            assert_eq!(elements.len_bytes(), bytes.len() as u64);
            for start in (0..bytes.len()).step_by(5).rev() {
                let end = bytes.len().min(start + 5);
                elements.read_at(start as u64, &mut read[start..end]).unwrap();
            }
            assert_eq!(read, bytes, "{key} of {name}");
            let beyond = elements.read_at(bytes.len() as u64, &mut [0]).unwrap_err();
            assert_eq!(beyond.code(), Code::OutOfRange);
            elements.finish().unwrap();
        }
    }
    let reader = BundleReader::open(&prefix("one")).unwrap();
    let elements = reader.elements("v").unwrap();
    elements.read_at(4, &mut [0; 4]).unwrap();
    assert_eq!(elements.finish().unwrap_err().code(), Code::FailedPrecondition);
}
