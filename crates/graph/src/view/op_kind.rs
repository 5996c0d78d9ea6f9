use crate::{Graph, Node};

/// What the op of a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OpKind {
    /// An op that TensorFlow defines.
    Op,
    /// A function of the graph's library.
    Function,
    /// Neither of both.
    Unknown,
}

impl OpKind {
    /// What the op of a node of this graph is.
    pub fn of(graph: &Graph, node: &Node) -> OpKind {
        match node.def() {
            Some(_) => OpKind::Op,
            None if graph.library().get(node.op()).is_some() => OpKind::Function,
            None => OpKind::Unknown,
        }
    }

    /// `op`, `function` or `unknown`.
    pub fn name(self) -> &'static str {
        match self {
            OpKind::Op => "op",
            OpKind::Function => "function",
            OpKind::Unknown => "unknown",
        }
    }
}

/// Whether an op is one of those that steer which nodes run, and how often.
pub(super) fn is_control_flow(op: &str) -> bool {
    CONTROL_FLOW.contains(&op)
}

const CONTROL_FLOW: [&str; 21] = [
    "Case",
    "ControlTrigger",
    "Enter",
    "Exit",
    "For",
    "If",
    "LoopCond",
    "Merge",
    "NextIteration",
    "RefEnter",
    "RefExit",
    "RefMerge",
    "RefNextIteration",
    "RefSelect",
    "RefSwitch",
    "StatelessCase",
    "StatelessIf",
    "StatelessWhile",
    "Switch",
    "While",
    "_SwitchN",
];

/// Whether an op is fed from outside of the graph.
pub(super) fn is_placeholder(op: &str) -> bool {
    matches!(op, "Placeholder" | "PlaceholderV2" | "PlaceholderWithDefault" | "_Arg")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op_def;

    #[test]
    fn control_flow_ops_are_sorted_and_exist() {
        assert!(CONTROL_FLOW.is_sorted());
        for op in CONTROL_FLOW.iter().filter(|op| !op.starts_with('_')) {
            assert!(op_def::lookup(op).is_some(), "{op}");
        }
    }
}
