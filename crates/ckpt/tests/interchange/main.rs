//! The interchange formats from outside: what other tools make of them, round trips, damage.

mod common;

mod fuzz_replay;
mod golden;
mod hostile;
mod large;
mod peer;
mod round_trip;
