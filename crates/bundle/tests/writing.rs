//! What the writer writes: TensorFlow's bytes, for whatever TensorFlow wrote.

use std::fs;
use std::path::{Path, PathBuf};

use flowkeep_bundle::source::FileSource;
use flowkeep_bundle::table::{Table, TableWriter};
use flowkeep_bundle::{
    BundleReader, BundleWriter, MergeOptions, Overwrite, WriterOptions, merge_bundles, slice_key,
};
use flowkeep_tensor::{DType, Shape, Tensor, TensorSlice};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

fn with_suffix(prefix: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", prefix.display()))
}

fn index(prefix: &Path) -> Vec<u8> {
    fs::read(with_suffix(prefix, ".index")).unwrap()
}

fn data(prefix: &Path, number: u32, n_shards: u32) -> Vec<u8> {
    fs::read(with_suffix(prefix, &format!(".data-{number:05}-of-{n_shards:05}"))).unwrap()
}

fn options() -> WriterOptions {
    WriterOptions::default()
}

/// Everything that lies in a bundle, in the order of its data files: key, slice, shard, offset.
fn layout(reader: &BundleReader) -> Vec<(u32, u64, Vec<u8>, Option<TensorSlice>)> {
    let mut layout = Vec::new();
    for (key, entry) in reader.entries() {
        let entry = entry.unwrap();
        if !entry.is_partitioned() {
            layout.push((entry.shard, entry.offset, key.to_vec(), None));
        }
        for slice in entry.slices {
            let part = reader.entry(slice_key::encode(&key, &slice)).unwrap();
            layout.push((part.shard, part.offset, key.to_vec(), Some(slice)));
        }
    }
    layout.sort_by_key(|(shard, offset, ..)| (*shard, *offset));
    layout
}

/// Bundles that TensorFlow's own writer made, in one data file.
const ONE_SHARD: &[&str] = &[
    "bundles/one",
    "bundles/strings",
    "bundles/dtypes",
    "bundles/partitioned",
    "bundles/grid",
    "bundles/two_blocks",
    "saved_models/keras_cnn_tf2/variables/variables",
    "saved_models/lookup_tf2/variables/variables",
    "saved_models/half_plus_two_ref/variables/variables",
];

#[test]
fn tensors_are_written_in_tensorflows_bytes() {
    let dir = tempfile::tempdir().unwrap();
    for name in ONE_SHARD {
        let source = fixtures().join(name);
        let reader = BundleReader::open(&source).unwrap();
        let prefix = dir.path().join(source.file_name().unwrap());
        let mut writer = BundleWriter::create(&prefix, options()).unwrap();
        for (_, _, key, slice) in layout(&reader) {
            match slice {
                None => writer.add(&key, &reader.tensor(&key).unwrap()).unwrap(),
                Some(slice) => {
                    let shape = reader.entry(&key).unwrap().shape;
                    let tensor = reader.slice(&key, &slice).unwrap();
                    writer.add_slice(&key, &shape, &slice, &tensor).unwrap();
                }
            }
        }
        writer.finish().unwrap();
        assert_eq!(data(&prefix, 0, 1), data(&source, 0, 1), "{name}");
        assert_eq!(index(&prefix), index(&source), "{name}");
        fs::remove_file(with_suffix(&prefix, ".index")).unwrap();
    }
}

#[test]
fn tables_are_written_in_tensorflows_bytes() {
    let v1 = fixtures().join("saved_models/session_bundle_half_plus_two/00000123");
    let mut files = vec![v1.join("export-00000-of-00001")];
    files.extend(ONE_SHARD.iter().map(|name| with_suffix(&fixtures().join(name), ".index")));
    files.push(fixtures().join("bundles/sharded.index"));
    for path in files {
        let table = Table::open(&FileSource::open(&path).unwrap()).unwrap();
        let mut writer = TableWriter::new(Vec::new());
        table.iter().for_each(|(key, value)| writer.add(&key, value).unwrap());
        assert_eq!(writer.finish().unwrap(), fs::read(&path).unwrap(), "{}", path.display());
    }
}

