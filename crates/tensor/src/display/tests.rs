use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;

use crate::{DType, Tensor};

const CASES: &str = include_str!("../../../../fixtures/numpy_str/cases.json");

fn decode(text: &Value) -> Bytes {
    STANDARD.decode(text.as_str().unwrap()).unwrap().into()
}

fn tensor(case: &Value) -> Tensor {
    let dims: Vec<usize> =
        case["shape"].as_array().unwrap().iter().map(|d| d.as_u64().unwrap() as usize).collect();
    if let Some(strings) = case["strings"].as_array() {
        return Tensor::from_strings(dims, strings.iter().map(decode).collect()).unwrap();
    }
    let dtype = DType::from_name(case["dtype"].as_str().unwrap()).unwrap();
    Tensor::from_bytes(dtype, dims, decode(&case["b64"])).unwrap()
}

#[test]
fn arrays_print_as_numpy_prints_them() {
    let fixture: Value = serde_json::from_str(CASES).unwrap();
    let cases = fixture["cases"].as_array().unwrap();
    assert!(cases.len() > 800);
    let mut failures = Vec::new();
    for (idx, case) in cases.iter().enumerate() {
        let (got, expected) = (tensor(case).numpy_str(), case["text"].as_str().unwrap());
        if got != expected {
            failures.push(format!(
                "case {idx} {} {}\n{got}\n--- expected\n{expected}",
                case["dtype"], case["shape"]
            ));
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {}:\n{}",
        failures.len(),
        cases.len(),
        failures[..failures.len().min(8)].join("\n\n")
    );
}
