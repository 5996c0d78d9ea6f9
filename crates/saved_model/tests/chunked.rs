//! Models in chunks: what TensorFlow's merger makes of them is what runs here, and damage is found.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flowkeep_saved_model::{
    Error, LoadOptions, SavedModel, SavedModelBundle, contains_saved_model,
};
use flowkeep_tensor::{Code, Tensor};
use serde_json::Value;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/chunked").join(name)
}

/// A float tensor of a case.
fn tensor(value: &Value) -> Tensor {
    assert_eq!(value["dtype"], "float32");
    let bytes = STANDARD.decode(value["b64"].as_str().unwrap()).unwrap();
    let elements = bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
    let dims = value["shape"].as_array().unwrap().iter().map(|dim| dim.as_u64().unwrap());
    Tensor::from_vec(dims.map(|dim| dim as usize).collect::<Vec<_>>(), elements.collect::<Vec<_>>())
        .unwrap()
}

#[test]
fn models_in_chunks_run_with_tensorflows_numbers() {
    for name in ["compressed", "stored"] {
        assert!(contains_saved_model(fixture(name)));
        let bundle =
            SavedModelBundle::load(fixture(name), &["serve"], LoadOptions::default()).unwrap();
        let text = std::fs::read(fixture(&format!("{name}.cases.json"))).unwrap();
        let cases: Value = serde_json::from_slice(&text).unwrap();
        let calls = cases["sequences"][0]["calls"].as_array().unwrap();
        assert!(calls.len() > 1);
        for call in calls {
            let outputs =
                bundle.call("serving_default", &[("x", tensor(&call["inputs"]["x"]))]).unwrap();
            let (got, want) = (&outputs[0].1, tensor(&call["outputs"]["y"]));
            assert_eq!(got.shape(), want.shape());
            let (got, want) = (got.as_slice::<f32>().unwrap(), want.as_slice::<f32>().unwrap());
            let largest = want.iter().fold(0f32, |max, x| max.max(x.abs()));
            for (got, want) in got.iter().zip(want) {
                assert!((got - want).abs() <= 1e-5 * largest, "{name}: {got} is not {want}");
            }
        }
    }
}

#[test]
fn compressed_and_stored_chunks_hold_one_model() {
    let [compressed, stored] =
        ["compressed", "stored"].map(|name| SavedModel::open(fixture(name)).unwrap());
    assert_eq!(compressed.def(), stored.def());
}

#[test]
fn every_damaged_byte_that_matters_is_found() {
    let bytes = std::fs::read(fixture("compressed").join("saved_model.cpb")).unwrap();
    let open = |bytes: Vec<u8>| SavedModel::from_cpb("model", Bytes::from(bytes));
    let sound = open(bytes.clone()).unwrap();
    for at in (0..bytes.len()).step_by(997).chain([64, 72, 80, 88, 96, 104]) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x40;
        match open(damaged) {
            // Headers of blocks serve those who look for chunks after damage.
            Ok(model) => assert!(at % 65_536 < 24 && model.def() == sound.def(), "byte {at}"),
            Err(error) => {
                assert_eq!(error.code(), Code::DataLoss, "byte {at}: {error}");
                assert!(error.to_string().starts_with("Cannot parse file model/saved_model.cpb: "));
            }
        }
    }
    for len in [0, 10, 24, 64, 65, 103, 104, 1000, bytes.len() - 1] {
        let error = open(bytes[..len].to_vec()).unwrap_err();
        assert!(
            matches!(error, Error::Chunks { code: Code::DataLoss, .. }),
            "{len} bytes: {error}"
        );
    }
}

#[test]
fn a_file_of_another_kind_is_no_model_in_chunks() {
    let error = SavedModel::from_cpb("model", Bytes::from(vec![0; 200])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Cannot parse file model/saved_model.cpb: the header of the chunk at byte 0 is damaged"
    );
}