fn write_parts(dir: &Path) -> [PathBuf; 2] {
    let parts = [dir.join("part0"), dir.join("part1")];
    let (shape, [first, second]) = (Shape::from([4]), ["0,2", "2,2"]);
    let mut writer = BundleWriter::create(&parts[0], options()).unwrap();
    writer.add("a", &Tensor::from_elements(vec![1.0f32, 2.0])).unwrap();
    let slice = Tensor::from_elements(vec![1i32, 2]);
    writer.add_slice("w", &shape, &first.parse().unwrap(), &slice).unwrap();
    writer.finish().unwrap();
    let mut writer = BundleWriter::create(&parts[1], options()).unwrap();
    writer.add("b", &Tensor::from_strings([1], vec!["q".into()]).unwrap()).unwrap();
    let slice = Tensor::from_elements(vec![3i32, 4]);
    writer.add_slice("w", &shape, &second.parse().unwrap(), &slice).unwrap();
    writer.finish().unwrap();
    parts
}

/// The names in a directory, sorted.
fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn merging_gives_tensorflows_bytes_and_leaves_no_source() {
    let dir = tempfile::tempdir().unwrap();
    let parts = write_parts(dir.path());
    let merged = dir.path().join("merged");
    merge_bundles(&parts, &merged, &MergeOptions::default()).unwrap();
    let golden = fixtures().join("bundles/sharded");
    assert_eq!(index(&merged), index(&golden));
    for number in 0..2 {
        assert_eq!(data(&merged, number, 2), data(&golden, number, 2));
    }
    let expected = ["merged.data-00000-of-00002", "merged.data-00001-of-00002", "merged.index"];
    assert_eq!(names(dir.path()), expected);
}

#[test]
fn a_destination_may_be_one_of_the_sources() {
    for overwrite in [Overwrite::Atomic, Overwrite::SameNames] {
        let dir = tempfile::tempdir().unwrap();
        let parts = write_parts(dir.path());
        let options = MergeOptions { overwrite, ..MergeOptions::default() };
        let same = dir.path().join("../").join(dir.path().file_name().unwrap()).join("part0");
        merge_bundles(&[&same, &parts[1]], &parts[0], &options).unwrap();
        let reader = BundleReader::open(&parts[0]).unwrap();
        assert_eq!(reader.tensor("w").unwrap().as_slice::<i32>().unwrap(), &[1, 2, 3, 4]);
        let expected = ["part0.data-00000-of-00002", "part0.data-00001-of-00002", "part0.index"];
        assert_eq!(names(dir.path()), expected);

        // One bundle alone, onto itself: under the same names there is nothing to be changed.
        merge_bundles(&[&same], &parts[0], &options).unwrap();
        let reader = BundleReader::open(&parts[0]).unwrap();
        assert_eq!(reader.tensor("b").unwrap().as_strings().unwrap(), ["q"]);
    }
}

#[test]
fn sources_that_do_not_fit_are_refused_and_stay() {
    let dir = tempfile::tempdir().unwrap();
    let parts = write_parts(dir.path());
    let whole = dir.path().join("whole");
    let mut writer = BundleWriter::create(&whole, options()).unwrap();
    writer.add("w", &Tensor::from_elements(vec![1i32; 4])).unwrap();
    writer.finish().unwrap();
    let other = dir.path().join("other");
    let mut writer = BundleWriter::create(&other, options()).unwrap();
    let slice = Tensor::from_elements(vec![3.0f32, 4.0]);
    writer.add_slice("w", &Shape::from([4]), &"2,2".parse().unwrap(), &slice).unwrap();
    writer.finish().unwrap();
    let before = names(dir.path());

    let (missing, merged) = (dir.path().join("missing"), dir.path().join("merged"));
    let cases = [
        (
            [&parts[0], &parts[0]],
            "Duplicate tensor keyed by w slice 0,2 encountered, when merging prefix: ",
        ),
        ([&whole, &parts[0]], "Duplicate tensor keyed by w encountered, when merging prefix: "),
        (
            [&parts[0], &whole],
            "Duplicate tensor keyed by w; attempting to merge in a non-slice bundle entry",
        ),
        ([&parts[0], &other], "slices of tensor w disagree about its type or shape"),
        ([&parts[0], &missing], "allow_missing_files was set to false and "),
    ];
    for (sources, message) in cases {
        let error = merge_bundles(&sources, &merged, &MergeOptions::default()).unwrap_err();
        assert!(error.to_string().starts_with(message), "{error}");
        assert_eq!(names(dir.path()), before, "{message}");
    }
    let options = MergeOptions { allow_missing_files: true, ..MergeOptions::default() };
    let error = merge_bundles(&[&missing], &merged, &options).unwrap_err();
    assert_eq!(
        error.to_string(),
        "At least one prefix checkpoint file must exist, but none existed."
    );
    merge_bundles(&[&missing, &parts[0]], &merged, &options).unwrap();
    assert!(BundleReader::open(&merged).unwrap().contains("a"));
}

