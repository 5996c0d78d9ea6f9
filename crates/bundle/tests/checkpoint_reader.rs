//! Checkpoints of both formats through one reader.

use std::fs;
use std::path::{Path, PathBuf};

use flowkeep_bundle::{
    BundleReader, CheckpointFormat, CheckpointReader, DebugForm, Error, Location, ReaderOptions,
    V1Reader,
};
use flowkeep_tensor::{Code, TensorSlice};
use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

fn open(path: &str) -> CheckpointReader {
    CheckpointReader::open(&fixtures().join(path)).unwrap()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = |idx: usize| u8::from_str_radix(&text[idx..idx + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digits).collect()
}

#[test]
fn debug_strings_are_tensorflows() {
    let text = fs::read_to_string(fixtures().join("v1/debug_strings.json")).unwrap();
    let expected: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
    assert!(expected.len() >= 15);
    for (path, expected) in &expected {
        if path.ends_with("snappy") && !cfg!(feature = "snappy") {
            continue;
        }
        let expected = unhex(expected.as_str().unwrap());
        let reader = open(path);
        let found = reader.debug_string(DebugForm::TensorFlow).unwrap();
        match reader.format() {
            CheckpointFormat::V2 => assert_eq!(found, expected, "{path}"),
            // TensorFlow's lines are in no order.
            CheckpointFormat::V1 => {
                let sorted = |text: &[u8]| {
                    let mut lines: Vec<_> =
                        text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
                    lines.sort();
                    lines
                };
                assert_eq!(sorted(&found), sorted(&expected), "{path}");
            }
        }
    }
}

#[test]
fn clean_debug_strings_have_each_tensor_once() {
    for path in ["bundles/partitioned", "v1/saver"] {
        let text = open(path).debug_string(DebugForm::Clean).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("w (DT_FLOAT) [4,3], 2 slices\n"), "{text}");
    }
}

#[test]
fn both_formats_tell_the_same_about_a_tensor() {
    let (v1, v2) = (open("v1/sharded-?????-of-00003"), open("bundles/partitioned"));
    assert_eq!((v1.format(), v1.n_files()), (CheckpointFormat::V1, 3));
    assert_eq!((v2.format(), v2.n_files()), (CheckpointFormat::V2, 1));
    assert!(v1.as_v1().is_some() && v1.as_bundle().is_none());
    assert!(v2.as_bundle().is_some() && v2.as_v1().is_none());
    for (reader, slices, size) in
        [(&v1, ["0,2:0,3", "2,2:0,3"], None), (&v2, ["0,2:0,3", "2,2:-"], Some(48))]
    {
        let entry = reader.entry("w").unwrap();
        assert_eq!((entry.dtype.name(), entry.shape.dims()), ("float", &[4, 3][..]));
        let found: Vec<_> = entry.slices().map(TensorSlice::to_string).collect();
        assert_eq!((found.as_slice(), entry.size()), (&slices.map(String::from)[..], size));
        assert!(entry.is_partitioned() && reader.contains("w") && !reader.contains("q"));
        let tensor = reader.tensor("w").unwrap();
        let expected: Vec<f32> = (0..12u8).map(f32::from).collect();
        assert_eq!(tensor.as_slice::<f32>().unwrap(), expected);
        let part = reader.slice("w", &"1,2:2,1".parse().unwrap()).unwrap();
        assert_eq!(part.as_slice::<f32>().unwrap(), [5.0, 8.0]);
        assert_eq!(reader.load(&["w", "w"]).unwrap(), [tensor.clone(), tensor]);
        assert_eq!(
            reader.keys_with_prefix(b"w").map(|key| key.to_string()).collect::<Vec<_>>(),
            ["w"]
        );
    }
    let files: Vec<_> = v1.entry("w").unwrap().parts.iter().map(|part| part.file).collect();
    assert_eq!(files, [Some(1), Some(2)]);
    assert!(v1.file(2).unwrap().ends_with("sharded-00002-of-00003") && v1.file(3).is_none());
    assert!(
        v2.file(0).unwrap().ends_with("partitioned.data-00000-of-00001") && v2.file(1).is_none()
    );
    let whole = v2.entry("z").unwrap();
    assert_eq!(
        (whole.is_partitioned(), whole.size(), whole.parts[0].file),
        (false, Some(4), Some(0))
    );
    assert!(v1.entries().chain(v2.entries()).all(|(_, entry)| entry.is_ok()));
}

