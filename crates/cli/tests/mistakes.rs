//! What users do wrong, and what they are told: what is wrong, where, and what to do about it.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Run, fixtures, flowkeep, flowkeep_in, models};
use flowkeep_ckpt::Error;
use flowkeep_ckpt::interchange::{Format, TensorSpec, WriterOptions, write};
use flowkeep_tensor::{DType, Tensor};

const MODEL: &str = "half_plus_two_tf2";

/// A folder with the files that people give by mistake.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        copy(&models().join(MODEL), &place.path("m"));
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.path(name), content).unwrap();
    }

    /// Tensors in a file of another tool.
    fn arrays(&self, name: &str, format: Format, tensors: &[(&str, Tensor)]) {
        let spec = |(name, tensor): &(&str, Tensor)| {
            TensorSpec::new(*name, tensor.dtype(), tensor.shape().clone())
        };
        let specs: Vec<TensorSpec> = tensors.iter().map(spec).collect();
        let mut tensors = tensors.iter().map(|(_, tensor)| tensor.clone());
        let next = |_: &TensorSpec| Ok::<_, Error>(tensors.next().unwrap());
        write(&self.path(name), format, &specs, &WriterOptions::default(), next).unwrap();
    }

    /// Runs `flowkeep` in the folder.
    fn flowkeep(&self, args: &[&str]) -> Run {
        flowkeep_in(self.0.path(), args)
    }

    /// Runs `flowkeep`, which fails with this status, without a result, and says all of these words.
    #[track_caller]
    fn fails(&self, args: &[&str], status: i32, words: &[&str]) -> Run {
        let run = self.flowkeep(args);
        assert_eq!((run.status, run.stdout.as_str()), (status, ""), "{args:?} {run:?}");
        for word in words {
            assert!(run.stderr.contains(word), "{args:?}: {word:?} is not in {}", run.stderr);
        }
        run
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &target),
            false => _ = fs::copy(&path, &target).unwrap(),
        }
    }
}

#[test]
fn a_directory_that_is_no_model_leads_to_one() {
    let place = Place::new();
    fs::create_dir_all(place.path("versions")).unwrap();
    for version in ["9", "10"] {
        copy(&place.path("m"), &place.path("versions").join(version));
    }
    let meant = "did you mean versions/10, the last of 2 in it?";
    let missing = "SavedModel file does not exist at: ";
    for command in ["show", "run", "check", "scan", "explain", "bench"] {
        place.fails(&[command, "--dir", "versions"], 15, &[missing, meant]);
    }
    place.fails(&["graph", "summary", "versions"], 15, &[missing, meant]);
    place.fails(&["freeze", "versions", "f.pb"], 15, &[missing, meant]);
    for inside in ["m/saved_model.pb", "m/variables"] {
        place.fails(&["show", "--dir", inside], 15, &["; did you mean m?"]);
    }
    place.fails(&["show", "--dir", "none"], 15, &["; there is no such directory"]);
    place.write("file", b"x");
    place.fails(&["show", "--dir", "file"], 15, &["; this is no directory"]);
    place.fails(&["ckpt", "ls", "versions"], 15, &["there are some in 10, 9"]);
}

