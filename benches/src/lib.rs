//! Criterion benches of Flowkeep.
