use super::rule::{Finish, Prepared, Rule, Update};
use super::slots::{NewSlots, Slots};
use crate::builder::{Scope, Variable};
use crate::gradients::Gradient;
use crate::{CollectionItem, Error, Graph, NodeId, collection_keys};

/// An optimizer: what trains variables with their gradients, as those of `tf.compat.v1.train` do.
///
/// It is made from what kind it is, [`Adam`](super::Adam) for instance. It belongs to the graph that it
/// is used with first: what it keeps of variables is made then, and used again by later calls.
///
/// ```
/// use flowkeep_graph::builder::{Initializer, Scope, VariableOptions};
/// use flowkeep_graph::optimizers::{Adam, Optimizer};
/// use flowkeep_tensor::DType;
///
/// let mut scope = Scope::new();
/// let w = scope.get_variable("w", VariableOptions::new().shape([3]).initializer(Initializer::Zeros))?;
/// let step = scope.get_or_create_global_step()?;
/// let gradient = scope.placeholder(DType::F32, [Some(3)])?;
/// let mut adam = Optimizer::new(Adam { learning_rate: 0.01.into(), ..Adam::default() });
/// let train = adam.apply_gradients(&mut scope, &[(Some(gradient.into()), w.clone())], Some(&step), None)?;
/// assert_eq!(scope.graph().node(train).name(), "Adam");
/// assert_eq!(adam.slot(&w, "v").unwrap().name(scope.graph()), "w/Adam_1:0");
/// # Ok::<(), flowkeep_graph::Error>(())
/// ```
#[derive(Debug)]
pub struct Optimizer {
    rule: Box<dyn Rule>,
    name: String,
    use_locking: bool,
    slots: Slots,
}

impl Optimizer {
    /// An optimizer of some kind, called like the kind.
    pub fn new(kind: impl Into<Optimizer>) -> Optimizer {
        kind.into()
    }

    pub(super) fn of_rule(rule: impl Rule + 'static) -> Optimizer {
        Optimizer {
            name: rule.default_name().to_owned(),
            rule: Box::new(rule),
            use_locking: false,
            slots: Slots::default(),
        }
    }

    /// With another name, which its nodes and slots are called by.
    pub fn named(mut self, name: &str) -> Optimizer {
        self.name = name.to_owned();
        self
    }

    /// Whether nodes lock variables while they update them.
    pub fn use_locking(mut self, use_locking: bool) -> Optimizer {
        self.use_locking = use_locking;
        self
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is kept of a variable under the name of a slot, `m` of Adam for instance; `None` before
    /// gradients of the variable were applied.
    pub fn slot(&self, variable: &Variable, slot: &str) -> Option<&Variable> {
        self.slots.get(slot, variable)
    }

    /// The names of all slots, in order.
    pub fn slot_names(&self) -> Vec<&'static str> {
        self.slots.names().collect()
    }

    /// All variables that are kept, ordered by name.
    pub fn variables(&self, graph: &Graph) -> Vec<Variable> {
        let mut variables: Vec<Variable> = self.slots.all().cloned().collect();
        variables.sort_by_cached_key(|variable| variable.name(graph));
        variables
    }