#[test]
fn a_damaged_model_says_where_and_what_to_do() {
    let place = Place::new();
    let whole = fs::read(place.path("m/saved_model.pb")).unwrap();
    let copy_again = "; copy it again from where it is whole";
    let show = ["show", "--dir", "m", "--all"];
    place.write("m/saved_model.pb", &whole[..4000]);
    let cut = format!("breaks off after 4000 bytes of at least {}", whole.len());
    place.fails(&show, 25, &["Cannot parse file m/saved_model.pb: ", &cut, copy_again]);
    let summary = ["graph", "summary", "m"];
    place.fails(&summary, 25, &["m/saved_model.pb: Cannot parse file: ", &cut, copy_again]);
    place.write("m/saved_model.pb", b"");
    place.fails(&show, 25, &["m/saved_model.pb: it is empty", copy_again]);
    place.fails(&summary, 25, &["m/saved_model.pb: ", "it is empty", copy_again]);
    let mut wrong = whole.clone();
    let at = wrong.windows(5).position(|bytes| bytes == b"dtype").unwrap();
    // The length of the name of an attribute, behind its tag.
    wrong[at - 1] = 0x7f;
    place.write("m/saved_model.pb", &wrong);
    let byte = format!("byte {} begins no field of a tensorflow.", at - 2);
    place.fails(&show, 25, &["m/saved_model.pb", &byte, copy_again]);
    place.fails(&summary, 25, &["m/saved_model.pb", &byte, copy_again]);
    // The length of the tags of the MetaGraph, by which nothing in it is one any more.
    let mut wrong = whole.clone();
    let at = wrong.windows(5).position(|bytes| bytes == b"serve").unwrap();
    wrong[at - 1] = 0xff;
    for name in ["m/saved_model.pb", "other.pb"] {
        place.write(name, &wrong);
        place.fails(&["graph", "summary", name], 25, &[name, "begins no field of a", copy_again]);
    }
}

#[test]
fn a_cut_meta_graph_says_where_and_what_to_do() {
    let place = Place::new();
    let meta = fixtures().join("training/model.ckpt-10.meta");
    place.write("cut.meta", fs::read(meta).unwrap().split_at(900).0);
    let words = ["cut.meta: ", "it breaks off after 900 bytes of at least", "copy it again from"];
    place.fails(&["train", "--meta=cut.meta", "--op=train", "--steps=1"], 25, &words);
    place.fails(&["graph", "summary", "cut.meta"], 25, &words);
}

#[test]
fn a_cut_checkpoint_says_which_file_and_what_to_do() {
    let place = Place::new();
    let data = place.path("m/variables/variables.data-00000-of-00001");
    let index = place.path("m/variables/variables.index");
    let (whole_data, whole_index) = (fs::read(&data).unwrap(), fs::read(&index).unwrap());
    let commands = [&["run", "--dir", "m", "--zeros"][..], &["ckpt", "cat", "--all-tensors", "m"]];
    fs::write(&data, &whole_data[..whole_data.len() - 1]).unwrap();
    let sizes =
        format!("which has {} bytes of at least {}; ", whole_data.len() - 1, whole_data.len());
    for command in commands {
        let run = place.flowkeep(command);
        assert_eq!(run.status, 21, "{run:?}");
        for word in
            ["variables.data-00000-of-00001, ", &sizes, "copy it again from where it is whole"]
        {
            assert!(run.stderr.contains(word), "{word:?} is not in {}", run.stderr);
        }
    }
    fs::write(&data, &whole_data).unwrap();
    let mut flipped = whole_index.clone();
    flipped[20] ^= 0x80;
    for damaged in [&whole_index[..100], &[], &flipped] {
        fs::write(&index, damaged).unwrap();
        for command in [commands[0], commands[1], &["ckpt", "ls", "m"], &["ckpt", "stat", "m"]] {
            let what = "; the file is cut or damaged: copy it again from where it is whole";
            place.fails(command, 25, &["(m/variables/variables.index)", what]);
        }
    }
}