#[test]
fn keys_that_cannot_be_stored_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = BundleWriter::create(&dir.path().join("p"), options()).unwrap();
    let (one, four) = (Tensor::scalar(1i32), Shape::from([4]));
    let two = Tensor::from_elements(vec![1i32, 2]);
    writer.add("v", &one).unwrap();
    writer.add_slice("w", &four, &"0,2".parse().unwrap(), &two).unwrap();
    let refused = [
        (writer.add("v", &one), "Adding duplicate key: v"),
        (writer.add("w", &one), "Adding duplicate key: w"),
        (writer.add("", &one), "a tensor cannot be stored under the empty key"),
        (
            writer.add_slice("w", &four, &"0,2".parse().unwrap(), &two),
            "Adding duplicate key: w slice 0,2",
        ),
        (
            writer.add_slice("w", &Shape::from([5]), &"2,2".parse().unwrap(), &two),
            "slices of tensor w disagree about its type or shape",
        ),
        (
            writer.add_slice("x", &four, &"0,3".parse().unwrap(), &two),
            "a tensor of shape [2] is not slice 0,3 of one of shape [4]",
        ),
        (
            writer.add_slice("x", &four, &"3,2".parse().unwrap(), &two),
            "Extent in dimension 0 out of bounds: shape = [4], slice = 3,2",
        ),
        (
            writer.add_slice("x", &Shape::from([1 << 61]), &"0,2".parse().unwrap(), &two),
            "tensor x of shape [2305843009213693952] is too large",
        ),
        (
            writer.add(slice_key::encode(b"x", &"0,2".parse().unwrap()), &two),
            "the key of x slice 0,2 is that of a slice, not of a tensor",
        ),
    ];
    for (result, message) in refused {
        assert_eq!(result.unwrap_err().to_string(), message);
    }
    writer
        .add_slice("w", &four, &"1,3".parse().unwrap(), &Tensor::from_elements(vec![1i32; 3]))
        .unwrap();
    let error = writer.finish().unwrap_err();
    assert_eq!(error.to_string(), "Overlapping slices of tensor w: 0,2 and 1,3");
    assert_eq!(names(dir.path()), [""; 0]);
}

#[test]
fn a_prefix_must_end_in_a_name() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("a")).unwrap();
    let neighbor = dir.path().join("a.data-00000-of-00009");
    fs::write(&neighbor, "").unwrap();
    let (source, parent) = (dir.path().join("source"), dir.path().display());
    let mut writer = BundleWriter::create(&source, options()).unwrap();
    writer.add("v", &Tensor::scalar(1i32)).unwrap();
    writer.finish().unwrap();
    for name in ["a/", "a/.", "a/..", "."] {
        let prefix = PathBuf::from(format!("{parent}/{name}"));
        let message = format!("'{parent}/{name}' is not the prefix of a checkpoint");
        let error = BundleWriter::create(&prefix, options()).unwrap_err();
        assert_eq!(error.to_string(), message);
        let error = merge_bundles(&[&source], &prefix, &MergeOptions::default()).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    assert!(BundleWriter::create(Path::new(""), options()).is_err());
    assert!(neighbor.exists() && BundleReader::open(&source).is_ok());
}

