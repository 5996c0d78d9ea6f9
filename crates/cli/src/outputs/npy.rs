//! Tensors as `.npy` files, byte for byte as NumPy writes them.

use flowkeep_tensor::{DType, Tensor};

/// The file's header and elements begin at multiples of this many bytes.
const ALIGN: usize = 64;
/// Room for the first dimension to grow in place, in digits.
const GROWTH_DIGITS: usize = 21;
/// What begins the file: magic, version, length of the header.
const PREFIX_LEN: usize = 10;
/// The largest file that byte strings are stretched to.
const MAX_STRINGS_LEN: usize = 1 << 30;

/// The file's content; `None` for what NumPy cannot load without loss.
///
/// Types that NumPy lacks are written as raw bytes (`V2` for bfloat16), quantized types as their
/// integers, strings as bytes of the longest one's width. These drop zeros at the end, so strings that
/// end in zeros have no such form, and neither have strings of very different lengths.
pub(super) fn encode(tensor: &Tensor) -> Option<Vec<u8>> {
    if let Ok(strings) = tensor.as_strings() {
        let width = strings.iter().map(|string| string.len()).max().unwrap_or(0).max(1);
        let n_bytes = width.checked_mul(strings.len())?;
        if n_bytes > MAX_STRINGS_LEN || strings.iter().any(|string| string.ends_with(b"\0")) {
            return None;
        }
        let mut file = header(&format!("|S{width}"), tensor.dims(), n_bytes)?;
        for string in strings {
            file.extend_from_slice(string);
            file.resize(file.len() + width - string.len(), 0);
        }
        return Some(file);
    }
    let bytes = tensor.as_bytes().ok()?;
    let mut file = header(descr(tensor.dtype())?, tensor.dims(), bytes.len())?;
    file.extend_from_slice(bytes);
    if cfg!(target_endian = "big") {
        let start = file.len() - bytes.len();
        let size = tensor.dtype().size_bytes().unwrap_or(1);
        let word = if tensor.dtype().is_complex() { size / 2 } else { size };
        file[start..].chunks_exact_mut(word).for_each(<[u8]>::reverse);
    }
    Some(file)
}

fn descr(dtype: DType) -> Option<&'static str> {
    Some(match dtype {
        DType::F16 => "<f2",
        DType::F32 => "<f4",
        DType::F64 => "<f8",
        DType::I8 | DType::QI8 => "|i1",
        DType::I16 | DType::QI16 => "<i2",
        DType::I32 | DType::QI32 => "<i4",
        DType::I64 => "<i8",
        DType::U8 | DType::QU8 => "|u1",
        DType::U16 | DType::QU16 => "<u2",
        DType::U32 => "<u4",
        DType::U64 => "<u8",
        DType::Bool => "|b1",
        DType::Complex64 => "<c8",
        DType::Complex128 => "<c16",
        DType::BF16 => "<V2",
        dtype if dtype.size_bytes() == Some(1) => "<V1",
        _ => return None,
    })
}

/// All that precedes the elements, with room for `n_bytes` of them.
fn header(descr: &str, dims: &[usize], n_bytes: usize) -> Option<Vec<u8>> {
    let shape = match dims {
        [dim] => format!("({dim},)"),
        dims => format!("({})", dims.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    };
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    if let Some(first) = dims.first() {
        text.extend(std::iter::repeat_n(
            ' ',
            GROWTH_DIGITS.saturating_sub(first.to_string().len()),
        ));
    }
    let used = PREFIX_LEN + text.len() + 1;
    text.extend(std::iter::repeat_n(' ', ALIGN - used % ALIGN));
    text.push('\n');
    let mut file = Vec::with_capacity(PREFIX_LEN + text.len() + n_bytes);
    file.extend_from_slice(b"\x93NUMPY\x01\x00");
    file.extend_from_slice(&u16::try_from(text.len()).ok()?.to_le_bytes());
    file.extend_from_slice(text.as_bytes());
    Some(file)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use bytes::Bytes;
    use serde_json::Value;

    use super::*;

    const CASES: &str = include_str!("../../../../fixtures/npy/saved.json");

    #[test]
    fn files_are_those_of_numpy() {
        let fixture: Value = serde_json::from_str(CASES).unwrap();
        let decode = |text: &Value| Bytes::from(STANDARD.decode(text.as_str().unwrap()).unwrap());
        let cases = fixture["cases"].as_array().unwrap();
        assert!(cases.len() > 20);
        for case in cases {
            let dims: Vec<usize> = case["shape"]
                .as_array()
                .unwrap()
                .iter()
                .map(|dim| dim.as_u64().unwrap() as usize)
                .collect();
            let tensor = match case["strings"].as_array() {
                Some(strings) => Tensor::from_strings(dims, strings.iter().map(decode).collect()),
                None => {
                    let dtype = DType::from_name(case["dtype"].as_str().unwrap()).unwrap();
                    Tensor::from_bytes(dtype, dims, decode(&case["b64"]))
                }
            };
            assert_eq!(
                encode(&tensor.unwrap()).unwrap(),
                decode(&case["npy"]),
                "{}",
                case["dtype"]
            );
        }
    }

    #[test]
    fn strings_that_would_lose_zeros_have_no_array() {
        let strings = |values: &[&'static str]| {
            Tensor::from_strings([values.len()], values.iter().map(|v| Bytes::from(*v)).collect())
                .unwrap()
        };
        assert!(encode(&strings(&["a\0", "b"])).is_none());
        assert!(encode(&strings(&["\0a", ""])).is_some());
    }
}
