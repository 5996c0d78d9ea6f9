use flowkeep_graph::{Graph, Node, Output};
use flowkeep_tensor::{DType, PartialShape};

/// How many nodes that hand a variable on are followed.
const MAX_STEPS: usize = 100;

/// A node that is a variable.
#[derive(Clone, Debug)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) dtype: Option<DType>,
    /// The shape as far as it is known.
    pub(super) shape: PartialShape,
    pub(super) is_resource: bool,
}

impl Variable {
    /// The variable that a node is, if it is one.
    pub(super) fn of(node: &Node) -> Option<Variable> {
        let is_resource = match node.op() {
            "VarHandleOp" => true,
            "VariableV2" | "Variable" | "AutoReloadVariable" => false,
            _ => return None,
        };
        Some(Variable {
            name: node.name().into(),
            dtype: node.attrs().dtype("dtype").ok(),
            shape: node.attrs().shape("shape").unwrap_or_default(),
            is_resource,
        })
    }

    /// The variable that an output is, or hands on. In the body of a function, `args` are those that its
    /// arguments are.
    pub(super) fn behind(
        graph: &Graph,
        mut output: Output,
        args: &[Option<Variable>],
    ) -> Option<Variable> {
        for _ in 0..MAX_STEPS {
            let node = graph.get(output.node)?;
            match node.op() {
                "Identity" | "RefIdentity" => output = *node.inputs().first()?,
                "_Arg" => {
                    let idx = usize::try_from(node.attrs().int("index").ok()?).ok()?;
                    return args.get(idx)?.clone();
                }
                _ => return Variable::of(node),
            }
        }
        None
    }
}