#[test]
fn elements_may_be_streamed_and_computed() {
    let dir = tempfile::tempdir().unwrap();
    let n = 3_000_001;
    let values: Vec<f32> = (0..n).map(|i| i as f32).collect();
    let tensor = Tensor::from_elements(values);
    let bytes = tensor.as_bytes().unwrap();
    let fill = |at: u64, out: &mut [u8]| -> Result<(), flowkeep_bundle::Error> {
        out.copy_from_slice(&bytes[at as usize..at as usize + out.len()]);
        Ok(())
    };
    for threads in [1, 3] {
        let prefix = dir.path().join(format!("p{threads}"));
        let mut options = options();
        options.threads = threads;
        let mut writer = BundleWriter::create(&prefix, options).unwrap();
        let shard = writer.shortest().unwrap();
        shard.add("small", &Tensor::scalar(1u8)).unwrap();
        shard.add("memory", &tensor).unwrap();
        shard.add_reader("reader", DType::F32, tensor.shape(), bytes).unwrap();
        shard.add_with("filled", DType::F32, tensor.shape(), fill).unwrap();
        // A reader that ends early, and a computation that fails, leave no trace.
        let error = shard.add_reader("short", DType::F32, tensor.shape(), &bytes[1..]).unwrap_err();
        assert!(error.to_string().starts_with("elements of tensor short: "), "{error}");
        let fail = |at: u64, out: &mut [u8]| match at {
            0 => fill(at, out),
            _ => Err(BundleReader::open(Path::new("nowhere")).unwrap_err()),
        };
        let error = shard.add_with("fails", DType::F32, tensor.shape(), fail).unwrap_err();
        assert_eq!(error.code().name(), "NOT_FOUND");
        shard
            .add_with("bools", DType::Bool, &Shape::from([3]), |_, out: &mut [u8]| {
                out.copy_from_slice(&[0, 1, 2]);
                Ok::<_, flowkeep_bundle::Error>(())
            })
            .unwrap();
        writer.finish().unwrap();

        let reader = BundleReader::open(&prefix).unwrap();
        assert_eq!(reader.keys().count(), 5);
        for key in ["memory", "reader", "filled"] {
            assert_eq!(reader.tensor(key).unwrap(), tensor, "{key} with {threads} threads");
        }
        assert_eq!(
            reader.tensor("bools").unwrap().as_slice::<bool>().unwrap(),
            &[false, true, true]
        );
        assert_eq!(data(&prefix, 0, 1).len(), 1 + 3 * bytes.len() + 3);
    }
    assert_eq!(index(&dir.path().join("p1")), index(&dir.path().join("p3")));
}

#[test]
fn every_kind_of_value_can_be_copied() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["dtypes", "grid", "partitioned", "big_endian", "sharded"] {
        let reader = BundleReader::open(&fixtures().join("bundles").join(name)).unwrap();
        let prefix = dir.path().join(name);
        let mut options = options();
        (options.n_shards, options.alignment) = (3, 16);
        let mut writer = BundleWriter::create(&prefix, options).unwrap();
        for key in reader.keys() {
            writer.copy([b"new/", &key[..]].concat(), &reader, &key).unwrap();
        }
        writer.finish().unwrap();
        let copy = BundleReader::open(&prefix).unwrap();
        for (key, entry) in reader.entries() {
            let (entry, new) = (entry.unwrap(), [b"new/", &key[..]].concat());
            let copied = copy.entry(&new).unwrap();
            assert_eq!(
                (copied.dtype, &copied.shape, &copied.slices),
                (entry.dtype, &entry.shape, &entry.slices)
            );
            assert_eq!(copied.offset % 16, 0, "{name}: {key}");
            if let Ok(tensor) = reader.tensor(&key) {
                assert_eq!(copy.tensor(&new).unwrap(), tensor, "{name}: {key}");
            }
        }
    }
}

