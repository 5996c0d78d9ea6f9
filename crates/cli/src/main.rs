//! The flowkeep command.
#![forbid(unsafe_code)]

mod python;

fn main() {}
