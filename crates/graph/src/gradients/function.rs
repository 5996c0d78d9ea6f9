//! Gradients of functions, and of the nodes that call them.

use std::sync::Arc;

use flowkeep_tensor::DType;

use super::forward::{Forward, Gradients};
use super::walk::is_trainable;
use super::{Gradient, GradientOptions, UnconnectedGradients};
use crate::builder::Scope;
use crate::{Attr, AttrList, Error, FuncRef, FunctionBody, Output};

impl FunctionBody {
    /// What `SymbolicGradient` of this function computes.
    ///
    /// Its arguments are those of the function and a gradient for each result, its results a gradient for
    /// each argument: zeros where the results do not depend on it.
    ///
    /// Errors: as [`Scope::gradients_with`].
    pub fn gradient(&self) -> Result<FunctionBody, Error> {
        let mut scope = Scope::from_graph(self.graph.clone());
        let xs: Vec<Output> = self.args.iter().map(|id| id.output(0)).collect();
        let mut args = self.args.clone();
        let (mut ys, mut grad_ys) = (Vec::new(), Vec::new());
        for ret in &self.rets {
            let dtype = scope.dtype(*ret).unwrap_or(DType::F32);
            let index = i64::try_from(args.len()).unwrap_or(i64::MAX);
            let node =
                scope.op("_Arg").attr("T", Attr::Type(dtype)).attr("index", Attr::Int(index));
            let arg = node.name("gradient_of_result").build_one()?;
            args.push(arg.node);
            if is_trainable(&scope, *ret) {
                ys.push(*ret);
                grad_ys.push(Some(arg));
            }
        }
        let options = GradientOptions::new()
            .grad_ys(grad_ys)
            .unconnected_gradients(UnconnectedGradients::Zero);
        let mut rets = Vec::with_capacity(xs.len());
        for gradient in scope.gradients_with(ys, xs, &options)? {
            let gradient = gradient.ok_or_else(|| {
                Error::Gradient("an argument of unknown type has no gradient".to_owned())
            })?;
            rets.push(scope.summed_up(gradient)?);
        }
        let ret_names = (0..rets.len()).map(|idx| Arc::from(format!("gradient_{idx}"))).collect();
        Ok(FunctionBody {
            graph: scope.into_graph(),
            args,
            rets,
            ret_names,
            control_rets: Vec::new(),
            control_ret_names: Vec::new(),
        })
    }
}

/// The gradients of a node that calls a function: a `SymbolicGradient` of it, as TensorFlow makes for
/// functions of which it knows no gradient in Python.
pub(super) fn call(scope: &mut Scope, forward: &Forward) -> Gradients {
    let node = scope.graph().get(forward.output(0).node);
    let op = node.map_or("", |node| node.op()).to_owned();
    let name = match forward.attrs.func("f") {
        Ok(function) if is_partitioned(&op) => function.name.clone(),
        _ => op.as_str().into(),
    };
    let mut inputs = forward.inputs.clone();
    for idx in 0..forward.grads.len() {
        inputs.push(scope.summed_up(forward.grad(idx)?)?);
    }
    let types = forward.inputs.iter().map(|input| match scope.dtype(*input) {
        Some(DType::Resource) => scope.handle_dtype(*input).unwrap_or(DType::F32),
        dtype => dtype.unwrap_or(DType::F32),
    });
    let types = types.collect();
    let function = FuncRef { name, attrs: forward.attrs.clone() };
    let node = scope.op("SymbolicGradient").input_list(inputs);
    let node = node
        .attr("Tout", Attr::List(AttrList::Type(types)))
        .attr("f", Attr::Func(Arc::new(function)))
        .build()?;
    let n = u32::try_from(forward.inputs.len()).unwrap_or(u32::MAX);
    Ok((0..n).map(|index| Some(Gradient::Dense(node.output(index)))).collect())
}

pub(super) fn is_partitioned(op: &str) -> bool {
    matches!(op, "PartitionedCall" | "StatefulPartitionedCall")
}
