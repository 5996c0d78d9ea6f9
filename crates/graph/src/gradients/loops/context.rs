//! What is within which loop and which branch of a conditional, as nodes are added.
//!
//! Source: `control_flow_ops.py`, `ControlFlowContext`; the collections `while_context` and `cond_context`.

use std::collections::{HashMap, HashSet};
use std::ops::{Index, IndexMut};

use flowkeep_proto::pb;
use flowkeep_proto::pb::control_flow_context_def::Ctxt;

use super::state::LoopState;
use crate::builder::Scope;
use crate::{CollectionItem, NodeId, Output, collection_keys};

/// Things that are added and never taken away, by their numbers.
#[derive(Clone, Debug)]
pub(crate) struct Arena<T>(Vec<T>);

impl<T> Default for Arena<T> {
    fn default() -> Arena<T> {
        Arena(Vec::new())
    }
}

impl<T> Arena<T> {
    /// Adds one, and gives its number.
    pub(super) fn push(&mut self, value: T) -> usize {
        self.0.push(value);
        self.0.len() - 1
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }

    pub(super) fn iter_mut(&mut self) -> std::slice::IterMut<'_, T> {
        self.0.iter_mut()
    }
}

#[expect(clippy::indexing_slicing, reason = "numbers are those of things that were added")]
impl<T> Index<usize> for Arena<T> {
    type Output = T;

    fn index(&self, index: usize) -> &T {
        &self.0[index]
    }
}

#[expect(clippy::indexing_slicing, reason = "numbers are those of things that were added")]
impl<T> IndexMut<usize> for Arena<T> {
    fn index_mut(&mut self, index: usize) -> &mut T {
        &mut self.0[index]
    }
}

/// A loop, or a branch of a conditional.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(super) kind: Kind,
    pub(super) outer: Option<usize>,
    /// The tensors that were seen, of the context and from outside.
    pub(super) values: HashSet<Output>,
    /// What stands here for tensors from outside.
    pub(super) external: HashMap<Output, Output>,
    /// What was current each time that the context was entered.
    entered_from: Vec<Option<usize>>,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Branch { predicate: Output, pivot: NodeId, index: u32 },
    Loop(Loop),
}

/// A loop, forward or of a gradient.
#[derive(Clone, Debug, Default)]
pub(super) struct Loop {
    /// The name of its frame.
    pub(super) name: String,
    pub(super) parallel_iterations: i64,
    pub(super) back_prop: bool,
    pub(super) swap_memory: bool,
    /// Whether there is another iteration.
    pub(super) pivot: Option<Output>,
    /// What nodes of the condition, and of the body, wait for that take no data of the iteration.
    pub(super) pivot_for_pred: Option<Output>,
    pub(super) pivot_for_body: Option<Output>,
    pub(super) exits: Vec<Output>,
    pub(super) enters: Vec<Output>,
    /// The state of the gradient, of the loop of one.
    pub(super) state: Option<usize>,
}

impl Loop {
    pub(super) fn control_pivot(&self) -> Option<Output> {
        self.pivot_for_body.or(self.pivot_for_pred)
    }
}

/// All contexts of a graph, and the loops that gradients are made of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flow {
    pub(super) contexts: Arena<Context>,
    pub(super) of: HashMap<NodeId, usize>,
    pub(super) states: Arena<LoopState>,
}

impl Flow {
    /// The contexts that the collections of a scope know.
    pub(in super::super) fn of(scope: &Scope) -> Flow {
        let mut flow = Flow::default();
        for key in [collection_keys::COND_CONTEXT, collection_keys::WHILE_CONTEXT] {
            for item in scope.collections().get(key) {
                match item {
                    CollectionItem::Cond(def) => flow.read_branch(scope, def, None),
                    CollectionItem::While(def) => flow.read_loop(scope, def, None),
                    _ => {}
                }
            }
        }
        flow
    }

    pub(super) fn add(&mut self, kind: Kind, outer: Option<usize>) -> usize {
        self.contexts.push(Context {
            kind,
            outer,
            values: HashSet::new(),
            external: HashMap::new(),
            entered_from: Vec::new(),
        })
    }

    fn read_branch(&mut self, scope: &Scope, def: &pb::CondContextDef, outer: Option<usize>) {
        let tensor = |name: &String| scope.graph().get_tensor_by_name(name).ok();
        let (Some(predicate), Some(pivot)) = (tensor(&def.pred_name), tensor(&def.pivot_name))
        else {
            return;
        };
        let index = u32::from(def.branch != 0);
        let context = self.add(Kind::Branch { predicate, pivot: pivot.node, index }, outer);
        self.read_values(scope, context, def.values_def.as_ref());
        self.read_nested(scope, context, &def.nested_contexts);
    }

