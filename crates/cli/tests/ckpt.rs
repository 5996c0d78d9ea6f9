//! `flowkeep ckpt`: flags, text, JSON and exit status. What the commands do is tested with the toolkit.

mod common;

use std::path::Path;

use common::{Run, fixtures, flowkeep, flowkeep_in};
use serde_json::{Value, json};

/// Runs `flowkeep ckpt` in the folder of the fixtures.
fn ckpt(args: &[&str]) -> Run {
    flowkeep_in(&fixtures(), &[&["ckpt"], args].concat())
}

fn fixture(path: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(fixtures().join(path)).unwrap()).unwrap()
}

/// A folder, and paths in it.
struct Scratch(tempfile::TempDir);

impl Scratch {
    fn new() -> Scratch {
        Scratch(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// A checkpoint of the fixtures with one byte of its data changed.
    fn damaged(&self, fixture: &str) -> String {
        let prefix = self.path("damaged");
        for ending in ["index", "data-00000-of-00001"] {
            let mut bytes = std::fs::read(fixtures().join(format!("{fixture}.{ending}"))).unwrap();
            if ending != "index" {
                bytes[0] ^= 1;
            }
            std::fs::write(format!("{prefix}.{ending}"), bytes).unwrap();
        }
        prefix
    }
}

/// Asserts success without a word on standard error.
fn ok(args: &[&str]) -> Run {
    let run = ckpt(args);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{args:?}");
    run
}

#[test]
fn the_compatible_form_of_cat_prints_what_tensorflow_prints() {
    let cases = fixture("inspect/cases.json");
    let cases = cases.as_array().unwrap();
    assert!(cases.len() > 150);
    for case in cases {
        let mut args = vec!["cat".to_owned(), "--compat".to_owned()];
        for arg in case["args"].as_array().unwrap() {
            // Values of flags that need none are given with `=` alone.
            match arg.as_str().unwrap() {
                value @ ("true" | "false" | "yes") => {
                    *args.last_mut().unwrap() += &format!("={value}")
                }
                arg => args.push(arg.to_owned()),
            }
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let (run, expected) = (ckpt(&args), case["out"].as_str().unwrap());
        if args.iter().any(|arg| arg.ends_with("=yes")) {
            // TensorFlow takes this for false.
            assert_eq!(run.status, 2, "{args:?}");
            continue;
        }
        // TensorFlow lists the tensors of V1 checkpoints in no order.
        let sorted = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        match args.len() == 3 {
            true => assert_eq!(sorted(&run.stdout), sorted(expected), "{args:?}"),
            false => assert_eq!(run.stdout, expected, "{args:?}"),
        }
        assert_eq!(i64::from(run.status), case["status"].as_i64().unwrap(), "{args:?}");
    }
}

#[test]
fn ls_lists_what_tensorflow_wrote() {
    let bundles = fixture("bundles/bundles.json");
    for bundle in ["big_endian", "dtypes", "one", "sharded", "strings"] {
        let tensors = &bundles[bundle];
        let listed = ok(&["ls", "--format=json", &format!("bundles/{bundle}")]).json();
        let listed = listed["tensors"].as_array().unwrap();
        assert!(!listed.is_empty(), "{bundle}");
        for tensor in listed {
            let name = tensor["name"].as_str().unwrap();
            assert_eq!(tensor["shape"], tensors[name]["shape"], "{bundle}: {name}");
            let n_elements = tensor["shape"].as_array().unwrap().iter();
            let n_elements: i64 = n_elements.map(|dim| dim.as_i64().unwrap()).product();
            assert_eq!(tensor["elements"], json!(n_elements), "{bundle}: {name}");
        }
    }
    let run = ok(&["ls", "bundles/dtypes", "*int16", "--sort=name", "--reverse", "--exact"]);
    let lines: Vec<Vec<&str>> =
        run.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[2], ["uint16", "uint16", "[1]", "1", "2"], "{}", run.stdout);
    assert_eq!(lines[3], ["int16", "int16", "[2]", "2", "4"], "{}", run.stdout);
    assert_eq!(run.stdout.lines().nth(4), Some("2 tensors, 3 elements, 6"));
}

#[test]
fn every_spelling_of_a_checkpoint_is_found() {
    let directory = "half_plus_two_tf2";
    for path in [
        format!("{directory}/variables/variables"),
        format!("{directory}/variables/variables.index"),
        format!("{directory}/variables/variables.data-00000-of-00001"),
        format!("{directory}/variables"),
        directory.to_owned(),
    ] {
        let listed = flowkeep(&["ckpt", "ls", "--format=json", &path]).json();
        assert_eq!(listed["tensors"].as_array().unwrap().len(), 3, "{path}");
    }
    let run = ckpt(&["ls", "no/such"]);
    assert_eq!(run.status, 15, "{run:?}");
    assert!(run.stderr.contains("no/such"), "{run:?}");
    let run = ckpt(&["ls", "--format=json", "no/such"]);
    assert_eq!(run.json()["error"]["code"], "NOT_FOUND", "{run:?}");
}

#[test]
fn cat_prints_parts_raw_bytes_and_json() {
    let grid = fixture("bundles/bundles.json")["dtypes"]["int32"]["hex"].clone();
    let raw = flowkeep_raw(&["ckpt", "cat", "--raw", "bundles/dtypes", "int32"]);
    let hex: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(json!(hex), grid);
    let run = ok(&["cat", "bundles/dtypes", "int32[1, ::-2]", "scalar"]);
    assert_eq!(
        run.stdout,
        "tensor: int32[1,::-2] (int32) [2]\n[1 2]\ntensor: scalar (float32) []\n42.0\n"
    );
    let run = ok(&["cat", "bundles/dtypes", "int32[:, 0]", "--format=json"]);
    let expected = json!({"dtype": "int32", "shape": [2], "value": [0, 2]});
    assert_eq!(run.json()["tensors"]["int32[:,0]"], expected, "{}", run.stdout);
    let run = ckpt(&["cat", "bundles/dtypes", "scalr"]);
    assert_eq!((run.status, run.stdout.as_str()), (15, ""));
    assert_eq!(
        run.stderr,
        "flowkeep: Key scalr not found in checkpoint; bundles/dtypes (V2) has 29 tensors; the nearest name is scalar; \
         'flowkeep ckpt ls bundles/dtypes' lists them\n"
    );
    assert_eq!(ckpt(&["cat", "bundles/dtypes", "int32[7]"]).status, 13);
    assert_eq!(ckpt(&["cat", "bundles/dtypes"]).status, 13);
}

/// What a successful command prints, as bytes.
fn flowkeep_raw(args: &[&str]) -> Vec<u8> {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_flowkeep"))
        .args(args)
        .current_dir(fixtures())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

#[test]
fn verify_exits_like_a_question() {
    let scratch = Scratch::new();
    let run = ok(&["verify", "bundles/dtypes", "savers/v1_whole"]);
    assert_eq!(run.stdout.lines().count(), 2, "{}", run.stdout);
    assert!(run.stdout.lines().all(|line| line.ends_with("checked, sound")), "{}", run.stdout);
    let damaged = scratch.damaged("bundles/one");
    let run = ckpt(&["verify", &damaged]);
    assert_eq!((run.status, run.stderr.as_str()), (1, ""));
    assert!(run.stdout.starts_with("damaged: v: "), "{}", run.stdout);
    assert!(run.stdout.contains("Checksum does not match"), "{}", run.stdout);
    let run = ckpt(&["verify", "--format=json", "bundles/one", &damaged]);
    assert_eq!(run.status, 1);
    let checkpoints = &run.json()["checkpoints"];
    assert_eq!((&checkpoints[0]["sound"], &checkpoints[1]["sound"]), (&json!(true), &json!(false)));
    assert_eq!(checkpoints[1]["damaged"][0]["name"], "v");
    let run = ckpt(&["verify", "no/such"]);
    assert_eq!(run.status, 2, "{run:?}");
    assert_eq!(ckpt(&["verify"]).status, 2);
}

#[test]
fn salvage_copies_what_is_intact() {
    let scratch = Scratch::new();
    let (damaged, whole) = (scratch.damaged("bundles/strings"), scratch.path("whole"));
    let run = ckpt(&["salvage", &damaged, &whole]);
    assert_eq!((run.status, scratch.names().len()), (25, 2), "{run:?}");
    assert!(run.stderr.ends_with("damaged (V2) is intact\n"), "{run:?}");
    let damaged = scratch.damaged("bundles/dtypes");
    let (salvaged, all) = (scratch.path("salvaged"), fixture("bundles/bundles.json"));
    let run = ckpt(&["salvage", "--format=json", &damaged, &salvaged]);
    assert_eq!(run.status, 0, "{run:?}");
    let n_all = all["dtypes"].as_object().unwrap().len();
    assert_eq!(run.json()["written"]["tensors"], json!(n_all - 1), "{}", run.stdout);
    assert_eq!(ckpt(&["verify", &salvaged]).status, 0);
}

#[test]
fn edits_write_a_checkpoint_and_say_so() {
    let scratch = Scratch::new();
    let source = "object_graphs/keras";
    let pruned = scratch.path("pruned");
    let run = ok(&["prune", "--slots", "--format=json", source, &pruned]);
    let (document, listed) = (run.json(), ok(&["ls", "--format=json", &pruned]).json());
    let n_written = listed["tensors"].as_array().unwrap().len();
    assert_eq!(document["written"]["tensors"], json!(n_written), "{}", run.stdout);
    let before = scratch.names();
    ok(&["prune", "--slots", "--dry-run", source, &scratch.path("none")]);
    assert_eq!(scratch.names(), before);

    let renamed = scratch.path("renamed");
    ok(&["rename", "--sub", "int(\\d+)", "i$1", "bundles/dtypes", &renamed]);
    assert_eq!(ok(&["cat", &renamed, "i32[0]"]).stdout, "[ 0  1 -1]\n");
    let half = scratch.path("half");
    ok(&["cast", "--to", "f16", "bundles/one", &half]);
    assert_eq!(
        ok(&["cat", "--format=json", &half, "v"]).json()["tensors"]["v"]["dtype"],
        "float16"
    );
    let mean = scratch.path("mean");
    ok(&["avg", "--weights", "1,3", &half, &half, &mean]);
    assert_eq!(ok(&["cat", &mean, "v"]).stdout, "[1. 2.]\n");
    let run = ckpt(&["avg", "bundles/one", "bundles/strings", &scratch.path("never")]);
    assert_eq!(run.status, 13, "{run:?}");
    let merged = scratch.path("merged");
    ok(&["merge", "bundles/one", "bundles/strings", &merged]);
    assert_eq!(ok(&["ls", "--format=json", &merged]).json()["totals"]["tensors"], json!(2));
    let shards = scratch.path("shards");
    ok(&["split", "--shards", "3", "bundles/dtypes", &shards]);
    assert!(scratch.names().contains(&"shards.data-00002-of-00003".to_owned()));
    assert_eq!(ckpt(&["verify", &shards]).status, 0);
    assert_eq!(ckpt(&["reshard", "bundles/dtypes", &shards]).status, 2);
}

#[test]
fn conversions_come_back() {
    let scratch = Scratch::new();
    let model = "saved_models/mnist_softmax";
    let expected = ok(&["cat", "--all-tensors", model]).stdout;
    assert!(!expected.is_empty());
    let mut previous = model.to_owned();
    for (format, name) in [
        ("npz", "w.npz"),
        ("safetensors", "w.safetensors"),
        ("v1", "v1.ckpt"),
        ("raw", "folder"),
        ("v2", "v2.ckpt"),
    ] {
        let path = scratch.path(name);
        ok(&["convert", "--to", format, &previous, &path]);
        assert_eq!(ok(&["cat", "--all-tensors", &path]).stdout, expected, "{format}");
        previous = path;
    }
    let strings = scratch.path("strings.safetensors");
    let run = ckpt(&["convert", "--to=safetensors", "bundles/strings", &strings]);
    assert_eq!(run.status, 22, "{run:?}");
    assert!(run.stderr.contains("s: "), "{run:?}");
    assert!(!Path::new(&strings).exists());
    let run = ok(&["convert", "--to=safetensors", "--skip", "bundles/strings", &strings]);
    assert!(run.stdout.starts_with("left out: s ("), "{}", run.stdout);
}

#[test]
fn nothing_is_replaced_unasked() {
    let scratch = Scratch::new();
    let path = scratch.path("model");
    ok(&["convert", "--to", "v2", "bundles/one", &path]);
    let files = scratch.names();
    let run = ckpt(&["convert", "--to", "v2", "bundles/strings", &path]);
    assert_eq!(run.status, 16, "{run:?}");
    assert_eq!((ok(&["cat", &path, "v"]).stdout.as_str(), scratch.names()), ("[1. 2.]\n", files));
    ok(&["convert", "--to", "v2", "--overwrite", "bundles/strings", &path]);
    assert_eq!(ok(&["ls", "--format=json", &path]).json()["totals"]["tensors"], json!(1));
    // A checkpoint can replace the one it is made of.
    ok(&["rename", "--sub", "^s$", "t", "--overwrite", "--no_sync", &path, &path]);
    assert_eq!(ok(&["cat", &path, "t"]).stdout, "[b'ab' b'xyz']\n");
}

#[test]
fn plan_answers_whether_everything_would_be_restored() {
    let run = ok(&["plan", "plans/good", "plans/ref.meta"]);
    assert!(run.stdout.ends_with("3 of 3 tensors restored\n"), "{}", run.stdout);
    let run = ckpt(&["plan", "plans/typo", "plans/ref.meta"]);
    assert_eq!((run.status, run.stderr.as_str()), (1, ""));
    assert!(run.stdout.contains("nearest: dense/kernal\n"), "{}", run.stdout);
    let run = ckpt(&["plan", "--format=json", "plans/typo", "plans/ref.meta"]);
    let document = run.json();
    assert_eq!((run.status, &document["ok"]), (1, &json!(false)));
    assert_eq!(document["tensorflow_error"], "Key dense/bias not found in checkpoint");
    let kernel = &document["tensors"][1];
    assert_eq!(kernel["nearest"], json!([{"name": "dense/kernal", "fits": true}]));
    assert_eq!(document["unused"].as_array().unwrap().len(), 3);
    assert_eq!(ckpt(&["plan", "plans/none", "plans/ref.meta"]).status, 2);
    let model = "saved_models/half_plus_two_tf2";
    let run = ckpt(&["plan", "plans/good", model, "--tags", "train"]);
    assert_eq!(run.status, 2, "{run:?}");
    assert!(run.stderr.contains("tag-set"), "{run:?}");
}

#[test]
fn stat_says_what_is_in_tensors() {
    // TensorFlow wrote 0 to 11 there.
    let run = ok(&["stat", "bundles/partitioned", "w", "--format=json", "--hist", "--bins=3"]);
    let document = run.json();
    let w = &document["tensors"][0];
    assert_eq!((&w["min"], &w["max"], &w["mean"]), (&json!(0.0), &json!(11.0), &json!(5.5)));
    assert_eq!((&w["zeros"], &w["nan"], &w["elements"]), (&json!(1), &json!(0), &json!(12)));
    assert_eq!(w["histogram"]["counts"], json!([4, 4, 4]));
    assert_eq!(document["totals"]["parameters"], json!(12));

    let run =
        ok(&["stat", "bundles/partitioned", "w", "--hist", "--ascii", "--range=-1,5", "--bins=2"]);
    assert!(run.stdout.contains("above 5"), "{}", run.stdout);
    assert!(run.stdout.contains("##"), "{}", run.stdout);
    assert!(run.stdout.ends_with("1 tensor, 12 parameters, 48 B, 8.33% zeros\n"), "{}", run.stdout);

    let scratch = Scratch::new();
    let svg = scratch.path("all.svg");
    let run = ok(&["stat", "bundles/partitioned", "--svg", &svg]);
    assert!(!run.stdout.contains(".."), "a picture was asked for, and no text: {}", run.stdout);
    let svg = std::fs::read_to_string(svg).unwrap();
    assert_eq!(svg.matches("<svg ").count(), 3, "one for each of two tensors, and one around them");
    assert_eq!(svg.matches("</svg>").count(), 3);

    let damaged = scratch.damaged("bundles/one");
    let run = ckpt(&["stat", &damaged]);
    assert_eq!(run.status, 25, "{run:?}");
    assert!(run.stdout.contains("damaged: "), "{run:?}");
    for wrong in ["--bins=0", "--range=1", "--range=a,b", "--range=2,1"] {
        assert_ne!(ckpt(&["stat", "bundles/one", "--hist", wrong]).status, 0, "{wrong}");
    }
}

#[test]
fn the_status_of_diff_is_that_of_diff() {
    let scratch = Scratch::new();
    let (copy, cast) = (scratch.path("copy.safetensors"), scratch.path("cast"));
    ok(&["convert", "--to=safetensors", "bundles/partitioned", &copy]);
    let run = ok(&["diff", "bundles/partitioned", &copy]);
    assert!(run.stdout.ends_with("2 of 2 tensors the same\n"), "{}", run.stdout);

    let run = ckpt(&["diff", "bundles/partitioned", "bundles/one", "--format=json"]);
    assert_eq!(run.status, 1, "{run:?}");
    let document = run.json();
    assert_eq!(document["same"], json!(false));
    assert_eq!(document["totals"]["only_in_first"], json!(2));
    assert_eq!(document["tensors"][0]["outcome"], json!("only_in_second"));

    ok(&["cast", "--to=bf16", "../models/mnist/1", &cast]);
    let other_type = ckpt(&["diff", "../models/mnist/1", &cast]);
    assert_eq!(other_type.status, 1, "{other_type:?}");
    assert!(other_type.stdout.contains("float32 [64,10] and bfloat16 [64,10]"), "{other_type:?}");
    // bfloat16 has eight significant bits.
    for (rtol, status) in [("0.00390626", 0), ("0.0001", 1)] {
        let run = ckpt(&["diff", "--any-type", "--rtol", rtol, "../models/mnist/1", &cast]);
        assert_eq!(run.status, status, "{run:?}");
    }

    let damaged = scratch.damaged("bundles/one");
    let run = ckpt(&["diff", "bundles/one", &damaged]);
    assert_eq!(run.status, 2, "{run:?}");
    assert!(run.stdout.contains("damaged"), "{run:?}");
    for wrong in [["bundles/one", "no/such"].as_slice(), &["bundles/one"], &["a", "b", "--rtol=-1"]]
    {
        assert_eq!(ckpt(&[&["diff"], wrong].concat()).status, 2, "{wrong:?}");
    }
}
