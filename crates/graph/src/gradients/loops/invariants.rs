//! Gradients of what is the same in all iterations: the sum of those of each.
//!
//! Source: `control_flow_ops.py`, `AddBackpropAccumulator` and `AddBackpropIndexedSlicesAccumulator`.

use flowkeep_tensor::{DType, PartialShape, Shape};

use crate::builder::{Operand, Scope};
use crate::gradients::IndexedSlices;
use crate::gradients::forward::Forward;
use crate::gradients::operators::Index;
use crate::{Error, Output};

impl Scope {
    /// The sum of an invariant's gradients, in the loop of the gradient, which is entered.
    pub(super) fn sum_up_invariant(
        &mut self,
        context: usize,
        op: &Forward,
        grad: Output,
    ) -> Result<Output, Error> {
        let dtype = self.dtype(grad).unwrap_or(DType::F32);
        self.leave_context(context);
        let start = self.zeros_of_invariant(context, op, grad, dtype);
        self.enter_context(context);
        let pivot = self.pivot(context)?;
        let (merge, switch) = self.loop_variable(context, start?, "b_acc", "b_acc", pivot)?;
        let sum = self.add(switch.output(1), grad)?;
        let next = self.op("NextIteration").input(sum).build_one()?;
        self.close_loop(merge, next)?;
        self.leave_loop(context, switch, "b_acc")
    }

    fn zeros_of_invariant(
        &mut self,
        context: usize,
        op: &Forward,
        grad: Output,
        dtype: DType,
    ) -> Result<Output, Error> {
        let outer = self.flow.contexts[context].outer;
        if let Some(shape) = self.shape(grad).to_shape() {
            return self.within_context(outer, |scope| scope.zero_constant(dtype, &shape, "b_acc"));
        }
        let value = op.input(0)?;
        let around = outer
            .filter(|outer| self.flow.as_loop(*outer).is_some_and(|found| found.state.is_some()));
        let state = self.flow.as_loop(context).and_then(|found| found.state);
        let outer_state = state.and_then(|state| self.flow.states[state].outer);
        let (Some(_), Some(state), Some(outer_state)) = (around, state, outer_state) else {
            return self.within_context(outer, |scope| {
                let shape = scope.op("Shape").input(value).build_one()?;
                scope.zeros_of(shape, dtype, "zeros")
            });
        };
        let forward = self.flow.states[state].forward;
        let around = self.flow.contexts[forward].outer;
        let shape =
            self.within_context(around, |scope| scope.op("Shape").input(value).build_one())?;
        let stack = self.accumulate(outer_state, shape, false)?;
        self.within_context(outer, |scope| {
            let real = scope.accumulated(outer_state, stack, shape, false)?;
            scope.zeros_of(real, dtype, "zeros")
        })
    }

    /// The rows of an invariant's gradients, one behind the other.
    pub(super) fn gather_up_invariant(
        &mut self,
        context: usize,
        op: &Forward,
        grad: IndexedSlices,
    ) -> Result<IndexedSlices, Error> {
        self.leave_context(context);
        let outer = self.flow.contexts[context].outer;
        let starts = self.within_context(outer, |scope| scope.first_rows(op, grad));
        self.enter_context(context);
        let (indices, values, shape) = starts?;
        let starts: Vec<Output> =
            [Some(indices), Some(values), shape].into_iter().flatten().collect();
        self.flow.contexts[context].values.extend(starts.iter().copied());
        let rest = match self.shape(values).dims() {
            Some([_, rest @ ..]) => {
                Some([None].into_iter().chain(rest.iter().copied()).collect::<Vec<_>>())
            }
            _ => None,
        };
        let shapes = [Some(PartialShape::new(vec![None])), rest.map(PartialShape::new), None];
        let mut enters = Vec::new();
        for (start, shape) in starts.iter().zip(&shapes) {
            let enter = self.enter(context, *start, false, "b_acc")?;
            if let Some(shape) = shape {
                self.set_shape(enter, shape.clone());
            }
            enters.push(enter);
        }
        if let Some(found) = self.flow.as_loop_mut(context) {
            found.enters.extend(enters.iter().copied());
        }
        let pivot = self.pivot(context)?;
        let mut merges = Vec::new();
        for enter in enters {
            merges.push(self.op("Merge").input_list([enter, enter]).name("b_acc").build_one()?);
        }
        let mut switches = Vec::new();
        for merge in &merges {
            switches.push(self.op("Switch").input(*merge).input(pivot).build()?);
        }
        let mut sums = Vec::new();
        for (switch, part) in switches.iter().zip([grad.indices, grad.values]) {
            sums.push(self.concat([switch.output(1), part], 0)?);
        }
        if let (Some(switch), Some(shape)) = (switches.get(2), grad.dense_shape) {
            sums.push(self.maximum(shape, switch.output(1))?);
        }
        let mut nexts = Vec::new();
        for sum in sums {
            nexts.push(self.op("NextIteration").input(sum).build_one()?);
        }
        for (merge, next) in merges.iter().zip(nexts) {
            self.close_loop(merge.node, next)?;
        }
        let mut exits = Vec::new();
        for switch in switches {
            exits.push(self.leave_loop(context, switch, "b_acc")?);
        }
        match exits[..] {
            [indices, values] => Ok(IndexedSlices { values, indices, dense_shape: None }),
            [indices, values, shape] => {
                Ok(IndexedSlices { values, indices, dense_shape: Some(shape) })
            }
            _ => Err(Error::Gradient("rows without indices".to_owned())),
        }
    }

    /// What the rows of all iterations are put behind: the indices, the values and the shape.
    fn first_rows(
        &mut self,
        op: &Forward,
        grad: IndexedSlices,
    ) -> Result<(Output, Output, Option<Output>), Error> {
        let dtype = self.dtype(grad.values).unwrap_or(DType::F32);
        let values = match self.shape(grad.values).to_shape() {
            Some(shape) => {
                let mut dims = shape.dims().to_vec();
                if let Some(first) = dims.first_mut() {
                    *first = 1;
                }
                self.zero_constant(dtype, &Shape::from(dims), "b_acc")?
            }
            None => {
                let shape = self.safe_shape(op.input(0)?)?;
                let rest = self.between(shape, Some(Index::At(1)), None)?;
                let one: Operand = vec![1i32].into();
                let shape = self.concat_at(vec![one, rest.into()], 0i32)?;
                self.zeros_of(shape, dtype, "zeros")?
            }
        };
        let indices = match self.dtype(grad.indices) {
            Some(DType::I64) => self.tensor(vec![0i64], "Const")?,
            _ => self.tensor(vec![0i32], "Const")?,
        };
        let Some(shape) = grad.dense_shape else { return Ok((indices, values, None)) };
        let dtype = self.dtype(shape).unwrap_or(DType::I32);
        let shape = match self.shape(shape).to_shape() {
            Some(dims) => self.zero_constant(dtype, &dims, "Const")?,
            None => {
                let whole = self.op("Shape").input(op.input(0)?);
                let whole = whole.attr("out_type", crate::Attr::Type(dtype)).build_one()?;
                self.op("ZerosLike").input(whole).name("zeros_like").build_one()?
            }
        };
        Ok((indices, values, Some(shape)))
    }

    /// The shape of a tensor, or of the variable that it is the handle of.
    fn safe_shape(&mut self, value: Output) -> Result<Output, Error> {
        if self.dtype(value) != Some(DType::Resource) {
            return self.op("Shape").input(value).build_one();
        }
        self.op("VariableShape").input(value).build_one()
    }
}
