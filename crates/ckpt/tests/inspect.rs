//! The text of `inspect_checkpoint` against TensorFlow's own, and its regular expressions against
//! Python's.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use flowkeep_ckpt::inspect::{InspectOptions, Inspection, PythonRegex, inspect};
use serde_json::Value;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/");

fn fixture(path: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(Path::new(FIXTURES).join(path)).unwrap()).unwrap()
}

fn run(options: &InspectOptions) -> (Inspection, String) {
    let mut out = Vec::new();
    let inspection = inspect(options, &mut out).unwrap();
    (inspection, String::from_utf8(out).unwrap())
}

/// What flags ask for; files are below `dir`.
fn options(args: &[Value], dir: &str) -> InspectOptions {
    let mut options = InspectOptions::default();
    let mut last_flag = String::new();
    for arg in args {
        let (flag, value) = match arg.as_str().unwrap().strip_prefix("--") {
            Some(flag) => {
                flag.split_once('=').map_or((flag, None), |(flag, value)| (flag, Some(value)))
            }
            None => (last_flag.as_str(), arg.as_str()),
        };
        let is_true = value.is_none_or(|value| value.to_lowercase() == "true");
        match (flag, value) {
            ("file_name", Some("")) => {}
            ("file_name", Some(path)) => options.file_name = PathBuf::from(format!("{dir}{path}")),
            ("tensor_name", Some(name)) => options.tensor_name = name.into(),
            ("all_tensors", _) => options.all_tensors = is_true,
            ("all_tensor_names", _) => options.all_tensor_names = is_true,
            ("count_exclude_pattern", Some(pattern)) => {
                options.count_exclude_pattern = Some(PythonRegex::new(pattern).unwrap());
            }
            ("printoptions", None) => {}
            ("printoptions", Some(option)) => options.print_options.set(option).unwrap(),
            _ => panic!("no flag {arg}"),
        }
        last_flag = flag.to_owned();
    }
    options
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn texts_are_tensorflows() {
    let cases = fixture("inspect/cases.json");
    let cases = cases.as_array().unwrap();
    assert!(cases.len() > 150);
    for case in cases {
        let args = case["args"].as_array().unwrap();
        let (inspection, out) = run(&options(args, FIXTURES));
        let out = out.replace(FIXTURES, "");
        let expected = case["out"].as_str().unwrap();
        assert_eq!(u64::from(inspection.exit_status), case["status"].as_u64().unwrap(), "{args:?}");
        // TensorFlow lists the tensors of V1 checkpoints in no order.
        let is_v1_list = args.len() == 1 && !expected.starts_with("tensor: ");
        match is_v1_list {
            true => assert_eq!(sorted(&out), sorted(expected), "{args:?}"),
            false => assert_eq!(out, expected, "{args:?}"),
        }
    }
}

/// Damage that TensorFlow does not notice, or not until it reads a value; some of it makes it read
/// memory that is not there.
const NOT_NOTICED: &[&str] = &[
    "bundles: duplicate key",
    "bundles: header is empty",
    "bundles: key beyond its index key",
    "bundles: keys out of order",
    "bundles: no header",
    "bundles: num_shards -1",
    "bundles: num_shards 100000",
    "bundles: shared too long",
    "bundles: slice of another shape",
    "bundles: slice of length 0",
    "bundles: slices that share their bytes",
    "bundles: string value cut short",
    "bundles: string value goes on",
    "bundles: unknown rank",
    "bundles: value length past the block",
    "v1: a block twice",
    "v1: a slice is missing",
    "v1: bytes beyond 63 bits",
    "v1: header of a bundle",
    "v1: key beyond its index key",
    "v1: keys out of order",
    "v1: lengths that wrap around 32 bits",
    "v1: record without a meta",
    "v1: shared too long",
    "v1: the second half is not there",
    "v1: unknown rank",
];

/// Damage that TensorFlow tells of in other words, because it finds something else first, runs out of
/// memory, or asks NumPy for an array that it cannot have.
const OTHER_WORDS: &[&str] = &[
    "bundles: checksum of the lengths",
    "bundles: dtype resource",
    "bundles: empty data block",
    "bundles: fewer bytes than strings",
    "bundles: index handle of size 10^12",
    "bundles: index value is cut off",
    "bundles: length of eleven bytes",
    "bundles: length that never ends",
    "bundles: many strings in few bytes",
    "bundles: offset -8",
    "bundles: offset 2^63-4",
    "bundles: rank 254",
    "bundles: restart count 0",
    "bundles: restart offset past the end",
    "bundles: shard -1",
    "bundles: shard 5 of 1",
    "bundles: size -8 of 8",
    "bundles: slice of another rank",
    "bundles: slice of negative start",
    "bundles: slice of slices",
    "bundles: slice out of bounds",
    "bundles: slice without a length",
    "bundles: slices overlap",
    "bundles: variant",
    "bundles: zero before dimensions that overflow",
    "v1: data handle cut off",
    "v1: data handle of size 10^12",
    "v1: data handle past the end",
    "v1: dimensions beyond 63 bits",
    "v1: dtype 101",
    "v1: empty tensor of huge dimensions",
    "v1: index handle of size 10^12",
    "v1: name is not UTF-8",
    "v1: negative dimension",
    "v1: one of two files is damaged",
    "v1: rank 255",
    "v1: slice beyond 63 bits",
    "v1: slice of length 0",
    "v1: slice of negative length",
    "v1: slice with a negative start",
    "v1: slice with a start and no length",
];

#[test]
fn damage_is_told_in_tensorflows_words() {
    let dir = tempfile::tempdir().unwrap();
    let prefix = format!("{}/", dir.path().display());
    let (mut n_same, mut others) = (0, BTreeSet::new());
    for (kind, hostile) in [("bundles", "hostile/bundles.json"), ("v1", "hostile/v1.json")] {
        let (texts, hostile) = (&fixture("inspect/damaged.json")[kind], fixture(hostile));
        for (name, case) in hostile.as_object().unwrap() {
            for entry in std::fs::read_dir(dir.path()).unwrap() {
                std::fs::remove_file(entry.unwrap().path()).unwrap();
            }
            let path = write_case(dir.path(), case);
            for (all_tensors, key) in [(false, "list"), (true, "all")] {
                let options = InspectOptions {
                    file_name: dir.path().join(&path),
                    all_tensors,
                    ..InspectOptions::default()
                };
                let (inspection, out) = run(&options);
                assert_eq!(inspection.exit_status, 0);
                let out = out.replace(&prefix, "");
                let Some(expected) = texts[name][key].as_str() else { continue };
                match out.replace("./", "") == expected.replace("./", "") {
                    true => n_same += 1,
                    false => _ = others.insert(format!("{kind}: {name}")),
                }
            }
        }
    }
    assert!(n_same > 270, "{n_same}");
    let expected = NOT_NOTICED.iter().chain(OTHER_WORDS).map(|name| (*name).to_owned());
    assert_eq!(others, expected.collect());
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = |idx: usize| u8::from_str_radix(&text[idx..idx + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digits).collect()
}

/// Writes a hostile checkpoint; gives the path to inspect.
fn write_case(dir: &Path, case: &Value) -> String {
    let put = |name: &str, hex: &Value| {
        if let Some(hex) = hex.as_str() {
            std::fs::write(dir.join(name), unhex(hex)).unwrap();
        }
    };
    let Some(files) = case["files"].as_array() else {
        put("b.index", &case["index"]);
        put("b.data-00000-of-00001", &case["data"]);
        return "b".into();
    };
    if let [file] = files.as_slice() {
        put("v", file);
        return "v".into();
    }
    for (idx, file) in files.iter().enumerate() {
        put(&format!("v-{idx:05}-of-{:05}", files.len()), file);
    }
    format!("v-?????-of-{:05}", files.len())
}

/// Where a pattern with `\b` or `\B` finds something else than Python: marks are parts of words
/// here, other numbers than digits are not, and an empty text is within a word.
const OTHER_WORD_BOUNDARIES: &[(&str, &[&str])] =
    &[("\\b", &["\u{b2}"]), ("\\B", &["", "\u{b2}"]), ("a\\b", &["a\u{301}"])];

#[test]
fn patterns_find_what_python_finds() {
    let fixture = fixture("inspect/patterns.json");
    let texts: Vec<&str> =
        fixture["names"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let patterns = fixture["patterns"].as_object().unwrap();
    assert!(patterns.len() > 300 && texts.len() > 60);
    for (pattern, expected) in patterns {
        let regex = PythonRegex::new(pattern).unwrap();
        assert_eq!(regex.as_str(), pattern);
        let Some(expected) = expected.as_str() else {
            assert_eq!(regex.search(""), Err(expected["error"].as_str().unwrap()), "{pattern:?}");
            continue;
        };
        let found = texts.iter().map(|text| regex.search(text).unwrap());
        let same = found.zip(expected.bytes()).map(|(found, expected)| found == (expected == b'1'));
        let others: Vec<&str> =
            same.zip(&texts).filter(|(same, _)| !same).map(|(_, text)| *text).collect();
        let known = OTHER_WORD_BOUNDARIES.iter().find(|(other, _)| other == pattern);
        assert_eq!(others, known.map_or(&[][..], |(_, texts)| texts), "{pattern:?}");
    }
}

#[test]
fn what_only_python_has_is_refused_by_name() {
    let deep = "(".repeat(1_000_000);
    for (pattern, what) in [
        ("(?=a)", "lookahead is not supported"),
        ("a(?!b)", "lookahead is not supported"),
        ("(?<=a)b", "lookbehind is not supported"),
        ("(?<!a)b", "lookbehind is not supported"),
        ("(a)\\1", "the reference to a group, '\\1', is not supported"),
        ("(?P<x>a)(?P=x)", "the reference to a group is not supported"),
        ("(a)?(?(1)b|c)", "a condition is not supported"),
        ("(?>a+)b", "an atomic group is not supported"),
        ("a++b", "possessive repetitions are not supported"),
        ("a{2}+", "possessive repetitions are not supported"),
        ("(?a)\\w", "the flag 'a' is not supported"),
        ("\\N{DIGIT ONE}", "characters by name are not supported"),
        ("\\ud800", "U+D800 is no character of a name"),
        ("a{99999999999}", "a repetition count is too large"),
        ("(?:a{1000}){1000}", "it grows too large when it is compiled"),
        (&deep, "groups are nested more than 100 deep"),
    ] {
        let error = PythonRegex::new(pattern).unwrap_err();
        assert_eq!(error.code().name(), "INVALID_ARGUMENT");
        assert_eq!(error.to_string(), format!("regular expression '{pattern}': {what}"));
    }
}

#[test]
fn files_of_bundles_get_the_hint_that_tensorflow_means_to_give() {
    let hint = |path: &str| {
        let file_name = Path::new(FIXTURES).join(path);
        let (inspection, _) = run(&InspectOptions { file_name, ..InspectOptions::default() });
        inspection.hint.map(|hint| hint.replace(FIXTURES, ""))
    };
    let expected = "\nIt's likely that this is a V2 checkpoint and you need to provide the filename\n\
                    *prefix*.  Try removing the '.' and extension.  Try:\n\
                    inspect checkpoint --file_name = bundles/one";
    assert_eq!(hint("bundles/one.index").as_deref(), Some(expected));
    assert_eq!(hint("bundles/one.data-00000-of-00001").as_deref(), Some(expected));
    assert!(hint("savers/sharded.meta").is_some());
    for path in ["bundles/one", "bundles/nope.index", "README.md", "v1/example"] {
        assert_eq!(hint(path), None, "{path}");
    }
}

/// The elements of a data file may read like the footer of a table, but for its last bytes.
#[test]
fn a_data_file_is_no_table_whatever_its_elements() {
    let dir = tempfile::tempdir().unwrap();
    let file_name = dir.path().join("m.data-00000-of-00001");
    let elements = (0..20).flat_map(|n: u8| (f32::from(n) / 7.0).to_le_bytes());
    std::fs::write(&file_name, elements.collect::<Vec<_>>()).unwrap();
    let expected = format!(
        "Unable to open table file {}: DATA_LOSS: not an sstable (bad magic number): perhaps your \
         file is in a different file format and you need to use a different restore operator?\n",
        file_name.display()
    );
    assert_eq!(run(&InspectOptions { file_name, ..InspectOptions::default() }).1, expected);
}

#[test]
fn an_output_that_fails_is_an_error() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    for path in ["", "bundles/one", "nofile"] {
        let file_name =
            if path.is_empty() { PathBuf::new() } else { Path::new(FIXTURES).join(path) };
        let options = InspectOptions { file_name, ..InspectOptions::default() };
        let error = inspect(&options, &mut Full).unwrap_err();
        assert!(error.to_string().starts_with("output: "), "{error}");
    }
}
