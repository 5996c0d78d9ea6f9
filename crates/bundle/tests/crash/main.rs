//! What is left when writing is cut off, at every step, in every way that a file system may fail.

mod model;
mod v1;

use std::io;
use std::path::Path;
use std::sync::Arc;

use flowkeep_bundle::source::{BytesSource, Source};
use flowkeep_bundle::{
    BundleReader, BundleWriter, Durability, Error, MergeOptions, Overwrite, ReaderOptions,
    WriterOptions, merge_bundles,
};
use flowkeep_tensor::Tensor;

use model::{Fault, Files, Model};

const PREFIX: &str = "/d/p";

/// How a bundle is saved, and over what.
#[derive(Clone, Copy, Debug)]
struct Scenario {
    /// The number of data files of the bundle that is there, if one is.
    old: Option<u32>,
    new: u32,
    durability: Durability,
    overwrite: Overwrite,
}

/// Saves two tensors of this value.
fn save(
    model: &Model,
    prefix: &str,
    value: i32,
    n_shards: u32,
    scenario: Scenario,
) -> Result<(), Error> {
    let mut writer = BundleWriter::create(
        Path::new(prefix),
        WriterOptions {
            n_shards,
            durability: scenario.durability,
            overwrite: scenario.overwrite,
            storage: Arc::new(model.clone()),
            threads: 1,
            ..WriterOptions::default()
        },
    )?;
    writer.add("a", &Tensor::from_elements(vec![value; 4]))?;
    writer.add("b", &Tensor::from_elements(vec![value; 4]))?;
    writer.finish()
}

/// What somebody finds under a prefix: no bundle, a whole one of some value, or one that cannot be
/// read. Never a whole one of several values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    Whole(i32),
    Damaged,
}

fn look(files: &Files, prefix: &str) -> Found {
    let Some(index) = files.get(Path::new(&format!("{prefix}.index"))) else {
        return Found::Nothing;
    };
    let (files, prefix) = (files.clone(), prefix.to_owned());
    let open = move |number: u32, n_shards: u32| -> io::Result<Arc<dyn Source>> {
        let path = format!("{prefix}.data-{number:05}-of-{n_shards:05}");
        let content = files.get(Path::new(&path)).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(BytesSource::new(content.clone())))
    };
    let index = BytesSource::new(index.clone());
    let Ok(reader) = BundleReader::from_sources(&index, open, ReaderOptions::default()) else {
        return Found::Damaged;
    };
    let mut values = Vec::new();
    for key in ["a", "b"] {
        match reader.tensor(key) {
            Ok(tensor) => values.extend_from_slice(tensor.as_slice::<i32>().unwrap()),
            Err(_) => return Found::Damaged,
        }
    }
    assert!(values.iter().all(|value| *value == values[0]), "a mixture: {values:?}");
    Found::Whole(values[0])
}

/// A file system with the old bundle.
fn before(scenario: Scenario) -> (Model, Found) {
    let model = Model::default();
    let Some(n_shards) = scenario.old else { return (model, Found::Nothing) };
    save(&model, PREFIX, 1, n_shards, scenario).unwrap();
    model.sync_all();
    (model, Found::Whole(1))
}

fn scenarios(overwrite: Overwrite) -> Vec<Scenario> {
    let mut scenarios = Vec::new();
    for durability in [Durability::Synced, Durability::Unsynced] {
        for (old, new) in [(None, 1), (Some(1), 1), (Some(1), 2), (Some(2), 1), (Some(2), 2)] {
            scenarios.push(Scenario { old, new, durability, overwrite });
        }
    }
    scenarios
}

/// The number of steps of a whole save.
fn n_steps(scenario: Scenario) -> usize {
    let (model, _) = before(scenario);
    model.arm(None);
    save(&model, PREFIX, 2, scenario.new, scenario).unwrap();
    assert_eq!(look(&model.visible(), PREFIX), Found::Whole(2));
    model.n_steps()
}

#[test]
fn a_killed_process_leaves_the_old_bundle_or_the_new_one() {
    for scenario in scenarios(Overwrite::Atomic) {
        let mut n_old = 0;
        for step in 1..=n_steps(scenario) {
            let (model, old) = before(scenario);
            model.arm(Some((step, Fault::Crash)));
            let result = save(&model, PREFIX, 2, scenario.new, scenario);
            let found = look(&model.visible(), PREFIX);
            assert!([old, Found::Whole(2)].contains(&found), "{scenario:?} {step}: {found:?}");
            assert!(result.is_err() || found == Found::Whole(2), "{scenario:?} {step}");
            n_old += usize::from(found == old);
        }
        assert!(n_old >= 5, "{scenario:?}: {n_old} steps come before the one that counts");
    }
}

