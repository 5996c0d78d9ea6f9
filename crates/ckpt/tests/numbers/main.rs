//! Statistics and comparison of tensors from outside: what NumPy says, damage, threads, formats.

mod common;

mod diff;
mod stat;
