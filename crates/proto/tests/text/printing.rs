//! Messages of every type, and what TensorFlow prints of them: fixtures/text_format/print.jsonl.

use std::collections::BTreeMap;

use flowkeep_proto::text::{self, PrintOptions};
use serde_json::Value;

use crate::{fixture, from_hex, types};

#[test]
fn messages_are_printed_as_by_tensorflow() {
    let types: BTreeMap<_, _> =
        types::all().into_iter().map(|of| (of.full_name.clone(), of)).collect();
    let mut n_cases: BTreeMap<&str, usize> =
        types.keys().map(|full_name| (full_name.as_str(), 0)).collect();
    for line in fixture("print.jsonl").lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let of = &types[case["message"].as_str().unwrap()];
        let wire = from_hex(case["wire"].as_str().unwrap());
        let printed = case["text"].as_str().unwrap();
        assert_eq!(text::print(&of.full_name, &wire).unwrap(), printed);
        if let Some(one_line) = case["one_line"].as_str() {
            let options = PrintOptions { as_one_line: true };
            assert_eq!(text::print_with(&of.full_name, &wire, options).unwrap(), one_line);
        }

        // Reading undoes printing, and so it does for the generated types.
        let parsed = text::parse(&of.full_name, printed).unwrap();
        assert_eq!(text::print(&of.full_name, &parsed).unwrap(), printed);
        let recoded = (of.recode)(&wire).unwrap();
        let has_negative_zero = printed.contains(": -0.0");
        if !has_negative_zero {
            // They take it for zero, which they leave out.
            assert_eq!((of.print)(&wire), printed);
            if !printed.contains("[") && !printed.contains("nan") {
                assert_eq!((of.parse)(printed).unwrap(), recoded, "{printed}");
            }
        }
        *n_cases.get_mut(of.full_name.as_str()).unwrap() += 1;
    }
    for (full_name, n_cases) in n_cases {
        assert!(n_cases >= 3, "{n_cases} of {full_name}");
    }
}
