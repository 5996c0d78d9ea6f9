//! Many at once: runs of one model from several threads.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use flowkeep_runtime::SessionOptions;
use flowkeep_saved_model::{LoadOptions, SavedModelBundle};
use flowkeep_tensor::Tensor;

const N_THREADS: usize = 16;
const N_RUNS: usize = 1000;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn load(dir: &str, threads: usize) -> SavedModelBundle {
    let session = SessionOptions { threads, ..Default::default() };
    let options = LoadOptions { session, ..Default::default() };
    SavedModelBundle::load(root().join(dir), &["serve"], options).unwrap()
}

/// A picture that is another one for each seed.
fn picture(seed: usize) -> Tensor {
    let pixel = |idx: usize| ((idx * (seed + 3)) % 17) as f32 / 16.0;
    Tensor::from_vec([1, 28, 28], (0..28 * 28).map(pixel).collect()).unwrap()
}

fn probabilities(model: &SavedModelBundle, seed: usize) -> Vec<u32> {
    let outputs = model.call("serving_default", &[("image", picture(seed))]).unwrap();
    let (_, tensor) = outputs.into_iter().find(|(key, _)| key == "probabilities").unwrap();
    tensor.as_slice::<f32>().unwrap().iter().map(|value| value.to_bits()).collect()
}

#[test]
fn concurrent_runs_give_the_bits_of_serial_ones() {
    let serial = load("models/mnist/1", 1);
    let expected: Vec<_> = (0..8).map(|seed| probabilities(&serial, seed)).collect();
    let model = load("models/mnist/1", 4);
    let n_done = AtomicUsize::new(0);
    thread::scope(|scope| {
        for thread in 0..N_THREADS {
            let (model, expected, n_done) = (&model, &expected, &n_done);
            scope.spawn(move || {
                for run in 0..N_RUNS {
                    let seed = (thread + run) % expected.len();
                    assert_eq!(probabilities(model, seed), expected[seed]);
                    n_done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(n_done.into_inner(), N_THREADS * N_RUNS);
}
