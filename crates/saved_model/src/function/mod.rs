//! Functions of TF2 models: what arguments they take, and which of their traces takes given ones.
//!
//! Reading order: `concrete` ([`ConcreteFunction`], one trace), `spec` ([`FunctionSpec`], the Python
//! function), `matching` (the trace for a call).

mod concrete;
mod matching;
mod spec;

pub use concrete::{BareConcreteFunction, ConcreteFunction};
pub(crate) use matching::find_trace;
pub use spec::FunctionSpec;