    /// Adds the nodes that update variables with their gradients: `Optimizer.apply_gradients`. Gives
    /// the node that has run when all is updated, and the step is counted if there is a variable for
    /// it. The node is put into the collection `train_op`.
    ///
    /// Variables without a gradient are left as they are. `name` is that of the node and of the name
    /// scope around the others, the optimizer's if none is given.
    ///
    /// Errors: `INVALID_ARGUMENT`, with TensorFlow's texts, if there is no gradient, and for
    /// hyper-parameters that cannot be; as the ops; `UNIMPLEMENTED` for variables of unknown shape that
    /// something is kept of.
    pub fn apply_gradients(
        &mut self,
        scope: &mut Scope,
        gradients: &[(Option<Gradient>, Variable)],
        global_step: Option<&Variable>,
        name: Option<&str>,
    ) -> Result<NodeId, Error> {
        self.check()?;
        if gradients.is_empty() {
            return Err(self.refused("No variables provided.".to_owned()));
        }
        let updated: Vec<(Gradient, &Variable)> = gradients
            .iter()
            .filter_map(|(gradient, variable)| Some(((*gradient)?, variable)))
            .collect();
        if updated.is_empty() {
            let variables = gradients.iter().map(|(_, variable)| variable);
            return Err(self.refused(format!(
                "No gradients provided for any variable: {}.",
                python_variables(variables, scope.graph())
            )));
        }
        let variables: Vec<Variable> =
            updated.iter().map(|(_, variable)| (*variable).clone()).collect();
        {
            let mut lifted = scope.init_scope();
            let (slots, name) = (&mut self.slots, &*self.name);
            let mut cx = NewSlots { scope: &mut lifted, slots, name };
            self.rule.create_slots(&mut cx, &variables)?;
        }
        let train = {
            let mut inner = scope.name_scope(name.unwrap_or(&self.name))?;
            self.update_all(&mut inner, &updated, global_step)?
        };
        let train_ops = scope.collections_mut().get_mut(collection_keys::TRAIN_OP);
        if !train_ops.contains(&CollectionItem::Node(train)) {
            train_ops.push(train.into());
        }
        Ok(train)
    }

    /// All nodes of a step, in a name scope of their own.
    fn update_all(
        &self,
        scope: &mut Scope,
        gradients: &[(Gradient, &Variable)],
        global_step: Option<&Variable>,
    ) -> Result<NodeId, Error> {
        let name = scope.current_name_scope();
        let prepared: Prepared = self.rule.prepare(scope)?;
        let mut updates = Vec::with_capacity(gradients.len());
        for (gradient, variable) in gradients {
            let variable_name = scope.graph().node(variable.op()).name().to_owned();
            let mut inner = scope.name_scope(&format!("update_{variable_name}"))?;
            let mut inner = inner.colocate_with(*variable)?;
            let mut cx = Update {
                scope: &mut inner,
                slots: &self.slots,
                prepared: &prepared,
                use_locking: self.use_locking,
                variable,
                gradient: *gradient,
            };
            updates.push(self.rule.update(&mut cx)?);
        }
        let updated = self.rule.finish(Finish {
            scope,
            slots: &self.slots,
            prepared: &prepared,
            use_locking: self.use_locking,
            updates,
            name: if global_step.is_none() { &name } else { "update" },
        })?;
        let Some(step) = global_step else { return Ok(updated) };
        let mut after = scope.control_dependencies([updated])?;
        let mut beside = after.colocate_with(step)?;
        let one = crate::builder::number(step.dtype(), 1.0)?;
        beside.with_op_name(&name).assign_add(step, one)
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        if self.name.is_empty() {
            return Err(self.refused("Must specify the optimizer name".to_owned()));
        }
        self.rule.check()
    }

    pub(super) fn refused(&self, message: String) -> Error {
        Error::Variable { name: self.name.clone(), message }
    }
}

/// Variables as Python writes a list of their texts.
pub(super) fn python_variables<'v>(
    variables: impl IntoIterator<Item = &'v Variable>,
    graph: &Graph,
) -> String {
    let texts = variables.into_iter().map(|variable| {
        let shape = crate::builder::python_shape(variable.shape());
        let suffix = if variable.is_resource() { "" } else { "_ref" };
        let (name, dtype) = (variable.name(graph), variable.dtype().python_name());
        format!("\"<tf.Variable '{name}' shape={shape} dtype={dtype}{suffix}>\"")
    });
    format!("[{}]", texts.collect::<Vec<_>>().join(", "))
}

macro_rules! kinds {
    ($($kind:ident),*) => {
        $(
            impl From<super::$kind> for Optimizer {
                fn from(kind: super::$kind) -> Optimizer {
                    Optimizer::of_rule(kind)
                }
            }
        )*
    };
}

kinds!(
    Adadelta,
    Adagrad,
    AdagradDa,
    Adam,
    Ftrl,
    GradientDescent,
    Momentum,
    ProximalAdagrad,
    ProximalGradientDescent,
    RmsProp
);
