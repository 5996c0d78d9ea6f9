//! Damaged bundles: each is refused with the right code, none makes a reader panic.
//!
//! The cases are in `fixtures/hostile/bundles.json`, made by `fixtures/generate_hostile_bundles.py`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowkeep_bundle::source::{BytesSource, Source};
use flowkeep_bundle::{BundleReader, Error, ReaderOptions};
#[cfg(feature = "mmap")]
use flowkeep_bundle::{BundleWriter, WriterOptions};
use flowkeep_tensor::Tensor;
use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = |idx: usize| u8::from_str_radix(&text[idx..idx + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digits).collect()
}

/// A reader of one data file, in memory; without `data`, the file is missing.
fn open(index: &[u8], data: Option<&[u8]>) -> Result<BundleReader, Error> {
    let data = data.map(|data| BytesSource::new(data.to_vec()));
    let shard = move |number: u32, n_shards: u32| -> io::Result<Arc<dyn Source>> {
        match &data {
            Some(data) if (number, n_shards) == (0, 1) => Ok(Arc::new(data.clone())),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    };
    BundleReader::from_sources(&BytesSource::new(index.to_vec()), shard, ReaderOptions::default())
}

/// From files, mapped or not.
fn open_files(
    dir: &Path,
    index: &[u8],
    data: Option<&[u8]>,
    mmap: bool,
) -> Result<BundleReader, Error> {
    fs::write(dir.join("b.index"), index).unwrap();
    let path = dir.join("b.data-00000-of-00001");
    match data {
        Some(data) => fs::write(path, data).unwrap(),
        None => _ = fs::remove_file(path),
    }
    BundleReader::open_with(&dir.join("b"), ReaderOptions { mmap, ..ReaderOptions::default() })
}

#[test]
fn damaged_bundles_are_refused_with_the_right_code() {
    let text = fs::read_to_string(fixtures().join("hostile/bundles.json")).unwrap();
    let cases: Value = serde_json::from_str(&text).unwrap();
    let cases = cases.as_object().unwrap();
    assert!(cases.len() >= 95, "{} cases", cases.len());
    for (name, case) in cases {
        if name.contains("snappy") && !cfg!(feature = "snappy") {
            continue;
        }
        let index = unhex(case["index"].as_str().unwrap());
        let data = case["data"].as_str().map(unhex);
        let key = case["key"].as_str().unwrap();
        let mut results: Vec<Result<Tensor, Error>> = Vec::new();
        results.push(open(&index, data.as_deref()).and_then(|reader| reader.tensor(key)));
        for mmap in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let reader = open_files(dir.path(), &index, data.as_deref(), mmap);
            results.push(reader.and_then(|reader| reader.tensor(key)));
        }
        for result in results {
            match (&result, case["code"].as_str()) {
                (Ok(_), None) => {}
                (Err(error), Some(code)) => {
                    assert_eq!(error.code().name(), code, "{name}: {error}");
                    assert!(!error.to_string().is_empty());
                }
                (result, code) => panic!("{name}: {result:?} instead of {code:?}"),
            }
        }
    }
}

/// Everything that can be asked of a bundle, as text.
fn read_all(reader: &BundleReader) -> Vec<String> {
    let mut all = vec![format!("{:?}", reader.header())];
    for (key, entry) in reader.entries() {
        let tensor = reader.tensor(&key).map(|tensor| match tensor.as_strings() {
            Ok(strings) => format!("{tensor:?} {strings:?}"),
            Err(_) => format!("{tensor:?} {:?}", tensor.as_bytes().unwrap()),
        });
        all.push(format!(
            "{key}: {:?} {:?}",
            entry.map_err(|e| e.code()),
            tensor.map_err(|e| e.code())
        ));
    }
    all
}

struct Golden {
    index: Vec<u8>,
    data: Vec<u8>,
    contents: Vec<String>,
}

fn golden(name: &str) -> Golden {
    let prefix = fixtures().join("bundles").join(name);
    let index = fs::read(prefix.with_extension("index")).unwrap();
    let data = fs::read(prefix.with_extension("data-00000-of-00001")).unwrap();
    let contents = read_all(&open(&index, Some(&data)).unwrap());
    Golden { index, data, contents }
}

const SMALL: &[&str] = &[
    "one",
    "strings",
    "partitioned",
    "big_endian",
    #[cfg(feature = "snappy")]
    "snappy",
];

#[test]
fn a_flipped_bit_of_an_index_gives_an_error_or_the_same_contents() {
    for name in SMALL.iter().copied() {
        let golden = golden(name);
        let mut n_refused = 0;
        for bit in 0..golden.index.len() * 8 {
            let mut index = golden.index.clone();
            index[bit / 8] ^= 1 << (bit % 8);
            match open(&index, Some(&golden.data)) {
                Ok(reader) => assert_eq!(read_all(&reader), golden.contents, "{name}: bit {bit}"),
                Err(error) => {
                    assert_eq!(error.code().name(), "DATA_LOSS", "{name}: bit {bit}: {error}");
                    n_refused += 1;
                }
            }
        }
        // What may change unseen: the metaindex block, its handle, and the padding of the footer.
        assert!(golden.index.len() * 8 - n_refused < 60 * 8, "{name}: {n_refused} refused");
    }
}