#[test]
fn a_damaged_value_is_not_copied() {
    let dir = tempfile::tempdir().unwrap();
    let (source, prefix) = (dir.path().join("source"), dir.path().join("copy"));
    let mut writer = BundleWriter::create(&source, options()).unwrap();
    writer.add("a", &Tensor::from_elements(vec![1u8; 700_000])).unwrap();
    writer.add("b", &Tensor::from_elements(vec![2u8; 10])).unwrap();
    writer.finish().unwrap();
    let path = with_suffix(&source, ".data-00000-of-00001");
    let mut bytes = fs::read(&path).unwrap();
    bytes[350_000] ^= 1;
    fs::write(&path, bytes).unwrap();
    let reader = BundleReader::open(&source).unwrap();
    let mut writer = BundleWriter::create(&prefix, options()).unwrap();
    assert_eq!(writer.copy("a", &reader, "a").unwrap_err().code().name(), "DATA_LOSS");
    writer.copy("b", &reader, "b").unwrap();
    writer.finish().unwrap();
    let copy = BundleReader::open(&prefix).unwrap();
    assert_eq!(copy.keys().map(|key| key.to_string()).collect::<Vec<_>>(), ["b"]);
    assert_eq!(copy.tensor("b").unwrap().as_slice::<u8>().unwrap(), &[2; 10]);
    assert_eq!(data(&prefix, 0, 1).len(), 10);
}

#[test]
fn overwriting_keeps_one_whole_bundle_under_the_prefix() {
    let dir = tempfile::tempdir().unwrap();
    let prefix = dir.path().join("p");
    let save = |value: i32, n_shards, overwrite| {
        let mut options = options();
        (options.n_shards, options.overwrite) = (n_shards, overwrite);
        let mut writer = BundleWriter::create(&prefix, options).unwrap();
        writer.add("v", &Tensor::scalar(value)).unwrap();
        writer.add("w", &Tensor::scalar(value)).unwrap();
        writer.finish().unwrap();
        let reader = BundleReader::open(&prefix).unwrap();
        assert_eq!(reader.tensor("w").unwrap().to_scalar::<i32>().unwrap(), value);
        names(dir.path())
    };
    let (atomic, same) = (Overwrite::Atomic, Overwrite::SameNames);
    let one = ["p.data-00000-of-00001", "p.index"];
    let two = ["p.data-00000-of-00002", "p.data-00001-of-00002", "p.index"];
    assert_eq!(save(1, 1, atomic), one);
    assert_eq!(save(2, 1, atomic), two);
    assert_eq!(save(3, 1, atomic), one);
    assert_eq!(save(4, 1, same), one);
    assert_eq!(save(5, 2, same), two);
    assert_eq!(save(6, 2, same), two);
    assert_eq!(save(7, 1, atomic), one);

    // What a killed writer leaves behind is taken away by the next one.
    fs::write(dir.path().join("p.data-00000-of-00007"), "").unwrap();
    fs::write(dir.path().join("p.data-00000-of-00001.tempstate123"), "").unwrap();
    fs::write(dir.path().join("p.index.tempstate9"), "").unwrap();
    fs::write(dir.path().join("p.data-of-mine"), "").unwrap();
    fs::write(dir.path().join("pp.data-00000-of-00007"), "").unwrap();
    assert_eq!(
        save(8, 1, atomic),
        [&two[..2], &["p.data-of-mine", "p.index", "pp.data-00000-of-00007"]].concat()
    );
}

#[test]
fn a_dropped_writer_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let prefix = dir.path().join("new/p");
    let mut writer = BundleWriter::create(&prefix, options()).unwrap();
    writer.add("v", &Tensor::from_elements(vec![1u8; 5_000_000])).unwrap();
    assert_eq!(names(&dir.path().join("new")).len(), 1);
    drop(writer);
    assert_eq!(names(&dir.path().join("new")), [""; 0]);
    let error = BundleWriter::create(&dir.path().join("a/b/p"), options()).unwrap_err();
    assert_eq!(error.code().name(), "NOT_FOUND");
    for (prefix, n_shards) in [("p", 0), ("p", 100_000), ("..", 1), ("/", 1)] {
        let mut options = options();
        options.n_shards = n_shards;
        let error = BundleWriter::create(&dir.path().join(prefix), options).unwrap_err();
        assert_eq!(error.code().name(), "INVALID_ARGUMENT", "{prefix} {n_shards}");
    }
}
