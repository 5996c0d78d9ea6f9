use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;

use crate::{Code, DType, PrintOptions, Tensor};

const CASES: &str = include_str!("../../../../fixtures/numpy_str/cases.json");
const OPTIONS: &str = include_str!("../../../../fixtures/numpy_str/options.json");
const FLAGS: &str = include_str!("../../../../fixtures/numpy_str/flags.json");

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

/// NumPy's defaults but for what `changes`, an object by NumPy's names, says.
fn options(changes: &Value) -> PrintOptions {
    let mut options = PrintOptions::default();
    let number = |value: &Value| value.as_u64().map(|value| value as usize);
    for (key, value) in changes.as_object().unwrap() {
        match key.as_str() {
            "precision" => options.precision = number(value),
            "threshold" => options.threshold = number(value).unwrap(),
            "edgeitems" => options.edgeitems = number(value).unwrap(),
            "linewidth" => options.linewidth = number(value).unwrap(),
            "suppress" => options.suppress = value.as_bool().unwrap(),
            "nanstr" => options.nanstr = value.as_str().unwrap().into(),
            "infstr" => options.infstr = value.as_str().unwrap().into(),
            "sign" => options.sign = value.as_str().unwrap().parse().unwrap(),
            "floatmode" => options.floatmode = value.as_str().unwrap().parse().unwrap(),
            _ => panic!("no option {key}"),
        }
    }
    options
}

fn check(failures: &[String], n_cases: usize) {
    let shown = failures[..failures.len().min(8)].join("\n\n");
    assert!(failures.is_empty(), "{} of {n_cases}:\n{shown}", failures.len());
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
    check(&failures, cases.len());
}

#[test]
fn arrays_print_under_options_as_numpy_prints_them() {
    let fixture: Value = serde_json::from_str(OPTIONS).unwrap();
    let tensors: Vec<Tensor> = fixture["arrays"].as_array().unwrap().iter().map(tensor).collect();
    let cases = fixture["cases"].as_array().unwrap();
    assert!(cases.len() > 4000);
    let mut failures = Vec::new();
    for (idx, case) in cases.iter().enumerate() {
        let tensor = &tensors[case["array"].as_u64().unwrap() as usize];
        let got = tensor.numpy_str_with(&options(&case["options"]));
        let expected = case["text"].as_str().unwrap();
        if got != expected {
            failures.push(format!(
                "case {idx} {tensor:?} {}\n{got}\n--- expected\n{expected}",
                case["options"]
            ));
        }
    }
    check(&failures, cases.len());
}

#[test]
fn flags_set_options_as_inspect_checkpoint_does() {
    let fixture: Value = serde_json::from_str(FLAGS).unwrap();
    let cases = fixture["cases"].as_array().unwrap();
    assert!(cases.len() > 60);
    for case in cases {
        let flag = case["flag"].as_str().unwrap();
        let mut got = PrintOptions::default();
        let result = got.set(flag);
        let Some(class) = case["error"].as_str() else {
            result.unwrap_or_else(|error| panic!("{flag:?}: {error}"));
            assert_eq!(got, options(&case["options"]), "{flag:?}");
            continue;
        };
        let error = result.expect_err(flag);
        assert_eq!(error.code(), Code::InvalidArgument);
        assert_eq!(got, PrintOptions::default(), "{flag:?}");
        // TensorFlow fails to tell of an AttributeError's cause; that text is ours.
        if class != "AttributeError" {
            assert_eq!(error.to_string(), case["message"].as_str().unwrap());
        }
    }
}

#[test]
fn numbers_beyond_any_count_are_the_largest_count() {
    let mut options = PrintOptions::default();
    let digits = "9".repeat(100_000);
    options.set(&format!("threshold={digits}")).unwrap();
    options.set(&format!("linewidth={digits}")).unwrap();
    options.set(&format!("precision={digits}")).unwrap();
    options.set(&format!("edgeitems=-{digits}")).unwrap();
    assert_eq!((options.threshold, options.linewidth), (usize::MAX, usize::MAX));
    assert_eq!((options.precision, options.edgeitems), (Some(usize::MAX), 0));
    options.set("floatmode=fixed").unwrap();
    let text = Tensor::from_elements(vec![0.5f32, f32::MIN_POSITIVE]).numpy_str_with(&options);
    assert_eq!(text.len(), 2 * (16_000 + "0.e-38".len()) + "[ ]".len());
}

#[test]
fn names_of_nan_may_be_long() {
    let options = PrintOptions { nanstr: "x".repeat(100_000), ..PrintOptions::default() };
    let text = Tensor::from_elements(vec![0.5f32, f32::NAN]).numpy_str_with(&options);
    assert_eq!(text.len(), 2 * 100_000 + "[\n ]".len());
}

#[test]
fn fixed_without_a_precision_shows_what_the_longest_needs() {
    let mut options = PrintOptions { precision: None, ..PrintOptions::default() };
    options.set("floatmode=fixed").unwrap();
    let text = Tensor::from_elements(vec![0.5f32, 0.125]).numpy_str_with(&options);
    assert_eq!(text, "[0.500 0.125]");
}

#[test]
fn true_legacy_is_refused_and_names_the_option() {
    let error = PrintOptions::default().set("legacy=true").unwrap_err();
    assert_eq!(error.to_string(), "Setting 'legacy' from the command line is not supported.");
}
