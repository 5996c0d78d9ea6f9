//! What the transforms make of graphs, against what TensorFlow's tools make of them
//! (`fixtures/transforms`), and what they do where those leave graphs that do not import.

mod canonical;
mod constants;
mod cutting;
mod downgrading;
mod fixture;
mod folding;
mod freezing;
mod inlining;
mod normal;
mod renaming;
mod taking_away;
