//! Conditionals of `Switch` and `Merge`, and the loops of `loops`.
//!
//! Source: `control_flow_grad.py`. Where the contexts of the conditionals are not known, as in a graph
//! without its MetaGraph, more nodes do the same.

use flowkeep_tensor::DType;

use super::super::contexts::Branch;
use super::super::forward::{Forward, Gradients};
use super::super::loops;
use super::super::operators::Index;
use super::super::table::Entry;
use super::super::{Gradient, IndexedSlices};
use crate::builder::{Operand, Scope};
use crate::{Error, Output};

pub(in super::super) const OPS: &[Entry] = &[
    ("Enter", loops::enter_grad),
    ("Exit", loops::exit_grad),
    ("LoopCond", loop_cond_grad),
    ("Merge", merge_grad),
    ("NextIteration", loops::next_iteration_grad),
    ("RefEnter", loops::enter_grad),
    ("RefExit", loops::exit_grad),
    ("RefMerge", merge_grad),
    ("RefNextIteration", loops::next_iteration_grad),
    ("RefSwitch", switch_grad),
    ("Switch", switch_grad),
];

/// The gradient of a loop does not pass what says whether it goes on.
fn loop_cond_grad(_: &mut Scope, op: &Forward) -> Gradients {
    op.nothing()
}

fn switch_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    if let Some(grads) = loops::switch_grad(scope, op) {
        return grads;
    }
    let grads = [op.grads.first().copied().flatten(), op.grads.get(1).copied().flatten()];
    let Some(branch) = op.branch() else {
        let predicate = op.input(1)?;
        let [on_false, on_true] = [op.grad(0)?, op.grad(1)?];
        let on_false = scope.switch(on_false, predicate, "Switch")?.0;
        let on_true = scope.switch(on_true, predicate, "Switch")?.1;
        let merged = scope.merge(on_false, on_true, "Merge")?;
        return Ok(vec![Some(merged), None]);
    };
    let merged = match grads {
        [Some(on_false), Some(on_true)] => Some(scope.merge(on_false, on_true, "cond_grad")?),
        [None, None] => None,
        // The variable that a resource refers to is used in one branch alone.
        [Some(only), None] | [None, Some(only)] => {
            let is_taken = grads.get(usize::from(branch.index == 1)).is_some_and(Option::is_some);
            match is_taken && scope.dtype(op.input(0)?) == Some(DType::Resource) {
                true => Some(scope.merge(only, only, "cond_resource_grad")?),
                false => None,
            }
        }
    };
    Ok(vec![merged, None])
}

fn merge_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    if let Some(grads) = loops::merge_grad(scope, op) {
        return grads;
    }
    let grad = op.grad(0)?;
    if let Some(branch) = op.branch_of_first_input() {
        let mut beside = scope.colocate_only_with(grad.node())?;
        let (on_false, on_true) = beside.switch(grad, branch.predicate, "cond_grad")?;
        return Ok(vec![Some(on_false), Some(on_true)]);
    }
    let mut is_taken = Vec::with_capacity(op.inputs.len());
    for index in (0i32..).take(op.inputs.len()) {
        is_taken.push(scope.op("Equal").input(op.output(1)).input(index).build_one()?);
    }
    let mut grads = Vec::with_capacity(is_taken.len());
    for is_taken in is_taken {
        let mut beside = scope.colocate_only_with(grad.node())?;
        grads.push(Some(beside.switch(grad, is_taken, "Switch")?.1));
    }
    Ok(grads)
}

