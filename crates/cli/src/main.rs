//! The flowkeep command.

fn main() {}
