//! Texts, and what TensorFlow's readers make of them: fixtures/text_format/read.jsonl.

use std::collections::BTreeMap;

use flowkeep_proto::text::{self, ParseError};
use serde_json::Value;

use crate::types::Type;
use crate::{fixture, from_hex, types};

/// What a reader makes of a text.
#[derive(Debug, Clone, PartialEq)]
enum Outcome {
    Wire(Vec<u8>),
    Refused(String),
}

impl Outcome {
    fn of(of: &Type, value: &Value) -> Self {
        match (&value["wire"], &value["error"]) {
            (Value::String(wire), _) => {
                let wire = from_hex(wire);
                // Strings of generated types are UTF-8, which only the Python reader asks for.
                match (of.recode)(&wire) {
                    Some(_) => Self::Wire(wire),
                    None => Self::Refused(String::new()),
                }
            }
            (_, Value::String(words)) => Self::Refused(words.clone()),
            _ => panic!("outcome {value}"),
        }
    }
}

fn has(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// What TensorFlow makes of a text: what any of its readers takes is taken.
fn expected(text: &[u8], python: Option<Outcome>, cpp: Outcome) -> Outcome {
    match (python, cpp) {
        // One takes this character for the beginning of an escape.
        (_, cpp @ Outcome::Wire(_)) if has(text, br"\u005c") => cpp,
        (Some(python @ Outcome::Wire(_)), _) => python,
        (_, cpp @ Outcome::Wire(_)) => cpp,
        (Some(python), _) => python,
        (None, cpp) => cpp,
    }
}

#[track_caller]
fn check(of: &Type, text: &[u8], ours: Result<Vec<u8>, ParseError>, expected: &Outcome) {
    let shown = String::from_utf8_lossy(text);
    match (ours, expected) {
        (Ok(wire), Outcome::Wire(expected)) => {
            let name = &of.full_name;
            assert_eq!((of.recode)(&wire), (of.recode)(expected), "{name} {shown}");
            assert_eq!(text::print(name, &wire), text::print(name, expected), "{name} {shown}");
        }
        (Err(error), Outcome::Refused(words)) => {
            // Some of Python's errors have no place, and others none in a text that is not UTF-8.
            let has_place = words.split(" : ").next().is_some_and(|place| {
                place.split(':').all(|number| number.parse::<usize>().is_ok())
            });
            let is_same = if has_place {
                error.to_string() == *words
            } else {
                error.message().ends_with(words.as_str())
            };
            assert!(is_same, "{shown}\n  {error}\n  {words}");
        }
        (ours, expected) => panic!("{} {shown}: {ours:?} instead of {expected:?}", of.full_name),
    }
}

#[test]
fn texts_are_read_and_refused_as_by_tensorflow() {
    let types: BTreeMap<_, _> =
        types::all().into_iter().map(|of| (of.full_name.clone(), of)).collect();
    let mut n_cases = [0; 3];
    for line in fixture("read.jsonl").lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let of = &types[case["message"].as_str().unwrap()];
        let text = match &case["text"] {
            Value::String(text) => text.as_bytes().to_vec(),
            _ => from_hex(case["text_hex"].as_str().unwrap()),
        };
        // The only texts that TensorFlow reads and we do not: characters by name, and digits that
        // are none of ASCII's.
        if ["\\N{", "\u{663}"].iter().any(|odd| has(&text, odd.as_bytes())) {
            assert!(text::parse(&of.full_name, &text).is_err());
            continue;
        }
        let cpp = Outcome::of(of, &case["cpp"]);
        let python = case.get("parse").map(|case| Outcome::of(of, case));
        let merged = case.get("merge").map(|case| Outcome::of(of, case)).or(python.clone());
        let parsed = match (&python, &cpp) {
            (None, Outcome::Refused(_)) => Outcome::Refused(String::new()),
            _ => expected(&text, python, cpp.clone()),
        };
        check(of, &text, text::parse(&of.full_name, &text), &parsed);
        if case.get("text").is_some() {
            let merged = expected(&text, merged, cpp);
            check(of, &text, text::merge(&of.full_name, &text), &merged);
        }
        n_cases[usize::from(matches!(parsed, Outcome::Wire(_)))] += 1;
        n_cases[2] += usize::from(case.get("merge").is_some());
    }
    let [n_refused, n_read, n_merged] = n_cases;
    assert!(n_refused > 1000 && n_read > 1000 && n_merged > 30, "{n_cases:?}");
}

/// Parsing text, and decoding what that gives, is one step for the caller.
#[test]
fn messages_are_read_from_text() {
    for of in types::all() {
        assert_eq!((of.parse)(" # nothing\n"), Ok(Vec::new()), "{}", of.full_name);
        let error = (of.parse)("no_such_field: 1").unwrap_err();
        let expected = format!(
            "1:1 : Message type \"{}\" has no field named \"no_such_field\".",
            of.full_name
        );
        assert_eq!(error.to_string(), expected);
    }
}
