//! Trainings of a small graph: where they begin, when they save, how they end.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use flowkeep_bundle::{CheckpointState, latest_checkpoint};
use flowkeep_graph::builder::{Scope, VariableOptions};
use flowkeep_runtime::{Registry, Session, SessionOptions};
use flowkeep_saver::train::{StackedBatches, TrainEvent, TrainOptions, TrainReport, train};
use flowkeep_saver::{Durability, Error, Saver, SaverConfig, SaverOptions};
use flowkeep_tensor::{Code, Tensor};

/// A graph whose train op `v = 2 v + x` shows by its value which batches were fed, and in which order.
fn graph(counts: bool, resource: bool) -> (Session, Saver) {
    let mut scope = Scope::new();
    let variable = VariableOptions::new().use_resource(resource);
    let v = scope.get_variable("v", variable.clone().initializer(1i64)).unwrap();
    let step = scope.get_variable("global_step", variable.initializer(0i64)).unwrap();
    let x = scope.with_op_name("x").placeholder(flowkeep_tensor::DType::I64, []).unwrap();
    let read = scope.with_op_name("read").identity(v.snapshot()).unwrap();
    let doubled = scope.mul(read, 2i64).unwrap();
    let next = scope.with_op_name("next").add(doubled, x).unwrap();
    let assigned = scope.assign(&v, next).unwrap();
    let mut all = vec![assigned];
    if counts {
        all.push(scope.assign_add(&step, 1i64).unwrap());
    }
    scope.with_op_name("train").group(all).unwrap();
    let config = SaverConfig { max_to_keep: Some(2), ..SaverConfig::default() };
    let saver = Saver::new(&mut scope, config).unwrap();
    scope.with_op_name("init").global_variables_initializer().unwrap();
    let mut registry = Registry::standard();
    let unsynced = SaverOptions { durability: Durability::Unsynced, ..SaverOptions::default() };
    flowkeep_saver::register_with(&mut registry, unsynced);
    let options = SessionOptions { registry, threads: 1, ..SessionOptions::default() };
    (Session::new(Arc::new(scope.into_graph()), options), saver)
}

/// What each step gives, of a training from the initial value with batches 0, 1, 2, 0, …
fn expected(n: usize) -> Vec<(i64, i64)> {
    let mut v = 1;
    (0..n as i64)
        .map(|idx| {
            v = 2 * v + idx % 3;
            (idx + 1, v)
        })
        .collect()
}

fn options(n_steps: u64, model_dir: Option<&Path>) -> TrainOptions {
    let mut options = TrainOptions::of("train", n_steps);
    options.fetches = vec!["next:0".to_owned()];
    options.model_dir = model_dir.map(Path::to_owned);
    options
}

/// The report, the steps with what was fetched, and the steps that were saved.
type Trained = (TrainReport, Vec<(i64, i64)>, Vec<i64>);

/// Trains in a process of its own, as it were, and stops after some step; gives steps with values.
fn run(options: &TrainOptions, counts: bool, stop_after: Option<i64>) -> Result<Trained, Error> {
    let mut seen = Vec::new();
    for resource in [false, true] {
        let (session, mut saver) = graph(counts, resource);
        let x = Tensor::from_vec([3], vec![0i64, 1, 2]).unwrap();
        let mut batches = StackedBatches::new(vec![("x:0".to_owned(), x)])?;
        let (mut steps, mut saved) = (Vec::new(), Vec::new());
        let mut watch = |event: TrainEvent<'_>| {
            match event {
                TrainEvent::Step { step, values } => {
                    steps.push((step, values[0].to_scalar::<i64>().unwrap()));
                    if Some(step) == stop_after {
                        return ControlFlow::Break(());
                    }
                }
                TrainEvent::Saved { step, .. } => saved.push(step),
                _ => {}
            }
            ControlFlow::Continue(())
        };
        let mut own = options.clone();
        let form = if resource { "resource" } else { "ref" };
        own.model_dir = options.model_dir.as_ref().map(|dir| dir.join(form));
        own.checkpoint = options.checkpoint.as_ref().map(|path| with_form(path, form));
        let report = train(&session, &mut saver, &own, &mut batches, &mut watch)?;
        seen.push((report, steps, saved));
    }
    let (resource, reference) = (seen.pop().unwrap(), seen.pop().unwrap());
    assert_eq!(resource.1, reference.1);
    Ok(reference)
}

/// `dir/FORM/name` for `dir/name`.
fn with_form(path: &Path, form: &str) -> PathBuf {
    path.parent().unwrap().join(form).join(path.file_name().unwrap())
}

