//! What the tests of this crate share.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flowkeep_bundle::source::BytesSource;
use flowkeep_ckpt::interchange::{Format, Reader, TensorSpec, write_to};
use flowkeep_ckpt::{Error, ReaderOptions};
use flowkeep_tensor::{DType, Tensor};
use serde_json::Value;

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

pub(crate) fn decode(text: &Value) -> Bytes {
    STANDARD.decode(text.as_str().unwrap()).unwrap().into()
}

/// The cases of `fixtures/interchange/cases.json`.
pub(crate) fn cases() -> Vec<Value> {
    let text = std::fs::read_to_string(fixtures().join("interchange/cases.json")).unwrap();
    let mut fixture: Value = serde_json::from_str(&text).unwrap();
    match fixture["cases"].take() {
        Value::Array(cases) => cases,
        cases => panic!("{cases}"),
    }
}

/// The tensor that a case expects.
pub(crate) fn expected(case: &Value, dtype: DType) -> Tensor {
    let dims = case["shape"].as_array().unwrap().iter();
    let dims: Vec<usize> = dims.map(|dim| dim.as_u64().unwrap() as usize).collect();
    match case["strings"].as_array() {
        Some(strings) => Tensor::from_strings(dims, strings.iter().map(decode).collect()).unwrap(),
        None => Tensor::from_bytes(dtype, dims, decode(&case["b64"])).unwrap(),
    }
}

/// A reader of bytes in memory.
pub(crate) fn open(format: Format, content: impl Into<Bytes>) -> Result<Reader, Error> {
    let source = Arc::new(BytesSource::new(content));
    Reader::from_source(Path::new("x.npy"), format, source, ReaderOptions::default())
}

/// What [`write_to`] makes of these tensors.
pub(crate) fn written(format: Format, tensors: &[(&str, Tensor)]) -> Result<Vec<u8>, Error> {
    let spec = |(name, tensor): &(&str, Tensor)| {
        TensorSpec::new(*name, tensor.dtype(), tensor.shape().clone())
    };
    let specs: Vec<_> = tensors.iter().map(spec).collect();
    let mut content = Vec::new();
    write_to(&mut content, format, &specs, &[], |spec| {
        let (_, tensor) = tensors.iter().find(|(name, _)| *name == spec.name).unwrap();
        Ok::<_, Error>(tensor.clone())
    })?;
    Ok(content)
}
