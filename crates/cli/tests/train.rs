//! `flowkeep train`: a training that TensorFlow has begun, gone on with, interrupted, killed.

mod common;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{Run, fixtures, flowkeep, flowkeep_in};
use flowkeep_ckpt::Error;
use flowkeep_ckpt::interchange::{Format, TensorSpec, WriterOptions, write};
use flowkeep_tensor::{DType, Shape, Tensor};
use serde_json::Value;

fn folder() -> PathBuf {
    fixtures().join("training")
}

/// Runs `flowkeep train` in the folder of the fixture.
fn train(args: &[&str]) -> Run {
    let common =
        ["train", "--meta=model.ckpt-10.meta", "--fetch=loss:0", "--threads=1", "--no-sync"];
    flowkeep_in(&folder(), &[&common, args].concat())
}

/// Steps and losses of lines of JSON; a line that was cut off counts for nothing.
fn losses(stdout: &str) -> Vec<(i64, f64)> {
    let whole = stdout.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let loss = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        (line["step"].as_i64().unwrap(), line["values"]["loss:0"].as_f64().unwrap())
    };
    whole.map(loss).collect()
}

fn ok(args: &[&str]) -> Vec<(i64, f64)> {
    let run = train(&[args, &["--format=json", "--quiet"]].concat());
    assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{args:?} {}", run.stdout);
    losses(&run.stdout)
}

/// The losses of TensorFlow from one step to another.
fn golden(first: usize, last: usize) -> Vec<(i64, f64)> {
    let text = std::fs::read_to_string(folder().join("losses.json")).unwrap();
    let losses: Vec<f64> = serde_json::from_str(&text).unwrap();
    (first as i64 + 1..).zip(losses[first..last].iter().copied()).collect()
}

#[track_caller]
fn assert_near(got: &[(i64, f64)], want: &[(i64, f64)]) {
    assert_eq!(got.len(), want.len());
    for ((step, a), (wanted, b)) in got.iter().zip(want) {
        assert_eq!(step, wanted);
        assert!((a - b).abs() <= 1e-5 * b, "step {step}: {a} instead of {b}");
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_training_of_tensorflow_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let out = format!("--out={}", text(&dir.path().join("out")));
    let args = ["--checkpoint=model.ckpt-10", "--op=train_op", "--feed=later.npz", &out];
    let first = ok(&[&args[..], &["--steps=7", "--save-every=4"]].concat());
    assert_near(&first, &golden(10, 17));
    for name in ["checkpoint", "model.ckpt-14.index", "model.ckpt-17.index", "model.ckpt-17.meta"] {
        assert!(dir.path().join("out").join(name).exists(), "{name}");
    }
    // The same again, but further: what is done is done.
    let second = ok(&[&args[..], &["--steps=20"]].concat());
    assert_near(&second, &golden(17, 30));
    assert_eq!(ok(&[&args[..], &["--steps=20"]].concat()), []);
}

#[test]
fn initial_values_are_those_of_tensorflow() {
    assert_near(&ok(&["--op=train", "--feed=batches.npz", "--steps=10"]), &golden(0, 10));
}

#[test]
fn batches_begin_again_after_the_last() {
    let all = ["--checkpoint=model.ckpt-10", "--op=train", "--feed=later.npz"];
    let steps = ok(&[&all[..], &["--steps=25"]].concat());
    assert_near(&steps[..20], &golden(10, 30));
    assert_eq!(steps.len(), 25);
    assert!(steps[20..].iter().all(|(_, loss)| *loss < 1.0));
}

#[test]
fn the_curve_is_drawn() {
    let dir = tempfile::tempdir().unwrap();
    let svg = dir.path().join("loss.svg");
    let curve = format!("--curve={}", text(&svg));
    let args = ["--checkpoint=model.ckpt-10", "--op=train", "--feed=later.npz", "--steps=20"];
    let run = train(&[&args[..], &[&curve, "--ascii", "--width=40"]].concat());
    assert_eq!(run.status, 0, "{run:?}");
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines[0], "loss:0");
    assert_eq!(lines.len(), 13, "{}", run.stdout);
    assert!(lines[1..11].iter().any(|line| line.contains('*')));
    assert!(lines[11].trim().starts_with("11") && lines[11].ends_with("30"), "{}", lines[11]);
    assert!(lines[12].starts_with("step 30: 20 steps in "), "{}", lines[12]);
    assert!(run.stderr.contains("nothing will be saved"));
    let svg = std::fs::read_to_string(svg).unwrap();
    assert!(svg.starts_with("<svg ") && svg.contains("<title>loss:0</title>"));
}

#[test]
fn mistakes_are_found_before_the_first_step() {
    let cases = [
        (["--op=trian", "--feed=later.npz"], 15, "; collections of nodes: train_op"),
        (["--op=train", "--fetch=los:0"], 15, "did you mean 'loss'?"),
        (["--op=train", "--feed=losses.json"], 25, "losses.json"),
        (["--op=train", "--feed=missing.npz"], 15, "missing.npz"),
        (["--op=train", "--checkpoint=missing"], 15, "missing"),
        (["--op=train", "--init-op=inti"], 15, "inti"),
    ];
    for (args, status, what) in cases {
        let run = train(&[&args[..], &["--steps=3"]].concat());
        assert_eq!(run.status, status, "{args:?} {run:?}");
        assert!(run.stderr.contains(what), "{args:?} {run:?}");
        assert_eq!(run.stderr.lines().filter(|line| line.starts_with("flowkeep: ")).count(), 1);
    }
}

