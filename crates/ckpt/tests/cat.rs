//! Tensors, and parts of them, as they are asked for and printed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use flowkeep_bundle::source::{BytesSource, Source};
use flowkeep_bundle::{BundleReader, BundleWriter};
use flowkeep_ckpt::cat::{CatOptions, Request, cat};
use flowkeep_ckpt::{Checkpoint, Error, ReaderOptions, Selection};
use flowkeep_tensor::{PrintOptions, Tensor, TensorIndex};

fn open(path: &str) -> Checkpoint {
    let fixtures: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    Checkpoint::open(&fixtures.join(path)).unwrap()
}

fn found(checkpoint: &Checkpoint, text: &str) -> Result<Vec<String>, String> {
    let requests = Request::find(checkpoint, text).map_err(|error| error.to_string())?;
    Ok(requests.iter().map(ToString::to_string).collect())
}

fn text(checkpoint: &Checkpoint, request: &str) -> String {
    let requests = Request::find(checkpoint, request).unwrap();
    let mut out = Vec::new();
    let failures = cat(checkpoint, &requests, &CatOptions::default(), &mut out).unwrap();
    assert!(failures.is_empty(), "{failures:?}");
    String::from_utf8(out).unwrap()
}

#[test]
fn names_that_hold_brackets_come_before_indices() {
    let checkpoint = open("inspect/names");
    for (request, expected) in [
        ("a", &["a"][..]),
        ("a[0]", &["a[0]"]),
        ("a[0][1]", &["a[0][1]"]),
        ("a[0][1][2]", &["a[0][1][2]"]),
        ("a[0][2]", &["a[0][2]"]),
        ("a[-1]", &["a[-1]"]),
        ("a[0:1]", &["a[0:1]"]),
        ("x:0", &["x:0"]),
        ("with blank[::2]", &["with blank[::2]"]),
        ("caf?", &["caf\u{e9}"]),
        ("caf*", &["caf", "caf\u{e9}"]),
        ("a*", &["a", "a[0]", "a[0][1]"]),
        ("caf*[1:]", &["caf[1:]", "caf\u{e9}[1:]"]),
        ("[ab]", &["a"]),
        ("{a,caf}[0]", &["a[0]", "caf[0]"]),
    ] {
        assert_eq!(
            found(&checkpoint, request),
            Ok(expected.iter().map(|e| (*e).into()).collect()),
            "{request}"
        );
    }
    // The names are those of tensors, the rest is an index.
    let name = |text: &str| Request::find(&checkpoint, text).unwrap()[0].name.to_string();
    assert_eq!(
        (name("a[0][2]"), name("a[-1]"), name("a[0]")),
        ("a[0]".into(), "a".into(), "a[0]".into())
    );
    assert_eq!(text(&checkpoint, "a[0]"), "[0. 1. 2. 3.]\n");
    assert_eq!(text(&checkpoint, "a[0][2]"), "2.0\n");
}

#[test]
fn what_is_not_there_is_told_with_what_is_like_it() {
    let checkpoint = open("inspect/many");
    let has = format!("{} has {} tensors", checkpoint.found(), checkpoint.tensors().len());
    for (request, message) in [
        (
            "model/layer_1/kernal",
            "Key model/layer_1/kernal not found in checkpoint; HAS; the nearest name is model/layer_1/kernel",
        ),
        (
            "layer_1/kernel[0]",
            "Key layer_1/kernel[0] not found in checkpoint; HAS; the nearest name is model/layer_1/kernel",
        ),
        (
            "nothing/like/it*",
            "Key nothing/like/it* not found in checkpoint; HAS, none of a name like it",
        ),
        ("", "Key  not found in checkpoint; HAS, none of a name like it"),
        (
            "ints[x]",
            "only integers, slices (`:`) and ellipsis (`...`) are valid indices, but got 'x' in 'x'",
        ),
        ("ints[]", "an index cannot be empty"),
        ("intz[0]", "Key intz[0] not found in checkpoint; HAS; the nearest name is ints"),
        ("ints[0", "Key ints[0 not found in checkpoint; HAS; the nearest name is ints"),
    ] {
        let message = message.replace("HAS", &has);
        assert_eq!(found(&checkpoint, request), Err(message), "{request}");
    }
    let read =
        |text: &str| Request::find(&checkpoint, text).unwrap()[0].read(&checkpoint).unwrap_err();
    assert_eq!(
        read("ints[1100]").to_string(),
        "index 1100 is out of bounds for axis 0 with size 1100"
    );
    assert!(read("ints[0,0]").to_string().starts_with("too many indices for array"));
    let error = Request::find(&open("npy/two.npz"), "xx").unwrap_err();
    assert_eq!(error.code().name(), "NOT_FOUND");
}

/// Bytes, of which is counted how many are read.
struct Counted {
    source: BytesSource,
    n_read: Arc<AtomicU64>,
}

impl Source for Counted {
    fn len(&self) -> u64 {
        self.source.len()
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        self.n_read.fetch_add(len as u64, Ordering::Relaxed);
        self.source.read_at(offset, len)
    }
}

/// A checkpoint with a tensor `w`, and the counter of the bytes of it that are read.
fn counted(w: &Tensor) -> (Checkpoint, Arc<AtomicU64>) {
    let dir = tempfile::tempdir().unwrap();
    let prefix = dir.path().join("p");
    let mut writer = BundleWriter::create(&prefix, Default::default()).unwrap();
    writer.add("a", &Tensor::scalar(1u8)).unwrap();
    writer.add("w", w).unwrap();
    writer.finish().unwrap();
    let file = |suffix: &str| std::fs::read(dir.path().join(format!("p.{suffix}"))).unwrap();
    let n_read = Arc::new(AtomicU64::new(0));
    let data: Arc<dyn Source> = Arc::new(Counted {
        source: BytesSource::new(file("data-00000-of-00001")),
        n_read: Arc::clone(&n_read),
    });
    let index = BytesSource::new(file("index"));
    let open_shard = move |_, _| Ok(Arc::clone(&data));
    let reader = BundleReader::from_sources(&index, open_shard, ReaderOptions::default()).unwrap();
    (reader.into(), n_read)
}

