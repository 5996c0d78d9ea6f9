use bytes::Bytes;
use flowkeep_tensor::{Code, Complex, DType, PartialShape, Tensor, f16};

use super::{parse, read, write};

fn tensor(text: &str, dtype: DType) -> Result<Tensor, super::Error> {
    read(&parse(text)?, dtype, &PartialShape::unknown())
}

fn error(text: &str, dtype: DType) -> String {
    let error = tensor(text, dtype).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument, "{text}");
    error.to_string()
}

/// Writing and reading again gives the same tensor, and the text is the one given.
fn check(tensor: &Tensor, text: &str) {
    let value = write(tensor).unwrap();
    assert_eq!(value.to_string(), text);
    let back = read(&value, tensor.dtype(), &PartialShape::from(tensor.shape())).unwrap();
    assert_eq!(&back, tensor);
}

#[test]
fn tensors_round_trip() {
    check(&Tensor::scalar(1.5f32), "1.5");
    check(
        &Tensor::from_vec([2, 2], vec![0.1f32, 3.0, 1e-7, 16777216.0]).unwrap(),
        "[[0.1,3.0],[1e-7,16777216.0]]",
    );
    check(&Tensor::from_elements(vec![0.1f64, -0.0]), "[0.1,-0.0]");
    check(&Tensor::from_elements(vec![f16::from_f32(0.1)]), "[0.099975586]");
    check(
        &Tensor::from_elements(vec![i64::MIN, i64::MAX]),
        "[-9223372036854775808,9223372036854775807]",
    );
    check(&Tensor::from_elements(vec![u64::MAX]), "[18446744073709551615]");
    check(&Tensor::from_elements(vec![true, false]), "[true,false]");
    check(
        &Tensor::from_elements(vec![Complex { re: 1.0f32, im: -0.5 }]),
        r#"[{"re":1.0,"im":-0.5}]"#,
    );
    check(
        &Tensor::from_strings([1, 2], vec![Bytes::from("hi"), Bytes::from(vec![0xff, 0])]).unwrap(),
        r#"[[{"b64":"aGk="},{"b64":"/wA="}]]"#,
    );
    check(&Tensor::from_vec([2, 0, 3], Vec::<i32>::new()).unwrap(), "[[],[]]");
    check(&Tensor::zeros(DType::QU8, [3]).unwrap(), "[0,0,0]");
}

#[test]
fn every_float64_reads_back() {
    let mut bits = 1u64;
    for _ in 0..100_000 {
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let value = f64::from_bits(bits);
        if value.is_finite() {
            let json = write(&Tensor::scalar(value)).unwrap().to_string();
            let back = tensor(&json, DType::F64).unwrap().to_scalar::<f64>().unwrap();
            assert_eq!(back.to_bits(), bits, "{json}");
        }
    }
}

#[test]
fn every_float32_reads_back() {
    let mut bits = 1u32;
    for _ in 0..200_000 {
        bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let value = f32::from_bits(bits);
        if value.is_finite() {
            let json = write(&Tensor::scalar(value)).unwrap().to_string();
            let back = tensor(&json, DType::F32).unwrap().to_scalar::<f32>().unwrap();
            assert_eq!(back.to_bits(), bits, "{json}");
        }
    }
}

#[test]
fn numbers_that_json_lacks_are_strings_and_may_be_bare() {
    let values = Tensor::from_elements(vec![f32::INFINITY, f32::NEG_INFINITY]);
    check(&values, r#"["Infinity","-Infinity"]"#);
    assert_eq!(tensor("[Inf, -Infinity]", DType::F32).unwrap(), values);
    assert_eq!(write(&Tensor::scalar(f64::NAN)).unwrap(), "NaN");
    assert!(
        tensor(r#"[NaN, -NaN, "NaN"]"#, DType::F64)
            .unwrap()
            .as_slice::<f64>()
            .unwrap()
            .iter()
            .all(|v| v.is_nan())
    );
    let text = tensor(r#"["NaN \" Inf", "\\"]"#, DType::String).unwrap();
    assert_eq!(text.as_strings().unwrap(), [Bytes::from("NaN \" Inf"), Bytes::from("\\")]);
}

#[test]
fn values_must_be_of_the_type() {
    let ints = [DType::I8, DType::U8, DType::I32, DType::I64, DType::U64];
    for dtype in ints {
        for text in ["1.0", "1e2", "true", "\"1\"", "null", "[1, 2.5]", "{}"] {
            assert!(
                error(text, dtype).contains(&format!("is not of expected type: {dtype}")),
                "{text}"
            );
        }
    }
    assert!(
        error("300", DType::U8)
            .contains("JSON Value: 300 Type: Number is not of expected type: uint8")
    );
    assert!(error("-1", DType::U64).contains("uint64"));
    assert!(error("9223372036854775808", DType::I64).contains("int64"));
    assert!(error("\"x\"", DType::F32).contains("is not of expected type: float"));
    assert!(error("1", DType::Bool).contains("is not of expected type: bool"));
    assert!(error("1", DType::String).contains("is not of expected type: string"));
    assert!(error(r#"{"b64": "?"}"#, DType::String).contains("Unable to base64 decode"));
    assert!(error(r#"{"b64": "YQ==", "x": 1}"#, DType::String).contains("Object"));
    assert_eq!(tensor("1", DType::Resource).unwrap_err().code(), Code::Unimplemented);
}

#[test]
fn floats_take_any_number_and_overflow_to_infinity() {
    let floats = tensor("[1, 16777217, 1e39, -1e39, 1e-60]", DType::F32).unwrap();
    assert_eq!(
        floats.as_slice::<f32>().unwrap(),
        [1.0, 16777216.0, f32::INFINITY, f32::NEG_INFINITY, 0.0]
    );
    assert!(error("1e400", DType::F64).starts_with("JSON Parse error: "));
}

#[test]
fn base64_needs_no_padding() {
    for text in [r#"{"b64": "YQ=="}"#, r#"{"b64": "YQ"}"#] {
        assert_eq!(tensor(text, DType::String).unwrap().as_strings().unwrap(), [Bytes::from("a")]);
    }
}

#[test]
fn lists_must_be_even() {
    assert!(
        error("[[1, 2], [3]]", DType::F32)
            .contains("Encountered list at unexpected size: 1 at level: 1 expected size: 2")
    );
    assert!(error("[1, [2]]", DType::F32).contains("found at incorrect level: 2 expected at: 1"));
    assert!(error("[[1], 2]", DType::F32).contains("found at incorrect level: 1 expected at: 2"));
    assert!(error("[[], [1]]", DType::F32).contains("unexpected size: 1"));
    assert!(
        error(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)), DType::F32)
            .contains("recursion")
    );
}

#[test]
fn empty_lists_take_the_wanted_dimensions() {
    assert_eq!(tensor("[]", DType::F32).unwrap().dims(), [0]);
    assert_eq!(tensor("[[]]", DType::F32).unwrap().dims(), [1, 0]);
    let wanted = PartialShape::new(vec![None, Some(3)]);
    assert_eq!(read(&parse("[]").unwrap(), DType::F32, &wanted).unwrap().dims(), [0, 3]);
    let error = read(&parse("[[1, 2]]").unwrap(), DType::F32, &wanted).unwrap_err();
    assert_eq!(error.to_string(), "expected a value of shape [?,3], got [1,2]");
}
