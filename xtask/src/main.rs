//! Project tasks: codegen, tidy, test.

fn main() {}