#[test]
fn a_path_that_leads_nowhere_leads_to_the_nearest() {
    let place = Place::new();
    copy(&fixtures().join("training"), &place.path("train"));
    place.arrays("x.npy", Format::Npy, &[("", Tensor::scalar(1f32))]);
    let none = "half_plus_two";
    copy(&place.path("m"), &place.path(none));
    let train = ["train", "--op=train", "--steps=1", "--checkpoint=train/model.ckpt-10"];
    for (args, status, words) in [
        (
            &["show", "--dir", "half_plus_tow"][..],
            15,
            &["; there is no such directory; did you mean half_plus_two?\n"][..],
        ),
        (
            &["graph", "summary", "hlaf_plus_two/saved_model.pb"],
            15,
            &["; there is no folder hlaf_plus_two; did you mean half_plus_two/saved_model.pb?\n"],
        ),
        (&["ckpt", "ls", "train/modle.ckpt-10"], 15, &["; did you mean train/model.ckpt-10?\n"]),
        (&["ckpt", "cat", "x.nyp"], 15, &["; did you mean x.npy?\n"]),
        (&["ckpt", "diff", "train/later.npz", "x"], 2, &["; did you mean x.npy?\n"]),
        (
            &["run", "--dir", "m", "--inputs=x=y.npy"],
            15,
            &["y.npy; No such file or directory; did you mean x.npy?\n"],
        ),
        (
            &["freeze", "m", "f.pb", "--checkpoint=train/model.ckpt-1"],
            13,
            &[
                "Input checkpoint 'train/model.ckpt-1' doesn't exist!; did you mean train/model.ckpt-10?\n",
            ],
        ),
        (
            &["freeze", "m", "none/f.pb"],
            15,
            &["none/f.pb: No such file", "; there is no folder none\n"],
        ),
        (
            &[&train[..], &["--meta=train/model.ckpt-1.meta"]].concat(),
            15,
            &[
                "File does not exist. Received: train/model.ckpt-1.meta; did you mean train/model.ckpt-10.meta?\n",
            ],
        ),
        (
            &["ckpt", "ls", "trian/model.ckpt-10"],
            15,
            &["; there is no directory trian; did you mean train/model.ckpt-10?\n"],
        ),
        (&["ckpt", "ls", "zzzzzz"], 15, &["for zzzzzz; . has no checkpoints\n"]),
    ] {
        place.fails(args, status, words);
    }
}

#[test]
fn what_freeze_lacks_is_a_wrong_command_line() {
    let place = Place::new();
    for (args, words) in [
        (&["freeze"][..], "error: what is to be frozen is missing: give SRC"),
        (&["freeze", "m"], "error: the file to write is missing: give DST"),
        (&["freeze", "--output_graph=f.pb"], "error: what is to be frozen is missing: give SRC"),
        (&["freeze", "--input_graph=g.pb"], "error: the file to write is missing: give DST"),
        (&["freeze", "m", "f.pb", "--output_graph=g.pb"], "error: there is one path too many"),
    ] {
        place.fails(args, 2, &[words, "\n\nUsage: flowkeep freeze"]);
    }
}

#[test]
fn a_key_that_is_not_there_leads_to_the_list() {
    let place = Place::new();
    let path = fixtures().join("bundles/dtypes");
    let path = path.to_str().unwrap();
    let listed = ["ckpt", "ls", path, "--format=json"];
    let n = place.flowkeep(&listed).json()["tensors"].as_array().unwrap().len();
    let cat = |key: &str| ["ckpt", "cat", path, key].map(str::to_owned);
    for (key, words) in [
        ("zzqqxx", format!("{path} (V2) has {n} tensors, none of a name like it")),
        ("int32[0", format!("{path} (V2) has {n} tensors; the nearest name")),
    ] {
        let args = cat(key);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let key = format!("Key {key} not found in checkpoint; ");
        let list = format!("; 'flowkeep ckpt ls {path}' lists them");
        place.fails(&args, 15, &[&key, &words, &list]);
    }
    place.arrays("one.npz", Format::Npz, &[("a", Tensor::scalar(1f32))]);
    let words = ["one.npz", "has no tensor b", "has 1 tensor,", "'flowkeep ckpt ls one.npz'"];
    place.fails(&["ckpt", "cat", "one.npz", "b"], 15, &words);
}

#[test]
fn limits_name_the_flag_that_raises_them() {
    let place = Place::new();
    for (flag, value) in
        [("--max_tensor_bytes", "3"), ("--max_live_bytes", "3"), ("--max_output_bytes", "3")]
    {
        let more = format!("; {flag} allows more\n");
        let words = ["more than the 3 that are allowed", &more];
        place.fails(&["run", "--dir", "m", "--zeros", flag, value], 18, &words);
    }
    let words = ["--timeout allows more"];
    place.fails(&["run", "--dir", "m", "--zeros", "--timeout", "0"], 14, &words);
}