    fn read_loop(&mut self, scope: &Scope, def: &pb::WhileContextDef, outer: Option<usize>) {
        let tensor = |name: &String| scope.graph().get_tensor_by_name(name).ok();
        let described = Loop {
            name: def.context_name.clone(),
            parallel_iterations: i64::from(def.parallel_iterations),
            back_prop: def.back_prop,
            swap_memory: def.swap_memory,
            pivot: tensor(&def.pivot_name),
            pivot_for_pred: tensor(&def.pivot_for_pred_name),
            pivot_for_body: tensor(&def.pivot_for_body_name),
            exits: def.loop_exit_names.iter().filter_map(tensor).collect(),
            enters: def.loop_enter_names.iter().filter_map(tensor).collect(),
            state: None,
        };
        let context = self.add(Kind::Loop(described), outer);
        self.read_values(scope, context, def.values_def.as_ref());
        self.read_nested(scope, context, &def.nested_contexts);
    }

    fn read_nested(&mut self, scope: &Scope, outer: usize, nested: &[pb::ControlFlowContextDef]) {
        for def in nested {
            match &def.ctxt {
                Some(Ctxt::CondCtxt(def)) => self.read_branch(scope, def, Some(outer)),
                Some(Ctxt::WhileCtxt(def)) => self.read_loop(scope, def, Some(outer)),
                None => {}
            }
        }
    }

    fn read_values(&mut self, scope: &Scope, context: usize, def: Option<&pb::ValuesDef>) {
        let Some(def) = def else { return };
        let tensor = |name: &str| scope.graph().get_tensor_by_name(name).ok();
        let values: HashSet<Output> = def.values.iter().filter_map(|name| tensor(name)).collect();
        let external = def.external_values.iter();
        let external: HashMap<Output, Output> =
            external.filter_map(|(outer, inner)| Some((tensor(outer)?, tensor(inner)?))).collect();
        let own = values.iter().filter(|value| !external.contains_key(*value));
        self.of.extend(own.map(|value| (value.node, context)));
        self.contexts[context].values = values;
        self.contexts[context].external = external;
    }

    /// The loop around a context, which may be the context itself.
    pub(super) fn loop_around(&self, mut context: Option<usize>) -> Option<usize> {
        while let Some(index) = context {
            match self.contexts[index].kind {
                Kind::Loop(_) => return Some(index),
                Kind::Branch { .. } => context = self.contexts[index].outer,
            }
        }
        None
    }

    pub(super) fn as_loop(&self, context: usize) -> Option<&Loop> {
        match &self.contexts[context].kind {
            Kind::Loop(found) => Some(found),
            Kind::Branch { .. } => None,
        }
    }

    pub(super) fn as_loop_mut(&mut self, context: usize) -> Option<&mut Loop> {
        match &mut self.contexts[context].kind {
            Kind::Loop(found) => Some(found),
            Kind::Branch { .. } => None,
        }
    }

    /// The loop that a node is in.
    pub(super) fn loop_of(&self, id: NodeId) -> Option<usize> {
        self.loop_around(self.of.get(&id).copied())
    }

    /// The state of the gradient whose loop new nodes are in.
    pub(super) fn state_around(&self, current: Option<usize>) -> Option<usize> {
        self.loop_around(current).and_then(|context| self.as_loop(context)?.state)
    }

    /// The state of the gradient of a loop.
    pub(super) fn state_of_forward(&self, forward: usize) -> Option<usize> {
        self.states.iter().position(|state| state.forward == forward)
    }
}

impl Scope {
    /// Enters a context.
    pub(super) fn enter_context(&mut self, context: usize) {
        let current = self.current_context();
        self.flow.contexts[context].entered_from.push(current);
        self.set_current_context(Some(context));
    }

    /// Leaves a context.
    pub(super) fn leave_context(&mut self, context: usize) {
        let outer = self.flow.contexts[context].entered_from.pop().flatten();
        self.set_current_context(outer);
    }

    /// Makes nodes in a context, or in none of those that are entered when it is `None`, as they are.
    pub(super) fn within_context<T>(
        &mut self,
        context: Option<usize>,
        make: impl FnOnce(&mut Scope) -> Result<T, crate::Error>,
    ) -> Result<T, crate::Error> {
        let Some(context) = context else { return make(self) };
        self.enter_context(context);
        let made = make(self);
        self.leave_context(context);
        made
    }

    pub(super) fn is_op(&self, id: NodeId, ops: &[&str]) -> bool {
        self.graph().get(id).is_some_and(|node| ops.contains(&node.op()))
    }

    pub(super) fn is_exit(&self, id: NodeId) -> bool {
        self.is_op(id, &["Exit", "RefExit"])
    }

    pub(super) fn is_constant_enter(&self, id: NodeId) -> bool {
        self.is_op(id, &["Enter", "RefEnter"])
            && self.graph().get(id).is_some_and(|node| node.attrs().bool("is_constant") == Ok(true))
    }

    /// The context that the outputs of a node are in.
    pub(super) fn output_context(&self, id: NodeId) -> Option<usize> {
        let context = self.flow.of.get(&id).copied()?;
        if self.is_exit(id) { self.flow.contexts[context].outer } else { Some(context) }
    }
}
