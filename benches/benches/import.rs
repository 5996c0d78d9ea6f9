//! From the bytes of a `saved_model.pb` to a checked graph.

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flowkeep_graph::{ImportOptions, MetaGraph};
use flowkeep_saved_model::SavedModel;

const MODELS: &[&str] = &["half_plus_two_tf2", "keras_cnn_export", "mnist_cnn", "mnist_softmax"];

fn import(c: &mut Criterion) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/saved_models");
    let mut group = c.benchmark_group("import");
    for name in MODELS {
        let dir = root.join(name);
        let model = SavedModel::open(&dir).expect("the fixture opens");
        let def = model.def().meta_graphs[0].clone();
        let n_nodes = def.graph_def.as_ref().map_or(0, |graph| graph.node.len());
        group.throughput(Throughput::Elements(n_nodes as u64));
        group.bench_function(format!("open/{name}"), |b| {
            b.iter(|| SavedModel::open(black_box(&dir)).map(|_| ()))
        });
        group.bench_function(format!("graph/{name}"), |b| {
            b.iter_batched(
                || def.clone(),
                |def| {
                    MetaGraph::import(def, &ImportOptions::default()).expect("the fixture imports")
                },
                criterion::BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, import);
criterion_main!(benches);