#[test]
fn a_truncated_index_is_refused() {
    for name in SMALL.iter().copied() {
        let golden = golden(name);
        for len in 0..golden.index.len() {
            let error = open(&golden.index[..len], Some(&golden.data)).unwrap_err();
            assert_eq!(error.code().name(), "DATA_LOSS", "{name}: {len} bytes: {error}");
        }
    }
}

#[test]
fn a_flipped_bit_of_the_data_is_data_loss_of_one_tensor() {
    for name in SMALL.iter().copied() {
        let golden = golden(name);
        for bit in 0..golden.data.len() * 8 {
            let mut data = golden.data.clone();
            data[bit / 8] ^= 1 << (bit % 8);
            let reader = open(&golden.index, Some(&data)).unwrap();
            let failed: Vec<_> =
                reader.keys().filter_map(|key| Some((reader.tensor(&key).err()?, key))).collect();
            // In `snappy` two tensors share their bytes.
            assert_eq!(failed.len(), if name == "snappy" { 2 } else { 1 }, "{name}: bit {bit}");
            for (error, key) in failed {
                let message = error.to_string();
                assert_eq!(error.code().name(), "DATA_LOSS", "{name}: bit {bit}: {message}");
                assert!(message.contains(&format!("tensor {key}")), "{message}");
                assert!(message.contains(".data-00000-of-00001"), "{message}");
                assert!(message.contains("at byte "), "{message}");
            }
        }
    }
}

#[cfg(feature = "mmap")]
#[test]
fn a_deferred_tensor_that_is_damaged_is_data_loss_for_whoever_looks_at_it() {
    let golden = golden("two_blocks");
    let dir = tempfile::tempdir().unwrap();
    let prefix = dir.path().join("model");
    fs::write(prefix.with_extension("index"), &golden.index).unwrap();
    let data_path = dir.path().join("model.data-00000-of-00001");
    for at in [0, golden.data.len() - 1] {
        let mut data = golden.data.clone();
        data[at] ^= 1;
        fs::write(&data_path, &data).unwrap();
        let options = ReaderOptions { mmap: true, ..ReaderOptions::default() };
        let reader = BundleReader::open_with(&prefix, options).unwrap();
        let mut n_damaged = 0;
        for key in reader.keys() {
            let tensor = reader.deferred(&key).unwrap();
            let Err(error) = reader.tensor(&key) else {
                assert!(tensor.check().is_ok(), "{key}");
                continue;
            };
            n_damaged += 1;
            assert_eq!(error.code().name(), "DATA_LOSS", "{error}");
            let mut writer =
                BundleWriter::create(&dir.path().join("copy"), WriterOptions::default()).unwrap();
            let saved = writer.add("copy", &tensor).unwrap_err();
            for looked in [tensor.as_bytes().unwrap_err(), tensor.check().unwrap_err()] {
                assert_eq!(looked.to_string(), error.to_string());
                assert_eq!(looked.code().name(), "DATA_LOSS");
            }
            assert_eq!((saved.code().name(), saved.to_string()), ("DATA_LOSS", error.to_string()));
        }
        assert_eq!(n_damaged, 1, "byte {at}");
    }
    fs::write(&data_path, &golden.data[..golden.data.len() - 1]).unwrap();
    let options = ReaderOptions { mmap: true, ..ReaderOptions::default() };
    let reader = BundleReader::open_with(&prefix, options).unwrap();
    let short = reader.keys().filter_map(|key| reader.deferred(&key).err()).collect::<Vec<_>>();
    assert_eq!(short.len(), 1, "what is not within the file shows at once");
    assert_eq!(short[0].code().name(), "OUT_OF_RANGE");
}

#[test]
fn truncated_data_is_out_of_range_for_the_tensors_beyond() {
    for name in SMALL.iter().copied() {
        let golden = golden(name);
        for len in 0..golden.data.len() {
            let reader = open(&golden.index, Some(&golden.data[..len])).unwrap();
            let errors: Vec<_> =
                reader.keys().filter_map(|key| reader.tensor(&key).err()).collect();
            assert!(!errors.is_empty(), "{name}: {len} bytes");
            for error in errors {
                // Of a partitioned tensor, the bytes of all slices are counted first.
                let code = error.code().name();
                assert!(["OUT_OF_RANGE", "DATA_LOSS"].contains(&code), "{name}: {error}");
                assert!(name == "partitioned" || code == "OUT_OF_RANGE", "{name}: {error}");
            }
        }
    }
}

#[test]
fn checksums_can_be_left_unread() {
    let golden = golden("one");
    let data = Arc::new(BytesSource::new(vec![0u8; golden.data.len()]));
    let options = ReaderOptions { verify: false, ..ReaderOptions::default() };
    let shard =
        move |_, _| -> io::Result<Arc<dyn Source>> { Ok(Arc::clone(&data) as Arc<dyn Source>) };
    let reader =
        BundleReader::from_sources(&BytesSource::new(golden.index), shard, options).unwrap();
    assert_eq!(reader.tensor("v").unwrap().as_slice::<f32>().unwrap(), &[0.0, 0.0]);
}
