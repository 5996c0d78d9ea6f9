//! Older ops that do what newer ones do.

use flowkeep_proto::pb;
use flowkeep_proto::pb::attr_value::Value;

use super::history::History;
use super::nodes::Nodes;
use super::{DowngradeOptions, shapes};

/// The node with an op that the consumer has; `None` if it has the node's own or there is none.
pub(super) fn swapped(
    nodes: &Nodes<'_>,
    node: &pb::NodeDef,
    options: &DowngradeOptions,
) -> Option<pb::NodeDef> {
    let has = |op: &str| History::get().op(op).contains(options.consumer.position);
    let mut new = node.clone();
    while !has(&new.op) {
        new = older(nodes, &new, options)?;
    }
    (new.op != node.op).then_some(new)
}

/// The node with the next older op, if that does the same.
fn older(nodes: &Nodes<'_>, node: &pb::NodeDef, options: &DowngradeOptions) -> Option<pb::NodeDef> {
    let mut node = node.clone();
    let to = match node.op.as_str() {
        "AddV2" => "Add",
        "BatchMatMulV3" => {
            let types = ["Ta", "Tb", "Tout"].map(|attr| node.attr.remove(attr));
            let [Some(a), b, out] = types else { return None };
            if b.as_ref() != Some(&a) || out.as_ref() != Some(&a) {
                return None;
            }
            node.attr.insert("T".to_owned(), a);
            "BatchMatMulV2"
        }
        "BatchMatMulV2" => {
            let [a, b] = [shapes::of_input(nodes, &node, 0), shapes::of_input(nodes, &node, 1)];
            if !options.assume_no_broadcast && !shapes::are_batches_equal(a?.dims()?, b?.dims()?) {
                return None;
            }
            "BatchMatMul"
        }
        "SelectV2" => {
            if !options.assume_no_broadcast && !shapes::selects_without_broadcast(nodes, &node) {
                return None;
            }
            "Select"
        }
        "FusedBatchNormV3" => {
            if nodes.is_taken(&node.name, 5, "reserve_space_3") {
                return None;
            }
            "FusedBatchNormV2"
        }
        "FusedBatchNormGradV3" => {
            // It only helps some kernels of GPUs.
            node.input.get(5).filter(|input| !input.starts_with('^'))?;
            node.input.remove(5);
            "FusedBatchNormGradV2"
        }
        "DisableCopyOnRead" => {
            // It only says how a variable is to be read, and gives nothing.
            node.input = control_inputs(&node.input, nodes.function.is_some());
            "NoOp"
        }
        "StatelessIf" => "If",
        "StatelessWhile" => "While",
        "StatelessCase" => "Case",
        _ => return None,
    };
    node.op = to.to_owned();
    Some(node)
}

/// Inputs as control inputs. Arguments of functions, which are there from the beginning, are left out.
fn control_inputs(inputs: &[String], in_function: bool) -> Vec<String> {
    let mut control: Vec<String> = Vec::new();
    for input in inputs {
        let input = match input.strip_prefix('^').or_else(|| Some(input.split_once(':')?.0)) {
            Some(node) => format!("^{node}"),
            None if in_function => continue,
            None => format!("^{input}"),
        };
        if !control.contains(&input) {
            control.push(input);
        }
    }
    control
}

/// Whether an attribute tells nothing that changes what is computed, so that it may go whatever its
/// value.
pub(super) fn is_idle(op: &str, attr: &str, value: &pb::AttrValue) -> bool {
    match (op, attr) {
        ("VarHandleOp", "debug_name") => true,
        // A check that older releases do not make.
        ("AssignVariableOp", "validate_shape") => true,
        // Whether a product is the gradient of one.
        (_, "grad_a" | "grad_b" | "grad_x" | "grad_y") => op.contains("MatMul"),
        (
            "PartitionedCall" | "StatefulPartitionedCall",
            "config" | "config_proto" | "executor_type",
        ) => true,
        (
            "If" | "StatelessIf" | "While" | "StatelessWhile" | "Case" | "StatelessCase",
            "output_shapes",
        ) => true,
        ("While" | "StatelessWhile", "parallel_iterations") => true,
        (op, "metadata") => op.contains("Dataset") && matches!(value.value, Some(Value::S(_))),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_that_become_control_inputs_are_listed_once() {
        let inputs = ["v", "v:0", "^w", "w"].map(str::to_owned);
        assert_eq!(control_inputs(&inputs, false), ["^v", "^w"]);
        let inputs = ["argument", "node:resource:0", "^node"].map(str::to_owned);
        assert_eq!(control_inputs(&inputs, true), ["^node"]);
    }
}
