use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use flowkeep_bundle::ReaderOptions;
use flowkeep_ckpt::{
    Checkpoint, HistogramOptions, HistogramText, Number, NumberStat, Pattern, Selection,
    StatOptions, StatReport, StatValues, interchange, stat,
};
use flowkeep_tensor::Tensor;
use serde_json::Value;

use crate::common::{
    bundle, cases, fixtures, float, floats, hostile_bundles, n, small, tensor, text,
};

fn numbers(values: &StatValues) -> &NumberStat {
    match values {
        StatValues::Numbers(numbers) => numbers,
        other => panic!("{other:?} is not of numbers"),
    }
}

/// All cases in one bundle.
fn bundle_of_cases(dir: &tempfile::TempDir, cases: &[Value]) -> Checkpoint {
    let tensors =
        cases.iter().map(|case| (text(&case["name"]), tensor(case, &case["dtype"], "b64")));
    bundle(&dir.path().join("cases"), &tensors.collect::<Vec<_>>())
}

fn report(
    checkpoint: &Checkpoint,
    threads: usize,
    histogram: Option<HistogramOptions>,
) -> StatReport {
    let options = StatOptions { threads, histogram, ..StatOptions::default() };
    let report = stat(checkpoint, &options).unwrap();
    assert!(report.damaged.is_empty(), "{:?}", report.damaged);
    report
}

/// `relative` to the expected value, and so much more.
fn assert_close(found: f64, expected: f64, relative: f64, absolute: f64, what: &str) {
    let is_close =
        found == expected || (found - expected).abs() <= relative * expected.abs() + absolute;
    assert!(is_close, "{what}: {found:e} instead of {expected:e}");
}

#[test]
fn statistics_are_those_of_numpy() {
    const ULP: f64 = f64::EPSILON;
    let dir = tempfile::tempdir().unwrap();
    let cases = cases("stat.json");
    let checkpoint = bundle_of_cases(&dir, &cases);
    let report = report(&checkpoint, 2, None);
    assert_eq!(report.tensors.len(), cases.len());
    for case in &cases {
        let (name, expected) = (text(&case["name"]), &case["stat"]);
        let found = report.tensors.iter().find(|tensor| tensor.info.name == name).unwrap();
        assert_eq!(found.info.dtype.unwrap().python_name(), text(&case["dtype"]));
        let found = numbers(&found.values);
        let counts = [
            ("n_finite", found.n_finite),
            ("n_nan", found.n_nan),
            ("n_pos_inf", found.n_pos_inf),
            ("n_neg_inf", found.n_neg_inf),
            ("n_zeros", found.n_zeros),
            ("n_negative", found.n_negative),
        ];
        for (what, count) in counts {
            assert_eq!(count, n(&expected[what]), "{name}: {what}");
        }
        let bounds = [("min", found.min), ("max", found.max)];
        for (what, bound) in bounds {
            match (bound, &expected[what]) {
                (None, expected) => assert!(expected.is_null(), "{name}: {what}"),
                (Some(Number::Int(int)), expected) => {
                    assert_eq!(int.to_string(), text(expected), "{name}")
                }
                (Some(Number::Float(value)), expected) => {
                    // Magnitudes of complex numbers are rounded, all else is exact.
                    let relative = if name.starts_with("complex") { ULP } else { 0.0 };
                    assert_close(value, float(expected), relative, 0.0, name);
                }
            }
        }
        // Integers are exact but for the last roundings; floats are held to what is promised, with room for
        // the rounding of subnormal results.
        let is_int = matches!(found.min, Some(Number::Int(_)));
        let (relative, of_magnitude) =
            if is_int { (2.0 * ULP, 0.0) } else { (0.0, 2f64.powi(-48)) };
        let spread = if is_int { 3.0 * ULP } else { 2f64.powi(-46) };
        assert_close(found.l2_norm, float(&expected["l2_norm"]), spread, 5e-324, name);
        assert_eq!(found.mean.is_none(), expected["mean"].is_null(), "{name}");
        if let (Some(mean), Some(std)) = (found.mean, found.std) {
            let slack = of_magnitude * float(&expected["mean_abs"]) + 5e-324;
            assert_close(mean, float(&expected["mean"]), relative, slack, &format!("{name}: mean"));
            assert_close(std, float(&expected["std"]), spread, 5e-324, &format!("{name}: std"));
        }
    }
}

