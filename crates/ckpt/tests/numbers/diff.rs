use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use flowkeep_ckpt::{
    Checkpoint, DiffOptions, DiffOutcome, DiffReport, Extreme, Number, NumberDiff, Pattern,
    Selection, StringDiff, Tolerance, diff, interchange,
};
use flowkeep_tensor::Tensor;
use serde_json::Value;

use crate::common::{
    bundle, cases, fixtures, float, hostile_bundles, n, places, small, tensor, text,
};

fn tolerance(expected: &Value) -> Tolerance {
    Tolerance {
        atol: float(&expected["atol"]),
        rtol: float(&expected["rtol"]),
        equal_nan: expected["equal_nan"].as_bool().unwrap(),
    }
}

fn outcomes(report: &DiffReport) -> Vec<(String, &DiffOutcome)> {
    report.tensors.iter().map(|tensor| (tensor.name.to_string(), &tensor.outcome)).collect()
}

/// Both tensors of each case, in a bundle each.
fn bundles_of_cases(dir: &tempfile::TempDir, cases: &[Value]) -> (Checkpoint, Checkpoint) {
    let of = |side: usize, key: &str| {
        let tensors = cases
            .iter()
            .map(|case| (text(&case["name"]), tensor(case, &case["dtypes"][side], key)));
        bundle(&dir.path().join(key), &tensors.collect::<Vec<_>>())
    };
    (of(0, "a"), of(1, "b"))
}

/// Relative to the expected value: a few roundings of `f64`.
fn assert_close(found: f64, expected: f64, what: &str) {
    let is_close = found == expected || (found - expected).abs() <= 1e-13 * expected.abs();
    assert!(is_close, "{what}: {found:e} instead of {expected:e}");
}

fn check_extreme<T>(
    found: Option<&Extreme<T>>,
    expected: &Value,
    what: &str,
    check: impl Fn(&T, &Value),
) {
    match found {
        None => assert!(expected.is_null(), "{what}: nothing instead of {expected}"),
        Some(found) => {
            check(&found.value, &expected["value"]);
            assert_eq!(found.index, places(&expected["index"]), "{what}");
        }
    }
}

fn check_numbers(found: &NumberDiff, expected: &Value, name: &str) {
    let counts = [
        ("n_elements", found.n_elements),
        ("n_different", found.n_different),
        ("n_not_finite", found.n_not_finite),
    ];
    for (what, count) in counts {
        assert_eq!(count, n(&expected[what]), "{name}: {what}");
    }
    let first = expected["first"].as_array().map(|_| places(&expected["first"]));
    assert_eq!(found.first, first, "{name}");
    check_extreme(
        found.max_abs.as_ref(),
        &expected["max_abs"],
        name,
        |found, expected| match found {
            Number::Int(int) => assert_eq!(int.to_string(), text(expected), "{name}"),
            Number::Float(value) if name.contains("complex") => {
                assert_close(*value, float(expected), name)
            }
            Number::Float(value) => assert_eq!(*value, float(expected), "{name}"),
        },
    );
    check_extreme(found.max_rel.as_ref(), &expected["max_rel"], name, |found, expected| {
        assert_close(*found, float(expected), name);
    });
    match found.mean_abs {
        None => assert!(expected["mean_abs"].is_null(), "{name}"),
        Some(mean) => assert_close(mean, float(&expected["mean_abs"]), name),
    }
}

#[test]
fn differences_are_those_of_numpy() {
    let dir = tempfile::tempdir().unwrap();
    let cases = cases("diff.json");
    let (a, b) = bundles_of_cases(&dir, &cases);
    let mut n_checked = 0;
    for (name, case) in cases.iter().map(|case| (text(&case["name"]), case)) {
        for expected in case["diffs"].as_array().unwrap() {
            let pattern = format!("^{}$", name.replace(['(', ')'], "."));
            let options = DiffOptions {
                selection: Selection {
                    include: vec![Pattern::regex(&pattern).unwrap()],
                    exclude: vec![],
                },
                tolerance: tolerance(&expected["tolerance"]),
                compare_dtypes: true,
                ..DiffOptions::default()
            };
            let report = diff(&a, &b, &options).unwrap();
            assert_eq!(report.tensors.len(), 1, "{name}");
            match (&report.tensors[0].outcome, &expected["diff"]) {
                (DiffOutcome::Identical, expected) => assert_eq!(expected, "identical", "{name}"),
                (DiffOutcome::Numbers(numbers), expected) => check_numbers(numbers, expected, name),
                (other, _) => panic!("{name}: {other:?}"),
            }
            assert_eq!(report.is_same(), report.tensors[0].outcome.is_same());
            n_checked += 1;
        }
    }
    assert!(n_checked > 150);
}

