//! Names fit patterns as in Python.

use flowkeep_saver::NamePattern;
use flowkeep_tensor::Code;
use serde_json::Value;

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

#[test]
fn names_fit_as_in_python() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/saver_graphs/patterns.json");
    let golden: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let names = texts(&golden["names"]);
    let cases = golden["cases"].as_array().unwrap();
    for case in cases {
        let pattern = case["pattern"].as_str().unwrap();
        match (NamePattern::new(pattern), case["error"].as_str()) {
            (Err(error), Some(want)) => {
                assert_eq!((error.code(), &*error.to_string()), (Code::InvalidArgument, want));
            }
            (Ok(pattern), None) => {
                let fit: Vec<&str> =
                    names.iter().copied().filter(|name| pattern.matches(name)).collect();
                assert_eq!(fit, texts(&case["match"]), "{}", case["pattern"]);
            }
            (got, want) => panic!("{pattern}: {got:?} instead {want:?}"),
        }
    }
    assert!(cases.len() > 120, "{} patterns", cases.len());
}
