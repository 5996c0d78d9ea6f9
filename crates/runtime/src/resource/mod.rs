//! State that outlives a run: variables, and whatever else kernels keep (tables stand beside their ops).

mod manager;
mod variable;

pub use manager::{Resource, ResourceHandle, ResourceManager};
pub use variable::Variable;
