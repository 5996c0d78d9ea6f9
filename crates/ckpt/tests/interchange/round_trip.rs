//! What is written is read back, and what cannot be written is refused in time.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use flowkeep_ckpt::Error;
use flowkeep_ckpt::interchange::npz::Archive;
use flowkeep_ckpt::interchange::{Format, Reader, TensorSpec, WriterOptions, write};
use flowkeep_tensor::{DType, Shape, Tensor};

use crate::common::{open, written};

/// A tensor of every plain type, with all values that a byte has where that is allowed.
fn every_plain_type() -> Vec<(String, Tensor)> {
    let plain = DType::ALL.iter().copied().filter(|dtype| dtype.size_bytes().is_some());
    let mask = |dtype| match dtype {
        DType::Bool => 1,
        DType::I2 | DType::U2 => 3,
        DType::I4 | DType::U4 | DType::F4E2M1FN => 15,
        _ => 255,
    };
    plain
        .map(|dtype| {
            let n = dtype.size_bytes().unwrap() * 256;
            let bytes: Vec<u8> = (0..n).map(|idx| (idx * 7 % 256) as u8 & mask(dtype)).collect();
            let tensor = Tensor::from_bytes(dtype, [2, 128], bytes.into()).unwrap();
            (format!("all/{dtype}"), tensor)
        })
        .collect()
}

/// The numbers below `n`.
fn count(n: i32) -> Tensor {
    Tensor::from_elements((0..n).collect())
}

fn strings(values: &[&'static str]) -> Tensor {
    let values: Vec<_> = values.iter().map(|value| Bytes::from(*value)).collect();
    Tensor::from_strings([values.len()], values).unwrap()
}

/// Writes tensors and reads them back.
fn check(format: Format, tensors: &[(&str, Tensor)]) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    save(&path, format, tensors, &WriterOptions::default()).unwrap();
    let from_file = Reader::open(&path).unwrap();
    assert_eq!(from_file.format(), format);
    let mut readers = vec![from_file];
    if format != Format::Raw {
        let content = written(format, tensors).unwrap();
        assert_eq!(content, fs::read(&path).unwrap());
        readers.push(open(format, content).unwrap());
    }
    for reader in readers {
        assert_eq!(reader.members().len(), tensors.len());
        for (name, tensor) in tensors {
            let name = if format == Format::Npy { "x" } else { *name };
            assert_eq!(reader.member(name).unwrap().dtype, Some(tensor.dtype()), "{format} {name}");
            assert_eq!(&reader.tensor(name).unwrap(), tensor, "{format} {name}");
        }
    }
}

fn save(
    path: &Path,
    format: Format,
    tensors: &[(&str, Tensor)],
    options: &WriterOptions,
) -> Result<(), Error> {
    let spec = |(name, tensor): &(&str, Tensor)| {
        TensorSpec::new(*name, tensor.dtype(), tensor.shape().clone())
    };
    let specs: Vec<_> = tensors.iter().map(spec).collect();
    write(path, format, &specs, options, |spec| {
        let (_, tensor) = tensors.iter().find(|(name, _)| *name == spec.name).unwrap();
        Ok(tensor.clone())
    })
}

#[test]
fn every_type_comes_back() {
    let all = every_plain_type();
    let all: Vec<_> = all.iter().map(|(name, tensor)| (&**name, tensor.clone())).collect();
    check(Format::Npz, &all);
    check(Format::Raw, &all);
    let held = |dtype: DType| {
        !matches!(
            dtype,
            DType::Complex128
                | DType::QI8
                | DType::QU8
                | DType::QI16
                | DType::QU16
                | DType::QI32
                | DType::I4
                | DType::U4
                | DType::I2
                | DType::U2
                | DType::F4E2M1FN
                | DType::F8E4M3B11FNUZ
        )
    };
    let (held, refused): (Vec<_>, Vec<_>) =
        all.iter().cloned().partition(|(_, tensor)| held(tensor.dtype()));
    check(Format::Safetensors, &held);
    for (name, tensor) in refused {
        let error = written(Format::Safetensors, &[(name, tensor.clone())]).unwrap_err();
        assert_eq!(error.code().name(), "UNIMPLEMENTED");
        let message = error.to_string();
        assert!(message.contains(name) && message.contains(tensor.dtype().name()), "{message}");
    }
}

#[test]
fn shapes_and_names_of_all_kinds_come_back() {
    let zeros = |dims: &[usize]| Tensor::zeros(DType::I32, Shape::from(dims)).unwrap();
    let tensors = [
        ("a/b/c", zeros(&[])),
        ("", zeros(&[0])),
        ("größe\n\"x\"", zeros(&[3, 0, 2])),
        ("../up", zeros(&[1, 1, 1, 1, 1, 1, 1, 1])),
        ("A/B/C", count(5)),
        ("folder/", count(1000)),
    ];
    for format in [Format::Npz, Format::Safetensors, Format::Raw] {
        check(format, &tensors);
        check(format, &[]);
    }
    check(Format::Npy, &tensors[4..5]);
    let long = "n".repeat(60_000);
    check(Format::Npz, &[(&long, zeros(&[1]))]);
    check(Format::Raw, &[(&long, zeros(&[1])), ("\0", zeros(&[1]))]);
}

