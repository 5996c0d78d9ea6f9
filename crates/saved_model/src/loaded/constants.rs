use std::collections::HashMap;

use flowkeep_proto::pb;
use flowkeep_proto::pb::attr_value::Value;
use flowkeep_tensor::Tensor;

use crate::Error;
use crate::structured::bad;

/// The constants of a graph, by the names of their nodes.
pub(super) struct Constants<'a>(HashMap<&'a str, &'a pb::NodeDef>);

impl<'a> Constants<'a> {
    pub(super) fn new(nodes: &'a [pb::NodeDef]) -> Constants<'a> {
        let constants = nodes.iter().filter(|node| node.op == "Const");
        Constants(constants.map(|node| (node.name.as_str(), node)).collect())
    }

    /// The value of a constant, which the object `id` is.
    pub(super) fn tensor(&self, operation: &str, id: usize) -> Result<Tensor, Error> {
        let missing = || {
            bad(format!(
                "object graph: node {id} is constant '{operation}', which is not in the graph"
            ))
        };
        let node = self.0.get(operation).ok_or_else(missing)?;
        match node.attr.get("value").and_then(|attr| attr.value.as_ref()) {
            Some(Value::Tensor(proto)) => Tensor::try_from(&**proto)
                .map_err(|error| bad(format!("constant '{operation}': {error}"))),
            _ => Err(missing()),
        }
    }
}