#[test]
fn tensors_are_declared_even_if_they_cannot_be_read() {
    for (path, n_slices) in [("bundles/partitioned", 0), ("v1/sharded-?????-of-00003", 1)] {
        let reader = open(path);
        for ((key, declared), (_, entry)) in reader.declared().zip(reader.entries()) {
            let (declared, entry) = (declared.unwrap(), entry.unwrap());
            assert_eq!((declared.dtype, declared.shape), (entry.dtype.number(), entry.shape));
            let expected = if key == "w" { 2 } else { n_slices };
            assert_eq!(declared.n_slices, expected, "{path} {key}");
        }
    }
    let text = fs::read_to_string(fixtures().join("hostile/bundles.json")).unwrap();
    let hostile: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
    let dir = tempfile::tempdir().unwrap();
    for (case, dtype) in
        [("dtype 999", Some(999)), ("size 7 of 8", Some(1)), ("entry is not parseable", None)]
    {
        let index = unhex(hostile[case]["index"].as_str().unwrap());
        fs::write(dir.path().join("b.index"), index).unwrap();
        let reader = CheckpointReader::open(&dir.path().join("b")).unwrap();
        assert!(reader.entry("v").is_err());
        let declared = reader.declared().map(|(_, declared)| declared.ok().map(|one| one.dtype));
        assert_eq!(declared.collect::<Vec<_>>(), [dtype], "{case}");
    }
}

#[test]
fn bundles_come_before_files_of_the_same_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    fs::copy(fixtures().join("v1/example"), &path).unwrap();
    let format = || CheckpointReader::open(&path).unwrap().format();
    assert_eq!(format(), CheckpointFormat::V1);
    fs::copy(fixtures().join("bundles/one.index"), path.with_extension("index")).unwrap();
    assert_eq!(format(), CheckpointFormat::V2);
    let location = Location::find(&path).unwrap();
    assert_eq!(location.format, CheckpointFormat::V2);
}

#[test]
fn what_is_missing_is_named_in_tensorflows_words() {
    let refused = |error: Error, message: &str| {
        assert_eq!((error.code(), error.to_string().as_str()), (Code::NotFound, message));
    };
    refused(open("bundles/one").tensor("q").unwrap_err(), "Key q not found in checkpoint");
    let path = fixtures().join("v1/example");
    refused(
        open("v1/example").entry("q").unwrap_err(),
        &format!("Tensor name \"q\" not found in checkpoint files {}", path.display()),
    );
    refused(
        CheckpointReader::open(Path::new("no/such")).unwrap_err(),
        "Unsuccessful TensorSliceReader constructor: Failed to find any matching files for no/such",
    );
    let error = CheckpointReader::open(&fixtures().join("bundles/one.index")).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    assert!(error.to_string().contains("is the index of a checkpoint whose prefix is"), "{error}");
}

#[test]
fn readers_of_a_format_are_readers_of_checkpoints() {
    let options = ReaderOptions::default();
    let v1 = V1Reader::open_with(&fixtures().join("v1/example"), options).unwrap();
    let v2 = BundleReader::open_with(&fixtures().join("bundles/one"), options).unwrap();
    let readers = [CheckpointReader::from(v1), CheckpointReader::from(v2)];
    let keys: Vec<Vec<_>> =
        readers.iter().map(|reader| reader.keys().map(|key| key.to_string()).collect()).collect();
    assert_eq!(keys, [vec!["n", "x"], vec!["v"]]);
}
