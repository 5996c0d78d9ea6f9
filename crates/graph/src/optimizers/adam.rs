use flowkeep_tensor::DType;

use super::Hyper;
use super::rule::{Arg, Finish, Prepared, Rows, Rule, Update, shared};
use super::slots::NewSlots;
use crate::builder::{Operand, Scope, Variable, number};
use crate::{Attr, Error, NodeId, Output};

/// Adam: `tf.compat.v1.train.AdamOptimizer`.
///
/// Slots: `m`, `v`. Powers of the two betas are kept once for all variables, on the device of the one
/// whose name is first.
#[derive(Clone, Debug)]
pub struct Adam {
    /// The learning rate; 0.001 by default.
    pub learning_rate: Hyper,
    /// How slowly the average of gradients changes; 0.9 by default.
    pub beta1: Hyper,
    /// How slowly the average of squares changes; 0.999 by default.
    pub beta2: Hyper,
    /// What keeps quotients finite; 1e-8 by default.
    pub epsilon: Hyper,
}

impl Default for Adam {
    fn default() -> Adam {
        Adam {
            learning_rate: 0.001.into(),
            beta1: 0.9.into(),
            beta2: 0.999.into(),
            epsilon: 1e-8.into(),
        }
    }
}

impl Adam {
    /// With this learning rate, and defaults for all else.
    pub fn new(learning_rate: impl Into<Hyper>) -> Adam {
        Adam { learning_rate: learning_rate.into(), ..Adam::default() }
    }
}

impl Rule for Adam {
    fn default_name(&self) -> &'static str {
        "Adam"
    }

    fn create_slots(&self, cx: &mut NewSlots<'_>, variables: &[Variable]) -> Result<(), Error> {
        let first = variables.iter().min_by_key(|variable| variable.name(cx.scope.graph()));
        if let Some(first) = first {
            cx.shared("beta1_power", &self.beta1, first)?;
            cx.shared("beta2_power", &self.beta2, first)?;
        }
        variables.iter().try_for_each(|variable| {
            cx.zeros(variable, "m", cx.name)?;
            cx.zeros(variable, "v", cx.name)
        })
    }

    fn prepare(&self, scope: &mut Scope) -> Result<Prepared, Error> {
        let hypers = [
            ("learning_rate", &self.learning_rate),
            ("beta1", &self.beta1),
            ("beta2", &self.beta2),
            ("epsilon", &self.epsilon),
        ];
        Prepared::new(scope, hypers)
    }

    fn update(&self, cx: &mut Update<'_>) -> Result<NodeId, Error> {
        let rows = cx.deduplicated()?;
        if let Rows { values, indices: Some(indices) } = rows {
            return update_rows(cx, values, indices);
        }
        let args = [
            Arg::Slot("m"),
            Arg::Slot("v"),
            Arg::Shared("beta1_power"),
            Arg::Shared("beta2_power"),
            Arg::Hyper("learning_rate"),
            Arg::Hyper("beta1"),
            Arg::Hyper("beta2"),
            Arg::Hyper("epsilon"),
            Arg::Gradient,
        ];
        cx.apply("Adam", rows, &args, &[])
    }

    fn finish(&self, cx: Finish<'_>) -> Result<NodeId, Error> {
        let Finish { scope, slots, prepared, use_locking, mut updates, name } = cx;
        {
            let powers = [shared(slots, "beta1_power")?, shared(slots, "beta2_power")?];
            let mut after = scope.control_dependencies(updates.iter().copied())?;
            let mut beside = after.colocate_with(&powers[0])?;
            for (power, beta) in powers.iter().zip(["beta1", "beta2"]) {
                let now = beside.read(power)?;
                let next = beside.times(now, prepared.get(beta)?)?;
                updates.push(assign(&mut beside, "Assign", power, next, use_locking)?);
            }
        }
        scope.with_op_name(name).group(updates)
    }
}

