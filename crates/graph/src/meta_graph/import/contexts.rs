//! Conditionals, loops and queue runners of imported graphs.

use std::collections::BTreeSet;

use flowkeep_proto::pb;
use flowkeep_proto::pb::control_flow_context_def::Ctxt;

use super::super::scope_names::prepend_name_scope;
use crate::{Error, Graph, Node, NodeId};

/// The code that ends a queue where a runner does not say.
const OUT_OF_RANGE: i32 = 11;

/// A graph in which the nodes of a message are in a scope.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) graph: &'a Graph,
    pub(super) scope: &'a str,
}

impl Place<'_> {
    /// The message of a queue runner, whose names exist.
    pub(super) fn queue_runner(
        self,
        mut def: pb::QueueRunnerDef,
    ) -> Result<pb::QueueRunnerDef, Error> {
        self.find(&mut def.queue_name)?;
        self.find_all(&mut def.enqueue_op_name)?;
        self.find(&mut def.close_op_name)?;
        self.find(&mut def.cancel_op_name)?;
        let codes = &mut def.queue_closed_exception_types;
        if let Some(code) = codes.iter().find(|code| !(1..=16).contains(*code)) {
            return Err(Error::MetaGraph(format!(
                "the runner of queue '{}' ends at an unknown error code, {code}",
                def.queue_name
            )));
        }
        if codes.is_empty() {
            codes.push(OUT_OF_RANGE);
        }
        Ok(def)
    }

    /// The message of a conditional, whose names exist. Notes the frames of loops within.
    pub(super) fn cond(
        self,
        mut def: pb::CondContextDef,
        frames: &mut Vec<(NodeId, String)>,
    ) -> Result<pb::CondContextDef, Error> {
        def.context_name = prepend_name_scope(&def.context_name, self.scope);
        self.find(&mut def.pred_name)?;
        self.find(&mut def.pivot_name)?;
        self.values(&mut def.values_def)?;
        self.nested(&mut def.nested_contexts, frames)?;
        Ok(def)
    }

    /// The message of a loop, whose names exist. Notes the nodes that enter it, with the name of its
    /// frame.
    pub(super) fn while_loop(
        self,
        mut def: pb::WhileContextDef,
        frames: &mut Vec<(NodeId, String)>,
    ) -> Result<pb::WhileContextDef, Error> {
        def.context_name = prepend_name_scope(&def.context_name, self.scope);
        if !def.maximum_iterations_name.is_empty() {
            self.find(&mut def.maximum_iterations_name)?;
        }
        self.find(&mut def.pivot_for_pred_name)?;
        self.find(&mut def.pivot_for_body_name)?;
        self.find(&mut def.pivot_name)?;
        self.find_all(&mut def.loop_exit_names)?;
        self.find_all(&mut def.loop_enter_names)?;
        self.values(&mut def.values_def)?;
        if !self.scope.is_empty() {
            for value in def.values_def.iter().flat_map(|values| &values.values) {
                let id = self.graph.as_graph_element(value)?.node();
                if matches!(self.graph.get(id).map(Node::op), Some("Enter" | "RefEnter")) {
                    frames.push((id, def.context_name.clone()));
                }
            }
        }
        self.nested(&mut def.nested_contexts, frames)?;
        Ok(def)
    }

    fn nested(
        self,
        contexts: &mut [pb::ControlFlowContextDef],
        frames: &mut Vec<(NodeId, String)>,
    ) -> Result<(), Error> {
        for context in contexts {
            match &mut context.ctxt {
                Some(Ctxt::CondCtxt(def)) => *def = self.cond(std::mem::take(def), frames)?,
                Some(Ctxt::WhileCtxt(def)) => {
                    *def = self.while_loop(std::mem::take(def), frames)?
                }
                None => {
                    let what = "Unknown ControlFlowContextDef field: None";
                    return Err(Error::MetaGraph(what.to_owned()));
                }
            }
        }
        Ok(())
    }

    /// The tensors that a context has seen, sorted and once each, and what stands for those from
    /// outside.
    fn values(self, values: &mut Option<pb::ValuesDef>) -> Result<(), Error> {
        let pb::ValuesDef { values: seen, external_values } = values.take().unwrap_or_default();
        let mut def = pb::ValuesDef::default();
        for (outside, mut inside) in external_values {
            self.find(&mut inside)?;
            def.external_values.insert(prepend_name_scope(&outside, self.scope), inside);
        }
        let seen: BTreeSet<String> =
            seen.iter().map(|name| prepend_name_scope(name, self.scope)).collect();
        for name in seen.iter().filter(|name| !def.external_values.contains_key(*name)) {
            let node = name.split(':').next().unwrap_or_default();
            self.graph.get_operation_by_name(node)?;
        }
        def.values = seen.into_iter().collect();
        *values = Some(def);
        Ok(())
    }

    fn find_all(self, names: &mut [String]) -> Result<(), Error> {
        names.iter_mut().try_for_each(|name| self.find(name))
    }

    /// Gives a name the scope, and fails if it then names nothing.
    fn find(self, name: &mut String) -> Result<(), Error> {
        *name = prepend_name_scope(name, self.scope);
        self.graph.as_graph_element(name).map(drop)
    }
}
