//! What optimizers differ in.

use std::fmt;

use super::slots::{NewSlots, Slots, cast};
use crate::builder::{Operand, Scope, Variable, number};
use crate::gradients::Gradient;
use crate::{Attr, Error, NodeId, Output};

/// How an optimizer updates variables.
pub(super) trait Rule: fmt::Debug + Send + Sync {
    /// The name of the optimizer if it is given none.
    fn default_name(&self) -> &'static str;

    /// Fails for numbers that cannot be.
    fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Makes what is kept of each variable.
    fn create_slots(&self, _cx: &mut NewSlots<'_>, _variables: &[Variable]) -> Result<(), Error> {
        Ok(())
    }

    /// Makes the tensors of hyper-parameters, by name.
    fn prepare(&self, scope: &mut Scope) -> Result<Prepared, Error>;

    /// Makes the node that updates one variable.
    fn update(&self, cx: &mut Update<'_>) -> Result<NodeId, Error>;

    /// Makes the node that has run when all is updated.
    fn finish(&self, cx: Finish<'_>) -> Result<NodeId, Error> {
        cx.scope.with_op_name(cx.name).group(cx.updates)
    }
}

/// The tensors of hyper-parameters by name.
#[derive(Clone, Debug)]
pub(super) struct Prepared(Vec<(&'static str, Output)>);

impl Prepared {
    /// Makes constants and reads variables, one after the other.
    pub(super) fn new<const N: usize>(
        scope: &mut Scope,
        hypers: [(&'static str, &super::Hyper); N],
    ) -> Result<Prepared, Error> {
        let mut prepared = Prepared(Vec::new());
        for (name, hyper) in hypers {
            prepared.add(name, hyper.tensor(scope, name)?);
        }
        Ok(prepared)
    }

    pub(super) fn add(&mut self, name: &'static str, tensor: Output) {
        self.0.push((name, tensor));
    }

    pub(super) fn get(&self, name: &str) -> Result<Output, Error> {
        let found = self.0.iter().find(|(other, _)| *other == name);
        found.map(|(_, tensor)| *tensor).ok_or_else(|| missing("hyper-parameter", name))
    }
}

/// An update of one variable in the making, in the name scope and on the device of the variable.
#[derive(Debug)]
pub(super) struct Update<'a> {
    pub(super) scope: &'a mut Scope,
    pub(super) slots: &'a Slots,
    pub(super) prepared: &'a Prepared,
    pub(super) use_locking: bool,
    pub(super) variable: &'a Variable,
    pub(super) gradient: Gradient,
}

/// The end of a step in the making, in its name scope.
#[derive(Debug)]
pub(super) struct Finish<'a> {
    pub(super) scope: &'a mut Scope,
    pub(super) slots: &'a Slots,
    pub(super) prepared: &'a Prepared,
    pub(super) use_locking: bool,
    /// The nodes that update variables.
    pub(super) updates: Vec<NodeId>,
    /// The name for the last node.
    pub(super) name: &'a str,
}

/// The rows of a gradient, and where each belongs; of a whole gradient, the gradient.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows {
    pub(super) values: Output,
    pub(super) indices: Option<Output>,
}

/// An argument of an op that updates a variable. The variable itself is the first one of all of them.
#[derive(Clone, Copy, Debug)]
pub(super) enum Arg {
    /// What is kept of the variable.
    Slot(&'static str),
    /// What is kept for all, as the variable's type.
    Shared(&'static str),
    /// A hyper-parameter, as the variable's type.
    Hyper(&'static str),
    /// A hyper-parameter as it is.
    AsIs(&'static str),
    /// A number, as the variable's type.
    Number(f64),
    /// A tensor.
    Tensor(Output),
    /// The gradient, and where its rows belong if it has some.
    Gradient,
}

impl Update<'_> {
    /// The gradient in which no row is there twice.
    pub(super) fn deduplicated(&mut self) -> Result<Rows, Error> {
        match self.gradient {
            Gradient::Dense(values) => Ok(Rows { values, indices: None }),
            Gradient::Sparse(slices) => {
                let (values, indices) = deduplicated(self.scope, slices.values, slices.indices)?;
                Ok(Rows { values, indices: Some(indices) })
            }
        }
    }

    /// Makes the node of op `Apply{op}`, or of its forms for rows and for resources.
    pub(super) fn apply(
        &mut self,
        op: &str,
        rows: Rows,
        args: &[Arg],
        attrs: &[(&str, Attr)],
    ) -> Result<NodeId, Error> {
        let dtype = self.variable.dtype();
        let mut operands: Vec<Operand> = vec![self.variable.handle().into()];
        for arg in args {
            let operand = match *arg {
                Arg::Slot(slot) => self.slot(slot)?.handle().into(),
                Arg::Shared(name) => self.cast_shared(name)?,
                Arg::Hyper(name) => self.hyper(name)?.into(),
                Arg::AsIs(name) => self.prepared.get(name)?.into(),
                Arg::Number(value) => {
                    self.scope.cast(number(flowkeep_tensor::DType::F32, value)?, dtype)?.into()
                }
                Arg::Tensor(tensor) => tensor.into(),
                Arg::Gradient => {
                    operands.push(rows.values.into());
                    match rows.indices {
                        Some(indices) => indices.into(),
                        None => continue,
                    }
                }
            };
            operands.push(operand);
        }
        let form = match (self.variable.is_resource(), rows.indices) {
            (false, None) => "Apply",
            (false, Some(_)) => "SparseApply",
            (true, None) => "ResourceApply",
            (true, Some(_)) => "ResourceSparseApply",
        };
        let mut node = self.scope.op(&format!("{form}{op}"));
        for operand in operands {
            node = node.input(operand);
        }
        for (name, attr) in attrs {
            node = node.attr(name, attr.clone());
        }
        node.attr("use_locking", Attr::Bool(self.use_locking)).build()
    }

    /// What is kept of the variable.
    pub(super) fn slot(&self, slot: &str) -> Result<Variable, Error> {
        self.slots.get(slot, self.variable).cloned().ok_or_else(|| missing("slot", slot))
    }

    /// A hyper-parameter as the variable's type.
    pub(super) fn hyper(&mut self, name: &str) -> Result<Output, Error> {
        self.scope.cast(self.prepared.get(name)?, self.variable.dtype())
    }

    /// What is kept for all as the variable's type.
    pub(super) fn cast_shared(&mut self, name: &str) -> Result<Operand, Error> {
        let shared = shared(self.slots, name)?;
        cast(self.scope, shared.into(), self.variable.dtype())
    }
}

/// A variable that is kept for all.
pub(super) fn shared(slots: &Slots, name: &str) -> Result<Variable, Error> {
    slots.shared(name).cloned().ok_or_else(|| missing("variable", name))
}

fn missing(what: &str, name: &str) -> Error {
    Error::NoSuchElement(format!("the optimizer has no {what} '{name}'"))
}

/// Adds up rows that belong to the same one.
fn deduplicated(
    scope: &mut Scope,
    values: Output,
    indices: Output,
) -> Result<(Output, Output), Error> {
    let unique = scope.op("Unique").input(indices).build()?;
    let shape = scope.shape_of(unique.output(0))?;
    let n_rows = scope.first(shape)?;
    let sums = scope.op("UnsortedSegmentSum").input(values).input(unique.output(1));
    Ok((sums.input(n_rows).build_one()?, unique.output(0)))
}
