//! Models that are loaded and dropped leave nothing behind. Alone in its file, so that nothing else allocates.
#![cfg(target_os = "linux")]

use std::path::Path;

use flowkeep_runtime::SessionOptions;
use flowkeep_saved_model::{LoadOptions, LoadedObjects, ObjectLoadOptions, SavedModelBundle};
use flowkeep_tensor::Tensor;

fn load(dir: &str) -> SavedModelBundle {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(dir);
    let session = SessionOptions { threads: 2, ..Default::default() };
    let options = LoadOptions { session, ..Default::default() };
    SavedModelBundle::load(dir, &["serve"], options).unwrap()
}

fn load_objects(name: &str) -> LoadedObjects {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/object_models").join(name);
    let session = SessionOptions { threads: 2, ..Default::default() };
    LoadedObjects::load(dir, ObjectLoadOptions { session, ..Default::default() }).unwrap()
}

/// Memory of this process that is not the system's to take back, in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages = |idx: usize| statm.split_whitespace().nth(idx).unwrap().parse::<usize>().unwrap();
    (pages(1) - pages(2)) * 4096
}

#[test]
fn memory_is_flat_over_many_loads() {
    let once = |dir: &str, key: &str| {
        let model = load(dir);
        if key.is_empty() {
            return;
        }
        let x = Tensor::from_vec([2, 1], vec![1.0f32, 2.0]).unwrap();
        let outputs = model.call(key, &[("x", x)]).unwrap();
        assert_eq!(outputs[0].1.as_slice::<f32>().unwrap(), [2.5, 3.0]);
    };
    let cycle = || {
        once("fixtures/saved_models/half_plus_two_ref", "serving_default");
        once("fixtures/saved_models/half_plus_two_tf2", "serving_default");
        once("fixtures/saved_models/lookup_tf2", "");
        once("models/mnist/1", "");
        let x = Tensor::from_vec([1, 2], vec![1.0f32, 2.0]).unwrap();
        load_objects("nested").call("__call__", &[x.into()], &[]).unwrap();
        load_objects("tables")
            .call("look", &[Tensor::from_strings([1], vec!["a".into()]).unwrap().into()], &[])
            .unwrap();
    };
    (0..40).for_each(|_| cycle());
    let before = resident();
    (0..250).for_each(|_| cycle());
    let grown = resident().saturating_sub(before);
    // A hundredth of what they would hold if each were kept, and what an allocator has in reserve.
    assert!(grown < 4 << 20, "1,500 loads left {grown} bytes");
}
