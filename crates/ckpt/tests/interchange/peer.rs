//! Our safetensors files beside those of the `safetensors` crate.

use std::collections::HashMap;

use flowkeep_ckpt::interchange::Format;
use flowkeep_tensor::{DType, Tensor};
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};

use crate::common::{cases, decode, open, written};

const TYPES: &[(DType, Dtype)] = &[
    (DType::Bool, Dtype::BOOL),
    (DType::U8, Dtype::U8),
    (DType::I8, Dtype::I8),
    (DType::F8E5M2, Dtype::F8_E5M2),
    (DType::F8E4M3FN, Dtype::F8_E4M3),
    (DType::F8E4M3FNUZ, Dtype::F8_E4M3FNUZ),
    (DType::F8E5M2FNUZ, Dtype::F8_E5M2FNUZ),
    (DType::I16, Dtype::I16),
    (DType::U16, Dtype::U16),
    (DType::F16, Dtype::F16),
    (DType::BF16, Dtype::BF16),
    (DType::I32, Dtype::I32),
    (DType::U32, Dtype::U32),
    (DType::F32, Dtype::F32),
    (DType::Complex64, Dtype::C64),
    (DType::F64, Dtype::F64),
    (DType::I64, Dtype::I64),
    (DType::U64, Dtype::U64),
];

fn tensors() -> Vec<(String, Tensor)> {
    let tensor = |(idx, (dtype, _)): (usize, &(DType, Dtype))| {
        let n = idx % 4 * 3;
        let len = n * dtype.size_bytes().unwrap();
        let bytes: Vec<u8> = (0..len).map(|idx| (idx % 2) as u8).collect();
        let name = format!("{}/größe \"{idx}\"", idx * 7 % 10);
        (name, Tensor::from_bytes(*dtype, [n / 3, 3], bytes.into()).unwrap())
    };
    TYPES.iter().chain(TYPES).enumerate().map(tensor).collect()
}

#[test]
fn our_files_are_those_of_the_safetensors_crate() {
    let tensors = tensors();
    let ours: Vec<_> = tensors.iter().map(|(name, tensor)| (&**name, tensor.clone())).collect();
    let ours = written(Format::Safetensors, &ours).unwrap();
    let theirs = tensors.iter().map(|(name, tensor)| {
        let (_, dtype) = TYPES.iter().find(|(dtype, _)| *dtype == tensor.dtype()).unwrap();
        let bytes = tensor.as_bytes().unwrap();
        (name, TensorView::new(*dtype, tensor.dims().to_vec(), bytes).unwrap())
    });
    let theirs = serialize(theirs, None).unwrap();
    assert!(ours == theirs);
    let reader = open(Format::Safetensors, theirs).unwrap();
    for (name, tensor) in &tensors {
        assert_eq!(&reader.tensor(name).unwrap(), tensor);
    }
}

/// A tensor of the crate: type, shape, elements.
type Theirs = (String, Vec<usize>, Vec<u8>);

/// Everything that the crate finds in a file, by name; `None` if it refuses it.
fn theirs(content: &[u8]) -> Option<HashMap<String, Theirs>> {
    let file = SafeTensors::deserialize(content).ok()?;
    let tensors = file.tensors().into_iter().map(|(name, view)| {
        (name, (view.dtype().to_string(), view.shape().to_vec(), view.data().to_vec()))
    });
    Some(tensors.collect())
}

#[test]
fn both_refuse_the_same_damaged_headers() {
    let mut n_refused = 0;
    for case in cases().iter().filter(|case| case["format"] == "safetensors") {
        let content = decode(&case["file"]);
        for bit in 0..content.len() * 8 {
            let mut damaged = content.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let theirs = theirs(&damaged);
            match (open(Format::Safetensors, damaged), theirs) {
                (Err(error), theirs) => {
                    assert_eq!(error.code().name(), "DATA_LOSS");
                    n_refused += 1;
                    // The crate takes the last of several tensors of one name.
                    let message = error.to_string();
                    assert!(
                        theirs.is_none() || message.contains("two tensors"),
                        "{}: bit {bit}: {message}",
                        case["name"]
                    );
                }
                (Ok(reader), Some(theirs)) => {
                    assert_eq!(reader.members().len(), theirs.len());
                    for member in reader.members() {
                        let (dtype, shape, data) = &theirs[&member.name];
                        assert_eq!((&member.stored_type, member.shape.dims()), (dtype, &shape[..]));
                        // Of a bool, every byte but zero becomes one.
                        if let Ok(tensor) = reader.tensor(&member.name)
                            && tensor.dtype() != DType::Bool
                        {
                            assert_eq!(tensor.as_bytes().unwrap(), data);
                        }
                    }
                }
                // A type that we do not know is no reason not to list a file.
                (Ok(reader), None) => {
                    let known =
                        ["BOOL", "U8", "I8", "F32", "F64", "I64", "I16", "U16", "F16", "BF16"];
                    let unknown = reader.members().iter().any(|m| m.dtype.is_none());
                    assert!(unknown, "{}: bit {bit} {known:?}", case["name"]);
                }
            }
        }
    }
    assert!(n_refused > 5000, "{n_refused}");
}