#[test]
fn threads_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut cases = cases("diff.json");
    cases.retain(|case| case["hash"].is_u64());
    let (a, b) = bundles_of_cases(&dir, &cases);
    let run = |threads| {
        let report = diff(&a, &b, &DiffOptions { threads, ..DiffOptions::default() }).unwrap();
        let numbers = report.tensors.into_iter().map(|tensor| match tensor.outcome {
            DiffOutcome::Numbers(numbers) => numbers,
            other => panic!("{other:?}"),
        });
        numbers.collect::<Vec<_>>()
    };
    let one = run(1);
    assert!(one.len() == 2 && one == run(2) && one == run(7));
}

#[test]
fn names_types_and_shapes_are_compared() {
    let dir = tempfile::tempdir().unwrap();
    let a = [
        ("only a", Tensor::scalar(1i32)),
        ("shape", Tensor::from_vec([2, 3], vec![0i32; 6]).unwrap()),
        ("dtype", Tensor::scalar(1.0f32)),
        ("both", Tensor::scalar(1.0f32)),
        ("same", Tensor::scalar(1.0f32)),
        ("text", Tensor::scalar_string("x")),
    ];
    let b = [
        ("only b", Tensor::scalar(1i32)),
        ("shape", Tensor::from_vec([3, 2], vec![0i32; 6]).unwrap()),
        ("dtype", Tensor::scalar(1.0f64)),
        ("both", Tensor::from_elements(vec![1.0f64])),
        ("same", Tensor::scalar(1.0f32)),
        ("text", Tensor::scalar(1i32)),
    ];
    let (a, b) = (bundle(&dir.path().join("a"), &a), bundle(&dir.path().join("b"), &b));
    let report = diff(&a, &b, &DiffOptions::default()).unwrap();
    let found = outcomes(&report);
    let names: Vec<_> = found.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["both", "dtype", "only a", "only b", "same", "shape", "text"]);
    assert!(matches!(found[0].1, DiffOutcome::Changed { dtype: true, shape: true }));
    assert!(matches!(found[1].1, DiffOutcome::Changed { dtype: true, shape: false }));
    assert!(
        matches!(found[2].1, DiffOutcome::OnlyInA) && matches!(found[3].1, DiffOutcome::OnlyInB)
    );
    assert!(matches!(found[4].1, DiffOutcome::Identical));
    assert!(matches!(found[5].1, DiffOutcome::Changed { dtype: false, shape: true }));
    assert!(matches!(found[6].1, DiffOutcome::Changed { dtype: true, shape: false }));
    let total = report.total;
    assert_eq!((total.n_tensors, total.n_same, total.n_different), (7, 1, 0));
    assert_eq!((total.n_only_in_a, total.n_only_in_b, total.n_changed), (1, 1, 4));
    assert!(!report.is_same() && !report.has_unreadable());
    assert_eq!(report.tensors[2].a.as_ref().unwrap().n_elements(), 1);
    assert!(report.tensors[2].b.is_none());

    let options = DiffOptions { compare_dtypes: true, ..DiffOptions::default() };
    let report = diff(&a, &b, &options).unwrap();
    assert!(report.tensors[1].outcome.is_same(), "1.0 is 1.0");
    assert_eq!(report.total.n_changed, 3);

    let selection = Selection {
        include: vec![Pattern::glob("*a*").unwrap()],
        exclude: vec![Pattern::glob("shape").unwrap(), Pattern::glob("only*").unwrap()],
    };
    let report = diff(&a, &b, &DiffOptions { selection, ..DiffOptions::default() }).unwrap();
    assert!(report.is_same() && report.total.n_tensors == 1);
}

