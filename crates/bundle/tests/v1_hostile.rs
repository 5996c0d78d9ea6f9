//! Damaged V1 checkpoints: each is refused with the right code, none makes a reader panic.
//!
//! The cases are in `fixtures/hostile/v1.json`, made by `fixtures/generate_hostile_v1.py`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowkeep_bundle::source::{BytesSource, Source};
use flowkeep_bundle::{Error, ReaderOptions, V1Reader};
use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = |idx: usize| u8::from_str_radix(&text[idx..idx + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digits).collect()
}

fn open(files: &[Vec<u8>]) -> Result<V1Reader, Error> {
    let source = |file: &Vec<u8>| Arc::new(BytesSource::new(file.clone())) as Arc<dyn Source>;
    V1Reader::from_sources(files.iter().map(source), ReaderOptions::default())
}

/// From files, mapped or not.
fn open_files(dir: &Path, files: &[Vec<u8>], mmap: bool) -> Result<V1Reader, Error> {
    for (number, file) in files.iter().enumerate() {
        fs::write(dir.join(format!("m-{number:05}-of-{:05}", files.len())), file).unwrap();
    }
    let pattern = dir.join(format!("m-?????-of-{:05}", files.len()));
    V1Reader::open_with(&pattern, ReaderOptions { mmap, ..ReaderOptions::default() })
}

#[test]
fn damaged_checkpoints_are_refused_with_the_right_code() {
    let text = fs::read_to_string(fixtures().join("hostile/v1.json")).unwrap();
    let cases: Value = serde_json::from_str(&text).unwrap();
    let cases = cases.as_object().unwrap();
    assert!(cases.len() >= 95, "{} cases", cases.len());
    for (name, case) in cases {
        if name.contains("snappy") && !cfg!(feature = "snappy") {
            continue;
        }
        let files = case["files"].as_array().unwrap().iter();
        let files: Vec<_> = files.map(|file| unhex(file.as_str().unwrap())).collect();
        let key = case["key"].as_str().unwrap();
        let mut results = vec![open(&files).and_then(|reader| reader.tensor(key))];
        for mmap in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let reader = open_files(dir.path(), &files, mmap);
            results.push(reader.and_then(|reader| reader.tensor(key)));
        }
        for result in results {
            match (&result, case["code"].as_str()) {
                (Ok(_), None) => {}
                (Err(error), Some(code)) => {
                    assert_eq!(error.code().name(), code, "{name}: {error}");
                    assert!(!error.to_string().is_empty() && !error.to_string().contains('\n'));
                }
                (result, code) => panic!("{name}: {result:?} instead of {code:?}"),
            }
        }
    }
}

/// The cases again, in a process that has little memory.
#[cfg(target_os = "linux")]
#[test]
fn damaged_checkpoints_do_not_take_memory_that_their_files_cannot_fill() {
    use std::process::Command;
    let this = std::env::current_exe().unwrap();
    let status = Command::new("sh")
        .args(["-c", "ulimit -v 1000000 && exec \"$0\" --test-threads=1 --exact \"$1\""])
        .arg(this)
        .arg("damaged_checkpoints_are_refused_with_the_right_code")
        .output()
        .unwrap();
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stdout));
    assert!(String::from_utf8_lossy(&status.stdout).contains("1 passed"));
}

/// Everything that can be asked of a checkpoint, as text.
fn read_all(reader: &V1Reader) -> Vec<String> {
    let mut all = Vec::new();
    for (key, entry) in reader.entries() {
        let tensor = reader.tensor(&key).map(|tensor| match tensor.as_strings() {
            Ok(strings) => format!("{tensor:?} {strings:?}"),
            Err(_) => format!("{tensor:?} {:?}", tensor.as_bytes().unwrap()),
        });
        let entry = entry.map_err(|error| error.code());
        all.push(format!("{key}: {entry:?} {:?}", tensor.map_err(|error| error.code())));
    }
    all
}

/// The contents of each small golden file.
fn golden() -> Vec<(&'static str, Vec<u8>, Vec<String>)> {
    let names = ["example", "saver", "sharded-00001-of-00003"];
    let names = names.into_iter().chain(cfg!(feature = "snappy").then_some("snappy"));
    let golden = names.map(|name| {
        let file = fs::read(fixtures().join("v1").join(name)).unwrap();
        let contents = read_all(&open(std::slice::from_ref(&file)).unwrap());
        (name, file, contents)
    });
    golden.collect()
}

#[test]
fn a_changed_byte_gives_an_error_or_the_same_contents() {
    for (name, file, contents) in golden() {
        let mut n_unseen = 0;
        for at in 0..file.len() {
            for change in [1, 0x80, 0xff] {
                let mut file = file.clone();
                file[at] ^= change;
                match open(&[file]) {
                    Ok(reader) => {
                        assert_eq!(read_all(&reader), contents, "{name}: byte {at}");
                        n_unseen += 1;
                    }
                    Err(error) => {
                        assert_eq!(error.code().name(), "DATA_LOSS", "{name}: byte {at}: {error}");
                    }
                }
            }
        }
        // The metaindex block, its handle, and the padding of the footer.
        assert!(n_unseen < 60 * 3, "{name}: {n_unseen} changes went unseen");
    }
}

#[test]
fn a_truncated_file_is_refused() {
    for (name, file, _) in golden() {
        for len in 0..file.len() {
            let error = open(&[file[..len].to_vec()]).unwrap_err();
            assert_eq!(error.code().name(), "DATA_LOSS", "{name}: {len} bytes: {error}");
        }
    }
}

#[test]
fn damage_to_one_block_affects_only_its_tensors() {
    let mut file = fs::read(fixtures().join("v1/two_blocks")).unwrap();
    let reader = open(&[file.clone()]).unwrap();
    assert_eq!(reader.keys().filter(|key| reader.tensor(key).is_err()).count(), 0);
    // The first block has somewhat more than 256 KiB, the second the rest.
    file[270_000] ^= 1;
    let reader = open(&[file]).unwrap();
    let failed: Vec<_> = reader.keys().map(|key| reader.tensor(key).err()).collect();
    assert!(failed[0].is_none());
    let error = failed.last().unwrap().as_ref().unwrap();
    let message = error.to_string();
    assert_eq!(error.code().name(), "DATA_LOSS");
    assert!(
        message.starts_with("Error copying slice data: block checksum mismatch (tensor 23/long")
    );
    assert!(message.ends_with("of <source 0>)"), "{message:.200}");
}

#[test]
fn what_is_no_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let error = V1Reader::open(dir.path()).unwrap_err();
    assert_eq!(error.code().name(), "DATA_LOSS", "{error}");
    assert!(error.to_string().starts_with("Unable to open table file "), "{error}");
}
