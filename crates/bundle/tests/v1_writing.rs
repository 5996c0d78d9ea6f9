//! V1 checkpoints written: the bytes are TensorFlow's, and the file appears all at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use flowkeep_bundle::v1::{shard_path, shard_pattern};
use flowkeep_bundle::{Durability, Error, ReaderOptions, V1Reader, V1Writer, V1WriterOptions};
use flowkeep_tensor::{Code, DType, Shape, Tensor, TensorSlice};
use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/v1")
}

fn options() -> V1WriterOptions {
    V1WriterOptions { durability: Durability::Unsynced, ..V1WriterOptions::default() }
}

fn slice(text: &str) -> TensorSlice {
    text.parse().unwrap()
}

fn names_in(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

/// Copies a file, slice by slice; `backwards` in reverse order of the names.
fn copy(from: &V1Reader, to: &Path, backwards: bool) {
    let mut writer = V1Writer::create(to, options()).unwrap();
    let mut entries: Vec<_> = from.entries().map(|(key, entry)| (key, entry.unwrap())).collect();
    if backwards {
        entries.reverse();
    }
    for (key, entry) in entries {
        for slice in &entry.slices {
            let (name, part) = (key.clone(), slice.clone());
            let read = move || from.slice(&name, &part);
            writer.add_slice_with(&key, entry.dtype, &entry.shape, slice, read).unwrap();
        }
    }
    writer.finish().unwrap();
}

#[test]
fn files_are_tensorflows_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    for name in [
        "example",
        "dtypes",
        "slices",
        "saver",
        "sharded-00000-of-00003",
        "sharded-00001-of-00003",
        "sharded-00002-of-00003",
        "two_blocks",
    ] {
        let expected = fs::read(fixtures().join(name)).unwrap();
        for mmap in [false, true] {
            let options = ReaderOptions { mmap, ..ReaderOptions::default() };
            let reader = V1Reader::open_with(&fixtures().join(name), options).unwrap();
            let path = dir.path().join(name);
            copy(&reader, &path, mmap);
            let written = fs::read(&path).unwrap();
            let differs = written.iter().zip(&expected).position(|(a, b)| a != b);
            assert_eq!((differs, written.len()), (None, expected.len()), "{name}");
        }
    }
}

/// Records of all sizes: small ones share blocks, large ones have their own.
#[test]
fn a_large_file_has_tensorflows_length_and_checksum() {
    let text = fs::read_to_string(fixtures().join("large.json")).unwrap();
    let expected: Value = serde_json::from_str(&text).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large");
    let mut writer = V1Writer::create(&path, options()).unwrap();
    let ints: Vec<i64> =
        (0..90_000).map(|i| (if i % 2 == 0 { i } else { -i }) * (1 << (i % 40))).collect();
    writer.add("ints", &Tensor::from_elements(ints.clone())).unwrap();
    let small = |n: usize| (0..500).map(|i| (n * 500 + i) as f32 / 8.0).collect::<Vec<_>>();
    for n in 0..60 {
        writer
            .add_with(format!("small/{n:02}"), DType::F32, &Shape::from([500]), move || {
                Ok(Tensor::from_elements(small(n)))
            })
            .unwrap();
    }
    let big: Vec<f32> = (0..200_000).map(|i| i as f32 / 4.0).collect();
    writer.add("big", &Tensor::from_elements(big.clone())).unwrap();
    writer.finish().unwrap();
    let written = fs::read(&path).unwrap();
    assert_eq!(written.len() as u64, expected["len"].as_u64().unwrap());
    assert_eq!(u64::from(crc32c::crc32c(&written)), expected["crc32c"].as_u64().unwrap());

    for mmap in [false, true] {
        let options = ReaderOptions { mmap, ..ReaderOptions::default() };
        let reader = V1Reader::open_with(&path, options).unwrap();
        assert_eq!(reader.tensor("ints").unwrap().as_slice::<i64>().unwrap(), ints);
        assert_eq!(reader.tensor("big").unwrap().as_slice::<f32>().unwrap(), big);
        let part = reader.slice("big", &slice("777,3")).unwrap();
        assert_eq!(part.as_slice::<f32>().unwrap(), &big[777..780]);
        for n in [59, 0, 30, 31] {
            let tensor = reader.tensor(format!("small/{n:02}")).unwrap();
            assert_eq!(tensor.as_slice::<f32>().unwrap(), small(n));
        }
    }
}

