//! The weights of a model that runs are in memory once. Alone in its file, so that nothing else maps and
//! allocates.
#![cfg(target_os = "linux")]

use std::path::Path;
use std::sync::Arc;

use flowkeep_graph::builder::{Conv2dOptions, Padding, Scope, VariableOptions};
use flowkeep_runtime::{Session, SessionOptions};
use flowkeep_saved_model::{LoadOptions, SavedModelBundle, simple_save};
use flowkeep_tensor::{DType, Tensor};

const N_LAYERS: usize = 8;
const CHANNELS: usize = 384;
const LAYER_BYTES: usize = 9 * CHANNELS * CHANNELS * 4;

/// Convolutions whose filters have 5 MiB each.
fn write_model(dir: &Path) {
    let mut scope = Scope::new();
    let image = [None, Some(4), Some(4), Some(CHANNELS as u64)];
    let images = scope.with_op_name("x").placeholder(DType::F32, image).unwrap();
    let mut x = images;
    for idx in 0..N_LAYERS {
        let mut layer = scope.variable_scope(&*format!("conv{idx}")).unwrap();
        let shape = VariableOptions::new().shape([3, 3, CHANNELS, CHANNELS]);
        let kernel = layer.get_variable("kernel", shape).unwrap();
        x = layer.conv2d(x, &kernel, Conv2dOptions::new(Padding::Same)).unwrap();
    }
    scope.global_variables_initializer().unwrap();
    let session = Session::new(Arc::new(scope.graph().clone()), SessionOptions::default());
    session.run(&[], &[], &["init"]).unwrap();
    simple_save(&mut scope, &session, dir, [("x", images)], [("y", x)], None).unwrap();
}

/// The bytes of the mapped checkpoint that are in memory of this process, and those that are not of a file.
fn resident() -> (usize, usize) {
    let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let (mut is_checkpoint, mut mapped) = (false, 0);
    for line in smaps.lines() {
        if let Some(kib) = line.strip_prefix("Rss:") {
            let kib: usize = kib.trim().trim_end_matches(" kB").parse().unwrap();
            mapped += if is_checkpoint { kib << 10 } else { 0 };
        } else if line.split_whitespace().next().is_some_and(|word| !word.ends_with(':')) {
            is_checkpoint = line.contains("variables.data-");
        }
    }
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages = |idx: usize| statm.split_whitespace().nth(idx).unwrap().parse::<usize>().unwrap();
    (mapped, (pages(1) - pages(2)) * 4096)
}

/// The most that this process had, in bytes.
fn at_most() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: usize = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib << 10
}

#[test]
fn weights_are_in_memory_once() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("model");
    // In a thread, whose memory is not used again.
    std::thread::scope(|scope| scope.spawn(|| write_model(&dir)).join().unwrap());
    let session = SessionOptions { threads: 1, ..Default::default() };
    let options = LoadOptions { session, ..Default::default() };
    let model = SavedModelBundle::load(&dir, &["serve"], options).unwrap();
    let x = Tensor::from_vec([1, 4, 4, CHANNELS], vec![0.5f32; 16 * CHANNELS]).unwrap();
    let call = || model.call("serving_default", &[("x", x.clone())]).unwrap().remove(0).1;
    let (mapped, before) = resident();
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let start = at_most();
    assert!(mapped < LAYER_BYTES, "{mapped} bytes are there before the first run");
    let first = call();
    // The pages around each filter may stay.
    let (mapped, own) = resident();
    assert!(mapped < LAYER_BYTES, "{mapped} bytes of the file are there after the first run");
    assert!(
        own < before + 2 * LAYER_BYTES,
        "the first run left {} bytes",
        own.saturating_sub(before)
    );
    for _ in 0..4 {
        // From here on the mark of the most that was there rises anew.
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        assert_eq!(call().as_bytes().unwrap(), first.as_bytes().unwrap());
        let (mapped, own) = resident();
        let most = before + (N_LAYERS + 1) * LAYER_BYTES;
        assert!(mapped < LAYER_BYTES, "{mapped} bytes of the file are there after a later run");
        let held = own.saturating_sub(before);
        assert!(own < most, "{held} bytes are held for {}", N_LAYERS * LAYER_BYTES);
        // Nor while a filter is packed is it there twice.
        let peak = at_most() - start;
        let most = N_LAYERS * LAYER_BYTES + LAYER_BYTES * 3 / 4;
        assert!(peak < most, "{peak} bytes were there for {}", N_LAYERS * LAYER_BYTES);
    }
}
