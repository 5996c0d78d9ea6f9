//! The fuzz targets of Flowkeep, as functions of an input.
#![forbid(unsafe_code)]

pub mod bundle_open;
pub mod saved_model_open;