#[test]
fn a_training_goes_on_where_it_stopped() {
    for counts in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let options = options(10, Some(dir.path()));
        let (report, first, saved) = run(&options, counts, Some(4)).unwrap();
        assert!(report.stopped);
        assert_eq!((report.first_step, report.last_step, report.n_runs), (0, 4, 4));
        assert_eq!(saved, [4]);
        let (report, second, _) = run(&options, counts, None).unwrap();
        assert!(!report.stopped);
        assert_eq!((report.first_step, report.last_step, report.n_runs), (4, 10, 6));
        assert_eq!([first, second].concat(), expected(10), "counts: {counts}");
        let (report, none, saved) = run(&options, counts, None).unwrap();
        assert_eq!((report.n_runs, none.len(), saved.len(), report.saved), (0, 0, 0, None));
    }
}

#[test]
fn checkpoints_are_written_at_intervals_and_at_the_end_and_old_ones_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(7, Some(dir.path()));
    options.save_every_steps = Some(3);
    let (report, _, saved) = run(&options, true, None).unwrap();
    assert_eq!(saved, [3, 6, 7]);
    assert_eq!(report.saved, Some(dir.path().join("ref/model.ckpt-7")));
    // Those that were there before count.
    options.n_steps = 9;
    let (_, _, saved) = run(&options, true, None).unwrap();
    assert_eq!(saved, [9]);
    let state = CheckpointState::read(&dir.path().join("ref"), None).unwrap().unwrap();
    let names = state.all_model_checkpoint_paths.iter();
    let names: Vec<_> = names.map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["model.ckpt-7", "model.ckpt-9"]);
    assert!(!dir.path().join("ref/model.ckpt-6.index").exists());

    let other = tempfile::tempdir().unwrap();
    options = self::options(3, Some(other.path()));
    options.save_every = Some(Duration::ZERO);
    assert_eq!(run(&options, true, None).unwrap().2, [1, 2, 3]);
}

#[test]
fn a_training_begins_with_the_checkpoint_that_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (first, more) = (dir.path().join("first"), dir.path().join("more"));
    for counts in [true, false] {
        run(&options(5, Some(&first)), counts, None).unwrap();
        let mut options = options(4, Some(&more));
        options.checkpoint = Some(first.join("model.ckpt-5"));
        let stopped = run(&options, counts, Some(7)).unwrap();
        let (report, steps, _) = run(&options, counts, None).unwrap();
        assert_eq!((report.first_step, report.last_step), (7, 9));
        // Batches are counted from the checkpoint.
        let mut v = expected(5)[4].1;
        let expected: Vec<_> = (6i64..10)
            .map(|step| {
                v = 2 * v + (step - 6) % 3;
                (step, v)
            })
            .collect();
        assert_eq!([stopped.1, steps].concat(), expected);
        // One of the directory itself is where it begins.
        options.checkpoint = Some(more.join("model.ckpt-7"));
        assert_eq!(run(&options, counts, None).unwrap().0.first_step, 7);
        std::fs::remove_dir_all(&first).unwrap();
        std::fs::remove_dir_all(&more).unwrap();
    }
}

#[test]
fn a_flag_from_outside_saves_and_ends() {
    let dir = tempfile::tempdir().unwrap();
    let (session, mut saver) = graph(true, true);
    let mut options = options(1000, Some(dir.path()));
    let stop = Arc::new(AtomicBool::new(false));
    options.stop = Some(stop.clone());
    let x = Tensor::from_vec([1], vec![0i64]).unwrap();
    let mut batches = StackedBatches::new(vec![("x:0".to_owned(), x)]).unwrap();
    let report = train(&session, &mut saver, &options, &mut batches, &mut |event| {
        if let TrainEvent::Step { step: 3, .. } = event {
            stop.store(true, Ordering::Relaxed);
        }
        ControlFlow::Continue(())
    });
    let report = report.unwrap();
    assert!(report.stopped);
    assert_eq!(report.last_step, 3);
    assert_eq!(latest_checkpoint(dir.path(), None).unwrap(), report.saved);
}

#[test]
fn what_cannot_begin_is_refused_before_anything_runs() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |options: &TrainOptions, code, what: &str| {
        let error = run(options, true, None).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(what), "{error}");
    };
    let with = |change: &dyn Fn(&mut TrainOptions)| {
        let mut options = options(3, Some(&dir.path().join("new")));
        change(&mut options);
        options
    };
    let missing = dir.path().join("missing");
    refused(&with(&|options| options.train_ops = vec!["trian".into()]), Code::NotFound, "trian");
    refused(&with(&|options| options.fetches.push("loss:0".into())), Code::NotFound, "loss");
    refused(&with(&|options| options.init_op = Some("inti".into())), Code::NotFound, "inti");
    refused(
        &with(&|options| options.checkpoint = Some(missing.clone())),
        Code::NotFound,
        "missing",
    );
    assert!(!dir.path().join("new").exists());

    let (early, late) = (dir.path().join("early"), dir.path().join("late"));
    run(&options(2, Some(&early)), true, None).unwrap();
    run(&options(5, Some(&late)), true, None).unwrap();
    let mut options = options(3, Some(&early));
    options.checkpoint = Some(late.join("model.ckpt-5"));
    refused(&options, Code::FailedPrecondition, "is of step 2, which is before step 5");
}