#[test]
fn type_and_shape_of_an_input_are_told_at_once() {
    let place = Place::new();
    let texts = Tensor::from_strings([3], vec!["a".into(), "b".into(), "c".into()]).unwrap();
    place.arrays("text.npy", Format::Npy, &[("", texts)]);
    place.arrays("ints.npy", Format::Npy, &[("", Tensor::from_elements(vec![1i64, 2, 3]))]);
    let run = ["run", "--dir", "m"];
    let wants = "the signature wants float32 of shape (None, 1), got ";
    for (flag, words) in [
        ("--inputs=x=text.npy", [wants, "S1 of shape (3,)"]),
        ("--input_exprs=x=['a','b']", [wants, "str of shape (2,)"]),
        (
            "--inputs=x=ints.npy",
            [
                "which has shape (None, 1) (did you mean (3, 1)?)",
                "; it is of type int64, not float32",
            ],
        ),
    ] {
        place.fails(&[&run[..], &[flag]].concat(), 13, &words);
    }
    let takes = "must be required; serving_default takes x (float32 (None, 1))";
    place.fails(&run, 13, &[takes]);
    place.fails(&[&run[..], &["--input_exprs", "x=1 y=2"]].concat(), 13, &["separated by \";\""]);
}

#[test]
fn files_of_inputs_that_do_not_fit_are_named() {
    let place = Place::new();
    let two = [("a", Tensor::scalar(1f32)), ("b", Tensor::scalar(2f32))];
    place.arrays("two.npz", Format::Npz, &two);
    place.write("empty.npy", b"");
    place.write("notes.txt", b"hello");
    place.write("cut.json", b"[[1, 2");
    for (input, status, words) in [
        ("x=none.npy", 15, &["none.npy; No such file or directory"][..]),
        ("x=two.npz", 13, &["more than one", "It has a, b: two.npz[NAME]"]),
        ("x=two.npz[c]", 13, &["two.npz", "name \"c\"", "It has a, b."]),
        ("x=empty.npy", 13, &["empty.npy: is empty"]),
        ("x=notes.txt", 13, &["notes.txt: is neither .npy"]),
        ("x=cut.json", 13, &["cut.json: JSON Parse error: ", "line 1 column 6"]),
        ("x=m", 19, &["m: Is a directory"]),
        ("y=two.npz[a]", 13, &["\"y\" is not a valid input key", "did you mean \"x\"?"]),
    ] {
        place.fails(&["run", "--dir", "m", "--inputs", input], status, words);
    }
}

#[test]
fn what_is_in_the_way_is_not_replaced_and_told() {
    let place = Place::new();
    place.write("notes.txt", b"hello");
    let call = ["run", "--dir", "m", "--zeros", "--outdir", "notes.txt"];
    let run = place.flowkeep(&call);
    assert_eq!(run.status, 16, "{run:?}");
    assert!(run.stdout.starts_with("Result for output key y:"), "the result is not lost: {run:?}");
    assert!(
        run.stderr.contains("notes.txt is no directory; outputs are written into one"),
        "{run:?}"
    );
    let replaces = "already exists; --overwrite replaces it\n";
    place.fails(&["freeze", "m", "notes.txt"], 16, &["notes.txt", replaces]);
    fs::create_dir(place.path("there")).unwrap();
    place.write("there/file", b"");
    place.fails(&["convert", "m", "there"], 16, &["there", replaces]);
    let convert = ["ckpt", "convert", "--to=npz", "m", "notes.txt"];
    place.fails(&convert, 16, &["notes.txt", replaces]);
    place.fails(&["graph", "convert", "--to=text", "m", "notes.txt"], 16, &[replaces]);
    assert_eq!(fs::read(place.path("notes.txt")).unwrap(), b"hello");
    let trace = ["run", "--dir", "m", "--zeros", "--trace", "none/t.json"];
    place.fails(&trace, 15, &["there is no folder none for --trace"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    use std::process::{Command, Stdio};

    let place = Place::new();
    for args in [
        &["run", "--dir", "m", "--zeros"][..],
        &["show", "--dir", "m", "--all"],
        &["ckpt", "ls", "m"],
        &["ckpt", "cat", "--all-tensors", "m"],
        &["graph", "summary", "m"],
        &["ops"],
    ] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_flowkeep"));
        let command = command.args(args).current_dir(place.0.path()).stdout(Stdio::from(full));
        let output = command.output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(18), "{args:?} {stderr}");
        assert!(
            stderr.starts_with("flowkeep: cannot write to standard output: No space left"),
            "{stderr}"
        );
    }
}

