//! TensorArray: an array of one run that nodes write and read, in the order that `flow` gives.

mod access;
mod array;
mod make;
mod many;

pub(super) use self::access::{close, read, size, write};
pub(super) use self::make::{gradient, make};
pub(super) use self::many::{concat, gather, scatter, split};
