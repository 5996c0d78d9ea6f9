//! Files of NumPy and safetensors, read as they read them.
//!
//! `fixtures/interchange/generate.py` says where the expectations come from.

use std::fs;

use crate::common::{self, cases, decode, expected, fixtures, open};
use bytes::Bytes;
use flowkeep_ckpt::ReaderOptions;
use flowkeep_ckpt::interchange::{Format, Reader};
use flowkeep_tensor::{DType, Tensor};
use serde_json::Value;

fn check(case: &Value, reader: &Reader) {
    let name = case["name"].as_str().unwrap();
    let tensors = case["tensors"].as_array().unwrap();
    assert_eq!(reader.members().len(), tensors.len(), "{name}");
    for tensor in tensors {
        let key = tensor["name"].as_str().unwrap();
        let member = reader.member(key).unwrap_or_else(|| panic!("{name}: no {key}"));
        assert_eq!(member.stored_type, tensor["stored"].as_str().unwrap(), "{name}: {key}");
        let dims: Vec<_> = member.shape.dims().iter().map(|dim| Value::from(*dim)).collect();
        assert_eq!(Value::from(dims), tensor["shape"], "{name}: {key}");
        let Some(dtype) = tensor["dtype"].as_str() else {
            assert_eq!(member.dtype, None, "{name}: {key}");
            let error = reader.tensor(key).unwrap_err();
            assert_eq!(error.code().name(), "UNIMPLEMENTED", "{name}: {error}");
            assert!(error.to_string().contains(&format!("tensor {key}: ")), "{error}");
            continue;
        };
        let dtype = DType::from_name(dtype).unwrap();
        assert_eq!(member.dtype, Some(dtype), "{name}: {key}");
        let got = reader.tensor(key).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(got, expected(tensor, dtype), "{name}: {key}");
        assert_eq!(reader.tensor_as(key, dtype).unwrap(), got);
        if dtype != DType::String {
            assert_eq!(member.len_bytes, got.len_bytes() as u64, "{name}: {key}");
        }
    }
    if let Some(metadata) = case["metadata"].as_array() {
        let texts = reader.metadata().iter().map(|(key, text)| Value::from(vec![&**key, text]));
        assert_eq!(texts.collect::<Vec<_>>(), *metadata, "{name}");
    }
}

#[test]
fn files_of_other_tools_are_read_as_those_read_them() {
    let dir = tempfile::tempdir().unwrap();
    let cases = cases();
    assert!(cases.len() > 120);
    for case in &cases {
        let content = decode(&case["file"]);
        let format = Format::from_name(case["format"].as_str().unwrap()).unwrap();
        let path = dir.path().join(format!("x.{format}"));
        fs::write(&path, &content).unwrap();
        let options = |mmap| ReaderOptions { mmap, ..ReaderOptions::default() };
        let readers = [
            open(format, content.clone()),
            // At another place in memory, where elements are not aligned.
            open(format, Bytes::from([b"1", &content[..]].concat()).slice(1..)),
            Reader::open_with(&path, options(false)),
            Reader::open_with(&path, options(true)),
        ];
        for reader in readers {
            let read = |reader: &Reader| {
                reader.members().iter().try_for_each(|member| reader.tensor(&member.name).map(drop))
            };
            match (reader, case["error"].as_str()) {
                (Ok(reader), Some(code)) if read(&reader).is_err() => {
                    let error = read(&reader).unwrap_err();
                    assert_eq!(error.code().name(), code, "{}: {error}", case["name"]);
                }
                (Ok(reader), None) => {
                    assert_eq!(reader.format(), format);
                    check(case, &reader);
                }
                (Err(error), Some(code)) => {
                    assert_eq!(error.code().name(), code, "{}: {error}", case["name"]);
                }
                (result, code) => panic!("{}: {result:?} instead of {code:?}", case["name"]),
            }
        }
    }
}

#[test]
fn folders_of_raw_bytes_are_read() {
    let path = fixtures().join("interchange/raw");
    for mmap in [false, true] {
        let options = ReaderOptions { mmap, ..ReaderOptions::default() };
        let reader = Reader::open_with(&path, options).unwrap();
        assert_eq!(reader.format(), Format::Raw);
        assert_eq!(reader.metadata(), [("step".to_owned(), "100".to_owned())]);
        assert_eq!(reader.members().len(), 27);
        assert_eq!(reader.tensor("all/int16").unwrap().as_slice::<i16>().unwrap(), &[1, 0, 1, 1]);
        assert_eq!(reader.tensor("all/int4").unwrap().as_bytes().unwrap(), &[1, 0, 1, 1]);
        let strings = reader.tensor("strings").unwrap();
        assert_eq!(strings.as_strings().unwrap(), &["", "a\0", "grüße"]);
        assert_eq!(reader.tensor("no strings").unwrap().n_elements(), 0);
    }
}

#[test]
fn raw_bytes_of_numpy_are_what_the_caller_says() {
    let case = cases().into_iter().find(|case| case["name"] == "float8_e4m3fn").unwrap();
    let reader = open(Format::Npy, decode(&case["file"])).unwrap();
    let ones = reader.tensor_as("x", DType::F8E4M3FN).unwrap();
    assert_eq!(ones.as_bytes().unwrap(), &[0x38, 0, 0x38]);
    for dtype in [DType::U8, DType::Bool, DType::BF16, DType::F32, DType::String] {
        let error = reader.tensor_as("x", dtype).unwrap_err();
        assert_eq!(error.code().name(), "UNIMPLEMENTED", "{dtype}: {error}");
    }
    assert_eq!(reader.tensor("y").unwrap_err().code().name(), "NOT_FOUND");
}

#[test]
fn aligned_tensors_of_mapped_files_are_views() {
    let dir = tempfile::tempdir().unwrap();
    let tensor = Tensor::from_elements(vec![1.5f64; 3]);
    let tensors = [("a", Tensor::scalar(true)), ("b/c", tensor)];
    for format in [Format::Npz, Format::Safetensors] {
        let path = dir.path().join(format!("x.{format}"));
        fs::write(&path, common::written(format, &tensors).unwrap()).unwrap();
        let options = ReaderOptions { mmap: true, ..ReaderOptions::default() };
        let reader = Reader::open_with(&path, options).unwrap();
        let [one, two] = [0, 1].map(|_| reader.tensor("b/c").unwrap());
        let place = |tensor: &Tensor| tensor.as_bytes().unwrap().as_ptr();
        assert_eq!(place(&one), place(&two), "{format}");
        assert_eq!(one, tensors[1].1);
    }
}

#[test]
fn other_files_are_refused() {
    let path = fixtures().join("npy/generate.py");
    let error = Reader::open(&path).unwrap_err();
    assert_eq!(error.code().name(), "INVALID_ARGUMENT");
    assert!(error.to_string().ends_with("is neither .npy, .npz nor .safetensors"), "{error}");
    let error = Reader::open(&fixtures().join("none.npz")).unwrap_err();
    assert_eq!(error.code().name(), "NOT_FOUND");
    let error = Reader::open(&fixtures().join("npy")).unwrap_err();
    assert_eq!(error.code().name(), "NOT_FOUND");
    assert!(error.to_string().contains("manifest.json"), "{error}");
}
