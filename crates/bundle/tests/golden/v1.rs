//! V1 checkpoints that TensorFlow wrote, read as TensorFlow reads them.
//!
//! The checkpoints and their contents are in `fixtures/v1/`; `fixtures/generate_v1.py` makes both with
//! TensorFlow.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowkeep_bundle::source::{BytesSource, Source};
use flowkeep_bundle::{Error, ReaderOptions, V1Reader};
use flowkeep_tensor::{Code, Tensor, TensorSlice};

use crate::{check, contents, fixtures};

fn path(name: &str) -> PathBuf {
    fixtures().join("v1").join(name)
}

/// Every way to open a checkpoint.
fn readers(name: &str) -> Vec<V1Reader> {
    let reader = V1Reader::open(&path(name)).unwrap();
    let sources: Vec<Arc<dyn Source>> = reader
        .files()
        .map(|path| Arc::new(BytesSource::new(fs::read(path).unwrap())) as Arc<dyn Source>)
        .collect();
    let options = ReaderOptions::default();
    vec![
        reader,
        V1Reader::open_with(&path(name), ReaderOptions { mmap: true, ..options }).unwrap(),
        V1Reader::open_with(&path(name), ReaderOptions { verify: false, ..options }).unwrap(),
        V1Reader::from_sources(sources, options).unwrap(),
    ]
}

#[test]
fn tensors_and_slices_have_tensorflows_values() {
    let contents = contents(&path("v1.json"));
    let mut n_checked = 0;
    for (name, entries) in &contents {
        for (how, reader) in readers(name).iter().enumerate() {
            // Twice, as small blocks are kept.
            for (key, expected) in
                entries.as_object().unwrap().iter().chain(entries.as_object().unwrap())
            {
                let what = format!("{name}: {key:.60}, reader {how}");
                match expected["spec"].as_str() {
                    None => {
                        check(&reader.tensor(key).unwrap(), expected, &what);
                        let rank = expected["shape"].as_array().unwrap().len();
                        let full = reader.slice(key, &TensorSlice::full(rank)).unwrap();
                        check(&full, expected, &what);
                    }
                    Some(spec) => {
                        let key = key.split('|').next().unwrap();
                        let (_, slice) = TensorSlice::parse_spec(spec).unwrap().unwrap();
                        check(&reader.slice(key, &slice).unwrap(), expected, &what);
                    }
                }
                n_checked += 1;
            }
        }
    }
    assert!(n_checked > 500, "{n_checked} values");
}