#[test]
fn ops_that_there_are_not_are_told() {
    let place = Place::new();
    let scan = place.flowkeep(&["scan", "--dir", "m", "--op_denylist", "ReadFiel,Neg"]);
    assert_eq!(scan.status, 0, "{scan:?}");
    assert_eq!(
        scan.stderr,
        "flowkeep: warning: TensorFlow has no op ReadFiel; did you mean ReadFile?\n"
    );
    let ops = flowkeep(&["ops", "conv2d"]);
    assert_eq!(ops.status, 22, "{ops:?}");
    assert!(ops.stderr.contains("TensorFlow has no op conv2d; did you mean Conv2D?"), "{ops:?}");
}

#[test]
fn files_without_a_graph_are_told_from_damaged_ones() {
    let place = Place::new();
    place.arrays("x.npy", Format::Npy, &[("", Tensor::scalar(1f32))]);
    place.write("model.keras", b"PK\x03\x04rest");
    place.write("model.h5", b"\x89HDF\r\n\x1a\nrest");
    for (name, what) in [
        ("x.npy", "but an array of NumPy"),
        ("model.keras", "but a zip archive; a model of Keras"),
        ("model.h5", "but HDF5; export the model"),
        ("m/variables/variables.index", "but the table of a checkpoint"),
    ] {
        place.fails(&["graph", "summary", name], 25, &[name, what]);
    }
    let training = fixtures().join("training/model.ckpt-10");
    let training = training.to_str().unwrap();
    let meant = format!("did you mean {training}.meta?");
    place.fails(&["graph", "summary", training], 15, &[&meant]);
    place.fails(
        &["graph", "show", "m", "--node", "zzz"],
        15,
        &["'zzz'", "nodes none is called like it"],
    );
}

#[test]
fn the_map_of_a_renaming_is_named() {
    let place = Place::new();
    place.write("map.txt", b"a b\nc\n");
    let rename = ["ckpt", "rename", "--map", "map.txt", "m", "new"];
    place.fails(&rename, 13, &["map.txt: line 2 of the map is not two names: c"]);
    assert!(!place.path("new.index").exists());
}

/// The training of the fixtures, with these flags.
fn train(place: &Place, flags: &[&str]) -> Run {
    let at = |name: &str| fixtures().join("training").join(name).to_str().unwrap().to_owned();
    let (meta, checkpoint) = (at("model.ckpt-10.meta"), at("model.ckpt-10"));
    let common = ["train", "--meta", &meta, "--checkpoint", &checkpoint];
    place.flowkeep(&[&common[..], flags].concat())
}

#[test]
fn trainings_fail_before_any_work_is_lost() {
    let place = Place::new();
    let feed = fixtures().join("training/later.npz");
    let feed = feed.to_str().unwrap();
    place.write("notes.txt", b"hello");
    place.arrays("x.npy", Format::Npy, &[("", Tensor::scalar(1f32))]);
    for (flags, status, words) in [
        (
            &["--op=trian", "--feed", feed][..],
            15,
            "an Operation not in the graph; did you mean 'train'?",
        ),
        (&["--op=train", "--feed", feed, "--fetch=zzz:0"], 15, "exist in the graph; of its"),
        (&["--op=train"], 13, "'features'"),
        (&["--op=train"], 13, "; --feed FILE.npz gives values"),
        (&["--op=train", "--feed", "x.npy"], 25, "x.npy: is a single array without a name"),
        (&["--op=train", "--feed", "notes.txt"], 25, "notes.txt: is no .npz file"),
        (&["--op=train", "--feed", feed, "--out=notes.txt"], 16, "notes.txt is no directory"),
        (&["--op=train", "--feed", feed, "--curve=none/c.svg"], 15, "no folder none for --curve"),
    ] {
        let run = train(&place, &[flags, &["--steps=1"]].concat());
        assert_eq!((run.status, run.stdout.as_str()), (status, ""), "{flags:?} {run:?}");
        assert!(run.stderr.contains(words), "{flags:?}: {words:?} is not in {}", run.stderr);
    }
    let none = place.flowkeep(&["train", "--checkpoint", "m", "--op=train", "--steps=1"]);
    assert_eq!(none.status, 15, "{none:?}");
    assert!(none.stderr.contains("give the MetaGraph with --meta"), "{none:?}");
}