impl Scope {
    /// A gradient that goes one way if the predicate does not hold, the other if it does.
    pub(in super::super) fn switch(
        &mut self,
        data: Gradient,
        predicate: Output,
        name: &str,
    ) -> Result<(Gradient, Gradient), Error> {
        let one = |scope: &mut Scope, data: Output, name: &str| -> Result<_, Error> {
            let node = scope.op("Switch").input(data).input(predicate).name(name).build()?;
            Ok([node.output(0), node.output(1)])
        };
        let slices = match data {
            Gradient::Dense(data) => {
                return one(self, data, name)
                    .map(|[on_false, on_true]| (on_false.into(), on_true.into()));
            }
            Gradient::Sparse(slices) => slices,
        };
        let mut inner = self.name_scope(name)?;
        let values = one(&mut inner, slices.values, "Switch")?;
        let indices = one(&mut inner, slices.indices, "Switch")?;
        let dense_shape = match slices.dense_shape {
            Some(shape) => one(&mut inner, shape, "Switch")?.map(Some),
            None => [None, None],
        };
        let [on_false, on_true] = [(0, values[0], indices[0]), (1, values[1], indices[1])].map(
            |(way, values, indices)| {
                let dense_shape = dense_shape.get(way).copied().flatten();
                Gradient::Sparse(IndexedSlices { values, indices, dense_shape })
            },
        );
        Ok((on_false, on_true))
    }

    /// Whichever of two gradients there is.
    pub(in super::super) fn merge(
        &mut self,
        a: Gradient,
        b: Gradient,
        name: &str,
    ) -> Result<Gradient, Error> {
        if let (Gradient::Dense(a), Gradient::Dense(b)) = (a, b) {
            return Ok(self.op("Merge").input_list([a, b]).name(name).build_one()?.into());
        }
        let mut inner = self.name_scope(name)?;
        let mut both = [inner.as_slices(a)?, inner.as_slices(b)?];
        let dtypes = both.map(|slices| inner.dtype(slices.indices));
        if dtypes.contains(&Some(DType::I32))
            && dtypes.iter().any(|dtype| *dtype != Some(DType::I32))
        {
            for slices in &mut both {
                if inner.dtype(slices.indices) == Some(DType::I32) {
                    slices.indices = inner.cast(slices.indices, DType::I64)?;
                }
            }
        }
        let [a, b] = both;
        let values = inner.op("Merge").input_list([a.values, b.values]).build_one()?;
        let indices = inner.op("Merge").input_list([a.indices, b.indices]).build_one()?;
        let dense_shape = match (a.dense_shape, b.dense_shape) {
            (Some(a), Some(b)) => Some(inner.op("Merge").input_list([a, b]).build_one()?),
            _ => None,
        };
        Ok(IndexedSlices { values, indices, dense_shape }.into())
    }

    /// All rows of a tensor, if it is none of rows alone.
    pub(in super::super) fn as_slices(
        &mut self,
        gradient: Gradient,
    ) -> Result<IndexedSlices, Error> {
        let values = match gradient {
            Gradient::Sparse(slices) => return Ok(slices),
            Gradient::Dense(values) => values,
        };
        let shape = self.op("Shape").input(values).build_one()?;
        let n_rows = self.item(shape, Index::At(0))?;
        let indices = self.range(0i32, Operand::from(n_rows), 1i32)?;
        Ok(IndexedSlices { values, indices, dense_shape: Some(shape) })
    }

    /// Zeros for the branch that a switch does not lead into, there if that branch is taken.
    ///
    /// `None` for a resource of which nobody knows what variable it refers to.
    pub(in super::super) fn zeros_of_other_branch(
        &mut self,
        switched: Output,
        branch: Branch,
    ) -> Result<Option<Output>, Error> {
        let dtype = match self.dtype(switched) {
            Some(DType::Resource) => self.handle_dtype(switched),
            dtype => dtype,
        };
        let Some(dtype) = dtype else { return Ok(None) };
        let switch = self.op("Switch").input(switched).input(branch.predicate).build()?;
        let other = switch.output(1 - branch.index.min(1));
        let pivot = self.identity(other)?;
        if self.dtype(switched) == Some(DType::Resource) {
            let mut after = self.control_dependencies([pivot.node])?;
            let shape = after.op("VariableShape").input(other).build_one()?;
            let zeros = after.zeros_of(shape, dtype, "zeros")?;
            if let Some(shape) = after.handle_shape(switched).cloned() {
                after.refine_shape(zeros, &shape)?;
            }
            return Ok(Some(zeros));
        }
        let shape = self.op("Shape").input(other).build_one()?;
        let mut after = self.control_dependencies([pivot.node])?;
        after.zeros_of(shape, dtype, "zeros").map(Some)
    }
}
