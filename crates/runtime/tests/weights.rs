//! Weights that can be had again, as from a mapped file, are held once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use flowkeep_graph::{Graph, ImportOptions};
use flowkeep_proto::{pb, text};
use flowkeep_runtime::{Session, SessionOptions};
use flowkeep_tensor::{Backing, DType, Tensor};

/// Counts how often its memory is let go of.
#[derive(Default)]
struct Counted(AtomicUsize);

impl Backing for Counted {
    fn release(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn convolution(threads: usize) -> Session {
    let input = |name: &str| {
        format!(
            "node {{ name: '{name}' op: 'Placeholder' attr {{ key: 'dtype' value {{ type: DT_FLOAT }} }}
             attr {{ key: 'shape' value {{ shape {{ unknown_rank: true }} }} }} }}\n"
        )
    };
    let conv = "node { name: 'y' op: 'Conv2D' input: 'x' input: 'w' attr { key: 'T' value { type: DT_FLOAT } }
         attr { key: 'padding' value { s: 'SAME' } } attr { key: 'strides' value { list { i: [1, 1, 1, 1] } } } }";
    let def: pb::GraphDef = text::parse_message([&*input("x"), &*input("w"), conv].concat())
        .expect("the test's graph parses");
    let graph = Graph::import(def, &ImportOptions::default()).expect("the test's graph imports");
    Session::new(Arc::new(graph), SessionOptions { threads, ..SessionOptions::default() })
}

fn numbers(n: usize, seed: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 7919 + seed) % 997) as f32 / 498.0 - 1.0).collect()
}

/// A filter whose memory can be had again, and what counts that.
fn filter(dims: [usize; 4], seed: usize) -> (Tensor, Arc<Counted>) {
    let values = numbers(dims.iter().product(), seed);
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let counted = Arc::new(Counted::default());
    let filter =
        Tensor::from_backing(DType::F32, dims, Bytes::from(bytes), counted.clone()).unwrap();
    (filter, counted)
}

/// Filters that are packed as a whole, and in pieces where they are used once.
const DIMS: [[usize; 4]; 2] = [[3, 3, 130, 37], [3, 3, 300, 200]];

#[test]
fn the_memory_of_a_filter_is_let_go_of_after_each_use_and_once_it_is_packed() {
    for threads in [1, 3] {
        let session = convolution(threads);
        for dims in DIMS {
            let x = Tensor::from_vec([1, 4, 5, dims[2]], numbers(20 * dims[2], 3)).unwrap();
            let (w, counted) = filter(dims, 13);
            let mut expected: Option<Tensor> = None;
            for n_released in [1, 2, 3, 3, 3] {
                let feeds = [("x:0", x.clone()), ("w:0", w.clone())];
                let y = session.run(&feeds, &["y:0"], &[]).unwrap().remove(0);
                assert_eq!(counted.0.load(Ordering::Relaxed), n_released, "{dims:?}");
                let expected = expected.get_or_insert_with(|| y.clone());
                assert_eq!(y.as_bytes().unwrap(), expected.as_bytes().unwrap(), "{dims:?}");
            }
        }
    }
}

#[test]
fn filters_that_do_not_come_again_are_not_kept() {
    let session = convolution(1);
    let mut seen: Vec<Weak<Counted>> = Vec::new();
    for seed in 0..8 {
        let dims = DIMS[seed % 2];
        let x = Tensor::from_vec([1, 4, 5, dims[2]], numbers(20 * dims[2], seed)).unwrap();
        let (w, counted) = filter(dims, seed);
        session.run(&[("x:0", x), ("w:0", w)], &["y:0"], &[]).unwrap();
        assert_eq!(counted.0.load(Ordering::Relaxed), 1);
        seen.push(Arc::downgrade(&counted));
    }
    assert!(seen.iter().all(|counted| counted.upgrade().is_none()));
}
