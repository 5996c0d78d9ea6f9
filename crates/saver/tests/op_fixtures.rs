//! The saver's ops, and file ops beside them, against TensorFlow's results (`fixtures/ops/io.json`).

use flowkeep_runtime::Registry;
use flowkeep_testkit::check_suite;

#[test]
fn io() {
    let mut registry = Registry::standard();
    flowkeep_saver::register(&mut registry);
    if let Err(report) = check_suite("io", &registry) {
        panic!("{report}");
    }
}