#[test]
fn readers_can_be_shared_by_threads() {
    let reader = V1Reader::open(&path("two_blocks")).unwrap();
    let read = |from: usize| {
        let keys = reader.keys().enumerate().skip(from).step_by(2);
        keys.for_each(|(idx, key)| {
            assert_eq!(reader.tensor(&key).unwrap(), Tensor::scalar(idx as u8));
        });
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|n| scope.spawn(move || read(n))).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn names_come_in_order() {
    for (name, entries) in &contents(&path("v1.json")) {
        let reader = V1Reader::open(&path(name)).unwrap();
        let keys: Vec<_> = reader.keys().collect();
        assert!(keys.is_sorted(), "{name}");
        let found: BTreeSet<_> = keys.iter().map(|key| key.to_string()).collect();
        let expected: BTreeSet<_> = entries
            .as_object()
            .unwrap()
            .keys()
            .map(|key| key.split('|').next().unwrap().to_owned())
            .collect();
        match name.as_str() {
            "two_blocks" => assert!(found.len() == 24 && found.is_superset(&expected)),
            _ => assert_eq!(found, expected, "{name}"),
        }
        assert!(reader.entries().all(|(key, entry)| entry.is_ok() && reader.contains(&key)));
    }
    let reader = V1Reader::open(&path("dtypes")).unwrap();
    let listed: Vec<_> = reader.keys_with_prefix(b"string/").map(|key| key.to_string()).collect();
    assert_eq!(listed, ["string/few", "string/lengths", "string/none", "string/scalar"]);
}

#[test]
fn entries_tell_type_shape_slices_and_files() {
    let reader = V1Reader::open(&path("sharded-?????-of-00003")).unwrap();
    let names: Vec<_> = reader.files().map(|file| file.file_name().unwrap().to_owned()).collect();
    assert_eq!(
        names,
        ["sharded-00000-of-00003", "sharded-00001-of-00003", "sharded-00002-of-00003"]
    );
    let entry = reader.entry("w").unwrap();
    assert_eq!((entry.dtype.name(), entry.shape.dims()), ("float", &[4, 3][..]));
    let slices: Vec<_> = entry.slices.iter().map(|slice| slice.to_string()).collect();
    assert_eq!(
        (slices, entry.files.clone()),
        (vec!["0,2:0,3".into(), "2,2:0,3".into()], vec![1, 2])
    );
    assert!(entry.is_partitioned());
    let entry = reader.entry("step").unwrap();
    assert_eq!((entry.files.as_slice(), entry.is_partitioned()), (&[0][..], false));
    let reader = V1Reader::open(&path("slices")).unwrap();
    assert!(reader.entry("all").unwrap().is_partitioned());
    assert!(!reader.entry("whole").unwrap().is_partitioned());
}

#[test]
fn what_is_not_there_is_named() {
    let refused = |result: Result<Tensor, Error>, code: Code, message: &str| {
        let error = result.unwrap_err();
        assert_eq!((error.code(), error.to_string().as_str()), (code, message));
    };
    let reader = V1Reader::open(&path("slices")).unwrap();
    let shown = path("slices");
    let shown = shown.display();
    refused(
        reader.tensor("q"),
        Code::NotFound,
        &format!("Tensor name \"q\" not found in checkpoint files {shown}"),
    );
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
    let error = V1Reader::open(Path::new("no/such/checkpoint")).unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    assert_eq!(
        error.to_string(),
        "Unsuccessful TensorSliceReader constructor: Failed to find any matching files for no/such/checkpoint"
    );
    let path = fixtures().join("bundles/one.index");
    let error = V1Reader::open(&path).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    let prefix = path.with_extension("");
    assert_eq!(
        error.to_string(),
        format!(
            "{} is the index of a checkpoint whose prefix is {}",
            path.display(),
            prefix.display()
        )
    );
}

/// Files that cannot be opened, in the words that TensorFlow has for them.
#[test]
fn files_of_another_kind_are_refused_in_tensorflows_words() {
    let path = path("v1.json");
    let error = V1Reader::open(&path).unwrap_err();
    assert_eq!(error.code(), Code::DataLoss);
    let message = error.to_string();
    let begin = format!(
        "Unable to open table file {}: DATA_LOSS: not an sstable (bad magic number)",
        path.display()
    );
    let end = ": perhaps your file is in a different file format and you need to use a different restore operator?";
    assert!(message.starts_with(&begin) && message.ends_with(end), "{message}");
    assert!(V1Reader::open(&fixtures()).is_err(), "a directory");
}

#[cfg(not(feature = "snappy"))]
#[test]
fn compressed_blocks_need_a_feature() {
    let error = V1Reader::open(&path("snappy")).unwrap_err();
    assert_eq!(error.code(), Code::Unimplemented);
    assert!(error.to_string().contains("snappy"), "{error}");
}

#[cfg(unix)]
#[test]
fn mapped_tensors_are_views_where_they_are_aligned() {
    use flowkeep_bundle::{V1Writer, V1WriterOptions};
    let dir = tempfile::tempdir().unwrap();
    let mut is_view = BTreeSet::new();
    for n in 0..4 {
        let path = dir.path().join(format!("m-{n}"));
        let mut writer = V1Writer::create(&path, V1WriterOptions::default()).unwrap();
        let values = (0..300_000).map(|i| i as f32).collect();
        let name = "n".repeat(n + 1);
        writer.add(&name, &Tensor::from_elements::<f32>(values)).unwrap();
        writer.finish().unwrap();
        let options = ReaderOptions { mmap: true, ..ReaderOptions::default() };
        let reader = V1Reader::open_with(&path, options).unwrap();
        let (a, b) = (reader.tensor(&name).unwrap(), reader.tensor(&name).unwrap());
        is_view.insert(a.as_bytes().unwrap().as_ptr() == b.as_bytes().unwrap().as_ptr());
        a.release_memory();
        drop(reader);
        assert_eq!(
            a.as_slice::<f32>().unwrap()[299_999],
            299_999.0,
            "the mapping outlives the reader"
        );
    }
    assert_eq!(is_view.contains(&true), cfg!(feature = "mmap"));
    assert!(is_view.contains(&false), "elements lie where they happen to lie");
}

#[test]
fn old_exports_are_read_by_their_pattern() {
    let dir = fixtures().join("saved_models/session_bundle_half_plus_two/00000123");
    for name in ["export-?????-of-00001", "export-?????-of-?????", "export-00000-of-00001"] {
        let reader = V1Reader::open(&dir.join(name)).unwrap();
        let values = |name| reader.tensor(name).unwrap().as_slice::<f32>().unwrap().to_vec();
        assert_eq!((values("a"), values("b")), (vec![0.5], vec![2.0]), "{name}");
    }
    let path = fixtures().join("saved_models/bad_half_plus_two/00000123/export");
    let reader = V1Reader::open(&path).unwrap();
    let all: Vec<_> = reader.keys().map(|key| reader.tensor(&key).unwrap()).collect();
    assert!(!all.is_empty());
}