#[test]
fn histograms_are_those_of_numpy() {
    let dir = tempfile::tempdir().unwrap();
    let cases = cases("stat.json");
    let checkpoint = bundle_of_cases(&dir, &cases);
    let mut n_histograms = 0;
    let mut options: Vec<HistogramOptions> = Vec::new();
    let wanted = |expected: &Value| HistogramOptions {
        n_bins: n(&expected["n_bins"]) as usize,
        range: expected["range"].as_array().map(|range| (float(&range[0]), float(&range[1]))),
    };
    for expected in cases.iter().flat_map(|case| case["histograms"].as_array().unwrap()) {
        if !options.contains(&wanted(expected)) {
            options.push(wanted(expected));
        }
    }
    for options in options {
        let report = report(&checkpoint, 2, Some(options.clone()));
        for case in &cases {
            let expected = case["histograms"].as_array().unwrap();
            let Some(expected) = expected.iter().find(|expected| wanted(expected) == options)
            else {
                continue;
            };
            let name = text(&case["name"]);
            let found = report.tensors.iter().find(|tensor| tensor.info.name == name).unwrap();
            let histogram = found.histogram().unwrap();
            // Of complex numbers, the ends of the range are rounded.
            let ulps = if name.starts_with("complex") { 4.0 } else { 0.0 };
            for (edge, expected) in histogram.edges.iter().zip(floats(&expected["edges"])) {
                assert_close(*edge, expected, ulps * f64::EPSILON, 0.0, name);
            }
            let counts = floats(&expected["counts"]);
            assert!(
                histogram.counts.iter().map(|count| *count as f64).eq(counts),
                "{name}: {histogram:?}"
            );
            let outside = (histogram.n_below, histogram.n_above);
            assert_eq!(outside, (n(&expected["n_below"]), n(&expected["n_above"])), "{name}");
            let n_outside = outside.0 + outside.1;
            assert_eq!(histogram.n_values() + n_outside, numbers(&found.values).n_finite);
            n_histograms += 1;
        }
    }
    assert!(n_histograms > 200);
}

#[test]
fn threads_and_mapping_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut cases = cases("stat.json");
    cases.retain(|case| case["hash"].is_u64());
    assert!(cases.len() > 4);
    let checkpoint = bundle_of_cases(&dir, &cases);
    let one = report(&checkpoint, 1, Some(HistogramOptions::default()));
    for threads in [2, 3, 16] {
        let options = ReaderOptions { mmap: threads == 3, ..ReaderOptions::default() };
        let checkpoint = Checkpoint::open_with(&dir.path().join("cases"), options).unwrap();
        let other = report(&checkpoint, threads, Some(HistogramOptions::default()));
        assert_eq!((one.tensors.clone(), one.total), (other.tensors, other.total));
    }
}

#[test]
fn every_format_gives_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let values: Vec<f32> = (0..300_000).map(|i| ((i * 37) % 1013) as f32 / 8.0 - 60.0).collect();
    let tensor = Tensor::from_vec([300, 1000], values).unwrap();
    let mut reports =
        vec![report(&bundle(&dir.path().join("p"), &[("w", tensor.clone())]), 2, None)];
    for format in [interchange::Format::Npz, interchange::Format::Safetensors] {
        let path = dir.path().join("w").with_extension(format.name());
        let specs = [interchange::TensorSpec::new("w", tensor.dtype(), tensor.shape())];
        let load = |_: &_| Ok::<_, flowkeep_ckpt::Error>(tensor.clone());
        interchange::write(&path, format, &specs, &Default::default(), load).unwrap();
        reports.push(report(&Checkpoint::open(&path).unwrap(), 2, None));
    }
    for report in &reports[1..] {
        assert_eq!(report.tensors[0].values, reports[0].tensors[0].values);
    }
    // Slices, V1 checkpoints and SavedModels need only be read.
    for path in ["bundles/partitioned", "v1/saver", "saved_models/half_plus_two_ref", "npy/two.npz"]
    {
        let report = report(&Checkpoint::open(&fixtures().join(path)).unwrap(), 2, None);
        assert!(report.total.n_params > 0, "{path}");
    }
}

#[test]
fn strings_have_lengths() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoint = bundle(&dir.path().join("p"), &small());
    let report = report(&checkpoint, 2, Some(HistogramOptions::default()));
    let names: Vec<_> = report.tensors.iter().map(|tensor| tensor.info.name.to_string()).collect();
    assert_eq!(names, ["a", "b", "c/d", "s"]);
    let StatValues::Strings(strings) = &report.tensors[3].values else { panic!("s has strings") };
    assert_eq!((strings.n, strings.n_empty, strings.len_bytes), (3, 1, 5));
    assert_eq!((strings.min_len, strings.max_len), (Some(0), Some(3)));
    assert_eq!(report.tensors[3].histogram_text(&HistogramText::default()), None);

    let total = report.total;
    assert_eq!((total.n_tensors, total.n_params, total.len_bytes), (4, 7, 8 + 16 + 16 + 5));
    assert_eq!((total.n_nan_tensors, total.n_inf_tensors, total.n_zeros), (1, 1, 2));
    let b = numbers(&report.tensors[1].values);
    assert_eq!((b.n_elements(), b.n_inf(), b.sparsity()), (4, 0, Some(0.25)));
    let svg = report.tensors[1].histogram_svg(720, 400).unwrap();
    assert!(svg.contains("float [2,2], mean 1, std 0.8165, 1 NaN, 1 zeros"), "{svg}");
}

