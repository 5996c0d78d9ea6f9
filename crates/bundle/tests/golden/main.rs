//! Checkpoints that TensorFlow wrote, V2 and V1, read as TensorFlow reads them.

mod v1;
mod v2;

use std::fs;
use std::path::{Path, PathBuf};

use flowkeep_tensor::Tensor;
use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

/// What checkpoints hold, by their names.
fn contents(path: &Path) -> serde_json::Map<String, Value> {
    let text = fs::read_to_string(path).unwrap();
    let mut contents: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
    if !cfg!(feature = "snappy") {
        assert!(contents.remove("snappy").is_some());
    }
    contents
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = |idx: usize| u8::from_str_radix(&text[idx..idx + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digits).collect()
}

fn check(tensor: &Tensor, expected: &Value, what: &str) {
    assert_eq!(tensor.dtype().number(), expected["dtype"].as_i64().unwrap() as i32, "{what}");
    let shape = expected["shape"].as_array().unwrap().iter();
    let shape: Vec<usize> = shape.map(|dim| dim.as_u64().unwrap() as usize).collect();
    assert_eq!(tensor.dims(), shape, "{what}");
    if let Some(hex) = expected["hex"].as_str() {
        assert_eq!(tensor.as_bytes().unwrap(), unhex(hex), "{what}");
    } else {
        let strings = expected["strings"].as_array().unwrap();
        let strings: Vec<_> = strings.iter().map(|hex| unhex(hex.as_str().unwrap())).collect();
        assert_eq!(tensor.as_strings().unwrap(), strings, "{what}");
    }
}
