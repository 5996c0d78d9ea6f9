//! The shapes that an exporter has stored with a node.

use std::collections::BTreeMap;

use flowkeep_proto::pb;
use flowkeep_proto::pb::attr_value::Value;
use flowkeep_tensor::PartialShape;

use crate::attr::n_kinds;
use crate::{Attr, Error};

const OUTPUT_SHAPES: &str = "_output_shapes";

/// The value of `_output_shapes`.
pub(super) struct StoredShapes(Vec<pb::TensorShapeProto>);

impl StoredShapes {
    /// Takes the shapes out of a node's attributes, if they are there as a list of shapes.
    pub(super) fn take(attrs: &mut BTreeMap<String, pb::AttrValue>) -> Option<StoredShapes> {
        let is_shapes = match &attrs.get(OUTPUT_SHAPES)?.value {
            None => true,
            Some(Value::List(list)) => n_kinds(list) == usize::from(!list.shape.is_empty()),
            Some(_) => false,
        };
        if !is_shapes {
            return None;
        }
        match attrs.remove(OUTPUT_SHAPES)?.value {
            Some(Value::List(list)) => Some(StoredShapes(list.shape)),
            _ => Some(StoredShapes(Vec::new())),
        }
    }

    /// Checks that there is a possible shape for each of the node's outputs, if their number is known.
    ///
    /// Whether they are the shapes that the op gives its outputs is not checked.
    pub(super) fn check(&self, node: &str, n_outputs: Option<usize>) -> Result<(), Error> {
        let Some(n_outputs) = n_outputs else { return Ok(()) };
        let error = |message: String| Err(Error::NodeDef { node: node.to_owned(), message });
        if self.0.len() < n_outputs {
            return error(format!(
                "Node '{node}' has {n_outputs} outputs but the {OUTPUT_SHAPES} attribute specifies shapes \
                 for {} outputs",
                self.0.len()
            ));
        }
        for (idx, shape) in self.0.iter().take(n_outputs).enumerate() {
            let has_impossible_rank = shape.unknown_rank && !shape.dim.is_empty();
            if has_impossible_rank || PartialShape::from_proto(shape).is_err() {
                let why = if has_impossible_rank {
                    "An unknown shape must not have any dimensions set.".to_owned()
                } else {
                    let shape = Attr::from_proto(pb::AttrValue {
                        value: Some(Value::Shape(shape.clone())),
                    });
                    format!(
                        "Shape {shape} has dimensions with values below -1 (where -1 means unknown)"
                    )
                };
                return error(format!(
                    "Node '{node} has an invalid {OUTPUT_SHAPES} attribute (shape #{idx} error:'{why}'"
                ));
            }
        }
        Ok(())
    }
}