#[test]
fn selections_and_progress_are_respected() {
    let dir = tempfile::tempdir().unwrap();
    let mut tensors = small();
    tensors.push(("large", Tensor::from_elements(vec![1.5f32; 2_000_000])));
    tensors.push(("bytes", Tensor::from_elements(vec![7u8; 600_000])));
    let checkpoint = bundle(&dir.path().join("p"), &tensors);
    for (histogram, n_passes) in [
        (None, 1),
        (Some(HistogramOptions::default()), 2),
        (Some(HistogramOptions { range: Some((0.0, 1.0)), ..HistogramOptions::default() }), 1),
    ] {
        let n_bytes = AtomicU64::new(0);
        let progress = |n| {
            n_bytes.fetch_add(n, Ordering::Relaxed);
        };
        let include = vec![Pattern::glob("*[!d]").unwrap()];
        let selection = Selection { include, ..Selection::default() };
        let options = StatOptions {
            selection,
            histogram,
            progress: Some(&progress),
            ..StatOptions::default()
        };
        let expected = options.len_bytes(&checkpoint);
        let report = stat(&checkpoint, &options).unwrap();
        assert_eq!(report.tensors.len(), 5);
        assert_eq!(n_bytes.load(Ordering::Relaxed), expected);
        assert!(expected >= 8_000_000 * n_passes + 600_000);
        assert!(expected < 8_000_000 * n_passes + 600_000 + 200);
    }
}

#[test]
fn damage_is_told_beside_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let prefix = dir.path().join("p");
    bundle(&prefix, &small());
    let data = dir.path().join("p.data-00000-of-00001");
    let mut bytes = fs::read(&data).unwrap();
    bytes[1] ^= 0x80;
    fs::write(&data, bytes).unwrap();
    let report = stat(&Checkpoint::open(&prefix).unwrap(), &StatOptions::default()).unwrap();
    assert_eq!((report.tensors.len(), report.damaged.len()), (3, 1));
    assert_eq!(report.damaged[0].0, "b");
    assert_eq!(report.damaged[0].1.code().name(), "DATA_LOSS");
    let options = ReaderOptions { verify: false, ..ReaderOptions::default() };
    let unverified = Checkpoint::open_with(&prefix, options).unwrap();
    assert_eq!(stat(&unverified, &StatOptions::default()).unwrap().tensors.len(), 4);
}

#[test]
fn hostile_bundles_are_told_from_sound_ones() {
    let (mut n_sound, mut n_damaged) = (0, 0);
    for (name, bundle) in hostile_bundles() {
        let report = stat(&bundle.checkpoint, &StatOptions::default()).unwrap();
        let codes: Vec<_> = report.damaged.iter().map(|(_, error)| error.code().name()).collect();
        let expected: Vec<_> = bundle.code.as_deref().into_iter().collect();
        assert_eq!(codes, expected, "{name}");
        n_sound += u32::from(expected.is_empty());
        n_damaged += u32::from(!expected.is_empty());
    }
    assert!(n_sound > 5 && n_damaged > 30, "{n_sound} {n_damaged}");
}

#[test]
fn histograms_that_cannot_be_are_refused() {
    let checkpoint = Checkpoint::open(&fixtures().join("bundles/one")).unwrap();
    let cases = [
        (0, None, "a histogram has 1 to 65536 bins, not 0"),
        (65_537, None, "a histogram has 1 to 65536 bins, not 65537"),
        (1, Some((2.0, 1.0)), "2 to 1 is no range for a histogram"),
        (1, Some((f64::NAN, 1.0)), "NaN to 1 is no range for a histogram"),
        (1, Some((0.0, f64::INFINITY)), "0 to inf is no range for a histogram"),
    ];
    for (n_bins, range, message) in cases {
        let histogram = Some(HistogramOptions { n_bins, range });
        let options = StatOptions { histogram, ..StatOptions::default() };
        let error = stat(&checkpoint, &options).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert_eq!(error.code().name(), "INVALID_ARGUMENT");
    }
}
