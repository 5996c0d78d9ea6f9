//! The saver's ops, and file ops beside them, against TensorFlow's results (`fixtures/ops/checkpoint.json`
//! and `io.json`).

use flowkeep_runtime::Registry;
use flowkeep_saver::{Durability, Overwrite, SaverOptions};
use flowkeep_testkit::{check_hostile, check_suite};

#[test]
fn io() {
    let mut registry = Registry::standard();
    flowkeep_saver::register(&mut registry);
    if let Err(report) = check_suite("io", &registry) {
        panic!("{report}");
    }
}

/// Registered so that files are named and replaced as TensorFlow does it.
fn as_tensorflow(mmap: bool) -> Registry {
    let options = SaverOptions {
        mmap,
        durability: Durability::Unsynced,
        overwrite: Overwrite::SameNames,
        ..SaverOptions::default()
    };
    let mut registry = Registry::standard();
    flowkeep_saver::register_with(&mut registry, options);
    registry
}

#[test]
fn checkpoint() {
    for mmap in [false, true] {
        if let Err(report) = check_suite("checkpoint", &as_tensorflow(mmap)) {
            panic!("mmap: {mmap}\n{report}");
        }
    }
}

#[test]
fn no_kernel_panics_on_other_feeds() {
    for suite in ["checkpoint", "io"] {
        if let Err(report) = check_hostile(suite, &as_tensorflow(false), 8) {
            panic!("{report}");
        }
    }
}
