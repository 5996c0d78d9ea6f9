use flowkeep_bundle::object_graph::OBJECT_GRAPH_KEY;
use flowkeep_ckpt::{ConvertOptions, Format, Output, Pattern, Selection, convert, convert_len};
use flowkeep_tensor::{DType, Tensor};

use crate::common::{assert_same, fixture, names, open, save, v2};

#[test]
fn every_format_leads_back_to_the_same_tensors() {
    let dir = tempfile::tempdir().unwrap();
    let tensors = [
        (
            "a/kernel",
            Tensor::from_vec([2, 3], vec![1.0f32, -2.5, 0.0, f32::INFINITY, 4.0, 5.5]).unwrap(),
        ),
        ("a/steps", Tensor::scalar(7i64)),
        ("b/half", Tensor::from_elements(vec![half::f16::from_f32(1.5)])),
        ("b/mask", Tensor::from_elements(vec![true, false])),
        ("c/empty", Tensor::zeros(DType::F32, [0, 4]).unwrap()),
        ("c/complex", Tensor::zeros(DType::Complex64, [2]).unwrap()),
    ];
    let source = save(&dir.path().join("source"), &tensors);
    for format in Format::ALL.iter().filter(|format| format.name() != "npy") {
        for text in [false, true] {
            // Safetensors hold no strings.
            if text && format.name() == "safetensors" {
                continue;
            }
            let mut tensors = tensors.to_vec();
            if text {
                let text = vec!["caf\u{e9}".into(), "".into()];
                tensors.push(("d/text", Tensor::from_strings([2], text).unwrap()));
            }
            let source = save(&dir.path().join(format!("source-{format}-{text}")), &tensors);
            let there = dir.path().join(format!("there-{text}.{format}"));
            let output = Output::new(&there, *format);
            let options = ConvertOptions::default();
            let written = convert(&source, &options, &output, None).unwrap();
            assert_eq!((written.n_tensors, written.left_out.len()), (tensors.len(), 0), "{format}");
            assert_eq!(convert_len(&source, &options, *format).unwrap(), written.n_bytes);
            let there = open(&there);
            assert_eq!(there.format(), *format);
            assert_same(&source, &there);
            let back = dir.path().join(format!("back-{format}-{text}"));
            convert(&there, &options, &v2(&back), None).unwrap();
            assert_same(&source, &open(&back));
        }
    }
    let again = convert(&source, &ConvertOptions::default(), &v2(&dir.path().join("source")), None);
    assert_eq!(again.unwrap_err().code().name(), "ALREADY_EXISTS");
    let output = Output { overwrite: true, ..v2(&dir.path().join("source")) };
    convert(&source, &ConvertOptions::default(), &output, None).unwrap();
    assert_same(&open(&dir.path().join("source")), &open(&dir.path().join("there-false.v1")));
}

#[test]
fn slices_stay_slices_between_checkpoints() {
    let dir = tempfile::tempdir().unwrap();
    let source = fixture("bundles/partitioned");
    let (v1, v2_again) = (dir.path().join("v1"), dir.path().join("v2"));
    convert(&source, &ConvertOptions::default(), &Output::new(&v1, Format::V1), None).unwrap();
    let v1 = open(&v1);
    assert_eq!(v1.info("w").unwrap().n_slices, 2);
    convert(&v1, &ConvertOptions::default(), &v2(&v2_again), None).unwrap();
    let back = open(&v2_again);
    assert_eq!(back.info("w").unwrap().n_slices, 2);
    assert_same(&source, &back);
}

#[test]
fn what_a_format_cannot_hold_is_refused_or_named() {
    let dir = tempfile::tempdir().unwrap();
    let source = fixture("bundles/dtypes");
    let to = |name: &str| {
        let format = Format::from_name(name).unwrap();
        Output::new(dir.path().join(format!("dtypes.{name}")), format)
    };
    let error = convert(&source, &ConvertOptions::default(), &to("safetensors"), None).unwrap_err();
    assert_eq!(error.code().name(), "UNIMPLEMENTED");
    assert_eq!(
        error.to_string(),
        "tensor complex128: format safetensors has no tensors of type complex128"
    );
    let options = ConvertOptions { skip: true, ..ConvertOptions::default() };
    for name in ["safetensors", "v1"] {
        let written = convert(&source, &options, &to(name), None).unwrap();
        let out = open(&to(name).path);
        assert_eq!(written.n_tensors + written.left_out.len(), source.tensors().len());
        assert_eq!(out.tensors().len(), written.n_tensors);
        for (left_out, why) in &written.left_out {
            assert!(why.contains(&format!("format {name} has no tensors of type ")), "{left_out}");
        }
        for info in out.tensors() {
            assert_eq!(out.tensor(&info.name).unwrap(), source.tensor(&info.name).unwrap());
        }
    }
    let selection =
        Selection { include: vec![Pattern::glob("int*").unwrap()], ..Default::default() };
    let options = ConvertOptions { selection, skip: false };
    let output = Output { overwrite: true, ..to("npz") };
    convert(&source, &options, &output, None).unwrap();
    assert_eq!(names(&open(&output.path)), ["int16", "int32", "int4", "int64", "int8"]);
}

#[test]
fn the_object_graph_goes_to_checkpoints_only() {
    let dir = tempfile::tempdir().unwrap();
    let source = fixture("object_graphs/slots");
    let npz = Output::new(dir.path().join("a.npz"), Format::from_name("npz").unwrap());
    let written = convert(&source, &ConvertOptions::default(), &npz, None).unwrap();
    let [(left_out, why)] = &written.left_out[..] else { panic!("{:?}", written.left_out) };
    assert_eq!(
        (left_out.as_str(), why.as_str()),
        (Some(OBJECT_GRAPH_KEY), "it is the object graph, not a tensor")
    );
    let copy = dir.path().join("copy");
    convert(&source, &ConvertOptions::default(), &v2(&copy), None).unwrap();
    assert_same(&source, &open(&copy));
    assert!(open(&copy).object_graph().unwrap().is_some());
}
