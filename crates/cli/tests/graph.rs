//! `flowkeep graph`: flags, text, JSON and exit status. What the commands do is tested with the library.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use common::{Run, fixtures, flowkeep, flowkeep_in, models};
use serde_json::{Value, json};

/// Runs `flowkeep graph` in the folder of the fixture graphs.
fn graph(args: &[&str]) -> Run {
    flowkeep_in(&fixtures().join("graph_views"), &[&["graph"], args].concat())
}

/// Asserts success without a word on standard error.
fn ok(args: &[&str]) -> Run {
    let run = graph(args);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{args:?}");
    run
}

fn facts() -> Value {
    let path = fixtures().join("graph_views/facts.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn bytes(name: &str) -> Vec<u8> {
    fs::read(fixtures().join("graph_views").join(name)).unwrap()
}

#[test]
fn summaries_are_those_that_python_finds() {
    for (name, facts) in facts().as_object().unwrap() {
        let found = ok(&["summary", "--format=json", &format!("{name}.meta")]).json();
        for key in ["nodes", "depth"] {
            assert_eq!(found[key], facts[key], "{name} {key}");
        }
        let ops: BTreeMap<&str, &Value> = found["ops"]
            .as_array()
            .unwrap()
            .iter()
            .map(|op| (op["op"].as_str().unwrap(), &op["nodes"]))
            .collect();
        assert_eq!(json!(ops), facts["ops"], "{name}");
        for input in found["inputs"].as_array().unwrap() {
            let expected = &facts["inputs"][input["name"].as_str().unwrap()];
            assert_eq!(input["dtype"], expected[0], "{name}");
            let shape = expected[1].to_string().replace("null,", "-1,").replace("[null", "[-1");
            assert_eq!(input["shape"].to_string(), shape, "{name}");
        }
        let bytes = facts["variables"].as_object().unwrap().values();
        let bytes: u64 = bytes.filter_map(|variable| variable["bytes"].as_u64()).sum();
        assert_eq!(found["parameters"]["bytes"], json!(bytes), "{name}");
        let functions = found["functions"].as_array().unwrap();
        assert_eq!(functions.len(), facts["functions"].as_object().unwrap().len(), "{name}");
    }
}

#[test]
fn summaries_read_well() {
    let run = ok(&["summary", "dense.meta"]);
    for line in [
        "dense.meta (a MetaGraph)",
        "114 nodes, 34 ops, depth 24; graph version 2474",
        "7 variables, 273 parameters, 1.1 KiB",
        "inputs (4)",
        "  x              Placeholder             float32 [32,12]",
        "   6  MatMul                  24,576 FLOPs",
        "  and 14 more (--all)",
    ] {
        assert!(run.stdout.lines().any(|found| found == line), "{line}\n{}", run.stdout);
    }
    let all = ok(&["summary", "dense.meta", "--all"]);
    assert!(!all.stdout.contains("more (--all)") && all.stdout.contains("  1  Softmax"));
    let conv =
        |args: &[&str]| ok(&[&["summary", "conv.meta", "--format=json"], args].concat()).json();
    assert_eq!(conv(&[])["flops"]["unknown_nodes"], json!(2));
    // A layout that is not counted stays so.
    assert_eq!(conv(&["--batch=8"])["flops"]["unknown_nodes"], json!(1));
}

#[test]
fn every_kind_of_file_is_taken_and_functions_are_looked_into() {
    let nodes = |args: &[&str]| {
        let run = ok(&[&["summary", "--format=json"], args].concat()).json();
        (run["graph"].as_str().unwrap().to_owned(), run["nodes"].as_u64().unwrap())
    };
    assert_eq!(nodes(&["values.pb"]), ("values.pb (a GraphDef)".into(), 74));
    assert_eq!(nodes(&["values.pbtxt"]), ("values.pbtxt (a GraphDef)".into(), 74));
    assert_eq!(nodes(&["values.meta.pbtxt"]), ("values.meta.pbtxt (a MetaGraph)".into(), 74));
    let (found, n) = nodes(&["model.saved_model.pb", "--tags", "gpu,train"]);
    assert!(found.ends_with("(the MetaGraph 'train, gpu' of a SavedModel)") && n == 114, "{found}");
    assert_eq!(nodes(&["model.saved_model.pb"]).1, 74);
    let model = models().join("half_plus_two_tf2");
    assert_eq!(nodes(&[model.to_str().unwrap()]).1, 13);
    assert_eq!(nodes(&["functions.meta", "--function=__inference_poly_369"]).1, 7);

    let run = graph(&["summary", "functions.meta", "--function=poly"]);
    assert_eq!(run.status, 15, "{run:?}");
    assert!(run.stderr.contains("has no function poly; but __inference_poly_369"), "{run:?}");
    let run = graph(&["summary", "model.saved_model.pb", "--tags=none"]);
    assert_eq!(run.status, 15, "{run:?}");
    let run = graph(&["summary", "values.pb", "--tags=serve"]);
    assert_eq!(run.status, 13, "{run:?}");
    let run = graph(&["summary", "generate.py", "--format=json"]);
    assert_eq!((run.status, &run.json()["error"]["code"]), (25, &json!("DATA_LOSS")), "{run:?}");
    assert_eq!(graph(&["summary", "nowhere.pb"]).status, 15);
}

#[test]
fn nodes_are_shown_with_their_neighbours() {
    let run = ok(&["show", "dense.meta", "--node=logits", "--node", "layer/w:0"]);
    for line in [
        "node   logits",
        "  0  a  hidden:0                 float32 [32,8]  Relu",
        "  transpose_a  bool  false     (default)",
        "op    VariableV2 (stateful)",
        "                                         -> save/SaveV2 (SaveV2), input 8",
    ] {
        let found = run.stdout.lines().any(|found| found.trim() == line.trim());
        assert!(found, "{line}\n{}", run.stdout);
    }
    let found = ok(&["show", "loop.pb", "--node=outer/Merge", "--format=json"]).json();
    let node = &found["nodes"][0];
    assert_eq!(node["inputs"][1]["back_edge"], json!(true));
    assert_eq!(node["inputs"][1]["argument"], json!("inputs[1]"));
    let run = ok(&["show", "values.pb", "--node=bytes"]);
    assert!(run.stdout.ends_with("value\n[[0 1 2]\n [3 4 5]]\n"), "{}", run.stdout);
    let run = graph(&["show", "dense.meta", "--node=nope"]);
    assert_eq!(run.status, 15, "{run:?}");
    assert!(run.stderr.contains("'nope'"), "{run:?}");
    assert_eq!(graph(&["show", "dense.meta"]).status, 2);
}

#[test]
fn paths_answer_with_the_exit_status() {
    let run = ok(&["path", "dense.pb", "x", "probabilities"]);
    let nodes: Vec<_> =
        run.stdout.lines().skip(2).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(nodes, ["x", "MatMul", "BiasAdd", "hidden", "logits", "probabilities"]);
    let found = ok(&["path", "dense.pb", "x", "Momentum", "--all", "--limit=5", "--format=json"]);
    let found = found.json();
    assert_eq!(
        (found["n_paths"].as_u64(), found["paths"].as_array().unwrap().len()),
        (Some(67), 5)
    );
    let run = graph(&["path", "dense.pb", "loss", "x"]);
    assert_eq!((run.status, run.stderr.as_str()), (1, ""));
    assert!(run.stdout.contains("no path from loss to x, but one in the other direction"));
    assert_eq!(graph(&["path", "dense.pb", "x", "Momentum", "--data_only"]).status, 1);
    let run = ok(&["path", "loop.pb", "outer/NextIteration", "outer/Identity"]);
    assert!(run.stdout.contains("but around loops"), "{}", run.stdout);
    assert_eq!(graph(&["path", "dense.pb", "x", "nope"]).status, 2);
    assert_eq!(graph(&["path", "nowhere.pb", "x", "y"]).status, 2);
}

#[test]
fn differences_answer_with_the_exit_status() {
    for other in ["dense.pbtxt", "dense.meta"] {
        let run = ok(&["diff", "dense.pb", other]);
        assert!(run.stdout.ends_with("\n114 nodes the same\n"), "{}", run.stdout);
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("other.pbtxt");
    let text = String::from_utf8(bytes("dense.pbtxt")).unwrap();
    let text =
        text.replace("\"hidden\"", "\"features\"").replace("op: \"Softmax\"", "op: \"LogSoftmax\"");
    fs::write(&path, text.replace("producer: 2474", "producer: 2000")).unwrap();
    let path = path.to_str().unwrap();
    let run = graph(&["diff", "dense.pb", path]);
    assert_eq!((run.status, run.stderr.as_str()), (1, ""));
    for line in [
        "~ hidden => features (Relu)",
        "~ probabilities (LogSoftmax)",
        "    op: Softmax => LogSoftmax",
        "~ version producer: 2474 => 2000",
        "112 nodes the same, 1 changed, 1 renamed",
    ] {
        assert!(run.stdout.lines().any(|found| found == line), "{line}\n{}", run.stdout);
    }
    let flags = ["--ignore-names", "--ignore-versions", "--format=json"];
    let found = graph(&[&["diff", "dense.pb", path], &flags[..]].concat()).json();
    assert_eq!(found["nodes"].as_array().unwrap().len(), 1, "{found:?}");
    assert_eq!(found["nodes"][0]["changes"][0]["what"], json!("op"));
    assert_eq!(found["same"], json!(false));

    let model = "model.saved_model.pb";
    assert_eq!(ok(&["diff", model, model]).status, 0);
    let run = graph(&["diff", model, model, "--tags=serve", "--second-tags=train,gpu"]);
    assert_eq!(run.status, 1, "{run:?}");
    assert!(run.stdout.lines().any(|line| line == "~ tags"), "{run:?}");
    assert_eq!(graph(&["diff", "dense.pb", "nowhere.pb"]).status, 2);
}

#[test]
fn drawings_have_clusters_and_keep_to_the_focus() {
    let run = ok(&["dot", "loop.pb", "--depth=1"]);
    assert!(run.stdout.starts_with("digraph \"loop.pb (a GraphDef)\" {\n"), "{}", run.stdout);
    assert!(run.stdout.ends_with("\n}\n"));
    let opened = run.stdout.matches("subgraph cluster_").count();
    assert!(opened >= 2, "{}", run.stdout);
    assert_eq!(run.stdout.matches('{').count(), run.stdout.matches('}').count());
    assert!(run.stdout.contains("style=bold constraint=false"), "{}", run.stdout);
    let run = graph(&["dot", "dense.pb", "--focus=logits", "--radius=1", "--format=json"]);
    assert_eq!(run.status, 0, "{run:?}");
    let found = run.json();
    assert!(found["hidden_nodes"].as_u64().unwrap() > 90, "{found}");
    assert!(run.stderr.contains("are farther away"), "{run:?}");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.dot");
    let output = format!("--output={}", path.display());
    assert_eq!(ok(&["dot", "loop.pb", &output]).stdout, "");
    assert_eq!(graph(&["dot", "loop.pb", &output]).status, 16);
    assert_eq!(ok(&["dot", "loop.pb", &output, "--overwrite"]).status, 0);
    assert_eq!(fs::read_to_string(path).unwrap(), ok(&["dot", "loop.pb"]).stdout);
}

#[test]
fn files_are_converted_to_tensorflows_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    for (binary, text) in [
        ("dense.pb", "dense.pbtxt"),
        ("functions.meta", "functions.meta.pbtxt"),
        ("model.saved_model.pb", "model.saved_model.pbtxt"),
    ] {
        for (to, from, expected) in [("text", binary, text), ("binary", text, binary)] {
            let dst = path(expected);
            let run = ok(&["convert", &format!("--to={to}"), from, &dst]);
            assert!(run.stdout.starts_with(&dst), "{run:?}");
            assert!(fs::read(&dst).unwrap() == bytes(expected), "{from} to {to}");
        }
    }
    let dst = path("dense.pb");
    let run = graph(&["convert", "--to=text", "loop.pb", &dst]);
    assert_eq!((run.status, run.stdout.as_str()), (16, ""));
    assert!(fs::read(&dst).unwrap() == bytes("dense.pb"), "nothing is replaced unasked");
    let json =
        ok(&["convert", "--to=text", "loop.pb", &dst, "--overwrite", "--format=json"]).json();
    assert_eq!(json["written"]["kind"], json!("GraphDef"));
    assert!(fs::read(&dst).unwrap() == bytes("loop.pbtxt"));
    assert_eq!(graph(&["convert", "--to=xml", "loop.pb", "-"]).status, 2);
    let run = graph(&["convert", "--to=binary", "generate.py", &path("none")]);
    assert_eq!(run.status, 25, "{run:?}");
    assert!(!dir.path().join("none").exists());
}

#[test]
fn standard_input_and_output_are_files_too() {
    let piped = |args: &[&str], input: &[u8]| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_flowkeep"))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{args:?}");
        output.stdout
    };
    let text = piped(&["graph", "convert", "--to=text", "-", "-"], &bytes("values.pb"));
    assert!(text == bytes("values.pbtxt"));
    let binary = piped(&["graph", "convert", "--to=binary", "-", "-"], &text);
    assert!(binary == bytes("values.pb"));
    let summary = piped(&["graph", "summary", "-"], &text);
    assert!(summary.starts_with(b"- (a GraphDef)\n74 nodes"));
}

#[test]
fn the_command_is_listed() {
    let run = flowkeep(&["--help"]);
    assert!(run.stdout.contains(" Look into graphs, compare, convert and edit them"), "{run:?}");
    for command in ["summary", "show", "path", "diff", "dot", "convert"] {
        let run = ok(&[command, "--help"]);
        assert!(run.stdout.contains("Examples:\n  flowkeep graph "), "{run:?}");
    }
}
