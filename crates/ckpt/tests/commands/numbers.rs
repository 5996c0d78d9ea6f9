use flowkeep_ckpt::{AvgOptions, Checkpoint, Pattern, Selection, avg, cast};
use flowkeep_tensor::{DType, Shape, Tensor};
use half::{bf16, f16};

use crate::common::{fixture, open, save, v2};

fn glob(pattern: &str) -> Selection {
    Selection { include: vec![Pattern::glob(pattern).unwrap()], ..Selection::default() }
}

#[test]
fn floats_are_cast_and_all_else_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let n = 700_001;
    let values: Vec<f32> = (0..n).map(|i| (i as f32 - 350_000.0) * 0.37).collect();
    let tensors = [
        ("a/w", Tensor::from_elements(values.clone())),
        ("a/step", Tensor::scalar(5i64)),
        ("b/w", Tensor::scalar(70_000.0f32)),
        ("b/d", Tensor::from_elements(vec![0.1f64])),
        ("b/h", Tensor::from_elements(vec![f16::from_f32(0.1)])),
    ];
    let source = save(&dir.path().join("p"), &tensors);
    let output = v2(&dir.path().join("half"));
    let report = cast(&source, DType::F16, &Selection::default(), &output, None).unwrap();
    let cast_names: Vec<_> = report.cast.iter().map(ToString::to_string).collect();
    assert_eq!(
        (cast_names.as_slice(), report.n_kept),
        (&["a/w", "b/d", "b/w"].map(String::from)[..], 2)
    );
    let out = open(&output.path);
    let halves = out.tensor("a/w").unwrap();
    let halves = halves.as_slice::<f16>().unwrap();
    assert!(values.iter().zip(halves).all(|(value, half)| f16::from_f32(*value) == *half));
    assert_eq!(out.tensor("b/w").unwrap().to_scalar::<f16>().unwrap(), f16::INFINITY);
    assert_eq!(out.tensor("a/step").unwrap(), source.tensor("a/step").unwrap());

    let output = v2(&dir.path().join("brain"));
    cast(&source, DType::BF16, &glob("b/*"), &output, None).unwrap();
    let out = open(&output.path);
    assert_eq!(out.tensor("b/h").unwrap().to_scalar::<bf16>().unwrap(), bf16::from_f32(0.1));
    assert_eq!(out.tensor("a/w").unwrap().dtype(), DType::F32);
    let error = cast(&source, DType::I32, &Selection::default(), &output, None).unwrap_err();
    assert_eq!(error.code().name(), "INVALID_ARGUMENT");

    // A tensor in slices becomes whole.
    let output = v2(&dir.path().join("whole"));
    cast(&fixture("bundles/partitioned"), DType::F64, &Selection::default(), &output, None)
        .unwrap();
    let w = open(&output.path).tensor("w").unwrap();
    assert_eq!((w.dims(), w.as_slice::<f64>().unwrap()[11]), (&[4, 3][..], 11.0));
}

fn three(dir: &std::path::Path) -> Vec<Checkpoint> {
    let tensor = |scale: f32| {
        let values: Vec<f32> = (0..400_003).map(|i| i as f32 * scale).collect();
        Tensor::from_elements(values)
    };
    (0..3)
        .map(|i| {
            save(
                &dir.join(format!("m-{i}")),
                &[
                    ("w", tensor(1.0 + i as f32)),
                    ("h", Tensor::from_elements(vec![bf16::from_f32(i as f32)])),
                    ("c", Tensor::zeros(DType::Complex64, [3]).unwrap()),
                    ("step", Tensor::scalar(i as i64)),
                    ("name", Tensor::scalar_string(format!("m{i}"))),
                ],
            )
        })
        .collect()
}

#[test]
fn means_are_weighted_and_the_rest_is_the_lasts() {
    let dir = tempfile::tempdir().unwrap();
    let from = three(dir.path());
    let output = v2(&dir.path().join("avg"));
    let report = avg(&from, &AvgOptions::default(), &output, None).unwrap();
    let taken: Vec<_> = report.taken.iter().map(ToString::to_string).collect();
    assert_eq!((report.n_averaged, taken.as_slice()), (3, &["name", "step"].map(String::from)[..]));
    let out = open(&output.path);
    let w = out.tensor("w").unwrap();
    for (i, value) in w.as_slice::<f32>().unwrap().iter().enumerate() {
        let scaled = |scale: f32| f64::from(i as f32 * scale);
        let expected = (scaled(1.0) + scaled(2.0) + scaled(3.0)) / 3.0;
        assert!((f64::from(*value) - expected).abs() <= expected.abs() * 1e-7, "{i}: {value}");
    }
    assert_eq!(out.tensor("h").unwrap().to_scalar_bf16(), 1.0);
    assert_eq!(out.tensor("step").unwrap().to_scalar::<i64>().unwrap(), 2);
    assert_eq!(out.tensor("name").unwrap().as_strings().unwrap(), ["m2"]);

    let output = v2(&dir.path().join("weighted"));
    let options = AvgOptions { weights: vec![0.0, 3.0, 1.0], selection: glob("h") };
    avg(&from, &options, &output, None).unwrap();
    let out = open(&output.path);
    assert_eq!(out.tensor("h").unwrap().to_scalar_bf16(), 1.25);
    assert_eq!(out.tensor("w").unwrap(), from[2].tensor("w").unwrap());
}

trait Scalar {
    fn to_scalar_bf16(&self) -> f32;
}

impl Scalar for Tensor {
    fn to_scalar_bf16(&self) -> f32 {
        self.as_slice::<bf16>().unwrap()[0].to_f32()
    }
}

#[test]
fn checkpoints_that_differ_are_not_averaged() {
    let dir = tempfile::tempdir().unwrap();
    let one = |name: &str, dims: &[usize], extra: Option<&str>| {
        let tensor = Tensor::zeros(DType::F32, Shape::new(dims)).unwrap();
        let mut tensors = vec![("w", tensor.clone())];
        tensors.extend(extra.map(|name| (name, tensor)));
        save(&dir.path().join(name), &tensors)
    };
    let output = v2(&dir.path().join("avg"));
    let message = |from: &[Checkpoint], weights: &[f64]| {
        let options = AvgOptions { weights: weights.to_vec(), ..AvgOptions::default() };
        let message = avg(from, &options, &output, None).unwrap_err().to_string();
        message.replace(&format!("{}/", dir.path().display()), "")
    };
    let from = [one("a", &[2], None), one("b", &[3], Some("x"))];
    assert_eq!(
        message(&from, &[]),
        "the checkpoints differ: tensor w of a is float [2], not float [3]; a has no tensor x"
    );
    let from = [one("c", &[2], Some("y")), one("d", &[2], None)];
    assert_eq!(message(&from, &[]), "the checkpoints differ: d has no tensor y, as c has");
    let from = [one("e", &[2], None), one("f", &[2], None)];
    assert_eq!(message(&from, &[1.0]), "1 weights were given for 2 checkpoints");
    for weights in [[0.0, 0.0], [-1.0, 2.0], [f64::NAN, 1.0], [f64::MAX, f64::MAX]] {
        let expected = "weights must be finite and not negative, and not all zero";
        assert_eq!(message(&from, &weights), expected);
    }
    assert_eq!(message(&[], &[]), "there is nothing to average");
    assert!(!dir.path().join("avg.index").exists());
}