#[test]
fn a_loss_of_power_leaves_the_old_bundle_or_the_new_one() {
    for scenario in scenarios(Overwrite::Atomic) {
        if scenario.durability == Durability::Unsynced {
            continue;
        }
        let mut n_outcomes = 0;
        for step in 1..=n_steps(scenario) + 1 {
            let (model, old) = before(scenario);
            model.arm(Some((step, Fault::Crash)));
            let result = save(&model, PREFIX, 2, scenario.new, scenario);
            for files in model.after_power_loss() {
                let found = look(&files, PREFIX);
                assert!([old, Found::Whole(2)].contains(&found), "{scenario:?} {step}: {found:?}");
                // What was reported as saved is saved.
                assert!(result.is_err() || found == Found::Whole(2), "{scenario:?} {step}");
                n_outcomes += 1;
            }
        }
        assert!(n_outcomes > 50, "{scenario:?}: {n_outcomes}");
    }
}

#[test]
fn an_unsynced_bundle_may_be_lost_with_the_power() {
    let scenario = Scenario {
        old: Some(1),
        new: 1,
        durability: Durability::Unsynced,
        overwrite: Overwrite::Atomic,
    };
    let (model, _) = before(scenario);
    save(&model, PREFIX, 2, 1, scenario).unwrap();
    let found: Vec<_> = model.after_power_loss().iter().map(|files| look(files, PREFIX)).collect();
    assert!(found.contains(&Found::Damaged) && found.contains(&Found::Whole(2)), "{found:?}");
}

#[test]
fn an_error_leaves_the_old_bundle_and_nothing_else() {
    for scenario in scenarios(Overwrite::Atomic) {
        for step in 1..=n_steps(scenario) {
            let (model, old) = before(scenario);
            let files = model.visible();
            model.arm(Some((step, Fault::Error)));
            match save(&model, PREFIX, 2, scenario.new, scenario) {
                // Only taking away what is not needed any more may fail unnoticed.
                Ok(()) => assert_eq!(look(&model.visible(), PREFIX), Found::Whole(2)),
                Err(error) => {
                    assert_eq!(error.to_string().split("; ").nth(1), Some("no space left"));
                    let found = look(&model.visible(), PREFIX);
                    if found == old {
                        assert_eq!(model.visible(), files, "{scenario:?} {step}");
                    } else {
                        // The directory could not be synced after the index was there.
                        assert_eq!(found, Found::Whole(2), "{scenario:?} {step}");
                    }
                }
            }
        }
    }
}

#[test]
fn under_the_same_names_a_mixture_is_noticed() {
    for scenario in scenarios(Overwrite::SameNames) {
        let mut n_damaged = 0;
        for step in 1..=n_steps(scenario) {
            let (model, _) = before(scenario);
            model.arm(Some((step, Fault::Crash)));
            let _ = save(&model, PREFIX, 2, scenario.new, scenario);
            n_damaged += usize::from(look(&model.visible(), PREFIX) == Found::Damaged);
        }
        assert_eq!(n_damaged > 0, scenario.old == Some(scenario.new), "{scenario:?}");
    }
}

#[test]
fn merging_loses_neither_sources_nor_destination() {
    let scenario = Scenario {
        old: Some(2),
        new: 1,
        durability: Durability::Synced,
        overwrite: Overwrite::Atomic,
    };
    let prepare = || {
        let (model, _) = before(scenario);
        for (key, prefix) in [("a", "/d/s0"), ("b", "/d/s1")] {
            let options =
                WriterOptions { storage: Arc::new(model.clone()), ..WriterOptions::default() };
            let mut writer = BundleWriter::create(Path::new(prefix), options).unwrap();
            writer.add(key, &Tensor::from_elements(vec![2i32; 4])).unwrap();
            writer.finish().unwrap();
        }
        model.sync_all();
        model
    };
    let merge = |model: &Model| {
        let options = MergeOptions { storage: Arc::new(model.clone()), ..MergeOptions::default() };
        merge_bundles(&["/d/s0", "/d/s1"], Path::new(PREFIX), &options)
    };
    let has_sources = |files: &Files| {
        ["/d/s0", "/d/s1"].iter().all(|source| {
            [".index", ".data-00000-of-00001"]
                .iter()
                .all(|suffix| files.contains_key(Path::new(&format!("{source}{suffix}"))))
        })
    };
    let model = prepare();
    model.arm(None);
    merge(&model).unwrap();
    let n_steps = model.n_steps();
    assert_eq!(model.visible().len(), 4, "three data files, one of them empty, and the index");
    for step in 1..=n_steps {
        let model = prepare();
        model.arm(Some((step, Fault::Crash)));
        let _ = merge(&model);
        for files in model.after_power_loss().into_iter().chain([model.visible()]) {
            let found = look(&files, PREFIX);
            let whole =
                found == Found::Whole(2) || (found == Found::Whole(1) && has_sources(&files));
            assert!(whole, "{step}: {found:?}");
        }
    }
}
