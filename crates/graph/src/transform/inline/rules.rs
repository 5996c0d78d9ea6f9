//! Which calls are not inlined.

use std::collections::HashSet;

use super::{CallKind, Inliner};
use crate::{Attr, FunctionBody, Graph, GraphEdit, Node, NodeId};

/// Ops that are stateful by definition and whose effects nobody sees, or that run in no order.
const WITHOUT_EFFECTS: [&str; 29] = [
    "CollectiveAssignGroupsV2",
    "CollectiveBcastRecv",
    "CollectiveBcastRecvV2",
    "CollectiveBcastSend",
    "CollectiveBcastSendV2",
    "CollectiveGather",
    "CollectiveInitializeCommunicator",
    "CollectiveReduce",
    "CudnnRNN",
    "CudnnRNNBackprop",
    "CudnnRNNBackpropV2",
    "CudnnRNNBackpropV3",
    "CudnnRNNV2",
    "CudnnRNNV3",
    "Multinomial",
    "NcclAllReduce",
    "ParameterizedTruncatedNormal",
    "RandomGamma",
    "RandomPoisson",
    "RandomPoissonV2",
    "RandomShuffle",
    "RandomStandardNormal",
    "RandomUniform",
    "RandomUniformInt",
    "ReadVariableOp",
    "Recv",
    "RestoreV2",
    "Send",
    "TruncatedNormal",
];

impl Inliner<'_> {
    /// Why a call stays; `None` if it does not.
    pub(super) fn refusal(
        &self,
        edit: &mut GraphEdit,
        id: NodeId,
        function: &str,
        kind: CallKind,
        body: &FunctionBody,
    ) -> Option<String> {
        let waited_for = is_waited_for(edit, id);
        let node = edit.node(id)?;
        if self.options.feeds.contains(node.name()) {
            return Some("it is fed".to_owned());
        }
        if is_for_xla(node) {
            return Some("it is compiled by XLA".to_owned());
        }
        if node.inputs().len() != body.args.len() {
            let (n_inputs, n_args) = (node.inputs().len(), body.args.len());
            return Some(format!(
                "Node inputs do not match function arguments: inputs={n_inputs} arg_types={n_args}"
            ));
        }
        // Types of nodes that came in with another call are not settled yet: the attributes tell.
        if let (CallKind::Partitioned, Ok(inputs), Ok(outputs)) =
            (kind, node.attrs().types("Tin"), node.attrs().types("Tout"))
        {
            let args = body.args.iter().map(|arg| body.graph.node(*arg).output_dtype(0));
            for (idx, (input, arg)) in inputs.iter().zip(args).enumerate() {
                if let Some(arg) = arg.filter(|arg| arg != input) {
                    return Some(format!(
                        "Node input type doesn't match function argument type: \
                         {input} != {arg} @ index={idx}"
                    ));
                }
            }
            if outputs.len() != body.rets.len() {
                let (n_outputs, n_rets) = (outputs.len(), body.rets.len());
                return Some(format!(
                    "Node outputs do not match function returns: outputs={n_outputs} ret_types={n_rets}"
                ));
            }
            let rets = body.rets.iter();
            let rets = rets.map(|ret| body.graph.node(ret.node).output_dtype(ret.index));
            for (idx, (output, ret)) in outputs.iter().zip(rets).enumerate() {
                if let Some(ret) = ret.filter(|ret| ret != output) {
                    return Some(format!(
                        "Node output type doesn't match function return type: \
                         {output} != {ret} @ index={idx}"
                    ));
                }
            }
        }
        if self.options.aggressive {
            return None;
        }
        let is_marked = self.library.get(function).is_some_and(|function| {
            function.attrs().get("_noinline").and_then(Attr::as_bool) == Some(true)
        });
        if is_marked {
            return Some("Can't inline function marked with '_noinline'".to_owned());
        }
        lost_effects(&body.graph, kind, body, waited_for)
    }
}

fn is_waited_for(edit: &mut GraphEdit, id: NodeId) -> bool {
    edit.consumers(id)
        .into_iter()
        .any(|user| edit.node(user).is_some_and(|node| node.control_inputs().contains(&id)))
}

fn is_for_xla(node: &Node) -> bool {
    ["_xla_compile_id", "_tpu_replicate", "_XlaMustCompile"].into_iter().any(|attr| {
        match node.attr(attr) {
            Some(Attr::Str(value)) => !value.is_empty(),
            Some(Attr::Bool(value)) => *value,
            _ => false,
        }
    })
}

/// Says which effects of a body might not take place once it is inlined.
fn lost_effects(
    graph: &Graph,
    kind: CallKind,
    body: &FunctionBody,
    waited_for: bool,
) -> Option<String> {
    let has_effects = |node: &Node| {
        is_stateful(graph, node)
            && node.op() != "_Arg"
            && WITHOUT_EFFECTS.binary_search(&node.op()).is_err()
    };
    let mut with_effects = graph.iter().filter(|(_, node)| has_effects(node)).peekable();
    with_effects.peek()?;
    if !waited_for {
        return Some(
            "Can't guarantee execution of function side-effects after inlining. \
             Function call node has no outgoing control edges."
                .to_owned(),
        );
    }
    let mut waiting: Vec<NodeId> = match kind {
        CallKind::Partitioned => body.control_rets.clone(),
        CallKind::ByName => body.rets.iter().map(|ret| ret.node).collect(),
    };
    let mut run: HashSet<NodeId> = HashSet::new();
    while let Some(id) = waiting.pop() {
        if run.insert(id) {
            let node = graph.node(id);
            waiting.extend(node.inputs().iter().map(|input| input.node));
            waiting.extend(node.control_inputs());
        }
    }
    let (_, lost) = with_effects.find(|(id, _)| !run.contains(id))?;
    Some(format!(
        "Can't guarantee execution of a side-effectful node, that is not reachable from function \
         control source. Function body node: {{{{node {}}}}}",
        lost.name()
    ))
}

/// Whether an op, or the function that is called by name, is stateful.
fn is_stateful(graph: &Graph, node: &Node) -> bool {
    match node.def() {
        Some(def) => def.is_stateful,
        None => graph.library().get(node.op()).is_some_and(|function| function.is_stateful()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op_def;

    #[test]
    fn the_list_is_sorted_and_of_stateful_ops() {
        assert!(WITHOUT_EFFECTS.is_sorted());
        for op in WITHOUT_EFFECTS {
            // Two of them are ops of other releases, and one has no state.
            let def = op_def::lookup(op);
            let is_stateful = def.is_none_or(|def| def.is_stateful);
            assert_eq!(is_stateful, op != "RandomGammaGrad", "{op}");
        }
    }
}
