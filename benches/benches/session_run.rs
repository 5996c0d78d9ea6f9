//! Loading the models that ship, and one call of each.

use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use flowkeep_runtime::SessionOptions;
use flowkeep_saved_model::{LoadOptions, SavedModelBundle};
use flowkeep_tensor::Tensor;

struct Case {
    model: &'static str,
    signature: &'static str,
    key: &'static str,
    dims: &'static [usize],
}

const CASES: &[Case] = &[
    Case { model: "half_plus_two_tf2", signature: "serving_default", key: "x", dims: &[1, 1] },
    Case { model: "half_plus_two_ref", signature: "serving_default", key: "x", dims: &[1, 1] },
    Case { model: "mnist_softmax", signature: "predict_images", key: "images", dims: &[1, 784] },
];

fn run(c: &mut Criterion) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/saved_models");
    let mut group = c.benchmark_group("session_run");
    for case in CASES {
        let dir = root.join(case.model);
        let load = |threads| {
            let session = SessionOptions { threads, ..Default::default() };
            let options = LoadOptions { session, ..Default::default() };
            SavedModelBundle::load(&dir, &["serve"], options).expect("the fixture loads")
        };
        group.bench_function(format!("load/{}", case.model), |b| b.iter(|| load(1)));
        for threads in [1, 2] {
            let bundle = load(threads);
            let callable =
                bundle.callable(case.signature, &[case.key]).expect("the signature is there");
            let n = case.dims.iter().product();
            let input = Tensor::from_vec(case.dims, vec![0.5f32; n]).expect("a tensor");
            group.bench_function(format!("call/{}/{threads}", case.model), |b| {
                b.iter(|| callable.call(vec![input.clone()]).expect("the model runs"));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, run);
criterion_main!(benches);
