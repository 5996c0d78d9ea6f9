//! Which nodes are in which branch of a conditional of `Switch` and `Merge`.
//!
//! The graph does not say: the collections `cond_context` and `while_context` do, of a graph that was built
//! or that came with its MetaGraph. Source: `control_flow_ops.py`, `_init_values_from_proto`.

use std::collections::HashMap;

use flowkeep_proto::pb;
use flowkeep_proto::pb::control_flow_context_def::Ctxt;

use crate::builder::Scope;
use crate::{CollectionItem, NodeId, Output, collection_keys};

/// The branch that a node is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Branch {
    /// What decides.
    pub(super) predicate: Output,
    /// Which output of a switch leads into it.
    pub(super) index: u32,
}

/// The innermost context of each node that is in one; `None` for loops.
#[derive(Clone, Debug, Default)]
pub(super) struct Contexts(HashMap<NodeId, Option<Branch>>);

impl Contexts {
    pub(super) fn of(scope: &Scope) -> Contexts {
        let mut contexts = Contexts::default();
        for key in [collection_keys::COND_CONTEXT, collection_keys::WHILE_CONTEXT] {
            for item in scope.collections().get(key) {
                match item {
                    CollectionItem::Cond(def) => contexts.add_cond(scope, def),
                    CollectionItem::While(def) => contexts.add_loop(scope, def),
                    _ => {}
                }
            }
        }
        contexts
    }

    /// The branch that a node is in, if a conditional is the innermost context around it.
    pub(super) fn branch(&self, id: NodeId) -> Option<Branch> {
        self.0.get(&id).copied().flatten()
    }

    fn add_cond(&mut self, scope: &Scope, def: &pb::CondContextDef) {
        let Ok(predicate) = scope.graph().get_tensor_by_name(&def.pred_name) else { return };
        let index = u32::from(def.branch != 0);
        self.add_values(scope, def.values_def.as_ref(), Some(Branch { predicate, index }));
        self.add_nested(scope, &def.nested_contexts);
    }

    fn add_loop(&mut self, scope: &Scope, def: &pb::WhileContextDef) {
        self.add_values(scope, def.values_def.as_ref(), None);
        self.add_nested(scope, &def.nested_contexts);
    }

    /// What is within counts more than what is around it.
    fn add_nested(&mut self, scope: &Scope, nested: &[pb::ControlFlowContextDef]) {
        for def in nested {
            match &def.ctxt {
                Some(Ctxt::CondCtxt(def)) => self.add_cond(scope, def),
                Some(Ctxt::WhileCtxt(def)) => self.add_loop(scope, def),
                None => {}
            }
        }
    }

    /// The tensors of a context, but for those that only have a stand-in there.
    fn add_values(
        &mut self,
        scope: &Scope,
        values: Option<&pb::ValuesDef>,
        context: Option<Branch>,
    ) {
        let Some(def) = values else { return };
        for name in def.values.iter().filter(|name| !def.external_values.contains_key(*name)) {
            if let Ok(tensor) = scope.graph().get_tensor_by_name(name) {
                self.0.insert(tensor.node, context);
            }
        }
    }
}
