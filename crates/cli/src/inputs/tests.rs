//! What TensorFlow's session makes of fed values, compared with what we make of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flowkeep_ckpt::interchange::npy::Array;
use flowkeep_graph::{Encoding, PortType, TensorInfo};
use flowkeep_tensor::{DType, PartialShape, Tensor};
use serde_json::Value;

use super::{Given, to_tensor};
use crate::python;

const CASES: &str = include_str!("../../../../fixtures/feeds/cases.json");

fn decode(text: &Value) -> Bytes {
    STANDARD.decode(text.as_str().unwrap()).unwrap().into()
}

fn given(case: &Value) -> Given {
    match case["expr"].as_str() {
        Some(expr) => Given::Literal(python::parse(expr).unwrap()),
        None => Given::Array(Array::read(&decode(&case["npy"])).unwrap()),
    }
}

fn info(case: &Value) -> TensorInfo {
    let dtype = DType::from_name(case["dtype"].as_str().unwrap()).unwrap();
    let shape = match case["shape"].as_array() {
        None => PartialShape::unknown(),
        Some(dims) => PartialShape::new(dims.iter().map(Value::as_u64).collect()),
    };
    TensorInfo {
        encoding: Encoding::Dense("x:0".into()),
        dtype: Some(PortType::value(dtype)),
        shape,
    }
}

fn expected(result: &Value, dtype: DType) -> Tensor {
    let dims: Vec<usize> =
        result["shape"].as_array().unwrap().iter().map(|d| d.as_u64().unwrap() as usize).collect();
    match result["strings"].as_array() {
        Some(strings) => Tensor::from_strings(dims, strings.iter().map(decode).collect()).unwrap(),
        None => Tensor::from_bytes(dtype, dims, decode(&result["b64"])).unwrap(),
    }
}

/// The message without NumPy's own wrappers around texts.
fn plain(message: &str) -> String {
    message.replace("np.str_(", "").replace("np.bytes_(", "").trim_end_matches(')').to_owned()
}

#[test]
fn values_become_the_tensors_that_a_session_makes_of_them() {
    let fixture: Value = serde_json::from_str(CASES).unwrap();
    let cases = fixture["cases"].as_array().unwrap();
    assert!(cases.len() > 1500);
    let mut failures = Vec::new();
    for case in cases {
        let info = info(case);
        let got = to_tensor("x", &given(case), &info, &mut Vec::new());
        let dtype = info.dtype.unwrap().dtype;
        let what = format!("{} {} {}", case["expr"], case["dtype"], case["shape"]);
        match (got, case["result"].is_object()) {
            (Ok(got), true) => {
                let expected = expected(&case["result"], dtype);
                let text = got.numpy_str();
                // NaN may have any sign.
                let is_same =
                    got == expected || (text.contains("nan") && text == expected.numpy_str());
                if !is_same {
                    failures.push(format!(
                        "{what}: got {got:?} {} not {}",
                        got.numpy_str(),
                        expected.numpy_str()
                    ));
                }
            }
            (Err(error), false) => {
                let expected = plain(case["error"]["message"].as_str().unwrap());
                let got = error.to_string();
                // A shape that would fit is beyond what TensorFlow says.
                let got = got.split(" (did you mean").next().unwrap_or_default();
                let got = got.split(" (the signature wants").next().unwrap_or_default();
                let got = got.split("; it is of type").next().unwrap_or_default();
                let got = plain(got.strip_prefix("input \"x\": ").unwrap_or(got));
                // Text that is not UTF-8 is no number either way.
                if got != expected && !expected.contains("codec can't decode") {
                    failures.push(format!("{what}: says {got:?} not {expected:?}"));
                }
            }
            (got, _) => failures
                .push(format!("{what}: got {got:?}, not {} {}", case["result"], case["error"])),
        }
    }
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), cases.len(), failures.join("\n"));
}