#[test]
fn strings_come_back_or_are_refused() {
    let fine = [("words", strings(&["", "a", "größe", "\0x"])), ("none", strings(&[]))];
    check(Format::Npz, &fine);
    check(Format::Raw, &fine);
    check(Format::Npy, &fine[..1]);
    let cut = [("words", strings(&["a", "b\0"]))];
    check(Format::Raw, &cut);
    for (format, words) in [
        (Format::Npz, "tensor words: string 1 ends in a zero byte"),
        (Format::Safetensors, "tensor words: a safetensors file has no elements of type string"),
    ] {
        let error = written(format, &cut).unwrap_err();
        assert_eq!(error.code().name(), "UNIMPLEMENTED");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn metadata_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let metadata = [("b", "1"), ("a", "grüße\n")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    let options = WriterOptions { metadata: metadata.to_vec(), ..WriterOptions::default() };
    for format in [Format::Safetensors, Format::Raw] {
        let path = dir.path().join(format.name());
        save(&path, format, &[], &options).unwrap();
        assert_eq!(Reader::open(&path).unwrap().metadata(), metadata);
    }
}

#[test]
fn elements_lie_aligned_in_archives() {
    let tensors = [("a", count(1)), ("bc", count(3)), ("d", strings(&["x"]))];
    let content = Bytes::from(written(Format::Npz, &tensors).unwrap());
    let source = flowkeep_bundle::source::BytesSource::new(content.clone());
    let archive = Archive::open(std::sync::Arc::new(source)).unwrap();
    for member in archive.members() {
        let place = archive.content(member).unwrap().as_ptr().addr() - content.as_ptr().addr();
        assert_eq!(place % 64, 0, "{}", member.name());
    }
}

#[test]
fn nothing_is_left_of_what_could_not_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let one = ("one", count(1));
    let specs = [TensorSpec::new("one", DType::I32, [1]), TensorSpec::new("two", DType::I32, [2])];
    for format in [Format::Npz, Format::Safetensors, Format::Raw] {
        let path = dir.path().join("x");
        let failing = |spec: &TensorSpec| match &*spec.name {
            "one" => Ok(one.1.clone()),
            _ => Err(Error::Invalid("no such thing".into())),
        };
        let error = write(&path, format, &specs, &WriterOptions::default(), failing).unwrap_err();
        assert_eq!(error.to_string(), "no such thing");
        let wrong = |_: &TensorSpec| Ok(one.1.clone());
        let error: Error =
            write(&path, format, &specs, &WriterOptions::default(), wrong).unwrap_err();
        assert_eq!(
            error.to_string(),
            "tensor two was announced with type int32 and shape [2], but has type int32 and shape [1]"
        );
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "{format}");
    }
    let nowhere = dir.path().join("none/x");
    let error = save(&nowhere, Format::Npz, &[], &WriterOptions::default()).unwrap_err();
    assert_eq!(error.code().name(), "NOT_FOUND");
}

#[test]
fn files_are_replaced_only_when_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    let (old, new) = (("old", count(1)), ("new", count(2)));
    let overwrite = WriterOptions { overwrite: true, sync: true, ..WriterOptions::default() };
    for format in [Format::Npy, Format::Npz, Format::Safetensors] {
        save(&path, format, std::slice::from_ref(&old), &overwrite).unwrap();
        let error = save(&path, format, std::slice::from_ref(&new), &WriterOptions::default());
        assert_eq!(error.unwrap_err().code().name(), "ALREADY_EXISTS");
        assert_eq!(Reader::open(&path).unwrap().members()[0].shape, [1].into());
        save(&path, format, std::slice::from_ref(&new), &overwrite).unwrap();
        assert_eq!(Reader::open(&path).unwrap().members()[0].shape, [2].into());
    }
    let error = save(&path, Format::Raw, &[old], &overwrite).unwrap_err();
    assert_eq!(error.code().name(), "ALREADY_EXISTS");
    let raw = dir.path().join("raw");
    save(&raw, Format::Raw, std::slice::from_ref(&new), &overwrite).unwrap();
    let error = save(&raw, Format::Raw, &[new], &overwrite).unwrap_err();
    assert_eq!(error.code().name(), "ALREADY_EXISTS");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let zero = Tensor::scalar(0i8);
    for (format, names, words) in [
        (Format::Npy, &[][..], "a .npy file holds one tensor, not 0"),
        (Format::Npy, &["a", "b"], "a .npy file holds one tensor, not 2"),
        (Format::Npz, &["a", "b", "a"], "two tensors are called a"),
        (Format::Npz, &["a\0b"], "no array of a .npz file can be called a\\u{0}b"),
        (Format::Npz, &["a.npy", "a"], "a .npz file cannot have a.npy beside"),
        (Format::Safetensors, &["__metadata__"], "can be called __metadata__"),
        (Format::Raw, &["a"], "raw tensors are written into a folder"),
    ] {
        let tensors: Vec<_> = names.iter().map(|name| (*name, zero.clone())).collect();
        let error = written(format, &tensors).unwrap_err();
        assert_eq!(error.code().name(), "INVALID_ARGUMENT", "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    let spec = [TensorSpec::new("v", DType::Variant, Shape::SCALAR)];
    for format in Format::ALL {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let never = |_: &TensorSpec| -> Result<Tensor, Error> { panic!("called") };
        let error = write(&path, *format, &spec, &WriterOptions::default(), never).unwrap_err();
        assert_eq!(error.code().name(), "UNIMPLEMENTED");
        assert!(error.to_string().contains("tensor v: "), "{error}");
    }
}
