//! Cases and checkpoints.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use flowkeep_bundle::BundleWriter;
use flowkeep_ckpt::Checkpoint;
use flowkeep_tensor::{DType, Shape, Tensor, bf16};
use serde_json::Value;

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

/// The cases of a file in `fixtures/ckpt_numbers`.
pub(crate) fn cases(file: &str) -> Vec<Value> {
    let text = std::fs::read(fixtures().join("ckpt_numbers").join(file)).unwrap();
    let cases: Vec<Value> = serde_json::from_slice(&text).unwrap();
    assert!(cases.len() > 100);
    cases
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// A float, which is a text if it is not finite.
pub(crate) fn float(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| text(value).parse().unwrap())
}

pub(crate) fn n(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

pub(crate) fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(float).collect()
}

pub(crate) fn places(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|place| n(place) as usize).collect()
}

/// The tensor of a case, whose elements are under `key` or made by the rule of the script.
pub(crate) fn tensor(case: &Value, dtype: &Value, key: &str) -> Tensor {
    let dtype = DType::from_name(text(dtype)).unwrap();
    if case["hash"].is_u64() {
        let factor = if key == "b" { float(&case["factor"]) } else { 1.0 };
        return hashed(n(&case["hash"]), dtype, factor);
    }
    let bytes = BASE64_STANDARD.decode(text(&case[key])).unwrap();
    Tensor::from_bytes(dtype, Shape::new(&places(&case["shape"])), bytes.into()).unwrap()
}

fn hashed(n: u64, dtype: DType, factor: f64) -> Tensor {
    let hashes = (0..n).map(|i| (i * 2_654_435_761) as u32);
    let values = hashes.clone().map(|hash| f64::from(hash) / 4_294_967_296.0 - 0.5);
    let ints = hashes.map(|hash| hash >> 8);
    match dtype {
        DType::F32 => Tensor::from_elements(values.map(|v| v as f32 * factor as f32).collect()),
        DType::F64 => Tensor::from_elements(values.map(|v| v * factor).collect()),
        DType::BF16 => Tensor::from_elements(values.map(|v| bf16::from_f32(v as f32)).collect()),
        DType::I32 => Tensor::from_elements(ints.map(|i| i as i32).collect()),
        _ => Tensor::from_elements(ints.map(i64::from).collect()),
    }
}

/// A bundle of these tensors in a folder.
pub(crate) fn bundle(prefix: &Path, tensors: &[(impl AsRef<[u8]>, Tensor)]) -> Checkpoint {
    let mut writer = BundleWriter::create(prefix, Default::default()).unwrap();
    for (name, tensor) in tensors {
        writer.add(name, tensor).unwrap();
    }
    writer.finish().unwrap();
    Checkpoint::open(prefix).unwrap()
}

/// A bundle of `fixtures/hostile/bundles.json` that can be opened.
pub(crate) struct Hostile {
    pub(crate) checkpoint: Checkpoint,
    /// What is wrong with its tensor, if anything is.
    pub(crate) code: Option<String>,
    _dir: tempfile::TempDir,
}

pub(crate) fn hostile_bundles() -> impl Iterator<Item = (String, Hostile)> {
    let text = std::fs::read(fixtures().join("hostile/bundles.json")).unwrap();
    let cases: serde_json::Map<String, Value> = serde_json::from_slice(&text).unwrap();
    cases.into_iter().filter_map(|(name, case)| {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("p.index"), hex(&case["index"])?).unwrap();
        if let Some(data) = hex(&case["data"]) {
            std::fs::write(dir.path().join("p.data-00000-of-00001"), data).unwrap();
        }
        let checkpoint = Checkpoint::open(&dir.path().join("p")).ok()?;
        // Where the key is absent, that is all that is wrong.
        let code = case["code"].as_str().filter(|_| name != "no such key").map(String::from);
        Some((name, Hostile { checkpoint, code, _dir: dir }))
    })
}

fn hex(value: &Value) -> Option<Vec<u8>> {
    let text = value.as_str()?;
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    Some((0..text.len()).step_by(2).map(byte).collect())
}

/// Two strings, one of them empty, and a few numbers.
pub(crate) fn small() -> Vec<(&'static str, Tensor)> {
    let strings = [&b""[..], b"abc", b"de"].map(Bytes::from_static).to_vec();
    vec![
        ("b", Tensor::from_vec([2, 2], vec![1.0f32, 2.0, 0.0, f32::NAN]).unwrap()),
        ("a", Tensor::scalar(7i64)),
        ("s", Tensor::from_strings([3], strings).unwrap()),
        ("c/d", Tensor::from_elements(vec![f64::INFINITY, 0.0])),
    ]
}