/// Updates rows of a variable. The averages of all its rows change, as if their gradient were zero.
fn update_rows(cx: &mut Update<'_>, values: Output, indices: Output) -> Result<NodeId, Error> {
    let dtype = cx.variable.dtype();
    let beta1_power = cx.cast_shared("beta1_power")?;
    let beta2_power = cx.cast_shared("beta2_power")?;
    let [rate, beta1, beta2, epsilon] = ["learning_rate", "beta1", "beta2", "epsilon"];
    let (rate, beta1) = (cx.hyper(rate)?, cx.hyper(beta1)?);
    let (beta2, epsilon) = (cx.hyper(beta2)?, cx.hyper(epsilon)?);

    let rest = one_minus(cx.scope, beta2_power, dtype)?;
    let root = cx.scope.sqrt(rest)?;
    let rate = cx.scope.times(rate, root)?;
    let rest = one_minus(cx.scope, beta1_power, dtype)?;
    let rate = cx.scope.truediv(rate, rest)?;

    let rest = one_minus(cx.scope, beta1.into(), dtype)?;
    let share = cx.scope.times(values, rest)?;
    let (m, m_updated) = average(cx, "m", beta1, indices, share)?;

    let squares = cx.scope.times(values, values)?;
    let rest = one_minus(cx.scope, beta2.into(), dtype)?;
    let share = cx.scope.times(squares, rest)?;
    let (v, v_updated) = average(cx, "v", beta2, indices, share)?;

    let root = cx.scope.sqrt(v)?;
    let delta = cx.scope.times(rate, m)?;
    let divisor = cx.scope.plus(root, epsilon)?;
    let delta = cx.scope.truediv(delta, divisor)?;
    let updated = assign(cx.scope, "AssignSub", cx.variable, delta, cx.use_locking)?;
    cx.scope.group([updated, m_updated, v_updated])
}

/// Lets an average decay by `beta` and adds to some of its rows. Gives its new value, and what has run
/// then.
fn average(
    cx: &mut Update<'_>,
    slot: &str,
    beta: Output,
    indices: Output,
    share: Output,
) -> Result<(Output, NodeId), Error> {
    let slot = cx.slot(slot)?;
    let now = cx.scope.read(&slot)?;
    let decayed = cx.scope.times(now, beta)?;
    let decayed = assign(cx.scope, "Assign", &slot, decayed, cx.use_locking)?;
    let mut after = cx.scope.control_dependencies([decayed])?;
    let op = if slot.is_resource() { "ResourceScatterAdd" } else { "ScatterAdd" };
    let added = after.op(op).input(slot.handle()).input(indices).input(share);
    if !slot.is_resource() {
        let added = added.attr("use_locking", Attr::Bool(cx.use_locking)).build_one()?;
        return Ok((added, added.node));
    }
    let added = added.build()?;
    let value = after.control_dependencies([added])?.read(&slot)?;
    Ok((value, value.node))
}

/// `1 - x`.
fn one_minus(scope: &mut Scope, x: Operand, dtype: DType) -> Result<Output, Error> {
    let x = scope.tensor(x, "x")?;
    scope.minus(number(dtype, 1.0)?, x)
}

/// Assigns a value, or subtracts it, and has a resource read again, as TensorFlow does in case that
/// somebody asks for the value.
fn assign(
    scope: &mut Scope,
    op: &str,
    variable: &Variable,
    value: Output,
    use_locking: bool,
) -> Result<NodeId, Error> {
    if !variable.is_resource() {
        let op = scope.op(op).input(variable.handle()).input(value);
        return op.attr("use_locking", Attr::Bool(use_locking)).build();
    }
    let assigned = match op {
        "AssignSub" => scope.assign_sub(variable, value)?,
        _ => scope.assign(variable, value)?,
    };
    let mut after = scope.control_dependencies([assigned])?;
    let read = after.op("ReadVariableOp").input(variable.handle());
    read.attr("dtype", Attr::Type(variable.dtype())).build()?;
    Ok(assigned)
}
