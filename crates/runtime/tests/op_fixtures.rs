//! Every kernel against TensorFlow's results, suite by suite (`fixtures/ops`).

use flowkeep_runtime::Registry;
use flowkeep_testkit::{Suite, check_suite};

/// Makes one test for each suite, and one that no suite is left out.
macro_rules! suites {
    ($($suite:ident)*) => {
        $(
            #[test]
            fn $suite() {
                if let Err(report) = check_suite(stringify!($suite), &Registry::standard()) {
                    panic!("{report}");
                }
            }
        )*

        #[test]
        fn every_suite_is_run() {
            let mut names = Suite::names().unwrap();
            // The file ops of checkpoints are the saver's.
            names.retain(|name| !["checkpoint", "io"].contains(&&**name));
            assert_eq!(names, [$(stringify!($suite)),*]);
        }
    };
}

suites! {
    array array_blocks array_diag array_more array_types control_flow csv data_flow einsum files
    frames functional grad image_grad list lookup lookup_mutable math math_more math_types nn
    nn_grad nn_more nn_types parsing ragged random random_samplers random_state random_stateless
    resize resize_grad scatter_nd segment sets sparse sparse_cross sparse_math state state_more
    state_nd state_rows string training training_sparse volume_grad
}