#[test]
fn a_checkpoint_can_be_several_files() {
    let dir = tempfile::tempdir().unwrap();
    let prefix = dir.path().join("m-7");
    let full = Shape::from([4]);
    for (number, part, values) in [(0, "0,3", vec![1i32, 2, 3]), (1, "3,1", vec![4])] {
        let mut writer = V1Writer::create(&shard_path(&prefix, number, 2), options()).unwrap();
        writer.add_slice("w", &full, &slice(part), &Tensor::from_elements(values)).unwrap();
        writer.add(format!("only/{number}"), &Tensor::scalar(i64::from(number))).unwrap();
        writer.finish().unwrap();
    }
    let reader = V1Reader::open(&shard_pattern(&prefix, 2)).unwrap();
    assert_eq!(reader.tensor("w").unwrap().as_slice::<i32>().unwrap(), [1, 2, 3, 4]);
    assert_eq!(reader.slice("w", &slice("2,2")).unwrap().as_slice::<i32>().unwrap(), [3, 4]);
    let keys: Vec<_> = reader.keys().map(|key| key.to_string()).collect();
    assert_eq!(keys, ["only/0", "only/1", "w"]);
}

#[test]
fn tensors_are_asked_for_one_by_one_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let asked = Mutex::new(Vec::new());
    let mut writer = V1Writer::create(&dir.path().join("m"), options()).unwrap();
    for name in ["c", "a", "b"] {
        let asked = &asked;
        writer
            .add_with(name, DType::F32, &Shape::SCALAR, move || {
                asked.lock().unwrap().push(name);
                Ok(Tensor::scalar(1.0f32))
            })
            .unwrap();
    }
    assert!(asked.lock().unwrap().is_empty() && names_in(dir.path()).is_empty());
    writer.finish().unwrap();
    assert_eq!(*asked.lock().unwrap(), ["a", "b", "c"]);
    assert_eq!(names_in(dir.path()), ["m"]);
}

#[test]
fn what_cannot_be_written_is_refused_and_nothing_changes() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = V1Writer::create(&dir.path().join("m"), options()).unwrap();
    let one = Tensor::from_elements(vec![1.0f32, 2.0]);
    let full = Shape::from([4]);
    writer.add_slice("w", &full, &slice("0,2"), &one).unwrap();
    writer.add("v", &one).unwrap();
    let mut refused =
        |tensor: &Tensor, name: &str, full: &Shape, part: &str, code, message: &str| {
            let error = writer.add_slice(name, full, &slice(part), tensor).unwrap_err();
            assert_eq!((error.code(), error.to_string().as_str()), (code, message));
        };
    refused(&one, "v", &Shape::from([2]), "-", Code::InvalidArgument, "Adding duplicate key: v");
    refused(&one, "w", &full, "0,2", Code::InvalidArgument, "Adding duplicate key: w");
    refused(
        &Tensor::scalar(1.0f32),
        "v",
        &Shape::SCALAR,
        "",
        Code::Internal,
        "Mismatching shapes: existing tensor = [2], trying to add name v, shape = []",
    );
    refused(
        &Tensor::from_elements(vec![1i32, 2]),
        "v",
        &Shape::from([2]),
        "-",
        Code::Internal,
        "Mismatching types: existing type = float, trying to add name v, type = int32",
    );
    refused(
        &one,
        "w",
        &Shape::from([5]),
        "2,2",
        Code::Internal,
        "Mismatching shapes: existing tensor = [4], trying to add name w, shape = [5]",
    );
    let ints = Tensor::from_elements(vec![1i32, 2]);
    refused(
        &ints,
        "w",
        &full,
        "2,2",
        Code::Internal,
        "Mismatching types: existing type = float, trying to add name w, type = int32",
    );
    refused(
        &one,
        "u",
        &full,
        "1,3",
        Code::InvalidArgument,
        "Slice in shape_and_slice specification does not match the shape of the tensor to  save: 4 1,3, tensor: [2] \
         (tensor u)",
    );
    refused(
        &one,
        "u",
        &full,
        "3,2",
        Code::Internal,
        "Extent in dimension 0 out of bounds: shape = [4], slice = 3,2",
    );
    let half = Tensor::zeros(DType::BF16, [2]).unwrap();
    refused(
        &half,
        "u",
        &Shape::from([2]),
        "-",
        Code::Unimplemented,
        "Saving data type bfloat16 not yet supported (tensor u)",
    );
    writer.add_slice("w", &full, &slice("2,2"), &one).unwrap();
    writer.finish().unwrap();
    let reader = V1Reader::open(&dir.path().join("m")).unwrap();
    assert_eq!(reader.keys().map(|key| key.to_string()).collect::<Vec<_>>(), ["v", "w"]);
    assert_eq!(reader.tensor("w").unwrap().as_slice::<f32>().unwrap(), [1.0, 2.0, 1.0, 2.0]);
}

