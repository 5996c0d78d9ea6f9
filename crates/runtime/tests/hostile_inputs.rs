//! No kernel panics, whatever it is fed.

use flowkeep_runtime::Registry;
use flowkeep_testkit::{Suite, check_hostile};

/// How often each case of the op fixtures is varied.
const N_ROUNDS: usize = 8;

#[test]
fn no_kernel_panics_on_other_shapes_and_extreme_values() {
    for name in Suite::names().unwrap() {
        if let Err(report) = check_hostile(&name, &Registry::standard(), N_ROUNDS) {
            panic!("suite {name}:\n{report}");
        }
    }
}