#[test]
fn errors_are_json_where_results_are() {
    let run = train(&["--op=trian", "--steps=1", "--format=json"]);
    assert_eq!(run.json()["error"]["code"], "NOT_FOUND");
    assert_eq!(flowkeep(&["train", "--meta=m", "--op=train"]).status, 2);
}

#[test]
fn batches_are_checked_before_the_first_step() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("odd.npz");
    let feed = format!("--feed={}", text(&path));
    let cases = [
        ("fetaures:0", DType::F32, &[2, 8, 6][..], 15, "did you mean 'features'?"),
        (
            "features:0",
            DType::F32,
            &[2, 8, 7],
            13,
            "(2, 8, 7) for Tensor features:0, which has shape (None, None, 6)",
        ),
        ("features:0", DType::F32, &[6], 13, "counting steps along the first axis"),
        ("features:0", DType::F32, &[], 13, "features:0"),
        ("features:0", DType::F32, &[0, 8, 6], 13, "has no steps"),
        ("features:0", DType::I64, &[2, 8, 6], 13, "features:0 is of type float32"),
        ("words:0", DType::F32, &[2, 8, 3], 13, "words:0 is of type int64"),
    ];
    for (name, dtype, dims, status, what) in cases {
        let spec = TensorSpec::new(name, dtype, Shape::new(dims));
        let options = WriterOptions { overwrite: true, ..WriterOptions::default() };
        let zeros = |spec: &TensorSpec| Ok::<_, Error>(Tensor::zeros(dtype, spec.shape.clone())?);
        write(&path, Format::Npz, &[spec], &options, zeros).unwrap();
        let run = train(&["--checkpoint=model.ckpt-10", "--op=train", "--steps=1", &feed]);
        assert_eq!(run.status, status, "{name} {dims:?} {run:?}");
        assert!(
            run.stderr.contains(what) && run.stderr.contains("odd.npz"),
            "{name} {dims:?} {run:?}"
        );
    }
}

/// A training that says each step when it is done.
fn start(args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_flowkeep"))
        .args(["train", "--meta=model.ckpt-10.meta", "--fetch=loss:0", "--threads=1", "--no-sync"])
        .args(args)
        .args(["--format=json", "--quiet"])
        .current_dir(folder())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The step of the latest checkpoint.
fn latest(dir: &Path) -> i64 {
    let latest = flowkeep_bundle::latest_checkpoint(dir, None).unwrap();
    let Some(latest) = latest else { return 10 };
    latest.to_str().unwrap().rsplit_once('-').unwrap().1.parse().unwrap()
}

#[test]
fn a_killed_training_loses_no_step_before_its_last_save() {
    const N: &str = "--steps=300";
    let args = ["--checkpoint=model.ckpt-10", "--op=train", "--feed=later.npz", N];
    let whole = ok(&args);
    assert_eq!(whole.len(), 300);
    let dir = tempfile::tempdir().unwrap();
    let out = format!("--out={}", text(dir.path()));
    let args = [&args[..], &[&out, "--save-every=3"]].concat();
    let (mut n_kills, mut done) = (0, 10);
    for round in 0u64.. {
        let mut child = start(&args);
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut lines = String::new();
        // Moments that are spread over the start, the steps and the saves.
        for _ in 0..round * 7 % 24 {
            stdout.read_line(&mut lines).unwrap();
        }
        std::thread::sleep(Duration::from_micros(round * 1700 % 9000));
        let is_over = child.try_wait().unwrap().is_some();
        child.kill().unwrap();
        child.wait().unwrap();
        while stdout.read_line(&mut lines).unwrap() > 0 {}
        let steps = losses(&lines);
        // It began where the last save was, each step is that of a training without kills, and of the
        // steps that it told of no more than those after a save are gone.
        for ((step, loss), expected) in steps.iter().zip(done + 1..) {
            assert_eq!(*step, expected);
            assert_eq!((*step, *loss), whole[usize::try_from(step - 11).unwrap()]);
        }
        let saved = latest(dir.path());
        let told = steps.last().map_or(done, |(step, _)| *step);
        assert!((0..=3).contains(&(told - saved)), "step {told} was done, {saved} saved");
        done = saved;
        if is_over || done >= 250 {
            break;
        }
        n_kills += 1;
    }
    assert!(n_kills > 2, "{n_kills}");
    let end = ok(&args);
    assert_eq!(end, whole[usize::try_from(done - 10).unwrap()..]);
    assert_eq!(latest(dir.path()), 310);
}

#[cfg(unix)]
#[test]
fn the_first_interrupt_saves_and_ends() {
    for signal in ["-INT", "-TERM"] {
        let dir = tempfile::tempdir().unwrap();
        let out = format!("--out={}", text(dir.path()));
        let args = ["--checkpoint=model.ckpt-10", "--op=train", "--feed=later.npz", &out];
        let mut child = start(&[&args[..], &["--steps=100000000"]].concat());
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        let kill = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        assert!(kill.success());
        while lines.read_line(&mut line).unwrap() > 0 {}
        assert!(child.wait().unwrap().success());
        assert_eq!(latest(dir.path()), losses(&line).last().unwrap().0);
    }
}
