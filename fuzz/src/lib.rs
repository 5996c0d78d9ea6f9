//! The fuzz targets of Flowkeep, as functions of an input.
#![forbid(unsafe_code)]

pub mod bundle_open;
pub mod bundle_recover;
pub mod checkpoint_state;
pub mod graph_import;
pub mod meta_graph_import;
pub mod npz;
pub mod object_graph;
pub mod safetensors;
pub mod saved_model_open;
pub mod text_format;
pub mod v1_open;
