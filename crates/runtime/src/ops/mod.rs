//! The CPU kernels, by TensorFlow's own families; each family is a folder with a table of its ops.
//!
//! A kernel sees [`crate::kernel`], [`crate::resource`] and `flowkeep_linalg`, nothing else.

mod args;
mod arith;
mod array;
mod broadcast;
mod cells;
mod control_flow;
mod data_flow;
mod dispatch;
mod files;
mod gamma;
mod list;
mod lookup;
mod math;
mod nn;
mod parsing;
mod ragged;
mod random;
mod sets;
mod sparse;
mod state;
mod strided;
mod string;
mod training;
mod types;

pub use self::string::fingerprint64;
use crate::kernel::OpRegistration;

/// All tables of this crate.
pub(crate) const TABLES: &[&[OpRegistration]] = &[
    array::OPS,
    control_flow::OPS,
    data_flow::OPS,
    files::OPS,
    list::OPS,
    lookup::OPS,
    math::OPS,
    nn::OPS,
    parsing::OPS,
    ragged::OPS,
    random::OPS,
    sets::OPS,
    sparse::OPS,
    state::OPS,
    string::OPS,
    training::OPS,
];

#[cfg(test)]
mod tests {
    use super::TABLES;

    #[test]
    fn tables_are_sorted_and_name_ops_of_tensorflow() {
        for table in TABLES {
            let names: Vec<_> = table.iter().map(|row| row.name()).collect();
            assert!(names.is_sorted_by(|a, b| a < b), "not sorted, or twice: {names:?}");
            for name in names {
                assert!(
                    flowkeep_graph::op_def::lookup(name).is_some(),
                    "{name} is no op of TensorFlow"
                );
            }
        }
    }
}