#[test]
fn strings_are_compared_one_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let strings = |texts: [&'static str; 6]| {
        let texts = texts.map(|text| bytes::Bytes::from_static(text.as_bytes())).to_vec();
        [("s", Tensor::from_strings([2, 3], texts).unwrap())]
    };
    let a = bundle(&dir.path().join("a"), &strings(["a", "b", "", "d", "e", "f"]));
    let b = bundle(&dir.path().join("b"), &strings(["a", "b", "", "d", "x", "ff"]));
    let report = diff(&a, &b, &DiffOptions::default()).unwrap();
    match &report.tensors[0].outcome {
        DiffOutcome::Strings(StringDiff {
            n_elements: 6,
            n_different: 2,
            first: Some(first),
            ..
        }) => {
            assert_eq!(first, &[1, 1]);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!((report.is_same(), report.total.n_different), (false, 1));
    assert!(matches!(
        diff(&a, &a, &DiffOptions::default()).unwrap().tensors[0].outcome,
        DiffOutcome::Identical
    ));
}

#[test]
fn formats_do_not_matter() {
    let dir = tempfile::tempdir().unwrap();
    let values: Vec<f32> = (0..300_000).map(|i| (i as f32).sin()).collect();
    let tensor = Tensor::from_vec([300, 1000], values).unwrap();
    let a = bundle(&dir.path().join("p"), &[("w", tensor.clone())]);
    for format in [interchange::Format::Npz, interchange::Format::Safetensors] {
        let path = dir.path().join("w").with_extension(format.name());
        let specs = [interchange::TensorSpec::new("w", tensor.dtype(), tensor.shape())];
        let load = |_: &_| Ok::<_, flowkeep_ckpt::Error>(tensor.clone());
        interchange::write(&path, format, &specs, &Default::default(), load).unwrap();
        let b = Checkpoint::open(&path).unwrap();
        assert!(matches!(
            diff(&a, &b, &DiffOptions::default()).unwrap().tensors[0].outcome,
            DiffOutcome::Identical
        ));
    }
    for path in [
        "bundles/partitioned",
        "bundles/dtypes",
        "v1/saver",
        "v1/sharded-?????-of-00003",
        "npy/two.npz",
    ] {
        let original = Checkpoint::open(&fixtures().join(path)).unwrap();
        let tensors = original.tensors().iter();
        let tensors: Vec<_> =
            tensors.map(|info| (info.name.clone(), original.tensor(&info.name).unwrap())).collect();
        let copy = bundle(&dir.path().join(path), &tensors);
        let report = diff(&original, &copy, &DiffOptions::default()).unwrap();
        assert!(report.is_same() && report.total.n_tensors > 0, "{path}: {report:?}");
    }
}

#[test]
fn damage_is_not_taken_for_a_difference() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    let whole = bundle(&a, &small());
    bundle(&b, &small());
    let data = dir.path().join("b.data-00000-of-00001");
    let mut bytes = fs::read(&data).unwrap();
    bytes[1] ^= 0x80;
    fs::write(&data, bytes).unwrap();
    let broken = Checkpoint::open(&b).unwrap();
    let report = diff(&whole, &broken, &DiffOptions::default()).unwrap();
    match &report.tensors[1].outcome {
        DiffOutcome::Unreadable { a: None, b: Some(error) } => {
            assert_eq!(error.code().name(), "DATA_LOSS");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!((report.total.n_unreadable, report.total.n_same), (1, 3));
    assert!(report.has_unreadable() && !report.is_same());
    let report = diff(&broken, &broken, &DiffOptions::default()).unwrap();
    assert!(matches!(report.tensors[1].outcome, DiffOutcome::Unreadable { a: Some(_), .. }));
}

#[test]
fn hostile_bundles_are_unreadable() {
    for (name, bundle) in hostile_bundles() {
        let report = diff(&bundle.checkpoint, &bundle.checkpoint, &DiffOptions::default()).unwrap();
        assert_eq!(report.has_unreadable(), bundle.code.is_some(), "{name}");
        assert_eq!(report.is_same(), bundle.code.is_none(), "{name}");
        // A damaged entry has a name, which the other may lack.
        let other = Checkpoint::open(&fixtures().join("npy/two.npz")).unwrap();
        let report = diff(&other, &bundle.checkpoint, &DiffOptions::default()).unwrap();
        assert!(report.total.n_only_in_a == 2 && !report.is_same(), "{name}");
    }
}

#[test]
fn arrays_that_no_tensor_holds_are_unreadable() {
    let arrays = Checkpoint::open(&fixtures().join("npy/objects.npy")).unwrap();
    let report = diff(&arrays, &arrays, &DiffOptions::default()).unwrap();
    assert!(matches!(
        report.tensors[0].outcome,
        DiffOutcome::Unreadable { a: Some(_), b: Some(_) }
    ));
}

#[test]
fn progress_reaches_the_total() {
    let dir = tempfile::tempdir().unwrap();
    let mut tensors = small();
    tensors.push(("large", Tensor::from_elements(vec![1.5f32; 2_000_000])));
    let a = bundle(&dir.path().join("a"), &tensors);
    tensors[0].1 = Tensor::scalar(1i32);
    tensors.remove(1);
    let b = bundle(&dir.path().join("b"), &tensors);
    let n_bytes = AtomicU64::new(0);
    let progress = |n| {
        n_bytes.fetch_add(n, Ordering::Relaxed);
    };
    let options = DiffOptions { progress: Some(&progress), ..DiffOptions::default() };
    let expected = options.len_bytes(&a, &b);
    diff(&a, &b, &options).unwrap();
    assert_eq!(n_bytes.load(Ordering::Relaxed), expected);
    assert!(expected > 16_000_000);
}

#[test]
fn tolerances_below_zero_are_refused() {
    let checkpoint = Checkpoint::open(&fixtures().join("bundles/one")).unwrap();
    for (atol, rtol, message) in
        [(-1.0, 0.0, "-1 is no tolerance (atol)"), (0.0, f64::NAN, "NaN is no tolerance (rtol)")]
    {
        let tolerance = Tolerance { atol, rtol, ..Tolerance::default() };
        let options = DiffOptions { tolerance, ..DiffOptions::default() };
        let error = diff(&checkpoint, &checkpoint, &options).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert_eq!(error.code().name(), "INVALID_ARGUMENT");
    }
}