#[test]
fn batches_that_do_not_fit_are_told() {
    let place = Place::new();
    let zeros = |dtype, dims: &[usize]| Tensor::zeros(dtype, dims.to_vec()).unwrap();
    let labels = || ("labels:0", zeros(DType::I32, &[2, 8]));
    let words = || ("words:0", zeros(DType::I64, &[2, 8, 3]));
    place.arrays(
        "rows.npz",
        Format::Npz,
        &[("features:0", zeros(DType::F32, &[2, 7, 6])), labels(), words()],
    );
    let run = train(&place, &["--op=train", "--steps=1", "--feed=rows.npz"]);
    assert_ne!(run.status, 0, "{run:?}");
    let rows = "different numbers of rows: 7 of features:0, 8 of labels:0, 8 of words:0";
    assert!(run.stderr.contains(rows), "{run:?}");
    place.arrays(
        "both.npz",
        Format::Npz,
        &[("features:0", zeros(DType::Complex64, &[2, 8, 5])), labels(), words()],
    );
    let run = train(&place, &["--op=train", "--steps=1", "--feed=both.npz"]);
    assert_eq!(run.status, 13, "{run:?}");
    for word in ["both.npz: features:0 is of type float32", "complex64", "[2,8,5] instead of [?,6]"]
    {
        assert!(run.stderr.contains(word), "{word} {run:?}");
    }
    place.arrays("shape.npz", Format::Npz, &[("features:0", zeros(DType::F64, &[2, 8, 5]))]);
    let run = train(&place, &["--op=train", "--steps=1", "--feed=shape.npz"]);
    assert_eq!(run.status, 13, "{run:?}");
    for word in ["shape (2, 8, 5)", "(None, None, 6)", "it is of type float64, not float32"] {
        assert!(run.stderr.contains(word), "{word} {run:?}");
    }
}

#[test]
fn a_checkpoint_of_another_model_leads_to_the_plan() {
    let place = Place::new();
    let at = |name: &str| fixtures().join(name).to_str().unwrap().to_owned();
    let (meta, feed) = (at("training/model.ckpt-10.meta"), at("training/later.npz"));
    for other in ["bundles/one", "object_graphs/keras"] {
        let other = at(other);
        let train = ["train", "--op=train", "--steps=1", "--meta", &meta, "--feed", &feed];
        let words = ["hidden/bias", "'flowkeep ckpt plan CHECKPOINT GRAPH' shows"];
        place.fails(&[&train[..], &["--checkpoint", &other]].concat(), 15, &words);
        place.fails(&["convert", &meta, "new", "--checkpoint", &other], 15, &words);
        assert!(!place.path("new").exists());
    }
}

#[cfg(unix)]
#[test]
fn arguments_that_are_no_text_are_named() {
    use std::os::unix::ffi::OsStrExt as _;
    use std::process::Command;

    let place = Place::new();
    let word = std::ffi::OsStr::from_bytes(b"x=\xff.npy");
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowkeep"));
    let output = command.args(["run", "--dir", &place.text("m"), "--inputs"]).arg(word).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("invalid UTF-8") && stderr.contains("number 5, \"x=\\xFF.npy\""),
        "{stderr}"
    );
}
