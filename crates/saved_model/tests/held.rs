//! What a loaded model holds beside its weights: a few times its file. Alone in its file, so that
//! nothing else allocates.
#![cfg(target_os = "linux")]
#![expect(clippy::print_stdout, reason = "prints the figures of benches/RESULTS.md")]

use std::path::{Path, PathBuf};

use flowkeep_runtime::SessionOptions;
use flowkeep_saved_model::{LoadOptions, LoadedObjects, ObjectLoadOptions, SavedModelBundle};

/// How many are held at once.
const N_MODELS: usize = 48;

fn dir(model: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/saved_models").join(model)
}

fn session() -> SessionOptions {
    SessionOptions { threads: 1, ..Default::default() }
}

/// Memory of this process that is not the system's to take back, in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages = |idx: usize| statm.split_whitespace().nth(idx).unwrap().parse::<usize>().unwrap();
    (pages(1) - pages(2)) * 4096
}

/// What each of many takes, by the bytes of the graph's file.
fn held<T>(model: &str, load: impl Fn(&Path) -> T) -> f64 {
    let dir = dir(model);
    let file = std::fs::metadata(dir.join("saved_model.pb")).unwrap().len();
    // The tables of ops, and what the allocator has from then on.
    let mut models = vec![load(&dir), load(&dir)];
    let before = resident();
    models.extend((0..N_MODELS).map(|_| load(&dir)));
    let grown = resident().saturating_sub(before);
    // What they give back would be taken by those that are measured next.
    std::mem::forget(models);
    grown as f64 / (N_MODELS as f64 * file as f64)
}

#[test]
fn a_loaded_model_holds_no_decoded_copy_of_its_file() {
    let load = |dir: &Path| {
        let options = LoadOptions { session: session(), ..Default::default() };
        SavedModelBundle::load(dir, &["serve"], options).unwrap()
    };
    let load_objects = |dir: &Path| {
        let options = ObjectLoadOptions { session: session(), ..Default::default() };
        LoadedObjects::load(dir, options).unwrap()
    };
    // With functions as messages and all variants in place it was some twenty and ten times.
    for model in ["keras2_cnn", "keras_cnn_tf2"] {
        for (what, times) in [("bundle", held(model, load)), ("objects", held(model, load_objects))]
        {
            println!("{model} {what} {times:.1}");
            assert!(times < 7.0, "{model}: {what} hold {times:.1} times the file");
        }
    }
}
