//! What several documents have in common.

use flowkeep_graph::PortType;
use flowkeep_tensor::{DType, PartialShape};
use serde_json::{Value, json};

/// A shape: -1 for unknown dimensions, nothing for an unknown rank.
pub(super) fn shape(shape: &PartialShape) -> Value {
    let dim = |dim: &Option<u64>| dim.and_then(|dim| i64::try_from(dim).ok()).unwrap_or(-1);
    json!(shape.dims().map(|dims| dims.iter().map(dim).collect::<Vec<_>>()))
}

/// A type as Python calls it.
pub(super) fn dtype(dtype: Option<DType>) -> Value {
    json!(dtype.map(DType::python_name))
}

/// The type of a tensor as Python calls it; references end in `_ref`.
pub(super) fn port(port: Option<PortType>) -> Value {
    json!(port.map(|port| {
        format!("{}{}", port.dtype.python_name(), if port.is_ref { "_ref" } else { "" })
    }))
}