#[test]
fn parts_of_large_tensors_are_read_by_themselves() {
    let values: Vec<i32> = (0..2_400_000).collect();
    let shapes = [
        vec![2_400_000],
        vec![1200, 2000],
        vec![40, 300, 200],
        vec![3, 40, 100, 200],
        vec![4, 600_000],
    ];
    for shape in shapes {
        let w = Tensor::from_vec(shape.as_slice(), values.clone()).unwrap();
        let (checkpoint, n_read) = counted(&w);
        let n_bytes = w.len_bytes() as u64;
        for index in [
            "7",
            "-1",
            "2:3",
            "::-1",
            "1:2,...",
            "...,5",
            "..., 3:4",
            "0,:,1:3",
            ":,7",
            "::2",
            "1:1",
            ":,::50",
            "2,5:9,::-3",
            "...,10:20,100:110",
            "...",
            "0:2,-1",
            "1,-1,-1",
            "1,2,3,4",
            "...,199999:200001",
            "0:1000000",
        ] {
            let index: TensorIndex = index.parse().unwrap();
            let request = Request { name: b"w".to_vec().into(), index: Some(index.clone()) };
            n_read.store(0, Ordering::Relaxed);
            let (part, expected) = (request.read(&checkpoint), w.index(&index));
            match expected {
                Ok(expected) => assert_eq!(part.unwrap(), expected, "{index} of {shape:?}"),
                Err(expected) => assert_eq!(part.unwrap_err().to_string(), expected.to_string()),
            }
            assert!(n_read.load(Ordering::Relaxed) <= n_bytes, "{index} of {shape:?}");
        }
    }
    let w = Tensor::from_vec([1200, 2000], values).unwrap();
    let (checkpoint, n_read) = counted(&w);
    for (request, most) in [
        ("w[3]", 8000),
        ("w[1199,1999]", 4),
        ("w[10:20]", 80_000),
        ("w[0:0]", 0),
        ("w[:600:599]", 4_800_000),
        ("w[:3,0]", 24_000),
    ] {
        n_read.store(0, Ordering::Relaxed);
        Request::find(&checkpoint, request).unwrap()[0].read(&checkpoint).unwrap();
        let n_read = n_read.load(Ordering::Relaxed);
        assert!(
            n_read <= most.max(512 << 10) && (most > 8000 || n_read <= most),
            "{request} {n_read}"
        );
    }
}

#[test]
fn parts_of_slices_strings_and_files_are_read() {
    for (path, request, expected) in [
        ("bundles/partitioned", "w[-1]", "[ 9. 10. 11.]\n"),
        ("bundles/partitioned", "w[:,1]", "[ 1.  4.  7. 10.]\n"),
        ("bundles/strings", "s[1]", "b'xyz'\n"),
        ("bundles/big_endian", "v[1:]", "[2.]\n"),
        ("v1/slices", "cube[0,::2,1:3]", "[[-29 -28]\n [-19 -18]]\n"),
        ("npy/two.npz", "x[1,::2]", "[3. 5.]\n"),
        ("bundles/partitioned", "z", "1\n"),
        ("bundles/partitioned", "z[...]", "1\n"),
        ("bundles/partitioned", "w[5:]", "[]\n"),
    ] {
        assert_eq!(text(&open(path), request), expected, "{path} {request}");
    }
}

#[test]
fn several_tensors_have_headlines_and_fail_one_by_one() {
    let checkpoint = open("object_graphs/state");
    let requests = Request::all(&checkpoint, &Selection::default());
    let mut out = Vec::new();
    let failures = cat(&checkpoint, &requests, &CatOptions::default(), &mut out).unwrap();
    let failed: Vec<_> = failures
        .iter()
        .map(|(request, error)| (request.to_string(), error.code().name()))
        .collect();
    assert_eq!(failed, [("iterator/.ATTRIBUTES/ITERATOR_STATE".into(), "UNIMPLEMENTED")]);
    let out = String::from_utf8(out).unwrap();
    let expected = "tensor: dense/.ATTRIBUTES/table-values (float32) [4, 1]\n[[0. ]\n [0. ]\n [0. ]\n [0.5]]\n";
    assert!(out.contains(expected), "{out}");
    assert_eq!(out.matches("tensor: ").count(), requests.len() - 1);

    let checkpoint = open("inspect/many");
    let requests = Request::find(&checkpoint, "model/layer_*/bias[:2]").unwrap();
    let print_options = PrintOptions { precision: Some(1), ..PrintOptions::default() };
    let mut out = Vec::new();
    let options = CatOptions { print_options, headlines: false };
    cat(&checkpoint, &requests, &options, &mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "tensor: model/layer_10/bias[:2] (float32) [2]\n[1.e-08 1.e+00]\n\
         tensor: model/layer_2/bias[:2] (float64) [2]\n[nan inf]\n"
    );
}

#[test]
fn an_error_of_one_tensor_keeps_its_code() {
    let error = Request::find(&open("bundles/one"), "w").unwrap_err();
    assert!(matches!(&error, Error::NotFound { nearest, .. } if nearest.is_empty()));
    assert_eq!(error.code().name(), "NOT_FOUND");
}