#[test]
fn a_file_that_cannot_be_finished_leaves_the_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    let one = Tensor::from_elements(vec![1.0f32, 2.0]);
    let mut writer = V1Writer::create(&path, options()).unwrap();
    writer.add("old", &one).unwrap();
    writer.finish().unwrap();
    let old = fs::read(&path).unwrap();
    let full = Shape::from([3]);
    type Supply = Box<dyn FnOnce() -> Result<Tensor, Error>>;
    let supplies: [(Supply, &str); 3] = [
        (
            Box::new(|| Err(Error::KeyNotFound { key: b"q".to_vec() })),
            "Key q not found in checkpoint",
        ),
        (Box::new(|| Ok(Tensor::scalar(1i32))), "tensor b has type int32, not float"),
        (
            Box::new(|| Ok(Tensor::scalar(1.0f32))),
            "Slice in shape_and_slice specification does not match the shape of the tensor to  save: 3 -, tensor: [] \
             (tensor b)",
        ),
    ];
    for (supply, message) in supplies {
        let mut writer = V1Writer::create(&path, options()).unwrap();
        writer.add("a", &one).unwrap();
        writer.add_with("b", DType::F32, &full, supply).unwrap();
        assert_eq!(writer.finish().unwrap_err().to_string(), message);
        assert_eq!(
            (names_in(dir.path()), fs::read(&path).unwrap()),
            (vec!["m".into()], old.clone())
        );
    }
    let mut writer = V1Writer::create(&path, options()).unwrap();
    writer.add_slice("a", &full, &slice("0,2"), &one).unwrap();
    writer.add_slice("a", &full, &slice("1,2"), &one).unwrap();
    let error = writer.finish().unwrap_err();
    assert_eq!(error.to_string(), "Overlapping slices of tensor a: 0,2 and 1,2");
    assert_eq!(fs::read(&path).unwrap(), old);
    drop(V1Writer::create(&path, options()).unwrap());

    fs::write(dir.path().join("m.tempstate123"), "left by a process that was killed").unwrap();
    let mut writer = V1Writer::create(&path, V1WriterOptions::default()).unwrap();
    writer.add("new", &one).unwrap();
    writer.finish().unwrap();
    assert!(V1Reader::open(&path).unwrap().contains("new"));
    assert_eq!(names_in(dir.path()), ["m"]);
    let error = V1Writer::create(&dir.path().join("no/such/m"), options()).unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
}

#[test]
fn the_directory_is_made_unless_the_options_say_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new/m");
    let without = V1WriterOptions { create_dir: false, ..options() };
    let error = V1Writer::create(&path, without.clone()).unwrap().finish().unwrap_err();
    assert_eq!(error.code(), Code::NotFound, "{error}");
    assert!(names_in(dir.path()).is_empty());
    for options in [options(), without] {
        V1Writer::create(&path, options).unwrap().finish().unwrap();
        assert_eq!(names_in(path.parent().unwrap()), ["m"]);
    }
}

#[test]
fn a_checkpoint_without_tensors_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    V1Writer::create(&path, options()).unwrap().finish().unwrap();
    assert_eq!(V1Reader::open(&path).unwrap().keys().count(), 0);
}
