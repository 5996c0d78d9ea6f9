//! The layout of `saved_model_cli run`.

use std::path::Path;

use flowkeep_saved_model::json_tensor;
use flowkeep_tensor::Tensor;
use serde_json::{Map, Value, json};

use super::Page;
use crate::error::Error;

impl Page<'_> {
    /// An output's value, as NumPy prints arrays.
    pub(crate) fn output(&mut self, key: &str, tensor: &Tensor) -> Result<(), Error> {
        self.line(format!("Result for output key {key}:\n{}", tensor.numpy_str()))
    }

    /// Where an output was written.
    pub(crate) fn saved(&mut self, key: &str, path: &Path) -> Result<(), Error> {
        self.line(format!("Output {key} is saved to {}", path.display()))
    }
}

/// All outputs: `{"outputs": {key: {"dtype", "shape", "value"}}}`.
pub(crate) fn outputs_json(outputs: &[(String, Tensor)]) -> Result<Value, Error> {
    let mut by_key = Map::new();
    for (key, tensor) in outputs {
        let value = json_tensor::write(tensor).map_err(|error| Error::Failed {
            code: error.code(),
            message: format!("output \"{key}\": {error}"),
        })?;
        let dtype = tensor.dtype().python_name();
        by_key.insert(key.clone(), json!({"dtype": dtype, "shape": tensor.dims(), "value": value}));
    }
    Ok(json!({"outputs": by_key}))
}
